//! Two servers on one store, by mistake.

use std::time::{Duration, Instant};

use serde_json::json;

use super::installation::Installation;

const EXTERNAL: [&str; 2] = ["--pool", "external"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_says_so_and_ends() {
    let installation = Installation::shared().await;
    let server = installation.server(&EXTERNAL).await;
    let mut second = installation.start_server(&EXTERNAL);
    let status = second.end().await;
    assert!(!status.success());
    let said = second.said();
    assert!(said.contains("another server uses the store"), "{said}");
    assert!(!said.contains("listening"), "{said}");
    // The first continues.
    let _worker = installation.worker("a", &[]);
    let inputs = json!({"generate": {"files": 2, "count": 10}});
    let job = server.submit(&json!({"inputs": inputs})).await;
    assert_eq!(server.follow(&job).await["phase"], "done");
    // Once it has stopped gracefully, the next server does not wait.
    server.stop().await;
    let mut next = installation.server(&EXTERNAL).await;
    assert_eq!(next.get_json(&format!("/api/jobs/{job}")).await["phase"], "done");
    // Nor does it wait after a server that was killed here and left its file; otherwise it
    // would be ten seconds.
    next.kill();
    let killed = Instant::now();
    let last = installation.server(&EXTERNAL).await;
    assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
    last.stop().await;
}
