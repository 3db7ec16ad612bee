//! A running download: pieces are verified, written, and said to be there only once they are synced.
//!
//! Files that were written to stay open until they are synced: the system tells of a failed write only those
//! who have the file open, and only once. So after a failed sync nothing that was written since the last good
//! one is believed, also not what reads back right: it may be in memory only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use sha2::{Digest, Sha256};

use super::catalog::Loaded;
use super::place::{Place, Use, parent};
use super::prepare::{free_bytes, is_full};
use super::read::{ReadError, each_part, extents, manifest_bytes};
use super::{Item, PieceStore, known, locked};
use crate::pieces::event::{KnownFile, Stored, Trouble};
use crate::pieces::frame::Part;
use crate::pieces::{Bitmap, FileId};
use crate::store::database::DbError;
use crate::text::size;

/// Most files of a download open at once.
const HANDLES_MAX: usize = 64;

/// Why what was stored is not said to be there.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The disk did not take what was written.
    #[error(
        "{} could not be synced ({source}): {lost} pieces written since the last good sync are not counted as \
         there, because they may never reach the disk; they are fetched again",
        path.display()
    )]
    Sync {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
        /// How many pieces are not there after all.
        lost: usize,
    },
    /// It is synced, and could not be written down as there; the next commit tries again.
    #[error(transparent)]
    Database(#[from] DbError),
    /// It is safe, and more may not be written: others need what room there is left.
    #[error("no room for more of it in {}: {} are free, and {} stay free", path.display(), size(*free), size(*reserve))]
    LowRoom {
        /// The directory.
        path: PathBuf,
        /// Bytes free.
        free: u64,
        /// Bytes that are left free.
        reserve: u64,
    },
    /// It was stopped or forgotten, or is finished.
    #[error("the download has ended")]
    Ended,
}

impl CommitError {
    /// For the exchange and for people. After a failed sync, what [`Download::known`] says is what is left.
    pub fn trouble(&self) -> Trouble {
        let full = match self {
            CommitError::Sync { source, .. } => is_full(source),
            CommitError::Database(error) => error.is_full(),
            CommitError::LowRoom { .. } => true,
            CommitError::Ended => false,
        };
        let remedy = match self {
            _ if full => "free some room; it goes on by itself",
            CommitError::Sync { .. } => {
                "look at the disk (the kernel's log says more), then get it again"
            }
            CommitError::Database(_) => "look at the state directory, then get it again",
            CommitError::LowRoom { .. } | CommitError::Ended => "get it again",
        };
        Trouble { why: self.to_string(), remedy: remedy.into(), full }
    }
}

/// A download; shared by all who write and read pieces of it.
#[derive(Debug)]
pub struct Download {
    pub(super) store: PieceStore,
    pub(super) file: FileId,
    pub(super) loaded: Arc<Loaded>,
    item: Arc<Item>,
    me: Weak<Download>,
    /// Read-locked by whoever uses a file, write-locked to close or move files.
    pub(super) gate: RwLock<Gate>,
    handles: Mutex<BTreeMap<usize, Arc<Handle>>>,
    /// One sync at a time; taken before the gate.
    syncing: Mutex<()>,
    /// Counts uses of files.
    uses: AtomicU64,
    pub(super) state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct Gate {
    /// Where it is now: `NAME.part`, at last the final name.
    pub place: Place,
    pub ended: bool,
}

#[derive(Debug)]
struct Handle {
    file: File,
    /// Written to since the last sync.
    dirty: AtomicBool,
    /// The last use it had.
    used: AtomicU64,
}

/// What is there.
#[derive(Debug)]
pub(super) struct State {
    /// Synced, and written down as there.
    pub held: Bitmap,
    /// Verified and written, not yet synced.
    pub fresh: BTreeSet<u32>,
    /// Counts failed syncs: a piece whose writing began before one is not believed after it.
    failures: u64,
    /// A sync failed that no commit has told of.
    trouble: Option<Trouble>,
}

/// Why a file could not be used.
enum Failed {
    Ended,
    Disk(PathBuf, io::Error),
    Sync(CommitError),
}

impl Download {
    /// A download to `place`, where these pieces are.
    pub(super) fn new(
        store: PieceStore,
        file: FileId,
        loaded: Arc<Loaded>,
        item: Arc<Item>,
        place: Place,
        held: Bitmap,
    ) -> Arc<Download> {
        let download = Arc::new_cyclic(|me| Download {
            store,
            file,
            loaded,
            item,
            me: Weak::clone(me),
            gate: RwLock::new(Gate { place, ended: false }),
            handles: Mutex::default(),
            syncing: Mutex::default(),
            uses: AtomicU64::new(0),
            state: Mutex::new(State { held, fresh: BTreeSet::new(), failures: 0, trouble: None }),
        });
        *locked(&download.item.running) = Weak::clone(&download.me);
        download
    }

    /// What it is, and which pieces are there, verified and synced.
    pub fn known(&self) -> KnownFile {
        KnownFile { held: locked(&self.state).held.clone(), ..known(self.file, &self.item.row) }
    }

    /// Where it goes.
    pub fn path(&self) -> PathBuf {
        self.item.row.root()
    }

    /// Verifies a piece, then writes it. It is safe only after the next [`Download::commit`].
    pub fn store(&self, piece: u32, bytes: &[u8]) -> Stored {
        let manifest = &self.loaded.manifest;
        let hash: [u8; 32] = Sha256::digest(bytes).into();
        let wanted = usize::try_from(piece).ok().and_then(|at| manifest.hashes.get(at));
        if wanted != Some(&hash) || u32::try_from(bytes.len()) != Ok(manifest.piece_len(piece)) {
            return Stored::Mismatch;
        }
        let failures = {
            let state = locked(&self.state);
            if state.held.contains(piece) || state.fresh.contains(&piece) {
                return Stored::Good;
            }
            state.failures
        };
        let mut rest = bytes;
        for extent in manifest.extents(piece, 0, manifest.piece_len(piece)) {
            let (now, after) = rest.split_at(usize::try_from(extent.bytes).expect("32 bits fit"));
            let write = |file: &File| file.write_all_at(now, extent.offset);
            if let Err(failed) = self.with_file(extent.entry, true, write) {
                return failed.stored();
            }
            rest = after;
        }
        let mut state = locked(&self.state);
        if state.failures != failures {
            let why = "a sync failed while it was being written; it is fetched again".into();
            return Stored::Failed { why, full: false };
        }
        state.fresh.insert(piece);
        Stored::Good
    }

    /// Syncs what was stored, then writes down that it is there. Also `Err` if that took the last of the room.
    pub fn commit(&self) -> Result<(), CommitError> {
        self.make_safe()?;
        let reserve = locked(&self.store.0.limits).reserve_bytes;
        let path = parent(&self.path()).to_owned();
        match free_bytes(&path) {
            Ok(free) if free < reserve && self.missing_bytes() > 0 => {
                Err(CommitError::LowRoom { path, free, reserve })
            }
            _ => Ok(()),
        }
    }

    /// Bytes that are yet to be written.
    pub(super) fn missing_bytes(&self) -> u64 {
        let state = locked(&self.state);
        let missing = state.held.missing().filter(|piece| !state.fresh.contains(piece));
        missing.map(|piece| u64::from(self.loaded.manifest.piece_len(piece))).sum()
    }

    /// What a sync that failed while pieces were stored means for all; told once. What [`Download::known`] says
    /// is what is left.
    pub fn take_trouble(&self) -> Option<Trouble> {
        locked(&self.state).trouble.take()
    }

    /// Syncs what was stored, then writes down that it is there, however little room is left.
    pub(super) fn make_safe(&self) -> Result<(), CommitError> {
        let _one_at_a_time = locked(&self.syncing);
        if self.gate.read().unwrap_or_else(PoisonError::into_inner).ended {
            return Err(CommitError::Ended);
        }
        let (fresh, mut held) = {
            let state = locked(&self.state);
            (state.fresh.clone(), state.held.clone())
        };
        let handles: Vec<_> =
            locked(&self.handles).iter().map(|(at, handle)| (*at, Arc::clone(handle))).collect();
        self.sync(&handles)?;
        if fresh.is_empty() {
            return Ok(());
        }
        for piece in &fresh {
            held.insert(*piece);
        }
        self.store.0.catalog.put_held(&self.file, &held)?;
        let mut state = locked(&self.state);
        state.held = held;
        state.fresh.retain(|piece| !fresh.contains(piece));
        Ok(())
    }

    /// Syncs those of these that were written to; called with `syncing` locked.
    fn sync(&self, handles: &[(usize, Arc<Handle>)]) -> Result<(), CommitError> {
        for (entry, handle) in handles {
            if !handle.dirty.swap(false, Ordering::AcqRel) {
                continue;
            }
            if let Err(source) = handle.file.sync_data() {
                let mut state = locked(&self.state);
                state.failures += 1;
                let lost = std::mem::take(&mut state.fresh).len();
                let path = self.path_of(*entry);
                return Err(CommitError::Sync { path, source, lost });
            }
        }
        Ok(())
    }

    fn path_of(&self, entry: usize) -> PathBuf {
        let place = self.item.row.part(&self.file);
        place.path(&self.loaded.manifest.entries[entry].path)
    }

    /// Runs something on the file of an entry.
    fn with_file<T>(
        &self,
        entry: usize,
        write: bool,
        mut run: impl FnMut(&File) -> io::Result<T>,
    ) -> Result<T, Failed> {
        loop {
            let gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
            if gate.ended {
                return Err(Failed::Ended);
            }
            let path = &self.loaded.manifest.entries[entry].path;
            let failed = |e| Failed::Disk(gate.place.path(path), e);
            let handle = {
                let mut handles = locked(&self.handles);
                match handles.get(&entry) {
                    Some(handle) => Some(Arc::clone(handle)),
                    None if handles.len() >= HANDLES_MAX => None,
                    None => {
                        let file = gate.place.open(path, Use::Write).map_err(failed)?;
                        let (dirty, used) = Default::default();
                        let handle = Arc::new(Handle { file, dirty, used });
                        handles.insert(entry, Arc::clone(&handle));
                        Some(handle)
                    }
                }
            };
            let Some(handle) = handle else {
                if !write {
                    // Whoever reads waits for no sync.
                    let file = gate.place.open(path, Use::Read).map_err(failed)?;
                    return run(&file).map_err(failed);
                }
                drop(gate);
                self.make_room().map_err(Failed::Sync)?;
                continue;
            };
            handle.used.store(self.uses.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            let result = run(&handle.file);
            if write {
                handle.dirty.store(true, Ordering::Release);
            }
            return result.map_err(failed);
        }
    }

    /// Syncs and closes the files that were used longest ago, when too many are open.
    fn make_room(&self) -> Result<(), CommitError> {
        let _one_at_a_time = locked(&self.syncing);
        let mut oldest: Vec<_> =
            locked(&self.handles).iter().map(|(at, handle)| (*at, Arc::clone(handle))).collect();
        if oldest.len() < HANDLES_MAX {
            return Ok(());
        }
        // Each is looked at once: others go on using them, and an order that changes while it is made is none.
        oldest.sort_by_cached_key(|(_, handle)| handle.used.load(Ordering::Relaxed));
        oldest.truncate(HANDLES_MAX / 2);
        // Others read and write meanwhile.
        let synced = self.sync(&oldest);
        if let Err(error) = &synced {
            locked(&self.state).trouble = Some(error.trouble());
        }
        let _nobody_writes = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let mut handles = locked(&self.handles);
        let clean = oldest.iter().filter(|(_, handle)| !handle.dirty.load(Ordering::Acquire));
        clean.for_each(|(at, _)| _ = handles.remove(at));
        synced
    }

    /// Fills `out` with a part of what is there; also of pieces that are not synced yet.
    pub(super) fn read(&self, part: Part, offset: u32, out: &mut [u8]) -> Result<(), ReadError> {
        let Part::Piece(piece) = part else {
            return manifest_bytes(&self.loaded, offset, out);
        };
        let extents = extents(&self.loaded, piece, offset, out.len())?;
        {
            let state = locked(&self.state);
            if !state.held.contains(piece) && !state.fresh.contains(&piece) {
                return Err(ReadError::Absent);
            }
        }
        each_part(extents, out, |extent, out| {
            let read = |file: &File| file.read_exact_at(out, extent.offset);
            self.with_file(extent.entry, false, read).map_err(Failed::read)
        })
    }

    /// No piece is written after this; waits for those that are being written.
    pub(super) fn end(&self) {
        self.gate.write().unwrap_or_else(PoisonError::into_inner).ended = true;
        locked(&self.handles).clear();
        // Another may go on with it.
        let mut running = locked(&self.item.running);
        if running.ptr_eq(&self.me) {
            *running = Weak::new();
            self.item.busy.store(false, Ordering::Release);
        }
    }

    /// It has its final name, whether that is written down or not.
    pub(super) fn is_placed(&self) -> bool {
        self.gate.read().unwrap_or_else(PoisonError::into_inner).place == self.item.row.place()
    }

    /// Stops: what was stored is committed, and stays for [`PieceStore::resume`]. It has ended also on `Err`.
    pub fn stop(&self) -> Result<(), CommitError> {
        let committed = self.make_safe();
        self.end();
        committed
    }

    pub(super) fn item(&self) -> &Arc<Item> {
        &self.item
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.end();
    }
}

impl Failed {
    fn stored(self) -> Stored {
        match self {
            Failed::Ended => Stored::Failed { why: CommitError::Ended.to_string(), full: false },
            Failed::Disk(path, e) => {
                let why = format!("cannot write {}: {e}", path.display());
                Stored::Failed { why, full: is_full(&e) }
            }
            Failed::Sync(error) => {
                let Trouble { why, full, .. } = error.trouble();
                Stored::Failed { why, full }
            }
        }
    }

    fn read(self) -> ReadError {
        match self {
            Failed::Ended => ReadError::Absent,
            Failed::Disk(path, source) | Failed::Sync(CommitError::Sync { path, source, .. }) => {
                ReadError::Disk { path, source }
            }
            Failed::Sync(CommitError::Database(error)) => ReadError::Database(error),
            Failed::Sync(CommitError::Ended | CommitError::LowRoom { .. }) => ReadError::Absent,
        }
    }
}

#[cfg(test)]
mod tests;
