//! The encrypted stream to one peer: TCP below, TLS above, and a buffer between them.
//!
//! tokio-rustls takes its bytes from the socket in pieces of 4 to 16 KiB, whatever waits there: a call into
//! the kernel for each record at best. The buffer takes what waits in one call and hands it on in pieces of
//! any size. It is there only while bytes come in: an idle link keeps none.
//!
//! `rustls::unbuffered` would save the copy out of this buffer, a few parts in a hundred of what receiving
//! costs (see `examples/floor`). But it gives no exporter, without which the network's secret cannot be
//! bound to the connection.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::tls::{TlsError, exporter, peer_id, server_name};
use crate::mesh::NodeId;

/// Room for the first read after a silence: heartbeats and gossip fit.
const ROOM_MIN: usize = 4 * 1024;
/// Most that is read from the socket at once. 128 and 256 KiB measured no cheaper and often dearer; and this
/// much a link keeps whose bytes are not fetched.
const ROOM_MAX: usize = 64 * 1024;
/// Most plaintext that is encrypted ahead of the socket: the longest frame of a file in one call into the
/// kernel, header and all. The library's own bound of 64 KiB cuts each of them in two.
const AHEAD_MAX: usize = 80 * 1024;

/// A finished TLS handshake with a peer that has proven its key, over a transport.
pub struct Stream<S> {
    tls: TlsStream<Buffered<S>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream<S> {
    /// The dialler's handshake. The error is the library's, wrapped: see [`super::tls::identity_mismatch`].
    pub async fn dial(config: Arc<ClientConfig>, transport: S) -> io::Result<Stream<S>> {
        let connector = TlsConnector::from(config);
        let tls = connector.connect_with(server_name(), Buffered::new(transport), |connection| {
            connection.set_buffer_limit(Some(AHEAD_MAX));
        });
        Ok(Stream { tls: tls.await?.into() })
    }

    /// The acceptor's handshake.
    pub async fn accept(config: Arc<ServerConfig>, transport: S) -> io::Result<Stream<S>> {
        let acceptor = TlsAcceptor::from(config);
        let tls = acceptor.accept_with(Buffered::new(transport), |connection| {
            connection.set_buffer_limit(Some(AHEAD_MAX));
        });
        Ok(Stream { tls: tls.await?.into() })
    }
}

impl<S> Stream<S> {
    /// Who the peer is, and its key; see [`super::tls::peer_id`].
    pub fn peer_id(&self) -> Result<(NodeId, [u8; 32]), TlsError> {
        peer_id(self.tls.get_ref().1)
    }

    /// What only the two ends of this connection know; see [`super::tls::exporter`].
    pub fn exporter(&self) -> Result<[u8; 32], TlsError> {
        match &self.tls {
            TlsStream::Client(stream) => exporter(stream.get_ref().1),
            TlsStream::Server(stream) => exporter(stream.get_ref().1),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_read(cx, into)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, from)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write_vectored(cx, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}

/// Reads more from a transport than was asked for, and keeps it. Writes go straight through.
struct Buffered<S> {
    transport: S,
    bytes: Vec<u8>,
    /// How many of `bytes` are handed on already.
    taken: usize,
    /// Room for the next read: twice as much after a read that filled it, half after a silence.
    room: usize,
}

impl<S> Buffered<S> {
    fn new(transport: S) -> Buffered<S> {
        Buffered { transport, bytes: Vec::new(), taken: 0, room: ROOM_MIN }
    }
}

impl<S: AsyncRead + Unpin> Buffered<S> {
    /// Reads into the buffer; everything in it is handed on already.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.taken = 0;
        self.bytes.clear();
        if self.bytes.capacity() < self.room {
            self.bytes = Vec::with_capacity(self.room);
        }
        let read = pin!(self.transport.read_buf(&mut self.bytes)).poll(cx);
        if self.bytes.is_empty() {
            // Nothing now, or nothing ever.
            self.bytes = Vec::new();
            self.room = (self.room / 2).max(ROOM_MIN);
        } else if self.bytes.len() >= self.room {
            self.room = (self.room * 2).min(ROOM_MAX);
        }
        read.map_ok(|_| ())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Buffered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.taken == self.bytes.len() {
            ready!(self.poll_fill(cx))?;
        }
        let n = into.remaining().min(self.bytes.len() - self.taken);
        into.put_slice(&self.bytes[self.taken..self.taken + n]);
        self.taken += n;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Buffered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.transport).poll_write(cx, from)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.transport).poll_write_vectored(cx, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
