//! Where a daemon that keeps nothing puts its control address and token while it runs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// `$XDG_RUNTIME_DIR/kith`, else a directory of this user's own in the temporary one.
pub fn root() -> PathBuf {
    let set = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    match set.filter(|dir| dir.is_absolute()) {
        Some(dir) => dir.join("kith"),
        None => std::env::temp_dir().join(format!("kith-{}", uid())),
    }
}

/// Whether the root is safe to use: nobody else's, or not there yet.
pub fn is_ours() -> bool {
    fs::symlink_metadata(root()).map_or(true, |about| about.is_dir() && about.uid() == uid())
}

/// This process's own directory in it.
pub fn dir() -> PathBuf {
    root().join(format!("node-{}", std::process::id()))
}

/// Removes this process's directory, and those of processes that were killed. Touches nothing if the root
/// is not ours: a link that somebody else put there would lead to directories of another kind.
pub fn clean_up() {
    if !is_ours() {
        return;
    }
    let entries = fs::read_dir(root()).ok().into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|n| n.strip_prefix("node-")?.parse::<u32>().ok());
        let Some(pid) = pid else { continue };
        if pid == std::process::id() || !Path::new("/proc").join(pid.to_string()).exists() {
            // What cannot be removed now is tried by the next daemon.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn uid() -> u32 {
    fs::metadata("/proc/self").map_or(0, |about| about.uid())
}
