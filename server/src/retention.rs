//! Retention: jobs that ended long ago are deleted with all their objects.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use platform::ObjectStore;
use program::clock;
use protocol::{JobId, Problem, Timestamp};
use tokio::time::sleep;

use crate::board::Board;
use crate::garbage_collection::{self, LATE_MS};
use crate::generated_quota::GeneratedQuota;
use crate::idempotency::Keys;
use crate::journal::{self, Deletion};
use crate::records::{self, index};

/// A sweep follows the last one after this fraction of the time that jobs are kept …
const SWEEPS_PER_AGE: u32 = 10;
/// … but not sooner, because each lists old entries of the index …
const INTERVAL_MIN: Duration = Duration::from_secs(1);
/// … and not later.
const INTERVAL_MAX: Duration = Duration::from_hours(1);
/// How many jobs a sweep looks at before it deletes those that are due.
const JOBS_AT_ONCE: usize = 1000;

/// Deletes jobs that are over and whose objects are not needed any more.
#[derive(Clone)]
pub struct Retention {
    /// The program's own store.
    pub store: Arc<dyn ObjectStore>,
    /// What pages and streams read.
    pub board: Board,
    /// The quota of test data, to which deleted jobs give back theirs.
    pub generated: GeneratedQuota,
    /// The keys that jobs were submitted with: that of a deleted job is free again.
    pub keys: Keys,
}

impl Retention {
    /// Deletes jobs once they have been over for the time `keep`, until it is dropped.
    pub async fn run(self, keep: Duration) {
        let interval = (keep / SWEEPS_PER_AGE).clamp(INTERVAL_MIN, INTERVAL_MAX);
        let keep_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        loop {
            let now = clock::now().as_millis();
            let then = Timestamp::from_millis(now.saturating_sub(keep_ms));
            if let Err(problem) = self.sweep(then).await {
                tracing::warn!(%problem, "old jobs not deleted; the next sweep tries again");
            }
            sleep(interval).await;
        }
    }

    /// Deletes the jobs that ended before `then`.
    async fn sweep(&self, then: Timestamp) -> Result<(), Problem> {
        // Whatever ended before was submitted before.
        let mut old = Box::pin(index::over_before(&*self.store, then).try_chunks(JOBS_AT_ONCE));
        while let Some(jobs) = old.try_next().await.map_err(|error| error.1)? {
            for job in jobs {
                let ended_at = index::ended_at(&*self.store, job).await?;
                if ended_at.is_some_and(|ended_at| ended_at < then) {
                    self.delete(job, Deletion::Old).await?;
                }
            }
        }
        Ok(())
    }

    /// Deletes a job that is over, with all its objects.
    ///
    /// # Errors
    ///
    /// If the store does not answer. The next start of the server deletes the rest.
    pub async fn delete(&self, job: JobId, why: Deletion) -> Result<(), Problem> {
        let ended_at = index::ended_at(&*self.store, job).await?;
        let recent = |ended_at| clock::now().millis_since(ended_at) < LATE_MS;
        if ended_at.is_none_or(recent) {
            // The mark is found later, when no worker writes any more.
            let marked = garbage_collection::mark(&*self.store, job).await;
            marked.map_err(|error| error.own_problem("deleting the job"))?;
        }
        let generated_bytes = records::delete(&*self.store, job).await?;
        self.generated.release(generated_bytes);
        self.keys.forget(job);
        journal::deleted(job, why);
        self.board.delete(job);
        Ok(())
    }
}
