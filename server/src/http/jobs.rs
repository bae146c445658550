//! Jobs as JSON.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use protocol::detail::{InputPage, TaskPage};
use protocol::live::JobPage;
use protocol::{Caller, JobId, JobRequest, JobSnapshot, Preview};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Shared;
use super::body::{JobInPath, JsonBody, Parameters};
use super::problem_response::{Failed, ProblemResponse};
use crate::board::PAGE_JOBS;

/// The largest page of jobs, tasks or input objects.
const PAGE_MAX: usize = 1000;
/// The default page of tasks or input objects.
const PAGE_TASKS: usize = 100;

/// Submit a job.
///
/// The inputs are listed, and the job planned and computed, after the response.
/// Follow its progress by its events. Unknown fields are rejected. While too many jobs
/// wait, the response has status 429 and the header `Retry-After`.
#[utoipa::path(
    post,
    path = "/api/jobs",
    operation_id = "submit_job",
    tag = "jobs",
    request_body = JobRequest,
    responses(
        (status = 201, description = "The job was created", body = JobSnapshot,
         headers(("Location" = String, description = "The path of the job"))),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn submit(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    JsonBody(request): JsonBody<JobRequest>,
) -> Result<impl IntoResponse, ProblemResponse> {
    let job = shared.engine.submit(request.validate()?, caller.name).await?;
    created(&shared, job).await
}

/// Plan a job without starting it.
#[utoipa::path(
    post,
    path = "/api/plan",
    operation_id = "plan_job",
    tag = "jobs",
    request_body = JobRequest,
    responses(
        (status = 200, description = "The plan and its estimated cost", body = Preview),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn plan(
    State(shared): State<Shared>,
    JsonBody(request): JsonBody<JobRequest>,
) -> Result<Json<Preview>, ProblemResponse> {
    Ok(Json(shared.engine.preview(&request.validate()?).await?))
}

/// Run a job again, as a new job.
#[utoipa::path(
    post,
    path = "/api/jobs/{id}/rerun",
    operation_id = "rerun_job",
    tag = "jobs",
    params(("id" = JobId, Path, description = "The job to run again")),
    responses(
        (status = 201, description = "The new job", body = JobSnapshot,
         headers(("Location" = String, description = "The path of the new job"))),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn rerun(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    JobInPath(job): JobInPath,
) -> Result<impl IntoResponse, ProblemResponse> {
    let job = shared.engine.rerun(job, caller.name).await?;
    created(&shared, job).await
}

async fn created(
    shared: &Shared,
    job: JobId,
) -> Result<impl IntoResponse + use<>, ProblemResponse> {
    let snapshot = JobSnapshot::clone(&*shared.engine.job(job).await?);
    let location = format!("/api/jobs/{job}");
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(snapshot)))
}

/// The parameters of `GET /api/jobs`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParameters {
    /// The largest number of jobs to return, from 1 to 1,000; 50 by default.
    limit: Option<usize>,
    /// The `cursor` of the previous page.
    cursor: Option<JobId>,
}

/// List jobs, newest first.
///
/// Lists of more than 16 objects are shortened in all responses: see `Inputs`.
#[utoipa::path(
    get,
    path = "/api/jobs",
    operation_id = "list_jobs",
    tag = "jobs",
    params(ListParameters),
    responses(
        (status = 200, description = "A page of jobs", body = JobPage),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    Parameters(ListParameters { limit, cursor }): Parameters<ListParameters>,
) -> Result<Json<JobPage>, ProblemResponse> {
    let limit = limit.unwrap_or(PAGE_JOBS).clamp(1, PAGE_MAX);
    Ok(Json(shared.engine.jobs(cursor, limit).await?))
}

/// Get a job.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}",
    operation_id = "show_job",
    tag = "jobs",
    params(("id" = JobId, Path, description = "The job")),
    responses(
        (status = 200, description = "The job as it is now", body = JobSnapshot),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn show(
    State(shared): State<Shared>,
    JobInPath(job): JobInPath,
) -> Result<Json<JobSnapshot>, ProblemResponse> {
    Ok(Json(JobSnapshot::clone(&*shared.engine.job(job).await?)))
}

/// The parameters of `DELETE /api/jobs/{id}`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DeleteParameters {
    /// Delete a job that is over with all its objects, instead of cancelling a
    /// job that is not.
    #[serde(default)]
    purge: bool,
}

/// Cancel a job, or delete one that is over.
#[utoipa::path(
    delete,
    path = "/api/jobs/{id}",
    operation_id = "delete_job",
    tag = "jobs",
    params(("id" = JobId, Path, description = "The job"), DeleteParameters),
    responses(
        (status = 202, description = "The job is being cancelled"),
        (status = 204, description = "The job was deleted"),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn delete(
    State(shared): State<Shared>,
    JobInPath(job): JobInPath,
    Parameters(DeleteParameters { purge }): Parameters<DeleteParameters>,
) -> Result<StatusCode, ProblemResponse> {
    if purge {
        shared.engine.delete(job).await?;
        return Ok(StatusCode::NO_CONTENT);
    }
    shared.engine.cancel(job).await?;
    Ok(StatusCode::ACCEPTED)
}

/// The parameters of `GET /api/jobs/{id}/tasks`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TaskParameters {
    /// The level of the sum tree; 0 sums input objects.
    #[serde(default)]
    level: u8,
    /// The `cursor` of the previous page.
    #[serde(default)]
    cursor: u64,
    /// The largest number of tasks to return, from 1 to 1,000; 100 by default.
    limit: Option<usize>,
}

/// List the tasks of one level of a job, with their attempts.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/tasks",
    operation_id = "list_tasks",
    tag = "jobs",
    params(("id" = JobId, Path, description = "The job"), TaskParameters),
    responses(
        (status = 200, description = "A page of tasks", body = TaskPage),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn tasks(
    State(shared): State<Shared>,
    JobInPath(job): JobInPath,
    Parameters(TaskParameters { level, cursor, limit }): Parameters<TaskParameters>,
) -> Result<Json<TaskPage>, ProblemResponse> {
    let limit = limit.unwrap_or(PAGE_TASKS).clamp(1, PAGE_MAX);
    Ok(Json(shared.engine.tasks(job, level, cursor, limit).await?))
}

/// The parameters of `GET /api/jobs/{id}/inputs`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct InputParameters {
    /// The `cursor` of the previous page.
    #[serde(default)]
    cursor: u64,
    /// The largest number of objects to return, from 1 to 1,000; 100 by default.
    limit: Option<usize>,
}

/// List the input objects of a job, with the versions that were read.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/inputs",
    operation_id = "list_inputs",
    tag = "jobs",
    params(("id" = JobId, Path, description = "A job that is planned"), InputParameters),
    responses(
        (status = 200, description = "A page of input objects", body = InputPage),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn inputs(
    State(shared): State<Shared>,
    JobInPath(job): JobInPath,
    Parameters(InputParameters { cursor, limit }): Parameters<InputParameters>,
) -> Result<Json<InputPage>, ProblemResponse> {
    let limit = limit.unwrap_or(PAGE_TASKS).clamp(1, PAGE_MAX);
    Ok(Json(shared.engine.input_page(job, cursor, limit).await?))
}
