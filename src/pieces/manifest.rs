//! What a file or directory is made of. Its SHA-256 is the [`FileId`](super::FileId).
//!
//! The content of all files of a directory, in the order of the entries, is one row of bytes, and that row is
//! cut into pieces; so 2,000 small files are a handful of pieces, and a piece may begin in one file and end in
//! another.

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

/// A checked manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Name of the file or directory: one part, no `/`.
    pub name: String,
    /// It is a directory (perhaps with a single file, or nothing, in it).
    pub directory: bool,
    /// Bytes of each piece but the last: a power of two.
    pub piece_bytes: u32,
    /// In byte order of their paths, none twice, none below another that is a file.
    pub entries: Vec<Entry>,
    /// SHA-256 of each piece.
    pub hashes: Vec<[u8; 32]>,
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
