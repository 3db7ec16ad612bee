//! What the tests of several parts of this room have in common.

use std::process::{Command, Stdio};

/// A small disk of its own, unmounted at the end; needs root.
pub(super) struct SmallDisk(pub tempfile::TempDir);

impl SmallDisk {
    /// One of this size, as `mount` takes it; none (and a reason printed) without the right to.
    pub fn mount(size: &str) -> Option<SmallDisk> {
        let dir = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(dir.path())
            .stderr(Stdio::null())
            .status();
        if mount.is_ok_and(|status| status.success()) {
            return Some(SmallDisk(dir));
        }
        crate::tests::skipped("mounting a small disk needs root");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}
