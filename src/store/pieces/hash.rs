//! Reading content and hashing it, on two threads.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use sha2::{Digest, Sha256};

use super::place::{Place, Use};
use crate::pieces::manifest::Manifest;

/// Told how many bytes of how many are done; false stops it.
pub type Progress<'a> = &'a dyn Fn(u64, u64) -> bool;

/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;

/// A file, and what the system said.
type Failed = (PathBuf, io::Error);

/// What came of it.
#[derive(Debug)]
pub(super) struct Hashed {
    /// In the order the pieces were given; None could not be read, or was not reached.
    pub hashes: Vec<Option<[u8; 32]>>,
    /// What could not be read first.
    pub failed: Option<Failed>,
    /// The one who watches wanted no more.
    pub stopped: bool,
}

/// Hashes these pieces of the content at `place`; with `all_or_nothing` up to the first that cannot be read.
pub(super) fn hash(
    place: &Place,
    manifest: &Manifest,
    pieces: &[u32],
    all_or_nothing: bool,
    progress: Progress,
) -> Hashed {
    let total: u64 = pieces.iter().map(|piece| u64::from(manifest.piece_len(*piece))).sum();
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let (stopped, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let tell = |watch: Option<Progress>, done: u64| {
        if watch.is_some_and(|watch| !watch(done, total)) {
            stopped.store(true, Ordering::Relaxed);
            over.store(true, Ordering::Relaxed);
        }
    };
    let work = |watch: Option<Progress>| {
        // Also when the other thread takes all pieces, it was asked whether to go on.
        tell(watch, 0);
        let mut reader = Reader::new(place, manifest);
        let mut found: Vec<(usize, Result<[u8; 32], Failed>)> = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(piece) = pieces.get(at) else { break };
            let hash = reader.hash(*piece);
            if hash.is_err() && all_or_nothing {
                over.store(true, Ordering::Relaxed);
            }
            found.push((at, hash));
            let bytes = u64::from(manifest.piece_len(*piece));
            tell(watch, done.fetch_add(bytes, Ordering::Relaxed) + bytes);
        }
        found
    };
    let found = thread::scope(|scope| {
        let second = (pieces.len() > 1).then(|| scope.spawn(|| work(None)));
        let mut found = work(Some(progress));
        if let Some(second) = second {
            found.extend(second.join().expect("it only reads and hashes"));
        }
        found
    });
    let mut hashed = Hashed {
        hashes: vec![None; pieces.len()],
        failed: None,
        stopped: stopped.load(Ordering::Relaxed),
    };
    for (at, result) in found {
        match result {
            Ok(hash) => hashed.hashes[at] = Some(hash),
            Err(failed) => hashed.failed = hashed.failed.or(Some(failed)),
        }
    }
    hashed
}

struct Reader<'a> {
    place: &'a Place,
    manifest: &'a Manifest,
    buffer: Vec<u8>,
    /// The file read last: pieces of one file follow one another.
    open: Option<(usize, File)>,
}

impl<'a> Reader<'a> {
    fn new(place: &'a Place, manifest: &'a Manifest) -> Reader<'a> {
        Reader { place, manifest, buffer: vec![0; READ_BYTES], open: None }
    }

    fn hash(&mut self, piece: u32) -> Result<[u8; 32], Failed> {
        let mut hasher = Sha256::new();
        for extent in self.manifest.extents(piece, 0, self.manifest.piece_len(piece)) {
            let path = &self.manifest.entries[extent.entry].path;
            let failed = |e| (self.place.path(path), e);
            let file = match self.open.take() {
                Some((entry, file)) if entry == extent.entry => file,
                _ => self.place.open(path, Use::Read).map_err(failed)?,
            };
            let mut offset = extent.offset;
            let end = extent.offset + u64::from(extent.bytes);
            while offset < end {
                let bytes = usize::try_from(end - offset).map_or(READ_BYTES, |n| n.min(READ_BYTES));
                let buffer = &mut self.buffer[..bytes];
                file.read_exact_at(buffer, offset).map_err(failed)?;
                hasher.update(buffer);
                offset += bytes as u64;
            }
            self.open = Some((extent.entry, file));
        }
        Ok(hasher.finalize().into())
    }
}
