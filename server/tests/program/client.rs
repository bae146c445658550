//! A client of a server: JSON and server-sent events.

use std::time::{Duration, Instant};

use futures::StreamExt;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::exact;

/// Timeout of everything that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A client of a server.
pub(crate) struct Client {
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
}

impl Client {
    pub(crate) fn new(url: String) -> Client {
        Client { url, http: reqwest::Client::new() }
    }

    /// A client that sends a token with each request.
    #[allow(dead_code, reason = "only some of the tests' programs meet a server with tokens")]
    pub(crate) fn with_token(url: String, token: &str) -> Client {
        let mut headers = HeaderMap::new();
        let value = format!("Bearer {token}").parse().expect("a header");
        headers.insert(AUTHORIZATION, value);
        let http = reqwest::Client::builder().default_headers(headers).build();
        Client { url, http: http.expect("a client") }
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.http.get(format!("{}{path}", self.url)).send().await.expect("an answer")
    }

    pub(crate) async fn get_json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.expect("JSON")
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Response {
        self.http.post(format!("{}{path}", self.url)).json(body).send().await.expect("an answer")
    }

    pub(crate) async fn upload(&self, key: &str, bytes: impl Into<reqwest::Body>) {
        let request = self.http.put(format!("{}/api/files/{key}", self.url));
        let response = request.body(bytes).send().await.expect("an answer");
        let status = response.status();
        let said = response.text().await.expect("a body");
        assert_eq!(status, StatusCode::CREATED, "{said}");
    }

    /// Waits until `/readyz` answers with a status, and returns the body.
    #[allow(dead_code, reason = "only some of the tests' programs take a store away")]
    pub(crate) async fn until_ready_is(&self, status: u16) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.get("/readyz").await;
            let found = answer.status();
            let body = answer.text().await.expect("a body");
            if found == status {
                return body;
            }
            assert!(Instant::now() < deadline, "/readyz: {found} {body}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Submits a job; returns its id.
    pub(crate) async fn submit(&self, request: &Value) -> String {
        let response = self.post("/api/jobs", request).await;
        let status = response.status();
        let location = response.headers().get("location").cloned();
        let job: Value = response.json().await.expect("JSON");
        assert_eq!(status, StatusCode::CREATED, "{job}");
        let id = job["id"].as_str().expect("an id").to_owned();
        assert_eq!(location.expect("a location"), format!("/api/jobs/{id}").as_str());
        id
    }

    /// Follows a job's events to its end; returns its last snapshot.
    pub(crate) async fn follow(&self, job: &str) -> Value {
        let mut events = Events::open(self, &format!("/api/jobs/{job}/events"), None).await;
        loop {
            let event = events.next().await;
            assert_eq!(event.name, "job");
            if ["done", "failed", "cancelled"]
                .contains(&event.data["phase"].as_str().expect("a phase"))
            {
                return event.data;
            }
        }
    }

    /// Follows a job until a condition holds.
    pub(crate) async fn until(&self, job: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut events = Events::open(self, &format!("/api/jobs/{job}/events"), None).await;
        loop {
            let snapshot = events.next().await.data;
            if is_so(&snapshot) {
                return snapshot;
            }
        }
    }

    /// Submits a job and follows it to its result.
    pub(crate) async fn mean(&self, request: &Value) -> Vec<f64> {
        let job = self.submit(request).await;
        let ended = self.follow(&job).await;
        assert_eq!(ended["phase"], "done", "{}", ended["error"]);
        self.result(&job).await
    }

    /// The mean of a job that is done.
    pub(crate) async fn result(&self, job: &str) -> Vec<f64> {
        let response = self.get(&format!("/api/jobs/{job}/result?format=npy")).await;
        assert_eq!(response.status(), StatusCode::OK);
        exact::parse_npy(&response.bytes().await.expect("bytes"))
    }

    /// Submits a job that must fail; returns its error.
    pub(crate) async fn failure(&self, request: &Value) -> Value {
        let job = self.submit(request).await;
        let ended = self.follow(&job).await;
        assert_eq!(ended["phase"], "failed");
        ended["error"].clone()
    }
}

/// A server-sent event.
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

/// A stream of server-sent events.
pub(crate) struct Events {
    bytes: futures::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    text: String,
}

impl Events {
    pub(crate) async fn open(client: &Client, path: &str, last_id: Option<&str>) -> Events {
        let mut request = client.http.get(format!("{}{path}", client.url));
        if let Some(id) = last_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events { bytes: response.bytes_stream().boxed(), text: String::new() }
    }

    pub(crate) async fn next(&mut self) -> Event {
        timeout(PATIENCE, self.arrival()).await.expect("an event in time")
    }

    /// Waits until the stream is cut off.
    #[allow(dead_code, reason = "only some of the tests' programs cut streams off")]
    pub(crate) async fn until_it_breaks(&mut self) {
        let broken = async { while let Some(Ok(_)) = self.bytes.next().await {} };
        timeout(PATIENCE, broken).await.expect("the stream breaks");
    }

    async fn arrival(&mut self) -> Event {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let mut lines = event.lines().filter_map(|line| line.strip_prefix(name));
                    lines.next().map(|value| value.trim_start().to_owned())
                };
                let parsed = field("data:").map(|data| Event {
                    name: field("event:").expect("a name"),
                    id: field("id:"),
                    data: serde_json::from_str(&data).expect("JSON"),
                });
                self.text = rest.to_owned();
                match parsed {
                    Some(event) => return event,
                    None => continue,
                }
            }
            let more = self.bytes.next().await.expect("the stream goes on").expect("bytes");
            self.text.push_str(std::str::from_utf8(&more).expect("UTF-8"));
        }
    }
}
