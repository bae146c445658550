//! Answers `GET /metrics` at an address of its own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use program::metrics;
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// How many connections are open at once; more wait. A few Prometheus servers read.
const CONNECTIONS: usize = 16;
/// How long a client may take to send the head of a request.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// How long a connection lasts. Whoever reads nothing must not keep others out.
const CONNECTION_TIME: Duration = Duration::from_secs(120);
/// The pause after a connection could not be accepted, usually for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens for Prometheus.
pub struct Exporter {
    listener: TcpListener,
    address: SocketAddr,
    registry: Arc<Registry>,
}

impl Exporter {
    /// Listens at `address`; port 0 stands for a free port.
    ///
    /// # Errors
    ///
    /// If the address is in use, or not of this machine.
    pub async fn listen(address: SocketAddr, registry: Registry) -> anyhow::Result<Exporter> {
        let listening = || format!("listening on {address} for --metrics");
        let listener = TcpListener::bind(address).await.with_context(listening)?;
        let address = listener.local_addr().with_context(listening)?;
        Ok(Exporter { listener, address, registry: Arc::new(registry) })
    }

    /// The address that it listens at.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until it is dropped.
    pub async fn serve(self) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            // It is never closed.
            let Ok(place) = places.clone().acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let registry = self.registry.clone();
                    tokio::spawn(async move {
                        // Whoever takes longer asks again.
                        let _ = timeout(CONNECTION_TIME, converse(stream, registry)).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "connection for metrics not accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

async fn converse(stream: TcpStream, registry: Arc<Registry>) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = respond(request.method(), request.uri().path(), &registry);
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME);
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "connection for metrics failed");
    }
}

fn respond(method: &Method, path: &str, registry: &Registry) -> Response<Full<Bytes>> {
    let (status, kind, text) = match (path, method) {
        ("/metrics", &Method::GET | &Method::HEAD) => {
            (StatusCode::OK, metrics::CONTENT_TYPE, metrics::text(registry))
        }
        ("/metrics", _) => {
            let text = "only GET is known here\n".to_owned();
            (StatusCode::METHOD_NOT_ALLOWED, "text/plain", text)
        }
        _ => (StatusCode::NOT_FOUND, "text/plain", "only /metrics is here\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use protocol::task::{Outcome, Progress, ReportBody};
    use protocol::{AttemptId, JobId, TaskId, Timestamp};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::super::WorkerMetrics;
    use super::*;

    async fn ask(address: SocketAddr, line: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn prometheus_reads_what_a_worker_has_done() {
        let mut registry = metrics::registry("worker");
        let own = WorkerMetrics::new(metrics::own(&mut registry));
        let job = JobId::from_parts(Timestamp::default(), 1);
        let attempt = AttemptId { job, task: TaskId { level: 0, node: 0, range: 0 }, number: 1 };
        let progress = Progress { input_read_bytes: 7, segments_written: 2, ..Progress::default() };
        let outcome = Outcome { progress, ..Outcome::default() };
        own.ended(&ReportBody::Completed { attempt, outcome }, Duration::from_millis(30));
        own.queue_failed();
        let exporter = Exporter::listen("127.0.0.1:0".parse().unwrap(), registry).await.unwrap();
        let address = exporter.address();
        let serving = tokio::spawn(exporter.serve());
        let answer = ask(address, "GET /metrics").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        for line in [
            "distributed_average_worker_attempts_total{kind=\"sum\",outcome=\"completed\"} 1",
            "distributed_average_worker_attempt_duration_seconds_count{kind=\"sum\"} 1",
            "distributed_average_worker_attempt_duration_seconds_sum{kind=\"sum\"} 0.03",
            "distributed_average_worker_bytes_total{kind=\"input_read\"} 7",
            "distributed_average_worker_segments_total{outcome=\"written\"} 2",
            "distributed_average_worker_queue_retries_total 1",
        ] {
            assert!(answer.lines().any(|it| it == line), "{line} is not in\n{answer}");
        }
        assert!(ask(address, "GET /etc/passwd").await.starts_with("HTTP/1.1 404 "));
        assert!(ask(address, "POST /metrics").await.starts_with("HTTP/1.1 405 "));
        serving.abort();
    }
}
