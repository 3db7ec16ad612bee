//! The disk: the state directory, the identity in it, and what is remembered over restarts.
//!
//! Knows files and their formats. Knows no socket, no actor and no clock beyond what the caller or a
//! file's name needs; whatever it reads may be damaged, and damage is an error with a way out, never a panic.

pub mod book_db;
pub mod certificate;
pub mod identity;
mod key_file;
pub mod state_dir;

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Where daemons that keep nothing put their control address and token while they run:
/// `$XDG_RUNTIME_DIR/kith`, else a directory of this user's own in the temporary one.
pub fn runtime_root() -> PathBuf {
    let set = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    match set.filter(|dir| dir.is_absolute()) {
        Some(dir) => dir.join("kith"),
        None => {
            let uid = std::fs::metadata("/proc/self").map_or(0, |about| about.uid());
            std::env::temp_dir().join(format!("kith-{uid}"))
        }
    }
}

/// The one of the daemon with this process id.
pub fn runtime_dir(pid: u32) -> PathBuf {
    runtime_root().join(format!("node-{pid}"))
}
