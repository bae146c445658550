//! The JSON API, server-sent events and the pages.

mod answer;
mod body;
mod description;
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
use axum::routing::get;
use protocol::problem::{Problem, ProblemKind};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::trace::TraceLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::answer::Answer;
use crate::engine::Engine;

/// What handlers work with.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) engine: Arc<Engine>,
    /// Ends the streams that would not end by themselves.
    pub(crate) stop: CancellationToken,
    /// What uploads need: each holds pieces of its object.
    pub(crate) uploads: Arc<Semaphore>,
}

/// How many objects are uploaded at the same time; further ones wait.
const UPLOADS_AT_ONCE: usize = 4;

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
    let uploads = Arc::new(Semaphore::new(UPLOADS_AT_ONCE));
    let shared = Shared { engine, stop: stop.clone(), uploads };
    let app = api(shared.clone())
        .merge(pages::routes(&shared.engine, site.as_deref()))
        .layer(TraceLayer::new_for_http());
    axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await
}

/// What programs talk to. A handler says its path and method itself, so what is
/// served is what is described.
fn api(shared: Shared) -> Router {
    let (routes, described) = OpenApiRouter::with_openapi(description::heading())
        .routes(routes!(jobs::submit, jobs::list))
        .routes(routes!(jobs::show, jobs::delete))
        .routes(routes!(jobs::tasks))
        .routes(routes!(jobs::rerun))
        .routes(routes!(jobs::plan))
        .routes(routes!(results::download))
        .routes(routes!(events::of_all))
        .routes(routes!(events::of_job))
        .routes(routes!(workers::show, workers::set))
        .routes(routes!(files::list))
        .routes(routes!(files::read, files::upload))
        .routes(routes!(status::health))
        .routes(routes!(status::ready))
        .routes(routes!(status::metrics))
        .split_for_parts();
    routes
        .route("/api/openapi.json", get(description::serve(described)))
        .route("/api/{*rest}", get(unknown).post(unknown).put(unknown).delete(unknown))
        .with_state(shared)
}

/// A path below `/api` that means nothing.
async fn unknown(uri: axum::http::Uri) -> Answer {
    let detail = format!("{} is not a path of this API", uri.path());
    Problem::new(ProblemKind::NotFound, detail).remedy("/api/openapi.json lists the paths").into()
}
