//! The JSON API, server-sent events and the pages.

mod answer;
mod body;
mod events;
mod files;
mod jobs;
mod pages;
mod results;
mod status;
mod workers;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use protocol::problem::{Problem, ProblemKind};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::trace::TraceLayer;

use self::answer::Answer;
use crate::engine::Engine;

/// What handlers work with.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) engine: Arc<Engine>,
    /// Ends the streams that would not end by themselves.
    pub(crate) stop: CancellationToken,
}

/// Serves until told to stop, then lets what is under way come to its end.
///
/// `site` is the folder of what the browser downloads, as `cargo xtask bundle`
/// makes it; without it pages are served all the same, and stay as they are.
pub async fn serve(
    listener: TcpListener,
    engine: Arc<Engine>,
    site: Option<PathBuf>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let shared = Shared { engine, stop: stop.clone() };
    let app = api(shared.clone())
        .merge(pages::routes(&shared.engine, site.as_deref()))
        .layer(TraceLayer::new_for_http());
    axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await
}

/// What programs talk to.
fn api(shared: Shared) -> Router {
    Router::new()
        .route("/api/jobs", post(jobs::submit).get(jobs::list))
        .route("/api/jobs/{id}", get(jobs::show).delete(jobs::delete))
        .route("/api/plan", post(jobs::plan))
        .route("/api/jobs/{id}/rerun", post(jobs::rerun))
        .route("/api/jobs/{id}/tasks", get(jobs::tasks))
        .route("/api/jobs/{id}/result", get(results::download))
        .route("/api/jobs/{id}/events", get(events::of_job))
        .route("/api/events", get(events::of_all))
        .route("/api/workers", get(workers::show).put(workers::set))
        .route("/api/files", get(files::list))
        .route("/api/files/{*key}", get(files::read).put(files::upload))
        .route("/api/{*rest}", get(unknown).post(unknown).put(unknown).delete(unknown))
        .route("/healthz", get(status::health))
        .route("/readyz", get(status::ready))
        .route("/metrics", get(status::metrics))
        .with_state(shared)
}

/// A path below `/api` that means nothing.
async fn unknown(uri: axum::http::Uri) -> Answer {
    let detail = format!("{} is not a path of this API", uri.path());
    Problem::new(ProblemKind::NotFound, detail).remedy("the paths are listed in the README").into()
}
