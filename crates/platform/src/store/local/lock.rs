//! The lock of a directory: the operating system releases it when the process ends,
//! however it ends.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use crate::store::{LOCK, StoreError, StoreLock};

/// Locks the store in `root` for this process.
pub(super) fn lock(root: &Path) -> Result<StoreLock, StoreError> {
    let refused = |error: io::Error| StoreError::Unavailable {
        key: LOCK.to_owned(),
        source: Box::new(error),
    };
    let file = File::create(root.join(LOCK)).map_err(refused)?;
    match file.try_lock() {
        Ok(()) => Ok(StoreLock::new(file)),
        Err(TryLockError::WouldBlock) => Err(StoreError::AlreadyExists { key: LOCK.to_owned() }),
        Err(TryLockError::Error(error)) => Err(refused(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_locked_once_until_it_is_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        assert!(matches!(lock(folder.path()), Err(StoreError::AlreadyExists { .. })));
        drop(held);
        lock(folder.path()).unwrap();
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        assert!(matches!(lock(Path::new("/nowhere")), Err(StoreError::Unavailable { .. })));
    }
}
