//! Outages of the broker and of the S3 server in the middle of a job.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testbed::{Disturbance, Proxy, RabbitMq, SeaweedFs};
use tokio::time::sleep;

use super::installation::{Installation, Server, embedded_bits};
use crate::client::PATIENCE;

const EXTERNAL: [&str; 4] = ["--pool", "external", "--workers", "2"];

/// Much less than the minute for which a store is asked again.
const PROMPTLY: Duration = Duration::from_secs(10);

fn inputs() -> Value {
    json!({"generate": {"files": 40, "count": 20_000, "format": "csv", "seed": 5}})
}

/// Submits a job and waits until a part of it is done.
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
    let idle = Installation::on(&broker, &store);
    let (idle_server, idle_worker) = (idle.server(&EXTERNAL).await, idle.worker("idle", &[]));
    idle_server.ready(1).await;
    broker.stop().await;
    says_that_the_queue_is_silent(&server).await;
    let waiting = Installation::on(&broker, &store);
    let starting = waiting.worker("waits", &[]);
    until("it waits for the broker", || starting.said().contains("waiting for the broker")).await;
    let late = Installation::on(&broker, &store);
    let (late_worker, late_server) = (late.worker("late", &[]), late.server(&EXTERNAL).await);
    says_that_the_queue_is_silent(&late_server).await;
    let accepted = late_server.submit(&json!({"inputs": inputs(), "fan_in": 3})).await;
    for process in [starting, idle_worker, idle_server.into_process()] {
        let told = Instant::now();
        process.stop().await;
        assert!(told.elapsed() < Duration::from_secs(5), "{:?}", told.elapsed());
    }
    broker.start_again().await;
    let now = server.get_json(&format!("/api/jobs/{job}")).await;
    assert_eq!(now["phase"], "running", "stopped in the middle");
    ends_well(&server, &job).await;
    // What has started in the outage goes on as if it had started now.
    ends_well(&late_server, &accepted).await;
    late_worker.stop().await;
    late_server.stop().await;
    for mut worker in workers {
        assert_eq!(worker.ended(), None, "it reconnects by itself");
        assert!(
            worker.said().contains("reconnected to the broker"),
            "it noticed: {}",
            worker.said()
        );
        worker.stop().await;
    }
    server.stop().await;
}

/// Waits until a condition holds.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Pages and metrics are served without the queue, and report its outage.
async fn says_that_the_queue_is_silent(server: &Server) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let pool = server.get_json("/api/workers").await;
        if pool["queue"]["silent"] == true {
            let notice = pool["notice"].as_str().unwrap_or_default();
            assert!(notice.contains("queue does not answer"), "{pool}");
            break;
        }
        assert!(Instant::now() < deadline, "nothing is said: {pool}");
        sleep(Duration::from_millis(100)).await;
    }
    let asked = Instant::now();
    let figures = server.get("/metrics").await.text().await.expect("figures");
    assert!(figures.contains("\ndistributed_average_queue_up 0\n"), "{figures}");
    assert!(figures.contains("queue=\"dead-letters\""), "{figures}");
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(server.get("/healthz").await.status(), 200);
    assert_eq!(server.get("/readyz").await.status(), 503);
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}

/// A queue that passes no messages, and later a broker without its data, cost time only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_survives_the_loss_of_the_queue() {
    let (mut broker, store) = (RabbitMq::start().await, SeaweedFs::start().await);
    let installation = Installation::on(&broker, &store);
    let server = installation.server(&EXTERNAL).await;
    // So slow that the job is not over before all has happened.
    let _slow = ["a", "b"].map(|name| installation.worker(name, &["--slowness", "200"]));
    server.ready(2).await;
    let job = begun(&server).await;
    let completed = async || {
        let snapshot = server.get_json(&format!("/api/jobs/{job}")).await;
        assert_eq!(snapshot["phase"], "running", "{}", snapshot["error"]);
        snapshot["attempts"]["completed"].as_u64().expect("a number")
    };
    for queue in ["reports", "assignments.1"] {
        broker.suspend_queue(&format!("{}.{queue}", installation.name())).await;
        let suspended = Instant::now();
        let why = server.until_ready_is(503).await;
        assert!(why.contains(queue) && why.contains("takes or gives no messages"), "{why}");
        server.until_ready_is(200).await;
        let mended = suspended.elapsed();
        // The second loss waits no longer than the first, whose replacement has helped.
        assert!(mended < Duration::from_secs(20), "{mended:?}");
        let before = completed().await;
        let deadline = Instant::now() + PATIENCE;
        while completed().await <= before {
            assert!(Instant::now() < deadline, "{queue}: the job stands still");
            sleep(Duration::from_millis(50)).await;
        }
        eprintln!("{queue} replaced after {mended:?}");
    }
    broker.stop().await;
    broker.wipe();
    server.until_ready_is(503).await;
    broker.start_again().await;
    let _quick = ["c", "d"].map(|name| installation.worker(name, &[]));
    ends_well(&server, &job).await;
    server.until_ready_is(200).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_survives_a_restart_of_the_store() {
    let (broker, mut store) = (RabbitMq::start().await, SeaweedFs::start().await);
    let proxy = Proxy::start(store.port()).await;
    let installation = Installation::on(&broker, &store).with_s3_at(proxy.endpoint());
    let server = installation.server(&EXTERNAL).await;
    let workers = ["a", "b"].map(|name| installation.worker(name, &["--slowness", "20"]));
    server.ready(2).await;
    let job = begun(&server).await;
    let upload = server.post("/api/uploads", &json!({"key": "begun.csv"})).await;
    let upload: Value = upload.json().await.expect("JSON");
    // Nobody has missed the store yet. With its key it is the same job later.
    proxy.disturb(Disturbance::Silence);
    let under_way = refused(keyed(&server), Duration::from_secs(20)).await;
    assert!(under_way.contains("Idempotency-Key"), "{under_way}");
    store.stop().await;
    proxy.disturb(Disturbance::None);
    // Long enough for every part to notice it more than once.
    let before = proxy.connections();
    who_asks_is_told_that_the_store_is_away(&server, &job, upload["id"].as_str().unwrap()).await;
    until("the store is missed", || proxy.connections() > before + 10).await;
    store.start_again().await;
    let now = server.get_json(&format!("/api/jobs/{job}")).await;
    assert_eq!(now["phase"], "running", "stopped in the middle");
    server.until_ready_is(200).await;
    // The submission that was under way is there, once, and what was refused is not.
    let again = until_answered(keyed(&server)).await;
    let listed = server.get_json("/api/jobs").await;
    let ids = listed["jobs"].as_array().expect("jobs").iter().map(|job| job["id"].clone());
    assert_eq!(ids.collect::<Vec<_>>(), [again, json!(job)]);
    ends_well(&server, &job).await;
    for mut worker in workers {
        assert_eq!(worker.ended(), None);
        worker.stop().await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_answers_and_takes_no_writes_is_missed_too() {
    let (broker, mut store) = (RabbitMq::start().await, SeaweedFs::start().await);
    let installation = Installation::on(&broker, &store);
    let server = installation.server(&EXTERNAL).await;
    store.fill_disk();
    let why = server.until_ready_is(503).await;
    assert!(why.contains("lease on the store has expired"), "{why}");
    refused(submission(&server), PROMPTLY).await;
    store.kill();
    store.start_again().await;
    server.until_ready_is(200).await;
    server.submit(&json!({"inputs": inputs(), "fan_in": 3})).await;
    server.stop().await;
}

/// Submits a job until that is answered; returns its id.
async fn until_answered(request: reqwest::RequestBuilder) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = request.try_clone().expect("a body").send().await.expect("an answer");
        let (status, job) = (answer.status(), answer.json::<Value>().await.expect("JSON"));
        if status.is_success() {
            return job["id"].clone();
        }
        // The earlier one is still being stored.
        assert!(status == 409 && Instant::now() < deadline, "{status} {job}");
        sleep(Duration::from_millis(50)).await;
    }
}

fn submission(server: &Server) -> reqwest::RequestBuilder {
    let small = json!({"inputs": {"generate": {"files": 3, "count": 10}}});
    server.http.post(format!("{}/api/jobs", server.url)).json(&small)
}

fn keyed(server: &Server) -> reqwest::RequestBuilder {
    submission(server).header("Idempotency-Key", "the-same")
}

/// Sends a request that must be refused for the store; returns what is said.
async fn refused(request: reqwest::RequestBuilder, within: Duration) -> String {
    let asked = Instant::now();
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 503, "{}", answer.url());
    assert!(answer.headers().contains_key("retry-after"));
    let waited = asked.elapsed();
    assert!(waited < within, "{} was refused after {waited:?}", answer.url());
    let said = answer.text().await.expect("a body");
    assert!(said.contains("the store has not been available since"), "{said}");
    said
}

/// Nobody waits for a store of which nobody knows when it is back.
async fn who_asks_is_told_that_the_store_is_away(server: &Server, job: &str, begun: &str) {
    let at = |path: &str| format!("{}{path}", server.url);
    server.until_ready_is(503).await;
    let of_job = at(&format!("/api/jobs/{job}"));
    let resume = server.http.post(format!("{of_job}/resume"));
    let upload = server.http.put(at("/api/files/late.csv")).body("1,2");
    let workers = server.http.put(at("/api/workers")).json(&json!({"desired": 3}));
    let cancel = server.http.delete(&of_job);
    let begun = at(&format!("/api/uploads/{begun}"));
    let (dropped, asked) = (server.http.delete(&begun), server.http.get(&begun));
    for request in [submission(server), keyed(server), resume, upload, workers, cancel, dropped] {
        refused(request, PROMPTLY).await;
    }
    let plan = server.http.post(at("/api/plan")).json(&json!({"inputs": {"prefix": "in"}}));
    let files = server.http.get(at("/api/files"));
    let inputs = server.http.get(at(&format!("/jobs/{job}/inputs")));
    for request in [plan, files, asked] {
        refused(request, PROMPTLY).await;
    }
    let page = refused(inputs.header("Accept", "text/html"), PROMPTLY).await;
    assert!(page.contains("<html") && page.contains("http-equiv=\"refresh\""), "{page}");
    let cancel = server.http.delete(&of_job).header("Accept", "text/html");
    let page = refused(cancel, PROMPTLY).await;
    assert!(page.contains("<html") && !page.contains("http-equiv=\"refresh\""), "{page}");
    // The form's plan is no change either: that this one is none is seen first.
    let planned = server.http.post(at("/app/preview")).send().await.expect("an answer");
    assert_ne!(planned.status(), 503);
    // What is in memory is shown, also to those who wait for it.
    let waited = server.get(&format!("/api/jobs/{job}?wait=4s")).await;
    assert_eq!(waited.status(), 200);
    assert_eq!(server.get(&format!("/jobs/{job}")).await.status(), 200);
    assert_eq!(server.get("/").await.status(), 200);
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
        until("somebody is disturbed", || proxy.disturbed() > before + 3).await;
        proxy.disturb(Disturbance::None);
        let before = proxy.connections();
        until("requests pass again", || proxy.connections() > before).await;
    }
    let now = server.get_json(&format!("/api/jobs/{job}")).await;
    assert_eq!(now["phase"], "running", "disturbed in the middle");
    ends_well(&server, &job).await;
    server.stop().await;
}
