//! What the store remembers of jobs, so that a restarted server knows them.
//!
//! A job's entry in the index is written first and deleted last; between the
//! two stand its request, then its plan, and once it is over its report.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures::StreamExt;
use platform::problems::internal;
use platform::store::read_all;
use platform::{ObjectStore, StoreError};
use protocol::job::InputSummary;
use protocol::task::InputObject;
use protocol::{JobId, JobRequest, JobSnapshot, Plan, Problem, TaskId, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::keys;

/// What was asked for, and what the server made of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RequestRecord {
    /// What was asked for.
    pub request: JobRequest,
    /// W, after the server's default.
    pub workers: u32,
    /// When.
    pub submitted_at: Timestamp,
}

/// How a job is computed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlanRecord {
    /// The sum tree.
    pub plan: Plan,
    /// What has been found out about the inputs.
    pub inputs: InputSummary,
    /// The objects, in the order that the tree's leaves count them in.
    pub objects: Vec<InputObject>,
}

/// What the store remembers of one job.
#[derive(Debug)]
pub enum Remembered {
    /// It is over.
    Over(Box<JobSnapshot>),
    /// It was planned and can go on.
    Planned(Box<RequestRecord>, Box<PlanRecord>),
    /// It was submitted and no more.
    Submitted(Box<RequestRecord>),
}

/// Remembers a job that has just been submitted.
pub async fn remember_request(
    store: &dyn ObjectStore,
    job: JobId,
    record: &RequestRecord,
) -> Result<(), Problem> {
    let doing = "storing the job";
    store.put(&keys::index(job), Bytes::new()).await.map_err(|e| e.problem(doing))?;
    put(store, &keys::request(job), record).await
}

/// Remembers how a job is computed.
pub async fn remember_plan(
    store: &dyn ObjectStore,
    job: JobId,
    record: &PlanRecord,
) -> Result<(), Problem> {
    put(store, &keys::plan(job), record).await
}

/// Remembers how a job ended.
pub async fn remember_report(
    store: &dyn ObjectStore,
    snapshot: &JobSnapshot,
) -> Result<(), Problem> {
    put(store, &keys::report(snapshot.id), snapshot).await
}

/// Forgets a job and deletes all that belongs to it, its request first: without
/// one, a server that starts knows what an earlier one was about.
pub async fn forget(store: &dyn ObjectStore, job: JobId) -> Result<(), Problem> {
    let doing = "deleting the job";
    store.delete(&keys::request(job)).await.map_err(|e| e.problem(doing))?;
    store.delete_prefix(&keys::job(job)).await.map_err(|e| e.problem(doing))?;
    store.delete(&keys::index(job)).await.map_err(|e| e.problem(doing))
}

/// The jobs that the store knows, from old to new.
pub async fn jobs(store: &dyn ObjectStore) -> Result<Vec<JobId>, Problem> {
    let mut jobs = Vec::new();
    let mut listing = store.list(keys::INDEX);
    while let Some(object) = listing.next().await {
        let object = object.map_err(|e| e.problem("listing the jobs"))?;
        jobs.extend(object.key[keys::INDEX.len()..].parse::<JobId>());
    }
    Ok(jobs)
}

/// What the store remembers of a job; `None` if it had hardly been submitted,
/// or was being deleted.
pub async fn recall(store: &dyn ObjectStore, job: JobId) -> Result<Option<Remembered>, Problem> {
    let Some(request) = get(store, &keys::request(job)).await? else {
        return Ok(None);
    };
    if let Some(report) = get(store, &keys::report(job)).await? {
        return Ok(Some(Remembered::Over(report)));
    }
    Ok(Some(match get(store, &keys::plan(job)).await? {
        Some(plan) => Remembered::Planned(request, plan),
        None => Remembered::Submitted(request),
    }))
}

/// The tasks of a job whose segments are all there, if C is known. Where it is
/// not, whoever attempts a task finds out.
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

async fn get<T: DeserializeOwned>(
    store: &dyn ObjectStore,
    key: &str,
) -> Result<Option<T>, Problem> {
    match read_all(store, key).await {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| internal(&format!("reading {key}"), &error)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.problem("reading a job")),
    }
}
