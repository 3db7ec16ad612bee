//! The name of a letter.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::mesh::NodeId;

/// Names a letter of one sender: 16 bytes, drawn by chance or made of the sender's own key for it. Shown as 32
/// hex digits; the short form is the first 8.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LetterId(pub [u8; 16]);

/// Why a text is not a [`LetterId`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "the id of a letter is 32 hex digits, this has {0} characters or one that is not a hex digit"
)]
pub struct ParseLetterIdError(usize);

impl LetterId {
    /// The id of the letter that its writer calls `key`: the same key, sender and reader give the same letter.
    pub fn of_key(sender: &NodeId, reader: &NodeId, key: &str) -> LetterId {
        let mut hash = Sha256::new();
        hash.update(b"kith1/letter-key\0");
        hash.update(sender.0);
        hash.update(reader.0);
        hash.update(key.as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        LetterId(id)
    }

    /// The first 8 hex digits, for tables and logs.
    pub fn short(&self) -> String {
        self.0[..4].iter().map(|b| format!("{b:02x}")).collect()
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl FromStr for LetterId {
    type Err = ParseLetterIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseLetterIdError(text.chars().count());
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut id = [0; 16];
        for (i, byte) in id.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| wrong())?;
        }
        Ok(LetterId(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_being_printed_and_a_key_names_one_letter() {
        let (a, b) = (NodeId([1; 32]), NodeId([2; 32]));
        let id = LetterId::of_key(&a, &b, "invoice-7");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id, LetterId::of_key(&a, &b, "invoice-7"));
        assert_ne!(id, LetterId::of_key(&b, &a, "invoice-7"));
        assert_ne!(id, LetterId::of_key(&a, &b, "invoice-8"));
        assert!("0123".parse::<LetterId>().is_err());
    }
}
