//! Links that show single jobs to anybody who has them.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use protocol::problem::ProblemKind;
use protocol::{Caller, JobId, Problem, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::body::JobInPath;
use super::problem_response::{Failed, ProblemResponse};
use crate::access::shares::Share;

/// A link that shows a job and its result to anybody who has it.
#[derive(Serialize, ToSchema)]
pub(super) struct SharedJob {
    /// The path and query of the link, on this server. The same `share` parameter lets
    /// programs read the job, its events, tasks and result.
    path: String,
    /// When the link was made.
    shared_at: Timestamp,
    /// The name of who made it; absent where nobody signs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_by: Option<String>,
}

impl SharedJob {
    fn new(job: JobId, share: Share) -> SharedJob {
        SharedJob { path: share.path(job), shared_at: share.shared_at, shared_by: share.shared_by }
    }
}

/// Make a link that shows a job to anybody.
///
/// If there is one already, that is returned.
#[utoipa::path(
    post,
    path = "/api/jobs/{id}/share",
    operation_id = "share_job",
    tag = "jobs",
    params(("id" = JobId, Path, description = "The job")),
    responses(
        (status = 200, description = "The link", body = SharedJob),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn share(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    JobInPath(job): JobInPath,
) -> Result<Json<SharedJob>, ProblemResponse> {
    let share = shared.engine.share(job, caller.name).await?;
    Ok(Json(SharedJob::new(job, share)))
}

/// Get the link that shows a job to anybody.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/share",
    operation_id = "show_share",
    tag = "jobs",
    params(("id" = JobId, Path, description = "The job")),
    responses(
        (status = 200, description = "The link", body = SharedJob),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn show(
    State(shared): State<Shared>,
    JobInPath(job): JobInPath,
) -> Result<Json<SharedJob>, ProblemResponse> {
    shared.engine.job(job).await?;
    match shared.engine.shares().find(job).await? {
        Some(share) => Ok(Json(SharedJob::new(job, share))),
        None => Err(Problem::new(ProblemKind::NotFound, format!("job {job} has no link"))
            .remedy(format!("POST /api/jobs/{job}/share makes one"))
            .into()),
    }
}

/// Withdraw the link to a job.
///
/// It shows nothing from then on.
#[utoipa::path(
    delete,
    path = "/api/jobs/{id}/share",
    operation_id = "withdraw_share",
    tag = "jobs",
    params(("id" = JobId, Path, description = "The job")),
    responses(
        (status = 204, description = "There is no link any more"),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn withdraw(
    State(shared): State<Shared>,
    JobInPath(job): JobInPath,
) -> Result<StatusCode, ProblemResponse> {
    shared.engine.withdraw(job).await?;
    Ok(StatusCode::NO_CONTENT)
}
