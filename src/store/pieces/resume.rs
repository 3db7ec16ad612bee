//! Going on with a download that was stopped, or cut off by the end of the daemon.

use std::cell::Cell;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use super::download::Download;
use super::forget::remove;
use super::hash::{Progress, hash};
use super::place::{Birth, Place, Use, drop_first_name};
use super::prepare::{PrepareError, make};
use super::read::each_part;
use super::{Item, PieceStore, locked};
use crate::pieces::event::Stored;
use crate::pieces::manifest::{Extent, Manifest};
use crate::pieces::{Bitmap, FileId};
use crate::store::database::DbError;

/// A download that goes on.
#[derive(Debug)]
pub struct Resumed {
    /// The download.
    pub download: Arc<Download>,
    /// Pieces that were said to be there and are not, or are wrong: they are fetched again.
    pub dropped: u32,
}

impl PieceStore {
    /// Goes on with an unfinished download: what is said to be there is hashed, and what is wrong of it is
    /// fetched again.
    pub fn resume(&self, file: &FileId, progress: Progress) -> Result<Resumed, PrepareError> {
        let item = self.item(file).filter(|item| !item.whole()).ok_or(PrepareError::Unknown)?;
        if item.busy.swap(true, Ordering::AcqRel) {
            return Err(PrepareError::Running(item.row.root()));
        }
        if let Err(error) = self.0.catalog.goes_on(file) {
            log::warn!("{} will not go on by itself: {error}", item.row.root().display());
        }
        let progress = self.until_halted(progress);
        // What was forgotten meanwhile, perhaps to be fetched anew, is none of our business any more.
        let progress = |done, total| self.knows(file, &item) && progress(done, total);
        let made = Cell::new(None);
        let resumed = match self.resume_claimed(file, &item, &made, &progress) {
            Ok(resumed) => {
                // May take as long as reading all of it.
                salvage(&resumed.download, &item.row.part(file), &progress).map(|()| resumed)
            }
            Err(error) => {
                item.busy.store(false, Ordering::Release);
                if let Some(birth) = made.get() {
                    self.remove_if_forgotten(&item.row.part(file), &birth);
                }
                Err(error)
            }
        };
        resumed.map_err(|error| match error {
            PrepareError::Stopped if !self.knows(file, &item) => PrepareError::Unknown,
            error => error,
        })
    }

    fn knows(&self, file: &FileId, item: &Arc<Item>) -> bool {
        self.item(file).is_some_and(|now| Arc::ptr_eq(&now, item))
    }

    /// It was forgotten while it was made ready again, and so what was just made of it must go; unless another
    /// download has taken its place.
    fn remove_if_forgotten(&self, part: &Place, birth: &Birth) {
        let _adding = locked(&self.0.adding);
        let others =
            |(other, now): (&FileId, &Arc<Item>)| !now.whole() && now.row.part(other) == *part;
        let still = fs::symlink_metadata(&part.root).is_ok_and(|m| birth.is_of(&Birth::of(&m)));
        if !still || self.items().iter().any(others) {
            return;
        }
        if let Err(e) = remove(part) {
            log::warn!("{} was forgotten and cannot be removed: {e}", part.root.display());
        }
    }

    /// Which `.part` stands there, if it is the one that was made for this download.
    pub(super) fn our_part(
        &self,
        file: &FileId,
        part: &Place,
        there: &Metadata,
    ) -> Result<Option<Birth>, DbError> {
        let now = Birth::of(there);
        let ours = match self.0.catalog.part(file)? {
            Some(made) => made.is_of(&now),
            // The end came right after it was made.
            None => part.is_bare(there),
        };
        Ok(ours.then_some(now))
    }

    fn resume_claimed(
        &self,
        file: &FileId,
        item: &Arc<Item>,
        made: &Cell<Option<Birth>>,
        progress: Progress,
    ) -> Result<Resumed, PrepareError> {
        let row = &item.row;
        let loaded = self.loaded(file)?.ok_or(PrepareError::Unknown)?;
        let manifest = &loaded.manifest;
        let claimed = self.0.catalog.held(file, row.pieces)?;
        let part = row.part(file);
        let disk = |source: io::Error| PrepareError::Disk { path: part.root.clone(), source };
        if claimed.is_full() {
            drop_first_name(&part.root, &row.root()).map_err(disk)?;
        }
        let there = fs::symlink_metadata(&part.root).ok();
        let new = |place, held| {
            Download::new(self.clone(), *file, Arc::clone(&loaded), Arc::clone(item), place, held)
        };
        let placed = there.is_none() && claimed.is_full();
        if placed && is_whole(&row.place(), manifest, progress)? {
            // It was renamed, and the end came before that could be written down.
            let download = new(row.place(), claimed);
            return Ok(Resumed { download, dropped: 0 });
        }
        self.check_name_free(file, row)?;
        let missing =
            |held: &Bitmap| held.missing().map(|p| u64::from(manifest.piece_len(p))).sum();
        // Before all of it is hashed: while there is no room this is tried again and again.
        self.check_room(file, &part.root, missing(&claimed))?;
        let birth = match &there {
            None => self.make_new(file, &part, manifest)?,
            Some(there) => {
                let ours = self.our_part(file, &part, there)?;
                ours.ok_or_else(|| PrepareError::PartExists(part.root.clone()))?
            }
        };
        made.set(Some(birth));
        if there.is_some() {
            self.0.catalog.put_part(file, &birth)?;
            make(&part, manifest, Use::Make)?;
        }
        let mut held = claimed.clone();
        let pieces: Vec<u32> = claimed.iter().collect();
        let hashed = hash(&part, manifest, &pieces, false, progress);
        if hashed.stopped {
            return Err(PrepareError::Stopped);
        }
        for (piece, found) in pieces.iter().zip(&hashed.hashes) {
            let wanted = usize::try_from(*piece).ok().and_then(|at| manifest.hashes.get(at));
            if found.as_ref() != wanted {
                held.remove(*piece);
            }
        }
        let dropped = claimed.count() - held.count();
        if dropped > 0 {
            self.0.catalog.put_held(file, &held)?;
        }
        let _adding = locked(&self.0.adding);
        if !self.knows(file, item) {
            return Err(PrepareError::Unknown);
        }
        // Others may have been promised room meanwhile; who comes next sees what this one is.
        self.check_room(file, &part.root, missing(&held))?;
        Ok(Resumed { download: new(part, held), dropped })
    }
}

/// Stores anew what was written but not committed when the end came, as if it came from a peer: that it
/// reads back right does not mean that it ever reached the disk.
fn salvage(download: &Download, part: &Place, progress: Progress) -> Result<(), PrepareError> {
    let manifest = &download.loaded.manifest;
    let held = download.known().held;
    let mut piece_bytes = Vec::new();
    for piece in held.missing() {
        let bytes = manifest.piece_len(piece);
        piece_bytes.resize(usize::try_from(bytes).expect("32 bits fit"), 0);
        if !read_written(part, manifest, manifest.extents(piece, 0, bytes), &mut piece_bytes) {
            continue;
        }
        if !progress(manifest.total_bytes(), manifest.total_bytes()) {
            return Err(PrepareError::Stopped);
        }
        if let Stored::Failed { why, .. } = download.store(piece, &piece_bytes) {
            // It will be fetched, and fail again if the disk still does.
            log::info!("{}: {why}", part.root.display());
            break;
        }
    }
    if let Err(error) = download.make_safe() {
        log::warn!("{error}");
    }
    Ok(())
}

/// Reads what was written there; false if nothing was, or it cannot be read.
fn read_written(
    part: &Place,
    manifest: &Manifest,
    extents: impl Iterator<Item = Extent>,
    out: &mut [u8],
) -> bool {
    let read = each_part(extents, out, |extent, out| {
        let file = part.open(&manifest.entries[extent.entry].path, Use::Read)?;
        // Where nothing was written yet the file has a hole; some file systems cannot tell.
        let hole = match seek(&file, SeekFrom::Data(extent.offset)) {
            Ok(data) => data >= extent.offset + u64::from(extent.bytes),
            Err(e) => e == Errno::NXIO,
        };
        if hole { Err(ErrorKind::NotFound.into()) } else { file.read_exact_at(out, extent.offset) }
    });
    read.is_ok()
}

/// Whether what stands there is all of this, down to the last piece.
fn is_whole(place: &Place, manifest: &Manifest, progress: Progress) -> Result<bool, PrepareError> {
    let sizes = manifest.entries.iter().map(|entry| entry.bytes);
    let Ok(stamps) = place.stamps(manifest) else { return Ok(false) };
    if !stamps.iter().map(|stamp| stamp.bytes).eq(sizes) {
        return Ok(false);
    }
    let pieces: Vec<u32> = (0..manifest.pieces()).collect();
    let hashed = hash(place, manifest, &pieces, true, progress);
    if hashed.stopped {
        return Err(PrepareError::Stopped);
    }
    Ok(hashed
        .hashes
        .iter()
        .zip(&manifest.hashes)
        .all(|(found, wanted)| found.as_ref() == Some(wanted)))
}
