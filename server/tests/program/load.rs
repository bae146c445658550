//! What a server holds in memory after many of the largest requests.
//!
//! `DISTRIBUTED_AVERAGE_LOAD_JOBS=1000` submits as many; 40 unless it says otherwise.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::child::Child;
use super::client::Events;

/// The largest body of a request to the JSON API, in bytes.
const BODY_BYTES: usize = 2 << 20;
/// The bound after any number of jobs.
const RESIDENT_BYTES_MAX: u64 = 300 << 20;
/// The bound after the usual number of them.
const GROWTH_BYTES_MAX: u64 = 128 << 20;
/// The usual number of jobs.
const JOBS: usize = 40;
/// Requests at the same time.
const CLIENTS: usize = 8;
/// Streams that nobody reads.
const STREAMS: usize = 20;

/// A request as long as the server accepts, of objects that do not exist.
fn largest(number: usize) -> String {
    let name = format!("{number:0200}");
    let object = format!("\"missing/{number:06}/0123456789\"");
    let empty = json!({"name": name, "inputs": {"objects": []}}).to_string();
    let objects = (BODY_BYTES - empty.len() + 1) / (object.len() + 1);
    let list = vec![object; objects].join(",");
    let body = empty.replace("[]", &format!("[{list}]"));
    assert!(body.len() <= BODY_BYTES && body.len() > BODY_BYTES - 100);
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_does_not_grow_with_the_size_of_requests() {
    let jobs = std::env::var("DISTRIBUTED_AVERAGE_LOAD_JOBS");
    let jobs: usize = jobs.ok().and_then(|text| text.parse().ok()).unwrap_or(JOBS);
    let folder = tempfile::tempdir().unwrap();
    let child = Child::start(folder.path(), &[]).await;
    let first = child.submit(&json!({"inputs": {"generate": {"files": 2, "count": 10}}})).await;
    child.follow(&first).await;
    let before = child.resident_bytes();
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        streams.push(child.get("/api/events").await);
    }
    let url = format!("{}/api/jobs", child.url);
    let submit = async |number: usize| {
        let request = child.http.post(&url).header("content-type", "application/json");
        let answer = request.body(largest(number)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        answer.json::<Value>().await.unwrap()
    };
    let submitted: Vec<Value> = stream::iter(0..jobs).map(submit).buffered(CLIENTS).collect().await;
    let last = submitted[jobs - 1]["id"].as_str().unwrap();
    let ended = child.follow(last).await;
    assert_eq!(ended["phase"], "failed", "its objects do not exist");
    let resident = child.resident_bytes();
    println!("{jobs} jobs of {BODY_BYTES} bytes: {before} bytes resident before, {resident} after");
    assert!(resident < RESIDENT_BYTES_MAX, "{resident}");
    assert!(jobs > JOBS || resident < before + GROWTH_BYTES_MAX, "{before} to {resident}");
    let list = &ended["request"]["inputs"]["shortened"];
    assert!(list["count"].as_u64() > Some(10_000), "{list}");
    assert_eq!(list["first"].as_array().map(Vec::len), Some(16));
    // The whole request is in the store, and is what is run again.
    let record = folder.path().join("jobs").join(last).join("request.json");
    assert!(std::fs::metadata(record).unwrap().len() > BODY_BYTES as u64 / 2);
    let rerun: Value =
        child.post(&format!("/api/jobs/{last}/rerun"), &json!({})).await.json().await.unwrap();
    assert_eq!(rerun["request"]["inputs"]["shortened"]["count"], list["count"]);
    child.follow(rerun["id"].as_str().unwrap()).await;

    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let begin = Instant::now();
        assert_eq!(child.get("/healthz").await.status(), StatusCode::OK);
        slowest = slowest.max(begin.elapsed());
    }
    let page = child.get("/").await.bytes().await.unwrap().len();
    let mut events = Events::open(&child, "/api/events", None).await;
    let snapshot = events.next().await.data.to_string().len();
    println!("the home page {page} bytes, the first event {snapshot}; /healthz in {slowest:?}");
    assert!(page < 1 << 20, "{page}");
    assert!(snapshot < 1 << 19, "{snapshot}");
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    drop(streams);
    child.stop().await;
}
