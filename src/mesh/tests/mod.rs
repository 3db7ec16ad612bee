//! The laws of the cores, each beside the others; the simulator (`tests/sim`) holds them together.

mod call;
mod graph;
mod measured;
mod near;
mod needs;
mod partial;
mod peers;
mod pulse;
mod record;
mod route;
mod shape;
mod sync;
mod tree;
mod ways;

use std::net::SocketAddr;

use sha2::{Digest, Sha256};

use super::record::{Body, Card, Crypto, Direction, LinkEntry, LinkState, Record};
use super::shape::{Mode, Plan};
use super::{NodeId, Ver};
use crate::wire::bounded::{List, Text};

/// Everyone links with everyone.
pub const FULL: Plan = Plan { mode: Mode::Full, degree: 8, conns_max: 16 };

/// A keyed hash for a signature; the key is public, so anyone can check it.
pub struct Hashed(pub [u8; 32]);

impl Crypto for Hashed {
    fn key(&self) -> [u8; 32] {
        self.0
    }
    fn sign(&self, message: &[u8]) -> [u8; 64] {
        let hash: [u8; 32] =
            Sha256::new().chain_update(self.0).chain_update(message).finalize().into();
        let mut sig = [0; 64];
        sig[..32].copy_from_slice(&hash);
        sig
    }
    fn verify(&self, key: &[u8; 32], message: &[u8], sig: &[u8]) -> bool {
        Hashed(*key).sign(message) == *sig
    }
}

pub fn node(n: u8) -> Hashed {
    Hashed([n; 32])
}

/// One of more nodes than a byte can count.
pub fn one_of_many(n: u32) -> Hashed {
    Hashed(Sha256::digest(n.to_le_bytes()).into())
}

/// The card of one of those.
pub fn card_of_many(n: u32) -> Record {
    let key = one_of_many(n);
    let card = Card { key: key.0, ..plain_card(0, Ver { epoch: 1, seq: 1 }) };
    Record::sign(Body::Card(card), &key)
}

pub fn id(n: u8) -> NodeId {
    NodeId::of_key(&[n; 32])
}

pub fn addr(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n], 8100))
}

pub fn plain_card(n: u8, ver: Ver) -> Card {
    Card {
        key: [n; 32],
        network: Text::new("test").expect("short"),
        ver,
        label: Text::new(format!("node{n}")).expect("short"),
        addrs: List::first_of([addr(n)]),
        relay: false,
        mailbox: false,
        keys: Default::default(),
        tags: Default::default(),
        leaving_ms: None,
    }
}

pub fn card(n: u8, seq: u64) -> Record {
    Record::sign(Body::Card(plain_card(n, Ver { epoch: 1, seq })), &node(n))
}

pub fn link_state(n: u8, seq: u64, peers: &[u8]) -> LinkState {
    let mut links: Vec<LinkEntry> = peers
        .iter()
        .filter(|p| **p != n)
        .map(|p| LinkEntry {
            peer: id(*p),
            dir: if n < *p { Direction::Out } else { Direction::In },
            rtt_us: 1000,
            since_s: 0,
        })
        .collect();
    links.sort_by_key(|l| l.peer);
    links.dedup_by_key(|l| l.peer);
    let ver = Ver { epoch: 1, seq };
    LinkState {
        id: id(n),
        ver,
        slots_free: 1,
        degree_max: 9,
        links: List::first_of(links),
        lost: List::default(),
    }
}

pub fn links(n: u8, seq: u64, peers: &[u8]) -> Record {
    Record::sign(Body::Links(link_state(n, seq, peers)), &node(n))
}
