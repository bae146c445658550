//! The records of jobs in the store, from which a restarted server restores them.
//!
//! A job's entry in the index is written first and deleted last. In between, its
//! request is written, then its plan, and once the job is over its report.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures::StreamExt;
use platform::problems::internal;
use platform::store::read_all;
use platform::{ObjectStore, StoreError};
use protocol::job::{InputSummary, Timings};
use protocol::problem::ProblemKind;
use protocol::task::InputObject;
use protocol::{
    Inputs, JobId, JobRequest, JobSnapshot, Phase, Plan, Problem, TaskId, Timestamp, ValidRequest,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::keys;

/// `request.json`: a request, and what the server added to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RequestRecord {
    /// The request as submitted.
    pub request: ValidRequest,
    /// W: the number of workers requested, or the server's default.
    pub workers: u32,
    /// The time of submission, by the server's clock.
    pub submitted_at: Timestamp,
    /// The name of who submitted it, where callers have names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_by: Option<String>,
}

/// `plan.json`: how a job is computed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlanRecord {
    /// The sum tree.
    pub plan: Plan,
    /// The format, count and size of the inputs.
    pub inputs: InputSummary,
    /// The input objects, in the order in which the leaves of the tree sum them.
    pub objects: Vec<InputObject>,
}

/// The state in which the store has a job.
#[derive(Debug)]
pub enum StoredJob {
    /// The job is over; this is its report.
    Over(Box<JobSnapshot>),
    /// The job was planned, and continues.
    Planned(Box<RequestRecord>, Box<PlanRecord>),
    /// The job was submitted but not planned.
    Submitted(Box<RequestRecord>),
}

/// Stores the request of a new job, and its entry in the index.
pub async fn store_request(
    store: &dyn ObjectStore,
    job: JobId,
    record: &RequestRecord,
) -> Result<(), Problem> {
    let doing = "storing the job";
    store.put(&keys::index(job), Bytes::new()).await.map_err(|e| e.problem(doing))?;
    put(store, &keys::request(job), record).await
}

/// Stores the plan of a job.
pub async fn store_plan(
    store: &dyn ObjectStore,
    job: JobId,
    record: &PlanRecord,
) -> Result<(), Problem> {
    put(store, &keys::plan(job), record).await
}

/// Stores the report of a job, from which on the job is over.
pub async fn store_report(store: &dyn ObjectStore, snapshot: &JobSnapshot) -> Result<(), Problem> {
    put(store, &keys::report(snapshot.id), snapshot).await
}

/// Deletes a job with all its objects. The request goes first: by its absence a
/// server that starts recognises a deletion that was interrupted.
pub async fn delete(store: &dyn ObjectStore, job: JobId) -> Result<(), Problem> {
    let doing = "deleting the job";
    store.delete(&keys::request(job)).await.map_err(|e| e.problem(doing))?;
    store.delete_prefix(&keys::job(job)).await.map_err(|e| e.problem(doing))?;
    store.delete(&keys::index(job)).await.map_err(|e| e.problem(doing))
}

/// The ids of all jobs in the store, oldest first.
pub async fn list_jobs(store: &dyn ObjectStore) -> Result<Vec<JobId>, Problem> {
    let mut jobs = Vec::new();
    let mut listing = store.list(keys::INDEX);
    while let Some(object) = listing.next().await {
        let object = object.map_err(|e| e.problem("listing the jobs"))?;
        jobs.extend(object.key[keys::INDEX.len()..].parse::<JobId>());
    }
    Ok(jobs)
}

/// Loads a job. `None` if its submission or deletion was interrupted. A job with
/// a record that cannot be read has failed: its snapshot says why, and its
/// records stay as they are.
pub async fn load(store: &dyn ObjectStore, job: JobId) -> Result<Option<StoredJob>, Problem> {
    let request: Box<RequestRecord> = match get(store, &keys::request(job)).await? {
        None => return Ok(None),
        Some(Ok(request)) => request,
        Some(Err(problem)) => return Ok(Some(unreadable(job, None, problem))),
    };
    match get(store, &keys::report(job)).await? {
        None => {}
        Some(Ok(report)) => return Ok(Some(StoredJob::Over(report))),
        Some(Err(problem)) => return Ok(Some(unreadable(job, Some(*request), problem))),
    }
    Ok(Some(match get(store, &keys::plan(job)).await? {
        None => StoredJob::Submitted(request),
        Some(Ok(plan)) => StoredJob::Planned(request, plan),
        Some(Err(problem)) => unreadable(job, Some(*request), problem),
    }))
}

/// A job that failed because one of its records cannot be read.
fn unreadable(job: JobId, request: Option<RequestRecord>, problem: Problem) -> StoredJob {
    tracing::error!(job_id = %job, %problem, "a job cannot be restored");
    let (request, workers) = match request {
        Some(record) => (record.request.into_request(), record.workers),
        None => (JobRequest::new(Inputs::Objects(Vec::new())), 1),
    };
    let submitted_at = job.submitted_at();
    let submitted = JobSnapshot::submitted(job, request, workers, submitted_at);
    StoredJob::Over(Box::new(JobSnapshot {
        submitted_by: None,
        phase: Phase::Failed,
        timings: Timings { ended_at: Some(submitted_at), ..submitted.timings },
        error: Some(problem),
        ..submitted
    }))
}

/// The tasks of a job whose segments are all in the store. Empty if C is not
/// known: then each attempt looks for the segments of its task.
pub async fn completed_tasks(
    store: &dyn ObjectStore,
    job: JobId,
    plan: &Plan,
) -> Result<Vec<TaskId>, Problem> {
    let Some(columns) = plan.columns else {
        return Ok(Vec::new());
    };
    let prefix = keys::sums(job);
    let mut found: BTreeMap<(u8, u32), BTreeSet<u64>> = BTreeMap::new();
    let mut listing = store.list(&prefix);
    while let Some(object) = listing.next().await {
        let object = object.map_err(|e| e.problem("listing the partial sums"))?;
        let mut parts = object.key[prefix.len()..].split('/');
        let mut next = || parts.next()?.parse::<u64>().ok();
        if let (Some(level), Some(node), Some(segment)) = (next(), next(), next())
            && let (Ok(level), Ok(node)) = (u8::try_from(level), u32::try_from(node))
        {
            found.entry((level, node)).or_default().insert(segment);
        }
    }
    let segments = columns.div_ceil(plan.segment_columns);
    let mut completed = Vec::new();
    for ((level, node), there) in found {
        let Some(shape) = plan.levels.get(usize::from(level)) else {
            continue;
        };
        for range in 0..shape.ranges {
            let task = TaskId { level, node, range };
            let (first, end) = plan.task_segments(task);
            let wanted = first..end.unwrap_or(segments).min(segments);
            if !wanted.is_empty() && wanted.clone().all(|segment| there.contains(&segment)) {
                completed.push(task);
            }
        }
    }
    Ok(completed)
}

async fn put<T: Serialize + Sync>(
    store: &dyn ObjectStore,
    key: &str,
    record: &T,
) -> Result<(), Problem> {
    let bytes = serde_json::to_vec(record).map_err(|e| internal("storing a job", &e))?;
    store.put(key, Bytes::from(bytes)).await.map_err(|error| error.problem("storing the job"))
}

/// A record, or what is wrong with it. `None` if there is none.
///
/// # Errors
///
/// If the store does not answer.
async fn get<T: DeserializeOwned>(
    store: &dyn ObjectStore,
    key: &str,
) -> Result<Option<Result<T, Problem>>, Problem> {
    match read_all(store, key).await {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).map_err(|error| {
            let detail = format!("its record {key} cannot be read: {error}");
            Problem::new(ProblemKind::Internal, detail).remedy(
                "if a newer version of the program has written it, start that version again; \
                 otherwise delete the job and submit it again",
            )
        }))),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.problem("reading a job")),
    }
}
