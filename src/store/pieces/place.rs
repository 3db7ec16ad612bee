//! Where the content of a shared file, a finished download or a running one lies, and how its files are
//! opened: below one root, links never followed.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use serde::{Deserialize, Serialize};

use crate::pieces::manifest::Manifest;

/// What tells that a file is still the one that was hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    pub bytes: u64,
    inode: u64,
    /// Seconds and nanoseconds of the last write.
    written: (i64, i64),
    /// Of the last change of anything, which nobody can set back: a write that hides its time shows here.
    changed: (i64, i64),
}

impl Stamp {
    pub fn of(meta: &Metadata) -> Stamp {
        Stamp {
            bytes: meta.len(),
            inode: meta.ino(),
            written: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// When anything of the file changed last, nanoseconds since 1970.
    pub fn changed_ns(&self) -> i128 {
        i128::from(self.changed.0) * 1_000_000_000 + i128::from(self.changed.1)
    }
}

/// What tells a file or directory from another that took its name later. The number of its device is no part
/// of it, for it may be another one after the next start; and that of its inode counts only where no time of
/// birth is kept, for FAT makes such numbers up anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Birth {
    inode: u64,
    /// Since 1970.
    born: Option<Duration>,
}

impl Birth {
    pub fn of(meta: &Metadata) -> Birth {
        let born = meta.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Birth { inode: meta.ino(), born: born.filter(|born| !born.is_zero()) }
    }

    /// Whether both are of one file.
    pub fn is_of(&self, other: &Birth) -> bool {
        match (self.born, other.born) {
            (Some(one), Some(another)) => one == another,
            _ => self.inode == other.inode,
        }
    }

    /// Whether they are of two files beyond doubt: some disks of other machines number a file anew at times.
    pub fn is_surely_not_of(&self, other: &Birth) -> bool {
        self.born.zip(other.born).is_some_and(|(one, another)| one != another)
    }
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Read,
    Write,
    /// To write, made if it is missing, with the directories above it.
    Make,
    /// As `Make`, but it must not be there yet.
    MakeNew,
}

impl Use {
    fn flags(self) -> OFlags {
        // Without NONBLOCK, opening what somebody replaced by a pipe would wait for a writer for ever.
        let common = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        common
            | match self {
                Use::Read => OFlags::RDONLY,
                Use::Write => OFlags::RDWR,
                Use::Make => OFlags::RDWR | OFlags::CREATE,
                Use::MakeNew => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
            }
    }
}

/// A file, or a directory with files below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub root: PathBuf,
    pub directory: bool,
}

/// Two names that lead to one file: case or the composing of accents makes no difference on this disk.
pub(super) fn one_name_for_two() -> io::Error {
    let why = "this disk takes it for another name in the same directory; choose another disk";
    io::Error::new(ErrorKind::InvalidInput, why)
}

impl Place {
    /// Where an entry is, for people and for looking at it.
    pub fn path(&self, entry: &str) -> PathBuf {
        if self.directory { self.root.join(entry) } else { self.root.clone() }
    }

    /// Opens an entry's file. No part of its path below the root, nor the root itself, may be a link.
    pub fn open(&self, entry: &str, how: Use) -> io::Result<File> {
        let mode = Mode::from_raw_mode(0o666);
        let fd = if self.directory {
            let (above, name) = entry.rsplit_once('/').unwrap_or(("", entry));
            let dir = self.open_dir(above, how)?;
            openat(&dir, name, how.flags(), mode)?
        } else {
            openat(CWD, &self.root, how.flags(), mode)?
        };
        let file = File::from(fd);
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
        }
        if how != Use::Read && meta.nlink() > 1 {
            let why = "it has another name (a hard link), which would be written to as well";
            return Err(io::Error::new(ErrorKind::InvalidInput, why));
        }
        Ok(file)
    }

    /// Opens a directory below the root ("" is the root), making what is missing of it if that is wanted.
    pub fn open_dir(&self, path: &str, how: Use) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut dir = openat(CWD, &self.root, flags, Mode::empty())?;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            if matches!(how, Use::Make | Use::MakeNew) {
                match mkdirat(&dir, part, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                    Err(e) => return Err(e.into()),
                }
            }
            dir = openat(&dir, part, flags, Mode::empty())?;
        }
        Ok(dir)
    }

    /// Makes the root, which must not be there yet: an empty directory or file.
    pub fn make_root(&self) -> io::Result<Birth> {
        if self.directory {
            fs::create_dir(&self.root)?;
        } else {
            self.open("", Use::MakeNew)?;
        }
        Ok(Birth::of(&fs::symlink_metadata(&self.root)?))
    }

    /// Whether the root is as [`Place::make_root`] leaves it.
    pub fn is_bare(&self, meta: &Metadata) -> bool {
        match self.directory {
            true => meta.is_dir() && fs::read_dir(&self.root).is_ok_and(|mut d| d.next().is_none()),
            false => meta.is_file() && meta.len() == 0,
        }
    }

    /// The stamp of what stands at an entry's path now; none for directories.
    pub fn stamp(&self, entry: &str) -> io::Result<Stamp> {
        let meta = fs::symlink_metadata(self.path(entry))?;
        if !meta.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
        }
        Ok(Stamp::of(&meta))
    }

    /// The stamps of all entries' files, in their order; directories have an empty one. `Err` names the one
    /// that cannot be looked at.
    pub fn stamps(&self, manifest: &Manifest) -> Result<Vec<Stamp>, (PathBuf, io::Error)> {
        let stamp = |entry: &crate::pieces::manifest::Entry| match entry.directory {
            true => Ok(Stamp::default()),
            false => self.stamp(&entry.path).map_err(|e| (self.path(&entry.path), e)),
        };
        manifest.entries.iter().map(stamp).collect()
    }

    /// Makes the root's own name safe on disk.
    pub fn sync_parent(&self) -> io::Result<()> {
        File::open(parent(&self.root))?.sync_all()
    }
}

/// A disk that cannot rename without overwriting is given the final name as a second one first. If the end
/// came before the first one was removed, that is done now; true if so.
pub(super) fn drop_first_name(part: &Path, target: &Path) -> io::Result<bool> {
    let looked = fs::symlink_metadata(part).ok().zip(fs::symlink_metadata(target).ok());
    let same =
        |(a, b): &(Metadata, Metadata)| a.is_file() && (a.dev(), a.ino()) == (b.dev(), b.ino());
    if !looked.as_ref().is_some_and(same) {
        return Ok(false);
    }
    fs::remove_file(part).map(|()| true)
}

/// The directory a file is in.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("/"))
}
