//! Signatures that cost a microsecond: a keyed hash that anyone can make again from the public key. It
//! catches altered records, which is all that the simulated network could bring forth.

use kith::mesh::record::Crypto;
use sha2::{Digest, Sha256};

pub struct SimCrypto(pub [u8; 32]);

fn mac(key: &[u8; 32], message: &[u8]) -> [u8; 64] {
    let mut sha = Sha256::new();
    sha.update(key);
    sha.update(message);
    let half: [u8; 32] = sha.finalize().into();
    let mut sig = [0; 64];
    sig[..32].copy_from_slice(&half);
    sig[32..].copy_from_slice(&half);
    sig
}

impl Crypto for SimCrypto {
    fn key(&self) -> [u8; 32] {
        self.0
    }
    fn sign(&self, message: &[u8]) -> [u8; 64] {
        mac(&self.0, message)
    }
    fn verify(&self, key: &[u8; 32], message: &[u8], sig: &[u8]) -> bool {
        mac(key, message) == *sig
    }
}
