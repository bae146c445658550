//! The answer to a request for which a part is missing: JSON, or a page for a browser.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use protocol::Problem;
use sha2::{Digest, Sha256};
use tokio::time::sleep;

use super::html::escaped;
use super::passing::RETRY_AFTER;
use super::problem_response::ProblemResponse;
use crate::access::rules::{SIGN_IN, SIGN_OUT};
use crate::engine::Engine;

/// How long a request may take once the store is known to be away: most need nothing of it.
const GRACE: Duration = Duration::from_secs(2);

/// They change nothing, though they have bodies.
const PLANS: [&str; 2] = ["/api/plan", "/app/preview"];

/// How the answer is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// As a page that tries again by itself.
    PageAgain,
    /// As a page: what was sent from a form is not sent again unasked.
    Page,
    /// As JSON.
    Problem,
}

impl Shown {
    /// How whoever sends this request reads the answer.
    pub(super) fn to(request: &Request) -> Shown {
        match (takes_html(request.headers()), request.method().is_safe()) {
            (true, true) => Shown::PageAgain,
            (true, false) => Shown::Page,
            (false, _) => Shown::Problem,
        }
    }
}

/// Refuses what needs the store while that is away: who asks tries again, instead of waiting
/// for nobody knows how long. What changes something is refused before it begins, and waits
/// if it has begun. An upload reads its body before it is refused.
pub(super) async fn refuse_what_waits(
    State(engine): State<Arc<Engine>>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let needs_no_store = [SIGN_IN, SIGN_OUT].contains(&path);
    if super::is_upload(&request) || needs_no_store || waits_for_job(&request) {
        return next.run(request).await;
    }
    let shown = Shown::to(&request);
    let answered = match request.method().is_safe() || PLANS.contains(&path) {
        true => unless_store_is_missed(&engine, next.run(request)).await,
        false => match engine.check_store() {
            Ok(()) => Ok(next.run(request).await),
            Err(problem) => Err(problem),
        },
    };
    answered.unwrap_or_else(|problem| refusal(shown, problem, "no-store"))
}

/// The output of `work`, unless that takes longer than a moment while the store is away.
pub(super) async fn unless_store_is_missed<F: Future>(
    engine: &Engine,
    work: F,
) -> Result<F::Output, Problem> {
    let missed = async {
        loop {
            engine.store_missed().await;
            sleep(GRACE).await;
            if let Err(problem) = engine.check_store() {
                return problem;
            }
        }
    };
    tokio::select! {
        biased;
        done = work => Ok(done),
        problem = missed => Err(problem),
    }
}

/// Whether a request waits for the end of a job, which most often is in memory.
fn waits_for_job(request: &Request) -> bool {
    let query = request.uri().query().unwrap_or_default();
    request.method().is_safe() && query.split('&').any(|it| it.starts_with("wait="))
}

/// Refuses a request for the moment. `state` tells scripts why.
pub(super) fn refusal(shown: Shown, problem: Problem, state: &str) -> Response {
    if shown == Shown::Problem {
        return ProblemResponse::from(problem).retry_after(RETRY_AFTER).into_response();
    }
    let style = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    let Problem { title, detail, remedy, .. } = problem;
    // What a store says is anything.
    let [title, detail, remedy] = [title, detail, remedy].map(|text| escaped(&text));
    let seconds = RETRY_AFTER.as_secs();
    let (refresh, again) = match shown {
        Shown::PageAgain => (
            format!("<meta http-equiv=\"refresh\" content=\"{seconds}\">"),
            format!("<p>This page tries again every {seconds} seconds.</p>"),
        ),
        Shown::Page | Shown::Problem => (String::new(), String::new()),
    };
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         {refresh}\
         <title>{title}</title><style>{STYLE}</style></head>\
         <body data-state=\"{state}\"><h1>{title}</h1><p>{detail}: {remedy}.</p>\
         {again}</body></html>\n"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::RETRY_AFTER, seconds.to_string()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (StatusCode::SERVICE_UNAVAILABLE, headers, page).into_response()
}

/// The style of the page, which can load nothing.
const STYLE: &str = ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;\
                     margin:15vh auto;max-width:34rem;padding:0 1rem;overflow-wrap:anywhere}";

fn takes_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}
