//! Sharing what is on disk, where it is; and looking again at what changed.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::catalog::{Kind, Loaded, Row};
use super::hash::{Progress, hash};
use super::place::Stamp;
use super::walk::{Walked, walk};
use super::{Item, PieceStore, known, locked};
use crate::pieces::event::KnownFile;
use crate::pieces::manifest::{BadManifest, Manifest, piece_bytes_for};
use crate::pieces::{ENTRIES_MAX, FileId};
use crate::store::database::DbError;
use crate::store::unix_ms;

/// The clock of files may stand still this long: a second write in that time would not show.
const CLOCK_TICK: Duration = Duration::from_millis(20);

/// What is shared now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// What the exchange is told of it.
    pub known: KnownFile,
    /// What was left out of a directory and why, at most 16 lines; hostile text until escaped.
    pub left_out: Vec<String>,
    /// What the same path was shared as before, with other content: known no more.
    pub replaced: Vec<FileId>,
}

/// Why nothing was shared. What was known before is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// Not an absolute path.
    #[error("{} is not an absolute path", .0.display())]
    Relative(PathBuf),
    /// The path itself is a link.
    #[error("{} is a symbolic link; share what it points to", .0.display())]
    Link(PathBuf),
    /// A device, pipe or socket.
    #[error("{} is neither a file nor a directory", .0.display())]
    Kind(PathBuf),
    /// It could not be handed on under this name.
    #[error("{} cannot be shared under this name: {why}; rename it", path.display())]
    Name {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with its name.
        why: String,
    },
    /// It, or something below it, is not there or may not be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A directory with too much in it.
    #[error(
        "{} has more than {ENTRIES_MAX} files and empty directories; share parts of it, or an archive",
        .0.display()
    )]
    TooMany(PathBuf),
    /// More than a manifest can describe.
    #[error("{} has {bytes} bytes and 1 TiB is the most; share parts of it", path.display())]
    TooLarge {
        /// The file or directory.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// What was found cannot be written down.
    #[error("{} cannot be shared: {bad}", path.display())]
    Manifest {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong.
        bad: BadManifest,
    },
    /// It was written to while it was read.
    #[error("{} changed while it was being read; share it again when nobody writes to it", .0.display())]
    Changed(PathBuf),
    /// It is being fetched here.
    #[error("{} has the same content as a download that is not finished; let it finish, or forget it first", .0.display())]
    Downloading(PathBuf),
    /// No more files may be known.
    #[error("{0} files are known and more may not be (pieces.files_max); forget some or raise it")]
    Full(usize),
    /// Whoever watched the progress wanted no more.
    #[error("stopped before all was read")]
    Stopped,
    /// The list of files failed.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// What became of a file that was hashed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rehashed {
    /// It has the content it had; it can be served.
    Same(KnownFile),
    /// Its content is another now; what is different, in words.
    Different(String),
    /// It is not there or cannot be read; what is wrong, in words.
    Gone(String),
    /// Whoever watched the progress wanted no more.
    Stopped,
}

impl PieceStore {
    /// Hashes a file or directory and knows it from then on. It is not copied: it must stay where it is.
    pub fn share(&self, path: &Path, progress: Progress) -> Result<Shared, ShareError> {
        let progress: Progress = &self.until_halted(progress);
        let walked = walk(path, &|found| self.is_part(found))?;
        let Walked { name, place, entries, left_out } = walked;
        let (entries, stamps): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
        let bad = |bad| ShareError::Manifest { path: path.to_owned(), bad };
        let bytes = entries.iter().fold(0u64, |sum, entry| sum.saturating_add(entry.bytes));
        let too_large = || ShareError::TooLarge { path: path.to_owned(), bytes };
        let piece_bytes = piece_bytes_for(bytes).ok_or_else(too_large)?;
        let pieces = u32::try_from(bytes.div_ceil(piece_bytes.into())).map_err(|_| too_large())?;
        let unknown = vec![[0; 32]; usize::try_from(pieces).expect("32 bits fit")];
        let mut manifest = Manifest::new(name, place.directory, entries, unknown).map_err(bad)?;

        let before = after_a_tick(stamps, || place.stamps(&manifest))
            .map_err(|(path, source)| ShareError::Unreadable { path, source })?;
        let numbers: Vec<u32> = (0..pieces).collect();
        let hashed = hash(&place, &manifest, &numbers, true, progress);
        if hashed.stopped {
            return Err(ShareError::Stopped);
        }
        match hashed.failed {
            Some((path, e)) if e.kind() == ErrorKind::UnexpectedEof => {
                return Err(ShareError::Changed(path));
            }
            Some((path, source)) => return Err(ShareError::Unreadable { path, source }),
            None => manifest.hashes = hashed.hashes.into_iter().flatten().collect(),
        }
        let now = place.stamps(&manifest).map_err(|(path, _)| ShareError::Changed(path))?;
        let sizes = manifest.entries.iter().map(|entry| entry.bytes);
        let mut all = manifest.entries.iter().zip(sizes.zip(before.iter().zip(&now)));
        if let Some((entry, _)) =
            all.find(|(_, (size, (then, now)))| then != now || now.bytes != *size)
        {
            return Err(ShareError::Changed(place.path(&entry.path)));
        }
        let loaded = Loaded { bytes: manifest.encode(), manifest, stamps: now };
        self.keep_shared(path, loaded, left_out)
    }

    fn keep_shared(
        &self,
        path: &Path,
        loaded: Loaded,
        left_out: Vec<String>,
    ) -> Result<Shared, ShareError> {
        let file = FileId::of_manifest(&loaded.bytes);
        let _adding = locked(&self.0.adding);
        let old = self.item(&file);
        let mut row = Row::new(&loaded, path, Kind::Shared, false, unix_ms());
        match &old {
            Some(old) if !old.whole() => return Err(ShareError::Downloading(path.to_owned())),
            // What was fetched to here still counts as fetched.
            Some(old) if old.row.root() == path => row.kind = old.row.kind,
            Some(_) => {}
            None => self.room_for_one().map_err(ShareError::Full)?,
        }
        let replaced: Vec<FileId> = {
            let items = self.items();
            let same = |(other, item): &(&FileId, &Arc<Item>)| {
                **other != file && item.whole() && item.row.root() == path
            };
            items.iter().filter(same).map(|(other, _)| *other).collect()
        };
        self.0.catalog.put_whole(&file, &row, &loaded, &replaced)?;
        for file in &replaced {
            self.take_item(file);
        }
        let known = known(file, &row);
        self.put_item(file, Item::new(row));
        Ok(Shared { known, left_out, replaced })
    }

    /// Err with how many there are if no more files may be known.
    pub(super) fn room_for_one(&self) -> Result<(), usize> {
        let known = self.items().len();
        if known < locked(&self.0.limits).files_max { Ok(()) } else { Err(known) }
    }

    /// Whether a path is what is there of an unfinished download.
    fn is_part(&self, path: &Path) -> bool {
        // Few are unfinished, and most paths do not end so.
        let items = self.items();
        path.extension().is_some_and(|e| e == "part")
            && items.iter().any(|(file, item)| !item.whole() && item.row.part(file).root == path)
    }

    /// Hashes a whole file again, after it was found to have changed (or at any time).
    pub fn rehash(&self, file: &FileId, progress: Progress) -> Rehashed {
        let progress: Progress = &self.until_halted(progress);
        let outcome = self.look_again(file, progress);
        match &outcome {
            Rehashed::Same(_) => self.set_problem(file, String::new()),
            Rehashed::Different(why) | Rehashed::Gone(why) => {
                self.set_problem(file, why.clone());
                self.close_files(file);
            }
            Rehashed::Stopped => {}
        }
        outcome
    }

    fn look_again(&self, file: &FileId, progress: Progress) -> Rehashed {
        let item = match self.item(file) {
            Some(item) if item.whole() => item,
            _ => return Rehashed::Gone("it is not known here any more".into()),
        };
        let loaded = match self.loaded(file) {
            Ok(Some(loaded)) => loaded,
            Ok(None) => return Rehashed::Gone("its manifest is gone; share it again".into()),
            Err(error) => return Rehashed::Gone(error.to_string()),
        };
        let (place, manifest) = (item.row.place(), &loaded.manifest);
        let gone = |(path, e): (PathBuf, io::Error)| {
            Rehashed::Gone(format!(
                "{} cannot be read: {e}; restore it, or forget it",
                path.display()
            ))
        };
        let before = match after_a_tick(Vec::new(), || place.stamps(manifest)) {
            Ok(before) => before,
            Err(failed) => return gone(failed),
        };
        let different = |path: &str| {
            let path = place.path(path);
            Rehashed::Different(format!(
                "{} has changed since it was shared; share it again to give out what it is now",
                path.display()
            ))
        };
        let mut sizes = manifest.entries.iter().zip(&before);
        if let Some((entry, _)) = sizes.find(|(entry, now)| entry.bytes != now.bytes) {
            return different(&entry.path);
        }
        let numbers: Vec<u32> = (0..manifest.pieces()).collect();
        let hashed = hash(&place, manifest, &numbers, false, progress);
        if hashed.stopped {
            return Rehashed::Stopped;
        }
        if let Some(failed) = hashed.failed {
            return gone(failed);
        }
        let right = |(piece, hash): (&u32, &Option<[u8; 32]>)| {
            let wanted = usize::try_from(*piece).ok().and_then(|at| manifest.hashes.get(at));
            hash.as_ref() == wanted
        };
        if let Some((piece, _)) = numbers.iter().zip(&hashed.hashes).find(|both| !right(*both)) {
            let first = manifest.extents(*piece, 0, 1).next();
            return different(first.map_or("", |extent| &manifest.entries[extent.entry].path));
        }
        match place.stamps(manifest) {
            Ok(now) if now == before => self.keep_stamps(file, &item, &loaded, now),
            Ok(_) => Rehashed::Different("it is being written to".into()),
            Err(failed) => gone(failed),
        }
    }

    fn keep_stamps(
        &self,
        file: &FileId,
        item: &Item,
        loaded: &Loaded,
        stamps: Vec<Stamp>,
    ) -> Rehashed {
        let loaded =
            Loaded { bytes: loaded.bytes.clone(), manifest: loaded.manifest.clone(), stamps };
        let _adding = locked(&self.0.adding);
        // It may have been forgotten, or shared from elsewhere, meanwhile.
        if !self.item(file).is_some_and(|now| now.row == item.row) {
            return Rehashed::Gone("it is not known here any more".into());
        }
        match self.0.catalog.put_whole(file, &item.row, &loaded, &[]) {
            Ok(()) => {
                self.forget_cached(file);
                locked(&self.0.manifests).insert(*file, Arc::new(loaded));
                Rehashed::Same(known(*file, &item.row))
            }
            Err(error) => Rehashed::Gone(error.to_string()),
        }
    }
}

/// The stamps, taken (again) when the last change they tell of is long enough ago that one more would show.
pub(super) fn after_a_tick<E>(
    stamps: Vec<Stamp>,
    take: impl Fn() -> Result<Vec<Stamp>, E>,
) -> Result<Vec<Stamp>, E> {
    let stamps = if stamps.is_empty() { take()? } else { stamps };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let last = stamps.iter().map(Stamp::changed_ns).max().unwrap_or(0);
    let fresh = i128::try_from(now).is_ok_and(|now| now - last < CLOCK_TICK.as_nanos() as i128);
    if !fresh {
        return Ok(stamps);
    }
    std::thread::park_timeout(CLOCK_TICK);
    take()
}
