//! The broker and the S3 server go away in the middle of a job and come back.

use std::time::Duration;

use serde_json::{Value, json};
use testbed::{Disturbance, Proxy, RabbitMq, SeaweedFs};
use tokio::time::sleep;

use super::ground::{Installation, Server, embedded_bits};

const EXTERNAL: [&str; 4] = ["--pool", "external", "--workers", "2"];

fn inputs() -> Value {
    json!({"generate": {"files": 40, "count": 20_000, "format": "csv", "seed": 5}})
}

/// Submits a job and waits until some of it is done.
async fn begun(server: &Server) -> String {
    let request = json!({"inputs": inputs(), "fan_in": 3, "workers": 2});
    let job = server.submit(&request).await;
    server.until(&job, |job| job["attempts"]["completed"].as_u64() > Some(0)).await;
    job
}

async fn ends_well(server: &Server, job: &str) {
    let ended = server.follow(job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    assert_eq!(server.bits(job).await, embedded_bits(&inputs()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_survives_a_restart_of_the_broker() {
    let (mut broker, store) = (RabbitMq::start().await, SeaweedFs::start().await);
    let installation = Installation::on(&broker, &store);
    let server = installation.server(&EXTERNAL).await;
    let workers = ["a", "b"].map(|name| installation.worker(name, &["--slowness", "20"]));
    server.ready(2).await;
    let job = begun(&server).await;
    broker.stop().await;
    sleep(Duration::from_secs(1)).await;
    broker.start_again().await;
    let now = server.get_json(&format!("/api/jobs/{job}")).await;
    assert_eq!(now["phase"], "running", "stopped in the middle");
    ends_well(&server, &job).await;
    for mut worker in workers {
        assert_eq!(worker.ended(), None, "it reconnects by itself");
        assert!(worker.said().contains("again"), "it noticed: {}", worker.said());
        worker.stop().await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_survives_a_restart_of_the_store() {
    let (broker, mut store) = (RabbitMq::start().await, SeaweedFs::start().await);
    let installation = Installation::on(&broker, &store);
    let server = installation.server(&EXTERNAL).await;
    let workers = ["a", "b"].map(|name| installation.worker(name, &["--slowness", "20"]));
    server.ready(2).await;
    let job = begun(&server).await;
    store.stop().await;
    sleep(Duration::from_secs(3)).await;
    store.start_again().await;
    let now = server.get_json(&format!("/api/jobs/{job}")).await;
    assert_eq!(now["phase"], "running", "stopped in the middle");
    ends_well(&server, &job).await;
    for mut worker in workers {
        assert_eq!(worker.ended(), None);
        worker.stop().await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_survives_errors_and_slowness_of_the_store() {
    let (broker, store) = (RabbitMq::start().await, SeaweedFs::start().await);
    let proxy = Proxy::start(store.port()).await;
    let installation = Installation::on(&broker, &store).with_s3_at(proxy.endpoint());
    let server = installation.server(&EXTERNAL).await;
    let _workers = ["a", "b"].map(|name| installation.worker(name, &["--slowness", "20"]));
    server.ready(2).await;
    let job = begun(&server).await;
    for disturbance in [
        Disturbance::Answer(503),
        Disturbance::Answer(500),
        Disturbance::Slow { every: 2, by: Duration::from_millis(300) },
    ] {
        let before = proxy.disturbed();
        proxy.disturb(disturbance);
        sleep(Duration::from_secs(2)).await;
        proxy.disturb(Disturbance::None);
        assert!(proxy.disturbed() > before, "{disturbance:?} met nobody");
        sleep(Duration::from_millis(300)).await;
    }
    ends_well(&server, &job).await;
    server.stop().await;
}
