//! Making a download ready: is the manifest the one that was asked for, may it go there, is there room.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::catalog::{Kind, Loaded, Row};
use super::download::Download;
use super::forget::remove;
use super::place::{Birth, Place, Use, one_name_for_two, parent};
use super::{Item, PieceStore, locked};
use crate::pieces::event::Trouble;
use crate::pieces::manifest::{BadManifest, Manifest};
use crate::pieces::{Bitmap, FileId};
use crate::store::database::DbError;
use crate::store::unix_ms;
use crate::text::size;

/// Where a download goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// An absolute path. An existing directory: into it, under the file's own name. Anything else: the final
    /// name.
    pub path: PathBuf,
    /// It is a directory, and is made if it is missing.
    pub directory: bool,
    /// A file that is there may be overwritten.
    pub force: bool,
}

/// Why a download cannot begin or go on. Of one that begins nothing is left behind; of one that is to go on,
/// all stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The manifest is not the one this file id names: whoever gave it lied.
    #[error("this is not the manifest of the file that was asked for")]
    Forged,
    /// Whoever shared the file made a manifest that must not be followed.
    #[error("the file cannot be fetched: {0}")]
    Manifest(#[from] BadManifest),
    /// Not an absolute path, or one without a name.
    #[error("{} cannot be the name of a file", .0.display())]
    Target(PathBuf),
    /// The directory it should go into is not there.
    #[error("the directory {} cannot be used: {source}", path.display())]
    Folder {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something has the final name.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// Something has the final name, and a directory is never overwritten, nor a file by one.
    #[error("{} is there already, and a directory is neither overwritten nor put in the place of a file", .0.display())]
    ExistsDirectory(PathBuf),
    /// Something has the name of the unfinished download.
    #[error("{} is there already, and is not of this download", .0.display())]
    PartExists(PathBuf),
    /// Another download goes there.
    #[error("another download ({file}) goes to {}", path.display())]
    Taken {
        /// Where to.
        path: PathBuf,
        /// Which.
        file: FileId,
    },
    /// It is being fetched already.
    #[error("it is being fetched already, to {}", .0.display())]
    Running(PathBuf),
    /// Some of it is there from before: [`PieceStore::resume`] goes on with it.
    #[error("it is half fetched already, to {}, and goes on from there", .0.display())]
    Unfinished(PathBuf),
    /// An unfinished download of it goes elsewhere.
    #[error("it is half fetched already, to {}", .0.display())]
    Elsewhere(PathBuf),
    /// It is here.
    #[error("it is here already, verified: {}", .0.display())]
    Here(PathBuf),
    /// The disk is too full.
    #[error(
        "no room for it in {}: {} are missing of it, {} are free, and of those {} stay free and {} are for other \
         downloads",
        path.display(), size(*need), size(*free), size(*reserve), size(*promised)
    )]
    NoRoom {
        /// The directory.
        path: PathBuf,
        /// Bytes yet to be written.
        need: u64,
        /// Bytes free.
        free: u64,
        /// Bytes that are left free.
        reserve: u64,
        /// Bytes that other downloads have yet to write.
        promised: u64,
    },
    /// All downloads together would take too much.
    #[error(
        "all downloads together may take {} (pieces.quota_bytes), {} are taken, and it has {}",
        size(*quota), size(*taken), size(*bytes)
    )]
    Quota {
        /// The most.
        quota: u64,
        /// What there is.
        taken: u64,
        /// What this would add.
        bytes: u64,
    },
    /// No more files may be known.
    #[error("{0} files are known and more may not be (pieces.files_max)")]
    Full(usize),
    /// There is no such unfinished download, or what is known of it is damaged.
    #[error("no unfinished download of this file is known")]
    Unknown,
    /// The disk refused.
    #[error("cannot write {}: {source}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Whoever watched the progress wanted no more.
    #[error("stopped while what is there was verified")]
    Stopped,
    /// The list of files failed.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// Whether the system said that there is no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

impl PrepareError {
    /// For the exchange and for people.
    pub fn trouble(&self) -> Trouble {
        let remedy = match self {
            PrepareError::Forged => "it is asked of another holder",
            PrepareError::Manifest(_) => "whoever shared it must share it anew under other names",
            PrepareError::Target(_) => "name a file or an existing directory",
            PrepareError::Folder { .. } => "make it, or choose another",
            PrepareError::Exists(_) => "choose another name, or overwrite it with --force",
            PrepareError::ExistsDirectory(_) => "choose another name, or move it away",
            PrepareError::PartExists(_) => "choose another name, or remove it if it is of no use",
            PrepareError::Taken { .. } => "choose another name, or forget that one",
            PrepareError::Running(_) => "wait for it",
            PrepareError::Unfinished(_) => "get it again to go on",
            PrepareError::Elsewhere(_) => "go on with it there, or forget it first",
            PrepareError::Here(_) => "copy it from there",
            PrepareError::NoRoom { .. } => "free some; it goes on by itself",
            PrepareError::Quota { .. } => {
                "forget downloads that are not needed, or raise the quota"
            }
            PrepareError::Full(_) => "forget some, or raise it",
            PrepareError::Unknown => "get it again",
            PrepareError::Disk { source, .. } if is_full(source) => {
                "free some room; it goes on by itself"
            }
            PrepareError::Database(error) if error.is_full() => {
                "free some room there; it goes on by itself"
            }
            PrepareError::Disk { .. } => "look at the disk and the permissions, then get it again",
            PrepareError::Stopped => "get it again to go on",
            PrepareError::Database(_) => "look at the state directory, then get it again",
        };
        let full = match self {
            PrepareError::NoRoom { .. } => true,
            PrepareError::Disk { source, .. } => is_full(source),
            PrepareError::Database(error) => error.is_full(),
            _ => false,
        };
        Trouble { why: self.to_string(), remedy: remedy.into(), full }
    }
}

impl Target {
    /// The final name.
    fn resolve(&self, name: &str) -> Result<PathBuf, PrepareError> {
        if !self.path.is_absolute() {
            return Err(PrepareError::Target(self.path.clone()));
        }
        let folder = |path: &Path, source| PrepareError::Folder { path: path.to_owned(), source };
        if self.directory {
            fs::create_dir_all(&self.path).map_err(|e| folder(&self.path, e))?;
            return Ok(self.path.join(name));
        }
        if fs::metadata(&self.path).is_ok_and(|meta| meta.is_dir()) {
            return Ok(self.path.join(name));
        }
        let bytes = self.path.as_os_str().as_bytes();
        if bytes.ends_with(b"/") || bytes.ends_with(b"/.") {
            // A directory is meant, and nothing else can have this name.
            return Err(folder(&self.path, ErrorKind::NotFound.into()));
        }
        if self.path.file_name().is_none() {
            return Err(PrepareError::Target(self.path.clone()));
        }
        let above = parent(&self.path);
        match fs::metadata(above) {
            Ok(meta) if meta.is_dir() => Ok(self.path.clone()),
            Ok(_) => Err(folder(above, ErrorKind::NotADirectory.into())),
            Err(e) => Err(folder(above, e)),
        }
    }
}

impl PieceStore {
    /// Checks a received manifest and makes the target ready. [`PrepareError::Unfinished`] if the same file was
    /// on its way to the same place: going on takes as long as hashing what is there.
    pub fn prepare(
        &self,
        file: &FileId,
        manifest: Vec<u8>,
        target: &Target,
    ) -> Result<Arc<Download>, PrepareError> {
        if FileId::of_manifest(&manifest) != *file {
            return Err(PrepareError::Forged);
        }
        let parsed = Manifest::parse(&manifest)?;
        let loaded = Arc::new(Loaded { bytes: manifest, manifest: parsed, stamps: Vec::new() });
        let root = target.resolve(&loaded.manifest.name)?;
        let _adding = locked(&self.0.adding);
        let old = self.item(file);
        let mut before = None;
        match &old {
            Some(old) if !old.whole() => {
                let there = old.row.root();
                if old.busy.load(Ordering::Acquire) {
                    return Err(PrepareError::Running(there));
                }
                if there != root {
                    return Err(PrepareError::Elsewhere(there));
                }
                if target.force && !old.row.force {
                    let mut row = old.row.clone();
                    row.force = true;
                    self.0.catalog.put_row(file, &row)?;
                    self.put_item(*file, Item::new(row));
                }
                if self.loaded(file)?.is_none() {
                    // What was written down of it is damaged, and this is what it was.
                    self.0.catalog.put_manifest(file, &loaded.bytes)?;
                }
                return Err(PrepareError::Unfinished(there));
            }
            Some(old) => {
                let known = self.loaded(file)?;
                if known.as_ref().is_some_and(|known| old.unchanged(known)) {
                    return Err(PrepareError::Here(old.row.root()));
                }
                before = known.map(|known| (Arc::clone(old), known));
            }
            None => self.room_for_one().map_err(PrepareError::Full)?,
        }
        let row = Row::new(&loaded, &root, Kind::Unfinished, target.force, unix_ms());
        self.check_name_free(file, &row)?;
        self.check_quota(file, row.bytes)?;
        self.check_room(file, &root, row.bytes)?;
        let part = row.part(file);
        if !matches!(fs::symlink_metadata(&part.root), Err(e) if e.kind() == ErrorKind::NotFound) {
            return Err(PrepareError::PartExists(part.root));
        }
        // Known first: a kill right after this leaves nothing that nobody knows.
        self.0.catalog.put_unfinished(file, &row, &loaded)?;
        if let Err(error) = self.make_new(file, &part, &loaded.manifest) {
            match &before {
                // What was known before still is: it changed, and may be hashed again.
                Some((old, known)) => self.0.catalog.put_whole(file, &old.row, known, &[])?,
                None => {
                    self.take_item(file);
                    self.0.catalog.remove(&[*file])?;
                }
            }
            return Err(error);
        }
        let held = Bitmap::none(row.pieces);
        let item = Item::new(row);
        item.busy.store(true, Ordering::Release);
        let download = Download::new(self.clone(), *file, loaded, Arc::clone(&item), part, held);
        self.put_item(*file, item);
        Ok(download)
    }

    /// Neither name of a download may be one of another download's.
    pub(super) fn check_name_free(&self, file: &FileId, row: &Row) -> Result<(), PrepareError> {
        let names = |file: &FileId, row: &Row| [row.root(), row.part(file).root];
        let ours = names(file, row);
        let [root, _] = &ours;
        let meets = |(other, item): &(&FileId, &Arc<Item>)| {
            let theirs = || names(other, &item.row);
            *other != file && !item.whole() && theirs().iter().any(|name| ours.contains(name))
        };
        if let Some((other, _)) = self.items().iter().find(meets) {
            return Err(PrepareError::Taken { path: root.clone(), file: *other });
        }
        check_free(root, row.directory, row.force)
    }

    fn check_quota(&self, file: &FileId, bytes: u64) -> Result<(), PrepareError> {
        let quota = locked(&self.0.limits).quota_bytes;
        let counts =
            |(other, item): &(&FileId, &Arc<Item>)| item.row.kind != Kind::Shared && *other != file;
        let taken = self
            .items()
            .iter()
            .filter(counts)
            .fold(0u64, |sum, (_, item)| sum.saturating_add(item.row.bytes));
        match quota == 0 || taken.saturating_add(bytes) <= quota {
            true => Ok(()),
            false => Err(PrepareError::Quota { quota, taken, bytes }),
        }
    }

    /// Whether so many bytes may be written beside `root`. What other running downloads have yet to write to
    /// the same disk counts as written.
    pub(super) fn check_room(
        &self,
        file: &FileId,
        root: &Path,
        need: u64,
    ) -> Result<(), PrepareError> {
        let reserve = locked(&self.0.limits).reserve_bytes;
        let path = parent(root).to_owned();
        let free = match free_bytes(&path) {
            Ok(free) => free,
            Err(source) => return Err(PrepareError::Folder { path, source }),
        };
        let promised = self.promised(file, &path);
        match need == 0 || need.saturating_add(reserve).saturating_add(promised) <= free {
            true => Ok(()),
            false => Err(PrepareError::NoRoom { path, need, free, reserve, promised }),
        }
    }

    fn promised(&self, file: &FileId, dir: &Path) -> u64 {
        let disk = |dir: &Path| fs::metadata(dir).ok().map(|meta| meta.dev());
        let here = disk(dir);
        let others: Vec<Arc<Download>> = {
            let items = self.items();
            let others = items.iter().filter(|(other, _)| *other != file);
            others.filter_map(|(_, item)| item.running()).collect()
        };
        let there = others.iter().filter(|other| disk(parent(&other.path())) == here);
        there.fold(0u64, |sum, other| sum.saturating_add(other.missing_bytes()))
    }

    /// Makes the `.part`, and tells which one it is; if that fails, what was made of it is removed.
    pub(super) fn make_new(
        &self,
        file: &FileId,
        part: &Place,
        manifest: &Manifest,
    ) -> Result<Birth, PrepareError> {
        let birth = part.make_root().map_err(|source| match source.kind() {
            ErrorKind::AlreadyExists => PrepareError::PartExists(part.root.clone()),
            _ => PrepareError::Disk { path: part.root.clone(), source },
        })?;
        // A kill before this leaves an empty one, which is taken for ours.
        let known = self.0.catalog.put_part(file, &birth).map_err(PrepareError::from);
        let made = known.and_then(|()| make(part, manifest, Use::MakeNew));
        if made.is_err()
            && let Err(e) = remove(part)
        {
            log::warn!("{} was begun and cannot be removed: {e}", part.root.display());
        }
        made.map(|()| birth)
    }
}

/// Bytes that may be written on the disk of this directory.
pub(super) fn free_bytes(dir: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(dir)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Whether a final name can be taken.
pub(super) fn check_free(root: &Path, directory: bool, force: bool) -> Result<(), PrepareError> {
    match fs::symlink_metadata(root) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(source) => Err(PrepareError::Disk { path: root.to_owned(), source }),
        Ok(meta) if meta.is_dir() || directory => {
            Err(PrepareError::ExistsDirectory(root.to_owned()))
        }
        Ok(_) if !force => Err(PrepareError::Exists(root.to_owned())),
        Ok(_) => Ok(()),
    }
}

/// Makes all files and directories, with their lengths; none takes room yet. Each file is one of its own:
/// what is verified of one would be written over by the other.
pub(super) fn make(part: &Place, manifest: &Manifest, how: Use) -> Result<(), PrepareError> {
    let mut files = BTreeSet::new();
    // A file that is the root itself was made with it.
    let how = if part.directory { how } else { Use::Write };
    for entry in &manifest.entries {
        let made = if entry.directory {
            part.open_dir(&entry.path, how).map(drop)
        } else {
            match part.open(&entry.path, how) {
                // The root is new, so whatever is in it was made just now, under another name.
                Err(e) if e.kind() == ErrorKind::AlreadyExists && part.directory => {
                    Err(one_name_for_two())
                }
                opened => opened.and_then(|file| {
                    let meta = file.metadata()?;
                    if !files.insert((meta.dev(), meta.ino())) {
                        return Err(one_name_for_two());
                    }
                    match meta.len() == entry.bytes {
                        true => Ok(()),
                        false => file.set_len(entry.bytes),
                    }
                }),
            }
        };
        made.map_err(|source| PrepareError::Disk { path: part.path(&entry.path), source })?;
    }
    part.sync_parent().map_err(|source| PrepareError::Disk { path: part.root.clone(), source })
}
