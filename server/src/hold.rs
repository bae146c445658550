//! One server a store: a second one started by mistake says so and ends.
//!
//! A store that has a lock is locked: the operating system lets go of it when
//! the server ends in whatever way. In any other an object names the
//! server and is written anew every few seconds; who finds one that has not
//! changed for longer takes over, and who finds somebody else's name in it ends.
//! A server that is started again where the one before was killed need not wait:
//! a file there tells whether that one lives.

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

/// How often the object is written anew …
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// … and how long it may stay as it is before its server counts as gone.
const GONE_AFTER: Duration = Duration::from_secs(10);
/// How long a server that ends tries to let go: the next waits no longer than
/// [`GONE_AFTER`], and whoever stops this one shall not wait for a store that is away.
const RELEASE_WITHIN: Duration = Duration::from_secs(5);
/// How often somebody who waits looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The right to be the only server of a store.
pub enum Hold {
    /// Of a store that can be locked.
    Lock(StoreLock),
    /// Of a store without locks.
    Lease(Lease),
}

impl Hold {
    /// Takes hold of the store at `place`, which is open as `store`.
    pub async fn take(place: &StorePlace, store: Arc<dyn ObjectStore>) -> anyhow::Result<Hold> {
        match store.lock() {
            Ok(Some(lock)) => Ok(Hold::Lock(lock)),
            Ok(None) => Ok(Hold::Lease(Lease::take(place, store).await?)),
            Err(StoreError::AlreadyExists { .. }) => bail!(
                "another server uses the store {place}: stop it, or name another store by --store"
            ),
            Err(error) => Err(error).with_context(|| format!("locking the store {place}")),
        }
    }

    /// Waits until somebody else has the store, which is for ever as long as
    /// all goes well.
    pub async fn lost(&mut self) -> anyhow::Error {
        match self {
            Hold::Lock(_) => std::future::pending().await,
            Hold::Lease(lease) => match (&mut lease.renewing).await {
                Ok(error) => error,
                Err(panicked) => anyhow::Error::new(panicked).context("renewing the lease"),
            },
        }
    }

    /// Lets go of the store.
    pub async fn release(self) {
        if let Hold::Lease(lease) = self
            && !lease.renewing.is_finished()
        {
            lease.renewing.abort();
            let deleted = match timeout(RELEASE_WITHIN, lease.store.delete(keys::SERVER)).await {
                Ok(deleted) => deleted.map_err(|error| with_sources(&error)),
                Err(_) => Err("the store does not answer".to_owned()),
            };
            if let Err(error) = deleted {
                tracing::warn!(error, "the next server may have to wait");
                // The file stays, as after a kill, and may spare it that.
                std::mem::forget(lease.sign);
            }
        }
    }
}

/// The right to be the only server of a store without locks.
pub struct Lease {
    store: Arc<dyn ObjectStore>,
    renewing: JoinHandle<anyhow::Error>,
    sign: Option<SignOfLife>,
}

/// What the object says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    host: String,
    process: u32,
    /// Tells servers of one host and process number apart.
    server: u64,
    /// How often it has been written.
    renewals: u64,
}

impl Holder {
    fn new() -> Holder {
        let host = host_name().unwrap_or_else(|| "unknown".to_owned());
        Holder { host, process: std::process::id(), server: rand::random(), renewals: 0 }
    }
}

/// A temporary file, called like the server's number and locked as long as the
/// server lives, however it ends.
///
/// It outlives a container that is started again in its pod, and is not there
/// for a pod or a host of the same name: names and process numbers prove nothing
/// where each container counts processes from 1.
struct SignOfLife {
    path: PathBuf,
    _locked: File,
}

impl SignOfLife {
    /// Without a place to write there is none, and the next server has to wait.
    fn give(folder: &Path, server: u64) -> Option<SignOfLife> {
        let path = SignOfLife::path(folder, server);
        let locked = File::create_new(&path).ok()?;
        locked.try_lock().ok()?;
        Some(SignOfLife { path, _locked: locked })
    }

    /// Whether a server has ended for certain: its file is here, and nobody's.
    fn is_over(folder: &Path, server: u64) -> bool {
        let path = SignOfLife::path(folder, server);
        let is_over = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
        if is_over {
            // Nobody will ask for it again.
            let _ = fs::remove_file(&path);
        }
        is_over
    }

    fn path(folder: &Path, server: u64) -> PathBuf {
        folder.join(format!("distributed-average-server-{server:016x}"))
    }
}

impl Drop for SignOfLife {
    fn drop(&mut self) {
        // What stays says no more than that this server is gone.
        let _ = fs::remove_file(&self.path);
    }
}

impl Lease {
    async fn take(place: &StorePlace, store: Arc<dyn ObjectStore>) -> anyhow::Result<Lease> {
        let holder = Holder::new();
        let temporary = std::env::temp_dir();
        // Before anybody can read the number.
        let sign = SignOfLife::give(&temporary, holder.server);
        while let Err(error) = store.create(keys::SERVER, encode(&holder)?).await {
            if !matches!(error, StoreError::AlreadyExists { .. }) {
                return Err(error).context("seeing whether another server uses the store");
            }
            wait_until_gone(place, &*store, &temporary).await?;
            store.delete(keys::SERVER).await.context("taking over from a server that is gone")?;
        }
        let renewing = tokio::spawn(renew(store.clone(), holder));
        Ok(Lease { store, renewing, sign })
    }
}

/// Watches the object: an error says that somebody keeps writing it.
async fn wait_until_gone(
    place: &StorePlace,
    store: &dyn ObjectStore,
    temporary: &Path,
) -> anyhow::Result<()> {
    let Some(first) = read(store).await? else {
        return Ok(());
    };
    if SignOfLife::is_over(temporary, first.server) {
        return Ok(());
    }
    let Holder { host, process, .. } = &first;
    tracing::info!(host, process, "the store was another server's: waiting whether it lives");
    let until = Instant::now() + GONE_AFTER;
    while Instant::now() < until {
        sleep(LOOK_EVERY).await;
        match read(store).await? {
            None => return Ok(()),
            Some(holder) if holder != first => bail!(
                "another server uses the store {place}: process {} on {}; stop it, \
                 or name another store by --store",
                holder.process,
                holder.host
            ),
            Some(_) => {}
        }
    }
    Ok(())
}

/// Writes the object anew, as long as it is this server's.
async fn renew(store: Arc<dyn ObjectStore>, mut holder: Holder) -> anyhow::Error {
    loop {
        sleep(RENEW_EVERY).await;
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
                    "process {process} on {host} has taken over the store, \
                     as this server had not answered for long"
                );
            }
            Err(error) => tracing::warn!(error = format!("{error:#}"), "lease not renewed"),
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
    Ok(serde_json::to_vec(holder).context("naming this server")?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_over_once_nobody_holds_its_file() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!SignOfLife::is_over(folder.path(), 7), "it may live elsewhere");
        let sign = SignOfLife::give(folder.path(), 7).unwrap();
        assert!(!SignOfLife::is_over(folder.path(), 7), "it lives");
        // As if it had been killed.
        let path = SignOfLife::path(folder.path(), 7);
        drop(sign);
        File::create_new(&path).unwrap();
        assert!(SignOfLife::is_over(folder.path(), 7));
        assert!(!path.exists(), "killed servers leave nothing behind for long");
    }

    #[test]
    fn without_a_place_to_write_there_is_no_sign_of_life() {
        assert!(SignOfLife::give(Path::new("/nowhere"), 7).is_none());
    }
}
