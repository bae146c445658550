//! Garbage collection: deletes the partial sums of jobs that are over, also when
//! a server ends in the middle of it, and when a worker writes one late.
//!
//! Before a job's report is stored, a mark in the store says that the job leaves
//! garbage. The mark is deleted last. A server that starts looks for marks.
//! What is written after that is found by the [`Sweeper`]. A job that is deleted soon
//! after its end leaves a mark too, because nothing else tells of it then.

mod sweeping;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use platform::problems::with_sources;
use platform::retry::UNTIL_DONE_PAUSE;
use platform::{ObjectStore, StoreError};
use protocol::{JobId, JobSnapshot, Phase, Problem};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::board::Board;
use crate::keys;
use crate::limits::is_too_large;
use crate::records::{self, StoredJob};

pub use self::sweeping::{LATE_MS, Sweeper};

/// The age at which unfinished objects of writers that died are removed: no
/// writer takes so long for one object.
const UNFINISHED_AGE_MAX: Duration = Duration::from_hours(24);

/// The time within which workers stop writing partial sums of a job that is over: a
/// lease of the scheduler, and a little more.
const WRITERS_STOP_WITHIN: Duration = Duration::from_secs(20);
/// The interval at which the partial sums are deleted meanwhile.
const COLLECTION_INTERVAL: Duration = Duration::from_secs(1);

/// How long the garbage of a job is tried to be deleted at once. What fails for longer is
/// found by its mark.
const COLLECTION_TIME_MAX: Duration = Duration::from_mins(10);

/// Marks a job whose partial sums are to be deleted once it is over.
pub async fn mark(store: &dyn ObjectStore, job: JobId) -> Result<(), StoreError> {
    store.put(&keys::garbage(job), Bytes::new()).await
}

/// Whether a job is marked.
///
/// # Errors
///
/// If the store does not answer.
pub async fn is_marked(store: &dyn ObjectStore, job: JobId) -> Result<bool, Problem> {
    match store.head(&keys::garbage(job)).await {
        Ok(_) => Ok(true),
        Err(StoreError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.own_problem("looking for garbage")),
    }
}

/// Deletes the partial sums of a job that is over, then its mark. A store that refuses is
/// asked again for some minutes.
pub async fn collect(store: &dyn ObjectStore, job_id: JobId) {
    let deadline = Instant::now() + COLLECTION_TIME_MAX;
    while let Err(error) = collect_once(store, job_id).await {
        if Instant::now() >= deadline {
            tracing::warn!(%job_id, error = with_sources(&error),
                "partial sums not deleted: this is tried again within two hours");
            return;
        }
        sleep(UNTIL_DONE_PAUSE).await;
    }
}

/// The same, once.
async fn collect_once(store: &dyn ObjectStore, job_id: JobId) -> Result<(), StoreError> {
    store.delete_prefix(&keys::sums(job_id)).await?;
    store.delete(&keys::garbage(job_id)).await
}

/// As [`collect`] for a job that ended while workers wrote partial sums: they stop after
/// the segment that they are writing, so what they still write is deleted too. The mark
/// stays until no worker can hold a lease any more.
pub async fn collect_behind_writers(store: &dyn ObjectStore, job_id: JobId, turn: &Semaphore) {
    let quiet_at = Instant::now() + WRITERS_STOP_WITHIN;
    while Instant::now() < quiet_at {
        // An error would say that the semaphore was closed; it never is.
        let permit = turn.acquire().await;
        if let Err(error) = store.delete_prefix(&keys::sums(job_id)).await {
            tracing::debug!(%job_id, error = with_sources(&error), "partial sums not deleted yet");
        }
        drop(permit);
        sleep(COLLECTION_INTERVAL).await;
    }
    let _permit = turn.acquire().await;
    collect(store, job_id).await;
}

/// Deletes what a worker has written of a job after the garbage of the job was collected:
/// it had been told to stop, but stood still, or did not hear it. `None` for `report` says
/// that it is not in memory.
pub async fn sweep(
    store: &dyn ObjectStore,
    job_id: JobId,
    report: Option<Arc<JobSnapshot>>,
    keep_resumable: Duration,
) {
    let leaves_nothing = match report {
        Some(report) => leaves_no_sums(&report, keep_resumable),
        None => match records::load(store, job_id).await {
            Ok(Some(StoredJob::Over(report))) => leaves_no_sums(&report, keep_resumable),
            // It was deleted.
            Ok(None) => true,
            Ok(Some(_)) => false,
            Err(problem) => {
                tracing::warn!(%job_id, %problem, "late partial sums not deleted");
                false
            }
        },
    };
    if leaves_nothing && let Err(error) = store.delete_prefix(&keys::sums(job_id)).await {
        tracing::warn!(%job_id, error = with_sources(&error), "late partial sums not deleted");
    }
}

/// Whether the partial sums of a job are deleted once it is over, unless all are kept.
/// Those of a job that can be resumed are kept for some time.
#[must_use]
pub fn leaves_no_sums(job: &JobSnapshot, keep_resumable: Duration) -> bool {
    match job.phase {
        Phase::Failed => is_too_large(job) || keep_resumable.is_zero(),
        Phase::Cancelled => keep_resumable.is_zero(),
        phase => phase.is_over(),
    }
}

/// Collects the garbage that is marked.
async fn collect_marked(store: &Arc<dyn ObjectStore>, board: &Board) {
    let mut marks = store.list(keys::GARBAGE);
    while let Some(mark) = marks.next().await {
        let mark = match mark {
            Ok(mark) => mark,
            Err(error) => {
                tracing::warn!(error = with_sources(&error), "marks of garbage not listed");
                return;
            }
        };
        let job = mark.key[keys::GARBAGE.len()..].parse::<JobId>();
        // A job that is not over still needs its mark. A mark of a deleted job
        // is itself garbage.
        if let Ok(job) = job
            && board.job(job).is_none_or(|job| job.phase.is_over())
        {
            collect_marked_job(&**store, job).await;
        }
    }
}

/// Tries to collect the garbage of a job that has been marked before.
async fn collect_marked_job(store: &dyn ObjectStore, job_id: JobId) {
    if let Err(error) = collect_once(store, job_id).await {
        tracing::warn!(%job_id, error = with_sources(&error), "partial sums not deleted yet");
    }
}

/// Removes the unfinished objects of writers that died.
async fn remove_leftovers(store: &dyn ObjectStore) {
    match store.remove_leftovers(UNFINISHED_AGE_MAX).await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "unfinished objects removed"),
        Err(error) => {
            tracing::warn!(error = with_sources(&error), "unfinished objects not removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use platform::backends;
    use platform::faults::{FaultRates, Faults, FaultyStore};
    use protocol::Timestamp;

    use super::*;

    #[tokio::test]
    async fn a_store_that_fails_for_a_time_keeps_no_garbage() {
        let folder = tempfile::tempdir().unwrap();
        let local = backends::scratch(folder.path()).open().await.unwrap();
        let job = JobId::from_parts(Timestamp::from_millis(1), 1);
        let sum = format!("{}0/0/0", keys::sums(job));
        local.put(&sum, Bytes::from_static(b"sum")).await.unwrap();
        mark(&*local, job).await.unwrap();
        let faults = Arc::new(Faults::at(FaultRates { fail_every: 1, ..FaultRates::default() }));
        let store = FaultyStore::new(local.clone(), faults.clone());
        let collecting = tokio::spawn(async move { collect(&store, job).await });
        while faults.counts().failed == 0 {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(is_marked(&*local, job).await.unwrap());
        faults.set(FaultRates::default());
        collecting.await.unwrap();
        assert!(!is_marked(&*local, job).await.unwrap());
        assert!(matches!(local.head(&sum).await, Err(StoreError::NotFound { .. })));
    }
}
