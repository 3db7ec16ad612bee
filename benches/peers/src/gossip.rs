//! A member of chitchat 0.13, over its own UDP transport, whose bytes are counted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use chitchat::transport::{RecvOutcome, SendOutcome, Socket, Transport, UdpTransport};
use chitchat::{
    Chitchat, ChitchatConfig, ChitchatEnvelope, ChitchatHandle, ChitchatId, FailureDetectorConfig,
    ProtocolVersion, spawn_chitchat,
};
use tokio::sync::OwnedMutexGuard;

use crate::board::Board;

/// Its documentation's; there are no defaults for these two.
const INTERVAL: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(15 * 60);

/// One member, as long as it is not dropped.
pub struct Member {
    handle: ChitchatHandle,
    /// What it needs for every step, taken away while it is stopped.
    held: Option<OwnedMutexGuard<Chitchat>>,
}

impl Member {
    /// Starts member `number`; it joins by way of `seed`.
    pub async fn start(
        number: usize,
        seed: Option<SocketAddr>,
        board: Arc<Board>,
    ) -> Result<(Member, SocketAddr)> {
        let addr = free_addr()?;
        let id = ChitchatId::new(format!("n{number}"), 0, addr);
        board.call(addr, number);
        let config = ChitchatConfig {
            chitchat_id: id,
            cluster_id: "bench".to_owned(),
            gossip_interval: INTERVAL,
            listen_addr: addr,
            seed_nodes: seed.iter().map(SocketAddr::to_string).collect(),
            failure_detector_config: FailureDetectorConfig::default(),
            marked_for_deletion_grace_period: GRACE,
            catchup_callback: None,
            extra_liveness_predicate: None,
            // The newest, and the one with fewer bytes.
            protocol_version: ProtocolVersion::V1,
        };
        let handle = spawn_chitchat(config, Vec::new(), &Counting(board.clone())).await?;
        let mut live = handle.with_chitchat(|chitchat| chitchat.live_nodes_watcher()).await;
        tokio::spawn(async move {
            // It ends with the member.
            while live.changed().await.is_ok() {
                let numbers: Vec<usize> = {
                    let now = live.borrow_and_update();
                    now.keys().filter_map(|id| board.number(id.gossip_advertise_addr)).collect()
                };
                board.see_exactly(number, &numbers);
            }
        });
        Ok((Member { handle, held: None }, addr))
    }

    /// As SIGSTOP (or SIGCONT) would: it does nothing, and its socket stays open.
    pub async fn stop(&mut self, stop: bool) {
        self.held = match stop {
            true => Some(self.handle.chitchat().lock_owned().await),
            false => None,
        };
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

/// An address nobody listens on. Somebody may take it before it is used: then the start fails.
fn free_addr() -> Result<SocketAddr> {
    Ok(std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?)
}

struct Counting(Arc<Board>);

#[async_trait]
impl Transport for Counting {
    async fn open(&self, addr: SocketAddr) -> Result<Box<dyn Socket>> {
        let socket = UdpTransport.open(addr).await?;
        Ok(Box::new(CountingSocket { socket, board: self.0.clone() }))
    }
}

struct CountingSocket {
    socket: Box<dyn Socket>,
    board: Arc<Board>,
}

#[async_trait]
impl Socket for CountingSocket {
    fn local_addr(&self) -> Result<SocketAddr> {
        self.socket.local_addr()
    }

    async fn send(&mut self, to: SocketAddr, envelope: ChitchatEnvelope) -> Result<SendOutcome> {
        let sent = self.socket.send(to, envelope).await?;
        self.board.count_sent(sent.num_bytes_sent);
        Ok(sent)
    }

    async fn recv(&mut self) -> Result<RecvOutcome> {
        self.socket.recv().await
    }
}
