//! What a loss of power leaves of a store on a disk, for tests.
//!
//! A [`PowerLog`] is told of every change of a store. From any number of them it makes a
//! folder such as a machine may find after its power was lost at that moment: of the
//! entries of folders that were not flushed some are there and some are not, and files
//! that were not flushed are whole, cut, empty or full of zeros, as a seed chooses.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Change, Witness};
use crate::store::UNFINISHED;

/// All changes of a store that began empty.
pub struct PowerLog {
    root: PathBuf,
    changes: Mutex<Vec<Change>>,
}

/// What a loss of power has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// How many changes of entries were undone.
    pub entries: u64,
    /// How many files lost bytes or have others.
    pub torn: u64,
}

impl PowerLog {
    /// The log of the store in `root`.
    #[must_use]
    pub fn new(root: &Path) -> Arc<PowerLog> {
        Arc::new(PowerLog { root: root.to_owned(), changes: Mutex::default() })
    }

    /// How many changes there are so far.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.lock().len()
    }

    /// Makes in `folder`, which is empty, what a loss of power may leave after the first
    /// `changes`.
    ///
    /// # Errors
    ///
    /// If `folder` cannot be written.
    pub fn leave(&self, changes: usize, seed: u64, folder: &Path) -> io::Result<Losses> {
        let mut disk = Remembered::default();
        for change in self.lock().iter().take(changes) {
            disk.apply(change);
        }
        disk.leave(Random(seed), &self.root, folder)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Change>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Witness for PowerLog {
    fn saw(&self, change: Change) {
        self.lock().push(change);
    }
}

/// What is at a path: a folder, or a file by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Folder,
    File(usize),
}

#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    /// How many of the bytes were flushed.
    flushed: usize,
}

/// The disk, with what would survive.
#[derive(Debug, Default)]
struct Remembered {
    files: Vec<Content>,
    now: BTreeMap<PathBuf, Entry>,
    /// The entries that were flushed.
    kept: BTreeMap<PathBuf, Entry>,
    /// The changes of entries since their folder was flushed, by the folder.
    pending: BTreeMap<PathBuf, Vec<(PathBuf, Option<Entry>)>>,
}

impl Remembered {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Written { file, bytes } => {
                let number = self.file(file);
                self.files[number].bytes.extend_from_slice(bytes);
            }
            Change::FileFlushed { file } => {
                let number = self.file(file);
                let content = &mut self.files[number];
                content.flushed = content.bytes.len();
            }
            Change::FolderMade { folder } => {
                // Those of a folder of this path that was removed are not those of this one.
                self.pending.remove(folder);
                self.set(folder, Some(Entry::Folder));
            }
            Change::Moved { from, to } => {
                let number = self.file(from);
                self.set(from, None);
                self.set(to, Some(Entry::File(number)));
            }
            Change::Removed { path } => {
                let below = self.now.range(path.clone()..).map(|(path, _)| path.clone());
                let below: Vec<PathBuf> = below.take_while(|it| it.starts_with(path)).collect();
                below.iter().rev().for_each(|path| self.set(path, None));
            }
            Change::FolderFlushed { folder } => {
                for (path, entry) in self.pending.remove(folder).unwrap_or_default() {
                    put(&mut self.kept, path, entry);
                }
            }
        }
    }

    /// The number of a file, which is made if it is not there.
    fn file(&mut self, path: &Path) -> usize {
        if let Some(Entry::File(number)) = self.now.get(path) {
            return *number;
        }
        self.files.push(Content::default());
        let number = self.files.len() - 1;
        self.set(path, Some(Entry::File(number)));
        number
    }

    fn set(&mut self, path: &Path, entry: Option<Entry>) {
        put(&mut self.now, path.to_owned(), entry);
        let folder = path.parent().unwrap_or(path).to_owned();
        self.pending.entry(folder).or_default().push((path.to_owned(), entry));
    }

    fn leave(mut self, mut random: Random, root: &Path, to: &Path) -> io::Result<Losses> {
        let mut losses = Losses::default();
        for (path, entry) in self.pending.into_values().flatten() {
            match random.one_of(2) {
                0 => losses.entries += 1,
                _ => put(&mut self.kept, path, entry),
            }
        }
        fs::create_dir_all(to.join(UNFINISHED))?;
        // Parents come first. What lies in a folder that is not there is not there either.
        for (path, entry) in self.kept {
            let Ok(place) = path.strip_prefix(root).map(|path| to.join(path)) else {
                continue;
            };
            if !place.parent().is_some_and(Path::is_dir) {
                continue;
            }
            match entry {
                Entry::Folder => fs::create_dir_all(place)?,
                Entry::File(number) => {
                    let Content { bytes, flushed } = &self.files[number];
                    let left = tear(bytes, *flushed, &mut random);
                    losses.torn += u64::from(left != *bytes);
                    fs::write(place, left)?;
                }
            }
        }
        Ok(losses)
    }
}

fn put(entries: &mut BTreeMap<PathBuf, Entry>, path: PathBuf, entry: Option<Entry>) {
    match entry {
        Some(entry) => {
            entries.insert(path, entry);
        }
        // What lies in a folder goes with it.
        None => entries.retain(|entry, _| !entry.starts_with(&path)),
    }
}

/// What may be left of bytes of which the first `flushed` were flushed.
fn tear(bytes: &[u8], flushed: usize, random: &mut Random) -> Vec<u8> {
    let mut left = bytes.to_owned();
    match random.one_of(4) {
        0 => {}
        1 => left.truncate(flushed),
        2 => left.truncate(flushed + random.one_of(bytes.len() - flushed + 1)),
        _ => left[flushed..].fill(0),
    }
    left
}

/// SplitMix64, which is enough for this and the same everywhere.
struct Random(u64);

impl Random {
    /// A number below `count`.
    fn one_of(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let chosen = (mixed ^ (mixed >> 31)) % (count.max(1) as u64);
        usize::try_from(chosen).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::ObjectStore;
    use crate::store::local::LocalStore;
    use crate::store::read_all;

    /// Writes, replaces and deletes objects. Returns the log, and after how many changes
    /// each object must have which content, or none.
    async fn written() -> (Arc<PowerLog>, Vec<(usize, &'static str, Option<&'static str>)>) {
        let folder = tempfile::tempdir().unwrap();
        let log = PowerLog::new(folder.path());
        let store = LocalStore::open_witnessed(folder.path(), log.clone()).unwrap();
        let mut promises = Vec::new();
        store.put("jobs/1/request", Bytes::from("request")).await.unwrap();
        promises.push((log.changes(), "jobs/1/request", Some("request")));
        store.put("index/1", Bytes::new()).await.unwrap();
        promises.push((log.changes(), "index/1", Some("")));
        let mut upload = store.upload("jobs/1/result/mean").await.unwrap();
        upload.write(Bytes::from("me")).await.unwrap();
        upload.write(Bytes::from("an")).await.unwrap();
        upload.finish().await.unwrap();
        promises.push((log.changes(), "jobs/1/result/mean", Some("mean")));
        store.put("index/1", Bytes::from("done")).await.unwrap();
        promises.push((log.changes(), "index/1", Some("done")));
        store.put("marks/1", Bytes::new()).await.unwrap();
        store.delete("marks/1").await.unwrap();
        promises.push((log.changes(), "marks/1", None));
        store.put("marks/1", Bytes::from("again")).await.unwrap();
        promises.push((log.changes(), "marks/1", Some("again")));
        store.create("once", Bytes::from("created")).await.unwrap();
        promises.push((log.changes(), "once", Some("created")));
        store.create_unflushed("jobs/1/sums/0/0/1", Bytes::from("segment")).await.unwrap();
        store.delete_prefix("jobs/").await.unwrap();
        for key in ["jobs/1/request", "jobs/1/result/mean", "jobs/1/sums/0/0/1"] {
            promises.push((log.changes(), key, None));
        }
        (log, promises)
    }

    #[tokio::test]
    async fn what_was_written_or_deleted_stays_so_whenever_power_is_lost() {
        let (log, promises) = written().await;
        let mut total = Losses::default();
        for changes in 0..=log.changes() {
            for seed in 0..8 {
                let folder = tempfile::tempdir().unwrap();
                let losses = log.leave(changes, seed, folder.path()).unwrap();
                total.entries += losses.entries;
                total.torn += losses.torn;
                let store = LocalStore::open(folder.path()).unwrap();
                // What comes later may have begun, and replaces what was there.
                let known = |key: &str| {
                    let of_key = promises.iter().filter(|promise| promise.1 == key);
                    let before = of_key.clone().rfind(|promise| promise.0 <= changes)?;
                    let after = of_key.clone().find(|promise| promise.0 > changes);
                    Some((before.2, after.map_or(before.2, |promise| promise.2)))
                };
                for (_, key, _) in &promises {
                    let Some((before, after)) = known(key) else { continue };
                    let found = read_all(&store, key).await.ok();
                    let found = found.map(|bytes| String::from_utf8(bytes).unwrap());
                    assert!(
                        found.as_deref() == before || found.as_deref() == after,
                        "{key} is {found:?} after {changes} changes with seed {seed}"
                    );
                }
            }
        }
        assert!(total.entries > 100 && total.torn > 10, "power was lost: {total:?}");
    }

    #[tokio::test]
    async fn a_segment_may_be_torn_and_nothing_is_flushed_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let log = PowerLog::new(folder.path());
        let store = LocalStore::open_witnessed(folder.path(), log.clone()).unwrap();
        store.create_unflushed("a/b", Bytes::from("segment")).await.unwrap();
        let is_flush = |change: &Change| {
            matches!(change, Change::FileFlushed { .. } | Change::FolderFlushed { .. })
        };
        assert!(!log.lock().iter().any(is_flush));
        let mut found = std::collections::BTreeSet::new();
        for seed in 0..100 {
            let folder = tempfile::tempdir().unwrap();
            log.leave(log.changes(), seed, folder.path()).unwrap();
            found.insert(fs::read(folder.path().join("a/b")).ok());
        }
        for left in [None, Some(Vec::new()), Some(vec![0; 7]), Some(b"segment".to_vec())] {
            assert!(found.contains(&left), "{left:?} of {found:?}");
        }
    }

    /// The price of a record: its file, and its folder; and once more for each new folder.
    #[tokio::test]
    async fn no_more_is_flushed_than_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let log = PowerLog::new(folder.path());
        let store = LocalStore::open_witnessed(folder.path(), log.clone()).unwrap();
        let flushes = async |key: &str| {
            let before = log.changes();
            store.put(key, Bytes::from("a")).await.unwrap();
            let is_flush = |change: &&Change| {
                matches!(change, Change::FileFlushed { .. } | Change::FolderFlushed { .. })
            };
            log.lock()[before..].iter().filter(is_flush).count()
        };
        assert_eq!(flushes("jobs/1/a").await, 4);
        assert_eq!(flushes("jobs/1/b").await, 2);
        assert_eq!(flushes("jobs/1/a").await, 2);
        assert_eq!(flushes("jobs/2/a").await, 3);
        store.delete_prefix("jobs/").await.unwrap();
        assert_eq!(flushes("jobs/2/a").await, 4);
    }
}
