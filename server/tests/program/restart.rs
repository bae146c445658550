//! A server that ends and is started again goes on from what the store holds.

use serde_json::json;

use super::client::Events;
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
