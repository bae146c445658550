//! The attempts of a job over time.

use axum::Json;
use axum::extract::State;
use protocol::timeline::Timeline;
use protocol::{JobId, Timestamp};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Shared;
use super::body::{JobInPath, Parameters};
use super::problem_response::{Failed, ProblemResponse};
use crate::timeline::Span;

/// The parameters of `GET /api/jobs/{id}/timeline`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TimelineParameters {
    /// The start of the span, in milliseconds since 1970-01-01 00:00 UTC; the start of the
    /// job if absent.
    from: Option<Timestamp>,
    /// The end of the span; the end of the job, or now, if absent.
    to: Option<Timestamp>,
}

/// Get the attempts of a job over time.
///
/// The size of the answer does not depend on the number of tasks: at most 2,000 attempts of
/// at most 64 workers are listed. If a span has more, only those that run, did not complete
/// their task, or are not the only one at their task, and of each worker the busy share:
/// ask for shorter spans to list the others. Of jobs that ended before the server started,
/// or before the latest 32 others, the answer is that for the whole job.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/timeline",
    operation_id = "show_timeline",
    tag = "jobs",
    params(("id" = JobId, Path, description = "The job"), TimelineParameters),
    responses(
        (status = 200, description = "The attempts in the span", body = Timeline),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn show(
    State(shared): State<Shared>,
    JobInPath(job): JobInPath,
    Parameters(TimelineParameters { from, to }): Parameters<TimelineParameters>,
) -> Result<Json<Timeline>, ProblemResponse> {
    Ok(Json(shared.engine.timeline(job, Span::between(from, to)).await?))
}
