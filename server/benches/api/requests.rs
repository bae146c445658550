//! Requests on connections that are kept.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::Outcome;

/// How fast requests were answered.
pub(crate) struct Rate {
    pub(crate) per_sec: f64,
    /// From the request to the last byte of the answer, sorted.
    took: Vec<Duration>,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |percent: usize| {
            let index = (self.took.len().max(1) - 1) * percent / 100;
            self.took.get(index).map_or(f64::NAN, |took| took.as_secs_f64() * 1000.0)
        };
        let (p50, p99) = (at(50), at(99));
        write!(f, "{:.0} a second, p50 {p50:.2} ms, p99 {p99:.2} ms", self.per_sec)
    }
}

/// Stands in a path for a number that no other request has.
pub(crate) const NUMBER: &str = "NUMBER";

/// Sends `requests` in all, and on each connection `warm_up` before. A path with [`NUMBER`]
/// is another one in each request.
///
/// # Errors
///
/// If one is not answered with success.
pub(crate) async fn measure(
    address: &str,
    path: &str,
    connections: u64,
    requests: u64,
    warm_up: u64,
) -> Outcome<Rate> {
    let each = requests.div_ceil(connections);
    let ready = Arc::new(Barrier::new(usize::try_from(connections)? + 1));
    let mut running = JoinSet::new();
    for connection in 0..connections {
        let (address, path, ready) = (address.to_owned(), path.to_owned(), ready.clone());
        running.spawn(async move {
            let stream = TcpStream::connect(&address).await?;
            stream.set_nodelay(true)?;
            let (mut sender, transfer) = http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(transfer);
            let mut took = Vec::new();
            for number in 0..warm_up + each {
                if number == warm_up {
                    ready.wait().await;
                }
                let unique = connection * (warm_up + each) + number;
                let path = path.replace(NUMBER, &unique.to_string());
                let request = Request::get(&path)
                    .header("host", &address)
                    .header("accept", "*/*")
                    .body(Empty::<Bytes>::new())?;
                let begun = Instant::now();
                sender.ready().await?;
                let answer = sender.send_request(request).await?;
                if !answer.status().is_success() {
                    return Err(format!("{path}: {}", answer.status()).into());
                }
                let mut body = answer.into_body();
                while let Some(frame) = body.frame().await {
                    frame?;
                }
                if number >= warm_up {
                    took.push(begun.elapsed());
                }
            }
            Outcome::Ok(took)
        });
    }
    tokio::select! {
        _ = ready.wait() => {}
        // None ends before all are ready, but by an error.
        Some(ended) = running.join_next() => { ended??; }
    }
    let begun = Instant::now();
    let mut took = Vec::new();
    while let Some(done) = running.join_next().await {
        took.extend(done??);
    }
    let per_sec = took.len() as f64 / begun.elapsed().as_secs_f64();
    took.sort_unstable();
    Ok(Rate { per_sec, took })
}
