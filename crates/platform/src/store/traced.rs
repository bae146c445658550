//! A store whose calls are spans of a trace.
//!
//! It decorates the store for one attempt or job, and only if its trace is recorded.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use protocol::{ObjectVersion, TraceContext};
use traces::recorder::count;
use traces::{Span, SpanKind, Traces};

use super::{ObjectMeta, ObjectReader, ObjectStore, Pin, StoreError, StoreLock, Upload};

/// The span that calls of stores are recorded below.
#[derive(Clone, Debug)]
pub struct StoreTracing {
    traces: Traces,
    parent: TraceContext,
}

impl StoreTracing {
    /// Records calls below this span.
    #[must_use]
    pub fn below(traces: &Traces, parent: TraceContext) -> StoreTracing {
        StoreTracing { traces: traces.clone(), parent }
    }

    /// Decorates a store whose objects have locations that begin with `location`.
    #[must_use]
    pub fn store(&self, store: &Arc<dyn ObjectStore>, location: &str) -> Arc<dyn ObjectStore> {
        let place = Arc::new(TracedPlace::new(self.clone(), location));
        Arc::new(TracedStore { inner: store.clone(), place })
    }
}

/// Where the objects of a store are, in the words of the conventions.
struct TracedPlace {
    tracing: StoreTracing,
    bucket: Option<String>,
    /// The part of the location that the keys of the bucket, or the paths of files, begin
    /// with.
    prefix: String,
}

/// A call of a store: as the client of S3 and as people name it.
#[derive(Clone, Copy)]
struct Call(&'static str, &'static str);

const HEAD: Call = Call("HeadObject", "look at object");
const GET: Call = Call("GetObject", "read object");
const PUT: Call = Call("PutObject", "write object");
const BEGIN_UPLOAD: Call = Call("CreateMultipartUpload", "begin to write object");
const UPLOAD_PART: Call = Call("UploadPart", "write part of object");
const FINISH_UPLOAD: Call = Call("CompleteMultipartUpload", "finish object");
const LIST: Call = Call("ListObjectsV2", "list objects");
const DELETE: Call = Call("DeleteObject", "delete object");
const DELETE_PREFIX: Call = Call("DeleteObjects", "delete objects");

impl TracedPlace {
    fn new(tracing: StoreTracing, location: &str) -> TracedPlace {
        match location.strip_prefix("s3://") {
            Some(rest) => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                TracedPlace { tracing, bucket: Some(bucket.to_owned()), prefix: prefix.to_owned() }
            }
            None => {
                let prefix = location.strip_prefix("file://").unwrap_or(location).to_owned();
                TracedPlace { tracing, bucket: None, prefix }
            }
        }
    }

    fn begin(&self, Call(method, named): Call, key: &str) -> Option<Span> {
        let StoreTracing { traces, parent } = &self.tracing;
        let key = format!("{}{key}", self.prefix);
        let span = match &self.bucket {
            Some(bucket) => traces
                .child(*parent, format!("S3.{method}"), SpanKind::Client)?
                .with("rpc.system", "aws-api")
                .with("rpc.service", "S3")
                .with("rpc.method", method)
                .with("aws.s3.bucket", bucket.clone())
                .with("aws.s3.key", key),
            None => traces.child(*parent, named, SpanKind::Internal)?.with("file.path", key),
        };
        Some(span)
    }

    /// Records a call that has returned. One that is dropped before is not recorded.
    fn end<T>(&self, span: Option<Span>, answer: &Result<T, StoreError>, bytes: Option<usize>) {
        let Some(mut span) = span else { return };
        if let Some(bytes) = bytes {
            span.set("distributed_average.bytes", count(bytes as u64));
        }
        if let Err(error) = answer {
            span.fail(error.word(), error.to_string());
        }
        self.tracing.traces.end(span);
    }

    async fn call<T>(
        &self,
        call: Call,
        key: &str,
        bytes: Option<usize>,
        calling: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let span = self.begin(call, key);
        let answer = calling.await;
        self.end(span, &answer, bytes);
        answer
    }
}

struct TracedStore {
    inner: Arc<dyn ObjectStore>,
    place: Arc<TracedPlace>,
}

#[async_trait]
impl ObjectStore for TracedStore {
    async fn head(&self, key: &str) -> Result<ObjectMeta, StoreError> {
        self.place.call(HEAD, key, None, self.inner.head(key)).await
    }

    async fn read_pinned(
        &self,
        key: &str,
        pin: Option<&Pin>,
        offset: u64,
        length: usize,
        buffer: Vec<u8>,
    ) -> Result<Vec<u8>, StoreError> {
        let span = self.place.begin(GET, key);
        let span = span.map(|it| it.with("distributed_average.offset", count(offset)));
        let answer = self.inner.read_pinned(key, pin, offset, length, buffer).await;
        self.place.end(span, &answer, answer.as_ref().ok().map(Vec::len));
        answer
    }

    fn reader(&self, key: &str, pin: Option<&Pin>) -> Option<Box<dyn ObjectReader>> {
        let inner = self.inner.reader(key, pin)?;
        let span = self.place.begin(GET, key);
        let place = self.place.clone();
        Some(Box::new(TracedReader { inner, place, span, bytes: 0, reads: 0 }))
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.place.call(PUT, key, Some(bytes.len()), self.inner.put(key, bytes)).await
    }

    async fn create(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.place.call(PUT, key, Some(bytes.len()), self.inner.create(key, bytes)).await
    }

    async fn create_unflushed(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        let length = bytes.len();
        self.place.call(PUT, key, Some(length), self.inner.create_unflushed(key, bytes)).await
    }

    async fn replace(
        &self,
        key: &str,
        bytes: Bytes,
        expected: &ObjectVersion,
    ) -> Result<ObjectVersion, StoreError> {
        let length = bytes.len();
        self.place.call(PUT, key, Some(length), self.inner.replace(key, bytes, expected)).await
    }

    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StoreError> {
        let inner = self.place.call(BEGIN_UPLOAD, key, None, self.inner.upload(key)).await?;
        Ok(Box::new(TracedUpload { inner, place: self.place.clone(), key: key.to_owned() }))
    }

    async fn check_writable(&self, key: &str) -> Result<(), StoreError> {
        self.place.call(BEGIN_UPLOAD, key, None, self.inner.check_writable(key)).await
    }

    fn list<'a>(&'a self, prefix: &str) -> BoxStream<'a, Result<ObjectMeta, StoreError>> {
        let span = self.place.begin(LIST, prefix);
        // One that is not read to its end is not recorded.
        let ended = stream::once(async move { self.place.end(span, &Ok(()), None) });
        self.inner.list(prefix).chain(ended.filter_map(|()| async { None })).boxed()
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.place.call(DELETE, key, None, self.inner.delete(key)).await
    }

    async fn delete_prefix(&self, prefix: &str) -> Result<(), StoreError> {
        self.place.call(DELETE_PREFIX, prefix, None, self.inner.delete_prefix(prefix)).await
    }

    async fn remove_leftovers(&self, older_than: std::time::Duration) -> Result<u64, StoreError> {
        self.inner.remove_leftovers(older_than).await
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

/// A file is read in thousands of small ranges, which are one span.
struct TracedReader {
    inner: Box<dyn ObjectReader>,
    place: Arc<TracedPlace>,
    span: Option<Span>,
    bytes: u64,
    reads: u64,
}

impl ObjectReader for TracedReader {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let read = self.inner.read_at(offset, buffer);
        self.reads += 1;
        match &read {
            Ok(bytes) => self.bytes += *bytes as u64,
            Err(error) => {
                if let Some(span) = &mut self.span {
                    span.fail(error.word(), error.to_string());
                }
            }
        }
        read
    }
}

impl Drop for TracedReader {
    fn drop(&mut self) {
        // One that was opened to see whether it is a file has read nothing.
        if let Some(span) = self.span.take().filter(|_| self.reads > 0) {
            let span = span.with("distributed_average.bytes", count(self.bytes));
            let span = span.with("distributed_average.reads", count(self.reads));
            self.place.tracing.traces.end(span);
        }
    }
}

struct TracedUpload {
    inner: Box<dyn Upload>,
    place: Arc<TracedPlace>,
    key: String,
}

#[async_trait]
impl Upload for TracedUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let length = Some(bytes.len());
        self.place.call(UPLOAD_PART, &self.key, length, self.inner.write(bytes)).await
    }

    async fn finish(self: Box<Self>) -> Result<(), StoreError> {
        let TracedUpload { inner, place, key } = *self;
        place.call(FINISH_UPLOAD, &key, None, inner.finish()).await
    }
}
