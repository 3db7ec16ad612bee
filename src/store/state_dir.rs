//! The state directory: one daemon's files, held by one daemon at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Name of the lock file; it holds the pid of the daemon that has the directory.
pub const LOCK: &str = "lock";
/// Name of the file with the control API's token.
pub const TOKEN: &str = "control.token";

/// Why the state directory or a file in it cannot be used. Files that were there are as before.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The path, or one above it, is a file.
    #[error("{} is not a directory; choose another state directory or move that file away", .0.display())]
    NotADirectory(PathBuf),
    /// The system does not let us.
    #[error("no permission to use {}; choose another state directory or change its owner", path.display())]
    Permission {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No space or quota is left.
    #[error("no space left to write {}; free some, or choose a state directory on another disk", path.display())]
    Full {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another daemon has it.
    #[error(
        "{} is in use by another node ({}); stop that one or choose another state directory",
        path.display(),
        pid.map_or("pid unknown".into(), |pid| format!("pid {pid}"))
    )]
    Held {
        /// The directory.
        path: PathBuf,
        /// Process id of the holder, if its lock file tells.
        pid: Option<u32>,
    },
    /// Anything else.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl StateError {
    /// Sorts what the system said about `path` into what a person can do about it.
    pub(super) fn at(path: &Path, source: io::Error) -> StateError {
        let path = path.to_owned();
        match source.kind() {
            // Making a directory where a file is gives AlreadyExists.
            ErrorKind::NotADirectory | ErrorKind::AlreadyExists => StateError::NotADirectory(path),
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                StateError::Permission { path, source }
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StateError::Full { path, source },
            _ => StateError::Io { path, source },
        }
    }
}

/// Whether a written file must survive the machine losing power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// fsync the file and its directory; what was there before is lost only once the new one is safe.
    Synced,
    /// Leave it to the system; for files that are written anew often.
    Cached,
}

/// A directory that only this process writes to, for as long as the value lives.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    /// Keeps the lock; the system gives it back when the process ends, however it ends.
    _lock: File,
    /// Two threads must not share one temporary file.
    writing: Mutex<()>,
}

impl StateDir {
    /// Makes the directory (mode 0700, with its parents) if it is missing, and takes its lock.
    pub fn open(path: impl Into<PathBuf>) -> Result<StateDir, StateError> {
        let path = path.into();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(|e| StateError::at(&path, e))?;
        let lock = take_lock(&path)?;
        Ok(StateDir { path, _lock: lock, writing: Mutex::new(()) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file `name` (no slashes) so that it is always either the old or the whole new one.
    ///
    /// `mode` is its permission bits, less the umask. On `Err` the old file is still there.
    pub fn write_atomic(
        &self,
        name: &str,
        bytes: &[u8],
        mode: u32,
        durability: Durability,
    ) -> Result<(), StateError> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let target = self.path.join(name);
        let temporary = self.path.join(format!(".{name}.new"));
        let result = replace(&self.path, &temporary, &target, bytes, mode, durability);
        result.map_err(|e| {
            // The error that matters is the first; a leftover is overwritten by the next write.
            let _ = fs::remove_file(&temporary);
            StateError::at(&target, e)
        })
    }

    /// Makes a new token for the control API, 64 hex digits of 32 random bytes, and writes it to
    /// [`TOKEN`] (mode 0600). The one of an earlier start is void.
    pub fn token(&self) -> Result<String, StateError> {
        let bytes = super::secret().map_err(|e| StateError::at(&self.path.join(TOKEN), e))?;
        let token: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        self.write_atomic(TOKEN, token.as_bytes(), 0o600, Durability::Cached)?;
        Ok(token)
    }
}

fn take_lock(dir: &Path) -> Result<File, StateError> {
    let path = dir.join(LOCK);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|e| StateError::at(&path, e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(StateError::Held { path: dir.to_owned(), pid: pid_in(&mut file) });
        }
        Err(TryLockError::Error(e)) => return Err(StateError::at(&path, e)),
    }
    // Only for the message above; the lock itself is what counts.
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(|e| StateError::at(&path, e))?;
    Ok(file)
}

fn pid_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn replace(
    dir: &Path,
    temporary: &Path,
    target: &Path,
    bytes: &[u8],
    mode: u32,
    durability: Durability,
) -> io::Result<()> {
    // A leftover of a kill may have another mode, and opening it would keep that.
    match fs::remove_file(temporary) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(temporary)?;
    file.write_all(bytes)?;
    if durability == Durability::Synced {
        file.sync_all()?;
    }
    fs::rename(temporary, target)?;
    if durability == Durability::Synced {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_second_daemon_is_told_who_holds_it() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("a/b");
        let first = StateDir::open(&path).unwrap();
        let refused = StateDir::open(&path).unwrap_err();
        assert!(
            matches!(refused, StateError::Held { pid: Some(p), .. } if p == std::process::id())
        );
        assert!(refused.to_string().contains(&format!("(pid {})", std::process::id())));
        drop(first);
        StateDir::open(&path).unwrap();
    }

    #[test]
    fn only_the_owner_may_look_inside() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = StateDir::open(tmp.path().join("s")).unwrap();
        let token = dir.token().unwrap();
        assert_eq!(mode(dir.path()), 0o700);
        assert_eq!(mode(&dir.path().join(TOKEN)), 0o600);
        assert_eq!(mode(&dir.path().join(LOCK)), 0o600);
        assert_eq!(fs::read_to_string(dir.path().join(TOKEN)).unwrap(), token);
        assert_eq!(token.len(), 64);
        assert_ne!(dir.token().unwrap(), token, "each start has its own");
    }

    #[test]
    fn a_write_replaces_all_or_nothing_and_leaves_nothing_behind() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = StateDir::open(tmp.path()).unwrap();
        fs::write(tmp.path().join(".f.new"), "left over from a kill, and world-readable").unwrap();
        dir.write_atomic("f", b"one", 0o600, Durability::Synced).unwrap();
        dir.write_atomic("f", b"2", 0o600, Durability::Cached).unwrap();
        assert_eq!(fs::read(tmp.path().join("f")).unwrap(), b"2");
        assert_eq!(mode(&tmp.path().join("f")), 0o600);
        assert!(!tmp.path().join(".f.new").exists());

        fs::create_dir(tmp.path().join("d")).unwrap();
        assert!(dir.write_atomic("d", b"x", 0o600, Durability::Cached).is_err());
        assert!(!tmp.path().join(".d.new").exists());
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let tmp = tempfile::tempdir().unwrap();
        let file = tmp.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("below")] {
            let error = StateDir::open(&path).unwrap_err();
            assert!(matches!(error, StateError::NotADirectory(_)), "{error:?}");
        }
    }

    #[test]
    fn what_the_system_says_becomes_what_a_person_can_do() {
        let said = |kind: ErrorKind| StateError::at(Path::new("/s"), kind.into()).to_string();
        assert!(said(ErrorKind::StorageFull).contains("no space left"));
        assert!(said(ErrorKind::PermissionDenied).contains("no permission"));
        assert!(said(ErrorKind::ReadOnlyFilesystem).contains("no permission"));
        assert!(said(ErrorKind::AlreadyExists).contains("not a directory"));
    }
}
