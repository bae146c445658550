//! Lists a directory in the order of keys.

use std::fs;
use std::io;
use std::path::Path;

use tokio::sync::mpsc;

use super::explain;
use super::patience::opening;
use crate::store::{ObjectMeta, RESERVED, StoreError};

/// Visits files in the order of their keys.
pub(super) struct Walk<'a> {
    pub(super) root: &'a Path,
    pub(super) tx: &'a mpsc::Sender<Result<ObjectMeta, StoreError>>,
}

/// Why a walk ended early.
pub(super) enum Interrupted {
    /// The receiver of the listing was dropped.
    ReceiverClosed,
    /// A folder cannot be read.
    Broken(StoreError),
}

impl Walk<'_> {
    /// Visits the entries of `folder` (empty, or ending in `/`) whose names begin
    /// with `name_prefix`.
    pub(super) fn folder(&self, folder: &str, name_prefix: &str) -> Result<(), Interrupted> {
        let broken = |error| Interrupted::Broken(explain(folder, error));
        let entries = match opening(|| fs::read_dir(self.root.join(folder))) {
            Ok(entries) => entries,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(());
            }
            Err(error) => return Err(broken(error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(broken)?;
            let Ok(mut name) = entry.file_name().into_string() else {
                continue;
            };
            if !name.starts_with(name_prefix)
                || (folder.is_empty() && RESERVED.contains(&name.as_str()))
            {
                continue;
            }
            // Symbolic links are followed: people link their data into place.
            let Ok(metadata) = fs::metadata(entry.path()) else {
                continue;
            };
            if metadata.is_dir() {
                // As in the keys, so that sorting gives the order of keys.
                name.push('/');
            }
            found.push((name, metadata.len()));
        }
        found.sort_unstable();
        for (name, bytes) in found {
            let key = format!("{folder}{name}");
            if name.ends_with('/') {
                self.folder(&key, "")?;
            } else {
                self.tx
                    .blocking_send(Ok(ObjectMeta { key, bytes }))
                    .map_err(|_| Interrupted::ReceiverClosed)?;
            }
        }
        Ok(())
    }
}
