//! What a file or directory is made of. Its SHA-256 is the [`FileId`](super::FileId).
//!
//! The content of all files of a directory, in the order of the entries, is one row of bytes, and that row is
//! cut into pieces; so 2,000 small files are a handful of pieces, and a piece may begin in one file and end in
//! another.
//!
//! # Bytes
//! Numbers are big-endian and of fixed width, so that there is one way to write a manifest and each count can
//! be held against the bytes that are left before anything is taken for it.
//!
//! ```text
//! version      1   1
//! flags        1   bit 0: a directory; others 0
//! piece_bytes  4   what piece_bytes_for(sum of all bytes) says
//! name         2 length, then UTF-8
//! entries      4 count, then for each
//!   flags      1   bit 0: may be run, bit 1: an empty directory (then not bit 0); others 0
//!   bytes      8
//!   path       2 length, then UTF-8
//! hashes       4 count, then 32 bytes each
//! ```
//!
//! # Laws
//! Whatever is a [`Manifest`] keeps these, made here or received, so one content has one manifest and one id:
//! names are as [`names`] has them; paths are in strict byte order, and none lies below another
//! entry (a directory with something in it is no entry); a single file is one entry with the manifest's own
//! name; a directory entry has no bytes; there is a hash for each piece; nothing is over its limit.

mod bytes;

use self::bytes::VERSION;
use super::names::{self, BadName};
use super::{ENTRIES_MAX, MANIFEST_BYTES_MAX, PIECE_BYTES_MAX, PIECE_BYTES_MIN, PIECES_MAX};

/// One file or empty directory of a shared directory; or the one file itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name relative to the shared directory, parts separated by `/`; for a single file its name.
    pub path: String,
    /// Bytes of content; 0 for an empty directory.
    pub bytes: u64,
    /// It may be run.
    pub executable: bool,
    /// It is an empty directory.
    pub directory: bool,
}

/// A checked manifest: made by [`Manifest::new`] or [`Manifest::parse`] only, and then not changed, but for the
/// hashes, which may be filled in one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Name of the file or directory: one part, no `/`.
    pub name: String,
    /// It is a directory (perhaps with a single file, or nothing, in it).
    pub directory: bool,
    /// Bytes of each piece but the last: a power of two.
    pub piece_bytes: u32,
    /// In byte order of their paths, none twice, none below another.
    pub entries: Vec<Entry>,
    /// SHA-256 of each piece.
    pub hashes: Vec<[u8; 32]>,
    /// Where the content of each entry begins in the row of all bytes.
    starts: Vec<u64>,
    /// Bytes of all content.
    total: u64,
}

/// A part of one entry's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Which of the entries.
    pub entry: usize,
    /// First byte in that entry's content.
    pub offset: u64,
    /// How many bytes; at least 1.
    pub bytes: u32,
}

/// Why bytes are not a manifest, or something cannot be shared. Nothing of it was kept.
///
/// Names in it, and so its text, are hostile until escaped; they are cut at [`names::PATH_BYTES_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadManifest {
    /// It is too long.
    #[error(
        "the list of files would have {bytes} bytes, and {MANIFEST_BYTES_MAX} are the most: share parts of it"
    )]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// It is of another version.
    #[error(
        "the list of files is of version {found}, and only version {VERSION} is known here: it is damaged, or a newer program made it"
    )]
    Version {
        /// What it says.
        found: u8,
    },
    /// It stops before its end.
    #[error("the list of files is cut short")]
    CutShort,
    /// It goes on after its end.
    #[error("the list of files is followed by {bytes} bytes that do not belong to it")]
    LeftOver {
        /// How many.
        bytes: usize,
    },
    /// A flag that has no meaning.
    #[error("the list of files has a mark in it ({0:#04x}) that means nothing")]
    Flags(u8),
    /// A name is not UTF-8.
    #[error("a name in the list of files is not text (UTF-8)")]
    NotText,
    /// Too many entries.
    #[error(
        "there are {count} files and empty directories in it, and {ENTRIES_MAX} are the most: share parts of it"
    )]
    ManyEntries {
        /// How many there are said to be.
        count: usize,
    },
    /// A name that may not be.
    #[error("the name '{name}' cannot be used: {why}")]
    Name {
        /// Which; hostile until escaped.
        name: String,
        /// Why.
        why: BadName,
    },
    /// Two entries are out of order.
    #[error("'{path}' stands behind '{before}' in the list of files, and belongs before it")]
    Order {
        /// Which; hostile until escaped.
        path: String,
        /// What stands before it; hostile until escaped.
        before: String,
    },
    /// Two entries have one path.
    #[error("'{path}' is there twice")]
    Twice {
        /// Which; hostile until escaped.
        path: String,
    },
    /// An entry lies below a file, or below what is said to be empty.
    #[error("'{path}' is said to be in '{above}', which is a file or an empty directory")]
    Below {
        /// Which; hostile until escaped.
        path: String,
        /// What it is said to be in; hostile until escaped.
        above: String,
    },
    /// A single file is not one file of that name.
    #[error("'{name}' is said to be a single file, and is not listed as exactly that")]
    NotOneFile {
        /// Which; hostile until escaped.
        name: String,
    },
    /// A directory that has bytes or may be run.
    #[error("'{path}' is said to be an empty directory, and yet to have bytes, or to be a program")]
    DirectoryWithContent {
        /// Which; hostile until escaped.
        path: String,
    },
    /// All sizes together are too much.
    #[error("up to '{path}' it has more bytes than the {} that can be shared at once", total_max())]
    TooLarge {
        /// At which entry the limit was crossed; hostile until escaped.
        path: String,
    },
    /// Pieces of another length than the content asks for.
    #[error("its pieces are said to have {found} bytes, and with its size must have {expected}")]
    PieceBytes {
        /// What it says.
        found: u32,
        /// What it must say.
        expected: u32,
    },
    /// Not a hash for each piece.
    #[error("it has {found} hashes, and with its size must have {expected}")]
    Hashes {
        /// How many it has.
        found: usize,
        /// How many it must have.
        expected: u32,
    },
}

/// Most bytes that can be shared at once.
fn total_max() -> u64 {
    u64::from(PIECE_BYTES_MAX) * u64::from(PIECES_MAX)
}

/// How long the pieces of content with `total` bytes are: the shortest with which there are not too many. None
/// above 1 TiB.
pub fn piece_bytes_for(total: u64) -> Option<u32> {
    let lengths = std::iter::successors(Some(PIECE_BYTES_MIN), |bytes| bytes.checked_mul(2));
    let mut lengths = lengths.take_while(|bytes| *bytes <= PIECE_BYTES_MAX);
    lengths.find(|bytes| total.div_ceil(u64::from(*bytes)) <= u64::from(PIECES_MAX))
}

impl Manifest {
    /// The manifest of these, if they keep the laws; `entries` are in byte order of their paths already.
    ///
    /// To find out where each piece lies before it is hashed, give hashes of zeros and fill them in.
    ///
    /// # Errors
    /// The first law that is broken.
    pub fn new(
        name: String,
        directory: bool,
        entries: Vec<Entry>,
        hashes: Vec<[u8; 32]>,
    ) -> Result<Manifest, BadManifest> {
        names::check_top(&name).map_err(|why| BadManifest::Name { name: cut(&name), why })?;
        if entries.len() > ENTRIES_MAX {
            return Err(BadManifest::ManyEntries { count: entries.len() });
        }
        if !directory && !matches!(&entries[..], [one] if one.path == name && !one.directory) {
            return Err(BadManifest::NotOneFile { name: cut(&name) });
        }
        check_paths(&entries)?;
        let (starts, total) = check_sizes(&entries)?;
        let piece_bytes = piece_bytes_for(total).expect("check_sizes refuses more than fit");
        let pieces = pieces_of(total, piece_bytes);
        if u32::try_from(hashes.len()) != Ok(pieces) {
            return Err(BadManifest::Hashes { found: hashes.len(), expected: pieces });
        }
        let made = Manifest { name, directory, piece_bytes, entries, hashes, starts, total };
        let bytes = made.encoded_bytes();
        if bytes::exceeds(bytes) { Err(BadManifest::TooLong { bytes }) } else { Ok(made) }
    }

    /// Bytes of all content.
    pub fn total_bytes(&self) -> u64 {
        self.total
    }

    /// How many pieces there are; none if there is no content.
    pub fn pieces(&self) -> u32 {
        pieces_of(self.total, self.piece_bytes)
    }

    /// Bytes of a piece: all are equally long but the last. 0 if there is no such piece.
    pub fn piece_len(&self, piece: u32) -> u32 {
        let left = self.total.saturating_sub(self.piece_start(piece));
        u32::try_from(left).unwrap_or(u32::MAX).min(self.piece_bytes)
    }

    /// Where `bytes` bytes of a piece, from `offset` on, lie in the entries, in order. What is past the end of
    /// the piece is left out.
    pub fn extents(
        &self,
        piece: u32,
        offset: u32,
        bytes: u32,
    ) -> impl Iterator<Item = Extent> + '_ {
        let len = self.piece_len(piece);
        let from = offset.min(len);
        let mut at = self.piece_start(piece) + u64::from(from);
        let end = at + u64::from(bytes.min(len - from));
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            // The last entry that begins here or earlier; empty ones begin where the next one does.
            let entry = self.starts.partition_point(|start| *start <= at).checked_sub(1)?;
            let offset = at - self.starts[entry];
            let bytes = (end - at).min(self.entries[entry].bytes - offset);
            at += bytes;
            let bytes = u32::try_from(bytes).expect("no longer than a piece");
            Some(Extent { entry, offset, bytes })
        })
    }

    fn piece_start(&self, piece: u32) -> u64 {
        u64::from(piece) * u64::from(self.piece_bytes)
    }
}

fn pieces_of(total: u64, piece_bytes: u32) -> u32 {
    u32::try_from(total.div_ceil(u64::from(piece_bytes))).expect("at most PIECES_MAX")
}

/// The beginning of a name that may be far too long to be shown or kept.
fn cut(name: &str) -> String {
    let fits = |(at, c): &(usize, char)| at + c.len_utf8() <= names::PATH_BYTES_MAX;
    name.char_indices().take_while(fits).map(|(_, c)| c).collect()
}

fn check_paths(entries: &[Entry]) -> Result<(), BadManifest> {
    // In byte order, whatever begins with some path stands behind it without a gap: these are the earlier
    // paths that the present one begins with. (`a-b` stands between `a` and `a/b`, so the last is not enough.)
    let mut begins: Vec<&str> = Vec::new();
    let mut before: Option<&str> = None;
    for Entry { path, .. } in entries {
        names::check_path(path).map_err(|why| BadManifest::Name { name: cut(path), why })?;
        let before = before.replace(path).filter(|before| *before >= path.as_str());
        if let Some(before) = before {
            let (path, before) = (path.clone(), before.to_owned());
            return Err(match path == before {
                true => BadManifest::Twice { path },
                false => BadManifest::Order { path, before },
            });
        }
        while begins.last().is_some_and(|last| !path.starts_with(last)) {
            begins.pop();
        }
        let above = begins.iter().find(|above| path.as_bytes().get(above.len()) == Some(&b'/'));
        if let Some(above) = above {
            return Err(BadManifest::Below { path: path.clone(), above: (*above).to_owned() });
        }
        begins.push(path);
    }
    Ok(())
}

/// Where the content of each entry begins, and where all of it ends.
fn check_sizes(entries: &[Entry]) -> Result<(Vec<u64>, u64), BadManifest> {
    let mut starts = Vec::with_capacity(entries.len());
    let mut total = 0u64;
    for entry in entries {
        if entry.directory && (entry.bytes != 0 || entry.executable) {
            return Err(BadManifest::DirectoryWithContent { path: entry.path.clone() });
        }
        starts.push(total);
        let sum = total.checked_add(entry.bytes).filter(|sum| *sum <= total_max());
        total = sum.ok_or_else(|| BadManifest::TooLarge { path: entry.path.clone() })?;
    }
    Ok((starts, total))
}

#[cfg(test)]
mod tests;
