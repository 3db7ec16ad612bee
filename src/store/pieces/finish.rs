//! Putting a whole download into its place.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::catalog::{Kind, Loaded, Row};
use super::download::{CommitError, Download};
use super::place::{Birth, Place, Use, drop_first_name};
use super::prepare::{PrepareError, check_free, is_full};
use super::share::after_a_tick;
use super::{Item, locked};
use crate::pieces::event::Trouble;
use crate::store::database::DbError;

/// Why a download is not in its place (or not known to be). What is there stays; finishing can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// Pieces are missing.
    #[error("{0} pieces are missing")]
    Incomplete(u32),
    /// What was stored last is not safe.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// Somebody took the final name meanwhile.
    #[error(transparent)]
    Name(#[from] PrepareError),
    /// Somebody wrote to what is there.
    #[error("{} was changed by somebody else while it was being fetched", .0.display())]
    Tampered(PathBuf),
    /// The disk refused.
    #[error("cannot put {} into its place: {source}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is in its place, and that could not be written down.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl FinishError {
    /// For the exchange and for people.
    pub fn trouble(&self) -> Trouble {
        let (remedy, full) = match self {
            FinishError::Incomplete(_) => ("get it again: they are fetched then", false),
            FinishError::Commit(error) => return error.trouble(),
            FinishError::Name(error) => return error.trouble(),
            FinishError::Tampered(_) => ("get it again: what is there is verified anew", false),
            FinishError::Disk { source, .. } if is_full(source) => {
                ("free some room; it goes on by itself", true)
            }
            FinishError::Disk { .. } => {
                ("look at the disk and the permissions, then get it again", false)
            }
            FinishError::Database(error) if error.is_full() => {
                ("free some room there; it goes on by itself", true)
            }
            FinishError::Database(_) => ("look at the state directory, then get it again", false),
        };
        Trouble { why: self.to_string(), remedy: remedy.into(), full }
    }
}

impl Download {
    /// Syncs everything, puts it into its place and gives that. Nothing is overwritten unless that was asked.
    pub fn finish(&self) -> Result<PathBuf, FinishError> {
        self.make_safe()?;
        let missing = {
            let state = locked(&self.state);
            state.held.len() - state.held.count()
        };
        if missing > 0 {
            return Err(FinishError::Incomplete(missing));
        }
        let (row, manifest) = (&self.item().row, &self.loaded.manifest);
        let target = row.place();
        {
            // Nobody opens a file under the old name while it changes.
            let mut gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
            if gate.ended {
                return Err(CommitError::Ended.into());
            }
            if gate.place != target {
                let disk = |source| FinishError::Disk { path: target.root.clone(), source };
                if !drop_first_name(&gate.place.root, &target.root).map_err(disk)? {
                    let there = fs::symlink_metadata(&gate.place.root).map_err(disk)?;
                    let made = self.store.0.catalog.part(&self.file)?;
                    if made.is_some_and(|made| made.is_surely_not_of(&Birth::of(&there))) {
                        return Err(FinishError::Tampered(gate.place.root.clone()));
                    }
                    self.complete_files(&gate.place)?;
                    check_free(&target.root, row.directory, row.force)?;
                    put(&gate.place.root, &target.root, row)?;
                }
                gate.place = target.clone();
            }
        }
        let disk = |source| FinishError::Disk { path: target.root.clone(), source };
        target.sync_parent().map_err(disk)?;
        let stamps = after_a_tick(Vec::new(), || target.stamps(manifest))
            .map_err(|(path, source)| FinishError::Disk { path, source })?;
        let mut row = row.clone();
        row.kind = Kind::Downloaded;
        let loaded =
            Loaded { bytes: self.loaded.bytes.clone(), manifest: manifest.clone(), stamps };
        let _adding = locked(&self.store.0.adding);
        if self.store.item(&self.file).is_none() {
            // It was forgotten just now; the file is whole, and the person's.
            return Err(CommitError::Ended.into());
        }
        self.store.0.catalog.put_whole(&self.file, &row, &loaded, &[])?;
        self.store.put_item(self.file, Item::new(row));
        self.end();
        Ok(target.root)
    }

    /// Lengths are checked, files that may be run are made so, and all names in a directory made safe.
    fn complete_files(&self, part: &Place) -> Result<(), FinishError> {
        let manifest = &self.loaded.manifest;
        let mut dirs = BTreeSet::from([""]);
        for entry in &manifest.entries {
            let path = || part.path(&entry.path);
            let disk = |source| FinishError::Disk { path: path(), source };
            let mut above = entry.path.as_str();
            if entry.directory {
                dirs.insert(above);
            }
            while let Some((dir, _)) = above.rsplit_once('/') {
                above = dir;
                dirs.insert(dir);
            }
            if entry.directory {
                continue;
            }
            if part.stamp(&entry.path).map_err(disk)?.bytes != entry.bytes {
                return Err(FinishError::Tampered(path()));
            }
            if entry.executable {
                let file = part.open(&entry.path, Use::Write).map_err(disk)?;
                make_executable(&file).map_err(disk)?;
            }
        }
        if manifest.directory {
            for dir in dirs {
                let disk = |source| FinishError::Disk { path: part.root.join(dir), source };
                let open = part.open_dir(dir, Use::Read).map_err(disk)?;
                File::from(open).sync_all().map_err(disk)?;
            }
        }
        Ok(())
    }
}

/// Whoever may read it may run it.
fn make_executable(file: &File) -> io::Result<()> {
    let mode = file.metadata()?.permissions().mode() & 0o777;
    file.set_permissions(Permissions::from_mode(mode | (mode & 0o444) >> 2))?;
    file.sync_all()
}

fn put(part: &Path, target: &Path, row: &Row) -> Result<(), FinishError> {
    let disk = |source| FinishError::Disk { path: target.to_owned(), source };
    if row.force {
        // A directory is never overwritten: a rename refuses that.
        return fs::rename(part, target).map_err(disk);
    }
    let renamed = match renameat_with(CWD, part, CWD, target, RenameFlags::NOREPLACE) {
        // This file system cannot; a second name is refused as well if there is one already.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if !row.directory => {
            match fs::hard_link(part, target) {
                Ok(()) => fs::remove_file(part),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(e),
                // Nor that. Nothing had the name just now; what takes it in this very moment is lost.
                Err(_) => fs::rename(part, target),
            }
        }
        // Only an empty directory could be lost.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => fs::rename(part, target),
        renamed => renamed.map_err(io::Error::from),
    };
    renamed.map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => PrepareError::Exists(target.to_owned()).into(),
        _ => disk(e),
    })
}
