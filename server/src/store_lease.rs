//! The store lease: the right to lead, as the only one of the servers of a store that
//! plans jobs and writes. The others stand by: they look every moment whether the lease
//! has become free ([`Candidate`]), and pass requests on to the address that its holder
//! has written into it ([`Leader`]).
//!
//! It has nothing to do with the lease that an attempt holds on its task.
//!
//! A store with locks is locked: the operating system releases the lock when the
//! server ends, however it ends. The object of the lease only tells who holds the lock.
//! In any other store the object is the lease: it names its holder and is rewritten every
//! few moments, each time only if it is still of the version that the holder wrote last. A
//! server that finds an object which has not changed for [`EXPIRE_AFTER`] takes the lease
//! over, in the same way: of several exactly one succeeds. Its epoch is one more than that
//! of the holder before.
//!
//! A holder that could not renew its lease for [`VALID_FOR`] stops writing
//! ([`fence`]) before anybody can take the lease. When the store answers again, either
//! the lease is renewed, which shows that nobody took it, and the server goes on; or
//! the server has lost it, and stands by.
//!
//! A server on the machine where the last holder was killed does not wait for the lease to
//! expire: a locked file there, the [`LivenessFile`], tells whether the holder is alive.

mod fence;
mod fenced_queue;
mod liveness;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use platform::store::StoreLock;
use platform::{ObjectStore, Pin, ServerEnd, StoreError};
use program::host::host_name;
use protocol::ObjectVersion;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use self::fence::{Fence, FencedStore};
use self::fenced_queue::FencedQueue;
use self::liveness::LivenessFile;
use crate::access::passed::PassingKey;
use crate::keys;

/// The interval at which the holder rewrites the object, and the time that it waits for
/// an answer.
const RENEW_INTERVAL: Duration = Duration::from_millis(1_500);
/// The pause after a renewal that has failed.
const RENEW_AGAIN: Duration = Duration::from_millis(250);
/// How long the holder may write after it began its last successful renewal: long enough
/// for one renewal to fail and the next to take its time.
const VALID_FOR: Duration = Duration::from_millis(4_500);
/// How long the object must stay unchanged before another server takes the lease. The
/// difference is for requests of the holder that are on their way, and for clocks that
/// run at different speeds. Together with [`POLL_INTERVAL`] and the start of a server it
/// is less than the ten seconds within which a standby leads.
const EXPIRE_AFTER: Duration = Duration::from_secs(6);
/// How long a stopping server tries to release the lease. The next server waits
/// at most [`EXPIRE_AFTER`] anyway, and a stop must not hang on a store that
/// does not answer.
const RELEASE_TIME_MAX: Duration = Duration::from_secs(2);
/// How often a server that finds a lease expired tries to take it before it looks again later.
const TAKES_AT_ONCE: usize = 3;
/// The interval at which a server that stands by should look.
pub const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// The most bytes that are read of the object.
const OBJECT_BYTES_MAX: usize = 64 << 10;

/// The holder of the lease, as the others know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    /// How others reach it.
    pub reached: Reached,
    /// What requests that are passed on to it are signed with.
    pub key: PassingKey,
    /// How many servers have held the lease, with this one.
    pub epoch: u64,
}

/// How others reach a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Its URL, without a path: `http://10.0.0.7:3000`.
    pub url: String,
    /// The SHA-256 of its certificate, if it speaks TLS, as hexadecimal digits.
    pub certificate: Option<String>,
}

/// What a [`Candidate`] has found.
pub enum Look {
    /// The lease is this server's.
    Acquired(StoreLease),
    /// Another server holds it: this one, or one that does not serve yet, or not any more.
    Held(Option<Leader>),
}

/// A server that wants the lease.
pub struct Candidate {
    store: Arc<dyn ObjectStore>,
    /// The object as it was found last, and since when it has been so.
    unchanged: Option<(Found, Instant)>,
}

impl Candidate {
    /// A server that wants the lease of `store`.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>) -> Candidate {
        Candidate { store, unchanged: None }
    }

    /// Takes the lease if it is free, or returns who holds it. To be called every
    /// [`POLL_INTERVAL`].
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn look(&mut self) -> anyhow::Result<Look> {
        let looked = match self.store.lock() {
            Ok(Some(lock)) => Ok(Look::Acquired(self.lead_locked(lock).await)),
            Ok(None) => self.look_at_object().await,
            Err(StoreError::AlreadyExists { .. }) => {
                let found = read(&*self.store).await?;
                Ok(Look::Held(found.and_then(|found| found.leader())))
            }
            Err(error) => Err(error).context("locking the store"),
        };
        if !matches!(looked, Ok(Look::Held(_))) {
            // While the store is away nobody can renew the lease.
            self.unchanged = None;
        }
        looked
    }

    /// Tells others who holds the lock. A server leads without that, too: on a disk that
    /// is full somebody has to delete something.
    async fn lead_locked(&self, lock: StoreLock) -> StoreLease {
        let before = read(&*self.store).await.unwrap_or_else(|error| {
            let error = format!("{error:#}");
            tracing::warn!(error, "the holder of the store before is not known");
            None
        });
        let holder = Holder::after(before.and_then(|found| found.holder).as_ref());
        if let Err(error) = write(&*self.store, &holder).await {
            let error = format!("{error:#}");
            tracing::warn!(error, "not told other servers that this one leads");
        }
        let (announced, announcements) = watch::channel(None);
        let leader = holder.own();
        let telling = tokio::spawn(tell(self.store.clone(), holder.clone(), announcements));
        let version = ObjectVersion::of_etag("");
        StoreLease {
            store: self.store.clone(),
            right: Right::Lock { _lock: lock },
            keeping: AbortOnDropHandle::new(telling),
            held: watch::channel(Held { holder, version }).1,
            announced,
            leader,
        }
    }

    async fn look_at_object(&mut self) -> anyhow::Result<Look> {
        let folder = std::env::temp_dir();
        for _ in 0..TAKES_AT_ONCE {
            let expired = match read(&*self.store).await? {
                None => None,
                Some(found) if self.has_expired(&found) => Some(found),
                Some(found) => return Ok(Look::Held(found.leader())),
            };
            let before = expired.as_ref().and_then(|found| found.holder.as_ref());
            let holder = Holder::after(before);
            // Before any other server can read the number.
            let liveness = LivenessFile::create(&folder, holder.server);
            let began = Instant::now();
            if let Some(version) = take(&*self.store, &holder, expired.as_ref()).await? {
                if let Some(before) = before {
                    LivenessFile::remove(&folder, before.server);
                }
                let held = Held { holder, version };
                return Ok(Look::Acquired(self.lead(held, liveness, began + VALID_FOR)));
            }
            // Another server was first, or a server that has ended since has renewed it.
        }
        Ok(Look::Held(None))
    }

    /// Begins to renew a lease that was just taken.
    fn lead(&self, held: Held, liveness: Option<LivenessFile>, valid: Instant) -> StoreLease {
        let leader = held.holder.own();
        let (valid, valid_until) = watch::channel(valid);
        let (held, held_now) = watch::channel(held);
        let (announced, announcements) = watch::channel(None);
        let renewing = tokio::spawn(renew(self.store.clone(), held, valid, announcements));
        StoreLease {
            store: self.store.clone(),
            right: Right::Object { fence: Fence::new(valid_until), liveness },
            keeping: AbortOnDropHandle::new(renewing),
            held: held_now,
            announced,
            leader,
        }
    }

    /// Whether a lease was released, its holder is certainly dead, or it has not been
    /// renewed for long.
    fn has_expired(&mut self, found: &Found) -> bool {
        if let Some(holder) = &found.holder
            && (holder.released || LivenessFile::has_ended(&std::env::temp_dir(), holder.server))
        {
            return true;
        }
        match &self.unchanged {
            Some((last, since)) if last == found => since.elapsed() >= EXPIRE_AFTER,
            _ => {
                self.unchanged = Some((found.clone(), Instant::now()));
                false
            }
        }
    }
}

/// The right to lead the servers of a store.
pub struct StoreLease {
    store: Arc<dyn ObjectStore>,
    right: Right,
    /// Keeps the object up to date; ends once the lease is lost.
    keeping: AbortOnDropHandle<anyhow::Error>,
    /// The object as it was written last.
    held: watch::Receiver<Held>,
    announced: watch::Sender<Option<Reached>>,
    leader: (PassingKey, u64),
}

/// What the right consists of.
enum Right {
    /// The lock of a store that has one.
    Lock { _lock: StoreLock },
    /// A renewed object, in a store without locks.
    Object { fence: Fence, liveness: Option<LivenessFile> },
}

impl StoreLease {
    /// What keeps this server from writing once the lease is not valid.
    #[must_use]
    pub fn fencing(&self) -> Fencing {
        match &self.right {
            // Nobody else has the lock while this process lives.
            Right::Lock { .. } => Fencing(None),
            Right::Object { fence, .. } => Fencing(Some(fence.clone())),
        }
    }

    /// What requests that others pass on to the holder are signed with.
    #[must_use]
    pub fn key(&self) -> PassingKey {
        self.leader.0.clone()
    }

    /// How many servers have held the lease, with this one.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.leader.1
    }

    /// Tells the others, within a moment, how to reach the holder. Until then they pass
    /// nothing on.
    pub fn announce(&self, reached: Reached) {
        self.announced.send_if_modified(|announced| {
            let is_new = announced.as_ref() != Some(&reached);
            *announced = Some(reached);
            is_new
        });
    }

    /// Waits until the lease is lost, and returns why. Normally it never returns.
    pub async fn lost(&mut self) -> anyhow::Error {
        match (&mut self.keeping).await {
            Ok(error) => error,
            Err(panicked) => anyhow::Error::new(panicked).context("renewing the store lease"),
        }
    }

    /// Releases the lease, so that the next server need not wait. One that was lost is
    /// another's, and left alone.
    pub async fn release(self) {
        let StoreLease { store, right, keeping, held, .. } = self;
        if keeping.is_finished() {
            return;
        }
        keeping.abort();
        // Nothing is written once it has ended.
        let _ = keeping.await;
        let last = held.borrow().clone();
        let releasing = async {
            match &right {
                Right::Lock { .. } => {
                    let holder = Holder { released: true, ..last.holder };
                    write(&*store, &holder).await
                }
                Right::Object { .. } => {
                    rewrite(&*store, last, |holder| holder.released = true).await.map(drop)
                }
            }
        };
        let released = match timeout(RELEASE_TIME_MAX, releasing).await {
            Ok(released) => released.map_err(|error| format!("{error:#}")),
            Err(_) => Err("the store does not answer".to_owned()),
        };
        if let Err(error) = released {
            tracing::warn!(error, "store lease not released: the next server may have to wait");
            if let Right::Object { liveness, .. } = right {
                // The file stays, as after a kill: with it the next server here need not
                // wait.
                std::mem::forget(liveness);
            }
        }
    }
}

/// Keeps a server from writing while it does not hold the lease. The default one always
/// lets it write.
#[derive(Clone, Default)]
pub struct Fencing(Option<Fence>);

impl Fencing {
    /// Whether the server may write at this moment.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.0.as_ref().is_none_or(Fence::is_valid)
    }

    /// The store, which is written only while the lease is valid.
    #[must_use]
    pub fn store(&self, store: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        match &self.0 {
            None => store,
            Some(fence) => Arc::new(FencedStore::new(store, fence.clone())),
        }
    }

    /// The server's end of the queue, which sends and takes messages only while the lease
    /// is valid.
    #[must_use]
    pub fn queue(&self, queue: Arc<dyn ServerEnd>) -> Arc<dyn ServerEnd> {
        match &self.0 {
            None => queue,
            Some(fence) => Arc::new(FencedQueue::new(queue, fence.clone())),
        }
    }
}

/// The object as its holder wrote it.
#[derive(Clone, Debug)]
struct Held {
    holder: Holder,
    version: ObjectVersion,
}

/// The content of the object: who holds the lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    host: String,
    process: u32,
    /// A random number: host and process id alone do not identify a server.
    server: u64,
    /// How many times the object has been rewritten.
    renewals: u64,
    /// How many servers have held the lease before. Earlier versions did not count.
    #[serde(default)]
    epoch: u64,
    /// Whether the holder has released the lease.
    #[serde(default)]
    released: bool,
    /// The URL at which others reach the holder, once it serves. Earlier versions did not
    /// tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// The SHA-256 of its certificate, if it speaks TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    /// What requests that are passed on to the holder are signed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<PassingKey>,
}

impl Holder {
    /// This server, as the holder after another.
    fn after(before: Option<&Holder>) -> Holder {
        Holder {
            host: host_name().unwrap_or_else(|| "unknown".to_owned()),
            process: std::process::id(),
            server: rand::random(),
            renewals: 0,
            epoch: before.map_or(0, |before| before.epoch) + 1,
            released: false,
            url: None,
            certificate: None,
            key: Some(PassingKey::random()),
        }
    }

    /// The key and the epoch of a holder that is this server.
    fn own(&self) -> (PassingKey, u64) {
        (self.key.clone().unwrap_or_else(PassingKey::random), self.epoch)
    }

    fn announce(&mut self, reached: Option<&Reached>) {
        if let Some(Reached { url, certificate }) = reached {
            self.url = Some(url.clone());
            self.certificate.clone_from(certificate);
        }
    }
}

/// What is found at the key of the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    /// `None` if the content is not that of a lease.
    holder: Option<Holder>,
    version: ObjectVersion,
}

impl Found {
    /// The holder, if it can be reached.
    fn leader(&self) -> Option<Leader> {
        let holder = self.holder.as_ref().filter(|holder| !holder.released)?;
        let reached = Reached { url: holder.url.clone()?, certificate: holder.certificate.clone() };
        Some(Leader { reached, key: holder.key.clone()?, epoch: holder.epoch })
    }
}

/// Takes a lease that has expired, or that nobody has held before; `None` if it has been
/// written meanwhile.
async fn take(
    store: &dyn ObjectStore,
    holder: &Holder,
    expired: Option<&Found>,
) -> anyhow::Result<Option<ObjectVersion>> {
    let bytes = encode(holder)?;
    let taken = match expired {
        Some(found) => store.replace(keys::SERVER, bytes, &found.version).await,
        None => match store.create(keys::SERVER, bytes).await {
            // Its version is not told.
            Ok(()) => {
                let found = read(store).await?;
                let own = found.filter(|found| found.holder.as_ref() == Some(holder));
                return Ok(own.map(|found| found.version));
            }
            Err(error) => Err(error),
        },
    };
    match taken {
        Ok(version) => Ok(Some(version)),
        Err(StoreError::AlreadyExists { .. } | StoreError::Changed { .. }) => Ok(None),
        Err(error) => Err(error).context("acquiring the store lease"),
    }
}

/// Tells, in a store with a lock, how the holder is reached; never ends by itself.
async fn tell(
    store: Arc<dyn ObjectStore>,
    mut holder: Holder,
    mut announcements: watch::Receiver<Option<Reached>>,
) -> anyhow::Error {
    loop {
        if announcements.changed().await.is_err() {
            return std::future::pending().await;
        }
        holder.announce(announcements.borrow_and_update().as_ref());
        while let Err(error) = write(&*store, &holder).await {
            let error = format!("{error:#}");
            tracing::warn!(error, "address of this server not stored: trying again");
            sleep(RENEW_INTERVAL).await;
        }
    }
}

/// Rewrites the object at intervals, and tells until when the lease is valid; returns why
/// the lease is lost.
async fn renew(
    store: Arc<dyn ObjectStore>,
    held: watch::Sender<Held>,
    valid: watch::Sender<Instant>,
    mut announcements: watch::Receiver<Option<Reached>>,
) -> anyhow::Error {
    let mut pause = RENEW_INTERVAL;
    loop {
        tokio::select! {
            () = sleep(pause) => {}
            Ok(()) = announcements.changed() => {}
        }
        let began = Instant::now();
        let last = held.borrow().clone();
        let reached = announcements.borrow_and_update().clone();
        let renewed = rewrite(&*store, last, |holder| {
            holder.renewals += 1;
            holder.announce(reached.as_ref());
        });
        let error = match timeout(RENEW_INTERVAL, renewed).await {
            Ok(Ok(renewed)) => {
                if Instant::now() >= *valid.borrow() {
                    tracing::warn!("store lease renewed after it had expired: nobody took it");
                }
                held.send_replace(renewed);
                valid.send_replace(began + VALID_FOR);
                pause = RENEW_INTERVAL;
                continue;
            }
            Ok(Err(error)) => match error.downcast::<TakenOver>() {
                Ok(taken) => return taken.into(),
                Err(error) => format!("{error:#}"),
            },
            Err(_) => "the store does not answer".to_owned(),
        };
        pause = RENEW_AGAIN;
        if Instant::now() < *valid.borrow() {
            tracing::warn!(error, "store lease not renewed");
        } else {
            tracing::error!(error, "store lease expired: nothing is written until it is renewed");
        }
    }
}

/// Writes the object with a change, if this server still holds the lease.
async fn rewrite(
    store: &dyn ObjectStore,
    last: Held,
    change: impl Fn(&mut Holder),
) -> anyhow::Result<Held> {
    let Held { mut holder, mut version } = last;
    loop {
        change(&mut holder);
        match store.replace(keys::SERVER, encode(&holder)?, &version).await {
            Ok(version) => return Ok(Held { holder, version }),
            // What is found is not proof of a renewal: others may have seen it long ago.
            Err(StoreError::Changed { .. }) => {
                Held { holder, version } = adopt(store, &holder).await?;
            }
            Err(error) => return Err(error).context("renewing the store lease"),
        }
    }
}

/// The object after it has changed: written by an earlier renewal that was not answered in
/// time, or by another server.
async fn adopt(store: &dyn ObjectStore, own: &Holder) -> anyhow::Result<Held> {
    let found = read(store).await?;
    match found {
        Some(Found { holder: Some(holder), version })
            if holder.server == own.server && holder.epoch == own.epoch =>
        {
            Ok(Held { holder, version })
        }
        Some(Found { holder: Some(Holder { host, process, .. }), .. }) => {
            Err(TakenOver { by: format!("process {process} on {host}") }.into())
        }
        Some(_) | None => Err(TakenOver { by: "somebody".to_owned() }.into()),
    }
}

/// Another server has the lease.
#[derive(Debug, thiserror::Error)]
#[error(
    "{by} has taken over the store: this server did not renew its store lease for {} s",
    EXPIRE_AFTER.as_secs()
)]
struct TakenOver {
    by: String,
}

/// What is at the key of the lease; `None` if there is nothing.
async fn read(store: &dyn ObjectStore) -> anyhow::Result<Option<Found>> {
    loop {
        let found = async {
            let object = store.head(keys::SERVER).await?;
            // A store without versions cannot hold a lease; none is known.
            let version = object.version.unwrap_or_else(|| ObjectVersion::of_etag(""));
            let pin = Pin { bytes: object.bytes, version };
            let length = OBJECT_BYTES_MAX;
            let bytes = store.read_pinned(keys::SERVER, Some(&pin), 0, length, Vec::new()).await?;
            let holder = serde_json::from_slice(&bytes).ok();
            Ok(Found { holder, version: pin.version })
        };
        match found.await {
            Ok(found) => return Ok(Some(found)),
            // Written in between.
            Err(StoreError::Changed { .. }) => {}
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("reading {}", keys::SERVER)),
        }
    }
}

fn encode(holder: &Holder) -> anyhow::Result<Bytes> {
    Ok(serde_json::to_vec(holder).context("encoding the store lease")?.into())
}

/// Writes the object in a store with a lock, which its caller holds.
async fn write(store: &dyn ObjectStore, holder: &Holder) -> anyhow::Result<()> {
    let written = store.put(keys::SERVER, encode(holder)?).await;
    written.with_context(|| format!("writing {}", keys::SERVER))
}
