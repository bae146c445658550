//! Counts and times every request, also those that are refused, gives it an id, and logs
//! it.
//!
//! The log of requests has the target `access`. Requests that change something, and errors
//! of the server, are logged at level INFO, other requests at DEBUG, and probes at TRACE.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use traces::{Span, SpanKind, Traces, request};

use super::callers::{Caller, CallerName};
use super::guard::is_probe;
use crate::metrics::HttpMetrics;

/// The header with the id of a request. Proxies and programs may choose it.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header with the span of the caller.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The methods that spans name.
const KNOWN: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::PATCH,
    Method::OPTIONS,
];
/// How many characters of a text of a caller a span has.
const TEXT_CHARACTERS_MAX: usize = 256;
/// The largest id that is taken from a request, in bytes.
const ID_BYTES_MAX: usize = 128;
/// The route of a path that matches none.
const UNMATCHED: &str = "unmatched";

/// What is known of a request before it is passed on.
struct Observed {
    begun: Instant,
    id: HeaderValue,
    method: Method,
    path: String,
    route: Option<MatchedPath>,
    caller: Option<Caller>,
}

/// What counts and records requests.
#[derive(Clone)]
pub(super) struct Observer {
    pub(super) metrics: HttpMetrics,
    pub(super) traces: Traces,
}

/// Passes a request on. Once its response begins, counts it, logs it, records its span, and
/// tells its id.
pub(super) async fn observe(
    State(observer): State<Observer>,
    mut request: Request,
    next: Next,
) -> Response {
    let Observer { metrics, traces } = observer;
    let observed = Observed {
        begun: Instant::now(),
        id: id(request.headers().get(REQUEST_ID)),
        method: request.method().clone(),
        // Without the query, which may hold the secret of a link.
        path: request.uri().path().to_owned(),
        route: request.extensions().get().cloned(),
        caller: request.extensions().get().copied(),
    };
    // A server that the request is passed on to logs it under the same id.
    request.headers_mut().insert(REQUEST_ID, observed.id.clone());
    let open = metrics.begun();
    let span = observed.begin_span(&traces, request.headers());
    let mut response = match &span {
        Some(span) => {
            // A server that the request is passed on to records its span below this one.
            let context = HeaderValue::try_from(span.context().to_string());
            context.into_iter().for_each(|it| drop(request.headers_mut().insert(TRACEPARENT, it)));
            request::within(span.context(), next.run(request)).await
        }
        None => next.run(request).await,
    };
    drop(open);
    let route = observed.route.as_ref().map_or(UNMATCHED, |route| short(route.as_str()));
    if let Some(span) = span {
        traces.end(answered(span, &response));
    }
    metrics.answered(&observed.method, route, response.status(), observed.begun.elapsed());
    observed.log(&response);
    response.headers_mut().insert(REQUEST_ID, observed.id);
    response
}

impl Observed {
    /// The span of the request, below that of its caller. Probes have none.
    fn begin_span(&self, traces: &Traces, headers: &HeaderMap) -> Option<Span> {
        let Observed { method, path, route, caller, .. } = self;
        if !traces.is_on() || matches!(level(method, path, StatusCode::OK), Level::Probe) {
            return None;
        }
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let parent = text(TRACEPARENT).and_then(|text| text.parse().ok());
        let route = route.as_ref().map(|route| short(route.as_str()).to_owned());
        // Whoever sends a request chooses these, and thousands of spans may wait to be sent.
        let method = if KNOWN.contains(method) { method.as_str() } else { "_OTHER" };
        let name = match &route {
            Some(route) => format!("{method} {route}"),
            None => method.to_owned(),
        };
        let mut span = traces.first(parent, name, SpanKind::Server)?;
        span.set("http.request.method", method.to_owned());
        span.set("url.path", beginning(path));
        if let Some(route) = route {
            span.set("http.route", route);
        }
        if let Some(Caller(address)) = caller {
            span.set("client.address", address.to_string());
        }
        if let Some(program) = text(header::USER_AGENT) {
            span.set("user_agent.original", beginning(program));
        }
        span.set("distributed_average.request.id", self.id.to_str().unwrap_or_default().to_owned());
        Some(span)
    }

    fn log(&self, response: &Response) {
        let Observed { begun, id, method, path, caller, .. } = self;
        let status = response.status();
        let user = response.extensions().get::<CallerName>().map(|CallerName(name)| &**name);
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        macro_rules! log {
            ($level:ident) => {
                tracing::event!(
                    target: "access",
                    tracing::Level::$level,
                    request_id = id.to_str().unwrap_or_default(),
                    %method,
                    path,
                    status = status.as_u16(),
                    duration_ms = begun.elapsed().as_secs_f64() * 1000.0,
                    caller = caller.map(|Caller(address)| address.to_string()),
                    user,
                    location = text(header::LOCATION),
                    response_bytes = text(header::CONTENT_LENGTH),
                    "request"
                )
            };
        }
        match level(method, path, status) {
            Level::Probe => log!(TRACE),
            Level::Read => log!(DEBUG),
            Level::Notable => log!(INFO),
        }
    }
}

/// A text up to the length that a span has of it.
fn beginning(text: &str) -> String {
    text.chars().take(TEXT_CHARACTERS_MAX).collect()
}

/// The span of a request with its response.
fn answered(mut span: Span, response: &Response) -> Span {
    let status = response.status();
    span.set("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.fail(status.as_str().to_owned(), status.to_string());
    }
    span
}

/// How much a request matters to whoever reads the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Probe,
    Read,
    Notable,
}

fn level(method: &Method, path: &str, status: StatusCode) -> Level {
    let is_read = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if is_read && is_probe(path) {
        Level::Probe
    } else if is_read && !status.is_server_error() {
        Level::Read
    } else {
        Level::Notable
    }
}

/// The id that a request has, or a new one. One that could break a line or a header of
/// another system is not taken.
fn id(given: Option<&HeaderValue>) -> HeaderValue {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:+/=@".contains(byte);
    let is_taken = |id: &&HeaderValue| {
        let bytes = id.as_bytes();
        (1..=ID_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(is_plain)
    };
    given.filter(is_taken).cloned().unwrap_or_else(|| {
        let id = format!("{:032x}", rand::random::<u128>());
        HeaderValue::from_str(&id).expect("digits are a value of a header")
    })
}

/// The pattern of a path, without the names that axum makes up for nested services.
fn short(route: &str) -> &str {
    route.split_once("/{*__private").map_or(route, |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_if_it_can_break_nothing() {
        let taken = |text: &'static str| id(Some(&HeaderValue::from_static(text)));
        for good in ["a", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "Root=1-67891233-abc/x+y@z"] {
            assert_eq!(taken(good), good);
        }
        for bad in ["", "a b", "a\"b", "a\tb", "{}"] {
            assert_ne!(taken(bad), bad);
        }
        let long = "x".repeat(ID_BYTES_MAX + 1);
        assert_eq!(id(Some(&HeaderValue::from_str(&long).unwrap())).len(), 32);
        assert_ne!(id(None), id(None));
    }

    #[test]
    fn the_log_is_quiet_of_probes_and_reads_and_tells_changes_and_errors() {
        let of = |method, path, status| level(&method, path, StatusCode::from_u16(status).unwrap());
        assert_eq!(of(Method::GET, "/healthz", 200), Level::Probe);
        assert_eq!(of(Method::GET, "/readyz", 503), Level::Probe);
        assert_eq!(of(Method::GET, "/api/jobs", 200), Level::Read);
        assert_eq!(of(Method::GET, "/api/jobs/x", 404), Level::Read);
        assert_eq!(of(Method::GET, "/api/jobs", 503), Level::Notable);
        assert_eq!(of(Method::POST, "/api/jobs", 400), Level::Notable);
        assert_eq!(of(Method::DELETE, "/api/jobs/x", 204), Level::Notable);
    }

    #[test]
    fn nested_services_have_a_plain_route() {
        assert_eq!(short("/pkg/{*__private__axum_nest_tail_param}"), "/pkg");
        assert_eq!(short("/api/files/{*key}"), "/api/files/{*key}");
    }
}
