//! Problems as HTTP responses.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::Problem;
use protocol::problem::ProblemKind;
use utoipa::ToResponse;

/// [`ProblemResponse`] in the description of the API.
#[derive(ToResponse)]
#[response(
    description = "A problem: what was wrong, where, and what to do (RFC 9457)",
    content_type = "application/problem+json"
)]
pub(super) struct Failed(#[allow(dead_code, reason = "only its type is of interest")] Problem);

/// When to repeat a request that was refused for the load of the moment, where the
/// handler does not say: after a few seconds most loads are others.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A problem as a response, of content type `application/problem+json`.
#[derive(Debug)]
pub(super) struct ProblemResponse {
    problem: Problem,
    retry_after: Option<Duration>,
}

impl ProblemResponse {
    /// Sets when to repeat the request.
    #[must_use]
    pub(super) fn retry_after(mut self, pause: Duration) -> ProblemResponse {
        self.retry_after = Some(pause);
        self
    }
}

impl From<Problem> for ProblemResponse {
    fn from(problem: Problem) -> Self {
        let is_temporary =
            matches!(problem.kind, ProblemKind::TooManyRequests | ProblemKind::Unavailable);
        ProblemResponse { problem, retry_after: is_temporary.then_some(RETRY_AFTER) }
    }
}

impl IntoResponse for ProblemResponse {
    fn into_response(self) -> Response {
        let ProblemResponse { problem, retry_after } = self;
        let status =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status.is_server_error() {
            tracing::warn!(%problem, "request failed");
        }
        // A problem holds texts and numbers only, which always encode as JSON.
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response =
            (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if let Some(pause) = retry_after {
            // Whole seconds, and never sooner than is said.
            let secs = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        response
    }
}
