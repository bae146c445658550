//! Problems as HTTP responses.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::Problem;
use utoipa::ToResponse;

/// [`ProblemResponse`] in the description of the API.
#[derive(ToResponse)]
#[response(
    description = "A problem: what was wrong, where, and what to do (RFC 9457)",
    content_type = "application/problem+json"
)]
pub(super) struct Failed(#[allow(dead_code, reason = "only its type is of interest")] Problem);

/// A problem as a response, of content type `application/problem+json`.
#[derive(Debug)]
pub(super) struct ProblemResponse(Problem);

impl From<Problem> for ProblemResponse {
    fn from(problem: Problem) -> Self {
        ProblemResponse(problem)
    }
}

impl IntoResponse for ProblemResponse {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status.is_server_error() {
            tracing::warn!(problem = %self.0, "request failed");
        }
        // A problem holds texts and numbers only, which always encode as JSON.
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
    }
}
