//! `webhook.json`, and the marks of the jobs of whose end somebody is to be told.
//!
//! A mark is written before the report of the job, and deleted once the message was delivered
//! or given up. It names the end that it belongs to, because a job that is resumed ends again.

use bytes::Bytes;
use futures::{Stream, TryStreamExt, future};
use platform::ObjectStore;
use protocol::delivery::{WebhookDelivery, message_id};
use protocol::{JobId, Problem, Timestamp};

use super::{get, put};
use crate::keys;

/// Marks that somebody is to be told of the end of a job.
///
/// # Errors
///
/// If the store does not answer.
pub async fn mark(store: &dyn ObjectStore, job: JobId, ended_at: Timestamp) -> Result<(), Problem> {
    let put = store.put(&keys::untold(&message_id(job, ended_at)), Bytes::new()).await;
    put.map_err(|error| error.own_problem("storing the job"))
}

/// Deletes the mark.
///
/// # Errors
///
/// If the store does not answer.
pub async fn unmark(
    store: &dyn ObjectStore,
    job: JobId,
    ended_at: Timestamp,
) -> Result<(), Problem> {
    let deleted = store.delete(&keys::untold(&message_id(job, ended_at))).await;
    deleted.map_err(|error| error.own_problem("deleting the mark of a webhook"))
}

/// The jobs that are marked, with the time of their end.
pub fn marked(
    store: &dyn ObjectStore,
) -> impl Stream<Item = Result<(JobId, Timestamp), Problem>> + Send + Unpin + '_ {
    store
        .list(keys::UNTOLD)
        .map_err(|error| error.own_problem("listing the webhooks"))
        .try_filter_map(|object| future::ready(Ok(parse(&object.key))))
}

fn parse(key: &str) -> Option<(JobId, Timestamp)> {
    let (job, at) = key.strip_prefix(keys::UNTOLD)?.split_once('_')?;
    Some((job.parse().ok()?, Timestamp::from_millis(at.parse().ok()?)))
}

/// Stores how far the delivery of a message has come.
///
/// # Errors
///
/// If the store does not answer.
pub async fn store_delivery(
    store: &dyn ObjectStore,
    job: JobId,
    delivery: &WebhookDelivery,
) -> Result<(), Problem> {
    put(store, &keys::webhook(job), delivery).await
}

/// How far the delivery of the last message has come; `None` if nothing was tried. A record
/// that cannot be read counts as none: then the message is sent again.
///
/// # Errors
///
/// If the store does not answer.
pub async fn delivery(
    store: &dyn ObjectStore,
    job: JobId,
) -> Result<Option<WebhookDelivery>, Problem> {
    let found = get(store, job, &keys::webhook(job)).await?.transpose();
    Ok(found.unwrap_or_else(|problem| {
        tracing::warn!(job_id = %job, %problem, "delivery of a webhook ignored");
        None
    }))
}
