//! The report of a job.

use std::sync::Arc;

use app::backend::Backend;
use axum::extract::State;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use protocol::JobId;
use protocol::problem::{Problem, ProblemKind};

use super::Shared;
use super::body::JobInPath;
use super::problem_response::{Failed, ProblemResponse};

/// Download a report of a job that is over.
///
/// It is one HTML file that loads nothing: inputs, settings, pictures, figures, the attempts
/// over time, and what happened.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/report.html",
    operation_id = "download_report",
    tag = "jobs",
    params(("id" = JobId, Path, description = "A job that is over")),
    responses(
        (status = 200, description = "The report", body = String, content_type = "text/html"),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn download(
    State(shared): State<Shared>,
    JobInPath(job): JobInPath,
    request: Parts,
) -> Result<Response, ProblemResponse> {
    let snapshot = shared.engine.job(job).await?;
    if !snapshot.phase.is_over() {
        let detail = format!("the job is {}", snapshot.phase.word());
        return Err(Problem::new(ProblemKind::Conflict, detail)
            .remedy("wait until it is over: GET /api/jobs/{id}/events tells")
            .into());
    }
    let backend: Arc<dyn Backend> = shared.engine.clone();
    let report = app::report::report(backend, job, request).await?;
    let disposition = format!("attachment; filename=\"{job}.html\"");
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, report).into_response())
}
