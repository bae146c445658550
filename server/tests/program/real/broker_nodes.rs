//! A broker of three nodes, of which one after the other dies.

use std::time::{Duration, Instant};

use serde_json::json;
use testbed::{Proxy, RabbitMq, SeaweedFs};

use super::installation::{Installation, count, embedded_bits};
use crate::client::PATIENCE;

/// Within what time after the death of the node that led a queue jobs must move again.
const MOVES_WITHIN: Duration = Duration::from_secs(10);

/// The node on which a queue is led.
async fn leader(nodes: &[RabbitMq; 3], queue: &str) -> usize {
    let deadline = Instant::now() + PATIENCE;
    loop {
        for (number, node) in nodes.iter().enumerate() {
            if node.leads_queue(queue).await {
                return number;
            }
        }
        assert!(Instant::now() < deadline, "no node leads {queue}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_moves_on_while_one_node_after_the_other_dies() {
    let (mut nodes, store) = (RabbitMq::cluster().await, SeaweedFs::start().await);
    // As a Service in Kubernetes: a connection goes to any node that is there.
    let service = Proxy::before_all(&nodes.each_ref().map(RabbitMq::port)).await;
    let installation = Installation::on(&nodes[0], &store);
    let installation = installation.with_queue_at(RabbitMq::url_at(service.port()));
    let server = installation.server(&["--pool", "external", "--workers", "2"]).await;
    let _slow = ["a", "b"].map(|name| installation.worker(name, &["--slowness", "100"]));
    server.ready(2).await;
    let inputs = json!({"generate": {"files": 450, "count": 20_000, "format": "npy", "seed": 5}});
    let job = server.submit(&json!({"inputs": inputs, "fan_in": 3, "workers": 2})).await;
    server.until(&job, |job| count(job, "attempts", "completed") > 0).await;
    for queue in ["assignments", "reports", "assignments"] {
        let dies = leader(&nodes, &format!("{}.{queue}", installation.name())).await;
        let before =
            count(&server.get_json(&format!("/api/jobs/{job}")).await, "attempts", "completed");
        nodes[dies].kill();
        let died = Instant::now();
        // What was on its way when it died may still arrive.
        server.until(&job, |job| count(job, "attempts", "completed") > before + 2).await;
        let moved = died.elapsed();
        eprintln!("{queue}: jobs moved {moved:?} after the death of node {dies}");
        assert!(moved < MOVES_WITHIN, "{queue}: {moved:?}");
        nodes[dies].start_again().await;
    }
    let now = server.get_json(&format!("/api/jobs/{job}")).await;
    assert_eq!(now["phase"], "running", "all of it in the middle of the job");
    let _quick = ["c", "d"].map(|name| installation.worker(name, &[]));
    let ended = server.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    assert_eq!(server.bits(&job).await, embedded_bits(&inputs).await);
    assert_eq!(count(&ended, "attempts", "failed"), 0, "{ended}");
    assert_eq!(count(&ended, "attempts", "lost"), 0, "{ended}");
    // The queues were there all along: two of three nodes had them.
    let process = server.into_process();
    let said = process.said();
    assert!(!said.contains("lost the queues") && !said.contains("replaced"), "{said}");
    process.stop().await;
}
