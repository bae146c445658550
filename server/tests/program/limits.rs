//! The limits of jobs, each with an error that names its flag.

use std::io::Write;
use std::path::Path;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::child::Child;
use super::exact;
use super::running::Running;
use super::small_disk::SmallDisk;

fn generate(files: u64, count: u64) -> Value {
    json!({"inputs": {"generate": {"files": files, "count": count}}})
}

/// The error of a request that is refused.
async fn refusal(running: &Running, request: &Value) -> (StatusCode, Value) {
    let answer = running.post("/api/jobs", request).await;
    (answer.status(), answer.json().await.expect("JSON"))
}

#[track_caller]
fn check_names(problem: &Value, parts: &[&str]) {
    let texts = format!("{} {}", problem["detail"], problem["remedy"]);
    for part in parts {
        assert!(texts.contains(part), "{part} in {problem}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_workers_than_there_can_be_are_refused_before_and_when_a_job_is_submitted() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start_with(folder.path(), &["--max-workers", "3"]).await;
    running.upload("in/a.csv", "1,2,3").await;
    let request = |workers| json!({"inputs": {"prefix": "in"}, "workers": workers});
    let page = running.get("/").await.text().await.unwrap();
    assert!(page.contains("at most 3 here"), "the form says so");
    for path in ["/api/plan", "/api/jobs"] {
        let answer = running.post(path, &request(4)).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["field"], "workers", "{path}");
        check_names(&problem, &["4", "at most 3", "--max-workers"]);
        let answer = running.post(path, &request(3)).await;
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_generations_share_few_descriptors() {
    let folder = tempfile::tempdir().unwrap();
    let child = Child::with_descriptors(128, folder.path(), &[]).await;
    let request = generate(40, 5000);
    let jobs = futures::future::join_all((0..36).map(|_| child.submit(&request))).await;
    for job in jobs {
        let ended = child.follow(&job).await;
        assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    }
    child.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_wait_for_others_to_be_generated_and_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start_with(folder.path(), &["--planning-jobs", "1"]).await;
    let large = running.submit(&generate(1_000_000, 1)).await;
    running.until(&large, |job| job["generated"]["done"].as_u64() >= Some(1)).await;
    let waiting = running.submit(&generate(2, 10)).await;
    running.until(&waiting, |job| job["waiting"] == true).await;
    let shown = running.get_json(&format!("/api/jobs/{waiting}")).await;
    assert_eq!((&shown["phase"], &shown["waiting"]), (&json!("listing"), &json!(true)));
    let page = running.get(&format!("/jobs/{waiting}")).await.text().await.unwrap();
    assert!(page.contains("Waiting for other jobs."), "its page says so");
    // A job with inputs does not wait for test data.
    running.upload("in/a.csv", "1,2,3").await;
    assert_eq!(running.mean(&json!({"inputs": {"prefix": "in"}})).await, [1.0, 2.0, 3.0]);
    let delete = running.http.delete(format!("{}/api/jobs/{large}", running.url));
    assert_eq!(delete.send().await.unwrap().status(), StatusCode::ACCEPTED);
    let ended = running.follow(&waiting).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    assert_eq!(ended.get("waiting"), None);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_waiting_jobs_are_refused_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--planning-jobs", "1", "--max-queued-jobs", "2"];
    let running = Running::start_with(folder.path(), &flags).await;
    let large = running.submit(&generate(1_000_000, 1)).await;
    running.until(&large, |job| job["generated"]["done"].as_u64() >= Some(1)).await;
    let waiting = running.submit(&generate(2, 10)).await;
    let answer = running.post("/api/jobs", &generate(2, 10)).await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let secs: u32 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..60).contains(&secs), "{secs}");
    let problem: Value = answer.json().await.unwrap();
    check_names(&problem, &["2 jobs", "--max-queued-jobs"]);
    let delete = running.http.delete(format!("{}/api/jobs/{large}", running.url));
    assert_eq!(delete.send().await.unwrap().status(), StatusCode::ACCEPTED);
    assert_eq!(running.follow(&waiting).await["phase"], "done");
    assert_eq!(running.mean(&generate(2, 10)).await.len(), 10, "there is a place again");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_has_only_so_many_jobs_at_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--trusted-proxies", "127.0.0.1", "--no-auth", "--max-jobs-per-user", "1"];
    let running = Running::start_with(folder.path(), &flags).await;
    let submit = async |user: &str, request: &Value| {
        let posted = running.http.post(format!("{}/api/jobs", running.url));
        posted.header("x-forwarded-user", user).json(request).send().await.unwrap()
    };
    let large: Value = submit("ada", &generate(1_000_000, 1)).await.json().await.unwrap();
    let large = large["id"].as_str().unwrap().to_owned();
    let answer = submit("ada", &generate(2, 10)).await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.headers().contains_key("retry-after"));
    let problem: Value = answer.json().await.unwrap();
    check_names(&problem, &["“ada” has 1 of at most 1", "--max-jobs-per-user"]);
    // Others are not held up, nor are callers without a name.
    assert_eq!(submit("grace", &generate(2, 10)).await.status(), StatusCode::CREATED);
    running.submit(&generate(2, 10)).await;
    let cancel = running.http.delete(format!("{}/api/jobs/{large}", running.url));
    assert_eq!(cancel.send().await.unwrap().status(), StatusCode::ACCEPTED);
    assert_eq!(running.follow(&large).await["phase"], "cancelled");
    // One that is resumed counts like one that is submitted.
    let small: Value = submit("ada", &generate(2, 10)).await.json().await.unwrap();
    assert_eq!(running.follow(small["id"].as_str().unwrap()).await["phase"], "done");
    let resumed = running.post(&format!("/api/jobs/{large}/resume"), &json!({})).await;
    assert_eq!(resumed.status(), StatusCode::ACCEPTED);
    assert_eq!(submit("ada", &generate(2, 10)).await.status(), StatusCode::TOO_MANY_REQUESTS);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_limit_is_named_with_its_flag() {
    let folder = tempfile::tempdir().unwrap();
    let flags = [
        ["--max-objects", "5"],
        ["--max-columns", "1000"],
        ["--max-tasks", "4"],
        ["--max-generated-bytes", "10000"],
    ];
    let running = Running::start_with(folder.path(), flags.as_flattened()).await;
    for (request, status, parts) in [
        (
            json!({"inputs": {"objects": ["a", "b", "c", "d", "e", "f"]}}),
            422,
            ["6", "--max-objects"],
        ),
        (generate(6, 1), 422, ["5", "--max-objects"]),
        (generate(1, 1001), 422, ["1001", "--max-columns"]),
        (generate(3, 1), 507, ["12288", "--max-generated-bytes"]),
    ] {
        let (answered, problem) = refusal(&running, &request).await;
        assert_eq!(answered, status, "{problem}");
        check_names(&problem, &parts);
    }
    // What is known only once the inputs are listed or read fails the job.
    for file in 0..6 {
        running.upload(&format!("many/{file}.csv"), "1,2").await;
        if file < 5 {
            running.upload(&format!("five/{file}.csv"), "1,2").await;
        }
    }
    running.upload("wide/a.npy", exact::to_npy("1001,", &[1.0; 1001])).await;
    running.upload("long/a.csv", "1,".repeat(1001)).await;
    for (request, parts) in [
        (json!({"inputs": {"prefix": "many"}}), ["6 input objects", "--max-objects"]),
        (json!({"inputs": {"prefix": "five"}, "fan_in": 2}), ["6 tasks", "--max-tasks"]),
        (json!({"inputs": {"prefix": "wide"}}), ["1001 columns", "--max-columns"]),
        (json!({"inputs": {"prefix": "long"}}), ["1001 columns", "--max-columns"]),
    ] {
        let problem = running.failure(&request).await;
        assert_eq!(problem["type"], "limit-exceeded", "{problem}");
        check_names(&problem, &parts);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_quota_of_test_data_is_that_of_all_jobs_until_they_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--max-generated-bytes", "10000"];
    let running = Running::start_with(folder.path(), &flags).await;
    let job = running.submit(&generate(2, 10)).await;
    assert_eq!(running.follow(&job).await["phase"], "done");
    assert_eq!(refusal(&running, &generate(1, 10)).await.0, StatusCode::INSUFFICIENT_STORAGE);
    running.stop().await;
    // It counts after a restart too.
    let again = Running::start_with(folder.path(), &flags).await;
    let (status, problem) = refusal(&again, &generate(1, 10)).await;
    assert_eq!(status, StatusCode::INSUFFICIENT_STORAGE, "{problem}");
    check_names(&problem, &["8192", "delete jobs"]);
    let purge = again.http.delete(format!("{}/api/jobs/{job}?purge=true", again.url));
    assert_eq!(purge.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let left: Vec<_> =
        std::fs::read_dir(folder.path().join("index")).into_iter().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(again.mean(&generate(2, 10)).await.len(), 10);
    again.stop().await;
}

/// Uploads two files that are small only because they are compressed.
async fn upload_bombs(running: &Running, prefix: &str, content: &[u8]) {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(content).expect("compressed bytes");
    let bytes = gzip.finish().expect("compressed bytes");
    assert!(bytes.len() < 20_000, "{} bytes", bytes.len());
    for file in 0..2 {
        running.upload(&format!("{prefix}/{file}.gz"), bytes.clone()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_kilobytes_of_gzip_cannot_fill_a_disk() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start_with(folder.path(), &["--max-job-bytes", "1000000"]).await;
    // C is known from the header before anything is written, …
    let npy = exact::to_npy("1000000,", &vec![0.0; 1_000_000]);
    upload_bombs(&running, "npy", &npy).await;
    // … in text only once it has been read.
    upload_bombs(&running, "text", "0,".repeat(1_000_000).as_bytes()).await;
    for prefix in ["npy", "text"] {
        let job = running.submit(&json!({"inputs": {"prefix": prefix}})).await;
        let ended = running.follow(&job).await;
        assert_eq!(ended["phase"], "failed", "{prefix}");
        check_names(&ended["error"], &["1000000", "--max-job-bytes"]);
        let written = ended["bytes"]["written"].as_u64().unwrap();
        assert!(prefix == "text" || written == 0, "{written} bytes of {prefix}");
        assert!(!result(folder.path(), &job).exists(), "{prefix}");
    }
    running.stop().await;
}

fn result(store: &Path, job: &str) -> std::path::PathBuf {
    store.join("jobs").join(job).join("result")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn free_space_is_looked_at_before_it_is_used() {
    let Some(disk) = SmallDisk::mount("24m") else {
        return;
    };
    let running = Running::start(disk.path()).await;
    let (status, problem) = refusal(&running, &generate(20, 100_000)).await;
    assert_eq!(status, StatusCode::INSUFFICIENT_STORAGE, "{problem}");
    check_names(&problem, &["40000000 bytes", "bytes free"]);
    assert!(!disk.path().join("jobs").exists(), "nothing was written");
    assert_eq!(running.mean(&generate(2, 1000)).await.len(), 1000);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_that_unpacks_to_more_than_the_disk_leaves_room_for_others() {
    let Some(disk) = SmallDisk::mount("320m") else {
        return;
    };
    let running = Running::start(disk.path()).await;
    // Partial sums of 20 million columns take as much as the disk has.
    let mut zstd = zstd::Encoder::new(Vec::new(), 3).unwrap();
    zstd.write_all("0,".repeat(20_000_000).as_bytes()).unwrap();
    running.upload("bomb/a.zst", zstd.finish().unwrap()).await;
    let job = running.submit(&json!({"inputs": {"prefix": "bomb"}})).await;
    let ended = running.follow(&job).await;
    assert_eq!(ended["error"]["type"], "insufficient-storage", "{ended}");
    check_names(&ended["error"], &["bytes free", "268435456 must remain"]);
    // Its partial sums go too.
    let sums = disk.path().join("jobs").join(&job).join("sums");
    let deadline = std::time::Instant::now() + super::client::PATIENCE;
    while sums.exists() {
        assert!(std::time::Instant::now() < deadline, "the partial sums are still there");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(running.mean(&generate(2, 1000)).await.len(), 1000);
    running.stop().await;
}
