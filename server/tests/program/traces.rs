//! Traces: what a receiver of OpenTelemetry gets, and that its absence disturbs nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Kind;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as Status;
use prost::Message;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::child::Child;
use super::client::PATIENCE;

/// A span that a receiver got.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The name of the program.
    pub(crate) service: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty for the first span of a trace.
    pub(crate) parent: String,
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) is_error: bool,
    pub(crate) began_ns: u64,
    pub(crate) ended_ns: u64,
}

impl Received {
    /// An attribute as text.
    #[track_caller]
    pub(crate) fn attribute(&self, name: &str) -> &str {
        let found = self.attributes.get(name);
        found.unwrap_or_else(|| panic!("{name} is not in {self:?}"))
    }
}

type Spans = Arc<Mutex<Vec<Received>>>;

/// A receiver of spans, as OTLP over HTTP describes it.
pub(crate) struct Receiver {
    address: SocketAddr,
    spans: Spans,
    serving: JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Receiver::on(listener)
    }

    fn on(listener: TcpListener) -> Receiver {
        let address = listener.local_addr().expect("an address");
        let spans = Spans::default();
        let app = Router::new().route("/v1/traces", post(receive)).with_state(spans.clone());
        let serving =
            tokio::spawn(async move { axum::serve(listener, app).await.expect("serving") });
        Receiver { address, spans, serving }
    }

    /// The variable that names it, with its value.
    pub(crate) fn variable(&self) -> (&'static str, String) {
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", self.address))
    }

    /// What it has got up to now.
    pub(crate) fn spans(&self) -> Vec<Received> {
        self.spans.lock().expect("spans").clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn receive(State(spans): State<Spans>, body: bytes::Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut all = spans.lock().expect("spans");
    for of_resource in request.resource_spans {
        let attributes = texts(of_resource.resource.unwrap_or_default().attributes);
        let service = attributes.get("service.name").cloned().unwrap_or_default();
        for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let status = span.status.unwrap_or_default();
            all.push(Received {
                service: service.clone(),
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                name: span.name,
                attributes: texts(span.attributes),
                is_error: status.code == i32::from(Status::Error),
                began_ns: span.start_time_unix_nano,
                ended_ns: span.end_time_unix_nano,
            });
        }
    }
    StatusCode::OK
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(Kind::StringValue(text)) => text,
        Some(Kind::IntValue(number)) => number.to_string(),
        Some(Kind::BoolValue(is_so)) => is_so.to_string(),
        other => format!("{other:?}"),
    };
    attributes.into_iter().map(|it| (it.key, text(it.value))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A receiver that takes connections and never answers, then is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_away_disturbs_nothing_and_gets_what_ends_once_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let hanging = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", hanging.local_addr().unwrap());
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", Path::new(&endpoint)),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", Path::new("200")),
        ("OTEL_BSP_SCHEDULE_DELAY", Path::new("50")),
        ("OTEL_SERVICE_NAME", Path::new("means")),
    ];
    let mut server = Child::with_environment(&environment, &folder.path().join("s"), &[]).await;
    let inputs = json!({"generate": {"files": 4, "count": 10, "format": "csv", "seed": 1}});
    let request = json!({"inputs": inputs, "name": "unseen"});
    server.mean(&request).await;
    server.until_said("spans are dropped until the receiver takes them").await;
    let receiver = Receiver::on(hanging);
    let is_back = async {
        while !server.log().contains("the receiver of traces answers again") {
            server.mean(&request).await;
        }
    };
    timeout(PATIENCE, is_back).await.expect("in time");
    let mut seen = request.clone();
    seen["name"] = "seen".into();
    server.mean(&seen).await;
    let took = server.stop().await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    // The last ones are sent before the end.
    let spans = receiver.spans();
    let is_seen = |span: &&Received| {
        span.name == "job"
            && span
                .attributes
                .get("distributed_average.job.name")
                .is_some_and(|name| name == "seen")
    };
    let job = spans.iter().find(is_seen).expect("the span of the job");
    assert_eq!(job.service, "means");
    // Workers inside the server read files, each of which is one span.
    let reads = spans.iter().filter(|span| span.name == "read object" && span.trace == job.trace);
    let reads: Vec<_> = reads.collect();
    assert!(reads.len() >= 4, "{spans:#?}");
    assert!(reads.iter().any(|it| it.attribute("file.path").ends_with(".csv")), "{reads:#?}");
}

/// What hostile callers send as the span of a request is not believed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_decide_whether_their_trace_is_recorded_and_nonsense_begins_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let (name, endpoint) = receiver.variable();
    let environment = [(name, Path::new(&endpoint))];
    let server = Child::with_environment(&environment, &folder.path().join("s"), &[]).await;
    let inputs = json!({"generate": {"files": 2, "count": 10, "format": "csv", "seed": 1}});
    let request = json!({"inputs": inputs});
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let huge = "0".repeat(4000);
    for context in [&format!("00-{trace}-00f067aa0ba902b7-00"), "00-zz-zz-01", "", &huge] {
        let post = server.http.post(format!("{}/api/jobs", server.url)).json(&request);
        let answer = post.header("traceparent", context).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        let job: serde_json::Value = answer.json().await.unwrap();
        server.follow(job["id"].as_str().unwrap()).await;
        server.get("/healthz").await;
    }
    server.stop().await;
    let spans = receiver.spans();
    assert!(spans.iter().all(|span| span.trace != trace), "{spans:#?}");
    let jobs: Vec<_> = spans.iter().filter(|span| span.name == "job").collect();
    assert_eq!(jobs.len(), 3, "{spans:#?}");
    for job in jobs {
        let posted = spans.iter().find(|span| span.id == job.parent).expect("the request");
        assert_eq!((posted.name.as_str(), posted.parent.as_str()), ("POST /api/jobs", ""));
    }
    assert!(!spans.iter().any(|span| span.name.contains("healthz")), "probes have no spans");
}
