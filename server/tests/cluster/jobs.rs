//! Whole jobs in a cluster, with running pods.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Value, json};

use crate::installation::{Installation, Reached, expected, request};

fn names(pool: &Value, state: &str) -> BTreeSet<String> {
    let workers = pool["workers"].as_array().expect("workers").iter();
    let of_state = workers.filter(|it| state.is_empty() || it["state"] == state);
    of_state.map(|it| it["id"].as_str().expect("an id").to_owned()).collect()
}

fn in_the_middle(job: &Value) -> bool {
    let count = |name: &str| job["attempts"][name].as_u64().unwrap_or(0);
    count("completed") > 3 && count("running") > 1
}

async fn ask_for(server: &Reached, desired: Option<u32>) {
    let url = format!("{}/api/workers", server.client.url);
    let body = json!({"desired": desired});
    let answer = server.client.http.put(url).json(&body).send().await.expect("an answer");
    assert!(answer.status().is_success(), "{}", answer.status());
}

#[tokio::test]
async fn a_job_brings_workers_and_lets_them_go() {
    let installation = Installation::start("whole", 1).await;
    let server = installation.reach().await;
    // The Deployment begins with one pod, which may still be being deleted.
    let is_empty = |pool: &Value| pool["desired"] == 0 && names(pool, "").is_empty();
    server.until_pool("no workers", is_empty).await;
    installation.until_worker_pods(0).await;
    let job = server.client.submit(&request(3)).await;
    // Before it is planned, nobody knows how many workers it can use.
    server.until_job("the plan", &job, |job| job["plan"].is_object()).await;
    let asked = Instant::now();
    installation.until_replicas(3).await;
    let took = asked.elapsed();
    println!("from the plan to three replicas: {} ms", took.as_millis());
    // A fifth of it where nothing else runs.
    assert!(took.as_secs() < 5, "{took:?}");
    let seen = server.until_pool("pods", |pool| names(pool, "").len() == 3).await;
    println!("first seen: {}", seen["workers"]);
    let ready = server.until_pool("three workers", |pool| pool["ready"] == 3).await;
    println!("three workers are ready {} ms after the plan", asked.elapsed().as_millis());
    assert_eq!(names(&ready, ""), installation.worker_pods().into_iter().collect());
    for worker in ready["workers"].as_array().expect("workers") {
        assert!(worker["node"].is_string(), "{worker}");
        assert_eq!(worker["pod"]["restarts"], 0, "{worker}");
    }
    assert_eq!(server.bits(&job).await, expected());
    installation.until_replicas(0).await;
    installation.until_worker_pods(0).await;
    server.until_pool("no workers", |pool| names(pool, "").is_empty()).await;
}

#[tokio::test]
async fn a_busy_worker_is_not_stopped_to_save_one() {
    let installation = Installation::start("busy", 60).await;
    let server = installation.reach().await;
    ask_for(&server, Some(5)).await;
    server.until_pool("five workers", |pool| pool["ready"] == 5).await;
    let mut alone = request(2);
    alone["speculation"] = json!({"enabled": false});
    let job = server.client.submit(&alone).await;
    server.until_job("the middle", &job, in_the_middle).await;
    ask_for(&server, Some(2)).await;
    let asked = Instant::now();
    installation.until_worker_pods(2).await;
    println!("three idle ones were told to go within {} ms", asked.elapsed().as_millis());
    assert_eq!(installation.replicas(), 2);
    let pool = server.client.get_json("/api/workers").await;
    for worker in pool["workers"].as_array().expect("workers") {
        assert_eq!(worker["pod"]["restarts"], 0, "nobody was started again: {worker}");
    }
    assert_eq!(server.bits(&job).await, expected());
    let ended = server.client.get_json(&format!("/api/jobs/{job}")).await;
    let attempts = &ended["attempts"];
    assert_eq!(attempts["started"], attempts["completed"], "none was cut short: {attempts}");
    ask_for(&server, None).await;
    installation.until_replicas(0).await;
}

#[tokio::test]
async fn a_job_survives_what_is_done_to_its_pods() {
    let installation = Installation::start("pods", 60).await;
    let server = installation.reach().await;

    // Set by hand, because the job may end before the last of them runs: another
    // attempt is made at the task of the killed one.
    ask_for(&server, Some(3)).await;
    let job = server.client.submit(&request(3)).await;
    server.until_job("the middle", &job, in_the_middle).await;
    let busy = names(&server.client.get_json("/api/workers").await, "busy");
    let mut busy = busy.into_iter();
    let (evicted, killed) = (busy.next().expect("one"), busy.next().expect("another"));
    installation.namespace.kubectl(&["delete", "pod", &evicted, "--wait=false"]);
    installation.namespace.kubectl(&["delete", "pod", &killed, "--grace-period=0", "--force"]);
    // The killed worker counts as lost once its lease has expired.
    let is_back = |pool: &Value| {
        let able = &names(pool, "idle") | &names(pool, "busy");
        able.len() == 3 && !able.contains(&evicted) && !able.contains(&killed)
    };
    let began = Instant::now();
    server.until_pool("others in their place", is_back).await;
    println!("two others are there {} ms after two pods were deleted", began.elapsed().as_millis());
    assert_eq!(server.bits(&job).await, expected());

    // Still by hand, so that none goes because the job can use fewer at its end.
    let job = server.client.submit(&request(3)).await;
    server.until_job("the middle", &job, in_the_middle).await;
    let before: BTreeSet<String> = installation.worker_pods().into_iter().collect();
    let label = "-lapp.kubernetes.io/component=server";
    installation.namespace.kubectl(&["delete", "pod", label]);
    drop(server);
    let server = installation.reach().await;
    let taken_up = server.client.get_json(&format!("/api/jobs/{job}")).await;
    assert_ne!(taken_up["phase"], "done", "the server was deleted in the middle");
    assert_eq!(server.client.get_json("/api/workers").await["by_hand"], 3);
    assert_eq!(installation.worker_pods().into_iter().collect::<BTreeSet<_>>(), before);
    assert_eq!(server.bits(&job).await, expected());
}

#[tokio::test]
async fn workers_that_cannot_come_say_why_and_come_when_that_is_mended() {
    let installation = Installation::start("wrong", 1).await;
    let server = installation.reach().await;
    let worker = |change: Value| {
        let mut container = json!({"name": "worker"});
        container
            .as_object_mut()
            .expect("an object")
            .extend(change.as_object().expect("one").clone());
        json!({"spec": {"template": {"spec": {"containers": [container]}}}})
    };
    let image = "jsonpath={.spec.template.spec.containers[0].image}";
    let good = installation.namespace.kubectl(&["get", crate::installation::WORKER, "-o", image]);
    for (wrong, mended, expected_words) in [
        (
            json!({"image": "localhost:1/no-such-image:typo"}),
            json!({"image": good}),
            &["ImagePull", "no-such-image:typo"][..],
        ),
        (
            json!({"resources": {"requests": {"cpu": "9999"}}}),
            json!({"resources": {"requests": {"cpu": "50m"}}}),
            &["Unschedulable", "Insufficient cpu"],
        ),
    ] {
        installation.patch_workers(&worker(wrong));
        installation.until_worker_pods(0).await;
        let asked = Instant::now();
        let job = server.client.submit(&request(2)).await;
        let who_tells = |pool: &Value| {
            let workers = pool["workers"].as_array().expect("workers");
            let mut told = workers.iter().filter(|it| {
                let reason = it["reason"].as_str().unwrap_or_default();
                it["state"] == "starting" && expected_words.iter().all(|word| reason.contains(word))
            });
            told.next().cloned()
        };
        let pool = server.until_pool("a reason", |pool| who_tells(pool).is_some()).await;
        let told = who_tells(&pool).expect("somebody");
        println!("told {} ms after submitting: {told}", asked.elapsed().as_millis());
        let page = server.client.get("/").await.text().await.expect("the page");
        assert!(page.contains(expected_words[0]), "the page says so too");
        installation.patch_workers(&worker(mended));
        assert_eq!(server.bits(&job).await, expected());
        installation.until_replicas(0).await;
    }
}
