//! Forgetting a file, beside whatever is reading it.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use super::place::Place;
use super::{PieceStore, locked};
use crate::pieces::FileId;
use crate::store::database::DbError;

/// Why a file is still known.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// It was not known.
    #[error("this file is not known here")]
    Unknown,
    /// What there is of it could not be removed; it is known still, and not running any more.
    #[error("cannot remove {}: {source}; remove it by hand and forget the file again", path.display())]
    Remove {
        /// The `.part`.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The list of files failed; it is known again after the next start, unless it is forgotten again.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl PieceStore {
    /// Knows this file no more. Shared files and finished downloads stay on disk; what there is of an
    /// unfinished download is removed. Reads that have begun may still succeed; none begins after this.
    pub fn forget(&self, file: &FileId) -> Result<(), ForgetError> {
        let _adding = locked(&self.0.adding);
        let item = self.take_item(file).ok_or(ForgetError::Unknown)?;
        if !item.whole() {
            if let Some(download) = item.running() {
                download.end();
                if download.is_placed() {
                    // It is in its final place already: whole, and the person's.
                    return Ok(self.0.catalog.remove(&[*file])?);
                }
            }
            // The list knows it until it is gone: a kill in between leaves nothing that nobody knows.
            let part = item.row.part(file);
            let removed = match fs::symlink_metadata(&part.root) {
                Ok(there) => match self.our_part(file, &part, &there) {
                    Ok(Some(_)) => remove(&part),
                    Ok(None) => {
                        log::warn!("{} is not ours and stays", part.root.display());
                        Ok(())
                    }
                    Err(error) => {
                        self.put_item(*file, item);
                        return Err(error.into());
                    }
                },
                Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
                Err(e) => Err(e),
            };
            if let Err(source) = removed {
                let path = part.root;
                self.put_item(*file, item);
                return Err(ForgetError::Remove { path, source });
            }
        }
        Ok(self.0.catalog.remove(&[*file])?)
    }
}

/// Removes an unfinished download; links in it are removed and not followed.
pub(super) fn remove(part: &Place) -> io::Result<()> {
    let removed = match fs::symlink_metadata(&part.root) {
        Ok(meta) if meta.is_dir() && part.directory => fs::remove_dir_all(&part.root),
        Ok(meta) if meta.is_file() && !part.directory => fs::remove_file(&part.root),
        // Something else stands there, which is not ours.
        Ok(_) => Ok(()),
        Err(e) => Err(e),
    };
    match removed {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}
