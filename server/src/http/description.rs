//! The description of the JSON API (OpenAPI), made from its handlers and types.

mod requests;

use axum::handler::Handler;
use axum::http::header;
use bytes::Bytes;
use protocol::live::Overview;
use protocol::states::{LevelStates, StateChange};
use protocol::webhook::WebhookMessage;
use serde_json::Value;
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
    components(responses(Failed), schemas(LevelStates, Overview, StateChange, WebhookMessage)),
)]
struct Heading;

/// The description before it has any paths.
pub(super) fn heading() -> Description {
    Heading::openapi()
}

/// The description once it has all its paths.
pub(super) fn finished(mut described: Description) -> Value {
    // OpenAPI cannot express a parameter that spans slashes.
    let paths = std::mem::take(&mut described.paths.paths);
    described.paths.paths =
        paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    // It holds texts and numbers only, which always encode as JSON.
    let mut document = serde_json::to_value(&described).unwrap_or_default();
    requests::described(&mut document);
    // Nothing more may be left to send.
    let body = "/paths/~1api~1uploads~1{id}/put/requestBody/required";
    if let Some(required) = document.pointer_mut(body) {
        *required = Value::Bool(false);
    }
    document
}

/// The handler of `GET /api/openapi.json`.
pub(super) fn serve<S: Clone + Send + Sync + 'static>(
    described: &Value,
) -> impl Handler<((),), S> + use<S> {
    let text = Bytes::from(format!("{described:#}\n"));
    async move || ([(header::CONTENT_TYPE, "application/json")], text)
}
