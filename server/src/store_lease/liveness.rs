//! A locked file that tells whether a server on this machine is alive.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// A temporary file named after the holder's random number, and locked for as
/// long as the holder lives.
///
/// The file survives a restart of the container in its pod, and another pod or
/// host of the same name does not have it. Host names and process ids prove
/// nothing where each container counts its processes from 1.
pub(super) struct LivenessFile {
    path: PathBuf,
    _locked: File,
}

impl LivenessFile {
    /// Creates and locks the file; `None` if `folder` cannot be written, so that
    /// the next server has to wait.
    pub(super) fn create(folder: &Path, server: u64) -> Option<LivenessFile> {
        let path = LivenessFile::path(folder, server);
        let locked = File::create_new(&path).ok()?;
        locked.try_lock().ok()?;
        Some(LivenessFile { path, _locked: locked })
    }

    /// Whether the server has certainly ended: its file is here, and not locked.
    pub(super) fn has_ended(folder: &Path, server: u64) -> bool {
        let path = LivenessFile::path(folder, server);
        File::open(path).is_ok_and(|file| file.try_lock().is_ok())
    }

    /// Removes the file of a server whose lease is another's: nobody looks for it again.
    pub(super) fn remove(folder: &Path, server: u64) {
        // One that stays takes no room.
        let _ = fs::remove_file(LivenessFile::path(folder, server));
    }

    fn path(folder: &Path, server: u64) -> PathBuf {
        folder.join(format!("distributed-average-server-{server:016x}"))
    }
}

impl Drop for LivenessFile {
    fn drop(&mut self) {
        // A file that stays is not locked, which says that this server has ended.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_ended_once_its_file_is_not_locked() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!LivenessFile::has_ended(folder.path(), 7), "it may live elsewhere");
        let liveness = LivenessFile::create(folder.path(), 7).unwrap();
        assert!(!LivenessFile::has_ended(folder.path(), 7), "it lives");
        // As if it had been killed.
        let path = LivenessFile::path(folder.path(), 7);
        drop(liveness);
        File::create_new(&path).unwrap();
        assert!(LivenessFile::has_ended(folder.path(), 7));
        assert!(LivenessFile::has_ended(folder.path(), 7), "until its lease is another's");
        LivenessFile::remove(folder.path(), 7);
        assert!(!path.exists(), "killed servers leave nothing behind for long");
    }

    #[test]
    fn without_a_folder_to_write_there_is_no_liveness_file() {
        assert!(LivenessFile::create(Path::new("/nowhere"), 7).is_none());
    }
}
