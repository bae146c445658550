//! Restores the jobs in the store when the server starts.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use platform::problems::with_sources;
use protocol::Problem;
use protocol::delivery::WebhookDelivery;
use tokio::sync::{Semaphore, oneshot};

use super::RECORDS_AT_ONCE;
use crate::board::Board;
use crate::driver::{DriverMessage, Parts};
use crate::garbage_collection;
use crate::idempotency::Keys;
use crate::journal;
use crate::records::{self, StoredJob, index};

/// What the store holds of earlier runs of the server.
pub(super) struct Restored {
    /// The jobs that continue, as messages to the driver.
    pub(super) messages: Vec<DriverMessage>,
    /// The size of the generated test data of all jobs, in bytes.
    pub(super) generated_bytes: u64,
    /// The keys that jobs were submitted with.
    pub(super) keys: Keys,
}

/// Loads the jobs that may not be over, and the newest of those that are: those that are
/// over go to the board, the others become messages to the driver. Jobs that wait to run
/// take their places of `queue`.
pub(super) async fn restore(
    parts: &Parts,
    board: &Board,
    queue: &Arc<Semaphore>,
) -> Result<Restored, Problem> {
    let store = &*parts.store;
    let survey = index::survey(store, parts.limits.jobs_in_memory).await?;
    if let Some(newest) = survey.left_out {
        board.leave_out(newest);
    }
    let keys = Keys::default();
    for (job, mark) in &survey.keyed {
        keys.add(*job, *mark);
    }
    let generated_bytes = survey.generated_bytes;
    let mut restored = Restored { messages: Vec::new(), generated_bytes, keys };
    let loading = survey.jobs.iter().copied().map(|job| {
        let (is_over, is_deleted) = (survey.over.contains(&job), survey.deleted.contains(&job));
        async move {
            let found = if is_deleted {
                Ok(None)
            } else if is_over {
                records::load(store, job).await
            } else {
                records::load_open(store, job).await
            };
            found.map(|found| (job, found))
        }
    });
    let mut loaded = Box::pin(stream::iter(loading).buffered(RECORDS_AT_ONCE));
    while let Some((job, found)) = loaded.try_next().await? {
        match found {
            Some(StoredJob::Over(report)) => {
                if !survey.over.contains(&job) {
                    // By an earlier version, or interrupted just before.
                    let is_collected = garbage_collection::is_marked(store, job).await?;
                    index::complete(store, &report, is_collected).await?;
                }
                board.publish(vec![*report], None);
            }
            Some(StoredJob::Unreadable(report)) => board.publish(vec![*report], None),
            Some(StoredJob::Lost(report)) => {
                // Nothing can use its partial sums without its request.
                let collects = !parts.keep_partial_sums;
                if collects {
                    let marked = garbage_collection::mark(store, job).await;
                    marked.map_err(|error| error.own_problem("restoring the job"))?;
                }
                let ended = records::end_resume(store, job).await;
                ended.map_err(|error| error.own_problem("restoring the job"))?;
                records::store_report(store, &report).await?;
                index::complete(store, &report, collects).await?;
                journal::ended(&report);
                board.publish(vec![*report], None);
            }
            Some(StoredJob::Cancelled(mut report)) => {
                let collects = !parts.keep_partial_sums && parts.limits.keep_resumable.is_zero();
                if collects && let Err(error) = garbage_collection::mark(store, job).await {
                    tracing::warn!(job_id = %job, error = with_sources(&error),
                        "job not marked for garbage collection");
                }
                // Otherwise the next start would resume it, if it had been resumed.
                let ended = records::end_resume(store, job).await;
                ended.map_err(|error| error.own_problem("cancelling the job"))?;
                if let Some(ended_at) = report.timings.ended_at
                    && parts.webhooks.are_wanted(&report.request)
                {
                    report.webhook = Some(WebhookDelivery::pending(job, ended_at));
                    records::webhook::mark(store, job, ended_at).await?;
                }
                records::store_report(store, &report).await?;
                index::complete(store, &report, collects).await?;
                journal::ended(&report);
                board.publish(vec![*report], None);
            }
            Some(StoredJob::Planned(request, mut plan, mut columns)) => {
                let completed = match records::completions(store, job, &plan, columns).await? {
                    Some((completed, learned)) => {
                        columns = columns.or(learned.map(|learned| plan.learn(learned)));
                        completed
                    }
                    None => records::completed_tasks(store, job, &plan, columns).await?,
                };
                let checkpoint = records::checkpoint(store, job).await?.unwrap_or_default();
                let checkpoint = Box::new(checkpoint);
                let message =
                    DriverMessage::Restored { job, request, plan, columns, completed, checkpoint };
                restored.messages.push(message);
            }
            Some(StoredJob::Resuming(request, report)) => {
                let place = queue.clone().try_acquire_owned().ok();
                let (published, _) = oneshot::channel();
                let resumed = DriverMessage::Resumed { job, request, place, report, published };
                restored.messages.push(resumed);
            }
            Some(StoredJob::Submitted(request)) => {
                let place = queue.clone().try_acquire_owned().ok();
                let (published, _) = oneshot::channel();
                let is_new = false;
                let submitted = DriverMessage::Submitted { job, request, place, is_new, published };
                restored.messages.push(submitted);
            }
            // Its submission or deletion was interrupted when the server ended.
            None => {
                let bytes = records::delete(store, job).await?;
                restored.keys.forget(job);
                restored.generated_bytes = restored.generated_bytes.saturating_sub(bytes);
            }
        }
    }
    Ok(restored)
}
