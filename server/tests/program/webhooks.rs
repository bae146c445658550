//! Webhooks: a receiver is told that a job has ended, at least once, whatever happens.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use server::webhooks::{Settings, Webhooks};
use sha2::Sha256;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::child::Child;
use super::client::{Client, PATIENCE};
use super::metrics::figures;
use super::running::Running;

const KEY: [u8; 32] = [7; 32];

/// A message that a receiver got.
pub(super) struct Message {
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Message {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).expect("a header")
    }

    /// Checks the signature as receivers do; returns the message.
    pub(super) fn verified(&self) -> Value {
        let (id, at) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        let mut mac = Hmac::<Sha256>::new_from_slice(&KEY).expect("a key");
        mac.update(format!("{id}.{at}.").as_bytes());
        mac.update(&self.body);
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        assert_eq!(self.header("webhook-signature"), signature);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let age = now.expect("a time").as_secs() - at.parse::<u64>().expect("a time");
        assert!(age < 60, "{age} s old");
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// How a receiver answers.
pub(super) enum Answer {
    Status(u16),
    Redirect(String),
    /// Never.
    None,
}

/// A receiver that answers in this way, then with 204.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    pub(super) messages: mpsc::UnboundedReceiver<Message>,
    serving: JoinHandle<()>,
}

type Answers = Arc<Mutex<VecDeque<Answer>>>;

impl Receiver {
    pub(super) async fn start(answers: impl IntoIterator<Item = Answer>) -> Receiver {
        Receiver::start_at("127.0.0.1:0".parse().expect("an address"), answers).await
    }

    async fn start_at(at: SocketAddr, answers: impl IntoIterator<Item = Answer>) -> Receiver {
        let listener = TcpListener::bind(at).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let answers: Answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        let (got, messages) = mpsc::unbounded_channel();
        let app = Router::new().fallback(receive).with_state((answers, got));
        let serving =
            tokio::spawn(async move { axum::serve(listener, app).await.expect("serving") });
        Receiver { address, messages, serving }
    }

    /// Stops, so that its port is free again.
    async fn stop(mut self) {
        self.serving.abort();
        // An error says that it was aborted.
        let _ = (&mut self.serving).await;
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook?secret=s3cret", self.address)
    }

    pub(super) async fn next(&mut self) -> Message {
        timeout(PATIENCE, self.messages.recv()).await.expect("in time").expect("a message")
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn receive(
    State((answers, got)): State<(Answers, mpsc::UnboundedSender<Message>)>,
    uri: Uri,
    headers: HeaderMap,
    body: bytes::Bytes,
) -> Response {
    let path = uri.path_and_query().expect("a path").to_string();
    let answer = answers.lock().expect("answers").pop_front();
    got.send(Message { path, headers, body: body.to_vec() }).expect("the test goes on");
    match answer {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(Answer::Status(status)) => {
            (StatusCode::from_u16(status).expect("a status"), "not now").into_response()
        }
        Some(Answer::Redirect(to)) => (StatusCode::FOUND, [("location", to)]).into_response(),
        Some(Answer::None) => std::future::pending().await,
    }
}

fn request(url: &str) -> Value {
    json!({
        "inputs": {"generate": {"files": 4, "count": 10, "format": "csv", "seed": 1}},
        "name": "told",
        "webhook": {"url": url},
    })
}

pub(super) fn secret(folder: &Path) -> PathBuf {
    let file = folder.join("secret");
    std::fs::write(&file, format!("whsec_{}\n", STANDARD.encode(KEY))).expect("a file");
    file
}

/// The flags that allow receivers.
pub(super) fn flags(secret: &Path, allowed: &str) -> [String; 2] {
    [format!("--webhook-secret-file={}", secret.display()), format!("--allow-webhook={allowed}")]
}

/// Waits until the delivery of a job is in a state.
pub(super) async fn delivery(client: &Client, job: &str, state: &str) -> Value {
    let shown = async {
        loop {
            let job = client.get_json(&format!("/api/jobs/{job}")).await;
            if job["webhook"]["state"] == state {
                return job["webhook"].clone();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, shown).await.expect("in time")
}

/// The marks of messages that are not delivered.
fn marks(store: &Path) -> usize {
    std::fs::read_dir(store.join("index/webhooks")).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_sent_again_until_the_receiver_accepts_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let mut receiver = Receiver::start([Answer::Status(500), Answer::Status(404)]).await;
    let flags = flags(&secret(folder.path()), &receiver.address.to_string());
    let server = Child::start(&store, &[&flags[0], &flags[1]]).await;
    let job = server.submit(&request(&receiver.url())).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let message = receiver.next().await;
        assert_eq!(message.path, "/hook?secret=s3cret");
        assert_eq!(message.header("content-type"), "application/json");
        let told = message.verified();
        assert_eq!((&told["type"], &told["data"]["id"]), (&json!("job.done"), &json!(job)));
        assert_eq!(told["data"]["name"], "told");
        assert_eq!(told["data"]["path"], format!("/api/jobs/{job}"));
        ids.push(message.header("webhook-id").to_owned());
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let shown = delivery(&server, &job, "delivered").await;
    assert_eq!((&shown["attempts"], &shown["id"]), (&json!(3), &json!(ids[0])));
    assert_eq!(shown["last_error"], "the receiver answered 404 Not Found: not now");
    assert!(shown["delivered_at"].is_u64());
    // Whoever sees the job does not see where it is told.
    let text = server.get(&format!("/api/jobs/{job}")).await.text().await.unwrap();
    assert!(!text.contains("s3cret") && text.contains("/…"), "{text}");
    // Run again, the whole URL is used.
    let rerun = server.post(&format!("/api/jobs/{job}/rerun"), &Value::Null).await;
    let rerun: Value = rerun.json().await.unwrap();
    let rerun = rerun["id"].as_str().unwrap().to_owned();
    let message = receiver.next().await;
    assert_eq!(
        (message.path.as_str(), &message.verified()["data"]["id"]),
        ("/hook?secret=s3cret", &json!(rerun))
    );
    delivery(&server, &rerun, "delivered").await;
    while marks(&store) > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let log = server.whole_log().await;
    assert!(log.contains("webhook delivered") && !log.contains("s3cret"), "{log}");

    // The delivery is in the store, and nothing is sent again.
    let server = Child::start(&store, &[&flags[0], &flags[1]]).await;
    let job = server.get_json(&format!("/api/jobs/{job}")).await;
    assert_eq!(job["webhook"], shown);
    server.stop().await;
    assert!(receiver.messages.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_before_the_delivery_delivers_after_its_start() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let mut receiver = Receiver::start([Answer::None]).await;
    let address = receiver.address;
    let flags = flags(&secret(folder.path()), &address.to_string());
    let mut server = Child::start(&store, &[&flags[0], &flags[1]]).await;
    // A job that fails, and the default of the server would not be told of it.
    let mut failing = request(&receiver.url());
    failing["inputs"] = json!({"prefix": "nothing/"});
    let job = server.submit(&failing).await;
    let first = receiver.next().await;
    assert_eq!(first.verified()["type"], "job.failed");
    server.kill();
    assert_eq!(marks(&store), 1);
    receiver.stop().await;

    let mut receiver = Receiver::start_at(address, []).await;
    let server = Child::start(&store, &[&flags[0], &flags[1]]).await;
    let again = receiver.next().await;
    assert_eq!(again.header("webhook-id"), first.header("webhook-id"));
    assert_eq!(again.verified(), first.verified());
    let detail = again.verified()["data"]["error"]["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("nothing"), "{detail}");
    delivery(&server, &job, "delivered").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_hangs_delays_neither_jobs_nor_others_nor_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut hanging = Receiver::start((0..100).map(|_| Answer::None)).await;
    let mut other = Receiver::start([]).await;
    let secret = secret(folder.path());
    let allowed = [hanging.address, other.address].map(|it| it.to_string().parse().unwrap());
    let settings = Settings {
        allowed: allowed.to_vec(),
        default: Some(protocol::request::Webhook { url: other.url() }),
        secret_file: Some(secret),
        ca_file: None,
        attempt_time: Duration::from_millis(300),
        retry_time: Duration::from_secs(1),
    };
    let webhooks = Arc::new(Webhooks::new(settings).unwrap());
    let store = folder.path().join("store");
    let running =
        Running::start_on(&store, &[], |store| store, |parts| parts.webhooks = webhooks).await;
    let hung = running.submit(&request(&hanging.url())).await;
    hanging.next().await;
    assert_eq!(running.follow(&hung).await["phase"], "done");
    // The default of the server is told of jobs that name nobody.
    let mut plain = request("");
    plain.as_object_mut().unwrap().remove("webhook");
    let job = running.submit(&plain).await;
    assert_eq!(other.next().await.verified()["data"]["id"], job);
    delivery(&running, &job, "delivered").await;
    // After the time for which it is tried, the message is given up.
    let shown = delivery(&running, &hung, "abandoned").await;
    assert_eq!(shown["last_error"], "the receiver did not answer within 300ms");
    assert!(shown["attempts"].as_u64().unwrap() >= 2, "{shown}");
    running.submit(&request(&hanging.url())).await;
    hanging.next().await;
    timeout(Duration::from_secs(10), running.stop()).await.expect("the end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_is_not_allowed_is_refused_and_redirects_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let mut secret_place = Receiver::start([]).await;
    let elsewhere = format!("http://{}/admin", secret_place.address);
    let mut receiver = Receiver::start([Answer::Redirect(elsewhere), Answer::Status(410)]).await;
    let flags = flags(&secret(folder.path()), &receiver.address.to_string());
    let running = Running::start_with(&store, &[&flags[0], &flags[1]]).await;
    for url in [
        secret_place.url(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        format!("http://{}.example.com/", receiver.address.ip()),
        format!("https://{}/", receiver.address.ip()),
    ] {
        for path in ["/api/jobs", "/api/plan"] {
            let refused = running.post(path, &request(&url)).await;
            assert_eq!(refused.status(), 403, "{url}");
            let problem: Value = refused.json().await.unwrap();
            assert_eq!(problem["field"], "webhook.url", "{problem}");
            assert!(problem["remedy"].as_str().unwrap().contains("--allow-webhook"), "{problem}");
        }
    }
    for url in ["", "ftp://a/", "http://a:b@c/", "http://a/#b"] {
        assert_eq!(running.post("/api/jobs", &request(url)).await.status(), 400, "{url}");
    }
    // A URL as responses show it.
    let shown = format!("http://{}/…", receiver.address);
    assert_eq!(running.post("/api/jobs", &request(&shown)).await.status(), 400);
    let job = running.submit(&request(&receiver.url())).await;
    receiver.next().await;
    receiver.next().await;
    let shown = delivery(&running, &job, "abandoned").await;
    assert_eq!((&shown["attempts"], &shown["state"]), (&json!(2), &json!("abandoned")));
    assert!(secret_place.messages.try_recv().is_err());
    running.stop().await;

    // Nobody has allowed anything.
    let running = Running::start(&store).await;
    assert_eq!(running.post("/api/jobs", &request(&receiver.url())).await.status(), 403);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_resumed_is_told_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let mut receiver = Receiver::start([]).await;
    let flags = flags(&secret(folder.path()), &receiver.address.to_string());
    let running = Running::start_with(&store, &[&flags[0], &flags[1]]).await;
    let mut failing = request(&receiver.url());
    failing["inputs"] = json!({"prefix": "in/"});
    let job = running.submit(&failing).await;
    let failed = receiver.next().await;
    assert_eq!(failed.verified()["type"], "job.failed");
    delivery(&running, &job, "delivered").await;
    running.upload("in/a.csv", "1,2\n").await;
    let resumed = running.post(&format!("/api/jobs/{job}/resume"), &Value::Null).await;
    assert_eq!(resumed.status(), 202);
    let done = receiver.next().await;
    assert_eq!(done.verified()["type"], "job.done");
    assert_ne!(done.header("webhook-id"), failed.header("webhook-id"));
    let shown = delivery(&running, &job, "delivered").await;
    assert_eq!(shown["id"], done.header("webhook-id"));
    running.stop().await;
}

/// A receiver's port that speaks TLS.
struct TlsPort {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for TlsPort {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await.expect("a connection");
            // The server breaks off where it does not trust the certificate.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// An authority of its own: its certificate, and an acceptor that it certifies for a name.
fn certified(name: &str) -> (String, TlsAcceptor) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().expect("a key");
    let certificate = authority.self_signed(&authority_key).expect("a certificate");
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().expect("a key");
    let of_receiver = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    let of_receiver = of_receiver.signed_by(&key, &issuer).expect("a certificate");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![of_receiver.der().clone()], key)
        .expect("a certificate");
    (certificate.pem(), TlsAcceptor::from(Arc::new(config)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_with_https_is_told_if_an_authority_that_is_trusted_certifies_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let (certificate, acceptor) = certified("localhost");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, certificate).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (got, mut messages) = mpsc::unbounded_channel();
    let app = Router::new().fallback(receive).with_state((Answers::default(), got));
    let serving = tokio::spawn(async move {
        axum::serve(TlsPort { listener, acceptor }, app).await.expect("serving");
    });
    let allowed = format!("localhost:{port},127.0.0.1:{port}");
    let flags = flags(&secret(folder.path()), &allowed);
    let told = |host: &str| request(&format!("https://{host}:{port}/hook"));

    // Nobody has said that the authority is trusted.
    let server = Child::start(&store, &[&flags[0], &flags[1]]).await;
    let job = server.submit(&told("localhost")).await;
    let failed = attempted(&server, &job).await;
    assert!(failed.contains("TLS") && failed.contains("UnknownIssuer"), "{failed}");
    let of = async |name: &str, labels: &[&str]| {
        let name = format!("distributed_average_{name}");
        figures(&server).await.sum(&name, labels)
    };
    assert_eq!(of("webhooks_pending", &[]).await, 1.0);
    assert!(of("webhook_attempts_total", &["\"failed\""]).await >= 1.0);
    assert_eq!(of("webhook_deliveries_total", &["\"delivered\""]).await, 0.0);
    server.stop().await;

    let ca = format!("--webhook-ca={}", ca.display());
    let server = Child::start(&store, &[&flags[0], &flags[1], &ca]).await;
    let message = timeout(PATIENCE, messages.recv()).await.unwrap().unwrap();
    assert_eq!(message.verified()["data"]["id"], job);
    delivery(&server, &job, "delivered").await;
    // The certificate is for another name.
    let other = server.submit(&told("127.0.0.1")).await;
    let failed = attempted(&server, &other).await;
    assert!(failed.contains("not valid for name"), "{failed}");
    let figures = figures(&server).await;
    let sum =
        |name: &str, labels: &[&str]| figures.sum(&format!("distributed_average_{name}"), labels);
    assert_eq!(sum("webhook_deliveries_total", &["\"delivered\""]), 1.0);
    assert_eq!(sum("webhook_attempts_total", &["\"ok\""]), 1.0);
    assert_eq!(sum("webhook_deliveries_total", &["\"abandoned\""]), 0.0);
    assert!(messages.try_recv().is_err());
    server.stop().await;
    serving.abort();
}

/// Waits until an attempt to tell of a job has failed; returns why.
async fn attempted(client: &Client, job: &str) -> String {
    let shown = async {
        loop {
            let job = client.get_json(&format!("/api/jobs/{job}")).await;
            if let Some(error) = job["webhook"]["last_error"].as_str() {
                return error.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, shown).await.expect("in time")
}
