//! The interface of the server that the server functions use.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use leptos::prelude::{expect_context, use_context};
use leptos_axum::ResponseOptions;
use protocol::comparison::Comparison;
use protocol::detail::{InputPage, TaskPage};
use protocol::files::{FolderPage, ObjectContent, StoredObject};
use protocol::live::{JobPage, Overview};
use protocol::request::Statistic;
use protocol::result::{Image, PlotPoint};
use protocol::states::TaskStates;
use protocol::timeline::Timeline;
use protocol::view::{Envelope, Values};
use protocol::{
    Caller, JobId, JobSnapshot, Preview, Problem, Role, TaskId, Timestamp, ValidRequest, WorkerId,
};

use crate::filter::JobFilter;
use crate::inspection::{LookedAt, PartialResult, TaskHistory, WorkerHistory};
use crate::lately::Lately;

/// The interface of the server for the dashboard. It is provided as a context of
/// type `Arc<dyn Backend>`, both to the pages and to the server functions.
///
/// Snapshots in lists ([`Overview::jobs`], [`JobPage::jobs`]) have no result: the
/// lists do not show it, and it would be most of the bytes.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// The current time by the server's clock.
    fn now(&self) -> Timestamp;

    /// The newest jobs and the worker pool.
    async fn overview(&self) -> Overview;

    /// At most `limit` jobs that match a filter, newest first, starting after `cursor`. If
    /// few match, a page may have less than `limit` jobs and not be the last. Fails if the
    /// store of older jobs does not answer.
    async fn history(
        &self,
        filter: &JobFilter,
        cursor: Option<JobId>,
        limit: usize,
    ) -> Result<JobPage, Problem>;

    /// The newest job, if there is one in memory.
    fn newest_job(&self) -> Option<JobId>;

    /// Visits the jobs in memory: all that are not over, and the newest of the others.
    fn visit_jobs(&self, visit: &mut dyn FnMut(&JobSnapshot));

    /// One job, with its result, and the states of its tasks at the same moment, if they
    /// are known. Fails with `NotFound`.
    async fn job_with_tasks(&self, id: JobId)
    -> Result<(JobSnapshot, Option<TaskStates>), Problem>;

    /// The attempts of a job over time, between two times, of which an absent one is that of
    /// the job. Fails with `NotFound` if they were not recorded.
    async fn timeline(
        &self,
        id: JobId,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Timeline, Problem>;

    /// The values of some columns of the mean, or of a statistic.
    async fn values(
        &self,
        id: JobId,
        statistic: Option<Statistic>,
        columns: Range<u64>,
    ) -> Result<Values, Problem>;

    /// The ranges of the values of some columns, all if `None`, as at most `points` points.
    async fn envelope(
        &self,
        id: JobId,
        statistic: Option<Statistic>,
        columns: Option<Range<u64>>,
        points: usize,
    ) -> Result<Envelope, Problem>;

    /// The ranges of numbers that are equally far apart in the mean, or in a statistic, as at
    /// most `points` points: the column of the first, how far the next is, and how many they
    /// are. `None` if they take too long to read.
    async fn profile(
        &self,
        id: JobId,
        statistic: Option<Statistic>,
        line: (u64, u64, u64),
        points: usize,
    ) -> Result<Option<Vec<Option<PlotPoint>>>, Problem>;

    /// How the mean, or a statistic, of the second job differs from that of the first. Fails if
    /// their shapes differ.
    async fn compare(
        &self,
        jobs: (JobId, JobId),
        statistic: Option<Statistic>,
    ) -> Result<Arc<Comparison>, Problem>;

    /// An image of the mean, or of a statistic, of a result of two dimensions, with the values
    /// of the first and the last colour.
    async fn image(
        &self,
        id: JobId,
        statistic: Option<Statistic>,
        range: Option<(f64, f64)>,
    ) -> Result<Image, Problem>;

    /// What the workers have done in the last two minutes, for all jobs.
    async fn lately(&self) -> Result<Arc<Lately>, Problem>;

    /// What is known of a worker: its present state, and its attempts in some jobs. Fails
    /// with `NotFound`.
    async fn worker(
        &self,
        worker: &WorkerId,
        looked_at: LookedAt,
    ) -> Result<WorkerHistory, Problem>;

    /// The mean of a running job as far as its final segments are stored; `None` if there is
    /// none yet, or the job does not run.
    async fn partial_result(&self, id: JobId) -> Result<Option<PartialResult>, Problem>;

    /// What is known of a task. Fails with `NotFound`.
    async fn task(&self, id: JobId, task: TaskId) -> Result<TaskHistory, Problem>;

    /// A page of the tasks of a level of a job, from the one at index `start`. Fails with
    /// `NotFound` if the job is not planned, or not in memory.
    async fn tasks(
        &self,
        id: JobId,
        level: u8,
        start: u64,
        limit: usize,
    ) -> Result<TaskPage, Problem>;

    /// A page of the input objects of a job, from the one at index `start`. Fails with
    /// `NotFound` if the job is not planned.
    async fn inputs(&self, id: JobId, start: u64, limit: usize) -> Result<InputPage, Problem>;

    /// The same, with what is in each of them; `None` where it cannot be told now.
    async fn inputs_looked_into(
        &self,
        id: JobId,
        start: u64,
        limit: usize,
    ) -> Result<(InputPage, Vec<Option<ObjectContent>>), Problem>;

    /// The folders and objects directly below a prefix.
    async fn browse(&self, prefix: &str) -> Result<FolderPage, Problem>;

    /// What is in each of some objects of the store, in the same order; `None` where it is not
    /// known.
    async fn contents(&self, files: &[StoredObject]) -> Vec<Option<ObjectContent>>;

    /// Deletes an object of the store, or with a slash at the end of the key a folder.
    async fn delete_files(&self, key: &str) -> Result<(), Problem>;

    /// The plan of a request, without submitting it. Fails if its inputs cannot be
    /// found or read.
    async fn preview(&self, request: &ValidRequest) -> Result<Preview, Problem>;

    /// Submits a job and returns its id; `by` is the name of who submits it.
    async fn submit(&self, request: ValidRequest, by: Option<String>) -> Result<JobId, Problem>;

    /// Cancels a job that is not over. Fails with `NotFound` or `Conflict`.
    async fn cancel(&self, id: JobId) -> Result<(), Problem>;

    /// Deletes a job that is over, with its data, for a caller. Fails with `NotFound`,
    /// `Forbidden` or `Conflict`.
    async fn delete(&self, id: JobId, by: &Caller) -> Result<(), Problem>;

    /// Submits the request of a job as a new job and returns its id; `by` is the name of
    /// who submits it.
    async fn rerun(&self, id: JobId, by: Option<String>) -> Result<JobId, Problem>;

    /// Resumes a job that has failed or was cancelled. Fails with `NotFound` or
    /// `Conflict`.
    async fn resume(&self, id: JobId) -> Result<(), Problem>;

    /// Makes the link that shows a job to anybody; `by` is the name of who makes it.
    async fn share(&self, id: JobId, by: Option<String>) -> Result<(), Problem>;

    /// Withdraws the link to a job.
    async fn withdraw(&self, id: JobId) -> Result<(), Problem>;

    /// The path of the link that shows a job to anybody, if it has one.
    async fn share_path(&self, id: JobId) -> Result<Option<String>, Problem>;

    /// The largest W of a job that is accepted.
    fn workers_max(&self) -> u32;

    /// Sets the desired number of workers; `None` derives it from the jobs
    /// again.
    async fn set_desired_workers(&self, by_hand: Option<u32>) -> Result<(), Problem>;
}

/// The backend in the context of the current HTTP request.
pub(crate) fn backend() -> Arc<dyn Backend> {
    expect_context::<Arc<dyn Backend>>()
}

/// The caller of the current HTTP request; `None` for one whom the server does not know.
pub(crate) fn caller() -> Option<Caller> {
    use_context::<axum::http::request::Parts>()?.extensions.get::<Caller>().cloned()
}

/// The caller of the current HTTP request; one without any rights if the server does not
/// know them.
pub(crate) fn caller_or_nobody() -> Caller {
    caller().unwrap_or(Caller { role: None, is_restricted: true, ..Caller::anybody() })
}

/// Whether the caller of the current HTTP request has a role.
pub(crate) fn caller_may(role: Role) -> bool {
    caller().is_some_and(|caller| caller.may(role))
}

/// The name of the caller of the current HTTP request, where callers have names.
pub(crate) fn caller_name() -> Option<String> {
    caller()?.name
}

/// The current time by the server's clock.
pub(crate) fn now() -> Timestamp {
    backend().now()
}

/// In the extensions of a request whose client uses TLS, with the server or with a proxy in
/// front of it.
#[derive(Clone, Copy, Debug)]
pub struct OverTls;

/// The origin of the server, as the client addressed it: `http://127.0.0.1:3000`.
pub(crate) fn host() -> String {
    let host = use_context::<axum::http::request::Parts>().and_then(|parts| {
        let scheme = if parts.extensions.get::<OverTls>().is_some() { "https" } else { "http" };
        let host = parts.headers.get(axum::http::header::HOST)?;
        host.to_str().ok().map(|host| format!("{scheme}://{host}"))
    });
    host.unwrap_or_default()
}

/// Sets the HTTP status code of the response.
pub(crate) fn set_response_status(status: u16) {
    if let (Some(options), Ok(status)) =
        (use_context::<ResponseOptions>(), axum::http::StatusCode::from_u16(status))
    {
        options.set_status(status);
    }
}

/// Whether the client accepts HTML: a form that a browser posted without
/// JavaScript.
pub(crate) fn accepts_html() -> bool {
    use_context::<axum::http::request::Parts>()
        .and_then(|parts| {
            let accept = parts.headers.get(axum::http::header::ACCEPT)?;
            accept.to_str().ok().map(|text| text.contains("text/html"))
        })
        .unwrap_or(false)
}
