//! The changes of a store on its disk, and how they survive a loss of power.
//!
//! A file survives once it is flushed, its entry once the folder of the entry is, and so
//! on up to the folder of the store. Flushing costs milliseconds, so nothing is flushed
//! that need not survive, and no folder twice for the same entry.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tempfile::{NamedTempFile, PersistError};

use super::patience::opening;

/// How many folders are remembered as flushed, so that memory is bounded.
const FOLDERS_MAX: usize = 4096;

/// A change on the disk, or a flush. A test that is told of all of them can work out what
/// a loss of power would leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Bytes were appended to a file.
    Written {
        /// The path of the file.
        file: PathBuf,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// The content of a file was flushed.
    FileFlushed {
        /// The path of the file.
        file: PathBuf,
    },
    /// A folder was made.
    FolderMade {
        /// The path of the folder.
        folder: PathBuf,
    },
    /// A file was moved, and replaced what was there.
    Moved {
        /// The path of the file before.
        from: PathBuf,
        /// Its path now.
        to: PathBuf,
    },
    /// A file, or a folder with all that is below it, was removed.
    Removed {
        /// The path of the file or folder.
        path: PathBuf,
    },
    /// The entries of a folder were flushed.
    FolderFlushed {
        /// The path of the folder.
        folder: PathBuf,
    },
}

/// Is told of every change of a store, in their order.
pub trait Witness: Send + Sync {
    /// A change was made.
    fn saw(&self, change: Change);
}

/// Changes files and folders below the folder of a store.
#[derive(Clone)]
pub(super) struct Disk {
    root: PathBuf,
    /// Whether anything is flushed at all.
    flushes: bool,
    witness: Option<Arc<dyn Witness>>,
    /// Held while something is done and the witness is told of it, so that it is told of
    /// changes in the order in which they happened.
    order: Arc<Mutex<()>>,
    /// The folders whose own entries are known to be flushed, up to the root.
    flushed: Arc<Mutex<HashSet<PathBuf>>>,
}

impl Disk {
    pub(super) fn new(root: PathBuf, flushes: bool, witness: Option<Arc<dyn Witness>>) -> Disk {
        Disk { root, flushes, witness, order: Arc::default(), flushed: Arc::default() }
    }

    /// Makes the folder of the store and its ancestors.
    pub(super) fn make_root(&self) -> io::Result<()> {
        let root = std::path::absolute(&self.root)?;
        let there = root.ancestors().find(|folder| folder.is_dir()).map(Path::to_owned);
        fs::create_dir_all(&root)?;
        if let Some(there) = there.filter(|there| self.flushes && *there != root) {
            let made = root.ancestors().skip(1);
            for folder in made.take_while(|folder| folder.starts_with(&there)) {
                // A folder of others may not be readable.
                if let Ok(folder) = File::open(folder) {
                    flush_opened(&folder)?;
                }
            }
        }
        Ok(())
    }

    /// Appends bytes to a file.
    pub(super) fn write(&self, file: &mut NamedTempFile, bytes: &[u8]) -> io::Result<()> {
        let _order = self.in_order();
        file.write_all(bytes)?;
        self.tell(|| Change::Written { file: file.path().to_owned(), bytes: bytes.to_owned() });
        Ok(())
    }

    /// Flushes the content of a file.
    pub(super) fn flush_file(&self, file: &NamedTempFile) -> io::Result<()> {
        if self.flushes {
            let _order = self.in_order();
            file.as_file().sync_all()?;
            self.tell(|| Change::FileFlushed { file: file.path().to_owned() });
        }
        Ok(())
    }

    /// Makes a folder and its ancestors up to the root.
    pub(super) fn make_folder(&self, folder: &Path) -> io::Result<()> {
        if self.witness.is_none() {
            return fs::create_dir_all(folder);
        }
        let inside = folder.ancestors().take_while(|it| it.starts_with(&self.root));
        let missing: Vec<&Path> = inside.filter(|folder| !folder.is_dir()).collect();
        for folder in missing.into_iter().rev() {
            let _order = self.in_order();
            match fs::create_dir(folder) {
                Ok(()) => self.tell(|| Change::FolderMade { folder: folder.to_owned() }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Moves a whole file to its place by `put`.
    pub(super) fn put_in_place(
        &self,
        file: NamedTempFile,
        path: &Path,
        put: impl Fn(NamedTempFile, &Path) -> Result<File, PersistError>,
    ) -> Result<(), PersistError> {
        let from = file.path().to_owned();
        let _order = self.in_order();
        put(file, path)?;
        self.tell(|| Change::Moved { from, to: path.to_owned() });
        Ok(())
    }

    /// Flushes the entry of a file or folder that was made or removed, and those of the
    /// folders that it lies in. A folder that is gone has none.
    pub(super) fn flush_entry(&self, path: &Path) -> io::Result<()> {
        if !self.flushes {
            return Ok(());
        }
        let folders = path.ancestors().skip(1).take_while(|it| it.starts_with(&self.root));
        let mut made = Vec::new();
        // The folder of the entry always, its own entry only where it may not be flushed.
        for folder in folders {
            self.flush_folder(folder)?;
            if folder == self.root || self.flushed().contains(folder) {
                break;
            }
            made.push(folder.to_owned());
        }
        let mut flushed = self.flushed();
        if flushed.len() + made.len() > FOLDERS_MAX {
            flushed.clear();
        }
        flushed.extend(made);
        Ok(())
    }

    fn flush_folder(&self, folder: &Path) -> io::Result<()> {
        let _order = self.in_order();
        match opening(|| File::open(folder)) {
            Ok(folder) => flush_opened(&folder)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        self.tell(|| Change::FolderFlushed { folder: folder.to_owned() });
        Ok(())
    }

    /// Removes a file.
    pub(super) fn remove_file(&self, path: &Path) -> io::Result<()> {
        let _order = self.in_order();
        fs::remove_file(path)?;
        self.tell(|| Change::Removed { path: path.to_owned() });
        Ok(())
    }

    /// Removes a folder and all that is below it.
    pub(super) fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.flushed().retain(|folder| !folder.starts_with(path));
        let _order = self.in_order();
        opening(|| fs::remove_dir_all(path))?;
        self.flushed().retain(|folder| !folder.starts_with(path));
        self.tell(|| Change::Removed { path: path.to_owned() });
        Ok(())
    }

    /// Removes the parent folders that are empty: folders are not objects. Returns the
    /// last path that was removed, or `path` itself.
    pub(super) fn remove_empty_parents<'a>(&self, path: &'a Path) -> &'a Path {
        let mut last = path;
        for folder in path.ancestors().skip(1).take_while(|folder| *folder != self.root) {
            // Also before: meanwhile another thread may make it anew.
            self.flushed().remove(folder);
            let _order = self.in_order();
            if fs::remove_dir(folder).is_err() {
                break;
            }
            self.flushed().remove(folder);
            self.tell(|| Change::Removed { path: folder.to_owned() });
            last = folder;
        }
        last
    }

    /// Keeps others from changing anything until the witness is told, if there is one.
    fn in_order(&self) -> Option<MutexGuard<'_, ()>> {
        // Nothing is guarded but the order.
        let lock = || self.order.lock().unwrap_or_else(PoisonError::into_inner);
        self.witness.as_ref().map(|_| lock())
    }

    fn flushed(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        // A set of paths is whole whatever happened.
        self.flushed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, change: impl FnOnce() -> Change) {
        if let Some(witness) = &self.witness {
            witness.saw(change());
        }
    }
}

/// Flushes the entries of a folder, where the file system can do that.
fn flush_opened(folder: &File) -> io::Result<()> {
    match folder.sync_all() {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
        {
            Ok(())
        }
        flushed => flushed,
    }
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").field("root", &self.root).finish_non_exhaustive()
    }
}
