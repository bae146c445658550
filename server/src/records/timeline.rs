//! `timeline.json`: the attempts of a job that is over.

use platform::{ObjectStore, StoreError};
use protocol::timeline::Timeline;
use protocol::{JobId, Problem};

use super::{encode, get};
use crate::keys;

/// Stores the timeline of a job that is over. A loss of power may undo it: it holds only
/// what is shown, and flushing it would hold up every small job.
///
/// # Errors
///
/// If the store does not answer.
pub async fn store_timeline(
    store: &dyn ObjectStore,
    job: JobId,
    timeline: &Timeline,
) -> Result<(), Problem> {
    let (key, bytes) = (keys::timeline(job), encode(timeline)?);
    let stored = match store.create_unflushed(&key, bytes.clone()).await {
        // The server ended between it and the report, and the job went on.
        Err(StoreError::AlreadyExists { .. }) => store.put(&key, bytes).await,
        stored => stored,
    };
    stored.map_err(|error| error.own_problem("storing the timeline of the job"))
}

/// The timeline of a job that is over; `None` if it was not stored, or cannot be read.
///
/// # Errors
///
/// If the store does not answer.
pub async fn timeline(store: &dyn ObjectStore, job: JobId) -> Result<Option<Timeline>, Problem> {
    let found = get(store, job, &keys::timeline(job)).await?.transpose();
    Ok(found.unwrap_or_else(|problem| {
        tracing::warn!(job_id = %job, %problem, "timeline ignored");
        None
    }))
}
