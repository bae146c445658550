//! The object store: the trait, its guarantees, and its errors.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod local;
pub mod measured;
mod pin;
pub mod place;
pub mod s3;
pub mod traced;

use std::any::Any;
use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use protocol::ObjectVersion;

pub use self::pin::Pin;

/// A set of objects, each a key and some bytes.
///
/// # Guarantees
///
/// - **Keys** are relative paths of UTF-8 text with `/` between their parts; no
///   part is empty, `.` or `..`, and none holds a control character or `\`.
/// - **Atomic writes.** A reader sees an object as one writer wrote it, from its
///   first byte to its last, or not at all; also when the writer dies half-way.
/// - **Durable.** Once a write or a deletion has returned, a loss of power does not undo or
///   damage it, but for [`create_unflushed`](ObjectStore::create_unflushed).
/// - **Read after write.** Once a write has returned, every read and every listing
///   by any process shows it.
/// - **First wins.** Of several concurrent [`create`](ObjectStore::create)s of
///   one key exactly one succeeds.
/// - **In order.** Listings come in the order of the keys' bytes.
/// - **Versions.** [`head`](ObjectStore::head) and [`list`](ObjectStore::list) tell the
///   same version of an object until it is written again; then they tell another.
///   Bytes that are read with a [`Pin`] are of that version.
/// - **Retries are inside.** An implementation retries transient errors before it
///   returns [`StoreError::Unavailable`].
#[async_trait]
pub trait ObjectStore: Send + Sync + 'static {
    /// The size and the version of an object.
    async fn head(&self, key: &str) -> Result<ObjectMeta, StoreError>;

    /// Reads `length` bytes from `offset`, fewer where the object ends before,
    /// none at or beyond its end.
    ///
    /// `buffer` is cleared, filled and returned, so that a caller that reads range
    /// after range allocates only once.
    async fn read(
        &self,
        key: &str,
        offset: u64,
        length: usize,
        buffer: Vec<u8>,
    ) -> Result<Vec<u8>, StoreError> {
        self.read_pinned(key, None, offset, length, buffer).await
    }

    /// Reads in the same way, but fails with [`StoreError::Changed`] if the object is
    /// not, or is no longer, what `pin` says.
    async fn read_pinned(
        &self,
        key: &str,
        pin: Option<&Pin>,
        offset: u64,
        length: usize,
        buffer: Vec<u8>,
    ) -> Result<Vec<u8>, StoreError>;

    /// A reader that reads an object on the caller's thread, and blocks it. For
    /// files, which are usually in the page cache, passing each range to another
    /// thread costs more than reading it. `None` from a store that needs a network;
    /// [`read`](ObjectStore::read) works for all.
    ///
    /// This call itself does no I/O: an object that does not exist is an error of
    /// the first read. Every read is held to `pin`, as by
    /// [`read_pinned`](ObjectStore::read_pinned).
    fn reader(&self, key: &str, pin: Option<&Pin>) -> Option<Box<dyn ObjectReader>> {
        let _ = (key, pin);
        None
    }

    /// Writes an object, replacing what was there.
    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), StoreError>;

    /// Writes an object, or fails with [`StoreError::AlreadyExists`].
    async fn create(&self, key: &str, bytes: Bytes) -> Result<(), StoreError>;

    /// As [`create`](ObjectStore::create), but a loss of power may undo it, or leave an
    /// object that is empty, cut or has other bytes. For objects that carry a checksum and
    /// can be made again: flushing each to the disk would take longer than making it.
    async fn create_unflushed(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        self.create(key, bytes).await
    }

    /// Replaces an object that is still of the version `expected`; returns its new version.
    /// Of several concurrent calls with the same version exactly one succeeds: a store of
    /// files sees to that among the processes of one machine.
    ///
    /// [`StoreError::Changed`] if the object is of another version, or is gone.
    async fn replace(
        &self,
        key: &str,
        bytes: Bytes,
        expected: &ObjectVersion,
    ) -> Result<ObjectVersion, StoreError>;

    /// Begins to write an object piece by piece. It appears, and replaces what was
    /// there, when the upload is finished.
    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StoreError>;

    /// Checks that an object could be written, and leaves nothing that a reader could see.
    /// That it can be written later is not sure.
    async fn check_writable(&self, key: &str) -> Result<(), StoreError> {
        self.upload(key).await.map(drop)
    }

    /// Lists the objects whose keys begin with `prefix`, in the order of their keys.
    fn list<'a>(&'a self, prefix: &str) -> BoxStream<'a, Result<ObjectMeta, StoreError>>;

    /// Deletes an object. It is no error if there is none.
    async fn delete(&self, key: &str) -> Result<(), StoreError>;

    /// Deletes every object whose key begins with `prefix`.
    async fn delete_prefix(&self, prefix: &str) -> Result<(), StoreError>;

    /// Removes unfinished objects of writers that died, if they began longer ago
    /// than `older_than`; returns how many. No reader can see such objects.
    async fn remove_leftovers(&self, older_than: Duration) -> Result<u64, StoreError>;

    /// Locks the store for this process. The lock is released when the process
    /// ends, however it ends. [`StoreError::AlreadyExists`] if another process holds
    /// it; `None` from a store without such a lock.
    fn lock(&self) -> Result<Option<StoreLock>, StoreError> {
        Ok(None)
    }

    /// The last error of a request that was tried again, for people who wonder why an
    /// answer takes long; `None` from a store without retries.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// How many requests were tried again since the store was opened; 0 from a store
    /// without retries.
    fn retries(&self) -> u64 {
        0
    }

    /// The number of bytes that the program can still write; `None` from a store that
    /// does not tell.
    async fn free_bytes(&self) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }
}

/// The lock of a store, released when dropped.
pub struct StoreLock {
    _guard: Box<dyn Any + Send + Sync>,
}

impl StoreLock {
    /// For implementations: a lock that is held until `guard` is dropped.
    pub fn new(guard: impl Any + Send + Sync) -> StoreLock {
        StoreLock { _guard: Box::new(guard) }
    }
}

/// Names that are reserved for stores: no key has one of them as its first part.
pub const RESERVED: [&str; 2] = [UNFINISHED, LOCK];
/// The folder in which a store of files writes unfinished objects.
pub(crate) const UNFINISHED: &str = ".unfinished";
/// The file that a store of files locks.
pub(crate) const LOCK: &str = ".server.lock";

/// An object that is read on the caller's thread.
pub trait ObjectReader: Send {
    /// Fills `buffer` from `offset` on, and returns the number of bytes read: fewer
    /// than the buffer's length only where the object ends.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError>;
}

/// An object that is being written piece by piece. Dropped unfinished, it leaves
/// nothing that a reader could see.
#[async_trait]
pub trait Upload: Send {
    /// Appends bytes.
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError>;

    /// Makes the object appear.
    async fn finish(self: Box<Self>) -> Result<(), StoreError>;
}

/// The metadata of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    /// The key of the object.
    pub key: String,
    /// The size of the object in bytes.
    pub bytes: u64,
    /// The version of the object; `None` if the store has not told it.
    pub version: Option<ObjectVersion>,
}

/// Why an operation on a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such object.
    #[error("there is no object {key:?}")]
    NotFound {
        /// The key of the object.
        key: String,
    },
    /// There is an object of this key already: another writer was first.
    #[error("there is already an object {key:?}")]
    AlreadyExists {
        /// The key of the object.
        key: String,
    },
    /// The object is not what its [`Pin`] says. A retry will not help.
    #[error("{key:?} has changed: {change}")]
    Changed {
        /// The key of the object.
        key: String,
        /// What has changed, as a clause.
        change: String,
    },
    /// The key is not a valid one. Use another.
    #[error("{key:?} is not a valid key: {reason}")]
    InvalidKey {
        /// The invalid key.
        key: String,
        /// What is wrong with the key.
        reason: &'static str,
    },
    /// The objects that are there leave no place for one of this key: in a store of
    /// files there is no object "a/b" beside an object "a". Use another key.
    #[error("{key:?} cannot be written: {reason}")]
    Obstructed {
        /// The key of the object to be written.
        key: String,
        /// What is in the way.
        reason: &'static str,
    },
    /// The operation is not allowed, and a retry will not help. Change the
    /// permissions or the configuration.
    #[error("no permission for {key:?}")]
    Denied {
        /// The key or the location of the object.
        key: String,
        /// The error of the store; `None` if the configuration does not allow it.
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// There is no space left. Free some.
    #[error("no space left to write {key:?}")]
    Full {
        /// The key of the object to be written.
        key: String,
    },
    /// The store does not answer, or answers with errors. A retry may help later.
    #[error("the store failed on {key:?}")]
    Unavailable {
        /// The key of the object, or the prefix of a listing.
        key: String,
        /// The error of the store.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// The source of [`StoreError::Denied`] if the store itself does not exist, such as its
/// bucket. Then the store is to blame, and not who asks.
#[derive(Debug, thiserror::Error)]
#[error("the store does not exist")]
pub struct MissingStore(#[source] pub Box<dyn Error + Send + Sync>);

impl StoreError {
    /// A word for the kind of the error, for figures and traces.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            StoreError::NotFound { .. } => "not_found",
            StoreError::AlreadyExists { .. } => "already_exists",
            StoreError::Changed { .. } => "changed",
            StoreError::InvalidKey { .. } => "invalid_key",
            StoreError::Obstructed { .. } => "obstructed",
            StoreError::Denied { .. } => "denied",
            StoreError::Full { .. } => "full",
            StoreError::Unavailable { .. } => "unavailable",
        }
    }

    /// Whether the store itself does not exist.
    #[must_use]
    pub fn is_missing_store(&self) -> bool {
        match self {
            StoreError::Denied { source: Some(source), .. } => source.is::<MissingStore>(),
            _ => false,
        }
    }
}

/// Checks that a key is valid.
///
/// # Errors
///
/// [`StoreError::InvalidKey`] if it is not.
pub fn check_key(key: &str) -> Result<(), StoreError> {
    let reason = if key.is_empty() {
        "it is empty"
    } else if key.chars().any(|c| c.is_control() || c == '\\') {
        "it contains a control character or a backslash"
    } else if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
        "a part of it is empty, \".\" or \"..\""
    } else {
        return Ok(());
    };
    Err(StoreError::InvalidKey { key: key.to_owned(), reason })
}

/// Reads a whole object, which should be small.
pub async fn read_all(store: &dyn ObjectStore, key: &str) -> Result<Vec<u8>, StoreError> {
    store.read(key, 0, usize::MAX, Vec::new()).await
}
