//! What the server offers to the dashboard's server functions.

use std::sync::Arc;

use async_trait::async_trait;
use leptos::prelude::{expect_context, use_context};
use leptos_axum::ResponseOptions;
use protocol::live::{JobPage, Overview};
use protocol::{JobId, JobSnapshot, Preview, Problem, Timestamp, ValidRequest};

/// What the server offers to the dashboard. It is provided as a context of
/// type `Arc<dyn Backend>`, both to the pages and to the server functions.
///
/// Snapshots in lists ([`Overview::jobs`], [`JobPage::jobs`]) come without
/// their result: the lists do not show it, and it would be most of the bytes.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// The time by the server's clock.
    fn now(&self) -> Timestamp;

    /// The newest jobs and the worker pool.
    async fn overview(&self) -> Overview;

    /// A page of the list of jobs, newest first, from after `cursor`.
    async fn jobs(&self, cursor: Option<JobId>, limit: usize) -> JobPage;

    /// One job, with its result. Fails with `NotFound`.
    async fn job(&self, id: JobId) -> Result<JobSnapshot, Problem>;

    /// How a request would be computed. Fails where its inputs cannot be found
    /// or read.
    async fn preview(&self, request: &ValidRequest) -> Result<Preview, Problem>;

    /// Submits a job.
    async fn submit(&self, request: ValidRequest) -> Result<JobId, Problem>;

    /// Cancels a job that is not over. Fails with `NotFound` or `Conflict`.
    async fn cancel(&self, id: JobId) -> Result<(), Problem>;

    /// Deletes a job that is over and all that belongs to it. Fails with
    /// `NotFound` or `Conflict`.
    async fn delete(&self, id: JobId) -> Result<(), Problem>;

    /// Submits the request of a job again, as a new job.
    async fn rerun(&self, id: JobId) -> Result<JobId, Problem>;

    /// Asks for a number of workers by hand; `None` lets it follow from the
    /// jobs again.
    async fn set_desired_workers(&self, by_hand: Option<u32>) -> Result<(), Problem>;
}

/// The backend of the request that is being answered.
pub(crate) fn backend() -> Arc<dyn Backend> {
    expect_context::<Arc<dyn Backend>>()
}

/// The time by the server's clock.
pub(crate) fn now() -> Timestamp {
    backend().now()
}

/// Gives the response the HTTP status code of a problem.
pub(crate) fn answer_with_status(status: u16) {
    if let (Some(options), Ok(status)) =
        (use_context::<ResponseOptions>(), axum::http::StatusCode::from_u16(status))
    {
        options.set_status(status);
    }
}

/// Whether a form was posted by a browser that runs no script, and so wants a
/// page for an answer.
pub(crate) fn wants_page() -> bool {
    use_context::<axum::http::request::Parts>()
        .and_then(|parts| {
            let accept = parts.headers.get(axum::http::header::ACCEPT)?;
            accept.to_str().ok().map(|text| text.contains("text/html"))
        })
        .unwrap_or(false)
}
