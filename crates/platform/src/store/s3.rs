//! An object store in S3, or in any other store with its API.
//!
//! In reading order: [`settings`] (location, credentials, tuning), `read` (ranges,
//! hedged), `upload` (multipart uploads), `list` (pages), `order` (sorts the listings
//! of SeaweedFS), `retry` (retries transient errors), `failure` (classifies errors,
//! without secrets).

mod failure;
mod list;
mod order;
mod read;
mod retry;
pub mod settings;
mod upload;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use bytes::Bytes;
use futures::FutureExt;
use futures::stream::BoxStream;
use protocol::ObjectVersion;

use self::failure::Failure;
use self::read::Pace;
use self::settings::Tuning;
pub use self::settings::{S3Access, S3Location};
use super::place::{InputPlace, OpenError, OutputPlace, StoreKind, StorePlace};
use super::{ObjectMeta, ObjectStore, Pin, StoreError, Upload, check_key};
use crate::place::InvalidPlace;

/// Buckets, and parts of them.
pub(crate) const KIND: StoreKind = StoreKind {
    form: settings::FORM,
    parse: |text| text.starts_with(settings::SCHEME).then(|| place(text, text)),
    input_form: settings::FORM,
    parse_input: |text| parse_prefix(text).map(|place| place.map(InputPlace::new)),
    parse_output: |text| parse_prefix(text).map(|place| place.map(OutputPlace::new)),
};

/// The place of a prefix, shown with a slash at its end.
fn parse_prefix(text: &str) -> Option<Result<StorePlace, InvalidPlace>> {
    let with_slash = format!("{}/", text.trim_end_matches('/'));
    text.starts_with(settings::SCHEME).then(|| place(text, &with_slash))
}

/// The place of the store at the location `text`, shown as `shown`.
fn place(text: &str, shown: &str) -> Result<StorePlace, InvalidPlace> {
    let location: S3Location = text.parse()?;
    let name = shown.to_owned();
    let open = move || {
        let (location, place) = (location.clone(), name.clone());
        async move {
            let store = S3Store::open(&location).await;
            let store = store.map_err(|error| OpenError { place, source: error.into() })?;
            Ok(Arc::new(store) as Arc<dyn ObjectStore>)
        }
        .boxed()
    };
    Ok(StorePlace::new(shown, text, false, open))
}

/// The objects of a bucket below a prefix. Clones share connections and counts.
///
/// # Requirements
///
/// - Listings are consistent with writes, as in S3 since 2020, SeaweedFS, MinIO and
///   Ceph.
/// - `If-None-Match: *` is honoured by `PutObject`, as in S3 since 2024, SeaweedFS,
///   MinIO, and Ceph since Squid.
/// - `If-Match` is honoured by `PutObject`, as in S3 since November 2024, SeaweedFS since
///   3.97, MinIO and Ceph. The store lease needs it.
/// - An object has the same ETag in listings, `HeadObject` and `GetObject`, and another
///   one once its content is replaced by another.
///
/// Listings of stores other than Amazon's are sorted here by the bytes of the keys,
/// because SeaweedFS has another order. That takes memory for the objects of one
/// folder at a time.
#[derive(Clone)]
pub struct S3Store {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    bucket: String,
    /// Empty, or ends in `/`.
    prefix: String,
    lists_in_order: bool,
    tuning: Tuning,
    pace: Pace,
    retries: AtomicU64,
    /// The last failure that was retried.
    trouble: Mutex<Option<String>>,
}

/// Counts of retries and hedged reads, since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct S3Counts {
    /// Requests that were retried after a failure.
    pub retries: u64,
    /// Ranges that were read.
    pub ranges: u64,
    /// Ranges that were requested a second time because the first answer was slow.
    pub hedges: u64,
    /// Ranges of which the second answer was first.
    pub hedges_won: u64,
}

impl S3Store {
    /// Opens the store with the standard AWS configuration: `AWS_ACCESS_KEY_ID` and
    /// the like, profiles, web identity, container and instance roles;
    /// `AWS_REGION`, `AWS_ENDPOINT_URL`. No request is sent.
    ///
    /// # Errors
    ///
    /// If the store is Amazon's, and no region is set.
    pub async fn open(location: &S3Location) -> Result<S3Store, NoRegion> {
        let store = S3Store::open_as(location, S3Access::default()).await;
        store.shared.client.config().region().ok_or(NoRegion)?;
        Ok(store)
    }

    /// Opens the store. What `access` leaves out comes from the environment.
    pub async fn open_as(location: &S3Location, access: S3Access) -> S3Store {
        let tuning = access.tuning;
        let (client, is_amazons) = settings::client(access).await;
        S3Store {
            shared: Arc::new(Shared {
                client,
                lists_in_order: is_amazons,
                bucket: location.bucket.clone(),
                prefix: location.prefix.clone(),
                tuning,
                pace: Pace::default(),
                retries: AtomicU64::new(0),
                trouble: Mutex::default(),
            }),
        }
    }

    /// The counts since the store was opened.
    #[must_use]
    pub fn counts(&self) -> S3Counts {
        self.shared.pace.counts(self.shared.retries.load(Ordering::Relaxed))
    }
}

/// Nothing says in which region of Amazon S3 a bucket is.
#[derive(Debug, thiserror::Error)]
#[error("no region is set: set AWS_REGION, or AWS_ENDPOINT_URL for a store that is not Amazon's")]
pub struct NoRegion;

impl Shared {
    /// The key in the bucket.
    fn full_key(&self, key: &str) -> Result<String, StoreError> {
        check_key(key)?;
        Ok(format!("{}{key}", self.prefix))
    }

    async fn head(&self, key: &str) -> Result<ObjectMeta, StoreError> {
        let full_key = self.full_key(key)?;
        self.retrying(key, || async {
            let head = self.client.head_object().bucket(&self.bucket).key(&full_key);
            let answer = head.send().await.map_err(|e| Failure::of("HeadObject", &e))?;
            Ok(ObjectMeta {
                key: key.to_owned(),
                bytes: u64::try_from(answer.content_length().unwrap_or(0)).unwrap_or(0),
                version: answer.e_tag().map(ObjectVersion::of_etag),
            })
        })
        .await
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        let full_key = self.full_key(key)?;
        self.retrying(key, || async {
            let put = self.client.put_object().bucket(&self.bucket).key(&full_key);
            let answer = put.body(bytes.clone().into()).send().await;
            answer.map(drop).map_err(|e| Failure::of("PutObject", &e))
        })
        .await
    }

    async fn create(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        let full_key = self.full_key(key)?;
        // Whether a request was not answered: it may have created the object.
        let unanswered = AtomicBool::new(false);
        let created = self
            .retrying(key, || async {
                let put = self.client.put_object().bucket(&self.bucket).key(&full_key);
                let put = put.if_none_match("*").body(bytes.clone().into());
                let answer = put.send().await.map_err(|e| Failure::of("PutObject", &e));
                if answer.as_ref().is_err_and(Failure::is_transient) {
                    unanswered.store(true, Ordering::Relaxed);
                }
                answer.map(drop)
            })
            .await;
        if matches!(created, Err(StoreError::AlreadyExists { .. }))
            && unanswered.load(Ordering::Relaxed)
            && self.read(key, None, 0, bytes.len() + 1, Vec::new()).await? == bytes
        {
            return Ok(());
        }
        created
    }

    async fn replace(
        &self,
        key: &str,
        bytes: Bytes,
        expected: &ObjectVersion,
    ) -> Result<ObjectVersion, StoreError> {
        let full_key = self.full_key(key)?;
        let changed = |change: &str| {
            let change = change.to_owned();
            StoreError::Changed { key: key.to_owned(), change }
        };
        let Some(etag) = expected.etag() else {
            return Err(changed("it is in another kind of store"));
        };
        let etag = format!("\"{etag}\"");
        // Whether a request was not answered: it may have replaced the object.
        let unanswered = AtomicBool::new(false);
        let replaced = self
            .retrying(key, || async {
                let put = self.client.put_object().bucket(&self.bucket).key(&full_key);
                let put = put.if_match(&etag).body(bytes.clone().into());
                let answer = put.send().await.map_err(|e| Failure::of("PutObject", &e));
                if answer.as_ref().is_err_and(Failure::is_transient) {
                    unanswered.store(true, Ordering::Relaxed);
                }
                answer.map(|answer| answer.e_tag().map(ObjectVersion::of_etag))
            })
            .await;
        match replaced {
            Ok(Some(version)) => Ok(version),
            Err(StoreError::AlreadyExists { .. } | StoreError::NotFound { .. })
                if !unanswered.load(Ordering::Relaxed) =>
            {
                Err(changed("another writer has replaced or deleted it"))
            }
            // Its content tells whether it is this writer's.
            Ok(None) | Err(StoreError::AlreadyExists { .. } | StoreError::NotFound { .. }) => {
                let gone = |error| match error {
                    StoreError::NotFound { .. } => changed("it was deleted"),
                    error => error,
                };
                let found = self.head(key).await.map_err(gone)?;
                let version = found.version.ok_or_else(|| changed("its version is not told"))?;
                let pin = Pin { bytes: found.bytes, version };
                let length = bytes.len() + 1;
                let content = self.read(key, Some(&pin), 0, length, Vec::new()).await?;
                match content == bytes {
                    true => Ok(pin.version),
                    false => Err(changed("another writer has replaced it")),
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let full_key = self.full_key(key)?;
        let deleted = self
            .retrying(key, || async {
                let delete = self.client.delete_object().bucket(&self.bucket).key(&full_key);
                delete.send().await.map(drop).map_err(|e| Failure::of("DeleteObject", &e))
            })
            .await;
        match deleted {
            Err(StoreError::NotFound { .. }) => Ok(()),
            deleted => deleted,
        }
    }
}

#[async_trait]
impl ObjectStore for S3Store {
    fn trouble(&self) -> Option<String> {
        self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn retries(&self) -> u64 {
        self.shared.retries.load(Ordering::Relaxed)
    }

    async fn head(&self, key: &str) -> Result<ObjectMeta, StoreError> {
        self.shared.head(key).await
    }

    async fn read_pinned(
        &self,
        key: &str,
        pin: Option<&Pin>,
        offset: u64,
        length: usize,
        buffer: Vec<u8>,
    ) -> Result<Vec<u8>, StoreError> {
        self.shared.read(key, pin, offset, length, buffer).await
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.shared.put(key, bytes).await
    }

    async fn create(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.shared.create(key, bytes).await
    }

    async fn replace(
        &self,
        key: &str,
        bytes: Bytes,
        expected: &ObjectVersion,
    ) -> Result<ObjectVersion, StoreError> {
        self.shared.replace(key, bytes, expected).await
    }

    async fn check_writable(&self, key: &str) -> Result<(), StoreError> {
        self.shared.check_writable(key).await
    }

    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StoreError> {
        Ok(Box::new(upload::S3Upload::begin(&self.shared, key)?))
    }

    fn list<'a>(&'a self, prefix: &str) -> BoxStream<'a, Result<ObjectMeta, StoreError>> {
        self.shared.list(prefix)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.shared.delete(key).await
    }

    async fn delete_prefix(&self, prefix: &str) -> Result<(), StoreError> {
        self.shared.delete_prefix(prefix).await
    }

    async fn remove_leftovers(&self, older_than: Duration) -> Result<u64, StoreError> {
        self.shared.abort_uploads(older_than).await
    }
}
