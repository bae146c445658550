//! The description of the JSON API (OpenAPI), made from its handlers and types.

use axum::handler::Handler;
use axum::http::header;
use bytes::Bytes;
use protocol::live::Overview;
use protocol::states::{LevelStates, StateChange};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Description;

use super::problem_response::Failed;

/// The description of the API as a whole.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "distributed-average",
        description = "Computes the exact mean of every index across many files of numbers, on \
                       many workers: submit a job, follow it, download its result."
    ),
    tags(
        (name = "jobs", description = "Requests for a mean, and their results"),
        (name = "events", description = "Changes of jobs and workers, as server-sent events"),
        (name = "workers", description = "The worker pool"),
        (name = "files", description = "Input objects"),
        (name = "status", description = "Health checks, and metrics for Prometheus"),
    ),
    components(responses(Failed), schemas(LevelStates, Overview, StateChange)),
)]
struct Heading;

/// The description before it has any paths.
pub(super) fn heading() -> Description {
    Heading::openapi()
}

/// The description once it has all its paths.
pub(super) fn finished(mut described: Description) -> Description {
    // OpenAPI cannot express a parameter that spans slashes.
    let paths = std::mem::take(&mut described.paths.paths);
    described.paths.paths =
        paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    described
}

/// The handler of `GET /api/openapi.json`.
pub(super) fn serve<S: Clone + Send + Sync + 'static>(
    described: &Description,
) -> impl Handler<((),), S> + use<S> {
    // It holds texts and numbers only, which always encode as JSON.
    let text = Bytes::from(described.to_pretty_json().unwrap_or_default());
    async move || ([(header::CONTENT_TYPE, "application/json")], text)
}
