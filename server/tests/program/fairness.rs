//! Jobs that share a pool, measured by the tasks that are completed meanwhile: a busy
//! machine makes all of them slower alike.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::Client;
use super::running::Running;

/// How many files there are.
const FILES: usize = 400;
/// So slow that no job is over before the next one comes.
const SLOW: [&str; 2] = ["--slowness", "500"];

/// A server with the files that jobs of [`request`] read.
async fn start(store: &Path, further: &[&str]) -> Running {
    let running = Running::start_with(store, &[&SLOW[..], further].concat()).await;
    let file = (0..3_000).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
    for number in 0..FILES {
        running.upload(&format!("in/{number:03}.csv"), file.clone()).await;
    }
    running
}

/// A job of the first files.
fn request(files: usize, workers: u64) -> Value {
    let objects: Vec<_> = (0..files).map(|number| format!("in/{number:03}.csv")).collect();
    json!({"inputs": {"objects": objects}, "fan_in": 8, "workers": workers,
        "speculation": {"enabled": false}})
}

/// How many attempts of jobs are completed.
async fn completed(client: &Client, jobs: &[String]) -> u64 {
    let listed = client.get_json("/api/jobs?limit=100").await;
    let listed = listed["jobs"].as_array().expect("jobs").iter();
    let of_jobs = listed.filter(|job| jobs.iter().any(|id| job["id"] == id.as_str()));
    of_jobs.map(|job| job["attempts"]["completed"].as_u64().expect("a number")).sum()
}

/// Submits a job behind others, which are at work, and follows it to its end. Returns how many
/// attempts it had, and how many the others completed meanwhile.
async fn behind(client: &Client, others: &[String], request: &Value) -> (u64, u64) {
    while completed(client, others).await < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let before = completed(client, others).await;
    let job = client.submit(request).await;
    let ended = client.follow(&job).await;
    let meanwhile = completed(client, others).await - before;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    for other in others {
        let other = client.get_json(&format!("/api/jobs/{other}")).await;
        assert_ne!(other["phase"], "done", "it is long");
    }
    let own = ended["attempts"]["completed"].as_u64().expect("a number");
    println!("{own} attempts of its own, {meanwhile} of the others meanwhile");
    (own, meanwhile)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_job_does_not_wait_for_sixteen_long_ones() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path(), &["--max-workers", "2"]).await;
    let mut long = Vec::new();
    for _ in 0..16 {
        long.push(running.submit(&request(FILES, 2)).await);
    }
    let (own, meanwhile) = behind(&running, &long, &request(8, 2)).await;
    assert_eq!(own, 1);
    // A turn of each, and what they do while it is planned and its result is written.
    assert!(meanwhile <= 48, "{meanwhile}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_of_few_workers_has_its_share_beside_one_of_a_billion() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path(), &["--max-workers", "1000000000"]).await;
    let two = running.http.put(format!("{}/api/workers", running.url));
    assert!(two.json(&json!({"desired": 2})).send().await.unwrap().status().is_success());
    let greedy = running.submit(&request(FILES, 1_000_000_000)).await;
    let (own, meanwhile) = behind(&running, &[greedy], &request(128, 2)).await;
    assert!(meanwhile <= 2 * own, "{meanwhile} beside {own}");
    running.stop().await;
}
