//! `distributed-average ready`: whether a server is ready, as an exit code. For
//! health checks in containers that hold no HTTP client.

mod unverified;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::http::{Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::arguments::ReadyArguments;

/// The timeout of the request, below that of the health checks themselves (5 s).
const ANSWER_TIME_MAX: Duration = Duration::from_secs(4);
/// The most that is read of a response, which is a problem as JSON.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Requests `/readyz`.
///
/// # Errors
///
/// If the server does not answer, or answers that it is not ready.
pub async fn run(arguments: &ReadyArguments) -> Result<()> {
    let address = reachable(arguments.listen);
    let by_tls = arguments.tls_certificate.is_some();
    let scheme = if by_tls { "https" } else { "http" };
    let answer = timeout(ANSWER_TIME_MAX, ask(address, by_tls)).await;
    let (status, body) = answer
        .unwrap_or_else(|_| bail!("no answer within {} s", ANSWER_TIME_MAX.as_secs()))
        .with_context(|| {
            format!("requesting {scheme}://{address}/readyz; is the server running?")
        })?;
    if status != StatusCode::OK {
        bail!("{address} is not ready: {status} {body}");
    }
    println!("{address} is ready");
    Ok(())
}

/// The status and the body of the response.
async fn ask(address: SocketAddr, by_tls: bool) -> Result<(StatusCode, String)> {
    let stream = TcpStream::connect(address).await.context("connecting")?;
    if !by_tls {
        return converse(stream, address).await;
    }
    let name = ServerName::from(address.ip());
    let stream = unverified::connector()?.connect(name, stream).await.context("using TLS")?;
    converse(stream, address).await
}

async fn converse<S>(stream: S, address: SocketAddr) -> Result<(StatusCode, String)>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.context("connecting")?;
    // It drives the request, and its error is that of the request.
    tokio::spawn(connection);
    let request = Request::get("/readyz")
        .header(header::HOST, address.to_string())
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .context("making the request")?;
    let answer = sender.send_request(request).await.context("sending the request")?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(anyhow::Error::from_boxed).context("reading the answer")?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// The address at which a server that listens on `listen` can be reached from
/// this machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    async fn asked_of_one_that_says(answer: &'static str) -> Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            // All of it is read: what is left unread resets the connection.
            let request: Vec<String> = BufReader::new(&stream)
                .lines()
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty())
                .collect();
            assert_eq!(request[0], "GET /readyz HTTP/1.1");
            (&stream).write_all(answer.as_bytes()).unwrap();
        });
        let listen = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
        let outcome = run(&ReadyArguments { listen, tls_certificate: None }).await;
        server.join().unwrap();
        outcome
    }

    #[tokio::test]
    async fn a_server_that_answers_200_is_ready() {
        asked_of_one_that_says("HTTP/1.1 200 OK\r\n\r\nok").await.unwrap();
    }

    #[tokio::test]
    async fn what_is_amiss_is_passed_on() {
        let answer = "HTTP/1.1 503 Service Unavailable\r\n\r\nno queue";
        let error = asked_of_one_that_says(answer).await.unwrap_err();
        assert!(error.to_string().contains("503 Service Unavailable no queue"), "{error}");
    }

    #[tokio::test]
    async fn nobody_there_is_not_ready() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = listener.local_addr().unwrap();
        drop(listener);
        assert!(run(&ReadyArguments { listen, tls_certificate: None }).await.is_err());
    }
}
