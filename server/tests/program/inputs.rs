//! Valid inputs, and the errors for invalid ones.

use serde_json::{Value, json};

use super::exact;
use super::running::Running;

fn below(prefix: &str) -> Value {
    json!({"inputs": {"prefix": prefix}, "fan_in": 2})
}

fn text(problem: &Value) -> &str {
    problem["detail"].as_str().expect("a detail")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_may_be_separated_in_any_way() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    for (name, content) in
        [("1", "1,2,3,4"), ("2", "1\n2\n3\n4\n"), ("3", "1;2;3;4\r\n"), ("4", "  1\t2 \r\n3, 4")]
    {
        running.upload(&format!("any/{name}.csv"), content).await;
    }
    assert_eq!(running.mean(&below("any")).await, [1.0, 2.0, 3.0, 4.0]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_format_is_told_from_content_and_the_shape_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    for (name, factor) in [("a.csv", 1.0), ("b", 3.0)] {
        let numbers: Vec<f64> = (0..6).map(|n| factor * f64::from(n)).collect();
        running.upload(&format!("shaped/{name}"), exact::to_npy("2, 3", &numbers)).await;
    }
    let job = running.submit(&below("shaped")).await;
    let ended = running.follow(&job).await;
    assert_eq!(ended["result"]["shape"], json!([2, 3]));
    assert_eq!(ended["result"]["image"]["width"], 3);
    assert_eq!(running.result(&job).await, [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_a_number_is_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    running.upload("header/a.csv", "1,2\n").await;
    running.upload("header/b.csv", "temp_c,wind\n1,2\n").await;
    let problem = running.failure(&below("header")).await;
    for part in ["header/b.csv", "header/a.csv", "named columns"] {
        assert!(text(&problem).contains(part), "{part} in {problem}");
    }
    assert!(problem["remedy"].as_str().unwrap().contains("header"), "{problem}");
    // Far behind the part that is probed before a job starts.
    let mut late = "0.5\n".repeat(100_000);
    late.push_str("oops\n");
    running.upload("late/a.csv", late.clone()).await;
    let problem = running.failure(&below("late")).await;
    for part in ["late/a.csv", "line 100001", "position 1", "oops"] {
        assert!(text(&problem).contains(part), "{part} in {problem}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_different_lengths_are_both_named() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    for file in 0..20 {
        let count = if file == 13 { 999 } else { 1000 };
        running.upload(&format!("text/{file:02}.csv"), "1,".repeat(count - 1) + "1").await;
        let numbers = vec![1.0; count];
        let npy = exact::to_npy(&format!("{count},"), &numbers);
        running.upload(&format!("npy/{file:02}.npy"), npy).await;
    }
    for (prefix, odd) in [("text", "text/13.csv has 999"), ("npy", "npy/13.npy has 999")] {
        let problem = running.failure(&below(prefix)).await;
        assert_eq!(problem["type"], "lengths-differ");
        assert!(text(&problem).contains(odd), "{problem}");
        assert!(text(&problem).contains("has 1000"), "{problem}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_to_average_is_said_plainly() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let problem = running.failure(&below("missing")).await;
    assert_eq!(problem["type"], "no-inputs");
    assert!(text(&problem).contains("missing"), "{problem}");
    let rejected = running.post("/api/jobs", &json!({"inputs": {"objects": []}})).await;
    assert_eq!(rejected.status(), 400);
    let problem: Value = rejected.json().await.unwrap();
    assert_eq!(problem["field"], "inputs.objects");
    let problem = running.failure(&json!({"inputs": {"objects": ["not/there.csv"]}})).await;
    assert!(text(&problem).contains("not/there.csv"), "{problem}");
    running.upload("empty/a.csv", "").await;
    let problem = running.failure(&below("empty")).await;
    assert!(text(&problem).contains("empty/a.csv"), "{problem}");
    let elsewhere = json!({"inputs": {"prefix": "s3://elsewhere/data"}});
    assert_eq!(running.failure(&elsewhere).await["type"], "forbidden");
    running.stop().await;
}

/// The first thing that somebody tries.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_prefix_means_all_objects_of_the_user() {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("file://{}", folder.path().canonicalize().unwrap().display());
    let running = Running::start_with(folder.path(), &["--allow-inputs", &place]).await;
    for (key, content) in [("a.csv", "1,2"), ("b/c.csv", "3,4"), ("jobs-2024/d.csv", "5,6")] {
        running.upload(key, content).await;
    }
    // The second finds what the first has left, and what is being written.
    let generated = json!({"inputs": {"generate": {"files": 2, "count": 2}}});
    running.mean(&generated).await;
    for prefix in ["", "/", &place, &format!("{place}/")] {
        let job = running.submit(&json!({"inputs": {"prefix": prefix}})).await;
        let ended = running.follow(&job).await;
        assert_eq!(ended["phase"], "done", "{prefix}: {}", ended["error"]);
        assert_eq!(ended["inputs"]["objects"], 3, "{prefix}");
        assert_eq!(running.result(&job).await, [3.0, 4.0], "{prefix}");
    }
    for prefix in ["jobs", "jobs/", "index", "cleaning", &format!("{place}/jobs")] {
        let problem = running.failure(&below(prefix)).await;
        assert_eq!(problem["type"], "no-inputs", "{prefix}: {problem}");
        assert!(problem["remedy"].as_str().unwrap().contains("own objects"), "{problem}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_arrays_of_a_job_can_be_averaged_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let job = running.submit(&json!({"inputs": {"generate": {"files": 3, "count": 5}}})).await;
    assert_eq!(running.follow(&job).await["phase"], "done");
    let mean = running.result(&job).await;
    for folder in ["inputs", "result"] {
        assert_eq!(running.mean(&below(&format!("jobs/{job}/{folder}/"))).await, mean, "{folder}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_npy_is_named_with_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let whole = exact::to_npy("100,", &[1.0; 100]);
    running.upload("cut/a.npy", whole.clone()).await;
    running.upload("cut/b.npy", whole[..whole.len() - 8].to_vec()).await;
    let problem = running.failure(&below("cut")).await;
    assert!(text(&problem).contains("cut/b.npy"), "{problem}");
    let (expected, found) = (whole.len().to_string(), (whole.len() - 8).to_string());
    assert!(text(&problem).contains(&expected) && text(&problem).contains(&found), "{problem}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_job_can_be_run_again_once_its_inputs_are_mended() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    running.upload("mend/a.csv", "1,2,3").await;
    running.upload("mend/b.csv", "1,x,3").await;
    let job = running.submit(&below("mend")).await;
    assert_eq!(running.follow(&job).await["phase"], "failed");
    running.upload("mend/b.csv", "3,4,5").await;
    let rerun = running.post(&format!("/api/jobs/{job}/rerun"), &json!({})).await;
    let rerun: Value = rerun.json().await.unwrap();
    let rerun = rerun["id"].as_str().unwrap();
    assert_eq!(running.follow(rerun).await["phase"], "done");
    assert_eq!(running.result(rerun).await, [2.0, 3.0, 4.0]);
    running.stop().await;
}
