//! What the tests of several parts of this room have in common.

use std::process::{Command, Stdio};

/// A small disk of its own, unmounted at the end; needs root.
pub(super) struct SmallDisk(pub tempfile::TempDir);

impl SmallDisk {
    /// One of this size, as `mount` takes it; none without the right to.
    pub fn mount(size: &str) -> Option<SmallDisk> {
        let dir = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(dir.path())
            .stderr(Stdio::null())
            .status();
        mount.is_ok_and(|status| status.success()).then_some(SmallDisk(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}
