//! Large test data is stopped at once: by a cancellation, by SIGTERM, and after a crash.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::child::Child;

/// The largest number of files that a request may ask for.
const FILES: u64 = 1_000_000;

fn large() -> Value {
    json!({"inputs": {"generate": {"files": FILES, "count": 1}}})
}

/// Submits a large job and waits until some of its files are there.
async fn generating(child: &Child) -> String {
    let job = child.submit(&large()).await;
    child.until(&job, |job| job["generated"]["done"].as_u64() >= Some(10)).await;
    job
}

async fn cancel(child: &Child, job: &str) {
    let delete = child.http.delete(format!("{}/api/jobs/{job}", child.url));
    assert_eq!(delete.send().await.expect("an answer").status(), StatusCode::ACCEPTED);
}

fn inputs(store: &Path, job: &str) -> PathBuf {
    store.join("jobs").join(job).join("inputs")
}

fn files(store: &Path, job: &str) -> usize {
    std::fs::read_dir(inputs(store, job)).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_files_than_can_be_generated_are_refused_with_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let child = Child::start(folder.path(), &[]).await;
    let files = json!({"files": 3_000_000_000_u64, "count": 1});
    let refused = child.post("/api/jobs", &json!({"inputs": {"generate": files}})).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["field"], "inputs.generate.files");
    assert!(problem["detail"].as_str().unwrap().contains("1000000"), "{problem}");
    child.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_generation_is_cancelled_at_once_and_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let child = Child::start(folder.path(), &[]).await;
    let job = generating(&child).await;
    let small = json!({"inputs": {"generate": {"files": 3, "count": 10}}});
    assert_eq!(child.mean(&small).await.len(), 10, "while it is generated");
    let begin = Instant::now();
    cancel(&child, &job).await;
    let (ended, mean) = tokio::join!(child.follow(&job), child.mean(&small));
    let took = begin.elapsed();
    assert_eq!(ended["phase"], "cancelled");
    assert_eq!(mean.len(), 10, "while it is cancelled");
    assert!(took < Duration::from_secs(3), "{took:?}");
    let there = files(folder.path(), &job);
    assert_eq!(child.mean(&small).await.len(), 10);
    assert_eq!(files(folder.path(), &job), there, "nothing more is written");
    child.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_generates_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let child = Child::start(folder.path(), &[]).await;
    let job = generating(&child).await;
    let took = child.stop().await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    // Nor is it cancelled: the next server continues.
    let again = Child::start(folder.path(), &[]).await;
    again.until(&job, |job| job["generated"]["done"].as_u64() >= Some(10)).await;
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_job_stays_cancelled_when_the_server_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Child::start(folder.path(), &[]).await;
    // Killed after the answer, whether the report is stored already …
    let job = generating(&child).await;
    cancel(&child, &job).await;
    child.kill();
    // … and certainly before it is: only the mark of the cancellation is there.
    let mut child = Child::start(folder.path(), &[]).await;
    let other = generating(&child).await;
    child.kill();
    std::fs::write(folder.path().join("jobs").join(&other).join("cancelled"), "").unwrap();
    let written = [&job, &other].map(|job| files(folder.path(), job));
    let again = Child::start(folder.path(), &[]).await;
    for job in [&job, &other] {
        let shown = again.get_json(&format!("/api/jobs/{job}")).await;
        assert_eq!(shown["phase"], "cancelled");
        assert!(shown["timings"]["ended_at"].as_u64().is_some(), "{shown}");
        let page = again.get(&format!("/jobs/{job}")).await;
        assert_eq!(page.status(), StatusCode::OK);
    }
    let small = json!({"inputs": {"generate": {"files": 3, "count": 10}}});
    assert_eq!(again.mean(&small).await.len(), 10);
    assert_eq!([&job, &other].map(|job| files(folder.path(), job)), written);
    again.stop().await;
}
