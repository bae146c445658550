//! The worker pool as JSON.

use axum::Json;
use axum::extract::State;
use protocol::worker::PoolSnapshot;
use serde::Deserialize;

use super::Shared;
use super::answer::Answer;
use super::body::JsonBody;

/// `GET /api/workers`
pub(super) async fn show(State(shared): State<Shared>) -> Json<PoolSnapshot> {
    Json(PoolSnapshot::clone(&shared.engine.board().pool()))
}

/// What `PUT /api/workers` is asked.
#[derive(Deserialize)]
pub(super) struct Desired {
    /// So many; `null` lets the number follow from the jobs.
    desired: Option<u32>,
}

/// `PUT /api/workers`
pub(super) async fn set(
    State(shared): State<Shared>,
    JsonBody(Desired { desired }): JsonBody<Desired>,
) -> Result<Json<PoolSnapshot>, Answer> {
    shared.engine.set_desired_workers(desired).await?;
    let mut pool = PoolSnapshot::clone(&shared.engine.board().pool());
    pool.by_hand = desired;
    if let Some(desired) = desired {
        pool.desired = desired;
    }
    Ok(Json(pool))
}
