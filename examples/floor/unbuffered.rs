//! A receiving end on `rustls::unbuffered`, the least of it that can be measured.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Outcome, Sink};

/// A connection and its one buffer of 256 KiB.
pub struct Unbuffered {
    connection: UnbufferedServerConnection,
    tcp: TcpStream,
    bytes: Vec<u8>,
    at: usize,
    end: usize,
}

impl Unbuffered {
    pub async fn accept(config: Arc<ServerConfig>, tcp: TcpStream) -> Outcome<Unbuffered> {
        let connection = UnbufferedServerConnection::new(config)?;
        let mut this = Unbuffered { connection, tcp, bytes: vec![0; 256 * 1024], at: 0, end: 0 };
        let mut out = Vec::new();
        loop {
            let bytes = &mut this.bytes[this.at..this.end];
            let UnbufferedStatus { discard, state } = this.connection.process_tls_records(bytes);
            this.at += discard;
            match state? {
                ConnectionState::EncodeTlsData(mut data) => {
                    let at = out.len();
                    out.resize(at + 32 * 1024, 0);
                    let n = data.encode(&mut out[at..])?;
                    out.truncate(at + n);
                }
                ConnectionState::TransmitTlsData(data) => {
                    this.tcp.write_all(&out).await?;
                    out.clear();
                    data.done();
                }
                ConnectionState::BlockedHandshake => this.fill().await?,
                // Data may come behind the peer's last word of the handshake; it is offered again.
                ConnectionState::WriteTraffic(_) | ConnectionState::ReadTraffic(_) => {
                    return Ok(this);
                }
                other => return Err(format!("{other:?} in a handshake").into()),
            }
        }
    }

    async fn fill(&mut self) -> Outcome<()> {
        self.bytes.copy_within(self.at..self.end, 0);
        (self.at, self.end) = (0, self.end - self.at);
        match self.tcp.read(&mut self.bytes[self.end..]).await? {
            0 => return Err("the sender is gone".into()),
            n => self.end += n,
        }
        Ok(())
    }

    pub async fn receive(mut self, sink: &mut Sink) -> Outcome<()> {
        while !sink.done() {
            let bytes = &mut self.bytes[self.at..self.end];
            let UnbufferedStatus { discard, state } = self.connection.process_tls_records(bytes);
            self.at += discard;
            match state? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let mut payload = record?.payload;
                        while !payload.is_empty() {
                            let n = payload.len().min(sink.room().len());
                            sink.room()[..n].copy_from_slice(&payload[..n]);
                            sink.took(n)?;
                            payload = &payload[n..];
                        }
                    }
                }
                ConnectionState::WriteTraffic(_) => self.fill().await?,
                other => return Err(format!("{other:?} in a transfer").into()),
            }
        }
        Ok(())
    }
}
