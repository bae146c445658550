//! Lists a directory in the order of keys.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use protocol::ObjectVersion;
use tokio::sync::mpsc;

use super::patience::opening;
use super::{explain, version};
use crate::store::{ObjectMeta, RESERVED, StoreError};

/// Visits files in the order of their keys.
///
/// Symbolic links are followed: people link their data into place. A link to one of
/// the folders that the walk is in is skipped, or the walk would not end.
pub(super) struct Walk<'a> {
    pub(super) root: &'a Path,
    pub(super) tx: &'a mpsc::Sender<Result<ObjectMeta, StoreError>>,
    /// The device and inode of each folder that the walk is in, outermost first.
    pub(super) path: Vec<(u64, u64)>,
}

/// An entry of a folder.
struct Entry {
    /// It ends in `/` if the entry is a folder.
    name: String,
    bytes: u64,
    version: ObjectVersion,
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
    pub(super) fn folder(&mut self, folder: &str, name_prefix: &str) -> Result<(), Interrupted> {
        let path = self.root.join(folder);
        let opened = opening(|| Ok((fs::metadata(&path)?, fs::read_dir(&path)?)));
        let (metadata, entries) = match opened {
            Ok(opened) => opened,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(());
            }
            Err(error) => return Err(Interrupted::Broken(explain(folder, error))),
        };
        let identity = (metadata.dev(), metadata.ino());
        if self.path.contains(&identity) {
            tracing::debug!(folder, "skipped a link to a folder that it lies in");
            return Ok(());
        }
        self.path.push(identity);
        for Entry { name, bytes, version } in self.entries(entries, folder, name_prefix)? {
            let key = format!("{folder}{name}");
            if name.ends_with('/') {
                self.folder(&key, "")?;
            } else {
                let object = ObjectMeta { key, bytes, version: Some(version) };
                self.tx.blocking_send(Ok(object)).map_err(|_| Interrupted::ReceiverClosed)?;
            }
        }
        self.path.pop();
        Ok(())
    }

    /// The entries of a folder whose names begin with `name_prefix`, in the order of
    /// their keys.
    fn entries(
        &self,
        entries: fs::ReadDir,
        folder: &str,
        name_prefix: &str,
    ) -> Result<Vec<Entry>, Interrupted> {
        let mut found = Vec::new();
        for entry in entries {
            // Where nothing is sent for long, this is how a dropped receiver shows.
            if self.tx.is_closed() {
                return Err(Interrupted::ReceiverClosed);
            }
            let entry = entry.map_err(|error| Interrupted::Broken(explain(folder, error)))?;
            let Ok(mut name) = entry.file_name().into_string() else {
                continue;
            };
            if !name.starts_with(name_prefix)
                || (folder.is_empty() && RESERVED.contains(&name.as_str()))
            {
                continue;
            }
            let Ok(metadata) = fs::metadata(entry.path()) else {
                continue;
            };
            if metadata.is_dir() {
                // As in the keys, so that sorting gives the order of keys.
                name.push('/');
            } else if !metadata.is_file() {
                continue;
            }
            found.push(Entry { name, bytes: metadata.len(), version: version::of(&metadata) });
        }
        found.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_ends_once_its_receiver_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        // Nothing that could be sent, but enough to look through.
        fs::create_dir_all(folder.path().join("a/b/c")).unwrap();
        let (tx, rx) = mpsc::channel(1);
        let mut walk = Walk { root: folder.path(), tx: &tx, path: Vec::new() };
        assert!(walk.folder("", "").is_ok());
        drop(rx);
        let mut walk = Walk { root: folder.path(), tx: &tx, path: Vec::new() };
        assert!(matches!(walk.folder("", ""), Err(Interrupted::ReceiverClosed)));
    }
}
