//! A disk that is soon full.

use std::io::Write;
use std::path::Path;
use std::process::Command;

/// A file system of its own, of a few megabytes.
pub(crate) struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// Mounts a file system of a size such as `24m`; `None`, and a line that says so, if
    /// the test does not run as root.
    pub(crate) fn mount(size: &str) -> Option<SmallDisk> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(folder.path());
        if mount.output().is_ok_and(|mounted| mounted.status.success()) {
            return Some(SmallDisk(folder));
        }
        // Directly to standard error, because the test harness captures output.
        writeln!(std::io::stderr(), "NOT RUN: a full disk needs root, to mount a small one")
            .expect("standard error");
        None
    }

    /// The folder that it is mounted on.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // If unmounting fails, the mount remains until the machine stops.
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}
