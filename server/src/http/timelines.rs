//! The attempts of a job over time.

use axum::Json;
use axum::extract::State;
use protocol::timeline::{ATTEMPTS_LISTED, Timeline};
use protocol::{JobId, Timestamp};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Shared;
use super::body::{JobInPath, Parameters};
use super::problem_response::{Failed, ProblemResponse};
use crate::timeline::Span;
use crate::trace::{self, TRACE_ATTEMPTS, Trace};

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
    let span = Span::between(from, to);
    Ok(Json(shared.engine.timeline(job, span, ATTEMPTS_LISTED).await?))
}

/// Get the attempts of a job as a trace.
///
/// Perfetto (ui.perfetto.dev) and Chrome (about:tracing) open it: a thread for each worker,
/// a slice for each attempt, at most 20,000, and arrows to speculative attempts.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/trace.json",
    operation_id = "show_trace",
    tag = "jobs",
    params(("id" = JobId, Path, description = "The job")),
    responses(
        (status = 200, description = "The trace, in the Trace Event Format",
         body = serde_json::Value),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn trace(
    State(shared): State<Shared>,
    JobInPath(job): JobInPath,
) -> Result<Json<Trace>, ProblemResponse> {
    let snapshot = shared.engine.job(job).await?;
    let timeline = shared.engine.timeline(job, None, TRACE_ATTEMPTS).await?;
    Ok(Json(trace::trace(&snapshot, &timeline)))
}
