//! Where an object is written, and how it gets there.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use protocol::ObjectVersion;
use tempfile::{NamedTempFile, PersistError};

use super::disk::Disk;
use super::patience::opening;
use super::{explain, version};
use crate::store::StoreError;

/// What is in the way where a folder should be.
const BY_SHORTER_KEY: &str = "its beginning is the key of an object";
/// What is in the way where a file should be.
const BY_LONGER_KEYS: &str = "there are objects below it";

/// How the names of unfinished objects begin that lie in a folder of users.
pub(super) const OUTSIDE_PREFIX: &str = ".distributed-average-";

/// The paths of an object that is written.
pub(super) struct Destination {
    pub(super) key: String,
    pub(super) path: PathBuf,
    /// The folder of objects that are not whole yet.
    pub(super) unfinished: PathBuf,
    /// Whether the folder is that of its users.
    pub(super) is_outside: bool,
    pub(super) disk: Disk,
}

impl Destination {
    /// Fails early where the object could not be put into its place in the end.
    pub(super) fn check_free(&self) -> Result<(), StoreError> {
        match fs::metadata(&self.path) {
            Ok(there) if there.is_dir() => Err(self.obstructed(BY_LONGER_KEYS)),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                Err(self.obstructed(BY_SHORTER_KEY))
            }
            _ => Ok(()),
        }
    }

    /// Checks that the object could be written: that a file can be made where unfinished
    /// objects are, and in the folder that it goes into, or would be made in.
    pub(super) fn check_writable(&self) -> Result<(), StoreError> {
        self.check_free()?;
        drop(self.begin()?);
        let there = self.path.ancestors().skip(1).find(|folder| folder.exists());
        let there = there.unwrap_or(&self.unfinished).to_owned();
        if !there.is_dir() {
            return Err(self.obstructed(BY_SHORTER_KEY));
        }
        let there = Destination {
            key: self.key.clone(),
            path: self.path.clone(),
            unfinished: there,
            is_outside: self.is_outside,
            disk: self.disk.clone(),
        };
        there.begin().map(drop)
    }

    /// An unfinished file without bytes.
    pub(super) fn begin(&self) -> Result<NamedTempFile, StoreError> {
        let mut options = File::options();
        let (prefix, mode) =
            if self.is_outside { (OUTSIDE_PREFIX, 0o666) } else { (".tmp", 0o600) };
        options.read(true).write(true).create_new(true).mode(mode);
        // The library's own errors do not tell the number of the system's error.
        let open = |path: &Path| opening(|| options.open(path));
        let mut builder = tempfile::Builder::new();
        builder.prefix(prefix).make_in(&self.unfinished, open).map_err(|error| {
            // That the store's own folder is not there says nothing of the object.
            let (key, source) = (self.key.clone(), Box::new(without_path(error)));
            match source.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                    StoreError::Unavailable { key, source }
                }
                _ => explain(&key, *source),
            }
        })
    }

    /// An unfinished file with these bytes.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<NamedTempFile, StoreError> {
        let mut file = self.begin()?;
        self.disk.write(&mut file, bytes).map_err(|error| explain(&self.key, error))?;
        Ok(file)
    }

    /// Puts a file into its place and replaces what was there. It survives a loss of power
    /// once this has returned.
    pub(super) fn replace(&self, file: NamedTempFile) -> Result<(), StoreError> {
        self.persist(file, true, |file, path| file.persist(path))
    }

    /// Writes an object unless there is one. It survives a loss of power if it `flushes`.
    pub(super) fn create(self, bytes: &[u8], flushes: bool) -> Result<(), StoreError> {
        if self.path.exists() {
            return Err(StoreError::AlreadyExists { key: self.key });
        }
        let file = self.write(bytes)?;
        self.persist(file, flushes, |file, path| file.persist_noclobber(path))
    }

    /// Fails if the object is not of the version `expected`.
    pub(super) fn check_version(&self, expected: &ObjectVersion) -> Result<(), StoreError> {
        let change = match fs::metadata(&self.path) {
            Ok(metadata) => expected.difference(&version::of(&metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Some("it was deleted or moved away".to_owned())
            }
            Err(error) => return Err(explain(&self.key, error)),
        };
        match change {
            Some(change) => Err(StoreError::Changed { key: self.key.clone(), change }),
            None => Ok(()),
        }
    }

    /// Ends the removal of the object, or of all objects below it: it is no error if there
    /// was none.
    pub(super) fn end_removal(&self, removed: io::Result<()>) -> Result<(), StoreError> {
        let was_there = match removed {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(explain(&self.key, error)),
        };
        let last = self.disk.remove_empty_parents(&self.path);
        if !was_there && last == self.path {
            return Ok(());
        }
        self.disk.flush_entry(last).map_err(|error| explain(&self.key, error))
    }

    /// Creates the parent folders of the object, then moves the file there. A folder
    /// may vanish in between, when its last object is deleted, so both are retried a
    /// few times.
    fn persist(
        &self,
        mut file: NamedTempFile,
        flushes: bool,
        put: impl Fn(NamedTempFile, &Path) -> Result<File, PersistError>,
    ) -> Result<(), StoreError> {
        const ROUNDS: usize = 8;
        let failed = |error| explain(&self.key, error);
        if flushes {
            self.disk.flush_file(&file).map_err(failed)?;
        }
        let folder = self.path.parent().unwrap_or(&self.path);
        for round in 1.. {
            self.disk.make_folder(folder).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                    self.obstructed(BY_SHORTER_KEY)
                }
                _ => explain(&self.key, error),
            })?;
            match self.disk.put_in_place(file, &self.path, &put) {
                Ok(()) => break,
                Err(refused)
                    if refused.error.kind() == io::ErrorKind::NotFound && round < ROUNDS =>
                {
                    file = refused.file;
                }
                Err(refused) if refused.error.kind() == io::ErrorKind::IsADirectory => {
                    return Err(self.obstructed(BY_LONGER_KEYS));
                }
                Err(refused) => return Err(explain(&self.key, refused.error)),
            }
        }
        match flushes {
            true => self.disk.flush_entry(&self.path).map_err(failed),
            false => Ok(()),
        }
    }

    fn obstructed(&self, reason: &'static str) -> StoreError {
        StoreError::Obstructed { key: self.key.clone(), reason }
    }
}

/// The error without the path that the library adds to it: where the store lies is no
/// business of its users.
fn without_path(error: io::Error) -> io::Error {
    let text = error.to_string();
    match text.split_once(" at path ") {
        Some((text, _)) => io::Error::new(error.kind(), text.to_owned()),
        None => error,
    }
}
