//! The clock of the server's machine is set while a job runs.

use serde_json::{Value, json};
use testbed::Clock;

use super::child::Child;

fn running(job: &Value) -> u64 {
    job["attempts"]["running"].as_u64().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jumps_of_the_clock_lose_no_attempt_and_hold_up_nothing() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::new());
    let environment = clock.environment();
    let environment = environment.each_ref().map(|(name, path)| (*name, path.as_path()));
    let child = Child::with_environment(&environment, folder.path(), &["--slowness", "20"]).await;
    let inputs = json!({"generate": {"files": 60, "count": 20_000, "format": "csv"}});
    let job = child.submit(&json!({"inputs": inputs, "fan_in": 3, "workers": 2})).await;
    let mut at = child.until(&job, |job| running(job) == 2).await;
    let mut started = at["timings"]["running_at"].as_u64().expect("a time");
    for jump_secs in [20_i64, 3_620, -3_580] {
        clock.set(jump_secs);
        let completed = at["attempts"]["completed"].as_u64();
        let shown = |job: &Value| job["timings"]["running_at"].as_u64().expect("a time");
        // What is shown proves that the clock was set.
        let goes_on = |job: &Value| {
            job["attempts"]["completed"].as_u64() > completed
                && shown(job).abs_diff(started) > 10_000
        };
        at = child.until(&job, goes_on).await;
        started = shown(&at);
    }
    assert_eq!(at["phase"], "running", "in the middle: {at}");
    let ended = child.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    assert_eq!(ended["attempts"]["lost"], 0, "{ended}");
    child.stop().await;
}
