//! Passes requests on from a server that stands by to the one that leads.
//!
//! Bodies stream in both directions. A request has a connection of its own: one that was
//! kept could be closed by the other end just then, and nobody would know whether a request
//! was carried out.

mod pinned;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::uri::{Authority, Scheme};
use axum::http::{HeaderMap, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use protocol::problem::{Problem, ProblemKind};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::callers::Caller;
use super::problem_response::ProblemResponse;
use crate::access::passed::{BELIEVED_OF_PROXIES, HEADER, Passed, PassingKey};
use crate::store_lease::{Leader, Reached};

/// How long connecting to the leader may take: it is near.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);
/// When to repeat a request: until then another server leads, or soon after.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(2);
/// The headers that are about one connection only (RFC 9110, 7.6.1), or that the
/// connection to the leader sets by itself.
const OF_CONNECTION: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
];

/// Recognizes requests that were passed on to this server, and refuses those that were not
/// passed on to it as the leader that it is.
pub(super) async fn recognize(
    State(key): State<Option<PassingKey>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(value) = request.headers_mut().remove(HEADER) else {
        return next.run(request).await;
    };
    let verified = key.and_then(|key| key.verify(&value, request.method(), request.uri()));
    let Some(passed) = verified else {
        let detail = "the request was passed on to a server that leads no longer, or anew";
        return unavailable(detail);
    };
    if let Some(peer) = passed.peer {
        request.extensions_mut().insert(Caller(peer));
    }
    request.extensions_mut().insert(passed);
    next.run(request).await
}

/// Refuses requests that were passed on: this server leads none.
pub(super) async fn refuse_passed(request: Request, next: Next) -> Response {
    if request.headers().contains_key(HEADER) {
        return unavailable("the request was passed on to a server that does not lead");
    }
    next.run(request).await
}

fn unavailable(detail: impl Into<String>) -> Response {
    let problem = Problem::new(ProblemKind::Unavailable, detail)
        .remedy("try again in a few seconds: another server then leads");
    ProblemResponse::from(problem).retry_after(RETRY_AFTER).into_response()
}

/// Passes a request on to the leader. `ended` is cancelled once it leads no longer, which
/// cuts off what is under way, and `stop` once this server stops, which ends streams of
/// events.
pub(super) async fn pass(
    leader: &Leader,
    request: Request,
    passed: &Passed,
    ended: &CancellationToken,
    stop: &CancellationToken,
) -> Response {
    let url = &leader.reached.url;
    let connected = ended.run_until_cancelled(timeout(CONNECT_TIME_MAX, connect(&leader.reached)));
    let mut sender = match connected.await {
        Some(Ok(Ok(sender))) => sender,
        Some(Ok(Err(error))) => {
            tracing::debug!(url, error = format!("{error:#}"), "the leader cannot be reached");
            return unavailable(format!("the server that leads, {url}, cannot be reached"));
        }
        Some(Err(_)) => {
            return unavailable(format!("the server that leads, {url}, does not answer"));
        }
        None => return unavailable(format!("{url} leads no longer")),
    };
    let is_read = request.method().is_safe();
    let request = outgoing(request, &leader.key, passed);
    let answered = ended.run_until_cancelled(sender.send_request(request)).await;
    let response = match answered {
        Some(Ok(response)) => response,
        Some(Err(error)) if is_read => {
            tracing::debug!(url, %error, "no answer from the leader");
            return unavailable(format!("the server that leads, {url}, did not answer"));
        }
        None if is_read => return unavailable(format!("{url} leads no longer")),
        Some(Err(_)) | None => return unknown_outcome(url),
    };
    let (mut head, incoming) = response.into_parts();
    remove_of_connection(&mut head.headers);
    let is_stream = head
        .headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let cut = Box::pin(ended.clone().cancelled_owned());
    let ends = is_stream.then(|| Box::pin(stop.clone().cancelled_owned()));
    Response::from_parts(head, Body::new(PassedBody { incoming, cut, ends }))
}

/// The answer to a request that changes something, and was sent, and not answered.
fn unknown_outcome(url: &str) -> Response {
    let detail = format!(
        "the server that leads, {url}, ended before it answered: it may have carried out the \
         request, or not"
    );
    let problem = Problem::new(ProblemKind::Unavailable, detail).remedy(
        "look whether it did, or send the request again; with an Idempotency-Key a job is \
         submitted once however often it is sent",
    );
    ProblemResponse::from(problem).retry_after(RETRY_AFTER).into_response()
}

/// The request as it is sent to the leader: the caller's headers, without those of the
/// connection, and what only this server knows.
fn outgoing(mut request: Request, key: &PassingKey, passed: &Passed) -> Request {
    let uri = request.uri();
    let authority = uri.authority().cloned();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let origin_form = path.parse::<Uri>().unwrap_or_else(|_| uri.clone());
    *request.uri_mut() = origin_form;
    let signed = key.sign(passed, request.method(), request.uri());
    *request.version_mut() = axum::http::Version::HTTP_11;
    // The length follows from the body: what a client says of it was read already.
    let is_chunked = request.body().size_hint().exact().is_none();
    let headers = request.headers_mut();
    remove_of_connection(headers);
    for name in BELIEVED_OF_PROXIES {
        headers.remove(name);
    }
    if is_chunked {
        headers.remove(header::CONTENT_LENGTH);
    }
    // The host of a whole URL counts before the header.
    if let Some(host) = authority.and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
        headers.insert(header::HOST, host);
    }
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(HEADER, signed);
    request
}

/// Removes the headers that are about one connection only.
fn remove_of_connection(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.into_iter().chain(OF_CONNECTION) {
        headers.remove(name);
    }
}

/// Connects to a server.
async fn connect(reached: &Reached) -> anyhow::Result<SendRequest<Body>> {
    let uri: Uri = reached.url.parse().context("its URL")?;
    let authority = uri.authority().context("its URL names no host")?;
    let is_tls = uri.scheme() == Some(&Scheme::HTTPS);
    let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let host = bare_host(authority);
    let stream = TcpStream::connect((host, port)).await.context("connecting")?;
    stream.set_nodelay(true).context("connecting")?;
    if !is_tls {
        return converse(stream).await;
    }
    let expected = reached.certificate.as_deref().context("it has not told its certificate")?;
    let name = ServerName::try_from(host.to_owned()).context("its URL")?;
    let stream = pinned::connector(expected)?.connect(name, stream).await.context("using TLS")?;
    converse(stream).await
}

/// The host without the brackets of an address of IPv6.
fn bare_host(authority: &Authority) -> &str {
    let host = authority.host();
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

async fn converse<S>(stream: S) -> anyhow::Result<SendRequest<Body>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.context("connecting")?;
    // It drives the request and the response, and its error is theirs. It ends once nobody
    // waits for them.
    tokio::spawn(connection);
    Ok(sender)
}

/// The body of a response of the leader. It is cut off once that leads no longer: it may
/// be frozen, or its machine gone, and then nobody would tell.
struct PassedBody {
    incoming: Incoming,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Ends the body as if it was complete.
    ends: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

/// The leader has changed while it answered.
#[derive(Debug, thiserror::Error)]
#[error("the server that answered leads no longer")]
struct LeadsNoLonger;

impl HttpBody for PassedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(axum::Error::new)));
        }
        if self.cut.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(axum::Error::new(LeadsNoLonger))));
        }
        match &mut self.ends {
            Some(ends) => ends.as_mut().poll(context).map(|()| None),
            None => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed() -> Passed {
        Passed { peer: None, user: None, is_secure: false }
    }

    fn sent(headers: &[(&str, &str)], uri: &str) -> Request {
        let mut request = axum::http::Request::post(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        outgoing(request.body(Body::empty()).unwrap(), &PassingKey::random(), &passed())
    }

    #[test]
    fn the_callers_headers_are_kept_but_those_of_the_connection_and_of_proxies() {
        let kept = [("authorization", "Bearer x"), ("cookie", "a=b"), ("host", "means.example")];
        let further = [
            ("connection", "close, X-Private"),
            ("x-private", "1"),
            ("te", "trailers"),
            ("expect", "100-continue"),
            ("x-forwarded-user", "eve"),
            ("x-forwarded-proto", "https"),
            ("x-distributed-average-passed", "forged"),
        ];
        let request = sent(&[&kept[..], &further].concat(), "/api/jobs?limit=1");
        for (name, value) in kept {
            assert_eq!(request.headers()[name], value);
        }
        for gone in ["x-private", "te", "expect", "x-forwarded-user", "x-forwarded-proto"] {
            assert!(!request.headers().contains_key(gone), "{gone}");
        }
        assert_eq!(request.headers()["connection"], "close");
        let marks: Vec<_> = request.headers().get_all(HEADER).iter().collect();
        assert!(marks.len() == 1 && marks[0] != "forged", "{marks:?}");
        assert_eq!(request.uri(), "/api/jobs?limit=1");
    }

    #[test]
    fn the_host_of_a_whole_url_is_passed_on() {
        let request = sent(&[("host", "other.example")], "http://means.example:81/jobs");
        assert_eq!(request.headers()["host"], "means.example:81");
        assert_eq!(request.uri(), "/jobs");
    }

    #[test]
    fn addresses_of_ipv6_lose_their_brackets() {
        for (url, host) in [("http://[::1]:80", "::1"), ("http://a.example", "a.example")] {
            let uri: Uri = url.parse().unwrap();
            assert_eq!(bare_host(uri.authority().unwrap()), host);
        }
    }
}
