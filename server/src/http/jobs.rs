//! Jobs as JSON.

use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use protocol::detail::{InputPage, TaskPage};
use protocol::live::JobPage;
use protocol::problem::{Problem, ProblemKind};
use protocol::{Caller, JobId, JobRequest, JobSnapshot, Preview};
use serde::Deserialize;
use tokio::time::timeout;
use utoipa::IntoParams;

use super::access::Standing;
use super::body::{JobInPath, JsonBody, Parameters};
use super::problem_response::{Failed, ProblemResponse};
use super::unavailable::unless_store_is_missed;
use super::{Shared, conditional, events};
use crate::board::PAGE_JOBS;

/// The largest page of jobs, tasks or input objects.
const PAGE_MAX: usize = 1000;
/// The default page of tasks or input objects.
const PAGE_TASKS: usize = 100;
/// The longest time that a request waits for the end of a job: most proxies give up after
/// a minute.
const WAIT_SECS_MAX: u64 = 50;
/// The largest key of a request in bytes.
const KEY_BYTES_MAX: usize = 255;
/// The header with the key by which a request can be sent again.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The header of a response to a request that was sent again.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The key by which a client may send a request again without submitting a second job.
pub(super) struct IdempotencyKey(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let Some(given) = parts.headers.get(IDEMPOTENCY_KEY) else {
            return Ok(IdempotencyKey(None));
        };
        let text = given.to_str().unwrap_or_default().trim();
        // A structured field is a text in quotation marks; many clients leave them out.
        let key = text.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or(text);
        let is_valid = (1..=KEY_BYTES_MAX).contains(&key.len())
            && key.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
        if !is_valid {
            let detail = "the Idempotency-Key is not a word of 1 to 255 ASCII characters";
            return Err(Problem::new(ProblemKind::InvalidRequest, detail)
                .field("Idempotency-Key")
                .remedy("send a new random UUID with each new request")
                .into());
        }
        Ok(IdempotencyKey(Some(key.to_owned())))
    }
}

/// Submit a job.
///
/// The inputs are listed, and the job planned and computed, after the response.
/// Follow its progress by its events. Unknown fields are rejected. While too many jobs
/// wait, the response has status 429 and the header `Retry-After`.
///
/// A client that is not sure whether a request has arrived sends it again with the same
/// `Idempotency-Key`: then it gets the job that the first one has submitted, for 24 hours
/// and as long as the job exists.
#[utoipa::path(
    post,
    path = "/api/jobs",
    operation_id = "submit_job",
    tag = "jobs",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "A name for this request, such as a random UUID: 1 to 255 ASCII characters \
                       without spaces. Used for another request, it is refused with 409",
        min_length = 1, max_length = 255, pattern = "^[!#-\\[\\]-~]+$")),
    request_body = JobRequest,
    responses(
        (status = 201, description = "The job was created, now or by the same request before",
         body = JobSnapshot,
         headers(
            ("Location" = String, description = "The path of the job"),
            ("Idempotent-Replayed" = String,
             description = "`true` if the job was submitted before"),
         )),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn submit(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    IdempotencyKey(key): IdempotencyKey,
    JsonBody(request): JsonBody<JobRequest>,
) -> Result<Response, ProblemResponse> {
    let (request, by) = (request.validate()?, caller.name);
    let (job, is_replayed) = match key {
        Some(key) => shared.engine.submit_once(request, by, &key).await?,
        None => (shared.engine.submit(request, by).await?, false),
    };
    let mut response = created(&shared, job).await?.into_response();
    if is_replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
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

/// Resume a job that has failed or was cancelled.
///
/// Its inputs are listed anew. What was computed of those that have not changed is used
/// again, unless it was deleted (`--keep-resumable`).
#[utoipa::path(
    post,
    path = "/api/jobs/{id}/resume",
    operation_id = "resume_job",
    tag = "jobs",
    params(("id" = JobId, Path, description = "A job that has failed or was cancelled")),
    responses(
        (status = 202, description = "The job is being resumed", body = JobSnapshot),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn resume(
    State(shared): State<Shared>,
    JobInPath(job): JobInPath,
) -> Result<(StatusCode, Json<JobSnapshot>), ProblemResponse> {
    shared.engine.resume(job).await?;
    let snapshot = JobSnapshot::clone(&*shared.engine.job(job).await?);
    Ok((StatusCode::ACCEPTED, Json(snapshot)))
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
    #[param(pattern = "^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
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
        (status = 200, description = "A page of jobs", body = JobPage,
         headers(("ETag" = String, description = "Tells this page from others"))),
        (status = 304, description = "The page is the one that `If-None-Match` names"),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    Parameters(ListParameters { limit, cursor }): Parameters<ListParameters>,
    headers: HeaderMap,
) -> Result<Response, ProblemResponse> {
    let limit = limit.unwrap_or(PAGE_JOBS).clamp(1, PAGE_MAX);
    Ok(conditional::snapshot(&headers, &shared.engine.jobs(cursor, limit).await?))
}

/// The parameters of `GET /api/jobs/{id}`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ShowParameters {
    /// Wait until the job is over, at most for this time: `30s`, or a number of seconds;
    /// 50 s at most. The response is the job as it is then, in whatever phase.
    #[param(value_type = Option<String>, pattern = "^[0-9]{1,9}s?$")]
    wait: Option<Wait>,
}

/// How long a request waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Wait(Duration);

impl TryFrom<String> for Wait {
    type Error = String;

    fn try_from(text: String) -> Result<Wait, String> {
        let number = text.strip_suffix('s').unwrap_or(&text);
        match number.parse::<u32>() {
            Ok(secs) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                Ok(Wait(Duration::from_secs(u64::from(secs).min(WAIT_SECS_MAX))))
            }
            _ => Err(format!("{text:?} is not a time in seconds, such as 30s")),
        }
    }
}

/// Get a job.
///
/// With `wait` the response comes once the job is over, or the time is up, or the server
/// stops. While very many wait, the response has status 503 and the header `Retry-After`.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}",
    operation_id = "show_job",
    tag = "jobs",
    params(("id" = JobId, Path, description = "The job"), ShowParameters),
    responses(
        (status = 200, description = "The job as it is now", body = JobSnapshot,
         headers(("ETag" = String, description = "Tells this state from others"))),
        (status = 304, description = "The state is the one that `If-None-Match` names"),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn show(
    State(shared): State<Shared>,
    JobInPath(job): JobInPath,
    Parameters(ShowParameters { wait }): Parameters<ShowParameters>,
    Extension(standing): Extension<Standing>,
    headers: HeaderMap,
) -> Result<Response, ProblemResponse> {
    if let Some(Wait(wait)) = wait {
        wait_for_end(&shared, &standing, job, wait).await?;
    }
    // Most ask for a job that is in memory, and many for the same one.
    Ok(match shared.engine.board().job_json(job) {
        Some(text) => conditional::json(&headers, text),
        None => {
            let job = unless_store_is_missed(&shared.engine, shared.engine.job(job)).await??;
            conditional::snapshot(&headers, &*job)
        }
    })
}

/// Waits until a job is over or deleted, the time is up, or the server stops.
async fn wait_for_end(
    shared: &Shared,
    standing: &Standing,
    job: JobId,
    wait: Duration,
) -> Result<(), ProblemResponse> {
    let board = shared.engine.board();
    let mut versions = board.watch();
    if unless_store_is_missed(&shared.engine, shared.engine.job(job)).await??.phase.is_over() {
        return Ok(());
    }
    // It costs what an open stream costs.
    let _permits = events::permits(shared, standing)?;
    let is_open = || board.job(job).is_some_and(|job| !job.phase.is_over());
    let ended = async { while is_open() && versions.changed().await.is_ok() {} };
    // In any case the present state is the answer.
    let _ = timeout(wait, shared.stop.run_until_cancelled(ended)).await;
    if standing.holds().await {
        return Ok(());
    }
    let detail = "the token, the session or the link of this request was withdrawn meanwhile";
    Err(Problem::new(ProblemKind::Forbidden, detail).remedy("ask for another").into())
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
///
/// Where callers have tokens, deleting the job of somebody else needs the role `admin`.
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
    Extension(caller): Extension<Caller>,
    JobInPath(job): JobInPath,
    Parameters(DeleteParameters { purge }): Parameters<DeleteParameters>,
) -> Result<StatusCode, ProblemResponse> {
    if purge {
        shared.engine.delete(job, &caller).await?;
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
    #[param(maximum = 255)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_number_of_seconds_and_bounded() {
        let wait = |text: &str| Wait::try_from(text.to_owned()).map(|Wait(wait)| wait.as_secs());
        assert_eq!(wait("30s"), Ok(30));
        assert_eq!(wait("7"), Ok(7));
        assert_eq!(wait("0"), Ok(0));
        assert_eq!(wait("3600s"), Ok(WAIT_SECS_MAX));
        for wrong in ["", "s", "-1", "+1", "1.5s", "1m", " 1", "99999999999"] {
            assert!(wait(wrong).is_err(), "{wrong:?}");
        }
    }
}
