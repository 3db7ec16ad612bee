//! A signed word of who holds a file: the index hands it on, so it must not be able to make one up.

use serde::{Deserialize, Serialize};

use super::FileId;
use crate::mesh::NodeId;
use crate::mesh::record::{Crypto, domain_separated};
use crate::wire::bounded::Blob;

/// How long a holding is good for, milliseconds; it is announced again at half of it.
pub const HOLDING_MS: u64 = 3_600_000;
/// How far ahead a clock may be, milliseconds.
const SKEW_MS: u64 = 600_000;

/// "I hold (some of) this file", as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// The file.
    pub file: FileId,
    /// The holder's Ed25519 key.
    pub key: [u8; 32],
    /// Unix milliseconds until which it counts.
    pub until_ms: u64,
    /// Ed25519 over `"kith1/holding\0" ‖ file ‖ until_ms (8 bytes, big-endian)`.
    pub sig: Blob<64>,
}

fn message(file: &FileId, until_ms: u64) -> Vec<u8> {
    domain_separated("holding", &[&file.0[..], &until_ms.to_be_bytes()].concat())
}

impl Signed {
    /// Says that we hold `file`, as of now.
    pub fn sign(file: FileId, now_ms: u64, crypto: &dyn Crypto) -> Signed {
        let until_ms = now_ms.saturating_add(HOLDING_MS);
        let sig = crypto.sign(&message(&file, until_ms));
        let sig = Blob::new(sig.to_vec()).expect("a signature is 64 bytes");
        Signed { file, key: crypto.key(), until_ms, sig }
    }

    /// Who says so; none if it is forged, over, or reaches further ahead than an honest one can.
    pub fn holder(&self, now_ms: u64, crypto: &dyn Crypto) -> Option<NodeId> {
        let latest = now_ms.saturating_add(HOLDING_MS + SKEW_MS);
        let timely = self.until_ms > now_ms && self.until_ms <= latest;
        let good =
            timely && crypto.verify(&self.key, &message(&self.file, self.until_ms), &self.sig);
        good.then(|| NodeId::of_key(&self.key))
    }
}
