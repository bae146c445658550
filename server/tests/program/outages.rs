//! Outages of the store cost time, and never a job.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use platform::faults::{FaultRates, Faults, FaultyStore};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::client::{Client, PATIENCE};
use super::running::Running;

/// Every call fails.
const AWAY: FaultRates = FaultRates {
    fail_every: 1,
    lose_answer_every: 0,
    slow_every: 0,
    slow_by: Duration::ZERO,
    duplicate_every: 0,
};

/// A server whose store meets faults at keys that contain a text, and the faults.
async fn server(folder: &Path, only: &str) -> (Running, Arc<Faults>) {
    let faults = Arc::new(Faults::default());
    let injected = faults.clone();
    let running = Running::start_on(
        folder,
        &["--slowness", "5"],
        |store| Arc::new(FaultyStore::on(store, injected, only)),
        |_| {},
    );
    (running.await, faults)
}

/// Waits until a condition holds.
async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

fn is_held(job: &Value) -> bool {
    job["outage"]["part"] == "store"
}

async fn ends_well(client: &Client, job: &str) -> Value {
    let ended = client.follow(job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    assert_eq!(ended["outage"], Value::Null, "{ended}");
    ended
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_holds_jobs_and_counts_against_none() {
    let folder = tempfile::tempdir().unwrap();
    let (running, faults) = server(folder.path(), "").await;
    let inputs = json!({"generate": {"files": 60, "count": 20_000, "format": "csv", "seed": 3}});
    let request = json!({"inputs": inputs, "fan_in": 2, "workers": 2});
    let job = running.submit(&request).await;
    running.until(&job, |job| job["attempts"]["completed"].as_u64() > Some(0)).await;
    faults.set(AWAY);
    // Four failures of one task once failed its job.
    let held = running.until(&job, is_held).await;
    assert!(held["outage"]["reason"].as_str().unwrap().contains("injected fault"), "{held}");
    let metrics = async || running.get("/metrics").await.text().await.expect("figures");
    until("metrics tell it", async || {
        metrics().await.contains("\ndistributed_average_store_up 0\n")
    })
    .await;
    assert!(metrics().await.contains("outage_start_time_seconds{part=\"store\"}"));
    let pool = running.get_json("/api/workers").await;
    assert_eq!(pool["outages"][0]["part"], "store", "{pool}");
    assert!(pool["notice"].as_str().unwrap().contains("store has not been available"), "{pool}");
    let page = running.get(&format!("/jobs/{job}")).await.text().await.expect("a page");
    assert!(page.contains("the store has not been available since"), "{page}");
    let refused = running.post("/api/jobs", &request).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    // Long enough for many attempts of many tasks.
    let before = faults.counts().failed;
    until("many calls fail", async || faults.counts().failed > before + 20).await;
    let (now, back) = (running.get_json(&format!("/api/jobs/{job}")).await, Instant::now());
    assert_eq!(now["phase"], "running", "{now}");
    faults.set(FaultRates::default());
    let completed = now["attempts"]["completed"].as_u64();
    running.until(&job, |job| job["attempts"]["completed"].as_u64() > completed).await;
    let took = back.elapsed();
    println!("work went on {took:?} after the store was back");
    assert!(took < Duration::from_secs(10), "{took:?}");
    let ended = ends_well(&running, &job).await;
    assert_eq!((&ended["attempts"]["failed"], &ended["attempts"]["lost"]), (&json!(0), &json!(0)));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_summed_waits_for_the_store_to_take_its_result() {
    let folder = tempfile::tempdir().unwrap();
    let (running, faults) = server(folder.path(), "/result/").await;
    faults.set(AWAY);
    let request = json!({"inputs": {"generate": {"files": 3, "count": 10}}});
    let job = running.submit(&request).await;
    let held = running.until(&job, is_held).await;
    assert_eq!(held["phase"], "finishing", "{held}");
    until("it is tried again", async || faults.counts().failed > 2).await;
    faults.set(FaultRates::default());
    ends_well(&running, &job).await;
    assert_eq!(running.result(&job).await.len(), 10);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_waits_for_the_store_to_list_its_inputs_and_can_be_cancelled_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let (running, faults) = server(folder.path(), "data/").await;
    running.upload("data/a.csv", "1\n2\n").await;
    faults.set(AWAY);
    let request = json!({"inputs": {"prefix": "data"}});
    let jobs = [running.submit(&request).await, running.submit(&request).await];
    for job in &jobs {
        let held = running.until(job, is_held).await;
        assert_eq!(held["phase"], "listing", "{held}");
    }
    let cancel = running.http.delete(format!("{}/api/jobs/{}", running.url, jobs[0]));
    assert_eq!(cancel.send().await.expect("an answer").status(), StatusCode::ACCEPTED);
    assert_eq!(running.follow(&jobs[0]).await["phase"], "cancelled");
    faults.set(FaultRates::default());
    ends_well(&running, &jobs[1]).await;
    assert_eq!(running.result(&jobs[1]).await, [1.0, 2.0]);
    running.stop().await;
}
