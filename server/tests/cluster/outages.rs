//! The API server stopped in the middle of a job: only where the cluster is
//! one of `scripts/cluster`.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::ground::{root, try_kubectl, until};
use crate::installation::{Installation, expected, request};

/// Stops or starts the API server.
fn api_server(what: &str) {
    let status = Command::new(root().join("scripts/cluster")).args([what, "api"]).status();
    assert!(status.expect("scripts/cluster can be called").success(), "scripts/cluster {what} api");
}

#[tokio::test]
async fn a_job_goes_on_while_the_api_server_is_away() {
    let installation = Installation::start("away", 60).await;
    let server = installation.reach().await;
    let job = server.client.submit(&request(3)).await;
    let completed = |job: &Value| job["attempts"]["completed"].as_u64().unwrap_or(0);
    let before = server.until_job("some tasks to be done", &job, |job| completed(job) > 3).await;
    api_server("stop");
    let is_away = async || (!try_kubectl(&["get", "--raw", "/readyz"], "").2).then_some(());
    until("the API server to be away", is_away).await;
    // The way to the server led through the API server.
    drop(server);
    tokio::time::sleep(Duration::from_secs(5)).await;
    api_server("start");
    let is_back = async || try_kubectl(&["get", "--raw", "/readyz"], "").2.then_some(());
    until("the API server to be back", is_back).await;
    let server = installation.reach().await;
    let after = server.client.get_json(&format!("/api/jobs/{job}")).await;
    println!("attempts completed before and after: {} {}", completed(&before), completed(&after));
    assert!(completed(&after) > completed(&before), "it went on meanwhile");
    assert_eq!(server.bits(&job).await, expected());
    server.until_pool("no notice", |pool| pool["notice"].is_null()).await;
    installation.until_replicas(0).await;
}
