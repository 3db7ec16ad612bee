//! Laws of the exchange core: alone against peers that keep no rule, and many of them as a swarm.

mod alone;
mod hostile;
mod swarm;
mod world;

use std::sync::Arc;

use super::{Exchange, Home};
use crate::mesh::NodeId;
use crate::mesh::record::Crypto;
use crate::pieces::event::{KnownFile, Policy};
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

impl Exchange {
    pub fn debug(&self) -> String {
        let mut t = format!(
            "{:?} now {:?} buf {} tick {:?} slots {:?}\n",
            self.home.me,
            self.now,
            self.buffered >> 20,
            self.tick_at,
            self.slots
        );
        for (p, l) in &self.links {
            if !l.asks.is_empty() || !l.queue.jobs.is_empty() {
                t += &format!(
                    "   {p:?} asks {:?} heard {:?} rate {} rest {:?} | jobs {:?}\n",
                    l.asks.keys(),
                    l.heard_at,
                    l.meter.rate,
                    l.rest_until,
                    l.queue
                );
            }
        }
        t
    }
}
