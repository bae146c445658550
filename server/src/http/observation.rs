//! Counts and times every request, also those that are refused.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::metrics::HttpMetrics;

/// The route of a path that matches none.
const UNMATCHED: &str = "unmatched";

/// Passes a request on, and counts it once its response begins.
pub(super) async fn observe(
    State(metrics): State<HttpMetrics>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let open = metrics.begun();
    let response = next.run(request).await;
    drop(open);
    let route = route.as_ref().map_or(UNMATCHED, |route| short(route.as_str()));
    metrics.answered(&method, route, response.status(), begun.elapsed());
    response
}

/// The pattern of a path, without the names that axum makes up for nested services.
fn short(route: &str) -> &str {
    route.split_once("/{*__private").map_or(route, |(folder, _)| folder)
}
