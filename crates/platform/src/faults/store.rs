//! A store with injected faults.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use protocol::ObjectVersion;

use super::{Faults, InjectedFault};
use crate::store::{ObjectMeta, ObjectStore, Pin, StoreError, StoreLock, Upload};

/// A decorator that injects faults into a store. An upload that fails once fails
/// for good, as in a real store. Listings fail or wait before their first object.
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    faults: Arc<Faults>,
    /// Only calls with keys that contain this text meet faults.
    only: String,
}

impl FaultyStore {
    /// Decorates a store.
    #[must_use]
    pub fn new(inner: Arc<dyn ObjectStore>, faults: Arc<Faults>) -> FaultyStore {
        FaultyStore::on(inner, faults, "")
    }

    /// Decorates a store. Only calls with keys that contain `only` meet faults.
    #[must_use]
    pub fn on(inner: Arc<dyn ObjectStore>, faults: Arc<Faults>, only: &str) -> FaultyStore {
        FaultyStore { inner, faults, only: only.to_owned() }
    }

    /// The faults of calls with a key.
    fn of(&self, key: &str) -> Arc<Faults> {
        if key.contains(&self.only) { self.faults.clone() } else { Arc::default() }
    }
}

fn unavailable(key: &str) -> StoreError {
    StoreError::Unavailable { key: key.to_owned(), source: Box::new(InjectedFault) }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn head(&self, key: &str) -> Result<ObjectMeta, StoreError> {
        self.of(key).perform(|| self.inner.head(key), || unavailable(key)).await
    }

    async fn read_pinned(
        &self,
        key: &str,
        pin: Option<&Pin>,
        offset: u64,
        length: usize,
        buffer: Vec<u8>,
    ) -> Result<Vec<u8>, StoreError> {
        let read = || self.inner.read_pinned(key, pin, offset, length, buffer);
        self.of(key).perform(read, || unavailable(key)).await
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.of(key).perform(|| self.inner.put(key, bytes), || unavailable(key)).await
    }

    async fn create(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.of(key).perform(|| self.inner.create(key, bytes), || unavailable(key)).await
    }

    async fn create_unflushed(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        let create = || self.inner.create_unflushed(key, bytes);
        self.of(key).perform(create, || unavailable(key)).await
    }

    async fn replace(
        &self,
        key: &str,
        bytes: Bytes,
        expected: &ObjectVersion,
    ) -> Result<ObjectVersion, StoreError> {
        let replace = || self.inner.replace(key, bytes, expected);
        self.of(key).perform(replace, || unavailable(key)).await
    }

    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StoreError> {
        let (faults, key) = (self.of(key), key.to_owned());
        let inner = faults.perform(|| self.inner.upload(&key), || unavailable(&key)).await?;
        Ok(Box::new(FaultyUpload { inner: Some(inner), faults, key }))
    }

    fn list<'a>(&'a self, prefix: &str) -> BoxStream<'a, Result<ObjectMeta, StoreError>> {
        let prefix = prefix.to_owned();
        let listing = async move {
            let begun = async || Ok(self.inner.list(&prefix));
            match self.of(&prefix).perform(begun, || unavailable(&prefix)).await {
                Ok(listing) => listing,
                Err(error) => stream::iter([Err(error)]).boxed(),
            }
        };
        stream::once(listing).flatten().boxed()
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.of(key).perform(|| self.inner.delete(key), || unavailable(key)).await
    }

    async fn delete_prefix(&self, prefix: &str) -> Result<(), StoreError> {
        self.of(prefix).perform(|| self.inner.delete_prefix(prefix), || unavailable(prefix)).await
    }

    async fn remove_leftovers(&self, older_than: Duration) -> Result<u64, StoreError> {
        self.of("").perform(|| self.inner.remove_leftovers(older_than), || unavailable("")).await
    }

    fn lock(&self) -> Result<Option<StoreLock>, StoreError> {
        self.inner.lock()
    }

    fn trouble(&self) -> Option<String> {
        self.inner.trouble()
    }

    fn retries(&self) -> u64 {
        self.inner.retries()
    }

    async fn free_bytes(&self) -> Result<Option<u64>, StoreError> {
        self.inner.free_bytes().await
    }
}

/// An upload with faults.
struct FaultyUpload {
    /// `None` once a write has failed.
    inner: Option<Box<dyn Upload>>,
    faults: Arc<Faults>,
    key: String,
}

#[async_trait]
impl Upload for FaultyUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let Some(mut inner) = self.inner.take() else {
            return Err(unavailable(&self.key));
        };
        self.faults.perform(|| inner.write(bytes), || unavailable(&self.key)).await?;
        self.inner = Some(inner);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), StoreError> {
        let Some(inner) = self.inner.take() else {
            return Err(unavailable(&self.key));
        };
        self.faults.perform(|| inner.finish(), || unavailable(&self.key)).await
    }
}
