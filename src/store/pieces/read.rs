//! Reading what is given to others. What is shared may change under us at any time, so each file is looked
//! at before and after it is read, and nothing of a changed one is given.

use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::io::Errno;

use super::catalog::Loaded;
use super::place::{Place, Stamp, Use};
use super::{Item, PieceStore, locked};
use crate::pieces::FileId;
use crate::pieces::frame::{Nope, Part};
use crate::pieces::manifest::Extent;
use crate::store::database::DbError;

/// Why it was not read. What is in the buffer now means nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not known, or this piece is not here (yet).
    #[error("this is not held here")]
    Absent,
    /// There is no such part, or it is shorter.
    #[error("the file has no such part")]
    OutOfRange,
    /// The file is not the one that was hashed; nothing of it is given until it was hashed again.
    #[error("{} has changed since it was shared; it is hashed again before it is served", .0.display())]
    Changed(PathBuf),
    /// The disk failed; it may work the next time.
    #[error("cannot read {}: {source}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The list of files failed; it may work the next time.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl ReadError {
    /// What a peer that asked for it is told.
    pub fn nope(&self) -> Nope {
        match self {
            ReadError::Absent => Nope::Absent,
            ReadError::OutOfRange => Nope::OutOfRange,
            ReadError::Changed(_) => Nope::Changed,
            ReadError::Disk { .. } | ReadError::Database(_) => Nope::Disk,
        }
    }
}

impl PieceStore {
    /// Fills `out` with bytes of a part of a file, from its byte `offset` on.
    pub fn read(
        &self,
        file: &FileId,
        part: Part,
        offset: u32,
        out: &mut [u8],
    ) -> Result<(), ReadError> {
        let mut result = self.read_part(file, part, offset, out);
        let moved = matches!(result, Err(ReadError::Disk { .. } | ReadError::Absent));
        if moved && self.item(file).is_some_and(|item| item.whole()) {
            // A download may have been put into its place just while its `.part` was looked at.
            result = self.read_part(file, part, offset, out);
        }
        if let Err(error @ ReadError::Changed(_)) = &result {
            self.set_problem(file, error.to_string());
            self.close_files(file);
        }
        result
    }

    fn read_part(
        &self,
        file: &FileId,
        part: Part,
        offset: u32,
        out: &mut [u8],
    ) -> Result<(), ReadError> {
        let item = self.item(file).ok_or(ReadError::Absent)?;
        if let Some(download) = item.running() {
            return download.read(part, offset, out);
        }
        let loaded = self.loaded(file)?.ok_or(ReadError::Absent)?;
        match part {
            Part::Manifest => manifest_bytes(&loaded, offset, out),
            Part::Piece(piece) => {
                let extents = extents(&loaded, piece, offset, out.len())?;
                if !item.whole() {
                    return Err(ReadError::Absent);
                }
                let place = item.row.place();
                each_part(extents, out, |e, out| self.read_whole(file, &place, &loaded, e, out))
            }
        }
    }

    /// Reads from a file that is whole and must not have changed.
    fn read_whole(
        &self,
        file: &FileId,
        place: &Place,
        loaded: &Loaded,
        extent: Extent,
        out: &mut [u8],
    ) -> Result<(), ReadError> {
        let entry = &loaded.manifest.entries[extent.entry].path;
        let path = || place.path(entry);
        let changed = || ReadError::Changed(path());
        let disk = |source: io::Error| match is_another(&source) {
            true => changed(),
            false => ReadError::Disk { path: path(), source },
        };
        let stamp = loaded.stamps.get(extent.entry).ok_or_else(changed)?;
        if place.stamp(entry).map_err(disk)? != *stamp {
            return Err(changed());
        }
        let known = locked(&self.0.files).get(file, extent.entry);
        let open = match known {
            Some(open) => open,
            None => {
                let open = Arc::new(place.open(entry, Use::Read).map_err(disk)?);
                locked(&self.0.files).insert(*file, extent.entry, Arc::clone(&open));
                open
            }
        };
        open.read_exact_at(out, extent.offset).map_err(disk)?;
        // What was read is of the file that was hashed only if that is still so.
        let after = open.metadata().map_err(disk)?;
        if Stamp::of(&after) == *stamp { Ok(()) } else { Err(changed()) }
    }
}

impl Item {
    /// Whether every file is still as it was when it was hashed.
    pub(super) fn unchanged(&self, loaded: &Loaded) -> bool {
        let now = self.row.place().stamps(&loaded.manifest);
        now.is_ok_and(|now| now == loaded.stamps)
    }
}

/// Whether an error tells that something else stands there now: nothing, a directory, a link, a pipe, or
/// less than there was.
fn is_another(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::InvalidInput
            | ErrorKind::UnexpectedEof
    ) || error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// Fills `out` with a part of a manifest.
pub(super) fn manifest_bytes(
    loaded: &Loaded,
    offset: u32,
    out: &mut [u8],
) -> Result<(), ReadError> {
    let start = usize::try_from(offset).map_err(|_| ReadError::OutOfRange)?;
    let end = start.checked_add(out.len()).ok_or(ReadError::OutOfRange)?;
    out.copy_from_slice(loaded.bytes.get(start..end).ok_or(ReadError::OutOfRange)?);
    Ok(())
}

/// Which parts of which files these bytes of a piece are.
pub(super) fn extents(
    loaded: &Loaded,
    piece: u32,
    offset: u32,
    bytes: usize,
) -> Result<Vec<Extent>, ReadError> {
    let manifest = &loaded.manifest;
    let bytes = u32::try_from(bytes).map_err(|_| ReadError::OutOfRange)?;
    let end = offset.checked_add(bytes).ok_or(ReadError::OutOfRange)?;
    if piece >= manifest.pieces() || bytes == 0 || end > manifest.piece_len(piece) {
        return Err(ReadError::OutOfRange);
    }
    Ok(manifest.extents(piece, offset, bytes).collect())
}

/// Hands `fill` each extent with the room for its bytes, which together are `out`.
pub(super) fn each_part<E>(
    extents: impl IntoIterator<Item = Extent>,
    out: &mut [u8],
    mut fill: impl FnMut(Extent, &mut [u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut rest = out;
    for extent in extents {
        let bytes = usize::try_from(extent.bytes).expect("32 bits fit");
        let (room, after) = rest.split_at_mut(bytes);
        fill(extent, room)?;
        rest = after;
    }
    Ok(())
}
