//! Jobs as JSON.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use protocol::detail::TaskPage;
use protocol::job::InputSummary;
use protocol::live::JobPage;
use protocol::{JobId, JobRequest, JobSnapshot, Plan};
use serde::{Deserialize, Serialize};

use super::Shared;
use super::answer::Answer;
use super::body::{JobInPath, JsonBody, Parameters};
use crate::board::PAGE_JOBS;

/// The most jobs or tasks that one page has.
const PAGE_MAX: usize = 1000;
/// How many tasks a page has unless another number is asked for.
const PAGE_TASKS: usize = 100;

/// `POST /api/jobs`
pub(super) async fn submit(
    State(shared): State<Shared>,
    JsonBody(request): JsonBody<JobRequest>,
) -> Result<impl IntoResponse, Answer> {
    let job = shared.engine.submit(request).await?;
    created(&shared, job)
}

/// What `POST /api/plan` answers.
#[derive(Serialize)]
pub(super) struct Preview {
    workers: u32,
    inputs: InputSummary,
    plan: Option<Plan>,
}

/// `POST /api/plan`: how a request would be computed; nothing is started.
pub(super) async fn plan(
    State(shared): State<Shared>,
    JsonBody(request): JsonBody<JobRequest>,
) -> Result<Json<Preview>, Answer> {
    let JobSnapshot { workers, inputs, plan, .. } = shared.engine.preview(request).await?;
    Ok(Json(Preview { workers, inputs, plan }))
}

/// `POST /api/jobs/{id}/rerun`
pub(super) async fn rerun(
    State(shared): State<Shared>,
    JobInPath(job): JobInPath,
) -> Result<impl IntoResponse, Answer> {
    let job = shared.engine.rerun(job).await?;
    created(&shared, job)
}

fn created(shared: &Shared, job: JobId) -> Result<impl IntoResponse + use<>, Answer> {
    let snapshot = JobSnapshot::clone(&*shared.engine.job(job)?);
    let location = format!("/api/jobs/{job}");
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(snapshot)))
}

/// What `GET /api/jobs` can be asked.
#[derive(Deserialize)]
pub(super) struct ListParameters {
    limit: Option<usize>,
    cursor: Option<JobId>,
}

/// `GET /api/jobs`
pub(super) async fn list(
    State(shared): State<Shared>,
    Parameters(ListParameters { limit, cursor }): Parameters<ListParameters>,
) -> Json<JobPage> {
    let limit = limit.unwrap_or(PAGE_JOBS).clamp(1, PAGE_MAX);
    Json(shared.engine.board().jobs(cursor, limit))
}

/// `GET /api/jobs/{id}`
pub(super) async fn show(
    State(shared): State<Shared>,
    JobInPath(job): JobInPath,
) -> Result<Json<JobSnapshot>, Answer> {
    Ok(Json(JobSnapshot::clone(&*shared.engine.job(job)?)))
}

/// What `DELETE /api/jobs/{id}` can be asked.
#[derive(Deserialize)]
pub(super) struct DeleteParameters {
    /// Delete a job that is over and all that belongs to it, instead of
    /// cancelling one that is not.
    #[serde(default)]
    purge: bool,
}

/// `DELETE /api/jobs/{id}`: cancels; with `?purge=true` deletes.
pub(super) async fn delete(
    State(shared): State<Shared>,
    JobInPath(job): JobInPath,
    Parameters(DeleteParameters { purge }): Parameters<DeleteParameters>,
) -> Result<StatusCode, Answer> {
    if purge {
        shared.engine.delete(job).await?;
        return Ok(StatusCode::NO_CONTENT);
    }
    shared.engine.cancel(job).await?;
    Ok(StatusCode::ACCEPTED)
}

/// What `GET /api/jobs/{id}/tasks` can be asked.
#[derive(Deserialize)]
pub(super) struct TaskParameters {
    #[serde(default)]
    level: u8,
    #[serde(default)]
    cursor: u64,
    limit: Option<usize>,
}

/// `GET /api/jobs/{id}/tasks`
pub(super) async fn tasks(
    State(shared): State<Shared>,
    JobInPath(job): JobInPath,
    Parameters(TaskParameters { level, cursor, limit }): Parameters<TaskParameters>,
) -> Result<Json<TaskPage>, Answer> {
    let limit = limit.unwrap_or(PAGE_TASKS).clamp(1, PAGE_MAX);
    Ok(Json(shared.engine.tasks(job, level, cursor, limit).await?))
}
