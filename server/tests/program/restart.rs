//! A restarted server continues from the store.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tokio::time::{sleep, timeout};

use super::client::{Events, PATIENCE};
use super::exact;
use super::running::Running;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_go_on_and_those_that_are_done_keep_their_pages() {
    let folder = tempfile::tempdir().unwrap();
    let slow = Running::start_with(folder.path(), &["--slowness", "30"]).await;
    let inputs = json!({"generate": {"files": 60, "count": 20_000, "format": "csv"}});
    let done = slow.submit(&json!({"inputs": {"generate": {"files": 2, "count": 3}}})).await;
    let before = slow.follow(&done).await;
    assert_eq!(before["phase"], "done");
    let job = slow.submit(&json!({"inputs": inputs, "fan_in": 2})).await;
    let mut events = Events::open(&slow, &format!("/api/jobs/{job}/events"), None).await;
    loop {
        let snapshot = events.next().await.data;
        assert_ne!(snapshot["phase"], "done", "too fast to be interrupted");
        if snapshot["progress"][0]["completed"].as_u64().unwrap_or(0) >= 2 {
            break;
        }
    }
    slow.stop().await;
    let again = Running::start(folder.path()).await;
    let after = again.get_json(&format!("/api/jobs/{done}")).await;
    assert_eq!(after, before);
    let ended = again.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    let fresh = again.submit(&json!({"inputs": inputs})).await;
    again.follow(&fresh).await;
    assert_eq!(exact::bits(&again.result(&job).await), exact::bits(&again.result(&fresh).await));
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_cannot_be_read_fails_its_job_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let first = Running::start(folder.path()).await;
    let inputs = json!({"generate": {"files": 2, "count": 3}});
    let request = json!({"inputs": inputs, "statistics": ["sum"]});
    let mut jobs = Vec::new();
    for _ in ["request.json", "report.json", "sound"] {
        let job = first.submit(&request).await;
        assert_eq!(first.follow(&job).await["phase"], "done");
        jobs.push(job);
    }
    first.stop().await;
    let record = |job: &str, name: &str| folder.path().join("jobs").join(job).join(name);
    // As a newer version might write it.
    let path = record(&jobs[0], "request.json");
    let newer = std::fs::read_to_string(&path).unwrap();
    let newer = newer.replacen("[\"sum\"]", "[\"median\"]", 1);
    assert!(newer.contains("median"), "{newer}");
    std::fs::write(&path, &newer).unwrap();
    std::fs::write(record(&jobs[1], "report.json"), "{\"id\":").unwrap();

    let again = Running::start(folder.path()).await;
    let failed = again.get_json(&format!("/api/jobs/{}", jobs[1])).await;
    assert_eq!(failed["phase"], "failed");
    let detail = failed["error"]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(&format!("jobs/{}/report.json cannot be read", jobs[1])), "{failed}");
    assert!(failed["timings"]["submitted_at"].as_u64() > Some(0), "{failed}");
    let page = again.get(&format!("/jobs/{}", jobs[1])).await.text().await.unwrap();
    assert!(page.contains("cannot be read"), "its page says so");
    // A job that is over needs its request only to be run again.
    assert_eq!(again.get_json(&format!("/api/jobs/{}", jobs[0])).await["phase"], "done");
    let rerun = again.post(&format!("/api/jobs/{}/rerun", jobs[0]), &json!({})).await;
    assert_eq!(rerun.status(), 500);
    let refused = rerun.text().await.unwrap();
    assert!(
        refused.contains(&format!("jobs/{}/request.json cannot be read", jobs[0])),
        "{refused}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), newer, "it stays as it was");
    assert_eq!(again.get_json(&format!("/api/jobs/{}", jobs[2])).await["phase"], "done");
    let fresh = again.submit(&request).await;
    assert_eq!(again.follow(&fresh).await["phase"], "done");
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_without_its_request_has_failed_and_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let first = Running::start_with(folder.path(), &["--keep-partial-sums"]).await;
    let request = json!({"inputs": {"generate": {"files": 9, "count": 100}}, "fan_in": 3});
    let (unfinished, done) = (first.submit(&request).await, first.submit(&request).await);
    for job in [&unfinished, &done] {
        assert_eq!(first.follow(job).await["phase"], "done");
    }
    let expected = exact::bits(&first.result(&unfinished).await);
    first.stop().await;
    let file = |job: &str, name: &str| folder.path().join("jobs").join(job).join(name);
    let requests = [&unfinished, &done].map(|job| {
        let request = std::fs::read(file(job, "request.json")).unwrap();
        std::fs::remove_file(file(job, "request.json")).unwrap();
        request
    });
    // As of a server that ended while it ran.
    std::fs::remove_file(file(&unfinished, "report.json")).unwrap();
    std::fs::write(folder.path().join("index").join(&unfinished), "").unwrap();
    assert!(file(&unfinished, "sums").exists());

    let missing = format!("jobs/{unfinished}/request.json is missing");
    for _ in 0..2 {
        let again = Running::start(folder.path()).await;
        let failed = again.get_json(&format!("/api/jobs/{unfinished}")).await;
        assert_eq!(failed["phase"], "failed", "{failed}");
        assert!(failed["error"]["detail"].as_str().unwrap().contains(&missing), "{failed}");
        assert_eq!(failed["error"]["object"], format!("jobs/{unfinished}/request.json").as_str());
        assert_eq!(failed["inputs"]["objects"], 9, "its plan is there: {failed}");
        let page = again.get(&format!("/jobs/{unfinished}")).await.text().await.unwrap();
        assert!(page.contains("request.json is missing"), "its page says so");
        for call in ["resume", "rerun"] {
            let refused = again.post(&format!("/api/jobs/{unfinished}/{call}"), &json!({})).await;
            assert!(!refused.status().is_success(), "{call}");
            let refused = refused.text().await.unwrap();
            assert!(
                refused.contains("is missing") || refused.contains("being deleted"),
                "{refused}"
            );
        }
        until_gone(&file(&unfinished, "sums")).await;
        until_gone(&folder.path().join("cleaning").join(&unfinished)).await;
        // A job that is done needs its request only to be run again.
        assert_eq!(again.get_json(&format!("/api/jobs/{done}")).await["phase"], "done");
        assert_eq!(again.result(&done).await.len(), 100);
        let rerun = again.post(&format!("/api/jobs/{done}/rerun"), &json!({})).await;
        assert!(rerun.text().await.unwrap().contains("request.json is missing"));
        again.stop().await;
    }
    // It goes on once its request is restored.
    std::fs::write(file(&unfinished, "request.json"), &requests[0]).unwrap();
    let again = Running::start(folder.path()).await;
    let resumed = again.post(&format!("/api/jobs/{unfinished}/resume"), &json!({})).await;
    assert_eq!(resumed.status(), 202, "{}", resumed.text().await.unwrap());
    assert_eq!(again.follow(&unfinished).await["phase"], "done");
    assert_eq!(exact::bits(&again.result(&unfinished).await), expected);
    again.stop().await;
}

pub(crate) async fn until_gone(path: &Path) {
    let waiting = async {
        while path.exists() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{} is there", path.display()));
}
