//! The records of jobs in the store, from which a restarted server restores them.
//!
//! A job's entry in the index is written first and deleted last. In between, its
//! request is written, then its plan, and once the job is over its report. The mark of
//! a cancelled job is written before the job is stopped, and that of a deleted one before
//! anything of it is deleted.
//!
//! Records are checked when they are read. One that cannot be used, or is missing, fails its
//! own job only.

mod checkpoint;
mod completed;
mod completions;
pub mod index;
mod inputs;
mod resumed;
mod timeline;
mod validity;
pub mod webhook;
mod workers;

use std::collections::BTreeMap;

use bytes::Bytes;
use platform::problems::{internal, outage};
use platform::{ObjectStore, StoreError};
use program::clock;
use protocol::job::{InputSummary, Timings};
use protocol::problem::ProblemKind;
use protocol::task::InputObject;
use protocol::trace_context::lenient;
use protocol::{
    Inputs, JobId, JobRequest, JobSnapshot, Phase, Plan, Problem, Timestamp, TraceContext,
    ValidRequest,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use self::validity::{Flaw, RECORD_BYTES_MAX, Record};
use crate::idempotency::Mark;
use crate::keys;

pub use self::checkpoint::{Checkpoint, checkpoint, delete_checkpoint, store_checkpoint};
pub use self::completed::completed_tasks;
pub use self::completions::{Completions, completions, delete_completions, store_completions};
pub use self::inputs::{input_objects, input_page};
pub use self::resumed::{Changed, begin_resume, end_resume, load_open, store_resumed};
pub use self::timeline::{store_timeline, timeline};
pub use self::workers::{store_workers_by_hand, workers_by_hand};

/// The most objects of a plan that are in memory as text at the same time: about a mebibyte.
const PLAN_OBJECTS_AT_ONCE: usize = 10_000;

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
    /// The span of the job, if its trace is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub span: Option<TraceContext>,
    /// The span of the request that has submitted it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub caller_span: Option<TraceContext>,
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
    /// The line that names the columns, if the inputs are tables that have one. It is an
    /// object of its own, because it may be long.
    #[serde(skip)]
    pub header: Option<String>,
    /// The header of a safetensors file with the tensors of the result, if the inputs are
    /// such files; an object of its own, too.
    #[serde(skip)]
    pub tensors: Option<String>,
    /// What results have of the first NetCDF file, if the inputs are such files; an object of
    /// its own, too.
    #[serde(skip)]
    pub netcdf: Option<Vec<u8>>,
    /// A hash of the names of the parts of the inputs and of their order, if they have parts
    /// with names, such as the columns of a table. Partial sums have that order. Absent from
    /// plans of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<u64>,
    /// The table of the weights, if objects have weights: an object of its own likewise.
    #[serde(skip)]
    pub weights: Option<String>,
    /// How many times the job was resumed after it had failed or been cancelled.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub resumes: u32,
    /// The last resume for which the whole tree was computed again, because other objects
    /// were listed, or the tree did not fit them any more; 0 for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub all_again: u32,
    /// The nodes whose inputs had changed since: by level and node, the last resume for which
    /// the node was computed again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub again: BTreeMap<u8, BTreeMap<u32, u32>>,
}

/// A [`PlanRecord`] without its objects.
#[derive(Serialize)]
struct PlanHead<'a> {
    plan: &'a Plan,
    inputs: &'a InputSummary,
    parts: Option<u64>,
    resumes: u32,
    all_again: u32,
    again: &'a BTreeMap<u8, BTreeMap<u32, u32>>,
}

impl PlanRecord {
    /// Completes the plan with what was learned of its inputs; returns C.
    pub fn learn(&mut self, learned: LearnedRecord) -> u64 {
        let inputs = &mut self.inputs;
        inputs.columns = Some(learned.columns);
        inputs.shape = inputs.shape.take().or(learned.shape);
        inputs.format = inputs.format.take().or(learned.format);
        learned.columns
    }

    fn without_objects(&self) -> PlanHead<'_> {
        // What has objects of its own is not part of the record.
        let PlanRecord {
            plan,
            inputs,
            objects: _,
            header: _,
            tensors: _,
            netcdf: _,
            weights: _,
            ..
        } = self;
        let PlanRecord { parts, resumes, all_again, again, .. } = self;
        PlanHead { plan, inputs, parts: *parts, resumes: *resumes, all_again: *all_again, again }
    }
}

/// `learned.json`: what was learned of the inputs of a job while they were read. Without
/// it a job of text goes on after a restart too, but looks through all its segments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LearnedRecord {
    /// C.
    pub columns: u64,
    /// The shape of each array, if the format has shapes.
    #[serde(default)]
    pub shape: Option<Vec<u64>>,
    /// The format of the objects.
    #[serde(default)]
    pub format: Option<String>,
}

/// What is kept in memory of a request. Its size does not depend on the number of
/// objects that the request lists.
#[derive(Clone, Debug)]
pub struct RequestSummary {
    /// The request, shortened.
    pub request: JobRequest,
    /// W, as in the record.
    pub workers: u32,
    /// The time of submission, by the server's clock.
    pub submitted_at: Timestamp,
    /// The name of who submitted it, where callers have names.
    pub submitted_by: Option<String>,
    /// The span of the job, as in the record.
    pub span: Option<TraceContext>,
    /// The span of the request that has submitted it, as in the record.
    pub caller_span: Option<TraceContext>,
}

impl RequestSummary {
    /// The whole request, if nothing was left out; otherwise only the record has it.
    #[must_use]
    pub fn whole(&self) -> Option<ValidRequest> {
        self.request.clone().validate().ok()
    }

    /// The first snapshot of the job.
    #[must_use]
    pub fn snapshot(self, job: JobId) -> JobSnapshot {
        let submitted = JobSnapshot::submitted(job, self.request, self.workers, self.submitted_at);
        JobSnapshot { submitted_by: self.submitted_by, ..submitted }
    }
}

impl From<RequestRecord> for RequestSummary {
    fn from(record: RequestRecord) -> RequestSummary {
        let RequestRecord { request, workers, submitted_at, submitted_by, span, caller_span } =
            record;
        let request = request.into_request().shortened();
        RequestSummary { request, workers, submitted_at, submitted_by, span, caller_span }
    }
}

/// The state in which the store has a job.
#[derive(Debug)]
pub enum StoredJob {
    /// The job is over; this is its report.
    Over(Box<JobSnapshot>),
    /// A record of the job cannot be read; this is a report that says so.
    Unreadable(Box<JobSnapshot>),
    /// The job is not over, and its request is gone without anybody having deleted the job;
    /// this is its report.
    Lost(Box<JobSnapshot>),
    /// A user has cancelled the job, and it has no report yet; this is its report.
    Cancelled(Box<JobSnapshot>),
    /// A user has resumed the job, whose report is still there, or is not any more.
    Resuming(Box<RequestSummary>, Option<Box<JobSnapshot>>),
    /// The job was planned, and continues. C is given if it was known or learned.
    Planned(Box<RequestSummary>, Box<PlanRecord>, Option<u64>),
    /// The job was submitted but not planned.
    Submitted(Box<RequestSummary>),
}

impl RequestRecord {
    /// The record as it is stored, and what is kept in memory. The parsed list of objects
    /// takes many times the size of either.
    ///
    /// # Errors
    ///
    /// None are known: all requests can be encoded.
    pub fn split(self) -> Result<(Bytes, RequestSummary), Problem> {
        Ok((encode(&self)?, self.into()))
    }
}

/// Stores the encoded request of a new job, and its entry in the index.
/// `generated_bytes` is the size of the test data that will be generated for it; `mark`
/// that of the key that it was submitted with.
pub async fn store_request(
    store: &dyn ObjectStore,
    job: JobId,
    request: Bytes,
    generated_bytes: u64,
    mark: Option<Mark>,
) -> Result<(), Problem> {
    index::add(store, job, generated_bytes, mark).await.map_err(not_stored)?;
    store.put(&keys::request(job), request).await.map_err(not_stored)
}

/// The request of a job, with all its objects.
///
/// # Errors
///
/// If there is none, it cannot be read, or the store does not answer.
pub async fn request(store: &dyn ObjectStore, job: JobId) -> Result<RequestRecord, Problem> {
    match get::<RequestRecord>(store, job, &keys::request(job)).await? {
        Some(request) => request,
        None if is_lost(store, job).await? => Err(request_missing(job)),
        None => Err(Problem::no_such_job(&job.to_string())),
    }
}

/// Marks a job as cancelled.
pub async fn store_cancellation(store: &dyn ObjectStore, job: JobId) -> Result<(), Problem> {
    let put = store.put(&keys::cancelled(job), Bytes::new()).await;
    put.map_err(|error| error.own_problem("cancelling the job"))
}

/// Stores the plan of a job. A long list of objects is written piece by piece, so that it is
/// not in memory as text too.
pub async fn store_plan(
    store: &dyn ObjectStore,
    job: JobId,
    record: &PlanRecord,
) -> Result<(), Problem> {
    if let Some(header) = &record.header {
        let header = Bytes::copy_from_slice(header.as_bytes());
        let stored = store.put(&keys::header(job), header).await;
        stored.map_err(|error| error.own_problem("storing the names of the columns"))?;
    }
    if let Some(tensors) = &record.tensors {
        let tensors = Bytes::copy_from_slice(tensors.as_bytes());
        let stored = store.put(&keys::tensors(job), tensors).await;
        stored.map_err(|error| error.own_problem("storing the names of the tensors"))?;
    }
    if let Some(netcdf) = &record.netcdf {
        let stored = store.put(&keys::netcdf(job), Bytes::copy_from_slice(netcdf)).await;
        stored.map_err(|error| error.own_problem("storing the coordinates of the inputs"))?;
    }
    if let Some(weights) = &record.weights {
        let weights = Bytes::copy_from_slice(weights.as_bytes());
        let stored = store.put(&keys::weights(job), weights).await;
        stored.map_err(|error| error.own_problem("storing the weights"))?;
    }
    if record.objects.len() <= PLAN_OBJECTS_AT_ONCE {
        return put(store, &keys::plan(job), record).await;
    }
    let mut upload = store.upload(&keys::plan(job)).await.map_err(not_stored)?;
    let mut text = encode(&record.without_objects())?.to_vec();
    // The objects become the last field.
    text.truncate(text.len().saturating_sub(1));
    text.extend_from_slice(b",\"objects\":[");
    for (number, objects) in record.objects.chunks(PLAN_OBJECTS_AT_ONCE).enumerate() {
        if number > 0 {
            text.push(b',');
        }
        let list = encode(&objects)?;
        text.extend_from_slice(list.get(1..list.len().saturating_sub(1)).unwrap_or_default());
        upload.write(Bytes::from(std::mem::take(&mut text))).await.map_err(not_stored)?;
    }
    upload.write(Bytes::from_static(b"]}")).await.map_err(not_stored)?;
    upload.finish().await.map_err(not_stored)
}

/// The plan of a job; `None` if there is none, or it cannot be read.
///
/// # Errors
///
/// If the store does not answer.
pub async fn plan(store: &dyn ObjectStore, job: JobId) -> Result<Option<PlanRecord>, Problem> {
    Ok(get::<PlanRecord>(store, job, &keys::plan(job)).await?.and_then(Result::ok))
}

/// Stores what was learned of the inputs of a job.
pub async fn store_learned(
    store: &dyn ObjectStore,
    job: JobId,
    record: &LearnedRecord,
) -> Result<(), Problem> {
    put(store, &keys::learned(job), record).await
}

/// Stores the report of a job, from which on the job is over.
pub async fn store_report(store: &dyn ObjectStore, snapshot: &JobSnapshot) -> Result<(), Problem> {
    put(store, &keys::report(snapshot.id), snapshot).await
}

/// The report of a job; `None` if it is not over, or its report cannot be read.
///
/// # Errors
///
/// If the store does not answer.
pub async fn report(
    store: &dyn ObjectStore,
    job: JobId,
) -> Result<Option<Box<JobSnapshot>>, Problem> {
    Ok(get::<Box<JobSnapshot>>(store, job, &keys::report(job)).await?.and_then(Result::ok))
}

/// Whether the store has the request of a job: it was not deleted.
///
/// # Errors
///
/// If the store does not answer.
pub async fn exists_request(store: &dyn ObjectStore, job: JobId) -> Result<bool, Problem> {
    exists(store, &keys::request(job)).await
}

/// Deletes a job with all its objects. A mark goes before: by it a server that starts
/// recognises a deletion that was interrupted. Returns the size of the job's generated test
/// data in bytes.
pub async fn delete(store: &dyn ObjectStore, job: JobId) -> Result<u64, Problem> {
    let doing = "deleting the job";
    index::mark_deleted(store, job).await.map_err(|e| e.problem(doing))?;
    // Earlier versions recognise it by an open entry without a request.
    index::reopen(store, job).await.map_err(|e| e.problem(doing))?;
    store.delete(&keys::request(job)).await.map_err(|e| e.problem(doing))?;
    store.delete_prefix(&keys::job(job)).await.map_err(|e| e.problem(doing))?;
    index::remove(store, job).await.map_err(|e| e.problem(doing))
}

/// Loads a job. `None` if its submission or deletion was interrupted. A job with
/// a record that cannot be read, or without a request, has failed: its snapshot says why,
/// and its records stay as they are. The request of a job that is over is not read, and may
/// be missing.
pub async fn load(store: &dyn ObjectStore, job: JobId) -> Result<Option<StoredJob>, Problem> {
    match get::<Box<JobSnapshot>>(store, job, &keys::report(job)).await? {
        None => {}
        Some(_) if !exists(store, &keys::request(job)).await? && !is_lost(store, job).await? => {
            return Ok(None);
        }
        Some(Ok(mut report)) => {
            // Earlier versions stored requests whole.
            report.request = report.request.shortened();
            if let Some(pending) = &report.webhook
                && let Some(delivery) = webhook::delivery(store, job).await?
                && delivery.id == pending.id
            {
                report.webhook = Some(delivery);
            }
            return Ok(Some(StoredJob::Over(report)));
        }
        Some(Err(problem)) => {
            let request = get::<RequestRecord>(store, job, &keys::request(job)).await?;
            let request = request.and_then(Result::ok).map(RequestSummary::from);
            return Ok(Some(unreadable(job, request, problem)));
        }
    }
    let request: RequestSummary =
        match get::<RequestRecord>(store, job, &keys::request(job)).await? {
            None if is_lost(store, job).await? => {
                let plan = get::<Box<PlanRecord>>(store, job, &keys::plan(job)).await?;
                let plan = plan.and_then(Result::ok);
                return Ok(Some(StoredJob::Lost(lost(job, plan))));
            }
            None => return Ok(None),
            Some(Ok(request)) => request.into(),
            Some(Err(problem)) => return Ok(Some(unreadable(job, None, problem))),
        };
    let plan = get::<Box<PlanRecord>>(store, job, &keys::plan(job)).await?;
    if exists(store, &keys::cancelled(job)).await? {
        let inputs = plan.and_then(Result::ok).map(|plan| plan.inputs);
        return Ok(Some(cancelled(job, request, inputs.unwrap_or_default())));
    }
    Ok(Some(match plan {
        None => StoredJob::Submitted(Box::new(request)),
        Some(Ok(mut plan)) => {
            let columns = match plan.plan.columns {
                None => learn(store, job, &mut plan).await?,
                known => known,
            };
            StoredJob::Planned(Box::new(request), plan, columns)
        }
        Some(Err(problem)) => unreadable(job, Some(request), problem),
    }))
}

/// Completes a plan with what was learned; returns C. A record of it that cannot be used
/// is not needed.
async fn learn(
    store: &dyn ObjectStore,
    job: JobId,
    plan: &mut PlanRecord,
) -> Result<Option<u64>, Problem> {
    let learned = match get::<LearnedRecord>(store, job, &keys::learned(job)).await? {
        Some(Ok(learned)) => learned,
        Some(Err(problem)) => {
            tracing::warn!(job_id = %job, %problem, "what was learned of a job is read again");
            return Ok(None);
        }
        None => return Ok(None),
    };
    Ok(Some(plan.learn(learned)))
}

/// A job that a user has cancelled just before the server ended.
fn cancelled(job: JobId, request: RequestSummary, inputs: InputSummary) -> StoredJob {
    let submitted = request.snapshot(job);
    StoredJob::Cancelled(Box::new(JobSnapshot {
        phase: Phase::Cancelled,
        timings: Timings { ended_at: Some(clock::now()), ..submitted.timings },
        inputs,
        ..submitted
    }))
}

/// Whether a job without a request was planned, and nobody has deleted it. Otherwise its
/// submission or its deletion was interrupted.
async fn is_lost(store: &dyn ObjectStore, job: JobId) -> Result<bool, Problem> {
    // In this order: the mark of a deletion stays until both records are gone.
    Ok(!exists(store, &keys::deleted(job)).await?
        && (exists(store, &keys::plan(job)).await? || exists(store, &keys::report(job)).await?))
}

fn request_missing(job: JobId) -> Problem {
    let key = keys::request(job);
    let detail = format!("its record {key} is missing from the store");
    Problem::new(ProblemKind::Internal, detail).object(key).remedy(
        "restore the record from a backup and resume the job, or delete the job and submit it \
         again",
    )
}

/// A job that failed because its request is missing.
fn lost(job: JobId, plan: Option<Box<PlanRecord>>) -> Box<JobSnapshot> {
    let mut failed = failed(job, None, request_missing(job));
    failed.timings.ended_at = Some(clock::now());
    if let Some(plan) = plan {
        failed.inputs = plan.inputs;
    }
    failed
}

/// A job that failed because one of its records cannot be read.
fn unreadable(job: JobId, request: Option<RequestSummary>, problem: Problem) -> StoredJob {
    StoredJob::Unreadable(failed(job, request, problem))
}

fn failed(job: JobId, request: Option<RequestSummary>, problem: Problem) -> Box<JobSnapshot> {
    tracing::error!(job_id = %job, %problem, "a job cannot be restored");
    let submitted_at = job.submitted_at();
    let request = request.unwrap_or_else(|| RequestSummary {
        request: JobRequest::new(Inputs::Objects(Vec::new())),
        workers: 1,
        submitted_at,
        submitted_by: None,
        span: None,
        caller_span: None,
    });
    let submitted = request.snapshot(job);
    Box::new(JobSnapshot {
        phase: Phase::Failed,
        timings: Timings { ended_at: Some(submitted_at), ..submitted.timings },
        error: Some(problem),
        ..submitted
    })
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

async fn put<T: Serialize + Sync>(
    store: &dyn ObjectStore,
    key: &str,
    record: &T,
) -> Result<(), Problem> {
    let bytes = encode(record)?;
    store.put(key, bytes).await.map_err(not_stored)
}

/// The problem of a record that was not written. A store that does not find what is to be
/// written is out of order.
fn not_stored(error: StoreError) -> Problem {
    let problem = error.own_problem("storing the job");
    match error {
        StoreError::NotFound { .. } => outage(problem).remedy("check the store, then try again"),
        _ => problem,
    }
}

fn encode<T: Serialize>(record: &T) -> Result<Bytes, Problem> {
    let bytes = serde_json::to_vec(record).map_err(|e| internal("storing a job", &e))?;
    Ok(Bytes::from(bytes))
}

async fn exists(store: &dyn ObjectStore, key: &str) -> Result<bool, Problem> {
    match store.head(key).await {
        Ok(_) => Ok(true),
        Err(StoreError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.own_problem("reading a job")),
    }
}

/// A record, or what is wrong with it. `None` if there is none.
///
/// # Errors
///
/// If the store does not answer.
async fn get<T: DeserializeOwned + Record>(
    store: &dyn ObjectStore,
    job: JobId,
    key: &str,
) -> Result<Option<Result<T, Problem>>, Problem> {
    match store.read(key, 0, RECORD_BYTES_MAX + 1, Vec::new()).await {
        Ok(bytes) => Ok(Some(parse(&bytes, job).map_err(|Flaw { field, what }| {
            let place = if field.is_empty() { field } else { format!("field {field}: ") };
            let detail = format!("its record {key} cannot be read: {place}{what}");
            Problem::new(ProblemKind::Internal, detail).object(key).remedy(
                "if a newer version of the program has written it, start that version again; \
                 otherwise delete the job and submit it again",
            )
        }))),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.own_problem("reading a job")),
    }
}

/// The record that is encoded in these bytes.
fn parse<T: DeserializeOwned + Record>(bytes: &[u8], job: JobId) -> Result<T, Flaw> {
    if bytes.len() > RECORD_BYTES_MAX {
        let what = format!("it is larger than {RECORD_BYTES_MAX} bytes");
        return Err(Flaw { field: String::new(), what });
    }
    let record: T = serde_json::from_slice(bytes).map_err(|error| {
        // Only now, because to keep account of the path takes time.
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let path = serde_path_to_error::deserialize::<_, T>(&mut json).err();
        let path = path.map(|error| error.path().to_string()).filter(|path| path != ".");
        Flaw { field: path.unwrap_or_default(), what: error.to_string() }
    })?;
    record.check(job)?;
    Ok(record)
}

#[cfg(test)]
mod tests;
