//! Recognizes the caller of each request, and refuses those who lack the rights.

use std::sync::Arc;
use std::time::Duration;

use app::backend::OverTls;
use axum::extract::rejection::FormRejection;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use axum::{Extension, Form, Router};
use protocol::problem::{Problem, ProblemKind};
use protocol::{Caller, JobId, Role};
use serde::Deserialize;

use super::body::broken_off;
use super::callers;
use super::problem_response::ProblemResponse;
use crate::access::passed::{self, Origin, Passed};
use crate::access::rules::{Need, SIGN_IN, SIGN_OUT, job_shown, need, parameter};
use crate::access::sessions::{self, set_cookie};
use crate::access::{Access, Credential, Unrecognized};

/// The parameter of a link that contains the secret of a share.
const SHARE: &str = "share";
/// How long a browser keeps the secret of a link that it has followed.
const SHARE_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The largest form of the sign-in, in bytes: anybody can send one.
const SIGN_IN_BYTES: usize = 8 << 10;

/// What the pages of the sign-in post to.
pub(super) fn routes(access: Arc<Access>) -> Router {
    let sign_in = post(sign_in).layer(DefaultBodyLimit::max(SIGN_IN_BYTES));
    let sign_in = Router::new().route(SIGN_IN, sign_in).with_state(access);
    sign_in.route(SIGN_OUT, post(sign_out))
}

/// Lets a request through if its caller has the rights for it. Handlers and pages find
/// the [`Caller`] in the extensions of the request.
pub(super) async fn check(
    State(access): State<Arc<Access>>,
    mut request: Request,
    next: Next,
) -> Response {
    let needed = need(request.method(), request.uri());
    let origin = origin(&request);
    let link = Link::of(&request);
    let shared = link.as_ref().map(|link| (link.job, link.secret.as_str()));
    let recognized = access.caller(request.headers(), &origin, shared).await;
    let recognized = match recognized {
        Ok(recognized) => recognized,
        // Whoever signs in may have an old token in their browser or program.
        Err(Unrecognized::Token) if needed == Need::Nothing => None,
        Err(Unrecognized::Token) => return unknown_token(),
        Err(Unrecognized::Failed(problem)) => {
            return ProblemResponse::from(problem).into_response();
        }
    };
    let (caller, credential) = recognized.unzip();
    let is_allowed = match needed {
        Need::Nothing => true,
        Need::Role(role) => caller.as_ref().is_some_and(|caller| caller.may(role)),
        Need::ViewOf(job) => caller.as_ref().is_some_and(|caller| caller.may_read(job)),
    };
    if !is_allowed {
        return refused(&request, needed, caller.as_ref());
    }
    let is_secure = access.is_secure(request.headers(), &origin);
    if let Some(link) = &link
        && link.is_followed
        && caller.as_ref().is_some_and(|caller| caller.shared == Some(link.job))
    {
        return link.kept(is_secure);
    }
    let name = caller.as_ref().and_then(|caller| caller.name.clone());
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    if is_secure {
        request.extensions_mut().insert(OverTls);
    }
    if let Some(credential) = credential {
        request.extensions_mut().insert(Standing { access, credential });
    }
    let mut response = next.run(request).await;
    if let Some(name) = name {
        response.extensions_mut().insert(callers::CallerName(name));
    }
    response
}

/// What a request was let through by. A handler whose response has no end finds it in the
/// extensions of the request.
#[derive(Clone)]
pub(super) struct Standing {
    access: Arc<Access>,
    credential: Credential,
}

impl Standing {
    /// Whether it was let through by a link to a job, which many may have.
    pub(super) fn is_by_link(&self) -> bool {
        matches!(self.credential, Credential::Share { .. })
    }

    /// Whether the request would still be let through.
    pub(super) async fn holds(&self) -> bool {
        self.access.holds(&self.credential).await
    }
}

/// Where a request came from.
pub(super) fn origin(request: &Request) -> Origin {
    let peer = request.extensions().get::<callers::Caller>().map(|peer| peer.0);
    Origin { peer, passed: passed::of(request) }
}

/// The secret of a link to a job in a request that reads that job.
struct Link {
    job: JobId,
    secret: String,
    /// Whether a browser has followed the link, rather than a page that it has opened
    /// or a program.
    is_followed: bool,
}

impl Link {
    fn of(request: &Request) -> Option<Link> {
        let uri = request.uri();
        let job = job_shown(uri.path(), uri.query())?;
        if let Some(secret) = uri.query().and_then(|query| parameter(query, SHARE)) {
            let is_followed = uri.path().starts_with("/jobs/");
            return Some(Link { job, secret: secret.to_owned(), is_followed });
        }
        let secret = sessions::cookie(request.headers(), &Link::cookie(job))?.to_owned();
        Some(Link { job, secret, is_followed: false })
    }

    fn cookie(job: JobId) -> String {
        format!("distributed-average-share-{job}")
    }

    /// The response to a link that is followed: the browser keeps the secret, for the
    /// page's downloads and events, and its address bar and history do not show it.
    fn kept(&self, is_secure: bool) -> Response {
        let cookie =
            set_cookie(&Link::cookie(self.job), &self.secret, "/", Some(SHARE_LIFETIME), is_secure);
        let headers = [(header::SET_COOKIE, cookie)];
        (headers, Redirect::to(&format!("/jobs/{}", self.job))).into_response()
    }
}

/// The response to a token that the server does not know.
fn unknown_token() -> Response {
    let problem =
        Problem::new(ProblemKind::Unauthenticated, "the token is not known to the server")
            .remedy("ask whoever runs the server for a token; it may have been withdrawn");
    challenge(problem)
}

fn challenge(problem: Problem) -> Response {
    let headers = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
    (headers, ProblemResponse::from(problem)).into_response()
}

/// The response to a request without the rights for it: a browser that opens a page is
/// sent to the sign-in.
fn refused(request: &Request, needed: Need, caller: Option<&Caller>) -> Response {
    let role = match needed {
        Need::Role(role) => role,
        Need::Nothing | Need::ViewOf(_) => Role::View,
    };
    if let Some(Caller { name: Some(name), role: Some(own), .. }) = caller {
        let detail = format!("this needs the role {role}, and {name} has the role {own}");
        let problem = Problem::new(ProblemKind::Forbidden, detail)
            .remedy("sign in with a token that has that role, or ask somebody who has it");
        return ProblemResponse::from(problem).into_response();
    }
    if is_page(request) {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let next = form_urlencoded::byte_serialize(path.as_bytes()).collect::<String>();
        return Redirect::to(&format!("{SIGN_IN}?next={next}")).into_response();
    }
    let problem = Problem::new(ProblemKind::Unauthenticated, "this needs a token")
        .remedy("send it as `Authorization: Bearer TOKEN`, or sign in on the dashboard");
    challenge(problem)
}

/// Whether a browser opens a page by a request.
fn is_page(request: &Request) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let is_program = ["/api/", "/app/", "/metrics"];
    request.method() == Method::GET
        && accept.is_some_and(|accept| accept.contains("text/html"))
        && !is_program.iter().any(|prefix| request.uri().path().starts_with(prefix))
}

/// What the form of the sign-in posts.
#[derive(Deserialize)]
struct SignIn {
    token: String,
    #[serde(default)]
    next: String,
}

/// Signs in, and goes to the page that was wanted.
async fn sign_in(
    State(access): State<Arc<Access>>,
    peer: Option<Extension<callers::Caller>>,
    passed: Option<Extension<Passed>>,
    headers: HeaderMap,
    form: Result<Form<SignIn>, FormRejection>,
) -> Response {
    let Form(SignIn { token, next }) = match form {
        Ok(form) => form,
        Err(rejection) => return ProblemResponse::from(unusable(&rejection)).into_response(),
    };
    let origin = Origin {
        peer: peer.map(|Extension(peer)| peer.0),
        passed: passed.map(|Extension(passed)| passed),
    };
    let is_secure = access.is_secure(&headers, &origin);
    let next = own_path(&next);
    match access.sign_in(&token, is_secure) {
        Some(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to(next)).into_response(),
        None => {
            let next = form_urlencoded::byte_serialize(next.as_bytes()).collect::<String>();
            Redirect::to(&format!("{SIGN_IN}?unknown&next={next}")).into_response()
        }
    }
}

/// Describes a form that cannot be read.
fn unusable(rejection: &FormRejection) -> Problem {
    if let FormRejection::BytesRejection(error) = rejection {
        return broken_off(error, "the form");
    }
    Problem::new(ProblemKind::InvalidRequest, rejection.body_text())
        .remedy("send the fields token and next, as the form of the page does")
}

/// Signs out, and goes to the sign-in.
async fn sign_out() -> Response {
    let cookie = set_cookie(sessions::COOKIE, "", "/", None, false);
    let headers = [(header::SET_COOKIE, cookie)];
    (StatusCode::SEE_OTHER, headers, [(header::LOCATION, SIGN_IN)]).into_response()
}

/// A path of this server, and the home page for anything else: the form can be filled
/// in by a link from another site.
fn own_path(next: &str) -> &str {
    let is_own = next.starts_with('/')
        && !next.starts_with("//")
        && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_own { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_in_leads_to_pages_of_this_server_only() {
        for path in ["/", "/jobs/1?share=2", "/jobs"] {
            assert_eq!(own_path(path), path);
        }
        for path in
            ["", "jobs", "//evil.example", "/\\evil.example", "https://evil.example", "/a\nb"]
        {
            assert_eq!(own_path(path), "/", "{path:?}");
        }
    }
}
