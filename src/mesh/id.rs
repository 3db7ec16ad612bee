//! The small values everything else is made of: node ids, versions, time.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A node's identity: SHA-256 of its public key in SPKI DER form, 32 bytes.
///
/// Shown as 64 hex digits; the short form (for people) is the first 8.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NodeId(pub [u8; 32]);

/// The order of the bytes. Ids are hashes: the first 8 bytes decide, and comparing them as one number is
/// several times faster than comparing slices, which deriving the graph does a lot.
impl Ord for NodeId {
    #[inline]
    fn cmp(&self, other: &NodeId) -> Ordering {
        self.head().cmp(&other.head()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for NodeId {
    fn partial_cmp(&self, other: &NodeId) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Why a text is not a [`NodeId`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a node id is 64 hex digits, this has {0} characters or one that is not a hex digit")]
pub struct ParseIdError(usize);

/// DER bytes before the 32 key bytes in the SPKI of every Ed25519 key (RFC 8410, section 4).
const ED25519_SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

impl NodeId {
    /// The id of the holder of an Ed25519 public key (32 bytes): SHA-256 over its SPKI DER.
    pub fn of_key(key: &[u8; 32]) -> NodeId {
        NodeId(Sha256::digest(NodeId::spki(key)).into())
    }

    /// The SPKI DER of an Ed25519 public key (32 bytes): the one form an id is computed from, 44 bytes.
    pub fn spki(key: &[u8; 32]) -> [u8; 44] {
        let mut spki = [0; 44];
        spki[..12].copy_from_slice(&ED25519_SPKI_PREFIX);
        spki[12..].copy_from_slice(key);
        spki
    }

    /// The first 8 bytes as a number: evenly spread, as long as nobody seeks keys with certain ids.
    #[inline]
    pub fn head(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// The first 8 bytes, where an id is named so often that its length counts.
    pub fn prefix(&self) -> [u8; 8] {
        self.head().to_be_bytes()
    }

    /// The first 8 hex digits, for tables and logs.
    pub fn short(&self) -> String {
        HEXLOWER.encode(&self.0[..4])
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", HEXLOWER.encode_display(&self.0))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl FromStr for NodeId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseIdError(text.chars().count());
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut id = [0; 32];
        for (i, byte) in id.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| wrong())?;
        }
        Ok(NodeId(id))
    }
}

/// Names one connection for as long as this process lives; never reused.
pub type ConnId = u64;

/// The version of a record: newer is greater.
///
/// `epoch` is max(unix milliseconds at boot, stored epoch + 1), so a restart is always newer.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Ver {
    /// The boot that made the record.
    pub epoch: u64,
    /// Counts records of one boot.
    pub seq: u64,
}

/// Microseconds since the daemon (or the simulation) began. Monotonic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// The time `ms` milliseconds after the start.
    pub const fn from_ms(ms: u64) -> Time {
        Time(ms * 1000)
    }

    /// Whole milliseconds since the start.
    pub const fn as_ms(self) -> u64 {
        self.0 / 1000
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Time {
    type Output = Time;
    fn add(self, rhs: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(rhs.as_micros()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text_form() {
        let id = NodeId::of_key(&[7; 32]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().starts_with(&id.short()));
    }

    #[test]
    fn ids_are_ordered_as_their_bytes_are() {
        let ids: Vec<NodeId> = (0..200).map(|i| NodeId::of_key(&[i; 32])).collect();
        let mut near = ids[0];
        near.0[31] ^= 1;
        for a in ids.iter().chain([&near]) {
            for b in ids.iter().chain([&near]) {
                assert_eq!(a.cmp(b), a.0.cmp(&b.0));
            }
        }
    }

    #[test]
    fn texts_that_are_not_ids_are_refused() {
        for text in ["", "abc", &"g".repeat(64), &"é".repeat(32), &"a".repeat(65)] {
            assert!(text.parse::<NodeId>().is_err(), "{text}");
        }
    }
}
