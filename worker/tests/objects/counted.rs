//! A store that counts which input objects are open, and what is read of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use platform::store::local::LocalStore;
use platform::store::{ObjectMeta, ObjectReader, ObjectStore, Pin, StoreError, Upload};
use protocol::ObjectVersion;

/// Keys of input objects begin with this.
pub(crate) const INPUTS: &str = "in/";

/// What a [`CountedStore`] has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// How many users each open object has.
    open: BTreeMap<String, u32>,
    /// The most objects that were open at once.
    pub(crate) open_max: usize,
    /// All objects that were read.
    pub(crate) read: BTreeSet<String>,
    /// Bytes read of all objects.
    pub(crate) read_bytes: u64,
}

/// A local store whose input objects are counted.
pub(crate) struct CountedStore {
    inner: LocalStore,
    /// Whether objects can be read as files; else all is asked for, as of a
    /// store that is far away.
    has_files: bool,
    seen: Arc<Mutex<Seen>>,
}

impl CountedStore {
    pub(crate) fn new(inner: LocalStore, has_files: bool) -> CountedStore {
        CountedStore { inner, has_files, seen: Arc::default() }
    }

    pub(crate) fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().expect("nobody panicked")
    }
}

/// An input object as long as it is open.
struct Open {
    key: String,
    seen: Arc<Mutex<Seen>>,
}

impl Open {
    fn new(key: &str, seen: &Arc<Mutex<Seen>>) -> Option<Open> {
        if !key.starts_with(INPUTS) {
            return None;
        }
        let mut now = seen.lock().expect("nobody panicked");
        *now.open.entry(key.to_owned()).or_default() += 1;
        now.open_max = now.open_max.max(now.open.len());
        now.read.insert(key.to_owned());
        Some(Open { key: key.to_owned(), seen: seen.clone() })
    }

    fn count(&self, bytes: usize) {
        self.seen.lock().expect("nobody panicked").read_bytes += bytes as u64;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // Late, as connections are: a read that was given up still is one of those open.
        std::thread::sleep(Duration::from_micros(200));
        let mut seen = self.seen.lock().expect("nobody panicked");
        let users = seen.open.get_mut(&self.key).expect("it is open");
        *users -= 1;
        if *users == 0 {
            seen.open.remove(&self.key);
        }
    }
}

struct CountedReader {
    inner: Box<dyn ObjectReader>,
    open: Option<Open>,
}

impl ObjectReader for CountedReader {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let read = self.inner.read_at(offset, buffer)?;
        if let Some(open) = &self.open {
            open.count(read);
        }
        Ok(read)
    }
}

#[async_trait]
impl ObjectStore for CountedStore {
    async fn head(&self, key: &str) -> Result<ObjectMeta, StoreError> {
        self.inner.head(key).await
    }

    async fn read_pinned(
        &self,
        key: &str,
        pin: Option<&Pin>,
        offset: u64,
        length: usize,
        buffer: Vec<u8>,
    ) -> Result<Vec<u8>, StoreError> {
        let open = Open::new(key, &self.seen);
        // Long enough that reads that may be under way together are.
        tokio::time::sleep(Duration::from_micros(200)).await;
        let range = self.inner.read_pinned(key, pin, offset, length, buffer).await?;
        if let Some(open) = open {
            open.count(range.len());
        }
        Ok(range)
    }

    fn reader(&self, key: &str, pin: Option<&Pin>) -> Option<Box<dyn ObjectReader>> {
        let inner = self.inner.reader(key, pin).filter(|_| self.has_files)?;
        Some(Box::new(CountedReader { inner, open: Open::new(key, &self.seen) }))
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.inner.put(key, bytes).await
    }

    async fn create(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.inner.create(key, bytes).await
    }

    async fn replace(
        &self,
        key: &str,
        bytes: Bytes,
        expected: &ObjectVersion,
    ) -> Result<ObjectVersion, StoreError> {
        self.inner.replace(key, bytes, expected).await
    }

    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StoreError> {
        self.inner.upload(key).await
    }

    fn list<'a>(&'a self, prefix: &str) -> BoxStream<'a, Result<ObjectMeta, StoreError>> {
        self.inner.list(prefix)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.inner.delete(key).await
    }

    async fn delete_prefix(&self, prefix: &str) -> Result<(), StoreError> {
        self.inner.delete_prefix(prefix).await
    }

    async fn remove_leftovers(&self, older_than: Duration) -> Result<u64, StoreError> {
        self.inner.remove_leftovers(older_than).await
    }
}
