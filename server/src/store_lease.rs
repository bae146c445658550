//! The store lease: the right to be the only server of a store. A second server
//! started on the same store reports who holds it, and exits.
//!
//! It has nothing to do with the lease that an attempt holds on its task.
//!
//! A store with locks is locked: the operating system releases the lock when the
//! server ends, however it ends. In any other store the lease is an object that
//! names its holder and is rewritten every few seconds, each time only if it is still
//! of the version that the holder wrote last. A server that finds an object which has
//! not changed for [`EXPIRE_AFTER`] takes the lease over, in the same way: of several
//! exactly one succeeds. Its epoch is one more than that of the holder before.
//!
//! A holder that could not renew its lease for [`VALID_FOR`] stops writing
//! ([`fence`]) before anybody can take the lease. When the store answers again, either
//! the lease is renewed, which shows that nobody took it, and the server goes on; or
//! the server has lost it, and ends.
//!
//! A server that restarts on the machine where the last holder was killed does
//! not wait for the lease to expire: a locked file there, the [`LivenessFile`],
//! tells whether the holder is alive.

mod fence;
mod liveness;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use platform::store::StoreLock;
use platform::{ObjectStore, Pin, StoreError, StorePlace};
use program::host::host_name;
use protocol::ObjectVersion;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use self::fence::{Fence, FencedStore};
use self::liveness::LivenessFile;
use crate::keys;

/// The interval at which the holder rewrites the object, and the time that it waits for
/// an answer.
const RENEW_INTERVAL: Duration = Duration::from_secs(2);
/// How long the holder may write after it began its last successful renewal: long enough
/// for one renewal to fail and the next to take its time.
const VALID_FOR: Duration = Duration::from_secs(7);
/// How long the object must stay unchanged before another server takes the lease. The
/// difference is for requests of the holder that are on their way, and for clocks that
/// run at different speeds.
const EXPIRE_AFTER: Duration = Duration::from_secs(10);
/// How long a stopping server tries to release the lease. The next server waits
/// at most [`EXPIRE_AFTER`] anyway, and a stop must not hang on a store that
/// does not answer.
const RELEASE_TIME_MAX: Duration = Duration::from_secs(2);
/// The interval at which a waiting server looks whether the object has changed.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// The most bytes that are read of the object.
const OBJECT_BYTES_MAX: usize = 64 << 10;

/// The right to be the only server of a store.
pub enum StoreLease {
    /// The lock of a store that has one.
    Lock(StoreLock),
    /// A renewed object, in a store without locks.
    Object(ObjectLease),
}

impl StoreLease {
    /// Acquires the lease of the store at `place`, which is open as `store`.
    ///
    /// # Errors
    ///
    /// If another server holds the lease, or the store does not answer.
    pub async fn acquire(
        place: &StorePlace,
        store: Arc<dyn ObjectStore>,
    ) -> anyhow::Result<StoreLease> {
        match store.lock() {
            Ok(Some(lock)) => Ok(StoreLease::Lock(lock)),
            Ok(None) => Ok(StoreLease::Object(ObjectLease::acquire(place, store).await?)),
            Err(StoreError::AlreadyExists { .. }) => bail!(
                "another server uses the store {place}: stop it, or choose another store with \
                 --store"
            ),
            Err(error) => Err(error).with_context(|| format!("locking the store {place}")),
        }
    }

    /// The store, which is written only while the lease is valid.
    #[must_use]
    pub fn fenced(&self, store: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        match self {
            StoreLease::Lock(_) => store,
            StoreLease::Object(lease) => Arc::new(FencedStore::new(store, lease.fence.clone())),
        }
    }

    /// Waits until the lease is lost, and returns why. Normally it never returns.
    pub async fn lost(&mut self) -> anyhow::Error {
        match self {
            StoreLease::Lock(_) => std::future::pending().await,
            StoreLease::Object(lease) => match (&mut lease.renewing).await {
                Ok(error) => error,
                Err(panicked) => anyhow::Error::new(panicked).context("renewing the store lease"),
            },
        }
    }

    /// Releases the lease, so that the next server need not wait.
    pub async fn release(self) {
        if let StoreLease::Object(lease) = self
            && !lease.renewing.is_finished()
        {
            lease.release().await;
        }
    }
}

/// The lease of a store without locks: an object that is renewed.
pub struct ObjectLease {
    store: Arc<dyn ObjectStore>,
    /// Ends once the lease is lost.
    renewing: JoinHandle<anyhow::Error>,
    /// The object as it was written last.
    held: watch::Receiver<Held>,
    fence: Fence,
    liveness: Option<LivenessFile>,
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
}

impl Holder {
    fn new() -> Holder {
        let host = host_name().unwrap_or_else(|| "unknown".to_owned());
        let (process, server) = (std::process::id(), rand::random());
        Holder { host, process, server, renewals: 0, epoch: 0, released: false }
    }
}

/// What is found at the key of the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    /// `None` if the content is not that of a lease.
    holder: Option<Holder>,
    version: ObjectVersion,
}

impl ObjectLease {
    async fn acquire(
        place: &StorePlace,
        store: Arc<dyn ObjectStore>,
    ) -> anyhow::Result<ObjectLease> {
        let mut holder = Holder::new();
        let temporary = std::env::temp_dir();
        // Before any other server can read the number.
        let liveness = LivenessFile::create(&temporary, holder.server);
        let (began, version) = loop {
            let found = read(&*store).await?;
            let expired = match found {
                None => None,
                Some(found) => wait_until_expired(place, &*store, &temporary, found).await?,
            };
            let before = expired.as_ref().and_then(|found| found.holder.as_ref());
            holder.epoch = before.map_or(0, |before| before.epoch) + 1;
            let began = Instant::now();
            if let Some(version) = take(&*store, &holder, expired).await? {
                break (began, version);
            }
        };
        let (valid, valid_until) = watch::channel(began + VALID_FOR);
        let (held, held_now) = watch::channel(Held { holder, version });
        let renewing = tokio::spawn(renew(store.clone(), held, valid));
        let fence = Fence::new(valid_until);
        Ok(ObjectLease { store, renewing, held: held_now, fence, liveness })
    }

    async fn release(self) {
        self.renewing.abort();
        // Nothing is renewed once it has ended.
        let _ = self.renewing.await;
        let last = self.held.borrow().clone();
        let released = rewrite(&*self.store, last, |holder| holder.released = true);
        let released = match timeout(RELEASE_TIME_MAX, released).await {
            Ok(released) => released.map(drop).map_err(|error| format!("{error:#}")),
            Err(_) => Err("the store does not answer".to_owned()),
        };
        if let Err(error) = released {
            tracing::warn!(error, "store lease not released: the next server may have to wait");
            // The file stays, as after a kill: with it the next server here need not wait.
            std::mem::forget(self.liveness);
        }
    }
}

/// Takes a lease that has expired, or that nobody has held before; `None` if another server
/// was first.
async fn take(
    store: &dyn ObjectStore,
    holder: &Holder,
    expired: Option<Found>,
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

/// Waits until the lease has expired or was released; returns what is then there.
///
/// # Errors
///
/// If the holder renews it meanwhile.
async fn wait_until_expired(
    place: &StorePlace,
    store: &dyn ObjectStore,
    temporary: &Path,
    first: Found,
) -> anyhow::Result<Option<Found>> {
    if let Some(holder) = &first.holder {
        if holder.released || LivenessFile::has_ended(temporary, holder.server) {
            return Ok(Some(first));
        }
        let Holder { host, process, .. } = holder;
        tracing::info!(
            host,
            process,
            "store lease held by another server: waiting for it to expire"
        );
    }
    let until = Instant::now() + EXPIRE_AFTER;
    while Instant::now() < until {
        sleep(POLL_INTERVAL).await;
        match read(store).await? {
            None => return Ok(None),
            Some(found) if found.holder.as_ref().is_some_and(|holder| holder.released) => {
                return Ok(Some(found));
            }
            Some(found) if found != first => {
                let (process, host) = found
                    .holder
                    .map_or((0, "unknown".to_owned()), |holder| (holder.process, holder.host));
                bail!(
                    "another server uses the store {place}: process {process} on {host}; stop it, \
                     or choose another store with --store"
                );
            }
            Some(_) => {}
        }
    }
    Ok(Some(first))
}

/// Rewrites the object at intervals, and tells until when the lease is valid; returns why
/// the lease is lost.
async fn renew(
    store: Arc<dyn ObjectStore>,
    held: watch::Sender<Held>,
    valid: watch::Sender<Instant>,
) -> anyhow::Error {
    loop {
        sleep(RENEW_INTERVAL).await;
        let began = Instant::now();
        let last = held.borrow().clone();
        let renewed = rewrite(&*store, last, |holder| holder.renewals += 1);
        let error = match timeout(RENEW_INTERVAL, renewed).await {
            Ok(Ok(renewed)) => {
                if Instant::now() >= *valid.borrow() {
                    tracing::warn!("store lease renewed after it had expired: nobody took it");
                }
                held.send_replace(renewed);
                valid.send_replace(began + VALID_FOR);
                continue;
            }
            Ok(Err(error)) => match error.downcast::<TakenOver>() {
                Ok(taken) => return taken.into(),
                Err(error) => format!("{error:#}"),
            },
            Err(_) => "the store does not answer".to_owned(),
        };
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
