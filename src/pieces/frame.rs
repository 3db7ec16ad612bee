//! What nodes say to one another about files. Blocks themselves travel beside these, unserialised
//! ([`crate::wire::Give`]).
//!
//! ```text
//! A: have(file, nothing, wants)      B: have(file, all)           who has what
//! A: ask(request, file, piece 7)     B: give … give | nope        one piece, in blocks of 64 KiB
//! A: cancel(request)                 B: nope(request, cancelled)  every ask is answered in whole or by a nope
//! A: seek(file)                      I: peer(file, holdings)      I keeps the index for this file
//! B: announce(holdings)
//! ```

use serde::{Deserialize, Serialize};

use super::FileId;
use super::holding::Signed;
use crate::wire::bounded::{Blob, List};

/// A message about files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PieceFrame {
    /// "This is what I hold of a file." Answered by a `Have` when the sender wants more.
    Have {
        /// Which file.
        file: FileId,
        /// Bytes of its manifest; 0 if the sender does not have it.
        manifest_bytes: u32,
        /// Which pieces.
        held: Held,
        /// The sender wants what it does not hold: it is to be told what the other holds, now and later.
        wants: bool,
    },
    /// "I hold these, too, since I told you." Only to those who want.
    More {
        /// Of which file.
        file: FileId,
        /// Piece numbers.
        pieces: List<u32, 4096>,
    },
    /// "Give me this."
    Ask {
        /// Names the request in the answers; never used again on this link.
        request: u64,
        /// Of which file.
        file: FileId,
        /// What of it.
        part: Part,
        /// First byte of the part.
        offset: u32,
        /// How many bytes; at least 1.
        bytes: u32,
    },
    /// "You will get nothing (more) of this request."
    Nope {
        /// Which.
        request: u64,
        /// Why.
        why: Nope,
    },
    /// "I do not need this any more." Answered by a nope, unless all of it was given already.
    Cancel {
        /// Which.
        request: u64,
    },
    /// "These hold files of which you keep the index."
    Announce(List<Signed, 256>),
    /// "Who holds this?"
    Seek {
        /// Which file.
        file: FileId,
    },
    /// "These do." The answer to a `Seek`; empty if nobody is known.
    Peer {
        /// Which file.
        file: FileId,
        /// Some of those that are known, each with its word.
        holdings: List<Signed, 64>,
    },
}

impl PieceFrame {
    /// Whether somebody waits for it who would wait for ever if it were lost: the end of a request.
    pub fn is_owed(&self) -> bool {
        matches!(self, PieceFrame::Nope { .. })
    }
}

/// Which pieces of a file a node holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Held {
    /// None.
    Nothing,
    /// All.
    All,
    /// These: a [`super::Bitmap`]'s bytes.
    Some(Blob<8192>),
}

/// A part of a file that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Part {
    /// The manifest.
    Manifest,
    /// The piece with this number.
    Piece(u32),
}

/// Why an ask is not answered with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Nope {
    /// The file or piece is not held here.
    Absent,
    /// There is no such part, or it is shorter.
    OutOfRange,
    /// Too much is asked of this node now; ask again in a second or two.
    Busy,
    /// The file was changed on this disk since it was shared.
    Changed,
    /// The disk failed.
    Disk,
    /// As asked.
    Cancelled,
}
