//! How a manifest is written and read; the layout is in the parent's first lines.

use super::{BadManifest, Entry, Manifest};
use crate::pieces::{ENTRIES_MAX, MANIFEST_BYTES_MAX};

/// The only version there is.
pub(super) const VERSION: u8 = 1;
/// Bytes of an entry without its path.
const ENTRY_BYTES: usize = 1 + 8 + 2;
/// Bytes of an entry with the shortest path.
const ENTRY_BYTES_MIN: usize = ENTRY_BYTES + 1;
/// Bytes of everything that is there once, without the name.
const FIXED_BYTES: usize = 1 + 1 + 4 + 2 + 4 + 4;
/// Bytes of a hash.
const HASH_BYTES: usize = 32;
/// Flag of a manifest.
const DIRECTORY: u8 = 1;
/// Flags of an entry.
const RUNS: u8 = 1;
const EMPTY_DIRECTORY: u8 = 2;

impl Manifest {
    /// Reads a manifest that anybody may have written. Takes at most four times the memory of `bytes`, and 64 KiB,
    /// as far as we count; with what an allocator adds to the shortest paths (32 bytes are its least) seven times.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Manifest, BadManifest> {
        let version = *bytes.first().ok_or(BadManifest::CutShort)?;
        if version != VERSION {
            return Err(BadManifest::Version { found: version });
        }
        if exceeds(bytes.len()) {
            return Err(BadManifest::TooLong { bytes: bytes.len() });
        }
        let mut rest = Rest(&bytes[1..]);
        let directory = rest.flags(DIRECTORY)? == DIRECTORY;
        let piece_bytes = rest.u32()?;
        let name = rest.text()?.to_owned();
        let count = rest.count()?;
        if count > ENTRIES_MAX {
            return Err(BadManifest::ManyEntries { count });
        }
        rest.has_room_for(count, ENTRY_BYTES_MIN)?;
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            entries.push(rest.entry()?);
        }
        let hashes = rest.hashes()?;
        let read = Manifest::new(name, directory, entries, hashes)?;
        if piece_bytes != read.piece_bytes {
            return Err(BadManifest::PieceBytes { found: piece_bytes, expected: read.piece_bytes });
        }
        Ok(read)
    }

    /// Its bytes: the same for the same content, everywhere.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_bytes());
        out.extend([VERSION, u8::from(self.directory) * DIRECTORY]);
        out.extend(self.piece_bytes.to_be_bytes());
        put_text(&mut out, &self.name);
        put_count(&mut out, self.entries.len());
        for entry in &self.entries {
            let runs = u8::from(entry.executable) * RUNS;
            let empty = u8::from(entry.directory) * EMPTY_DIRECTORY;
            out.push(runs | empty);
            out.extend(entry.bytes.to_be_bytes());
            put_text(&mut out, &entry.path);
        }
        put_count(&mut out, self.hashes.len());
        out.extend(self.hashes.as_flattened());
        out
    }

    /// How long [`Manifest::encode`] is.
    pub(super) fn encoded_bytes(&self) -> usize {
        let paths: usize = self.entries.iter().map(|e| ENTRY_BYTES + e.path.len()).sum();
        FIXED_BYTES + self.name.len() + paths + self.hashes.len() * HASH_BYTES
    }
}

/// Whether a manifest of so many bytes is too long.
pub(super) fn exceeds(manifest_bytes: usize) -> bool {
    !u32::try_from(manifest_bytes).is_ok_and(|bytes| bytes <= MANIFEST_BYTES_MAX)
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let len = u16::try_from(text.len()).expect("names are far shorter");
    out.extend(len.to_be_bytes());
    out.extend(text.as_bytes());
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend(u32::try_from(count).expect("at most 65,536").to_be_bytes());
}

/// The bytes not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], BadManifest> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(BadManifest::CutShort)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number<const LEN: usize>(&mut self) -> Result<[u8; LEN], BadManifest> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(BadManifest::CutShort)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, BadManifest> {
        self.number().map(u32::from_be_bytes)
    }

    fn count(&mut self) -> Result<usize, BadManifest> {
        self.u32().map(|count| usize::try_from(count).expect("32 bits fit"))
    }

    /// Nothing is taken for more than can still come.
    fn has_room_for(&self, count: usize, each: usize) -> Result<(), BadManifest> {
        if count > self.0.len() / each { Err(BadManifest::CutShort) } else { Ok(()) }
    }

    /// Flags, none but those in `known`.
    fn flags(&mut self, known: u8) -> Result<u8, BadManifest> {
        let [flags] = self.number()?;
        if flags & !known != 0 { Err(BadManifest::Flags(flags)) } else { Ok(flags) }
    }

    fn text(&mut self) -> Result<&'a str, BadManifest> {
        let len = u16::from_be_bytes(self.number()?);
        std::str::from_utf8(self.take(len.into())?).map_err(|_| BadManifest::NotText)
    }

    fn entry(&mut self) -> Result<Entry, BadManifest> {
        let flags = self.flags(RUNS | EMPTY_DIRECTORY)?;
        let bytes = u64::from_be_bytes(self.number()?);
        let path = self.text()?.to_owned();
        let (executable, directory) = (flags & RUNS != 0, flags & EMPTY_DIRECTORY != 0);
        Ok(Entry { path, bytes, executable, directory })
    }

    /// The hashes, with which a manifest ends.
    fn hashes(&mut self) -> Result<Vec<[u8; 32]>, BadManifest> {
        let count = self.count()?;
        self.has_room_for(count, HASH_BYTES)?;
        let (hashes, over) = self.0.as_chunks::<HASH_BYTES>();
        let bytes = (hashes.len() - count) * HASH_BYTES + over.len();
        if bytes > 0 { Err(BadManifest::LeftOver { bytes }) } else { Ok(hashes.to_vec()) }
    }
}
