//! Folders in which files lie that are not data.

use serde_json::{Value, json};

use super::running::Running;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_data_is_left_out_and_listed_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    for (key, content) in [
        ("mixed/.DS_Store", "\0\0\0\x01Bud1"),
        ("mixed/1950.csv", "1,2"),
        ("mixed/1951.csv", "3,4"),
        ("mixed/README.md", "# 1950 to 1951"),
        ("mixed/_old/1900.csv", "7,8,9"),
        ("mixed/paper/Fig1.PNG", "\u{89}PNG"),
        ("only/README", "nothing yet"),
    ] {
        running.upload(key, content).await;
    }
    let names =
        ["mixed/.DS_Store", "mixed/README.md", "mixed/_old/1900.csv", "mixed/paper/Fig1.PNG"];
    let skipped = json!({"count": 4, "first": names});
    let request = json!({"inputs": {"prefix": "mixed"}});
    let plan: Value = running.post("/api/plan", &request).await.json().await.unwrap();
    assert_eq!(plan["inputs"]["objects"], 2, "{plan}");
    assert_eq!(plan["inputs"]["skipped"], skipped);
    let job = running.submit(&request).await;
    let ended = running.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    assert_eq!(ended["inputs"]["skipped"], skipped);
    assert_eq!(running.result(&job).await, [2.0, 3.0]);
    let page = running.get(&format!("/jobs/{job}")).await.text().await.unwrap();
    assert!(page.contains("2, without mixed/.DS_Store, mixed/README.md"), "{page}");

    let strict = json!({"inputs": {"prefix": "mixed"}, "other_files": "refuse"});
    let refused = running.post("/api/plan", &strict).await;
    assert_eq!(refused.status(), 422);
    let error = running.failure(&strict).await;
    assert_eq!(error["object"], "mixed/.DS_Store");
    assert_eq!(error["field"], "other_files");
    assert!(error["detail"].as_str().unwrap().contains("mixed/paper/Fig1.PNG"), "{error}");
    // Whoever names a file means it.
    let named = json!({"inputs": {"objects": ["mixed/_old/1900.csv"]}, "other_files": "refuse"});
    assert_eq!(running.mean(&named).await, [7.0, 8.0, 9.0]);

    let none = running.failure(&json!({"inputs": {"prefix": "only"}})).await;
    assert_eq!(none["status"], 422, "{none}");
    assert!(none["remedy"].as_str().unwrap().contains("README"), "{none}");
    let clean = json!({"inputs": {"objects": ["mixed/1950.csv"]}});
    let plan: Value = running.post("/api/plan", &clean).await.json().await.unwrap();
    assert_eq!(plan["inputs"].get("skipped"), None, "{plan}");
    running.stop().await;
}
