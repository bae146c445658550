//! What server and workers export on real parts, when a worker stands still too.

use serde_json::json;
use testbed::freeze;

use super::installation::Installation;
use crate::client::Client;
use crate::metrics::figures;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_export_their_own_and_the_server_counts_what_was_lost() {
    let installation = Installation::shared().await;
    let server = installation.server(&["--pool", "external", "--workers", "2"]).await;
    let frozen = installation.worker("frozen", &["--slowness", "1000"]);
    server.ready(1).await;
    let inputs = json!({"generate": {"files": 12, "count": 20_000, "format": "csv", "seed": 1}});
    let request = json!({"inputs": inputs, "workers": 1, "fan_in": 3,
        "speculation": {"enabled": false}});
    let job = server.submit(&request).await;
    server.until(&job, |job| job["attempts"]["running"] == 1).await;
    // Its connection stays open, so that only the lease of its attempt tells.
    freeze(frozen.id());
    let mut worker = installation.worker("heir", &["--metrics", "127.0.0.1:0"]);
    let url = worker.announced("metrics on ").await;
    let url = url.strip_suffix("/metrics").expect("the path of the figures").to_owned();
    let ended = server.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    let lost = ended["attempts"]["lost"].as_f64().expect("a count");
    assert!(lost >= 1.0, "{ended}");

    let of_server = figures(&server).await;
    let sum = |name: &str, labels: &[&str]| of_server.sum(name, labels);
    assert_eq!(sum("distributed_average_leases_lost_total", &[]), lost);
    assert_eq!(sum("distributed_average_attempts_ended_total", &["\"lost\""]), lost);
    assert!(sum("distributed_average_task_retries_total", &[]) >= 1.0);
    assert_eq!(sum("distributed_average_queue_up", &[]), 1.0);

    let of_worker = figures(&Client::new(url)).await;
    let sum = |name: &str, labels: &[&str]| of_worker.sum(name, labels);
    // The tree of 12 objects with fan-in 3 has 4 + 2 + 1 tasks, and the heir did all.
    let attempts = "distributed_average_worker_attempts_total";
    assert_eq!(sum(attempts, &["kind=\"sum\"", "\"completed\""]), 4.0);
    assert_eq!(sum(attempts, &["kind=\"merge\"", "\"completed\""]), 3.0);
    assert!(sum("distributed_average_worker_bytes_total", &["kind=\"input_read\""]) > 0.0);
    let reads = sum("distributed_average_store_requests_total", &["\"read\"", "\"ok\""]);
    assert!(reads >= 12.0, "{reads}");
    assert!(sum("process_resident_memory_bytes", &[]) > 1e6);
    assert_eq!(sum("distributed_average_build_info", &["program=\"worker\""]), 1.0);
    server.stop().await;
    worker.stop().await;
}
