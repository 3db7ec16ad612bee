//! Laws of the exchange core: alone against peers that keep no rule, and many of them as a swarm.

mod alone;
mod asking;
mod hostile;
mod phases;
mod serving;
mod swarm;
mod world;

use std::sync::Arc;

use super::{Exchange, Home};
use crate::mesh::NodeId;
use crate::mesh::record::Crypto;
use crate::mesh::view::{NodeView, State, View};
use crate::pieces::event::{KnownFile, Policy};
use crate::pieces::frame::Part;
use crate::pieces::{Bitmap, FileId};

pub const MIB: u64 = 1 << 20;
pub const START_MS: u64 = 1_700_000_000_000;

/// The key is the signature's first half; enough where forging is not the subject.
pub struct Plain(pub [u8; 32]);

impl Crypto for Plain {
    fn key(&self) -> [u8; 32] {
        self.0
    }
    fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut sig = [0; 64];
        sig[..32].copy_from_slice(&self.0);
        sig[32] = message.iter().fold(0, |sum, byte| sum ^ byte);
        sig
    }
    fn verify(&self, key: &[u8; 32], message: &[u8], sig: &[u8]) -> bool {
        Plain(*key).sign(message) == *sig
    }
}

pub fn key(n: usize) -> [u8; 32] {
    let mut key = [7; 32];
    key[..8].copy_from_slice(&(n as u64).to_be_bytes());
    key
}

pub fn id(n: usize) -> NodeId {
    NodeId::of_key(&key(n))
}

pub fn policy() -> Policy {
    Policy {
        buffer_bytes_max: 32 * MIB,
        upload_bytes_per_second: 0,
        upload_bytes_per_second_per_peer: 0,
        download_bytes_per_second: 0,
        transfers_max: 8,
        files_max: 10_000,
        index_max: 65_536,
    }
}

pub fn exchange(n: usize, policy: Policy, seed: u64) -> Exchange {
    let home = Home { me: id(n), start_ms: START_MS };
    Exchange::new(home, policy, seed, Arc::new(Plain(key(n))))
}

/// A file of so many pieces of 1 MiB, the last of them shorter.
pub fn file(n: u8, pieces: u32, held: Bitmap) -> KnownFile {
    KnownFile {
        file: FileId([n; 32]),
        name: format!("file{n}"),
        bytes: u64::from(pieces) * MIB - if pieces > 0 { 1000 } else { 0 },
        piece_bytes: 1 << 20,
        manifest_bytes: 100 + 32 * pieces,
        held,
    }
}

/// Node 0's view in which these are alive.
pub fn view(alive: impl IntoIterator<Item = usize>) -> View {
    let node = |n| NodeView {
        id: id(n),
        label: String::new(),
        state: State::Alive,
        addrs: Vec::new(),
        since_ms: 0,
        offers: Default::default(),
    };
    let mut nodes: Vec<NodeView> = alive.into_iter().map(node).collect();
    nodes.sort_by_key(|node| node.id);
    View { me: id(0), nodes, links: Vec::new(), changed_ms: 0 }
}

impl Exchange {
    /// What must hold between any two turns.
    pub fn check(&self) {
        let asks = self.links.values().flat_map(|link| link.asks.values());
        let asked: u64 = asks.map(|asked| u64::from(asked.bytes)).sum();
        let landed = self.to_store.iter().chain(self.storing.values());
        let landed: u64 = landed.map(|landed| u64::from(landed.bytes)).sum();
        assert_eq!(self.buffered, asked + landed);
        assert!(self.storing.len() <= 8 && self.ended.len() <= 64);
        assert_eq!(self.by_file.len(), self.fetches.len());
        for link in self.links.values() {
            assert!(link.queue.jobs.len() <= 32 && link.queue.chunks() <= 4);
            assert!(link.asks.len() <= 16 && link.interests.len() <= 256);
            assert!(link.whole.len() <= 4096);
        }
        let struck = self.links.iter().filter(|(_, link)| link.strikes > 0).map(|(peer, _)| peer);
        assert!(struck.eq(&self.struck));
        for (peer, link) in &self.links {
            assert!(link.queue.jobs.is_empty() || self.slots.waiting.contains(peer));
        }
        for fetch in self.fetches.values() {
            assert!(fetch.sources.len() <= 256 && fetch.holders.len() <= 256);
            assert!(fetch.tallies.len() <= 1024);
            assert!(fetch.sources.keys().all(|peer| self.links.contains_key(peer)));
            let Some(known) = &fetch.known else { continue };
            let busy = |p: u32| known.owners.contains_key(&p) || known.landed.contains(&p);
            for piece in 0..known.have.len() {
                let free = !known.have.contains(piece) && !busy(piece);
                assert_eq!(known.picker.is_free(piece), free, "piece {piece}");
            }
            for (piece, owners) in &known.owners {
                assert!((1..=2).contains(&owners.len()));
                for (peer, request) in owners {
                    let asked = &self.links[peer].asks[request];
                    assert_eq!(asked.part, Part::Piece(*piece));
                }
            }
        }
    }
}
