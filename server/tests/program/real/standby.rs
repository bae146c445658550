//! Several servers on one store in S3, as on machines of their own.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};
use testbed::{freeze, thaw};
use tokio::time::sleep;

use super::installation::{Installation, Server, count, embedded_bits};
use crate::client::{Events, PATIENCE};

const EXTERNAL: [&str; 4] = ["--pool", "external", "--workers", "2"];
/// Slow enough that a server dies in the middle of a job.
const SLOW: [&str; 2] = ["--slowness", "30"];
/// Within what time after the death of the leader another one leads.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(10);

/// Waits until a server answers as the leader, or through it.
async fn until_answered(server: &Server, path: &str) -> Value {
    let begun = Instant::now();
    loop {
        let response = server.get(path).await;
        if response.status() == StatusCode::OK {
            return response.json().await.expect("JSON");
        }
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key("retry-after"));
        assert!(begun.elapsed() < PATIENCE, "nobody leads");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Whether a server leads, as its figures say.
async fn leads(server: &Server) -> bool {
    let text = server.get("/metrics").await.text().await.expect("figures");
    let line = text.lines().find_map(|line| line.strip_prefix("distributed_average_leader "));
    line.expect("the figure") == "1"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_from_a_leader_that_was_killed_on_another_machine() {
    let installation = Installation::shared().await;
    let mut first = installation.server_elsewhere(&EXTERNAL).await;
    let standby = installation.server_elsewhere(&EXTERNAL).await;
    let third = installation.server_elsewhere(&EXTERNAL).await;
    assert!(leads(&first).await && !leads(&standby).await && !leads(&third).await);
    let _workers = ["a", "b"].map(|name| installation.worker(name, &SLOW));
    first.ready(2).await;
    let by_hand = json!({"desired": 7});
    let url = format!("{}/api/workers", standby.url);
    let set = standby.http.put(url).json(&by_hand).send().await.unwrap();
    assert!(set.status().is_success(), "{}", set.status());
    let inputs = json!({"generate": {"files": 30, "count": 20_000, "format": "npy"}});
    let job = standby.submit(&json!({"inputs": inputs, "fan_in": 3, "workers": 2})).await;
    standby.until(&job, |job| count(job, "attempts", "completed") >= 3).await;
    let path = format!("/api/jobs/{job}/events");
    let mut events = Events::open(&standby, &path, None).await;
    let last_id = events.next().await.id.expect("an id");

    first.kill();
    let killed = Instant::now();
    events.until_it_breaks().await;
    let broken = killed.elapsed();
    let found = until_answered(&standby, &format!("/api/jobs/{job}")).await;
    let taken_over = killed.elapsed();
    println!("the stream broke after {broken:?}, another server led after {taken_over:?}");
    assert!(taken_over < TAKEN_OVER_WITHIN, "{taken_over:?}");
    assert_eq!(found["phase"], "running");
    let mut events = Events::open(&standby, &path, Some(&last_id)).await;
    let ended = loop {
        let event = events.next().await.data;
        if event["phase"] == "done" {
            break event;
        }
        assert_ne!(event["phase"], "failed", "{event}");
    };
    assert_eq!(ended["id"], job.as_str());
    assert_eq!(standby.bits(&job).await, embedded_bits(&inputs).await);
    // One of the two leads, and the other one passes on to it.
    assert!(leads(&standby).await != leads(&third).await);
    for server in [&standby, &third] {
        let found = until_answered(server, &format!("/api/jobs/{job}")).await;
        assert_eq!(found["phase"], "done");
        assert_eq!(server.get_json("/api/workers").await["by_hand"], 7);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_frozen_steps_down_when_it_wakes() {
    let installation = Installation::shared().await;
    let first = installation.server_elsewhere(&EXTERNAL).await;
    let standby = installation.server_elsewhere(&EXTERNAL).await;
    let _workers = ["a", "b"].map(|name| installation.worker(name, &SLOW));
    first.ready(2).await;
    let inputs = json!({"generate": {"files": 30, "count": 20_000, "format": "csv"}});
    let job = standby.submit(&json!({"inputs": inputs, "fan_in": 3, "workers": 2})).await;
    standby.until(&job, |job| count(job, "attempts", "completed") >= 2).await;

    freeze(first.id());
    let frozen = Instant::now();
    let path = format!("/api/jobs/{job}");
    until_answered(&standby, &path).await;
    while !leads(&standby).await {
        assert!(frozen.elapsed() < PATIENCE);
        until_answered(&standby, &path).await;
        sleep(Duration::from_millis(50)).await;
    }
    until_answered(&standby, &path).await;
    let taken_over = frozen.elapsed();
    println!("another server led {taken_over:?} after the leader was frozen");
    assert!(taken_over < TAKEN_OVER_WITHIN, "{taken_over:?}");
    standby.until(&job, |job| count(job, "attempts", "completed") >= 4).await;

    thaw(first.id());
    let thawed = Instant::now();
    while leads(&first).await {
        assert!(thawed.elapsed() < PATIENCE, "it does not step down");
        sleep(Duration::from_millis(50)).await;
    }
    println!("it stepped down {:?} after it woke", thawed.elapsed());
    assert!(leads(&standby).await, "the new leader leads on");
    // It stands by from now on, and takes jobs for the other one.
    while !first.get("/readyz").await.text().await.unwrap().contains("stands by for") {
        assert!(thawed.elapsed() < PATIENCE, "it knows no leader");
        sleep(Duration::from_millis(50)).await;
    }
    let later = json!({"inputs": {"generate": {"files": 3, "count": 10}}});
    until_answered(&first, &path).await;
    let later = first.submit(&later).await;
    assert_eq!(standby.follow(&later).await["phase"], "done");
    let ended = first.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    assert_eq!(first.bits(&job).await, embedded_bits(&inputs).await);
    // And leads again when the other one stops.
    standby.stop().await;
    let stopped = Instant::now();
    while !leads(&first).await {
        assert!(stopped.elapsed() < PATIENCE);
        sleep(Duration::from_millis(20)).await;
    }
    println!("a released lease was taken {:?} after the end of its holder", stopped.elapsed());
    assert!(stopped.elapsed() < Duration::from_secs(5), "{:?}", stopped.elapsed());
    assert_eq!(until_answered(&first, &path).await["phase"], "done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_was_accepted_through_a_standby_is_never_lost() {
    let installation = Installation::shared().await;
    let mut first = installation.server_elsewhere(&EXTERNAL).await;
    let standby = installation.server_elsewhere(&EXTERNAL).await;
    let _worker = installation.worker("a", &[]);
    let request = json!({"inputs": {"generate": {"files": 2, "count": 5}}});
    let (mut accepted, mut refused) = (Vec::new(), 0);
    let mut killed = None;
    // Until some were accepted by the next leader.
    let mut after = 0;
    while after < 10 {
        if accepted.len() == 10 && killed.is_none() {
            first.kill();
            killed = Some(Instant::now());
        }
        let response = standby.post("/api/jobs", &request).await;
        match response.status() {
            StatusCode::CREATED => {
                let job: Value = response.json().await.expect("JSON");
                accepted.push(job["id"].as_str().expect("an id").to_owned());
                after += u32::from(killed.is_some());
            }
            status => {
                assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
                assert!(response.headers().contains_key("retry-after"));
                refused += 1;
                sleep(Duration::from_millis(50)).await;
            }
        }
        assert!(killed.is_none_or(|killed| killed.elapsed() < PATIENCE));
    }
    println!("{} accepted, {refused} refused", accepted.len());
    assert!(refused > 0, "nobody led for a while");
    for job in accepted {
        assert_eq!(standby.follow(&job).await["phase"], "done");
    }
}

/// A server that starts where the last one was killed does not wait for its lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_after_a_kill_on_the_same_machine_does_not_wait() {
    let installation = Installation::shared().await;
    let mut server = installation.server(&EXTERNAL).await;
    server.kill();
    let killed = Instant::now();
    let last = installation.server(&EXTERNAL).await;
    assert!(leads(&last).await, "it does not stand by first");
    assert!(killed.elapsed() < Duration::from_secs(5), "{:?}", killed.elapsed());
    last.stop().await;
}
