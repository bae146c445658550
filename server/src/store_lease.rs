//! The store lease: the right to be the only server of a store. A second server
//! started on the same store reports who holds it, and exits.
//!
//! It has nothing to do with the lease that an attempt holds on its task.
//!
//! A store with locks is locked: the operating system releases the lock when the
//! server ends, however it ends. In any other store the lease is an object that
//! names its holder and is rewritten every few seconds. A server that finds an
//! object which has not changed for [`EXPIRE_AFTER`] takes the lease over; one
//! that finds another holder's name in its object has lost it.
//!
//! A server that restarts on the machine where the last holder was killed does
//! not wait for the lease to expire: a locked file there, the [`LivenessFile`],
//! tells whether the holder is alive.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use platform::problems::with_sources;
use platform::store::{StoreLock, read_all};
use platform::{ObjectStore, StoreError, StorePlace};
use program::host::host_name;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::keys;

/// The interval at which the holder rewrites the object.
const RENEW_INTERVAL: Duration = Duration::from_secs(3);
/// How long the object may stay unchanged before the lease has expired: long
/// enough for two renewals in a row to fail.
const EXPIRE_AFTER: Duration = Duration::from_secs(10);
/// How long a stopping server tries to delete the object. The next server waits
/// at most [`EXPIRE_AFTER`] anyway, and a stop must not hang on a store that
/// does not answer.
const RELEASE_TIME_MAX: Duration = Duration::from_secs(2);
/// The interval at which a waiting server looks whether the object has changed.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

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
            lease.renewing.abort();
            let deleted = match timeout(RELEASE_TIME_MAX, lease.store.delete(keys::SERVER)).await {
                Ok(deleted) => deleted.map_err(|error| with_sources(&error)),
                Err(_) => Err("the store does not answer".to_owned()),
            };
            if let Err(error) = deleted {
                tracing::warn!(error, "store lease not released: the next server may have to wait");
                // The file stays, as after a kill: with it the next server here need not wait.
                std::mem::forget(lease.liveness);
            }
        }
    }
}

/// The lease of a store without locks: an object that is renewed.
pub struct ObjectLease {
    store: Arc<dyn ObjectStore>,
    renewing: JoinHandle<anyhow::Error>,
    liveness: Option<LivenessFile>,
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
}

impl Holder {
    fn new() -> Holder {
        let host = host_name().unwrap_or_else(|| "unknown".to_owned());
        Holder { host, process: std::process::id(), server: rand::random(), renewals: 0 }
    }
}

/// A temporary file named after the holder's random number, and locked for as
/// long as the holder lives.
///
/// The file survives a restart of the container in its pod, and another pod or
/// host of the same name does not have it. Host names and process ids prove
/// nothing where each container counts its processes from 1.
struct LivenessFile {
    path: PathBuf,
    _locked: File,
}

impl LivenessFile {
    /// Creates and locks the file; `None` if `folder` cannot be written, so that
    /// the next server has to wait.
    fn create(folder: &Path, server: u64) -> Option<LivenessFile> {
        let path = LivenessFile::path(folder, server);
        let locked = File::create_new(&path).ok()?;
        locked.try_lock().ok()?;
        Some(LivenessFile { path, _locked: locked })
    }

    /// Whether the server has certainly ended: its file is here, and not locked.
    fn has_ended(folder: &Path, server: u64) -> bool {
        let path = LivenessFile::path(folder, server);
        let has_ended = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
        if has_ended {
            // No server looks for it again.
            let _ = fs::remove_file(&path);
        }
        has_ended
    }

    fn path(folder: &Path, server: u64) -> PathBuf {
        folder.join(format!("distributed-average-server-{server:016x}"))
    }
}

impl Drop for LivenessFile {
    fn drop(&mut self) {
        // A file that stays is not locked, which says that this server has ended.
        let _ = fs::remove_file(&self.path);
    }
}

impl ObjectLease {
    async fn acquire(
        place: &StorePlace,
        store: Arc<dyn ObjectStore>,
    ) -> anyhow::Result<ObjectLease> {
        let holder = Holder::new();
        let temporary = std::env::temp_dir();
        // Before any other server can read the number.
        let liveness = LivenessFile::create(&temporary, holder.server);
        while let Err(error) = store.create(keys::SERVER, encode(&holder)?).await {
            if !matches!(error, StoreError::AlreadyExists { .. }) {
                return Err(error).context("acquiring the store lease");
            }
            wait_until_expired(place, &*store, &temporary).await?;
            store.delete(keys::SERVER).await.context("taking over an expired store lease")?;
        }
        let renewing = tokio::spawn(renew(store.clone(), holder));
        Ok(ObjectLease { store, renewing, liveness })
    }
}

/// Waits until the lease has expired or was released.
///
/// # Errors
///
/// If the holder renews it meanwhile.
async fn wait_until_expired(
    place: &StorePlace,
    store: &dyn ObjectStore,
    temporary: &Path,
) -> anyhow::Result<()> {
    let Some(first) = read(store).await? else {
        return Ok(());
    };
    if LivenessFile::has_ended(temporary, first.server) {
        return Ok(());
    }
    let Holder { host, process, .. } = &first;
    tracing::info!(host, process, "store lease held by another server: waiting for it to expire");
    let until = Instant::now() + EXPIRE_AFTER;
    while Instant::now() < until {
        sleep(POLL_INTERVAL).await;
        match read(store).await? {
            None => return Ok(()),
            Some(holder) if holder != first => bail!(
                "another server uses the store {place}: process {} on {}; stop it, \
                 or choose another store with --store",
                holder.process,
                holder.host
            ),
            Some(_) => {}
        }
    }
    Ok(())
}

/// Rewrites the object at intervals; returns why the lease is lost.
async fn renew(store: Arc<dyn ObjectStore>, mut holder: Holder) -> anyhow::Error {
    loop {
        sleep(RENEW_INTERVAL).await;
        let renewed = async {
            match read(&*store).await? {
                Some(other) if other.server != holder.server => return anyhow::Ok(Some(other)),
                _ => {}
            }
            holder.renewals += 1;
            store.put(keys::SERVER, encode(&holder)?).await?;
            Ok(None)
        };
        match renewed.await {
            Ok(None) => {}
            Ok(Some(Holder { host, process, .. })) => {
                return anyhow::anyhow!(
                    "process {process} on {host} has taken over the store: this server did not \
                     renew its store lease for {} s",
                    EXPIRE_AFTER.as_secs()
                );
            }
            Err(error) => tracing::warn!(error = format!("{error:#}"), "store lease not renewed"),
        }
    }
}

async fn read(store: &dyn ObjectStore) -> anyhow::Result<Option<Holder>> {
    match read_all(store, keys::SERVER).await {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)
            .map(Some)
            .with_context(|| format!("reading {}", keys::SERVER))?),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", keys::SERVER)),
    }
}

fn encode(holder: &Holder) -> anyhow::Result<Bytes> {
    Ok(serde_json::to_vec(holder).context("encoding the store lease")?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_ended_once_its_file_is_not_locked() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!LivenessFile::has_ended(folder.path(), 7), "it may live elsewhere");
        let liveness = LivenessFile::create(folder.path(), 7).unwrap();
        assert!(!LivenessFile::has_ended(folder.path(), 7), "it lives");
        // As if it had been killed.
        let path = LivenessFile::path(folder.path(), 7);
        drop(liveness);
        File::create_new(&path).unwrap();
        assert!(LivenessFile::has_ended(folder.path(), 7));
        assert!(!path.exists(), "killed servers leave nothing behind for long");
    }

    #[test]
    fn without_a_folder_to_write_there_is_no_liveness_file() {
        assert!(LivenessFile::create(Path::new("/nowhere"), 7).is_none());
    }
}
