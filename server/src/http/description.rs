//! The description of the JSON API (OpenAPI), made from its handlers and types.

use axum::handler::Handler;
use axum::http::header;
use bytes::Bytes;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Description;

use super::answer::Failed;

/// What stands above the paths.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "distributed-average",
        description = "The exact mean of every index across many files of numbers, computed by \
                       many workers: submit a job, follow it, fetch its result."
    ),
    tags(
        (name = "jobs", description = "Requests for a mean, and their results"),
        (name = "events", description = "What changes, as it changes"),
        (name = "workers", description = "Who computes"),
        (name = "files", description = "Input objects"),
        (name = "status", description = "For probes and for Prometheus"),
    ),
    components(responses(Failed)),
)]
struct Heading;

/// The description before it has any paths.
pub(super) fn heading() -> Description {
    Heading::openapi()
}

/// The handler of `GET /api/openapi.json`.
pub(super) fn serve<S>(mut described: Description) -> impl Handler<((),), S>
where
    S: Clone + Send + Sync + 'static,
{
    // OpenAPI has no word for a parameter that goes on over slashes.
    let paths = std::mem::take(&mut described.paths.paths);
    described.paths.paths =
        paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    // It is made of texts and numbers, which always can be JSON.
    let text = Bytes::from(described.to_pretty_json().unwrap_or_default());
    async move || ([(header::CONTENT_TYPE, "application/json")], text)
}
