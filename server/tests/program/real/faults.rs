//! Faults of single workers, of the queue and of the server's clock count against no job.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testbed::{Disturbance, Proxy, RabbitMq, SeaweedFs, freeze, thaw};
use tokio::time::sleep;

use super::installation::{Installation, Server, count, embedded_bits};
use crate::client::PATIENCE;

const EXTERNAL: [&str; 4] = ["--pool", "external", "--workers", "2"];
/// Longer than the lease of an attempt.
const LONG: Duration = Duration::from_secs(16);

/// The pool once a condition holds.
async fn pool(server: &Server, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let pool = server.get_json("/api/workers").await;
        if is_so(&pool) {
            return pool;
        }
        assert!(Instant::now() < deadline, "not in time: {what}: {pool}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_waits_while_every_worker_is_denied_and_goes_on_with_one_that_is_well() {
    let installation = Installation::shared().await;
    let endpoint = installation.variable("AWS_ENDPOINT_URL").expect("a URL").to_owned();
    let address = endpoint.trim_start_matches("http://").parse().expect("an address");
    let proxy = Proxy::start_before(address).await;
    proxy.disturb(Disturbance::Answer(403));
    let server = installation.server(&EXTERNAL).await;
    let denied = [("AWS_ENDPOINT_URL", proxy.endpoint())];
    let denied = denied.each_ref().map(|(key, value)| (*key, value.as_str()));
    let _denied = installation.worker_with("denied", &[], &denied);
    server.ready(1).await;
    let inputs = json!({"generate": {"files": 9, "count": 1_000, "format": "csv"}});
    let job = server.submit(&json!({"inputs": inputs, "fan_in": 3, "workers": 2})).await;
    let held = server.until(&job, |job| job["outage"]["part"] == "store").await;
    assert!(held["outage"]["reason"].as_str().unwrap().contains("403"), "{held}");
    assert_eq!(held["phase"], "running", "{held}");
    // The server has its store, and what it does itself goes on for everybody.
    let other = server.submit(&json!({"inputs": inputs, "fan_in": 3})).await;
    let shown =
        pool(&server, "it is set aside", |pool| pool["workers"][0]["state"] == "aside").await;
    assert!(shown["workers"][0]["reason"].as_str().unwrap().contains("403"), "{shown}");
    let _well = installation.worker("well", &[]);
    let ended = server.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    assert!(count(&ended, "attempts", "failed") > 0, "{ended}");
    assert!(proxy.disturbed() > 0);
    assert_eq!(server.bits(&job).await, embedded_bits(&inputs).await);
    assert_eq!(server.follow(&other).await["phase"], "done");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_is_not_to_blame_while_the_store_refuses_the_server() {
    let shared = Installation::shared().await;
    let endpoint = shared.variable("AWS_ENDPOINT_URL").expect("a URL").to_owned();
    let address = endpoint.trim_start_matches("http://").parse().expect("an address");
    let proxy = Proxy::start_before(address).await;
    let installation = shared.with_s3_at(proxy.endpoint());
    let server = installation.server(&EXTERNAL).await;
    let files = format!("{}/api/files/in/a.csv", server.url);
    let request = json!({"inputs": {"prefix": "in"}});
    proxy.disturb(Disturbance::Answer(403));
    let put = server.http.put(&files).body("1,2").send().await.unwrap();
    for refused in [put, server.get("/api/files").await, server.post("/api/jobs", &request).await] {
        assert_eq!(refused.status(), 503, "not 403: {}", refused.url());
        assert!(refused.headers().contains_key("retry-after"));
        let problem: Value = refused.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().contains("403"), "{problem}");
    }
    // A store that does not find what is to be written.
    proxy.disturb(Disturbance::Answer(404));
    let refused = server.post("/api/jobs", &request).await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert!(proxy.disturbed() > 0);
    // Changes are refused until the server, which looks now and then, has found it well.
    proxy.disturb(Disturbance::Answer(403));
    server.until_ready_is(503).await;
    proxy.disturb(Disturbance::None);
    server.until_ready_is(200).await;
    server.upload("in/a.csv", "1,2").await;
    server.submit(&request).await;
    server.stop().await;
}

/// Begins a job whose attempts last longer than a lease.
async fn begin_slowly(server: &Server) -> (String, Value) {
    let inputs = json!({"generate": {"files": 4, "count": 600_000, "format": "csv"}});
    let request = json!({"inputs": inputs, "fan_in": 2, "workers": 2,
        "speculation": {"enabled": false}});
    let job = server.submit(&request).await;
    server.until(&job, |job| count(job, "attempts", "running") == 2).await;
    (job, inputs)
}

async fn ends_without_loss(server: &Server, job: &str, inputs: &Value) {
    let ended = server.follow(job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    let lost = ["lost", "failed"].map(|how| count(&ended, "attempts", how));
    assert_eq!(lost, [0, 0], "{ended}");
    assert_eq!(server.bits(job).await, embedded_bits(inputs).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_for_longer_than_a_lease_loses_no_attempt() {
    let installation = Installation::shared().await;
    let server = installation.server(&EXTERNAL).await;
    let _workers = ["a", "b"].map(|name| installation.worker(name, &["--slowness", "30"]));
    server.ready(2).await;
    let (job, inputs) = begin_slowly(&server).await;
    freeze(server.id());
    sleep(LONG).await;
    thaw(server.id());
    ends_without_loss(&server, &job, &inputs).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_away_for_longer_than_a_lease_loses_no_attempt() {
    let (broker, store) = (RabbitMq::start().await, SeaweedFs::start().await);
    let proxy = Proxy::start(broker.port()).await;
    let installation =
        Installation::on(&broker, &store).with_queue_at(RabbitMq::url_at(proxy.port()));
    let server = installation.server(&EXTERNAL).await;
    let _workers = ["a", "b"].map(|name| installation.worker(name, &["--slowness", "30"]));
    server.ready(2).await;
    let (job, inputs) = begin_slowly(&server).await;
    let begun = Instant::now();
    proxy.disturb(Disturbance::Refuse);
    let missed = pool(&server, "the queue is missed", |pool| {
        pool["outages"].as_array().is_some_and(|it| it.iter().any(|it| it["part"] == "queue"))
    });
    missed.await;
    let held = server.get_json(&format!("/api/jobs/{job}")).await;
    assert_eq!(held["outage"]["part"], "queue", "{held}");
    sleep((LONG + Duration::from_secs(4)).saturating_sub(begun.elapsed())).await;
    assert!(proxy.disturbed() > 3);
    proxy.disturb(Disturbance::None);
    ends_without_loss(&server, &job, &inputs).await;
    server.stop().await;
}
