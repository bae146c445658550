//! What a server answers while another one leads.
//!
//! It recognizes callers and refuses them as the leader does, and passes everything else
//! on; only probes and figures are its own.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use program::metrics;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;
use protocol::problem::{Problem, ProblemKind};
use tokio_util::sync::CancellationToken;

use super::passing::{self, RETRY_AFTER, pass};
use super::problem_response::ProblemResponse;
use super::unavailable::{Shown, refusal};
use super::{Settings, access, guarded, status};
use crate::access::Access;
use crate::metrics::Metrics;
use crate::store_lease::Leader;

/// What a server that stands by knows.
struct Standing {
    access: Arc<Access>,
    leader: Option<Leader>,
    metrics: Metrics,
    /// Cancelled once the leader is another, or none.
    ended: CancellationToken,
    /// Cancelled when this server stops.
    stop: CancellationToken,
}

/// The routes of a server that stands by while `leader` leads, or nobody. `ended` is
/// cancelled once that is no longer so.
pub fn standing_by(
    leader: Option<Leader>,
    access: Access,
    settings: &Settings,
    metrics: Metrics,
    ended: CancellationToken,
    stop: CancellationToken,
) -> Router {
    let access = Arc::new(access.with_tls(settings.certificate.is_some()));
    let http = metrics.http.clone();
    let standing = Standing { access: access.clone(), leader, metrics, ended, stop };
    let routes = Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(ready))
        .route("/metrics", get(figures))
        .fallback(pass_on)
        .with_state(Arc::new(standing));
    let routes = routes.layer(from_fn_with_state(access, access::check));
    guarded(routes, settings, http).layer(from_fn(passing::refuse_passed))
}

/// The routes of a server that is not known yet to lead or to stand by.
pub fn starting() -> Router {
    Router::new().fallback(async || {
        let problem = Problem::new(ProblemKind::Unavailable, "the server is starting")
            .remedy("try again in a few seconds");
        ProblemResponse::from(problem).retry_after(RETRY_AFTER)
    })
}

async fn health() -> &'static str {
    "ok: this server stands by\n"
}

/// A server is ready if it can pass requests on: while nobody leads, none can be answered.
async fn ready(State(standing): State<Arc<Standing>>) -> Result<String, ProblemResponse> {
    match &standing.leader {
        Some(leader) => Ok(format!("ready: this server stands by for {}\n", leader.reached.url)),
        None => Err(ProblemResponse::from(nobody_leads()).retry_after(RETRY_AFTER)),
    }
}

async fn figures(State(standing): State<Arc<Standing>>) -> impl IntoResponse {
    let mut registry = Registry::with_prefix(metrics::PREFIX);
    let epoch = standing.leader.as_ref().map_or(0, |leader| leader.epoch);
    registry.register_collector(Box::new(Follower { epoch }));
    let text = standing.metrics.text() + &metrics::text(&registry);
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text)
}

/// The figures of a server that does not lead.
#[derive(Debug)]
struct Follower {
    epoch: u64,
}

impl Collector for Follower {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        status::encode_leadership(&mut encoder, false, self.epoch)
    }
}

/// Passes a request on to the leader.
async fn pass_on(State(standing): State<Arc<Standing>>, request: Request) -> Response {
    let Some(leader) = &standing.leader else {
        return refusal(Shown::to(&request), nobody_leads(), "no-leader");
    };
    let origin = access::origin(&request);
    let passed = standing.access.passed(request.headers(), &origin);
    pass(leader, request, &passed, &standing.ended, &standing.stop).await
}

fn nobody_leads() -> Problem {
    Problem::new(ProblemKind::Unavailable, "no server leads at the moment")
        .remedy("try again in a few seconds: one of those that stand by takes over; jobs go on")
}
