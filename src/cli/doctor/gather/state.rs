//! Looks at the state directory without touching it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rustix::fs::{Access, access, statvfs};

use super::super::facts::{Space, State, There};
use super::process::{content, lock_holder};
use crate::store::identity::{CERTIFICATE_FILE, KEY_FILE};
use crate::store::state_dir::{LOCK, TOKEN};

/// Most entries looked at for the newest one.
const ENTRIES_MAX: usize = 1000;

/// What is at `dir`; `key` is the key file if the settings name one.
pub fn look(dir: PathBuf, key: Option<&Path>) -> State {
    let mode = |path: &Path| Some(fs::metadata(path).ok()?.permissions().mode() & 0o7777);
    let key = key.map_or_else(|| dir.join(KEY_FILE), Path::to_path_buf);
    let inode = fs::metadata(dir.join(LOCK)).ok().map(|about| about.ino());
    let locks = content("/proc/locks").unwrap_or_default();
    let addr = content(dir.join("control.addr"));
    State {
        there: there(&dir),
        key: mode(&key).map(|mode| (key, mode)),
        certificate: dir.join(CERTIFICATE_FILE).exists(),
        token: mode(&dir.join(TOKEN)),
        addr: addr.map(|addr| addr.trim().to_owned()).filter(|addr| !addr.is_empty()),
        held_by: inode.and_then(|inode| lock_holder(&locks, inode)),
        space: space(&dir),
        newest_ms: newest_ms(&dir),
        dir,
    }
}

fn there(dir: &Path) -> There {
    match fs::metadata(dir) {
        Ok(about) if !about.is_dir() => There::Else,
        Ok(about) => {
            let me = fs::metadata("/proc/self").map_or(0, |about| about.uid());
            There::Directory {
                mode: about.permissions().mode() & 0o7777,
                ours: me == 0 || about.uid() == me,
                writable: access(dir, Access::WRITE_OK | Access::EXEC_OK).is_ok(),
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let above = existing(dir);
            let usable =
                |above: &PathBuf| above.is_dir() && access(above, Access::WRITE_OK).is_ok();
            There::Nothing { can_be_made: above.as_ref().is_some_and(usable) }
        }
        Err(error) if error.kind() == ErrorKind::NotADirectory => There::Else,
        Err(error) => There::Unseen(error.to_string()),
    }
}

/// The nearest directory above `path` (or itself) that is there.
fn existing(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    path.ancestors().find(|above| above.exists()).map(Path::to_path_buf)
}

/// Room on the disk that holds `path`, or is to hold it.
pub fn space(path: &Path) -> Option<Space> {
    let stat = statvfs(existing(path)?).ok()?;
    Some(Space {
        free: stat.f_bavail.saturating_mul(stat.f_frsize),
        total: stat.f_blocks.saturating_mul(stat.f_frsize),
    })
}

fn newest_ms(dir: &Path) -> Option<u64> {
    let entries = fs::read_dir(dir).ok()?.take(ENTRIES_MAX).flatten();
    let changed = entries.filter_map(|entry| entry.metadata().ok()?.modified().ok());
    let since = changed.max()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use std::process::id;

    use super::*;
    use crate::store::identity::Identity;
    use crate::store::state_dir::StateDir;

    #[test]
    fn a_directory_that_a_daemon_has_is_seen_as_it_is() {
        let tmp = tempfile::tempdir().expect("a directory");
        let path = tmp.path().join("s");
        let before = look(path.clone(), None);
        assert_eq!(before.there, There::Nothing { can_be_made: true });
        assert_eq!((before.key, before.held_by, before.newest_ms), (None, None, None));
        assert!(before.space.is_some_and(|space| space.free <= space.total && space.total > 0));

        let held = StateDir::open(&path).expect("new");
        Identity::load_or_create(&held).expect("new");
        held.token().expect("new");
        let now = look(path.clone(), None);
        assert_eq!(now.there, There::Directory { mode: 0o700, ours: true, writable: true });
        assert_eq!(now.key, Some((path.join(KEY_FILE), 0o600)));
        assert_eq!((now.certificate, now.token, now.held_by), (true, Some(0o600), Some(id())));
        assert!(now.newest_ms.is_some_and(|ms| ms <= crate::store::unix_ms() + 1000));
        drop(held);
        assert_eq!(look(path.clone(), None).held_by, None, "looking takes no lock and keeps none");

        let file = path.join("file");
        fs::write(&file, "").expect("our own file");
        assert_eq!(look(file.clone(), None).there, There::Else);
        assert_eq!(look(file.join("below"), None).there, There::Else);
    }
}
