//! How a letter is named.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::mesh::NodeId;

/// Names a letter among those of its sender, 16 bytes; the same however often it is sent.
///
/// Shown as 32 hex digits; the short form (for people) is the first 8.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LetterId(pub [u8; 16]);

/// Why a text is not a [`LetterId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a letter id is 32 hex digits, this has {0} characters or one that is not a hex digit")]
pub struct ParseLetterIdError(usize);

impl LetterId {
    /// The id of the letter that a person names `key`: asking twice for the same letter makes one letter.
    /// Both ends are part of it, so a key may be used again with another reader.
    pub fn of_key(sender: &NodeId, reader: &NodeId, key: &str) -> LetterId {
        let mut hash = Sha256::new();
        // Each part with its length, so that no two lists of parts give the same bytes.
        for part in [b"kith1/letter-id".as_slice(), &sender.0, &reader.0, key.as_bytes()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let hash: [u8; 32] = hash.finalize().into();
        LetterId(*hash.first_chunk().expect("16 of 32 bytes"))
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
        write!(f, "LetterId({})", self.short())
    }
}

impl FromStr for LetterId {
    type Err = ParseLetterIdError;

    /// Reads 32 hex digits.
    fn from_str(text: &str) -> Result<LetterId, ParseLetterIdError> {
        let wrong = || ParseLetterIdError(text.chars().count());
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| wrong())?;
        Ok(LetterId(number.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_as_it_is_shown() {
        let id = LetterId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(id.to_string(), "000102030405060708090a0b0c0d0eff");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
        assert_eq!(
            (id.short().as_str(), format!("{id:?}").as_str()),
            ("00010203", "LetterId(00010203)")
        );
        for wrong in
            ["", "0001", "000102030405060708090a0b0c0d0e0g", "+00102030405060708090a0b0c0d0eff"]
        {
            assert!(wrong.parse::<LetterId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_names_one_letter_between_two_nodes() {
        let (a, b) = (NodeId([1; 32]), NodeId([2; 32]));
        let id = LetterId::of_key(&a, &b, "backup of May");
        assert_eq!(id, LetterId::of_key(&a, &b, "backup of May"));
        assert_ne!(id, LetterId::of_key(&b, &a, "backup of May"));
        assert_ne!(id, LetterId::of_key(&a, &b, "backup of june"));
        // Recorded: a person may send the same key again after an upgrade.
        assert_eq!(id.to_string(), "eb9453a141477eaaaca34b8547e1cc85");
    }
}
