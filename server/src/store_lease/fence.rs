//! A store that is written only while the store lease is valid.
//!
//! The holder of a lease must stop writing before another server may take it, also when it
//! cannot reach the store, or was stopped and goes on. So every write begins only while
//! the lease is valid, and is dropped when it expires meanwhile. It waits until the lease
//! is renewed, which shows that nobody has taken it, and is then tried again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use platform::store::{ObjectMeta, ObjectReader, Pin, StoreLock, Upload};
use platform::{ObjectStore, StoreError};
use protocol::ObjectVersion;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

/// How long a write waits for the lease, as long as a store retries.
const PATIENCE: Duration = Duration::from_mins(4);

/// Tells until when the lease is valid.
#[derive(Clone)]
pub(super) struct Fence {
    valid_until: watch::Receiver<Instant>,
}

/// The lease has not been renewed for too long, or was lost.
#[derive(Debug, thiserror::Error)]
#[error("this server's lease on the store has expired, so it must not write")]
pub(super) struct Expired;

impl Fence {
    pub(super) fn new(valid_until: watch::Receiver<Instant>) -> Fence {
        Fence { valid_until }
    }

    /// Whether the lease is valid at this moment.
    pub(super) fn is_valid(&self) -> bool {
        // It may have been lost before it expired.
        Instant::now() < *self.valid_until.borrow() && self.valid_until.has_changed().is_ok()
    }

    /// Waits until the lease is valid; for ever if it is lost.
    pub(super) async fn valid(&self) {
        let mut valid_until = self.valid_until.clone();
        let renewed = valid_until.wait_for(|valid_until| Instant::now() < *valid_until);
        if renewed.await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the lease is valid, for [`PATIENCE`] at most.
    ///
    /// # Errors
    ///
    /// If it was lost, or is still not known to be valid.
    pub(super) async fn passed(&self) -> Result<(), Expired> {
        self.pass("", Instant::now() + PATIENCE).await.map_err(|_| Expired)
    }

    /// Waits until the lease is valid.
    async fn pass(&self, key: &str, deadline: Instant) -> Result<(), StoreError> {
        let mut valid_until = self.valid_until.clone();
        let renewed = valid_until.wait_for(|valid_until| Instant::now() < *valid_until);
        match timeout_at(deadline, renewed).await {
            Ok(Ok(_)) => Ok(()),
            // It was lost, or nobody knows yet.
            Ok(Err(_)) | Err(_) => {
                Err(StoreError::Unavailable { key: key.to_owned(), source: Box::new(Expired) })
            }
        }
    }

    /// Waits until the lease expires.
    async fn expired(&self) {
        loop {
            let valid_until = *self.valid_until.borrow();
            if Instant::now() >= valid_until {
                return;
            }
            sleep_until(valid_until).await;
        }
    }

    /// Writes while the lease is valid; what an expiry interrupts is done again.
    async fn write<T, F>(&self, key: &str, write: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.pass(key, deadline).await?;
            tokio::select! {
                biased;
                () = self.expired() => {}
                written = write() => return written,
            }
        }
    }
}

/// A decorator of a store that writes only while a lease is valid.
pub(super) struct FencedStore {
    inner: Arc<dyn ObjectStore>,
    fence: Fence,
}

impl FencedStore {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, fence: Fence) -> FencedStore {
        FencedStore { inner, fence }
    }
}

#[async_trait]
impl ObjectStore for FencedStore {
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
        self.inner.read_pinned(key, pin, offset, length, buffer).await
    }

    fn reader(&self, key: &str, pin: Option<&Pin>) -> Option<Box<dyn ObjectReader>> {
        self.inner.reader(key, pin)
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.fence.write(key, || self.inner.put(key, bytes.clone())).await
    }

    async fn create(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.fence.write(key, || self.inner.create(key, bytes.clone())).await
    }

    async fn create_unflushed(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.fence.write(key, || self.inner.create_unflushed(key, bytes.clone())).await
    }

    async fn replace(
        &self,
        key: &str,
        bytes: Bytes,
        expected: &ObjectVersion,
    ) -> Result<ObjectVersion, StoreError> {
        self.fence.write(key, || self.inner.replace(key, bytes.clone(), expected)).await
    }

    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StoreError> {
        let inner = self.fence.write(key, || self.inner.upload(key)).await?;
        Ok(Box::new(FencedUpload { key: key.to_owned(), inner, fence: self.fence.clone() }))
    }

    fn list<'a>(&'a self, prefix: &str) -> BoxStream<'a, Result<ObjectMeta, StoreError>> {
        self.inner.list(prefix)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.fence.write(key, || self.inner.delete(key)).await
    }

    async fn delete_prefix(&self, prefix: &str) -> Result<(), StoreError> {
        self.fence.write(prefix, || self.inner.delete_prefix(prefix)).await
    }

    async fn remove_leftovers(&self, older_than: Duration) -> Result<u64, StoreError> {
        self.fence.write("", || self.inner.remove_leftovers(older_than)).await
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

/// An upload that appears only while the lease is valid. What is written before is not an
/// object yet.
struct FencedUpload {
    key: String,
    inner: Box<dyn Upload>,
    fence: Fence,
}

#[async_trait]
impl Upload for FencedUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.inner.write(bytes).await
    }

    async fn finish(self: Box<Self>) -> Result<(), StoreError> {
        let FencedUpload { key, inner, fence } = *self;
        fence.pass(&key, Instant::now() + PATIENCE).await?;
        tokio::select! {
            biased;
            () = fence.expired() => {
                Err(StoreError::Unavailable { key, source: Box::new(Expired) })
            }
            finished = inner.finish() => finished,
        }
    }
}

#[cfg(test)]
mod tests {
    use platform::backends;
    use tokio::time::timeout;

    use super::*;

    /// Much longer than a file takes to be written.
    const A_WHILE: Duration = Duration::from_millis(300);

    async fn fenced() -> (tempfile::TempDir, FencedStore, watch::Sender<Instant>) {
        let folder = tempfile::tempdir().unwrap();
        let store = backends::scratch(folder.path()).open().await.unwrap();
        let (valid, valid_until) = watch::channel(Instant::now() + Duration::from_secs(5));
        (folder, FencedStore::new(store, Fence::new(valid_until)), valid)
    }

    #[tokio::test]
    async fn nothing_is_written_once_the_lease_has_expired_until_it_is_renewed() {
        let (_folder, store, valid) = fenced().await;
        store.put("a", "1".into()).await.unwrap();
        let upload = store.upload("u").await.unwrap();
        valid.send_replace(Instant::now());
        let store = Arc::new(store);
        let mut writing = tokio::spawn({
            let store = store.clone();
            async move { store.put("a", "2".into()).await }
        });
        let mut finishing = tokio::spawn(upload.finish());
        assert!(timeout(A_WHILE, &mut writing).await.is_err());
        assert!(timeout(A_WHILE, &mut finishing).await.is_err());
        assert_eq!(store.read("a", 0, 9, Vec::new()).await.unwrap(), b"1");
        assert!(matches!(store.head("u").await, Err(StoreError::NotFound { .. })));
        valid.send_replace(Instant::now() + Duration::from_secs(60));
        writing.await.unwrap().unwrap();
        finishing.await.unwrap().unwrap();
        assert_eq!(store.read("a", 0, 9, Vec::new()).await.unwrap(), b"2");
    }

    #[tokio::test]
    async fn a_lost_lease_refuses_every_write() {
        let (_folder, store, valid) = fenced().await;
        store.put("a", "1".into()).await.unwrap();
        valid.send_replace(Instant::now());
        drop(valid);
        let upload = store.upload("u").await;
        let version = store.head("a").await.unwrap().version.unwrap();
        let refused = [
            store.put("a", "2".into()).await,
            store.create("b", "2".into()).await,
            store.create_unflushed("c", "2".into()).await,
            store.replace("a", "2".into(), &version).await.map(drop),
            store.delete("a").await,
            store.delete_prefix("a").await,
            store.remove_leftovers(Duration::ZERO).await.map(drop),
            upload.map(drop),
        ];
        for refused in refused {
            let Err(StoreError::Unavailable { source, .. }) = refused else {
                panic!("{refused:?}");
            };
            assert!(source.is::<Expired>());
        }
        assert_eq!(store.read("a", 0, 9, Vec::new()).await.unwrap(), b"1");
    }

    /// As one that is stuck in a request to the store.
    #[tokio::test]
    async fn a_write_under_way_is_dropped_when_the_lease_expires() {
        let (valid, valid_until) = watch::channel(Instant::now() + A_WHILE);
        let fence = Fence::new(valid_until);
        let stuck = || std::future::pending::<Result<(), StoreError>>();
        let mut written = tokio::spawn(async move { fence.write("a", stuck).await });
        assert!(timeout(A_WHILE / 2, &mut written).await.is_err());
        // Nobody renews it any more.
        drop(valid);
        let error = written.await.unwrap().unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { .. }));
    }
}
