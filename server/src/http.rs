//! The JSON API, server-sent events and the pages.

mod body;
mod description;
mod events;
mod files;
mod jobs;
mod pages;
mod problem_response;
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

use self::problem_response::ProblemResponse;
use crate::engine::Engine;

/// The state that all handlers share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) engine: Arc<Engine>,
    /// Cancelled when the server stops: ends the streams of events.
    pub(crate) stop: CancellationToken,
    /// A permit for each upload, because each holds parts of its object in memory.
    pub(crate) uploads: Arc<Semaphore>,
}

/// The most concurrent uploads; further ones wait.
const UPLOADS_AT_ONCE: usize = 4;

/// Serves until `stop` is cancelled, then finishes the requests under way.
///
/// `site` is the folder of the browser bundle, as `cargo xtask bundle` makes it.
/// Without it pages are served too, but are not live.
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

/// The routes of the JSON API. Each handler declares its path and method once, for
/// the router and for the description.
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

/// The handler of every other path below `/api`.
async fn unknown(uri: axum::http::Uri) -> ProblemResponse {
    let detail = format!("{} is not a path of this API", uri.path());
    Problem::new(ProblemKind::NotFound, detail).remedy("/api/openapi.json lists the paths").into()
}
