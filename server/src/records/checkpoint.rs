//! `checkpoint.json`: what a restarted server could not tell from the other objects of a
//! job that continues.
//!
//! Which tasks are complete, the partial sums in the store tell. The times and counts
//! before the restart are only here. They may be a few seconds old.

use platform::{ObjectStore, StoreError};
use protocol::job::{AttemptCounts, ByteCounts, RESTARTS_SHOWN, Restart, Timings};
use protocol::{JobId, JobSnapshot, Problem, Timestamp};
use serde::{Deserialize, Serialize};

use super::{get, put};
use crate::keys;

/// The times and counts of a job at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checkpoint {
    /// When the job entered its phases.
    pub timings: Timings,
    /// The attempts by outcome.
    pub attempts: AttemptCounts,
    /// The bytes read and written.
    pub bytes: ByteCounts,
    /// The number of complete tasks in all levels.
    pub completed_tasks: u64,
    /// The fraction of the whole job, as pages have shown it.
    pub overall: f64,
    /// The restarts before.
    pub restarts: Vec<Restart>,
    /// When the job was resumed.
    pub resumes: Vec<Timestamp>,
}

impl Checkpoint {
    /// The times and counts of a snapshot.
    #[must_use]
    pub fn of(job: &JobSnapshot) -> Checkpoint {
        Checkpoint {
            timings: job.timings,
            attempts: job.attempts,
            bytes: job.bytes,
            completed_tasks: job.progress.iter().map(|level| level.completed).sum(),
            overall: job.overall.max(job.overall_now()),
            restarts: job.restarts.clone(),
            resumes: job.resumes.clone(),
        }
    }

    /// The times and counts with which a job goes on that is resumed at `now`: those of its
    /// report.
    #[must_use]
    pub fn resumed(report: &JobSnapshot, now: Timestamp) -> Checkpoint {
        let mut checkpoint = Checkpoint::of(report);
        checkpoint.timings.finishing_at = None;
        checkpoint.timings.ended_at = None;
        checkpoint.resumes.push(now);
        let surplus = checkpoint.resumes.len().saturating_sub(RESTARTS_SHOWN);
        checkpoint.resumes.drain(..surplus);
        checkpoint
    }
}

/// Stores the checkpoint of a job, in place of an earlier one.
///
/// # Errors
///
/// If the store does not answer.
pub async fn store_checkpoint(
    store: &dyn ObjectStore,
    job: JobId,
    checkpoint: &Checkpoint,
) -> Result<(), Problem> {
    put(store, &keys::checkpoint(job), checkpoint).await
}

/// The latest checkpoint of a job. One that cannot be read counts as none: it holds only
/// what is shown.
///
/// # Errors
///
/// If the store does not answer.
pub async fn checkpoint(
    store: &dyn ObjectStore,
    job: JobId,
) -> Result<Option<Checkpoint>, Problem> {
    let found = get(store, job, &keys::checkpoint(job)).await?.transpose();
    Ok(found.unwrap_or_else(|problem| {
        tracing::warn!(job_id = %job, %problem, "checkpoint ignored");
        None
    }))
}

/// Deletes the checkpoint of a job that is over: its report holds all.
pub async fn delete_checkpoint(store: &dyn ObjectStore, job: JobId) -> Result<(), StoreError> {
    store.delete(&keys::checkpoint(job)).await
}
