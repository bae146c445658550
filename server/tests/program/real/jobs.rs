//! Jobs on real parts, without faults.

use std::time::{Duration, Instant};

use serde_json::json;
use summation::HEAD_BYTES;
use testbed::kill_9;
use tokio::time::sleep;

use super::installation::{Installation, count, embedded_bits};
use crate::client::PATIENCE;
use crate::exact;

const EXTERNAL: [&str; 4] = ["--pool", "external", "--workers", "3"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_are_those_of_the_embedded_parts_bit_for_bit() {
    let installation = Installation::shared().await;
    let server = installation.server(&EXTERNAL).await;
    let _workers = ["a", "b", "c"].map(|name| installation.worker(name, &[]));
    server.ready(3).await;
    for format in ["csv", "npy"] {
        for fan_in in [json!(2), json!(7), json!("auto")] {
            let inputs = json!({"generate":
                {"files": 40, "count": 10_000, "format": format, "seed": 3}});
            // On a busy machine an attempt that stalls is rightly speculated on, and a
            // copy reads its objects a second time.
            let request = json!({"inputs": inputs, "fan_in": fan_in,
                "speculation": {"enabled": false}});
            let job = server.submit(&request).await;
            let ended = server.follow(&job).await;
            assert_eq!(ended["phase"], "done", "{}", ended["error"]);
            // Where columns are divided into ranges, each worker reads each header.
            let headers = if format == "csv" { 0 } else { 40 * 3 * HEAD_BYTES as u64 };
            assert!(count(&ended, "bytes", "read_twice") <= headers, "{ended}");
            assert_eq!(server.bits(&job).await, embedded_bits(&inputs).await, "{format} {fan_in}");
            let timeline = server.get_json(&format!("/api/jobs/{job}/timeline")).await;
            let moments = timeline["moments"].as_array().expect("moments").iter();
            let most = moments.filter_map(|moment| moment["memory_bytes"].as_u64()).max();
            let most = most.expect("it is told");
            let bound = timeline["memory_bound_bytes"].as_u64().expect("a bound");
            assert!(0 < most && most <= bound, "{most} bytes of at most {bound}");
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploaded_files_give_the_exact_mean() {
    let installation = Installation::shared().await;
    let server = installation.server(&EXTERNAL).await;
    let _workers = ["a", "b"].map(|name| installation.worker(name, &["--slots", "2"]));
    server.ready(4).await;
    let arrays: Vec<Vec<f64>> = (0..11)
        .map(|file| (0..500).map(|n| f64::from(file * n + 1) / 1024.0 + 1e-9_f64.ln()).collect())
        .map(|array: Vec<f64>| array.iter().map(|x| (x * 1024.0).round() / 1024.0).collect())
        .collect();
    for (file, array) in arrays.iter().enumerate() {
        let text: Vec<String> = array.iter().map(ToString::to_string).collect();
        server.upload(&format!("mixed/{file}.csv"), text.join("\n")).await;
    }
    let mean = server.mean(&json!({"inputs": {"prefix": "mixed"}, "fan_in": 3})).await;
    assert_eq!(exact::bits(&mean), exact::bits(&exact::mean(&arrays)));
    // The same objects by their locations in S3, from another installation.
    let other = Installation::shared().await;
    let allowed = format!("s3://testbed/{}/mixed", installation.name());
    let allow = ["--allow-inputs", allowed.as_str()];
    let elsewhere = other.server(&[&EXTERNAL[..], &allow[..]].concat()).await;
    let _worker = other.worker("d", &allow);
    elsewhere.ready(1).await;
    let again = elsewhere.mean(&json!({"inputs": {"prefix": allowed}})).await;
    assert_eq!(exact::bits(&again), exact::bits(&mean));
    elsewhere.stop().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_pool_keeps_its_workers_and_takes_them_along() {
    let installation = Installation::shared().await;
    let mut server = installation.server(&["--pool", "process", "--workers", "2"]).await;
    server.ready(2).await;
    let first = server.children();
    assert_eq!(first.len(), 2, "{first:?}");
    kill_9(first[0]);
    let deadline = Instant::now() + PATIENCE;
    let second = loop {
        let children = server.children();
        if children.len() == 2 && !children.contains(&first[0]) {
            break children;
        }
        assert!(Instant::now() < deadline, "{children:?} after {first:?}");
        sleep(Duration::from_millis(50)).await;
    };
    server.ready(2).await;
    let inputs = json!({"generate": {"files": 10, "count": 1000, "format": "csv"}});
    let job = server.submit(&json!({"inputs": inputs, "workers": 2})).await;
    assert_eq!(server.follow(&job).await["phase"], "done");
    assert_eq!(server.bits(&job).await, embedded_bits(&inputs).await);
    // Workers notice that the server that started them has ended.
    server.kill();
    while second.iter().any(|id| std::path::Path::new(&format!("/proc/{id}")).exists()) {
        assert!(Instant::now() < deadline, "workers outlive their server");
        sleep(Duration::from_millis(50)).await;
    }
}
