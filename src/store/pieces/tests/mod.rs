//! What the tests have in common; then the tests.

mod downloads;
mod parts;
mod room;
mod rules;
mod shares;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::pieces::event::Stored;
use crate::pieces::frame::Part;
pub(super) use crate::store::tests::SmallDisk;

/// A store that forgets, and a directory to play in.
pub(super) struct Play {
    pub dir: tempfile::TempDir,
    pub store: PieceStore,
}

pub(super) fn always(_: u64, _: u64) -> bool {
    true
}

/// Bytes that look random, the same each time.
pub(super) fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(bytes).collect()
}

pub(super) fn limits() -> Limits {
    Limits { reserve_bytes: 0, ..Limits::default() }
}

impl Play {
    pub fn new() -> Play {
        let dir = tempfile::tempdir().unwrap();
        Play { store: PieceStore::open(None, limits()).unwrap().0, dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub fn share(&self, name: &str) -> KnownFile {
        self.store.share(&self.path(name), &always).unwrap().known
    }

    pub fn target(&self, name: &str) -> Target {
        Target { path: self.path(name), directory: false, force: false }
    }

    /// Another store, with a download of the file shared here to `name`.
    pub fn download(&self, file: &KnownFile, name: &str) -> (PieceStore, Arc<Download>) {
        let other = PieceStore::open(None, limits()).unwrap().0;
        let download =
            other.prepare(&file.file, manifest(&self.store, file), &self.target(name)).unwrap();
        (other, download)
    }
}

pub(super) fn manifest(store: &PieceStore, file: &KnownFile) -> Vec<u8> {
    let mut out = vec![0; file.manifest_bytes as usize];
    store.read(&file.file, Part::Manifest, 0, &mut out).unwrap();
    out
}

/// A piece, read in chunks as it is for a peer.
pub(super) fn piece(
    store: &PieceStore,
    file: &KnownFile,
    piece: u32,
) -> Result<Vec<u8>, ReadError> {
    let start = u64::from(piece) * u64::from(file.piece_bytes);
    let len = u32::try_from((file.bytes - start).min(file.piece_bytes.into())).unwrap();
    let mut out = vec![0; len as usize];
    for (chunk, offset) in out.chunks_mut(256 * 1024).zip((0..).step_by(256 * 1024)) {
        store.read(&file.file, Part::Piece(piece), offset, chunk)?;
    }
    Ok(out)
}

/// Stores these pieces of a file that another store has.
pub(super) fn fetch(
    from: &PieceStore,
    file: &KnownFile,
    to: &Download,
    pieces: std::ops::Range<u32>,
) {
    for number in pieces {
        assert_eq!(to.store(number, &piece(from, file, number).unwrap()), Stored::Good);
    }
}

/// Names below a directory, with content (None: a directory) and whether they may be run.
pub(super) fn tree(root: &Path) -> BTreeMap<PathBuf, (Option<Vec<u8>>, bool)> {
    let mut found = BTreeMap::new();
    let mut ahead = vec![root.to_owned()];
    while let Some(path) = ahead.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let content = if meta.is_dir() {
            ahead.extend(fs::read_dir(&path).unwrap().map(|child| child.unwrap().path()));
            None
        } else {
            Some(fs::read(&path).unwrap())
        };
        let run = content.is_some() && meta.permissions().mode() & 0o100 != 0;
        found.insert(path.strip_prefix(root).unwrap().to_owned(), (content, run));
    }
    found
}
