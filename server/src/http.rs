//! The JSON API, server-sent events and the pages.

mod access;
mod body;
mod callers;
mod compression;
mod conditional;
mod connections;
mod content_digest;
mod description;
mod docs;
mod events;
mod files;
mod folders;
mod guard;
pub mod hosts;
mod html;
mod jobs;
mod observation;
mod pages;
mod passing;
mod problem_response;
mod rendered;
mod reports;
mod results;
mod security_headers;
pub mod settings;
mod shares;
mod standing;
mod status;
mod steady_body;
mod thumbnails;
mod timelines;
pub mod tls;
mod unavailable;
mod uploads;
mod views;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{Method, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use protocol::problem::{Problem, ProblemKind};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use self::callers::Callers;
use self::observation::Observer;
use self::problem_response::ProblemResponse;
use self::rendered::Rendered;
use self::settings::Limits;
pub use self::settings::Settings;
pub use self::standing::{standing_by, starting};
use crate::access::Access;
use crate::access::passed::PassingKey;
use crate::engine::Engine;
use crate::metrics::HttpMetrics;

/// One of so many event streams at most is one that a link to a job has opened: whoever
/// has the link must not keep those away who have signed in.
const SHARED_STREAMS: usize = 4;

/// The state that all handlers share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) engine: Arc<Engine>,
    /// Cancelled when the server stops: ends the streams of events.
    pub(crate) stop: CancellationToken,
    /// A permit for each upload, because each holds parts of its object in memory.
    pub(crate) uploads: Arc<Semaphore>,
    /// How long an upload waits for its permit.
    pub(crate) upload_wait_time: Duration,
    /// A permit for each open event stream.
    pub(crate) event_streams: Arc<Semaphore>,
    /// Places of those among them that were opened by links to jobs.
    pub(crate) shared_streams: Arc<Semaphore>,
    /// The most uploads and event streams.
    pub(crate) limits: Limits,
    /// How many servers have led, with this one; 0 if none can stand by.
    pub(crate) epoch: u64,
}

/// That this server leads those of its store.
#[derive(Clone, Debug)]
pub struct Leading {
    /// What requests that others pass on are signed with.
    pub key: PassingKey,
    /// How many servers have led, with this one.
    pub epoch: u64,
}

/// Serves until `stop` is cancelled, then finishes the requests under way, for at most
/// [`Limits::drain_time`]. No other server can stand by for this one.
pub async fn serve(
    listener: TcpListener,
    engine: Arc<Engine>,
    access: Access,
    settings: Settings,
    stop: CancellationToken,
) {
    let app = leading(engine, access, &settings, None, stop.clone());
    serve_as(listener, watch::channel(app).1, settings, stop).await;
}

/// Serves in the same way what the server answers at each moment: whether it leads or
/// stands by may change.
pub async fn serve_as(
    listener: TcpListener,
    apps: watch::Receiver<Router>,
    settings: Settings,
    stop: CancellationToken,
) {
    let Settings { limits, certificate, .. } = settings;
    let acceptor = certificate.as_ref().map(tls::Certificate::acceptor);
    let following = async {
        match certificate {
            Some(certificate) => certificate.follow().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = connections::serve(listener, apps, limits, acceptor, stop) => {}
        () = following => {}
    }
}

/// The routes of a server with an engine. `stop` ends its streams of events.
pub fn leading(
    engine: Arc<Engine>,
    access: Access,
    settings: &Settings,
    leading: Option<Leading>,
    stop: CancellationToken,
) -> Router {
    let Settings { site, limits, certificate, .. } = settings;
    let (key, epoch) = leading.map(|leading| (leading.key, leading.epoch)).unzip();
    let shared = Shared {
        engine,
        stop,
        uploads: Arc::new(Semaphore::new(limits.uploads)),
        upload_wait_time: limits.upload_wait_time,
        event_streams: Arc::new(Semaphore::new(limits.event_streams)),
        shared_streams: Arc::new(Semaphore::new(limits.event_streams.div_ceil(SHARED_STREAMS))),
        limits: limits.clone(),
        epoch: epoch.unwrap_or(0),
    };
    let metrics = shared.engine.metrics().http.clone();
    let access = Arc::new(access.with_tls(certificate.is_some()));
    let rendered = Rendered::new(shared.engine.board().watch());
    let engine = shared.engine.clone();
    let pages = pages::routes(&engine, site.as_deref());
    let routes = api(shared).merge(pages).merge(access::routes(access.clone()));
    let routes = routes.layer(from_fn_with_state(rendered, rendered::reuse));
    let routes = routes.layer(from_fn_with_state(engine, unavailable::refuse_what_waits));
    let routes = routes.layer(from_fn_with_state(access, access::check));
    let routes = routes.layer(compression::layer());
    guarded(routes, settings, metrics).layer(from_fn_with_state(key, passing::recognize))
}

/// The routes behind everything that every request passes, from the last layer to the
/// first.
fn guarded(routes: Router, settings: &Settings, metrics: HttpMetrics) -> Router {
    let observer = Observer { metrics, traces: settings.traces.clone() };
    let limits = &settings.limits;
    let hosts = Arc::new(settings.hosts.clone());
    let callers = Arc::new(Callers::new(limits.requests_per_second));
    routes
        .layer(from_fn_with_state(limits.body_stall_time, steady_body::steady))
        .layer(from_fn_with_state(limits.request_time, in_time))
        .layer(from_fn_with_state(callers, callers::admit))
        .layer(from_fn_with_state(hosts, guard::guard))
        .layer(from_fn(security_headers::secure))
        .layer(from_fn_with_state(observer, observation::observe))
}

/// Gives up on a request whose response does not begin in time. An upload takes as long
/// as its body.
async fn in_time(State(request_time): State<Duration>, request: Request, next: Next) -> Response {
    if is_upload(&request) {
        return next.run(request).await;
    }
    match timeout(request_time, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("the request took longer than {} s", request_time.as_secs());
            let problem = Problem::new(ProblemKind::Unavailable, detail)
                .remedy("try again later, or ask for less at once");
            ProblemResponse::from(problem).into_response()
        }
    }
}

fn is_upload(request: &Request) -> bool {
    let path = request.uri().path();
    *request.method() == Method::PUT && path.starts_with(files::PATH)
        || *request.method() == Method::POST
            && [folders::FORM_PATH, files::LIST_PATH].contains(&path)
        || path.starts_with(uploads::PATH)
}

/// The routes of the JSON API. Each handler declares its path and method once, for
/// the router and for the description.
fn api(shared: Shared) -> Router {
    let (routes, described) = OpenApiRouter::with_openapi(description::heading())
        .routes(routes!(jobs::submit, jobs::list))
        .routes(routes!(jobs::show, jobs::delete))
        .routes(routes!(jobs::tasks))
        .routes(routes!(timelines::show))
        .routes(routes!(timelines::trace))
        .routes(routes!(jobs::inputs))
        .routes(routes!(jobs::rerun))
        .routes(routes!(jobs::resume))
        .routes(routes!(jobs::plan))
        .routes(routes!(shares::share, shares::show, shares::withdraw))
        .routes(routes!(results::download))
        .routes(routes!(views::values))
        .routes(routes!(views::envelope))
        .routes(routes!(views::image))
        .routes(routes!(views::compare))
        .routes(routes!(reports::download))
        .routes(routes!(events::of_all))
        .routes(routes!(events::of_job))
        .routes(routes!(workers::show, workers::set))
        .routes(routes!(folders::list))
        .routes(routes!(files::list))
        .routes(routes!(folders::upload).layer(DefaultBodyLimit::disable()))
        .routes(routes!(files::read, files::upload, files::delete))
        .routes(routes!(uploads::begin))
        .routes(routes!(uploads::show, uploads::append, uploads::delete))
        .routes(routes!(uploads::finish))
        .routes(routes!(status::health))
        .routes(routes!(status::ready))
        .routes(routes!(status::figures))
        .split_for_parts();
    let described = description::finished(described);
    routes
        .route("/api/openapi.json", get(description::serve(&described)))
        .route(docs::PATH, get(docs::page(&described)))
        .route(docs::STYLE_PATH, get(docs::style))
        .route("/api/{*rest}", any(unknown))
        .route(thumbnails::PATH, get(thumbnails::show))
        .route(folders::FORM_PATH, post(folders::upload_form).layer(DefaultBodyLimit::disable()))
        .method_not_allowed_fallback(wrong_method)
        .with_state(shared)
}

/// The handler of every other path below `/api`.
async fn unknown(uri: Uri) -> ProblemResponse {
    let detail = format!("{} is not a path of this API", uri.path());
    Problem::new(ProblemKind::NotFound, detail).remedy("/api/openapi.json lists the paths").into()
}

/// The handler of the other methods of a path.
async fn wrong_method(method: Method, uri: Uri) -> ProblemResponse {
    let detail = format!("{} has no method {method}", uri.path());
    Problem::new(ProblemKind::MethodNotAllowed, detail)
        .remedy("/api/openapi.json lists the methods of each path")
        .into()
}
