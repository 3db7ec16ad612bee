//! Shared files where they are, downloads, and what is remembered of both.
//!
//! Everything here blocks and may be called from several threads at once. What is shared is never copied and
//! never written to; what is fetched is written to `NAME.part` beside its final name and renamed when all of
//! it was verified. A piece is said to be held only once it is synced, so a crash can only say too little.
//!
//! Reading list: [`PieceStore`], `place` (how files are opened), `catalog` (what is remembered), then
//! `share`, `read`, `prepare`, `download`, `finish`, `resume`.

mod cache;
mod catalog;
mod download;
mod finish;
mod forget;
mod hash;
mod place;
mod prepare;
mod read;
mod resume;
mod share;
mod walk;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::time::Instant;

pub use catalog::{Kind, PIECES_FILE};
pub use download::{CommitError, Download};
pub use finish::FinishError;
pub use forget::ForgetError;
pub use hash::Progress;
pub use prepare::{PrepareError, Target};
pub use read::ReadError;
pub use resume::Resumed;
pub use share::{Rehashed, ShareError, Shared};

use self::cache::{Files, Manifests};
use self::catalog::{Catalog, Loaded, Row};
use super::database::DbError;
use crate::pieces::event::KnownFile;
use crate::pieces::{Bitmap, FileId};

/// What the store may take; may change while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most files known.
    pub files_max: usize,
    /// Most bytes all downloads together, finished or not, may take; 0: no limit.
    pub quota_bytes: u64,
    /// Bytes of a disk that downloads leave free.
    pub reserve_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { files_max: 10_000, quota_bytes: 0, reserve_bytes: 64 << 20 }
    }
}

/// A file that is whole, as an earlier run left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What the exchange is told of it.
    pub known: KnownFile,
    /// It looks changed or gone, so it should be hashed again before it is served; empty if it does not.
    pub problem: String,
}

/// A download that an earlier run did not finish; [`PieceStore::resume`] goes on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Which file.
    pub file: FileId,
    /// Its name; hostile text until escaped.
    pub name: String,
    /// Where it goes.
    pub path: PathBuf,
    /// What is there may be overwritten.
    pub force: bool,
    /// Bytes of the file.
    pub bytes: u64,
    /// Pieces of the file.
    pub pieces: u32,
    /// Pieces that are said to be there; they are verified when it goes on.
    pub pieces_held: u32,
}

/// A known file, for showing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Which.
    pub file: FileId,
    /// Its name; hostile text until escaped.
    pub name: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// Pieces of the file.
    pub pieces: u32,
    /// It is a directory.
    pub directory: bool,
    /// How it came here.
    pub kind: Kind,
    /// Where it is, or goes.
    pub path: PathBuf,
    /// Unix milliseconds when it became known.
    pub added_ms: u64,
    /// What is wrong with it; empty if nothing is.
    pub problem: String,
}

/// The store. Clones are the same store.
#[derive(Clone, Debug)]
pub struct PieceStore(Arc<Inner>);

/// All that the clones share.
#[derive(Debug)]
struct Inner {
    catalog: Catalog,
    items: RwLock<BTreeMap<FileId, Arc<Item>>>,
    manifests: Mutex<Manifests>,
    files: Mutex<Files>,
    limits: Mutex<Limits>,
    /// Held by whoever checks what there is and then adds to it.
    adding: Mutex<()>,
    /// Odd while the store is told to halt. What takes long is given up when it is another than it began in.
    epoch: AtomicU64,
}

/// A known file in memory.
#[derive(Debug)]
struct Item {
    row: Row,
    problem: Mutex<String>,
    /// A download of it runs, or is being made ready.
    busy: AtomicBool,
    /// The download, if it runs.
    running: Mutex<Weak<Download>>,
}

impl Item {
    fn new(row: Row) -> Arc<Item> {
        let (problem, busy, running) = Default::default();
        Arc::new(Item { row, problem, busy, running })
    }

    fn running(&self) -> Option<Arc<Download>> {
        locked(&self.running).upgrade()
    }

    fn whole(&self) -> bool {
        self.row.kind != Kind::Unfinished
    }
}

/// What a panicking thread left is still whole: each of our locks guards single steps.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PieceStore {
    /// Opens or makes [`PIECES_FILE`] in this directory; without one, all is forgotten at the end. Also a line
    /// for the log if the list could not be read and was set aside.
    ///
    /// `Err` only when the disk is at fault, or not even a new file can be made.
    pub fn open(
        dir: Option<&Path>,
        limits: Limits,
    ) -> Result<(PieceStore, Option<String>), DbError> {
        let (catalog, rows, aside) = Catalog::open(dir)?;
        let item = |(file, row): (FileId, Row)| {
            let item = Item::new(row);
            if item.whole() {
                *locked(&item.problem) = first_look(&item.row);
            }
            (file, item)
        };
        let inner = Inner {
            catalog,
            items: RwLock::new(rows.into_iter().map(item).collect()),
            manifests: Mutex::default(),
            files: Mutex::default(),
            limits: Mutex::new(limits),
            adding: Mutex::default(),
            epoch: AtomicU64::new(0),
        };
        Ok((PieceStore(Arc::new(inner)), aside))
    }

    /// Gives up all hashing that is under way, and what comes until [`PieceStore::recall`]: nobody waits for it.
    pub fn halt(&self) {
        self.0.epoch.fetch_or(1, Ordering::Relaxed);
    }

    /// `progress`, that ends when the store is told to halt, or was since this began.
    fn until_halted<'a>(&'a self, progress: Progress<'a>) -> impl Fn(u64, u64) -> bool + 'a {
        let began = self.0.epoch.load(Ordering::Relaxed);
        move |done, total| {
            let wanted = progress(done, total);
            let now = self.0.epoch.load(Ordering::Relaxed);
            wanted && now == began && now.is_multiple_of(2)
        }
    }

    /// A person has stopped this download: it goes on when it is wanted again, and not by itself.
    pub fn set_aside(&self, file: &FileId) -> Result<(), DbError> {
        match self.item(file) {
            Some(item) if !item.whole() => self.0.catalog.put_stopped(file),
            _ => Ok(()),
        }
    }

    /// What is whole, and what earlier runs did not finish and nobody has stopped. Everything may be done from now on.
    pub fn recall(&self) -> Result<(Vec<Known>, Vec<Unfinished>), DbError> {
        let _ = self.0.epoch.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |epoch| {
            (epoch % 2 == 1).then_some(epoch + 1)
        });
        let items = self.items().clone();
        let (mut whole, mut unfinished) = (Vec::new(), Vec::new());
        for (file, item) in &items {
            let row = &item.row;
            if row.kind == Kind::Unfinished {
                if self.0.catalog.stopped(file)? {
                    continue;
                }
                unfinished.push(Unfinished {
                    file: *file,
                    name: row.name.clone(),
                    path: row.root(),
                    force: row.force,
                    bytes: row.bytes,
                    pieces: row.pieces,
                    pieces_held: self.0.catalog.held(file, row.pieces)?.count(),
                });
            } else {
                whole.push(Known {
                    known: known(*file, row),
                    problem: locked(&item.problem).clone(),
                });
            }
        }
        Ok((whole, unfinished))
    }

    /// Follows these limits from now on; what is there already stays.
    pub fn set_limits(&self, limits: Limits) {
        *locked(&self.0.limits) = limits;
    }

    /// All known files, by id.
    pub fn rows(&self) -> Vec<FileInfo> {
        let items = self.items();
        let info = |(file, item): (&FileId, &Arc<Item>)| FileInfo {
            file: *file,
            name: item.row.name.clone(),
            bytes: item.row.bytes,
            pieces: item.row.pieces,
            directory: item.row.directory,
            kind: item.row.kind,
            path: item.row.root(),
            added_ms: item.row.added_ms,
            problem: locked(&item.problem).clone(),
        };
        items.iter().map(info).collect()
    }

    /// Where a file is, or goes.
    pub fn path_of(&self, file: &FileId) -> Option<PathBuf> {
        self.item(file).map(|item| item.row.root())
    }

    /// What is wrong with a file; empty if nothing is.
    pub fn problem_of(&self, file: &FileId) -> String {
        self.item(file).map(|item| locked(&item.problem).clone()).unwrap_or_default()
    }

    fn set_problem(&self, file: &FileId, problem: String) {
        if let Some(item) = self.item(file) {
            *locked(&item.problem) = problem;
        }
    }

    fn items(&self) -> RwLockReadGuard<'_, BTreeMap<FileId, Arc<Item>>> {
        self.0.items.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn item(&self, file: &FileId) -> Option<Arc<Item>> {
        let items = self.items();
        items.get(file).cloned()
    }

    fn put_item(&self, file: FileId, item: Arc<Item>) {
        self.forget_cached(&file);
        self.0.items.write().unwrap_or_else(PoisonError::into_inner).insert(file, item);
    }

    fn take_item(&self, file: &FileId) -> Option<Arc<Item>> {
        let item = self.0.items.write().unwrap_or_else(PoisonError::into_inner).remove(file);
        self.forget_cached(file);
        item
    }

    fn forget_cached(&self, file: &FileId) {
        locked(&self.0.manifests).remove(file);
        self.close_files(file);
    }

    /// An open file keeps its room on the disk though it was deleted, and keeps the disk from being unmounted.
    fn close_files(&self, file: &FileId) {
        let closed = locked(&self.0.files).remove(file);
        drop(closed);
    }

    /// Closes what was opened for reading and has not been read for a while; true if some is open still.
    pub fn close_idle(&self) -> bool {
        let mut files = locked(&self.0.files);
        let closed = files.take_idle(Instant::now());
        let some_left = !files.is_empty();
        drop(files);
        drop(closed);
        some_left
    }

    /// Where a file is whole, if it still is as it was when it was hashed; looks at all of its files.
    pub fn intact(&self, file: &FileId) -> Result<Option<PathBuf>, DbError> {
        let Some(item) = self.item(file).filter(|item| item.whole()) else { return Ok(None) };
        let loaded = self.loaded(file)?;
        if loaded.is_some_and(|loaded| item.unchanged(&loaded)) {
            return Ok(Some(item.row.root()));
        }
        let root = item.row.root();
        self.set_problem(
            file,
            format!("{} is gone or has changed since it was shared", root.display()),
        );
        self.close_files(file);
        Ok(None)
    }

    /// The manifest and stamps of a known file.
    fn loaded(&self, file: &FileId) -> Result<Option<Arc<Loaded>>, DbError> {
        if let Some(loaded) = locked(&self.0.manifests).get(file) {
            return Ok(Some(loaded));
        }
        let Some(loaded) = self.0.catalog.loaded(file)?.map(Arc::new) else { return Ok(None) };
        locked(&self.0.manifests).insert(*file, Arc::clone(&loaded));
        Ok(Some(loaded))
    }
}

/// A whole file, as the exchange is told of it.
fn known(file: FileId, row: &Row) -> KnownFile {
    KnownFile {
        file,
        name: row.name.clone(),
        bytes: row.bytes,
        piece_bytes: row.piece_bytes,
        manifest_bytes: row.manifest_bytes,
        held: Bitmap::all(row.pieces),
    }
}

/// What can be seen without looking at every file of a directory: reading looks closer.
fn first_look(row: &Row) -> String {
    let root = row.root();
    match std::fs::symlink_metadata(&root) {
        Err(error) => format!("{} cannot be found ({error})", root.display()),
        Ok(meta) if row.directory && meta.is_dir() => String::new(),
        Ok(meta) if !row.directory && meta.is_file() && meta.len() == row.bytes => String::new(),
        Ok(_) => format!("{} has changed since it was shared", root.display()),
    }
}

#[cfg(test)]
mod tests;
