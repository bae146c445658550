//! Keys and paths that cannot be: the answers say what to do.

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::Running;

async fn call(running: &Running, method: Method, path: &str) -> Response {
    let request = running.http.request(method.clone(), format!("{}{path}", running.url));
    let request = if method == Method::PUT { request.body("1") } else { request };
    request.send().await.expect("an answer")
}

/// Checks that a call is refused with a problem.
async fn assert_refused(running: &Running, method: Method, path: &str, status: u16) -> Value {
    let refused = call(running, method.clone(), path).await;
    assert_eq!(refused.status(), status, "{method} {path}");
    assert_eq!(refused.headers()["content-type"], "application/problem+json", "{method} {path}");
    let problem: Value = refused.json().await.expect("JSON");
    assert_eq!(problem["status"], status, "{method} {path}");
    assert!(problem["remedy"].is_string(), "{method} {path}: {problem}");
    problem
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_stored_is_the_clients_to_change() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    running.upload("a/b", "1").await;
    let long = "a".repeat(256);
    for (path, status) in [
        ("/api/files/a", 409),
        ("/api/files/a/b/c", 409),
        ("/api/files/a/b/c/d", 409),
        (&format!("/api/files/{long}"), 400),
        (&format!("/api/files/a/{long}/b"), 400),
        ("/api/files/a//b", 400),
        ("/api/files/%ff", 400),
        ("/api/files/a/%ff/b", 400),
    ] {
        let problem = assert_refused(&running, Method::PUT, path, status).await;
        let root = folder.path().to_str().unwrap();
        assert!(!problem.to_string().contains(root), "{problem}");
    }
    for method in [Method::GET, Method::DELETE] {
        assert_refused(&running, method.clone(), "/api/files/%ff", 400).await;
        assert_refused(&running, method.clone(), &format!("/api/files/{long}"), 400).await;
        assert_refused(&running, method.clone(), "/api/files/a", 404).await;
        assert_refused(&running, method, "/api/files/a/b/c", 404).await;
    }
    assert_refused(&running, Method::GET, &format!("/api/files?prefix={long}/"), 400).await;
    let listed = running.get_json("/api/files").await;
    assert_eq!(listed["files"], json!([{"key": "a/b", "bytes": 1}]));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_can_be_deleted_but_not_the_programs_own() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    for key in ["in/1", "in/2", "other"] {
        running.upload(key, "1").await;
    }
    let job = running.submit(&json!({"inputs": {"prefix": "in"}})).await;
    running.follow(&job).await;
    let mut own = vec![format!("jobs/{job}/request.json"), format!("jobs%2F{job}/request.json")];
    for name in ["jobs", "index", "cleaning", "server.json", ".server.lock", ".unfinished"] {
        own.extend(["", "/", "/x", "%2Fx"].map(|rest| format!("{name}{rest}")));
    }
    for key in own {
        assert_refused(&running, Method::DELETE, &format!("/api/files/{key}"), 403).await;
    }
    for key in ["in/1", "other"] {
        let deleted = call(&running, Method::DELETE, &format!("/api/files/{key}")).await;
        assert_eq!(deleted.status(), StatusCode::NO_CONTENT, "{key}");
        assert_refused(&running, Method::DELETE, &format!("/api/files/{key}"), 404).await;
        assert_refused(&running, Method::GET, &format!("/api/files/{key}"), 404).await;
    }
    let listed = running.get_json("/api/files").await;
    assert_eq!(listed["files"], json!([{"key": "in/2", "bytes": 1}]));
    assert_eq!(running.get_json(&format!("/api/jobs/{job}")).await["phase"], "done");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_api_does_not_have_is_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    assert_refused(&running, Method::GET, "/api/%ff", 404).await;
    assert_refused(&running, Method::PATCH, "/api/nothing", 404).await;
    assert_refused(&running, Method::GET, "/api/jobs/%ff", 404).await;
    assert_refused(&running, Method::GET, "/api/jobs?limit=many", 400).await;
    assert_refused(&running, Method::GET, "/api/jobs?cursor=%ff", 400).await;
    let described = running.get_json("/api/openapi.json").await;
    for (path, item) in described["paths"].as_object().unwrap() {
        let path = path.replace("{id}", "01ARZ3NDEKTSV4RRFFQ69G5FAV").replace("{key}", "a");
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            if !item.as_object().unwrap().contains_key(&method.as_str().to_lowercase()) {
                assert_refused(&running, method, &path, 405).await;
            }
        }
    }
    running.stop().await;
}
