//! The laws of letters, layers, keys and shards.

mod keys;
mod onion;
mod protocol;
mod seal;
mod shards;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use sha2::{Digest, Sha256};

use super::onion::{Hop, OnionSecret};
use crate::mesh::NodeId;
use crate::mesh::record::Crypto;

/// A real signer from a seed, so that recorded letters stay the same.
pub struct Signer(Ed25519KeyPair);

pub fn signer(n: u8) -> Signer {
    Signer(Ed25519KeyPair::from_seed_unchecked(&[n; 32]).expect("32 bytes"))
}

impl Crypto for Signer {
    fn key(&self) -> [u8; 32] {
        self.0.public_key().as_ref().try_into().expect("32 bytes")
    }
    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).as_ref().try_into().expect("64 bytes")
    }
    fn verify(&self, key: &[u8; 32], message: &[u8], sig: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, key).verify(message, sig).is_ok()
    }
}

impl Signer {
    pub fn id(&self) -> NodeId {
        NodeId::of_key(&self.key())
    }
}

/// A node on a way, and its secret.
pub fn hop(n: u8) -> (Hop, OnionSecret) {
    let secret = OnionSecret::from_seed(&[n; 32]);
    (Hop { id: NodeId([n; 32]), key: secret.public() }, secret)
}

/// The ways of one to five hops, numbered from 1.
pub fn way(hops: u8) -> (Vec<Hop>, Vec<OnionSecret>) {
    (1..=hops).map(hop).unzip()
}

pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |p: &[u8]| u8::from_str_radix(std::str::from_utf8(p).expect("ASCII"), 16);
    digits.chunks(2).map(|p| pair(p).expect("hex")).collect()
}
