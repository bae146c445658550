//! Sends spans to the receiver, from a thread of its own.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanProcessor};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::settings::Settings;

/// The most that is read of an answer.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// What sends spans of the service of this name.
///
/// # Errors
///
/// If the settings of the receiver cannot be followed.
pub(crate) fn processor(
    service: &'static str,
    settings: &Settings,
) -> anyhow::Result<BatchSpanProcessor> {
    let client = ReceiverClient::new(settings)?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .build()
        .context("setting up the export of traces")?;
    let mut processor = BatchSpanProcessor::builder(exporter).build();
    // The environment may name the service otherwise.
    let resource = match std::env::var_os("OTEL_SERVICE_NAME") {
        Some(_) => Resource::builder(),
        None => Resource::builder().with_service_name(service),
    };
    processor.set_resource(&resource.build());
    Ok(processor)
}

/// Sends one batch after the other. It has a runtime of its own, on the thread of the
/// processor, so that neither waits for the work of the program, nor after its end.
struct ReceiverClient {
    runtime: Runtime,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
    /// Whether the receiver was away the last time.
    was_away: AtomicBool,
}

impl fmt::Debug for ReceiverClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReceiverClient")
    }
}

impl ReceiverClient {
    fn new(settings: &Settings) -> anyhow::Result<ReceiverClient> {
        let mut roots = RootCertStore::empty();
        // Some may be unreadable; a machine without any reaches receivers without TLS.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(file) = &settings.certificate {
            let reading = || format!("reading OTEL_EXPORTER_OTLP_CERTIFICATE {}", file.display());
            for certificate in CertificateDer::pem_file_iter(file).with_context(reading)? {
                roots.add(certificate.with_context(reading)?).with_context(reading)?;
            }
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("setting up TLS for traces")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            // A connection that is kept moves only while a batch is being sent.
            .pool_max_idle_per_host(0)
            .build(connector);
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("setting up the thread for traces")?;
        let was_away = AtomicBool::new(false);
        Ok(ReceiverClient { runtime, client, timeout: settings.timeout, was_away })
    }

    async fn send(&self, request: Request<Bytes>) -> anyhow::Result<Response<Bytes>> {
        let answer = self.client.request(request.map(Full::new)).await?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("reading the answer: {error}"))?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

#[async_trait]
impl HttpClient for ReceiverClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let url = request.uri().clone();
        let sending = async {
            let sent = timeout(self.timeout, self.send(request)).await;
            sent.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {:?}", self.timeout)))
        };
        // On the thread of the processor, which has no runtime and nothing else to do.
        let sent = self.runtime.block_on(sending);
        let trouble = match &sent {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("the receiver answered {}", answer.status())),
            Err(error) => Some(format!("{error:#}")),
        };
        let was_away = self.was_away.swap(trouble.is_some(), Ordering::Relaxed);
        match trouble {
            None if was_away => tracing::info!(%url, "the receiver of traces answers again"),
            None => {}
            Some(error) if was_away => tracing::debug!(%url, error, "spans were dropped"),
            Some(error) => {
                tracing::warn!(%url, error, "spans are dropped until the receiver takes them");
            }
        }
        sent.map_err(HttpError::from)
    }
}
