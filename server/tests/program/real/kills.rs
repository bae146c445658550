//! `kill -9` of workers and of the server in the middle of a job.

use serde_json::json;

use super::installation::{Installation, count, embedded_bits};

const EXTERNAL: [&str; 4] = ["--pool", "external", "--workers", "1"];
/// Slow enough to be killed while working.
const SLOW: [&str; 2] = ["--slowness", "30"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_task_cut_short_only_what_is_missing_is_computed_again() {
    let installation = Installation::shared().await;
    let server = installation.server(&EXTERNAL).await;
    // Inputs that were in the memory of a killed worker are read again: few, here.
    let ranges = ["--range-bytes", "262144"];
    for format in ["npy", "csv"] {
        let inputs = json!({"generate": {"files": 4, "count": 800_000, "format": format}});
        let slow = [&ranges[..], &["--slowness", "100"]].concat();
        let slow = installation.worker(&format!("slow-{format}"), &slow);
        server.ready(1).await;
        let request = json!({"inputs": inputs, "fan_in": 4, "workers": 1,
            "speculation": {"enabled": false}});
        let job = server.submit(&request).await;
        let at_work = server.until(&job, |job| count(job, "bytes", "written") > 200_000).await;
        assert_eq!(count(&at_work, "attempts", "completed"), 0, "killed in the middle: {at_work}");
        drop(slow);
        let next = installation.worker(&format!("next-{format}"), &ranges);
        let ended = server.follow(&job).await;
        assert_eq!(ended["phase"], "done", "{}", ended["error"]);
        let reused = count(&ended, "bytes", "reused");
        assert!(reused > 200_000, "{format}: {reused} bytes reused: {ended}");
        let (read, twice) =
            (count(&ended, "bytes", "input_read"), count(&ended, "bytes", "read_twice"));
        let input = ended["inputs"]["bytes"].as_u64().expect("bytes");
        println!(
            "{format}: {input} bytes of input, {read} read, {twice} of them twice, \
            {reused} bytes of partial sums reused"
        );
        assert!(twice < input / 4, "{format}: {twice} of {input} bytes read twice");
        assert_eq!(server.bits(&job).await, embedded_bits(&inputs).await);
        next.stop().await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_survives_the_death_of_all_its_workers() {
    let installation = Installation::shared().await;
    let server = installation.server(&["--pool", "external", "--workers", "3"]).await;
    let workers = ["a", "b", "c"].map(|name| installation.worker(name, &SLOW));
    server.ready(3).await;
    let inputs = json!({"generate": {"files": 30, "count": 20_000, "format": "csv"}});
    let job = server.submit(&json!({"inputs": inputs, "fan_in": 3})).await;
    let at_work = server
        .until(&job, |job| {
            count(job, "attempts", "completed") > 0 && count(job, "attempts", "running") > 1
        })
        .await;
    drop(workers);
    assert_eq!(at_work["phase"], "running");
    let fresh = ["d", "e"].map(|name| installation.worker(name, &[]));
    let ended = server.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    assert_eq!(server.bits(&job).await, embedded_bits(&inputs).await);
    for worker in fresh {
        worker.stop().await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_survives_the_death_of_the_server() {
    let installation = Installation::shared().await;
    let mut server = installation.server(&EXTERNAL).await;
    let _workers = ["a", "b"].map(|name| installation.worker(name, &SLOW));
    server.ready(2).await;
    let small = json!({"inputs": {"generate": {"files": 2, "count": 10}}});
    let done = server.submit(&small).await;
    let before = server.follow(&done).await;
    let inputs = json!({"generate": {"files": 30, "count": 20_000, "format": "npy"}});
    let job = server.submit(&json!({"inputs": inputs, "fan_in": 3, "workers": 2})).await;
    // Twice: while the job is planned or has just begun, and in the middle.
    for completed in [0, 3] {
        server.until(&job, |job| count(job, "attempts", "completed") >= completed).await;
        server.kill();
        server = installation.server(&EXTERNAL).await;
        assert_eq!(server.get_json(&format!("/api/jobs/{done}")).await, before);
        let taken_up = server.get_json(&format!("/api/jobs/{job}")).await;
        assert_ne!(taken_up["phase"], "done", "killed in the middle");
    }
    let ended = server.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    assert_eq!(server.bits(&job).await, embedded_bits(&inputs).await);
    server.stop().await;
}
