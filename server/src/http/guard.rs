//! Refuses requests that pages of other sites make in a user's browser.
//!
//! Everything that the server answers passes here, so no route can be forgotten:
//!
//! - The host that a request names must be allowed ([`AllowedHosts`]).
//! - Browsers say where a request comes from, by `Sec-Fetch-Site` or at least by
//!   `Origin`. One from elsewhere is refused, unless it only follows a link to a page.
//!
//! Programs send neither header, and pass. The third part of the defence is where
//! bodies are read: JSON is taken only as `application/json`, which no form can send.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use protocol::problem::{Problem, ProblemKind};

use super::hosts::AllowedHosts;
use super::problem_response::ProblemResponse;

/// Where a request comes from, as browsers say it: `same-origin`, `same-site`,
/// `cross-site`, or `none` for what the user typed.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// `navigate` for a link that is followed or a form that is sent.
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
/// What the answer is for: `document` for a page in a tab of its own.
const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
/// The paths of the server functions. All are calls, whatever their method.
const CALLS: &str = "/app/";

/// Passes a request on, or refuses it.
pub(super) async fn guard(
    State(hosts): State<Arc<AllowedHosts>>,
    request: Request,
    next: Next,
) -> Response {
    match check(&hosts, request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            tracing::debug!(%problem, path = request.uri().path(), "request refused");
            ProblemResponse::from(problem).into_response()
        }
    }
}

/// Whether a path is that of a probe. Probes tell nothing that is worth protecting,
/// and are asked under whatever name the prober knows.
pub(super) fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/metrics")
}

/// Checks the host and the origin of a request.
fn check(
    hosts: &AllowedHosts,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    let is_read = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if is_read && is_probe(uri.path()) {
        return Ok(());
    }
    let host = host(uri, headers)?;
    if !hosts.allows(host.host()) {
        let detail = format!("this server does not answer for the host {:?}", host.host());
        return Err(Problem::new(ProblemKind::Misdirected, detail).remedy(
            "use the server's address or localhost; if the name is the server's, start it with \
             --allow-hosts NAME",
        ));
    }
    let is_link = is_read && !uri.path().starts_with(CALLS) && follows_link(headers);
    if is_link || is_own(&host, headers) {
        return Ok(());
    }
    Err(Problem::new(ProblemKind::Forbidden, "the request comes from a page of another site")
        .remedy(
            "use the dashboard's own pages, or call the JSON API from a program; a proxy before \
             the server must pass on the Host header as the browser sent it",
        ))
}

/// The host, with its port if it has one, that a request names.
fn host(uri: &Uri, headers: &HeaderMap) -> Result<Authority, Problem> {
    let invalid = |detail: &str| {
        Problem::new(ProblemKind::InvalidRequest, detail).remedy("name one host and its port")
    };
    // By RFC 9112 the host of a whole URL counts before the header.
    if let Some(authority) = uri.authority() {
        return Ok(authority.clone());
    }
    let mut named = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (named.next(), named.next()) else {
        return Err(invalid("the request has not exactly one Host header"));
    };
    let host: Option<Authority> = host.to_str().ok().and_then(|text| text.parse().ok());
    match host {
        Some(host) if !host.as_str().contains('@') => Ok(host),
        _ => Err(invalid("the Host header is not the name of a host")),
    }
}

/// Whether the browser opens a page in a tab of its own, as it does for a link.
fn follows_link(headers: &HeaderMap) -> bool {
    headers.get(FETCH_MODE).is_some_and(|mode| mode == "navigate")
        && headers.get(FETCH_DEST).is_some_and(|dest| dest == "document")
}

/// Whether the request comes from the server's own pages, from the user, or from a
/// program.
fn is_own(host: &Authority, headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(FETCH_SITE) {
        return site == "same-origin" || site == "none";
    }
    match headers.get(header::ORIGIN) {
        None => true,
        Some(origin) => origin.to_str().is_ok_and(|origin| is_origin_of(origin, host)),
    }
}

/// Whether an origin such as `https://means.example.com` is that of a host. The scheme
/// is not known here: a proxy may have ended TLS.
fn is_origin_of(origin: &str, host: &Authority) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let Ok(authority) = authority.parse::<Authority>() else {
        return false;
    };
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    let port = authority.port_u16().unwrap_or(default_port);
    authority.host().eq_ignore_ascii_case(host.host())
        && host.port_u16().unwrap_or(default_port) == port
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    /// The status of the refusal, or 200.
    fn status(method: &str, uri: &str, headers: &[(&str, &str)]) -> u16 {
        let method = method.parse().unwrap();
        let hosts = AllowedHosts::new(vec!["means.example.com".parse().unwrap()]);
        let headers = headers.iter().map(|(name, value)| {
            (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
        });
        let mut map = HeaderMap::new();
        headers.for_each(|(name, value)| {
            map.append(name, value);
        });
        check(&hosts, &method, &uri.parse().unwrap(), &map).map_or_else(|it| it.status, |()| 200)
    }

    #[test]
    fn a_host_is_named_once_and_allowed() {
        let get = |headers: &[(&str, &str)]| status("GET", "/api/jobs", headers);
        assert_eq!(get(&[("host", "127.0.0.1:3000")]), 200);
        assert_eq!(get(&[("host", "[::1]:3000")]), 200);
        assert_eq!(get(&[("host", "means.example.com")]), 200);
        assert_eq!(get(&[("host", "evil.example")]), 421);
        assert_eq!(get(&[("host", "evil.example:3000")]), 421);
        assert_eq!(get(&[]), 400);
        assert_eq!(get(&[("host", "localhost"), ("host", "evil.example")]), 400);
        assert_eq!(get(&[("host", "localhost@evil.example")]), 400);
        assert_eq!(get(&[("host", "evil.example@localhost")]), 400);
        assert_eq!(status("GET", "http://evil.example/api", &[("host", "localhost")]), 421);
        for probe in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(status("GET", probe, &[("host", "evil.example")]), 200);
        }
        assert_eq!(status("POST", "/healthz", &[("host", "evil.example")]), 421);
    }

    #[test]
    fn what_a_browser_says_of_the_site_counts_before_the_origin() {
        let post = |site: &str, origin: &str| {
            let host = ("host", "localhost:3000");
            status("POST", "/api/jobs", &[host, ("sec-fetch-site", site), ("origin", origin)])
        };
        assert_eq!(post("same-origin", "http://localhost:3000"), 200);
        assert_eq!(post("none", "null"), 200);
        assert_eq!(post("same-site", "http://localhost:3000"), 403);
        assert_eq!(post("cross-site", "http://localhost:3000"), 403);
        assert_eq!(post("", "http://localhost:3000"), 403);
    }

    #[test]
    fn without_it_the_origin_must_be_that_of_the_host() {
        let post = |host: &str, origin: &str| {
            status("POST", "/api/jobs", &[("host", host), ("origin", origin)])
        };
        assert_eq!(post("127.0.0.1:3000", "http://127.0.0.1:3000"), 200);
        assert_eq!(post("means.example.com", "https://means.example.com"), 200);
        assert_eq!(post("means.example.com:443", "https://Means.example.com"), 200);
        for origin in [
            "null",
            "",
            "http://evil.example",
            "http://127.0.0.1",
            "http://127.0.0.1:8888",
            "http://localhost:3000",
            "ftp://127.0.0.1:3000",
            "http://127.0.0.1:3000.evil.example",
        ] {
            assert_eq!(post("127.0.0.1:3000", origin), 403, "{origin}");
        }
        assert_eq!(status("POST", "/api/jobs", &[("host", "127.0.0.1:3000")]), 200, "a program");
    }

    #[test]
    fn other_sites_may_link_to_pages_and_nothing_else() {
        let get = |path: &str, mode: &str, dest: &str| {
            let from = [("host", "localhost:3000"), ("sec-fetch-site", "cross-site")];
            let what = [("sec-fetch-mode", mode), ("sec-fetch-dest", dest)];
            status("GET", path, &[from, what].concat())
        };
        assert_eq!(get("/jobs/1", "navigate", "document"), 200);
        assert_eq!(get("/jobs/1", "navigate", "iframe"), 403);
        assert_eq!(get("/api/events", "cors", "empty"), 403);
        assert_eq!(get("/api/files/a.js", "no-cors", "script"), 403);
        assert_eq!(get("/app/overview", "navigate", "document"), 403);
    }
}
