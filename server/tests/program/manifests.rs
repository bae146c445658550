//! Manifests: an object that lists the inputs of a job.

use serde_json::{Value, json};

use super::child::Child;
use super::exact;
use super::running::Running;

const FILES: usize = 5;

async fn upload_files(running: &Running) -> Vec<String> {
    let mut keys = Vec::new();
    for file in 0..FILES {
        let key = format!("in/run {file}.npy");
        let numbers: Vec<f64> = (0..9).map(|column| (file * 10 + column) as f64 / 7.0).collect();
        running.upload(&key, exact::to_npy("9,", &numbers)).await;
        keys.push(key);
    }
    keys
}

fn bits(mean: &[f64]) -> Vec<u64> {
    mean.iter().map(|number| number.to_bits()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_is_averaged_as_the_list_that_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let keys = upload_files(&running).await;
    let listed = running.mean(&json!({"inputs": {"objects": keys}})).await;
    running.upload("lists/lines.txt", format!("{}\r\n", keys.join("\r\n"))).await;
    running.upload("lists/array.json", serde_json::to_string_pretty(&keys).unwrap()).await;
    for manifest in ["lists/lines.txt", "lists/array.json"] {
        let mean = running.mean(&json!({"inputs": {"manifest": manifest}})).await;
        assert_eq!(bits(&mean), bits(&listed), "{manifest}");
    }
    // Those of a line twice count twice, as in a list.
    let twice = [&keys[..1], &keys[..2]].concat();
    running.upload("lists/twice.txt", twice.join("\n")).await;
    let weights: Value =
        keys.iter().map(|key| (key.clone(), json!(1))).collect::<serde_json::Map<_, _>>().into();
    let one = running.mean(&json!({"inputs": {"manifest": "lists/twice.txt"}})).await;
    let other = running.mean(&json!({"inputs": {"objects": twice}})).await;
    assert_eq!(bits(&one), bits(&other));
    // With weights, too; and the inputs are those that were listed.
    let request = json!({"inputs": {"manifest": "lists/lines.txt"}, "weights": weights});
    let job = running.submit(&request).await;
    let ended = running.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    assert_eq!(ended["request"]["inputs"]["manifest"], "lists/lines.txt");
    assert_eq!(ended["inputs"]["objects"], FILES);
    assert_eq!(bits(&running.result(&job).await), bits(&listed));
    let inputs = running.get_json(&format!("/api/jobs/{job}/inputs")).await;
    assert_eq!(inputs["inputs"][1]["location"], keys[1].as_str(), "{inputs}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_manifest_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start_with(folder.path(), &["--max-objects", "1000"]).await;
    let keys = upload_files(&running).await;
    let job = running.submit(&json!({"inputs": {"objects": keys}})).await;
    running.follow(&job).await;
    let many = vec![keys[0].as_str(); 1001].join("\n");
    let private = format!("{}\njobs/{job}/request.json\n", keys[0]);
    let elsewhere = format!("{}\n\nfile:///etc/passwd\n", keys[0]);
    let backslash = format!("[{:?},\n\"a\\\\b\"]", keys[0]);
    let long = format!("{}\n{}\n", keys[0], "x".repeat(5_000));
    for (text, status, words) in [
        (format!("{}\nin/none.npy\n", keys[0]), 404, "line 2 of lists/a"),
        (private, 403, "line 2 of lists/a"),
        (elsewhere, 403, "line 3 of lists/a"),
        (backslash, 400, "line 2 of lists/a"),
        (long, 422, "line 2 of lists/a"),
        (format!("[{:?},\n\n", keys[0]), 422, "line 3 of lists/a"),
        (String::from("\n\n"), 422, "lists no objects"),
        (many, 422, "1000"),
    ] {
        running.upload("lists/a", text.clone()).await;
        let refused = running.post("/api/plan", &json!({"inputs": {"manifest": "lists/a"}})).await;
        let problem: Value = refused.json().await.unwrap();
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    }
    let record = format!("jobs/{job}/request.json");
    for (manifest, status) in [("lists/none", 404), (record.as_str(), 403), ("", 400)] {
        let refused = running.post("/api/plan", &json!({"inputs": {"manifest": manifest}})).await;
        assert_eq!(refused.status(), status, "{manifest}");
        let problem: Value = refused.json().await.unwrap();
        assert_eq!(problem["field"], "inputs.manifest", "{problem}");
    }
    running.stop().await;
}

/// `scripts/bench api` does the same with a million names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_manifest_of_different_names_takes_little_memory_for_each() {
    const NAMES: usize = 30_000;
    /// What the documents say of each object of a plan; 200 were measured.
    const NAME_BYTES_MAX: u64 = 500;
    let folder = tempfile::tempdir().unwrap();
    let server = Child::start(folder.path(), &[]).await;
    let file = folder.path().join("in/0.npy");
    std::fs::create_dir(folder.path().join("in")).unwrap();
    std::fs::write(&file, exact::to_npy("9,", &[1.5; 9])).unwrap();
    let mut names = vec!["in/0.npy".to_owned()];
    for name in 1..NAMES {
        names.push(format!("in/{name}.npy"));
        std::fs::hard_link(&file, folder.path().join(&names[name])).unwrap();
    }
    server.upload("lists/long", names.join("\n")).await;
    let plan = async |manifest: &str| -> Value {
        let planned = server.post("/api/plan", &json!({"inputs": {"manifest": manifest}})).await;
        planned.json().await.unwrap()
    };
    // What is taken once, and not for each name.
    server.upload("lists/short", names[..100].join("\n")).await;
    assert_eq!(plan("lists/short").await["inputs"]["objects"], 100);
    let before = server.peak_bytes();
    let planned = plan("lists/long").await;
    assert_eq!(planned["inputs"]["objects"], NAMES, "{planned}");
    let each = (server.peak_bytes() - before) / NAMES as u64;
    println!("{each} bytes for each of {NAMES} names");
    assert!(each <= NAME_BYTES_MAX, "{each} bytes for each name");
    server.stop().await;
}
