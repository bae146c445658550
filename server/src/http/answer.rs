//! A problem as the answer to an HTTP request.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::Problem;
use utoipa::ToResponse;

/// How [`Answer`] stands in the description of the API.
#[derive(ToResponse)]
#[response(
    description = "What was wrong, where, and what to do (RFC 9457)",
    content_type = "application/problem+json"
)]
pub(super) struct Failed(#[allow(dead_code, reason = "only its type is of interest")] Problem);

/// A problem as the answer to a request: `application/problem+json`.
#[derive(Debug)]
pub(super) struct Answer(Problem);

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        Answer(problem)
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status.is_server_error() {
            tracing::warn!(problem = %self.0, "a request failed");
        }
        // A problem is made of texts and numbers, which always can be JSON.
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
    }
}
