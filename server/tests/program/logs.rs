//! The log: the lives of jobs, and the requests.

use serde_json::{Value, json};

use super::child::Child;

/// The lines of a log, each an object of JSON.
fn lines(log: &str) -> Vec<Value> {
    // The address is announced on standard output, which goes to the same file.
    let lines = log.lines().filter(|line| !line.starts_with("listening on "));
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// What the log says of a job, in order.
fn life<'a>(lines: &'a [Value], job: &str) -> Vec<&'a Value> {
    let is_told = |line: &&Value| {
        line["job_id"] == job && line["message"].as_str().is_some_and(|it| it.starts_with("job "))
    };
    lines.iter().filter(is_told).collect()
}

fn turns<'a>(life: &[&'a Value]) -> Vec<&'a str> {
    life.iter().map(|line| line["message"].as_str().expect("a message")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lives_of_jobs_are_told_by_the_log_alone() {
    let folder = tempfile::tempdir().unwrap();
    let json = ["--log-format", "json"];
    let server = Child::start(folder.path(), &json).await;
    let inputs = json!({"generate": {"files": 6, "count": 100, "format": "csv", "seed": 1}});
    let name = "a \"name\" of words";
    let done = server.submit(&json!({"inputs": inputs, "name": name, "fan_in": 3})).await;
    assert_eq!(server.follow(&done).await["phase"], "done");
    let failed = server.submit(&json!({"inputs": {"objects": ["none.csv"]}})).await;
    let error = server.follow(&failed).await["error"].clone();
    let inputs = json!({"generate": {"files": 100_000, "count": 1, "format": "csv", "seed": 1}});
    let cancelled = server.submit(&json!({"inputs": inputs})).await;
    let delete = async |path: String| {
        let request = server.http.delete(format!("{}{path}", server.url));
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(delete(format!("/api/jobs/{cancelled}")).await, 202);
    assert_eq!(server.follow(&cancelled).await["phase"], "cancelled");
    assert_eq!(delete(format!("/api/jobs/{done}?purge=true")).await, 204);

    let told = lines(&server.whole_log().await);
    let of_done = life(&told, &done);
    let whole = ["job submitted", "job planned", "job started", "job done", "job deleted"];
    assert_eq!(turns(&of_done), whole);
    assert!(of_done.iter().all(|line| line["level"] == "INFO" && line["timestamp"].is_string()));
    assert_eq!(of_done[0]["name"], name);
    assert_eq!(of_done[0]["inputs"], "6 generated files");
    assert_eq!(of_done[1]["objects"], 6);
    assert_eq!(of_done[1]["tasks"], 3);
    assert!(of_done[2]["worker_id"].is_string());
    assert_eq!(of_done[3]["columns"], 100);
    assert!(of_done[3]["duration_ms"].is_u64());
    let of_failed = life(&told, &failed);
    assert_eq!(turns(&of_failed), ["job submitted", "job failed"]);
    let detail = error["detail"].as_str().expect("a detail");
    assert!(of_failed[1]["error"].as_str().expect("an error").contains(detail), "{of_failed:?}");
    assert_eq!(turns(&life(&told, &cancelled)), ["job submitted", "job cancelled"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_goes_on_after_a_restart_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let slow = ["--log-format", "json", "--slowness", "1000"];
    let mut server = Child::start(folder.path(), &slow).await;
    let inputs = json!({"generate": {"files": 6, "count": 20_000, "format": "csv", "seed": 1}});
    let job = server.submit(&json!({"inputs": inputs, "fan_in": 3})).await;
    server.until(&job, |job| job["attempts"]["running"] == 2).await;
    server.until_said("job started").await;
    server.kill();
    let told = lines(&server.log());
    assert_eq!(turns(&life(&told, &job)), ["job submitted", "job planned", "job started"]);
    let server = Child::start(folder.path(), &slow[..2]).await;
    assert_eq!(server.follow(&job).await["phase"], "done");
    let told = lines(&server.whole_log().await);
    let turns = turns(&life(&told, &job));
    assert_eq!(turns, ["job continues after a restart", "job started", "job done"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_have_ids_and_the_log_is_quiet_of_probes_and_of_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let server = Child::start(folder.path(), &["--log-format", "json"]).await;
    let given = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    let inputs = json!({"generate": {"files": 2, "count": 1, "format": "csv", "seed": 1}});
    let request = server.http.post(format!("{}/api/jobs", server.url));
    let request = request.header("x-request-id", given).json(&json!({"inputs": inputs}));
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["x-request-id"], given);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    for path in ["/healthz", "/readyz", "/metrics", "/", "/api/jobs?share=secret"] {
        let response = server.get(path).await;
        assert_eq!(response.headers()["x-request-id"].len(), 32, "{path}");
    }
    // It is refused before any handler.
    let refused = server.http.post(format!("{}/api/workers", server.url));
    let refused = refused.header("origin", "http://evil.example").send().await.unwrap();
    assert_eq!(refused.status(), 403);
    let its_id = refused.headers()["x-request-id"].to_str().unwrap().to_owned();

    let log = server.whole_log().await;
    let told = lines(&log);
    let requests: Vec<&Value> = told.iter().filter(|line| line["target"] == "access").collect();
    let ids: Vec<&str> = requests.iter().map(|it| it["request_id"].as_str().unwrap()).collect();
    assert_eq!(ids, [given, &its_id], "{requests:?}");
    let submitted = requests[0];
    assert_eq!(submitted["method"], "POST");
    assert_eq!(submitted["path"], "/api/jobs");
    assert_eq!(submitted["status"], 201);
    assert_eq!(submitted["location"], location);
    assert_eq!(submitted["caller"], "127.0.0.1");
    assert!(submitted["duration_ms"].as_f64().unwrap() > 0.0);
    assert!(!log.contains("secret"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_logged_on_demand_without_its_query() {
    let folder = tempfile::tempdir().unwrap();
    let filter = [("RUST_LOG", std::path::Path::new("info,access=trace"))];
    let json = ["--log-format", "json"];
    let server = Child::with_environment(&filter, folder.path(), &json).await;
    for path in ["/healthz", "/api/jobs?cursor=0&share=secret"] {
        server.get(path).await;
    }
    let log = server.whole_log().await;
    let told = lines(&log);
    let requests: Vec<_> = told
        .iter()
        .filter(|line| line["target"] == "access")
        .map(|line| (line["level"].as_str().unwrap(), line["path"].as_str().unwrap()))
        .collect();
    assert_eq!(requests, [("TRACE", "/healthz"), ("DEBUG", "/api/jobs")]);
    assert!(!log.contains("secret"));
}
