//! The worker pool as JSON.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use protocol::worker::PoolSnapshot;
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::JsonBody;
use super::problem_response::{Failed, ProblemResponse};
use super::{Shared, conditional};

/// Get the worker pool.
#[utoipa::path(
    get,
    path = "/api/workers",
    operation_id = "show_workers",
    tag = "workers",
    responses(
        (status = 200, description = "The pool as it is now", body = PoolSnapshot,
         headers(("ETag" = String, description = "Tells this state from others"))),
        (status = 304, description = "The state is the one that `If-None-Match` names"),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn show(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    conditional::snapshot(&headers, &*shared.engine.board().pool())
}

/// The number of workers to keep.
#[derive(Deserialize, ToSchema)]
pub(super) struct Desired {
    /// The number of workers; `null` lets it follow from the jobs.
    desired: Option<u32>,
}

/// Set the number of workers, whatever the jobs need.
#[utoipa::path(
    put,
    path = "/api/workers",
    operation_id = "set_workers",
    tag = "workers",
    request_body = Desired,
    responses(
        (status = 200, description = "The pool, with its new target",
         body = PoolSnapshot),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn set(
    State(shared): State<Shared>,
    JsonBody(Desired { desired }): JsonBody<Desired>,
) -> Result<Json<PoolSnapshot>, ProblemResponse> {
    shared.engine.set_desired_workers(desired).await?;
    Ok(Json(PoolSnapshot::clone(&shared.engine.board().pool())))
}
