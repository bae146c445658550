//! Uploads that can be resumed: what has arrived of a large file survives a cut, and a
//! restart of the server.
//!
//! The parts that have arrived are objects of their own, each named by the byte at which it
//! begins. Once all are there the file is written from them, as a whole. Uploads that nobody
//! continues are deleted after some time, and all parts together are bounded.

mod appending;
mod record;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::TryStreamExt;
use platform::problems::with_sources;
use platform::store::check_key;
use platform::{ObjectStore, StoreError};
use program::clock;
use protocol::problem::ProblemKind;
use protocol::{Problem, Timestamp};
use sha2::{Digest, Sha256};
use tokio::sync::{OnceCell, OwnedMutexGuard};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use self::record::{Arrived, UploadRecord};
use crate::keys;
use crate::limits::check_free_space;

pub use self::appending::Appending;

/// The most uploads: each takes some memory and a record. Those that are finished make room
/// for others, the oldest first.
const OPEN_MAX: usize = 1000;
/// The size of a part in bytes, except where a client pauses: so much is in memory, and is
/// lost if the server is killed.
const PART_BYTES: usize = 8 << 20;
/// The most parts of an upload that are short because a client was cut off or paused: each is
/// an object, however few bytes it has.
const SHORT_PARTS_MAX: u64 = 10_000;
/// The interval at which uploads that nobody continues are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_mins(5);

/// The id of an upload: 128 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UploadId(u128);

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for UploadId {
    type Err = Problem;

    fn from_str(text: &str) -> Result<UploadId, Problem> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_id = text.len() == 32 && text.bytes().all(is_hex);
        let id = is_id.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        id.map(UploadId).ok_or_else(|| no_such_upload(text))
    }
}

/// The state of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadState {
    /// Its id.
    pub id: UploadId,
    /// The key of the object that it becomes.
    pub key: String,
    /// The size of the object in bytes, if it was announced.
    pub bytes: Option<u64>,
    /// How many bytes have arrived: where it continues.
    pub offset: u64,
    /// Whether the object was written.
    pub is_finished: bool,
    /// When it is deleted unless it is continued before.
    pub expires_at: Timestamp,
}

/// The uploads that can be resumed. Clones share them.
#[derive(Clone)]
pub struct Uploads(Arc<Shared>);

struct Shared {
    store: Arc<dyn ObjectStore>,
    bytes_max: u64,
    keep: Duration,
    /// Set once the uploads of earlier runs of the server are in `open`.
    restored: OnceCell<()>,
    open: Mutex<BTreeMap<UploadId, Arc<Upload>>>,
}

/// An upload.
struct Upload {
    id: UploadId,
    /// How many bytes are in the store …
    received: AtomicU64,
    /// … and how many of their parts are short.
    short_parts: AtomicU64,
    /// When it was finished, in milliseconds; 0 before.
    finished_ms: AtomicU64,
    /// Held by the one who appends, or writes the object.
    turn: Arc<tokio::sync::Mutex<UploadRecord>>,
    /// Cancelled when somebody else wants the turn.
    newest: Mutex<CancellationToken>,
}

impl Upload {
    fn new(
        id: UploadId,
        record: UploadRecord,
        Arrived { bytes, short_parts }: Arrived,
    ) -> Arc<Upload> {
        let finished_ms = record.finished.map_or(0, |_| record.touched_at.as_millis());
        Arc::new(Upload {
            id,
            received: AtomicU64::new(bytes),
            short_parts: AtomicU64::new(short_parts),
            finished_ms: AtomicU64::new(finished_ms),
            turn: Arc::new(tokio::sync::Mutex::new(record)),
            newest: Mutex::default(),
        })
    }

    fn offset(&self) -> u64 {
        self.received.load(Ordering::Acquire)
    }

    /// Ends whoever appends: the connection of a client that comes again is dead, maybe
    /// without anybody having noticed. Then waits for the turn.
    async fn take_turn(&self) -> (OwnedMutexGuard<UploadRecord>, CancellationToken) {
        let token = CancellationToken::new();
        let earlier = {
            let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *newest, token.clone())
        };
        earlier.cancel();
        (self.turn.clone().lock_owned().await, token)
    }
}

impl Uploads {
    /// Uploads whose parts lie in `store`: at most `bytes_max` of all that are not finished,
    /// kept for the time `keep` after they were continued last.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>, bytes_max: u64, keep: Duration) -> Uploads {
        let (restored, open) = (OnceCell::new(), Mutex::default());
        Uploads(Arc::new(Shared { store, bytes_max, keep, restored, open }))
    }

    /// Begins an upload of the object `key`, of `bytes` if the size is known.
    ///
    /// # Errors
    ///
    /// If the key is not valid, too many uploads are open, or the store has no room or does
    /// not answer.
    pub async fn begin(&self, key: String, bytes: Option<u64>) -> Result<UploadState, Problem> {
        self.restore().await?;
        check_key(&key).map_err(|error| error.own_problem("beginning the upload").field("key"))?;
        self.make_place().await?;
        if let Some(bytes) = bytes {
            self.check_room(bytes)?;
            check_free_space(&*self.0.store, "the upload", bytes).await?;
        }
        let id = UploadId(rand::random());
        let record = UploadRecord { key, bytes, touched_at: clock::now(), finished: None };
        record.store(&*self.0.store, id).await?;
        let state = self.state(id, &record, 0);
        let upload = Upload::new(id, record, Arrived::default());
        // Others may have begun meanwhile.
        let has_place = {
            let mut open = self.open();
            let has_place = open.len() < OPEN_MAX;
            if has_place {
                open.insert(id, upload);
            }
            has_place
        };
        if !has_place {
            let deleted = self.0.store.delete_prefix(&keys::upload(id)).await;
            deleted.map_err(|error| error.own_problem("deleting the upload"))?;
            return Err(too_many());
        }
        Ok(state)
    }

    /// Makes a place for another upload: forgets the oldest of those that are finished.
    async fn make_place(&self) -> Result<(), Problem> {
        loop {
            let oldest = {
                let open = self.open();
                if open.len() < OPEN_MAX {
                    return Ok(());
                }
                let finished = open.values().filter_map(|upload| {
                    let at = upload.finished_ms.load(Ordering::Acquire);
                    (at > 0).then_some((at, upload.id))
                });
                finished.min().ok_or_else(too_many)?.1
            };
            match self.delete(oldest).await {
                Ok(()) => {}
                // Somebody else was faster.
                Err(problem) if problem.kind == ProblemKind::NotFound => {}
                Err(problem) => return Err(problem),
            }
        }
    }

    /// The state of an upload.
    ///
    /// # Errors
    ///
    /// If there is none with this id, or the store does not answer.
    pub async fn show(&self, id: UploadId) -> Result<UploadState, Problem> {
        let upload = self.upload(id).await?;
        let record = record::load(&*self.0.store, id).await?.ok_or_else(|| gone(id))?;
        Ok(self.state(id, &record, upload.offset()))
    }

    /// Begins to append from the byte `offset` on. Whoever appends at the same time is ended.
    ///
    /// # Errors
    ///
    /// If there is no such upload, it is finished, other bytes are expected, or the store does
    /// not answer.
    pub async fn append(&self, id: UploadId, offset: u64) -> Result<Appending, Problem> {
        let upload = self.upload(id).await?;
        let (mut record, replaced) = upload.take_turn().await;
        if record.finished.is_some() {
            return Err(Problem::new(ProblemKind::Conflict, "the upload is finished"));
        }
        if offset != upload.offset() {
            let detail = format!("{} bytes have arrived, and {offset} were sent", upload.offset());
            return Err(Problem::new(ProblemKind::Conflict, detail)
                .field("offset")
                .remedy("continue where the header Upload-Offset says: HEAD /api/uploads/{id}"));
        }
        record.touched_at = clock::now();
        record.store(&*self.0.store, id).await?;
        Ok(Appending::new(self.clone(), upload, record, replaced))
    }

    /// Writes the object of an upload that is complete, if its SHA-256 is `expected`. Returns
    /// its key and size. A request that is repeated gets the same.
    ///
    /// # Errors
    ///
    /// If bytes are missing, the digest differs, or the store does not answer.
    pub async fn finish(
        &self,
        id: UploadId,
        expected: Option<[u8; 32]>,
    ) -> Result<(String, u64), Problem> {
        let upload = self.upload(id).await?;
        let (mut record, _) = upload.take_turn().await;
        let store = &*self.0.store;
        if let Some(bytes) = record.finished {
            return Ok((record.key.clone(), bytes));
        }
        let received = upload.offset();
        if let Some(bytes) = record.bytes.filter(|bytes| *bytes != received) {
            let detail = format!("{received} of {bytes} bytes have arrived");
            return Err(Problem::new(ProblemKind::Conflict, detail)
                .remedy("send the rest: PUT /api/uploads/{id}?offset=N"));
        }
        let writing = |error: StoreError| error.own_problem("writing the object");
        let mut object = store.upload(&record.key).await.map_err(writing)?;
        let mut hash = Sha256::new();
        let mut written = 0;
        let mut parts = store.list(&keys::upload_parts(id));
        while let Some(part) = parts.try_next().await.map_err(writing)? {
            let bytes = store.read(&part.key, 0, usize::MAX, Vec::new()).await.map_err(writing)?;
            written += bytes.len() as u64;
            hash.update(&bytes);
            object.write(bytes.into()).await.map_err(writing)?;
        }
        if written != received {
            let detail = format!("{written} of {received} bytes are in the store");
            return Err(Problem::new(ProblemKind::Internal, detail).remedy("begin another upload"));
        }
        let computed: [u8; 32] = hash.finalize().into();
        if expected.is_some_and(|expected| expected != computed) {
            let detail = format!("the content has the SHA-256 {}", hex(&computed));
            return Err(Problem::new(ProblemKind::InvalidRequest, detail)
                .field("sha256")
                .remedy("it was damaged, or is another one: delete the upload and begin again"));
        }
        object.finish().await.map_err(writing)?;
        record.finished = Some(written);
        record.store(store, id).await?;
        upload.received.store(0, Ordering::Release);
        upload.finished_ms.store(clock::now().as_millis().max(1), Ordering::Release);
        // What remains is deleted with the record.
        if let Err(error) = store.delete_prefix(&keys::upload_parts(id)).await {
            tracing::warn!(upload = %id, error = with_sources(&error), "parts not deleted yet");
        }
        Ok((record.key.clone(), written))
    }

    /// Deletes an upload with its parts. The object that it has become stays.
    ///
    /// # Errors
    ///
    /// If there is none with this id, or the store does not answer.
    pub async fn delete(&self, id: UploadId) -> Result<(), Problem> {
        let upload = self.upload(id).await?;
        let _turn = upload.take_turn().await;
        let deleted = self.0.store.delete_prefix(&keys::upload(id)).await;
        deleted.map_err(|error| error.own_problem("deleting the upload"))?;
        self.open().remove(&id);
        Ok(())
    }

    /// Deletes uploads that nobody has continued for too long, until it is dropped.
    pub async fn sweep(self) {
        loop {
            if let Err(problem) = self.sweep_once().await {
                tracing::warn!(%problem, "old uploads not deleted; the next sweep tries again");
            }
            sleep(SWEEP_INTERVAL.min(self.0.keep)).await;
        }
    }

    async fn sweep_once(&self) -> Result<(), Problem> {
        self.restore().await?;
        let ids: Vec<UploadId> = self.open().keys().copied().collect();
        for id in ids {
            // Whoever has the turn continues it.
            let upload = self.open().get(&id).cloned();
            if upload.is_none_or(|upload| upload.turn.try_lock().is_err()) {
                continue;
            }
            let record = record::load(&*self.0.store, id).await?;
            let expires_at = record.map(|record| self.expires_at(&record));
            if expires_at.is_none_or(|at| at <= clock::now()) {
                self.delete(id).await?;
                tracing::info!(upload = %id, "upload deleted: nobody has continued it");
            }
        }
        Ok(())
    }

    /// Checks that `more` bytes may be kept as parts.
    fn check_room(&self, more: u64) -> Result<(), Problem> {
        let taken: u64 = self.open().values().map(|upload| upload.offset()).sum();
        if taken.saturating_add(more) <= self.0.bytes_max {
            return Ok(());
        }
        let detail = format!(
            "{taken} bytes of uploads that are not finished are kept; the limit is {} \
             (--max-upload-bytes)",
            self.0.bytes_max
        );
        Err(Problem::new(ProblemKind::InsufficientStorage, detail)
            .remedy("finish or delete other uploads, or start the server with a larger limit"))
    }

    /// Finds the uploads of earlier runs of the server, once.
    async fn restore(&self) -> Result<(), Problem> {
        self.0.restored.get_or_try_init(|| self.find()).await.map(drop)
    }

    async fn find(&self) -> Result<(), Problem> {
        let store = &*self.0.store;
        for (id, arrived) in record::survey(store).await? {
            // Without a record its deletion was interrupted; the sweep goes on.
            let missing = || UploadRecord {
                key: String::new(),
                bytes: None,
                touched_at: Timestamp::default(),
                finished: None,
            };
            let record = record::load(store, id).await?.unwrap_or_else(missing);
            let arrived = if record.finished.is_some() { Arrived::default() } else { arrived };
            self.open().insert(id, Upload::new(id, record, arrived));
        }
        Ok(())
    }

    async fn upload(&self, id: UploadId) -> Result<Arc<Upload>, Problem> {
        self.restore().await?;
        self.open().get(&id).cloned().ok_or_else(|| gone(id))
    }

    fn state(&self, id: UploadId, record: &UploadRecord, offset: u64) -> UploadState {
        UploadState {
            id,
            key: record.key.clone(),
            bytes: record.finished.or(record.bytes),
            offset: record.finished.unwrap_or(offset),
            is_finished: record.finished.is_some(),
            expires_at: self.expires_at(record),
        }
    }

    fn expires_at(&self, record: &UploadRecord) -> Timestamp {
        let keep_ms = u64::try_from(self.0.keep.as_millis()).unwrap_or(u64::MAX);
        record.touched_at.plus_millis(keep_ms)
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<UploadId, Arc<Upload>>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn too_many() -> Problem {
    let detail = format!("{OPEN_MAX} uploads are not finished");
    Problem::new(ProblemKind::TooManyRequests, detail)
        .remedy("finish or delete some: DELETE /api/uploads/{id}")
}

fn gone(id: UploadId) -> Problem {
    no_such_upload(&id.to_string())
}

fn no_such_upload(id: &str) -> Problem {
    Problem::new(ProblemKind::NotFound, format!("there is no upload {id:?}"))
        .remedy("it was deleted, or nobody has continued it for too long: begin another one")
}

#[cfg(test)]
mod tests;
