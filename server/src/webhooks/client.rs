//! Sends a message to a receiver, once.
//!
//! By hand, because the address is checked before the connection, and is the one that is
//! connected to; and because no redirect and no proxy may lead elsewhere.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Collected, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use platform::problems::with_sources;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use super::receiver::{Host, Receiver, ReceiverPattern};

/// The most that is read of a response, of which only the beginning is shown.
const RESPONSE_BYTES_MAX: usize = 4 << 10;
/// How much of a response that refuses a message is shown.
const SHOWN_CHARACTERS: usize = 200;

/// Why a message was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Undelivered {
    /// What the user is told.
    pub(super) reason: String,
    /// Whether the receiver wants no further attempts.
    pub(super) is_final: bool,
}

impl Undelivered {
    fn because(reason: impl Into<String>) -> Undelivered {
        Undelivered { reason: reason.into(), is_final: false }
    }
}

/// Connects by TLS to receivers with a certificate that the machine trusts.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

impl Tls {
    /// Reads the certificates of the authorities that the machine trusts, and those of a file.
    pub(super) fn new(ca_file: Option<&Path>) -> anyhow::Result<Tls> {
        let mut roots = RootCertStore::empty();
        // Some may be unreadable; a machine without any reaches receivers without TLS.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(file) = ca_file {
            let reading = || format!("reading --webhook-ca {}", file.display());
            let mut certificates =
                CertificateDer::pem_file_iter(file).with_context(reading)?.peekable();
            ensure!(certificates.peek().is_some(), "--webhook-ca {} has none", file.display());
            for certificate in certificates {
                let certificate = certificate.with_context(reading)?;
                roots.add(certificate).with_context(reading)?;
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("setting up TLS for webhooks")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Tls(TlsConnector::from(Arc::new(config))))
    }
}

/// Sends a body with these headers. It is delivered if the status is one of success.
pub(super) async fn post(
    receiver: &Receiver,
    allowed: &[ReceiverPattern],
    tls: &Tls,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(), Undelivered> {
    let stream = connect(receiver, allowed).await?;
    if !receiver.is_tls {
        return converse(stream, receiver, headers, body).await;
    }
    let name = match &receiver.host {
        Host::Address(address) => ServerName::from(*address),
        Host::Name(name) => ServerName::try_from(name.clone())
            .map_err(|_| Undelivered::because(format!("{name} cannot have a certificate")))?,
    };
    let stream = tls.0.connect(name, stream).await;
    let stream = stream.map_err(|error| failed("connecting by TLS", &error))?;
    converse(stream, receiver, headers, body).await
}

/// Connects to the first address of the receiver that is allowed and answers.
async fn connect(
    receiver: &Receiver,
    allowed: &[ReceiverPattern],
) -> Result<TcpStream, Undelivered> {
    let addresses: Vec<SocketAddr> = match &receiver.host {
        Host::Address(address) => vec![(*address, receiver.port).into()],
        Host::Name(name) => lookup_host((name.as_str(), receiver.port))
            .await
            .map_err(|error| failed(&format!("resolving {name}"), &error))?
            .collect(),
    };
    let mut reason = Undelivered::because("the name of the receiver has no address");
    for address in addresses {
        if !receiver.may_have(address.ip(), allowed) {
            reason = Undelivered::because(format!(
                "the receiver has the private address {}, which --allow-webhook does not list",
                address.ip()
            ));
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => reason = failed(&format!("connecting to {address}"), &error),
        }
    }
    Err(reason)
}

async fn converse<S>(
    stream: S,
    receiver: &Receiver,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(), Undelivered>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut request = Request::post(receiver.path.as_str()).body(Full::new(body));
    if let Ok(request) = &mut request {
        *request.headers_mut() = headers;
        let host = HeaderValue::try_from(receiver.authority.as_str());
        host.into_iter().for_each(|host| drop(request.headers_mut().insert(header::HOST, host)));
        request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let request = request.map_err(|error| failed("making the request", &error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed("sending the message", &error))?;
    let exchange = async {
        let response = sender.send_request(request).await;
        let response = response.map_err(|error| failed("sending the message", &error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let body = Limited::new(response.into_body(), RESPONSE_BYTES_MAX).collect().await;
        let body = body.map(Collected::to_bytes).unwrap_or_default();
        Err(refused(status, &String::from_utf8_lossy(&body)))
    };
    // The connection ends with the exchange: it drives the request, and its errors are those
    // of the request.
    tokio::pin!(connection);
    tokio::pin!(exchange);
    tokio::select! {
        outcome = &mut exchange => outcome,
        _ = &mut connection => exchange.await,
    }
}

fn refused(status: StatusCode, body: &str) -> Undelivered {
    let shown: String =
        body.chars().filter(|letter| !letter.is_control()).take(SHOWN_CHARACTERS).collect();
    let shown = shown.trim();
    let hint = if status.is_redirection() { "; redirects are not followed" } else { "" };
    let reason = match shown {
        "" => format!("the receiver answered {status}{hint}"),
        shown => format!("the receiver answered {status}{hint}: {shown}"),
    };
    // By the specification the receiver wants no more messages.
    Undelivered { reason, is_final: status == StatusCode::GONE }
}

fn failed(doing: &str, error: &dyn std::error::Error) -> Undelivered {
    Undelivered::because(format!("{doing}: {}", with_sources(error)))
}
