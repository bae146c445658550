//! Renders the page of a job once for all who ask for it at the same time.
//!
//! To render a page takes some milliseconds of a processor, and a link to a result may reach
//! many people in a minute. Those who ask for the same page, with the same rights and under
//! the same name of the server, get what was rendered for the first of them, until
//! [`KEPT_FOR`] later, and never after something has changed: a job, the pool, or whatever a
//! request that is not a plain read may have touched.
//!
//! Each answer has a nonce of its own all the same: it is put where that of the rendered page
//! stood, in the page and in its content security policy.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use app::backend::OverTls;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::BodyExt;
use leptos::nonce::Nonce;
use moka::future::Cache;
use protocol::problem::ProblemKind;
use protocol::{Caller, Problem};
use tokio::sync::watch;

use super::problem_response::ProblemResponse;
use crate::access::rules::{SIGN_IN, SIGN_OUT};

/// For how long a page is kept: pages also show what happens between two changes.
const KEPT_FOR: Duration = Duration::from_millis(250);
/// The most bytes of pages that are kept.
const BYTES_MAX: u64 = 16 << 20;

/// The pages that were rendered last.
#[derive(Clone)]
pub(super) struct Rendered {
    pages: Cache<Asked, Arc<Page>>,
    /// The version of the jobs and the pool.
    version: watch::Receiver<u64>,
    /// How many requests there were that may have changed something.
    writes: Arc<AtomicU64>,
}

/// All that a page depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Asked {
    address: String,
    host: Option<HeaderValue>,
    is_over_tls: bool,
    caller: Option<Caller>,
    version: u64,
    writes: u64,
}

impl Rendered {
    /// No page yet. `version` is that of the jobs and the pool.
    pub(super) fn new(version: watch::Receiver<u64>) -> Rendered {
        let bytes = |_: &Asked, page: &Arc<Page>| u32::try_from(page.bytes()).unwrap_or(u32::MAX);
        let pages =
            Cache::builder().max_capacity(BYTES_MAX).weigher(bytes).time_to_live(KEPT_FOR).build();
        Rendered { pages, version, writes: Arc::default() }
    }

    fn asked(&self, request: &Request) -> Asked {
        let address = request.uri().path_and_query();
        Asked {
            address: address.map(ToString::to_string).unwrap_or_default(),
            host: request.headers().get(header::HOST).cloned(),
            is_over_tls: request.extensions().get::<OverTls>().is_some(),
            caller: request.extensions().get::<Caller>().cloned(),
            version: *self.version.borrow(),
            writes: self.writes.load(Ordering::SeqCst),
        }
    }
}

/// Answers a request for the page of a job with one that is rendered already, if there is
/// one, and passes on all others.
pub(super) async fn reuse(
    State(rendered): State<Rendered>,
    request: Request,
    next: Next,
) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_sign = [SIGN_IN, SIGN_OUT].contains(&request.uri().path());
    if !is_read && !is_sign {
        // Also if its caller gives up: it may have changed something before.
        let _counted = Counted(&rendered.writes);
        return next.run(request).await;
    }
    if request.method() != Method::GET || !is_page(request.uri().path()) {
        return next.run(request).await;
    }
    let asked = rendered.asked(&request);
    // Of those who ask for one page at the same time, one renders it and the others wait. If
    // that one gives up, another begins anew.
    let page = rendered.pages.try_get_with(asked, async move {
        let page = Page::of(next.run(request).await).await?;
        // Errors are told to those who wait, and not kept.
        if page.status == StatusCode::OK { Ok(page) } else { Err(Refusal::Page(page)) }
    });
    let page = page.await;
    match page.as_ref().map_err(|refusal| &**refusal) {
        Ok(page) => page.response(),
        Err(Refusal::Page(page)) => page.response(),
        Err(Refusal::Cut) => {
            let problem =
                Problem::new(ProblemKind::Internal, "the page was not rendered to its end");
            ProblemResponse::from(problem).into_response()
        }
    }
}

/// Counts a write when it is over.
struct Counted<'a>(&'a AtomicU64);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Whether a path is that of a page of a job.
fn is_page(path: &str) -> bool {
    path.starts_with("/jobs/") && !path.ends_with("/thumbnail")
}

/// Why a page is not kept.
enum Refusal {
    /// It is not the page that was asked for, but says why there is none.
    Page(Arc<Page>),
    /// It broke off.
    Cut,
}

/// A rendered page, cut at its nonce.
struct Page {
    status: StatusCode,
    headers: HeaderMap,
    /// The content security policy; empty if there is none.
    policy: Vec<String>,
    body: Vec<Bytes>,
}

impl Page {
    async fn of(response: Response) -> Result<Arc<Page>, Refusal> {
        let (mut parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|_| Refusal::Cut)?.to_bytes();
        // The policy is written anew for each answer, and so is the length.
        parts.headers.remove(header::CONTENT_LENGTH);
        let policy = parts.headers.remove(header::CONTENT_SECURITY_POLICY);
        let policy = policy.as_ref().and_then(|policy| policy.to_str().ok()).unwrap_or_default();
        let (policy, body) = match nonce(policy) {
            Some(nonce) => {
                (policy.split(nonce).map(str::to_owned).collect(), pieces(&body, nonce.as_bytes()))
            }
            None if policy.is_empty() => (Vec::new(), vec![body]),
            None => (vec![policy.to_owned()], vec![body]),
        };
        Ok(Arc::new(Page { status: parts.status, headers: parts.headers, policy, body }))
    }

    /// Its size in bytes, without its headers.
    fn bytes(&self) -> usize {
        self.body.iter().map(Bytes::len).sum()
    }

    /// The page with a nonce of its own.
    fn response(&self) -> Response {
        let nonce = Nonce::new();
        let mut response = Response::new(Body::from(self.body.join(nonce.as_bytes())));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        if let Ok(policy) = HeaderValue::from_str(&self.policy.join(&nonce))
            && !policy.is_empty()
        {
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        response
    }
}

/// The nonce that a content security policy allows.
fn nonce(policy: &str) -> Option<&str> {
    let (_, after) = policy.split_once("'nonce-")?;
    after.split_once('\'').map(|(nonce, _)| nonce).filter(|nonce| !nonce.is_empty())
}

/// What stands between the occurrences of `separator`.
fn pieces(text: &Bytes, separator: &[u8]) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for at in memchr::memmem::find_iter(text, separator) {
        pieces.push(text.slice(start..at));
        start = at + separator.len();
    }
    pieces.push(text.slice(start..));
    pieces
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    static ANYBODY: Caller = Caller::anybody();

    /// Pages of which each says which rendering it is.
    struct Site {
        router: Router,
        version: watch::Sender<u64>,
    }

    impl Site {
        fn new() -> Site {
            let renderings = Arc::new(AtomicU64::new(0));
            let page = move |status: StatusCode| {
                let renderings = renderings.clone();
                move || async move {
                    // As long as it takes others to ask for the same page.
                    tokio::task::yield_now().await;
                    let number = renderings.fetch_add(1, Ordering::SeqCst) + 1;
                    let policy = format!("script-src 'nonce-{number}n'");
                    let body = format!("<script nonce=\"{number}n\">page {number}</script>");
                    (status, [(header::CONTENT_SECURITY_POLICY, policy)], body)
                }
            };
            let (version, versions) = watch::channel(0);
            let router = Router::new()
                .route("/jobs/{id}", get(page(StatusCode::OK)).post(async || "done"))
                .route("/jobs/{id}/missing", get(page(StatusCode::NOT_FOUND)))
                .route("/other", get(page(StatusCode::OK)))
                .layer(from_fn_with_state(Rendered::new(versions), reuse));
            Site { router, version }
        }

        /// Which rendering an answer is, its nonce, and its status.
        async fn ask(&self, path: &str, host: &str, caller: &Caller) -> (u64, String, StatusCode) {
            let request = Request::get(path)
                .header(header::HOST, host)
                .extension(caller.clone())
                .body(Body::empty())
                .unwrap();
            let response = self.router.clone().oneshot(request).await.unwrap();
            let status = response.status();
            let policy = response.headers()[header::CONTENT_SECURITY_POLICY].clone();
            let nonce = nonce(policy.to_str().unwrap()).unwrap().to_owned();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let body = String::from_utf8(body.to_vec()).unwrap();
            let number = body.split("page ").nth(1).unwrap().split('<').next().unwrap();
            assert_eq!(body, format!("<script nonce=\"{nonce}\">page {number}</script>"));
            (number.parse().unwrap(), nonce, status)
        }

        async fn number(&self, path: &str) -> u64 {
            self.ask(path, "localhost", &ANYBODY).await.0
        }
    }

    #[tokio::test]
    async fn those_who_ask_at_the_same_time_get_one_rendering_with_nonces_of_their_own() {
        let site = Site::new();
        let asked = (0..20).map(|_| site.ask("/jobs/a", "localhost", &ANYBODY));
        let answers = futures::future::join_all(asked).await;
        assert!(answers.iter().all(|(number, _, status)| *number == 1 && *status == 200));
        let nonces: std::collections::BTreeSet<_> = answers.iter().map(|(_, it, _)| it).collect();
        assert_eq!(nonces.len(), 20, "{nonces:?}");
        // Another page is another rendering.
        assert_eq!(site.number("/jobs/a?statistic=min").await, 2);
        assert_eq!(site.number("/jobs/b").await, 3);
    }

    #[tokio::test]
    async fn nobody_gets_what_was_rendered_for_others() {
        let site = Site::new();
        let nobody = Caller { role: None, ..Caller::anybody() };
        let named = Caller { name: Some("a".to_owned()), ..Caller::anybody() };
        for (number, host, caller) in [
            (1, "localhost", &ANYBODY),
            (2, "localhost", &nobody),
            (3, "localhost", &named),
            (4, "example.com", &named),
        ] {
            assert_eq!(site.ask("/jobs/a", host, caller).await.0, number, "{host} {caller:?}");
        }
    }

    #[tokio::test]
    async fn a_page_is_rendered_again_once_something_has_changed_or_time_has_passed() {
        let site = Site::new();
        assert_eq!(site.number("/jobs/a").await, 1);
        site.version.send(1).unwrap();
        assert_eq!(site.number("/jobs/a").await, 2);
        let posted = Request::post("/jobs/b").body(Body::empty()).unwrap();
        site.router.clone().oneshot(posted).await.unwrap();
        assert_eq!(site.number("/jobs/a").await, 3);
        let begun = std::time::Instant::now();
        while site.number("/jobs/a").await == 3 {
            assert!(begun.elapsed() < 20 * KEPT_FOR, "it is kept for ever");
            tokio::time::sleep(KEPT_FOR / 10).await;
        }
    }

    #[tokio::test]
    async fn errors_and_other_pages_are_not_kept() {
        let site = Site::new();
        let answer = site.ask("/jobs/a/missing", "localhost", &ANYBODY).await;
        assert_eq!((answer.0, answer.2), (1, StatusCode::NOT_FOUND));
        assert_eq!(site.number("/jobs/a/missing").await, 2);
        assert_eq!(site.number("/other").await, 3);
        assert_eq!(site.number("/other").await, 4);
    }

    #[test]
    fn a_nonce_is_what_a_policy_allows() {
        assert_eq!(nonce("default-src 'none'; script-src 'nonce-ab/c=' 'self'"), Some("ab/c="));
        for without in ["", "script-src 'self'", "script-src 'nonce-'", "script-src 'nonce-a"] {
            assert_eq!(nonce(without), None, "{without}");
        }
    }
}
