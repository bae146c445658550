//! Small pictures of results, for the lists of jobs.

use app::pages::job::thumbnail::thumbnail;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use protocol::problem::{Problem, ProblemKind};

use super::Shared;
use super::body::JobInPath;
use super::problem_response::ProblemResponse;

/// The path of the picture of a job.
pub(super) const PATH: &str = "/jobs/{id}/thumbnail";

/// A small picture of the result of a job that is done: a PNG or an SVG.
pub(super) async fn show(
    State(shared): State<Shared>,
    JobInPath(job): JobInPath,
) -> Result<Response, ProblemResponse> {
    let snapshot = shared.engine.job(job).await?;
    let Some(result) = snapshot.result.as_ref() else {
        let detail = format!("the job is {}, and has no result", snapshot.phase.word());
        return Err(Problem::new(ProblemKind::Conflict, detail)
            .remedy("wait until it is done: GET /api/jobs/{id}/events tells")
            .into());
    };
    let (kind, file) = thumbnail(result);
    let headers = [
        (header::CONTENT_TYPE, kind),
        // A result never changes.
        (header::CACHE_CONTROL, "private, max-age=31536000, immutable"),
    ];
    Ok((headers, file).into_response())
}
