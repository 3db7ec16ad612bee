//! What neighbours say to one another about letters, packets apart. None of it is passed on, and none of it
//! travels by onion.

use serde::{Deserialize, Serialize};

use super::rows::KeptLetter;
use crate::wire::bounded::{Blob, List};

/// Most tokens in one [`MailFrame::Fetched`].
pub const TOKENS_MAX: usize = 1024;

/// A message between neighbours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MailFrame {
    /// "I did not take the packet with this number": too many, or too much to do.
    Busy {
        /// The number that stood in front of the packet.
        number: u32,
    },
    /// "Would you keep letters for me while I am away?"
    AskKeep,
    /// "I will, until then", or not, with 0.
    WillKeep {
        /// Unix milliseconds.
        until_ms: u64,
    },
    /// "I keep letters for you."
    Waiting,
    /// "Give me what you keep for me, but for what I name: it is under way or safe with me."
    Fetch {
        /// Tokens of what is not to be sent again.
        but: List<[u8; 16], TOKENS_MAX>,
    },
    /// One letter that was kept. It is padded to one of two lengths, as packets are.
    Kept(Kept),
    /// "That was all for now"; ask again if there is more.
    NoMore {
        /// There is.
        more: bool,
    },
    /// "These are safe with me: throw them away."
    Fetched {
        /// Their tokens.
        tokens: List<[u8; 16], TOKENS_MAX>,
    },
}

/// Lengths a kept letter is padded to: those of the payloads of packets.
pub const KEPT_BYTES: [usize; 2] = [2 * 1024, 16 * 1024];

/// Bytes that a sealed letter of `len` bytes has on its way to its reader.
pub fn padded(len: usize) -> usize {
    KEPT_BYTES.into_iter().find(|bytes| *bytes >= len).unwrap_or(len)
}

/// A kept letter on its way to its reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its name between both.
    pub token: [u8; 16],
    /// How much of `padded` is the sealed letter, bytes.
    len: u16,
    /// The sealed letter and zeros, [`KEPT_BYTES`] in all.
    padded: Blob<{ 16 * 1024 }>,
}

impl Kept {
    /// Pads a letter; none if it is longer than letters are.
    pub fn of(letter: &KeptLetter) -> Option<Kept> {
        let len = u16::try_from(letter.sealed.len()).ok()?;
        let whole = KEPT_BYTES.into_iter().find(|bytes| *bytes >= letter.sealed.len())?;
        let mut padded = letter.sealed.clone();
        padded.resize(whole, 0);
        Some(Kept { token: letter.token, len, padded: Blob::new(padded).ok()? })
    }

    /// The sealed letter; none if the lengths do not fit together.
    pub fn sealed(&self) -> Option<&[u8]> {
        self.padded.get(..usize::from(self.len)).filter(|_| KEPT_BYTES.contains(&self.padded.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_letter_travels_in_one_of_two_lengths() {
        for (len, whole) in [(0, 2048), (2048, 2048), (2049, 16384), (16384, 16384)] {
            let letter = KeptLetter { token: [7; 16], expires_ms: 1, sealed: vec![9; len] };
            let kept = Kept::of(&letter).expect("fits");
            assert_eq!(kept.padded.len(), whole);
            assert_eq!(kept.sealed(), Some(&letter.sealed[..]));
        }
        let long = KeptLetter { token: [7; 16], expires_ms: 1, sealed: vec![9; 16385] };
        assert_eq!(Kept::of(&long), None);
        let odd = Kept { token: [0; 16], len: 3, padded: Blob::new(vec![0; 100]).expect("fits") };
        assert_eq!(odd.sealed(), None);
    }
}
