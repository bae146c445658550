//! Deletes the partial sums of jobs that are over, also if a server ended in
//! the middle of it.
//!
//! Before a job's report is stored, a mark says that there will be something to
//! delete; the mark goes last. A server that starts looks for marks.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use platform::problems::with_sources;
use platform::{ObjectStore, StoreError};
use protocol::JobId;

use crate::board::Board;
use crate::keys;

/// What a writer that died has left is removed after this: nobody writes one
/// object for so long.
const LEFTOVERS_AFTER: Duration = Duration::from_hours(24);

/// Remembers that the partial sums of a job are to be deleted once it is over.
pub async fn mark(store: &dyn ObjectStore, job: JobId) -> Result<(), StoreError> {
    store.put(&keys::cleaning(job), Bytes::new()).await
}

/// Deletes the partial sums of a job that is over and marked.
pub async fn clean(store: &dyn ObjectStore, job_id: JobId) {
    let cleaned = async {
        store.delete_prefix(&keys::sums(job_id)).await?;
        store.delete(&keys::cleaning(job_id)).await
    };
    if let Err(error) = cleaned.await {
        tracing::warn!(%job_id, error = with_sources(&error),
            "partial sums not deleted; the next start of the server tries again");
    }
}

/// Finishes what an earlier life of the server had begun to delete or to write.
pub async fn finish(store: Arc<dyn ObjectStore>, board: Board) {
    let mut marks = store.list(keys::CLEANING);
    while let Some(mark) = marks.next().await {
        let Ok(mark) = mark.inspect_err(not_listed) else {
            return;
        };
        let job = mark.key[keys::CLEANING.len()..].parse::<JobId>();
        // Of a job that goes on, the mark is still needed; of one that was
        // deleted, it is left over.
        if let Ok(job) = job
            && board.job(job).is_none_or(|job| job.phase.is_over())
        {
            clean(&*store, job).await;
        }
    }
    match store.remove_leftovers(LEFTOVERS_AFTER).await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "removed what dead writers had left"),
        Err(error) => tracing::warn!(error = with_sources(&error), "leftovers not removed"),
    }
}

fn not_listed(error: &StoreError) {
    tracing::warn!(error = with_sources(error), "not seen what is to be deleted");
}
