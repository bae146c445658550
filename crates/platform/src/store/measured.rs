//! A store whose calls are counted and timed, for Prometheus.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use protocol::ObjectVersion;

use super::{ObjectMeta, ObjectReader, ObjectStore, Pin, StoreError, StoreLock, Upload};

/// The upper bounds of the buckets of durations in seconds: from a read of the page cache
/// to a request that was retried for minutes.
const DURATIONS: [f64; 16] = [
    0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0,
    120.0,
];

/// The labels of a count: the operation and its outcome.
type Outcome = [(&'static str, &'static str); 2];
/// The label of a duration: the operation.
type Operation = [(&'static str, &'static str); 1];

/// What is counted of all stores that are measured with it. Clones share their counts.
#[derive(Clone, Debug)]
pub struct StoreMetrics {
    requests: Family<Outcome, Counter>,
    durations: Family<Operation, Histogram, fn() -> Histogram>,
    read_bytes: Counter,
    written_bytes: Counter,
    stores: Stores,
}

impl StoreMetrics {
    /// Counts that `registry` exports.
    pub fn new(registry: &mut Registry) -> StoreMetrics {
        let metrics = StoreMetrics {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            read_bytes: Counter::default(),
            written_bytes: Counter::default(),
            stores: Stores::default(),
        };
        registry.register(
            "store_requests",
            "Calls of the object store, by operation and outcome",
            metrics.requests.clone(),
        );
        registry.register(
            "store_request_duration_seconds",
            "Durations of calls of the object store with their retries, of listings until the \
             first object",
            metrics.durations.clone(),
        );
        let read = "Bytes read from the object store";
        registry.register("store_read_bytes", read, metrics.read_bytes.clone());
        let written = "Bytes written to the object store";
        registry.register("store_written_bytes", written, metrics.written_bytes.clone());
        registry.register_collector(Box::new(metrics.stores.clone()));
        metrics
    }

    /// Decorates a store: its calls are counted and timed from now on.
    #[must_use]
    pub fn measured(&self, store: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        // The list stays whole even if somebody panicked while adding to it.
        self.stores.0.lock().unwrap_or_else(PoisonError::into_inner).push(store.clone());
        Arc::new(MeasuredStore { inner: store, metrics: self.clone() })
    }

    fn count(&self, operation: &'static str, took: Duration, error: Option<&StoreError>) {
        let outcome = [("operation", operation), ("outcome", error.map_or("ok", StoreError::word))];
        self.requests.get_or_create(&outcome).inc();
        self.durations.get_or_create(&[("operation", operation)]).observe(took.as_secs_f64());
    }

    /// Counts a call once it has returned. One that is dropped before is not counted.
    async fn call<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let begun = Instant::now();
        let answer = call.await;
        self.count(operation, begun.elapsed(), answer.as_ref().err());
        answer
    }

    /// The same of a call that writes so many bytes.
    async fn write<T>(
        &self,
        operation: &'static str,
        bytes: usize,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let written = self.call(operation, call).await?;
        self.written_bytes.inc_by(bytes as u64);
        Ok(written)
    }
}

/// The stores that are measured, whose retries are read when they are asked for.
#[derive(Clone, Default)]
struct Stores(Arc<Mutex<Vec<Arc<dyn ObjectStore>>>>);

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stores")
    }
}

impl Collector for Stores {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stores = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let retries = ConstCounter::new(stores.iter().map(|store| store.retries()).sum::<u64>());
        let help = "Requests to the object store that were tried again after a failure.";
        let kind = retries.metric_type();
        retries.encode(encoder.encode_descriptor("store_retries", help, None, kind)?)
    }
}

/// A decorator that measures a store.
struct MeasuredStore {
    inner: Arc<dyn ObjectStore>,
    metrics: StoreMetrics,
}

#[async_trait]
impl ObjectStore for MeasuredStore {
    async fn head(&self, key: &str) -> Result<ObjectMeta, StoreError> {
        self.metrics.call("head", self.inner.head(key)).await
    }

    async fn read_pinned(
        &self,
        key: &str,
        pin: Option<&Pin>,
        offset: u64,
        length: usize,
        buffer: Vec<u8>,
    ) -> Result<Vec<u8>, StoreError> {
        let reading = self.inner.read_pinned(key, pin, offset, length, buffer);
        let bytes = self.metrics.call("read", reading).await?;
        self.metrics.read_bytes.inc_by(bytes.len() as u64);
        Ok(bytes)
    }

    fn reader(&self, key: &str, pin: Option<&Pin>) -> Option<Box<dyn ObjectReader>> {
        let inner = self.inner.reader(key, pin)?;
        Some(Box::new(MeasuredReader { inner, metrics: self.metrics.clone() }))
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.metrics.write("put", bytes.len(), self.inner.put(key, bytes)).await
    }

    async fn create(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.metrics.write("create", bytes.len(), self.inner.create(key, bytes)).await
    }

    async fn create_unflushed(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.metrics.write("create", bytes.len(), self.inner.create_unflushed(key, bytes)).await
    }

    async fn replace(
        &self,
        key: &str,
        bytes: Bytes,
        expected: &ObjectVersion,
    ) -> Result<ObjectVersion, StoreError> {
        let length = bytes.len();
        self.metrics.write("replace", length, self.inner.replace(key, bytes, expected)).await
    }

    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StoreError> {
        let inner = self.metrics.call("begin_upload", self.inner.upload(key)).await?;
        Ok(Box::new(MeasuredUpload { inner, metrics: self.metrics.clone() }))
    }

    async fn check_writable(&self, key: &str) -> Result<(), StoreError> {
        self.metrics.call("begin_upload", self.inner.check_writable(key)).await
    }

    fn list<'a>(&'a self, prefix: &str) -> BoxStream<'a, Result<ObjectMeta, StoreError>> {
        let mut objects = self.inner.list(prefix).peekable();
        let listing = async move {
            let begun = Instant::now();
            let first = std::pin::Pin::new(&mut objects).peek().await;
            let error = first.and_then(|first| first.as_ref().err());
            self.metrics.count("list", begun.elapsed(), error);
            objects
        };
        stream::once(listing).flatten().boxed()
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.metrics.call("delete", self.inner.delete(key)).await
    }

    async fn delete_prefix(&self, prefix: &str) -> Result<(), StoreError> {
        self.metrics.call("delete_prefix", self.inner.delete_prefix(prefix)).await
    }

    async fn remove_leftovers(&self, older_than: Duration) -> Result<u64, StoreError> {
        self.metrics.call("remove_leftovers", self.inner.remove_leftovers(older_than)).await
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

struct MeasuredReader {
    inner: Box<dyn ObjectReader>,
    metrics: StoreMetrics,
}

impl ObjectReader for MeasuredReader {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let begun = Instant::now();
        let read = self.inner.read_at(offset, buffer);
        self.metrics.count("read", begun.elapsed(), read.as_ref().err());
        let length = read?;
        self.metrics.read_bytes.inc_by(length as u64);
        Ok(length)
    }
}

struct MeasuredUpload {
    inner: Box<dyn Upload>,
    metrics: StoreMetrics,
}

#[async_trait]
impl Upload for MeasuredUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.metrics.write("write_upload", bytes.len(), self.inner.write(bytes)).await
    }

    async fn finish(self: Box<Self>) -> Result<(), StoreError> {
        let MeasuredUpload { inner, metrics } = *self;
        metrics.call("finish_upload", inner.finish()).await
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::prometheus_text;

    use super::*;
    use crate::faults::{FaultRates, Faults, FaultyStore};
    use crate::store::local::LocalStore;

    #[tokio::test]
    async fn calls_are_counted_by_operation_and_outcome_with_their_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let mut registry = Registry::default();
        let metrics = StoreMetrics::new(&mut registry);
        let store = metrics.measured(Arc::new(LocalStore::open(folder.path()).unwrap()));
        store.put("a/1", Bytes::from_static(b"12345")).await.unwrap();
        store.create("a/1", Bytes::from_static(b"1")).await.unwrap_err();
        assert_eq!(store.read("a/1", 1, 3, Vec::new()).await.unwrap(), b"234");
        store.head("none").await.unwrap_err();
        let mut reader = store.reader("a/1", None).unwrap();
        assert_eq!(reader.read_at(0, &mut [0; 8]).unwrap(), 5);
        let listed: Vec<_> = store.list("a/").collect().await;
        assert_eq!(listed.len(), 1);
        assert_eq!(store.list("b/").count().await, 0);
        let mut upload = store.upload("b").await.unwrap();
        upload.write(Bytes::from_static(b"xy")).await.unwrap();
        upload.finish().await.unwrap();

        let mut text = String::new();
        prometheus_text::encode(&mut text, &registry).unwrap();
        for line in [
            "store_requests_total{operation=\"put\",outcome=\"ok\"} 1",
            "store_requests_total{operation=\"create\",outcome=\"already_exists\"} 1",
            "store_requests_total{operation=\"read\",outcome=\"ok\"} 2",
            "store_requests_total{operation=\"head\",outcome=\"not_found\"} 1",
            "store_requests_total{operation=\"list\",outcome=\"ok\"} 2",
            "store_requests_total{operation=\"finish_upload\",outcome=\"ok\"} 1",
            "store_request_duration_seconds_count{operation=\"read\"} 2",
            "store_read_bytes_total 8",
            "store_written_bytes_total 7",
            "store_retries_total 0",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
    }

    #[tokio::test]
    async fn a_listing_that_fails_is_counted_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let local: Arc<dyn ObjectStore> = Arc::new(LocalStore::open(folder.path()).unwrap());
        let faults = Arc::new(Faults::at(FaultRates { fail_every: 1, ..FaultRates::default() }));
        let mut registry = Registry::default();
        let metrics = StoreMetrics::new(&mut registry);
        let store = metrics.measured(Arc::new(FaultyStore::new(local, faults)));
        let listed: Vec<_> = store.list("").collect().await;
        assert!(matches!(listed[..], [Err(StoreError::Unavailable { .. })]));
        let mut text = String::new();
        prometheus_text::encode(&mut text, &registry).unwrap();
        let line = "store_requests_total{operation=\"list\",outcome=\"unavailable\"} 1";
        assert!(text.lines().any(|it| it == line), "{text}");
    }
}
