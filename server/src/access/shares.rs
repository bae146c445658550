//! Links that show one job and its result to anybody who has them.
//!
//! A link contains a secret of 32 random bytes. It lies beside the job in the store,
//! is shown to those who may share the job, and is of no use once it is withdrawn or
//! the job deleted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use platform::store::read_all;
use platform::{ObjectStore, StoreError};
use program::clock;
use protocol::problem::ProblemKind;
use protocol::{JobId, Problem, Timestamp};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use tokio::time::timeout;

use crate::keys;

/// How many jobs' secrets are kept in memory; above it all are read again.
const KEPT_MAX: usize = 4096;

/// How long a visitor waits until the store has told whether a link is valid.
const FOUND_WITHIN: Duration = Duration::from_secs(5);

/// `share.json`: the link to a job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Share {
    /// The secret in the link.
    pub secret: String,
    /// When the link was made, by the server's clock.
    pub shared_at: Timestamp,
    /// The name of who made it, where callers have names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_by: Option<String>,
}

impl Share {
    /// The path and query of the link, on this server.
    #[must_use]
    pub fn path(&self, job: JobId) -> String {
        format!("/jobs/{job}?share={}", self.secret)
    }
}

/// The links to jobs.
pub struct Shares {
    store: Arc<dyn ObjectStore>,
    /// What was read of the store; a job without a link has none.
    known: Mutex<HashMap<JobId, Option<Share>>>,
    /// Whether another server makes and withdraws links, so that nothing stays known.
    is_of_another: bool,
}

impl Shares {
    /// The links to the jobs in a store.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>) -> Shares {
        Shares { store, known: Mutex::default(), is_of_another: false }
    }

    /// The links that another server makes and withdraws.
    #[must_use]
    pub fn of_another(store: Arc<dyn ObjectStore>) -> Shares {
        Shares { is_of_another: true, ..Shares::new(store) }
    }

    /// The link to a job, which is made if there is none.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn share(&self, job: JobId, shared_by: Option<String>) -> Result<Share, Problem> {
        if let Some(share) = self.find(job).await? {
            return Ok(share);
        }
        let random: [u8; 32] = rand::random();
        let secret = URL_SAFE_NO_PAD.encode(random);
        let share = Share { secret, shared_at: clock::now(), shared_by };
        // Texts and a number always encode as JSON.
        let bytes = Bytes::from(serde_json::to_vec(&share).unwrap_or_default());
        let put = self.store.put(&keys::share(job), bytes).await;
        put.map_err(|error| error.own_problem("storing the link"))?;
        self.keep(job, Some(share.clone()));
        Ok(share)
    }

    /// Withdraws the link to a job, if there is one.
    ///
    /// # Errors
    ///
    /// If the store does not answer; the link is then valid as before.
    pub async fn withdraw(&self, job: JobId) -> Result<(), Problem> {
        let deleted = self.store.delete(&keys::share(job)).await;
        deleted.map_err(|error| error.own_problem("withdrawing the link"))?;
        self.keep(job, None);
        Ok(())
    }

    /// The link to a job, if there is one.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn find(&self, job: JobId) -> Result<Option<Share>, Problem> {
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&job) {
            return Ok(known.clone());
        }
        let found = match read_all(&*self.store, &keys::share(job)).await {
            // A link that cannot be read is none, and is made again when it is asked for.
            Ok(bytes) => serde_json::from_slice::<Share>(&bytes).ok(),
            Err(StoreError::NotFound { .. }) => None,
            Err(error) => return Err(error.own_problem("reading the link")),
        };
        self.keep(job, found.clone());
        Ok(found)
    }

    /// Whether this is the secret of the link to a job.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn is_valid(&self, job: JobId, secret: &str) -> Result<bool, Problem> {
        let Ok(share) = timeout(FOUND_WITHIN, self.find(job)).await else {
            return Err(Problem::new(ProblemKind::Unavailable, "the store does not answer")
                .remedy("try again in a few seconds"));
        };
        Ok(share?.is_some_and(|share| bool::from(share.secret.as_bytes().ct_eq(secret.as_bytes()))))
    }

    fn keep(&self, job: JobId, share: Option<Share>) {
        if self.is_of_another {
            return;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT_MAX {
            known.clear();
        }
        known.insert(job, share);
    }
}
