//! Accepts connections and serves them, within limits.
//!
//! What a client may do is bounded in number ([`seats`]) and in time: a head that does
//! not come, a response that nobody reads ([`unstalled`]), and all that is under way
//! when the server stops.

mod seats;
mod unstalled;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use protocol::problem::{Problem, ProblemKind};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use self::seats::{Busy, Seat, Seats};
use self::unstalled::Unstalled;
use super::callers::Caller;
use super::guard::is_probe;
use super::problem_response::ProblemResponse;
use super::settings::Limits;
use super::tls::Acceptor;

/// The most that is held of a request's head, and of a response that is not sent yet.
/// A form that was refused comes back as a query, which may be long.
const BUFFER_BYTES_MAX: usize = 64 << 10;
/// The pause after a connection could not be accepted, usually for want of
/// descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What all connections share.
struct Shared {
    /// What answers at each moment.
    apps: watch::Receiver<Router>,
    limits: Limits,
    acceptor: Option<Acceptor>,
    /// Requests under way are finished, and no more are taken.
    stop: CancellationToken,
    /// Requests under way are cut off.
    cut: CancellationToken,
}

/// Serves until `stop` is cancelled, then finishes the requests under way, for at most
/// [`Limits::drain_time`].
pub(super) async fn serve(
    listener: TcpListener,
    apps: watch::Receiver<Router>,
    limits: Limits,
    acceptor: Option<Acceptor>,
    stop: CancellationToken,
) {
    let seats = Arc::new(Seats::new(limits.connections));
    let drain_time = limits.drain_time;
    let cut = CancellationToken::new();
    let shared = Arc::new(Shared { apps, limits, acceptor, stop: stop.clone(), cut: cut.clone() });
    // Connections end with this future, also if it is dropped.
    let _cut = cut.clone().drop_guard();
    let connections = TaskTracker::new();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let (stream, caller) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_about_one_connection(&error) => continue,
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                seats.make_room();
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if let Some(seat) = seats.take() {
            connections.spawn(serve_connection(shared.clone(), stream, caller, Arc::new(seat)));
        }
    }
    drop(listener);
    connections.close();
    if timeout(drain_time, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "requests cut off: the server stops");
        cut.cancel();
        connections.wait().await;
    }
}

/// Whether accepting failed for the one connection only.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Serves one connection until it ends, stalls, has to make room, or is cut off.
async fn serve_connection(
    shared: Arc<Shared>,
    stream: TcpStream,
    caller: SocketAddr,
    seat: Arc<Seat>,
) {
    let conversing = async {
        // Events are small and should not wait for more; without it they may come late.
        let _ = stream.set_nodelay(true);
        let stream = Unstalled::new(stream, shared.limits.response_stall_time);
        let Some(acceptor) = &shared.acceptor else {
            return converse(&shared, stream, caller, &seat).await;
        };
        match timeout(shared.limits.header_time, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => converse(&shared, stream, caller, &seat).await,
            Ok(Err(error)) => tracing::debug!(%caller, %error, "no TLS connection"),
            Err(_) => tracing::debug!(%caller, "no TLS connection in time"),
        }
    };
    tokio::select! {
        () = conversing => {}
        () = seat.closed() => tracing::debug!(%caller, "idle connection closed for another"),
        () = shared.cut.cancelled() => {}
    }
}

/// Answers the requests of a connection, one after the other.
async fn converse<S>(shared: &Shared, stream: S, caller: SocketAddr, seat: &Arc<Seat>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(|request: axum::http::Request<Incoming>| {
        let busy = seat.busy();
        let mut app = shared.apps.borrow().clone();
        let is_refused = seat.is_crowded() && !is_probe(request.uri().path());
        async move {
            let response = match is_refused {
                true => too_many_connections(),
                false => {
                    let mut request = request.map(Body::new);
                    request.extensions_mut().insert(Caller(caller.ip()));
                    app.call(request).await?
                }
            };
            Ok::<_, Infallible>(response.map(|body| HeldBody { body, _busy: busy }))
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(shared.limits.header_time)
        .max_buf_size(BUFFER_BYTES_MAX);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shared.stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%caller, error = platform::problems::with_sources(&error), "connection failed");
    }
}

/// The response to a request while all connections are busy.
fn too_many_connections() -> Response {
    let problem = Problem::new(ProblemKind::Unavailable, "the server has too many connections")
        .remedy("try again later; --max-connections sets how many it takes");
    let mut response = ProblemResponse::from(problem).into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The body of a response, during which its connection is busy.
struct HeldBody {
    body: Body,
    _busy: Busy,
}

impl HttpBody for HeldBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
