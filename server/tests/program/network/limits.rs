//! Clients that take more than their share.

use std::time::{Duration, Instant};

use futures::StreamExt;
use protocol::problem::ProblemKind;
use reqwest::{Body, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{Running, received, send};
use crate::client::{Client, Events, PATIENCE};

/// Long enough for the rest of a test.
const LONG: Duration = Duration::from_secs(600);
/// What a client sends that never finishes its request.
const HALF: &str = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n";

/// Checks that a request is refused for now, with a time to try again.
async fn assert_refused(response: Response, kind: ProblemKind) -> Value {
    assert_eq!(response.status(), kind.status());
    let after = response.headers()["retry-after"].to_str().expect("text");
    let after: u64 = after.parse().expect("a number of seconds");
    assert!((1..=60).contains(&after), "{after}");
    response.json().await.expect("a problem")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_half_open_requests_keep_nobody_out() {
    program::open_files::raise_limit();
    let folder = tempfile::tempdir().unwrap();
    // As where only a few files may be open.
    let running = Running::start_changed(folder.path(), &[], |settings| {
        settings.limits.connections = 128;
        settings.limits.header_time = LONG;
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..1000 {
        held.push(send(&running.url, HALF).await);
    }
    let mut times = Vec::new();
    for _ in 0..20 {
        // Each on a connection of its own.
        let client = Client::new(running.url.clone());
        let asked = Instant::now();
        let answer = timeout(PATIENCE, client.get("/healthz")).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        times.push(asked.elapsed());
    }
    times.sort();
    println!("/healthz with 1,000 half-open requests: {:?} to {:?}", times[0], times[19]);
    assert!(times[0] < Duration::from_millis(50), "{times:?}");
    // Those that opened first had to make room.
    assert_eq!(received(&mut held[0]).await, "");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_does_not_come_ends_its_connection() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start_changed(folder.path(), &[], |settings| {
        settings.limits.header_time = Duration::from_millis(200);
    })
    .await;
    assert_eq!(received(&mut send(&running.url, HALF).await).await, "");
    assert_eq!(received(&mut send(&running.url, "").await).await, "");
    let whole = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    let said = received(&mut send(&running.url, whole).await).await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    let endless = format!("GET /{} HTTP/1.1\r\n", "a".repeat(1 << 20));
    let address = running.url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    // The server stops reading before all of it is sent.
    let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, endless.as_bytes()).await;
    assert!(!received(&mut stream).await.starts_with("HTTP/1.1 2"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_all_connections_are_busy_probes_are_still_answered() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start_with(folder.path(), &["--max-connections", "1"]).await;
    let mut events = Events::open(&running, "/api/events", None).await;
    events.next().await;
    let another = Client::new(running.url.clone());
    let problem = assert_refused(another.get("/api/jobs").await, ProblemKind::Unavailable).await;
    assert!(problem["remedy"].to_string().contains("--max-connections"), "{problem}");
    assert_eq!(Client::new(running.url.clone()).get("/healthz").await.status(), 200);
    drop(events);
    let free = async {
        while Client::new(running.url.clone()).get("/api/jobs").await.status() != 200 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, free).await.expect("the connection becomes free");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_streams_are_limited() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start_with(folder.path(), &["--max-event-streams", "2"]).await;
    let job = running.submit(&json!({"inputs": {"generate": {"files": 1, "count": 1}}})).await;
    let first = Events::open(&running, "/api/events", None).await;
    let path = format!("/api/jobs/{job}/events");
    let _second = Events::open(&running, &path, None).await;
    for path in ["/api/events", &path] {
        let problem = assert_refused(running.get(path).await, ProblemKind::Unavailable).await;
        assert!(problem["remedy"].to_string().contains("--max-event-streams"), "{problem}");
    }
    drop(first);
    let free = async {
        while running.get(&path).await.status() != 200 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, free).await.expect("a place becomes free");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_sends_too_much_waits_and_probes_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start_with(folder.path(), &["--max-requests-per-second", "1"]).await;
    let mut refused = None;
    for _ in 0..20 {
        let response = running.get("/api/workers").await;
        if response.status() != 200 {
            refused = Some(response);
            break;
        }
    }
    let refused = refused.expect("twenty at once are too many");
    let problem = assert_refused(refused, ProblemKind::TooManyRequests).await;
    assert!(problem["remedy"].to_string().contains("--max-requests-per-second"), "{problem}");
    for _ in 0..20 {
        assert_eq!(running.get("/healthz").await.status(), 200);
    }
    running.stop().await;
}

/// A body that begins and never ends.
fn stalled() -> Body {
    let beginning = futures::stream::iter([Ok::<_, std::io::Error>("1,2,")]);
    Body::wrap_stream(beginning.chain(futures::stream::pending()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_upload_ends_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start_changed(folder.path(), &[], |settings| {
        settings.limits.body_stall_time = Duration::from_millis(300);
        settings.limits.upload_wait_time = LONG;
    })
    .await;
    // More than are taken at once.
    let uploads = (0..6).map(|number| {
        let url = format!("{}/api/files/stalled/{number}", running.url);
        running.http.put(url).body(stalled()).send()
    });
    let refused = timeout(PATIENCE, futures::future::join_all(uploads)).await;
    for refused in refused.expect("no upload is waited for without an end") {
        let refused = refused.unwrap();
        assert_eq!(refused.status(), StatusCode::REQUEST_TIMEOUT);
        let problem: Value = refused.json().await.unwrap();
        assert!(problem["remedy"].to_string().contains("nothing was stored"), "{problem}");
    }
    running.upload("whole", "1,2").await;
    let listed = running.get_json("/api/files").await;
    assert_eq!(listed["files"], json!([{"key": "whole", "bytes": 3}]));
    let unfinished = std::fs::read_dir(folder.path().join(".unfinished")).unwrap();
    assert_eq!(unfinished.count(), 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_would_wait_for_long_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start_changed(folder.path(), &["--max-uploads", "1"], |settings| {
        settings.limits.upload_wait_time = Duration::from_millis(100);
    })
    .await;
    let url = |key: &str| format!("{}/api/files/{key}", running.url);
    let stalled = tokio::spawn(running.http.put(url("a")).body(stalled()).send());
    let refused = async {
        loop {
            let response = running.http.put(url("b")).body("1").send().await.unwrap();
            // The first may not have begun yet.
            if response.status() != StatusCode::CREATED {
                return response;
            }
        }
    };
    let refused = timeout(PATIENCE, refused).await.expect("a refusal");
    let problem = assert_refused(refused, ProblemKind::Unavailable).await;
    assert!(problem["remedy"].to_string().contains("--max-uploads"), "{problem}");
    stalled.abort();
    let free = async {
        while running.http.put(url("b")).body("1").send().await.unwrap().status() != 201 {}
    };
    timeout(PATIENCE, free).await.expect("the next upload is taken");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_json_is_limited_in_size_and_time() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start_changed(folder.path(), &[], |settings| {
        settings.limits.body_stall_time = Duration::from_millis(300);
    })
    .await;
    let post = |body: Body| {
        let request = running.http.post(format!("{}/api/jobs", running.url));
        let request = request.header("content-type", "application/json").body(body);
        async { timeout(PATIENCE, request.send()).await.expect("an answer").unwrap() }
    };
    let large = format!("{{\"name\": \"{}\"}}", "a".repeat(2 << 20));
    assert_eq!(post(large.into()).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(post(stalled()).await.status(), StatusCode::REQUEST_TIMEOUT);
    running.stop().await;
    let hasty = Running::start_changed(folder.path(), &[], |settings| {
        settings.limits.request_time = Duration::from_millis(300);
    })
    .await;
    let late = hasty.http.post(format!("{}/api/jobs", hasty.url));
    let late = late.header("content-type", "application/json").body(stalled()).send();
    let late = timeout(PATIENCE, late).await.expect("an answer").unwrap();
    assert_refused(late, ProblemKind::Unavailable).await;
    hasty.stop().await;
}
