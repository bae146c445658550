//! Results that are also written to a bucket.

use serde_json::json;

use super::installation::Installation;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_are_also_written_to_a_bucket() {
    let installation = Installation::shared().await;
    let place = format!("s3://testbed/{}-means", installation.name());
    let flags = [format!("--allow-outputs={place}"), format!("--allow-inputs={place}")];
    let server =
        installation.server(&["--pool", "external", "--workers", "1", &flags[0], &flags[1]]).await;
    let _worker = installation.worker("a", &[&flags[1]]);
    server.ready(1).await;
    let request = json!({
        "inputs": {"generate": {"files": 5, "count": 1000, "format": "npy", "seed": 9}},
        "output": {"location": format!("{place}/a b"), "formats": ["npy", "csv"]},
    });
    let job = server.submit(&request).await;
    let ended = server.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    // The mean of the one array is that array.
    let again = server.mean(&json!({"inputs": {"prefix": format!("{place}/a b/mean.npy")}})).await;
    assert_eq!(again, server.result(&job).await);
    let error = server.failure(&request).await;
    assert_eq!(
        (&error["status"], &error["object"]),
        (&json!(409), &json!(format!("{place}/a b/mean.npy")))
    );
    // No such bucket, and the server's own part of this one.
    let own = format!("s3://testbed/{}/jobs", installation.name());
    for place in [own.as_str(), "s3://nowhere/a"] {
        let request = json!({"inputs": {"prefix": "a"}, "output": {"location": place}});
        let refused = server.post("/api/jobs", &request).await;
        assert_eq!(refused.status(), 403, "{place}");
    }
    server.stop().await;
}
