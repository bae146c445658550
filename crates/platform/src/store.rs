//! Objects by key: the trait, its guarantees, and its errors.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod local;
pub mod place;
pub mod s3;

use std::any::Any;
use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

/// A set of objects, each a key and some bytes.
///
/// # Guarantees
///
/// - **Keys** are relative paths of UTF-8 text with `/` between their parts; no
///   part is empty, `.` or `..`, and none holds a control character or `\`.
/// - **Whole or not at all.** A reader sees an object as one writer wrote it,
///   from its first byte to its last, or does not see it; also when the writer
///   dies half-way.
/// - **Read your writes.** Once a write has returned, every read and every
///   listing by anybody shows it.
/// - **First wins.** Of several concurrent [`create`](ObjectStore::create)s of
///   one key exactly one succeeds.
/// - **In order.** Listings come in the order of the keys' bytes.
/// - **Retries are inside.** An implementation retries what may pass by itself
///   before it answers [`StoreError::Unavailable`].
#[async_trait]
pub trait ObjectStore: Send + Sync + 'static {
    /// The size of an object.
    async fn head(&self, key: &str) -> Result<ObjectMeta, StoreError>;

    /// Reads `length` bytes from `offset`, fewer where the object ends before,
    /// none at or beyond its end.
    ///
    /// `buffer` is cleared, filled and given back, so that a caller who reads
    /// range after range allocates once.
    async fn read(
        &self,
        key: &str,
        offset: u64,
        length: usize,
        buffer: Vec<u8>,
    ) -> Result<Vec<u8>, StoreError>;

    /// An object to be read on the thread of the caller, who may wait there: for
    /// a store of files, which mostly lie in memory, handing each range over to
    /// another thread costs more than reading it. `None` from a store that
    /// takes long to answer; [`read`](ObjectStore::read) is for all.
    ///
    /// Opening does nothing yet, so that it can be done anywhere: an object
    /// that is not there shows when it is read.
    fn reader(&self, key: &str) -> Option<Box<dyn ObjectReader>> {
        let _ = key;
        None
    }

    /// Writes an object, replacing what was there.
    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), StoreError>;

    /// Writes an object unless the key has one already:
    /// [`StoreError::AlreadyExists`].
    async fn create(&self, key: &str, bytes: Bytes) -> Result<(), StoreError>;

    /// Begins to write an object piece by piece; it appears, replacing what
    /// was there, when the upload is finished.
    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StoreError>;

    /// Lists the objects whose keys begin with `prefix`, in the order of their keys.
    fn list<'a>(&'a self, prefix: &str) -> BoxStream<'a, Result<ObjectMeta, StoreError>>;

    /// Deletes an object; one that is not there is as good as deleted.
    async fn delete(&self, key: &str) -> Result<(), StoreError>;

    /// Deletes every object whose key begins with `prefix`.
    async fn delete_prefix(&self, prefix: &str) -> Result<(), StoreError>;

    /// Removes what writers that died half-way have left and nobody can see,
    /// if they began longer ago than `older_than`; how many. For a server that
    /// starts: nobody should have been writing one object for so long.
    async fn remove_leftovers(&self, older_than: Duration) -> Result<u64, StoreError>;

    /// Locks the store for this process, if it has a lock that goes with the
    /// process, however that ends: [`StoreError::AlreadyExists`] if another
    /// process holds it. `None` from a store without such a lock.
    fn lock(&self) -> Result<Option<StoreLock>, StoreError> {
        Ok(None)
    }
}

/// The lock of a store, released when it is dropped.
pub struct StoreLock {
    _guard: Box<dyn Any + Send + Sync>,
}

impl StoreLock {
    /// For implementations: a lock that is held as long as `guard` lives.
    pub fn new(guard: impl Any + Send + Sync) -> StoreLock {
        StoreLock { _guard: Box::new(guard) }
    }
}

/// What stores keep for themselves: no key of an object begins with one of
/// these names as its first part.
pub const RESERVED: [&str; 2] = [UNFINISHED, LOCK];
/// Where a store of files keeps objects that are not whole yet.
pub(crate) const UNFINISHED: &str = ".unfinished";
/// The file that a store of files locks.
pub(crate) const LOCK: &str = ".server.lock";

/// An object that is read on the thread of the caller.
pub trait ObjectReader: Send {
    /// Fills `buffer` from `offset` on; how many bytes there were: fewer than
    /// it has room for only where the object ends.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError>;
}

/// An object that is being written piece by piece. Dropped unfinished, it
/// leaves nothing behind that a reader could see.
#[async_trait]
pub trait Upload: Send {
    /// Adds bytes at the end.
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError>;

    /// Makes the object appear.
    async fn finish(self: Box<Self>) -> Result<(), StoreError>;
}

/// What is known of an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Its key.
    pub key: String,
    /// How many bytes it holds.
    pub bytes: u64,
}

/// Why a store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such object. Look elsewhere.
    #[error("there is no object {key:?}")]
    NotFound {
        /// Which.
        key: String,
    },
    /// The key has an object already. Somebody else was first.
    #[error("there is an object {key:?} already")]
    AlreadyExists {
        /// Which.
        key: String,
    },
    /// No object can have such a key. Ask for another.
    #[error("{key:?} cannot be the key of an object: {reason}")]
    InvalidKey {
        /// Which.
        key: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// This is not allowed, and asking again will not help. Change the
    /// permissions or the configuration.
    #[error("no permission for {key:?}")]
    Denied {
        /// Which object, or whose location.
        key: String,
        /// What the system said.
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// There is no space left. Make some.
    #[error("no space is left to write {key:?}")]
    Full {
        /// Which object was to be written.
        key: String,
    },
    /// The store does not answer or answers with errors. It may later.
    #[error("the store does not do what it should with {key:?}")]
    Unavailable {
        /// Which object, or the prefix of which.
        key: String,
        /// What the system said.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Says what is wrong with a key, if anything is.
pub fn check_key(key: &str) -> Result<(), StoreError> {
    let reason = if key.is_empty() {
        "it is empty"
    } else if key.chars().any(|c| c.is_control() || c == '\\') {
        "it holds a control character or a backslash"
    } else if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
        "one of its parts is empty, \".\" or \"..\""
    } else {
        return Ok(());
    };
    Err(StoreError::InvalidKey { key: key.to_owned(), reason })
}

/// Reads a whole object that is known to be small.
pub async fn read_all(store: &dyn ObjectStore, key: &str) -> Result<Vec<u8>, StoreError> {
    store.read(key, 0, usize::MAX, Vec::new()).await
}
