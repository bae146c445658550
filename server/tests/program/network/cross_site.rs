//! Requests that pages of other sites make in a user's browser.

use std::collections::BTreeSet;
use std::time::Duration;

use leptos::server_fn::axum::server_fn_paths;
use reqwest::Response;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::Running;
use crate::client::PATIENCE;

/// A call of the server.
pub(super) struct Call {
    pub(super) method: String,
    pub(super) path: String,
    /// Whether it takes a body of JSON.
    takes_json: bool,
}

impl Call {
    fn is_read(&self) -> bool {
        self.method == "GET"
    }

    fn is_probe(&self) -> bool {
        ["/healthz", "/readyz", "/metrics"].contains(&&*self.path)
    }

    async fn send(&self, running: &Running, headers: &[(&str, &str)]) -> Response {
        let method = self.method.parse().expect("a method");
        let mut request = running.http.request(method, format!("{}{}", running.url, self.path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !self.is_read() {
            request = request.body("desired=0");
        }
        request.send().await.expect("an answer")
    }
}

/// Every call of the JSON API, as the server describes it, and every server function,
/// so that none can be forgotten.
pub(super) fn calls(described: &Value, job: &str) -> Vec<Call> {
    let paths = described["paths"].as_object().expect("paths");
    let described = paths.iter().flat_map(|(path, item)| {
        // An upload that nobody has begun.
        let id = if path.starts_with("/api/uploads/") { &"0".repeat(32) } else { job };
        let path = path.replace("{id}", id).replace("{key}", "a/1");
        item.as_object().expect("methods").iter().map(move |(method, call)| Call {
            method: method.to_uppercase(),
            path: path.clone(),
            takes_json: call["requestBody"]["content"]["application/json"].is_object(),
        })
    });
    let functions = server_fn_paths().map(|(path, method)| Call {
        method: method.to_string(),
        path: path.to_owned(),
        takes_json: false,
    });
    described.chain(functions).collect()
}

/// What a call of another site might have changed.
async fn state(running: &Running) -> Value {
    let pool = running.get_json("/api/workers").await;
    let jobs = running.get_json("/api/jobs").await;
    let ids: Vec<&Value> =
        jobs["jobs"].as_array().expect("jobs").iter().map(|job| &job["id"]).collect();
    json!([pool["by_hand"], ids, running.get_json("/api/files").await])
}

/// What a browser sends with a request of another site's page. All but the first are
/// from browsers that know `Sec-Fetch-Site`, or have it removed.
const FOREIGN: [&[(&str, &str)]; 6] = [
    &[("origin", "http://evil.example")],
    &[("origin", "null")],
    &[("sec-fetch-site", "cross-site"), ("origin", "http://evil.example")],
    &[("sec-fetch-site", "same-site"), ("origin", "http://127.0.0.1:1")],
    &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
    &[
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "iframe"),
        ("origin", "null"),
    ],
];

async fn running_with_a_job(folder: &std::path::Path) -> (Running, String) {
    let running = Running::start(folder).await;
    running.upload("a/1", "1,2").await;
    let job = running.submit(&json!({"inputs": {"prefix": "a"}})).await;
    running.follow(&job).await;
    (running, job)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_can_be_made_by_the_page_of_another_site() {
    let folder = tempfile::tempdir().unwrap();
    let (running, job) = running_with_a_job(folder.path()).await;
    let before = state(&running).await;
    let calls = calls(&running.get_json("/api/openapi.json").await, &job);
    let changing: BTreeSet<String> = calls
        .iter()
        .filter(|call| !call.is_read())
        .map(|call| format!("{} {}", call.method, call.path))
        .collect();
    for known in
        ["POST /api/jobs", "PUT /api/workers", "DELETE /api/files/a/1", "POST /app/workers"]
    {
        assert!(changing.contains(known), "{known} is not among {changing:?}");
    }
    for call in calls.iter().filter(|call| !call.is_probe()) {
        for headers in FOREIGN {
            let refused = call.send(&running, headers).await;
            let what = format!("{} {} {headers:?}", call.method, call.path);
            assert_eq!(refused.status(), 403, "{what}");
            assert_eq!(refused.headers()["content-type"], "application/problem+json", "{what}");
            let problem: Value = refused.json().await.unwrap();
            assert_ne!(problem["remedy"], "", "{what}");
        }
        let refused = call.send(&running, &[("host", "evil.example")]).await;
        assert_eq!(refused.status(), 421, "{} {}", call.method, call.path);
        let problem: Value = refused.json().await.unwrap();
        assert!(problem["remedy"].to_string().contains("--allow-hosts"), "{problem}");
    }
    assert_eq!(state(&running).await, before, "nothing has changed");
    // The same calls of the server's own pages pass, whatever else may be wrong with them.
    for call in calls.iter().filter(|call| !call.is_read()) {
        let passed = call.send(&running, &[("origin", &running.url)]).await.status().as_u16();
        assert!(![403, 421].contains(&passed), "{} {}: {passed}", call.method, call.path);
    }
    assert_ne!(state(&running).await, before, "something has changed");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_is_taken_only_as_what_no_form_can_send() {
    let folder = tempfile::tempdir().unwrap();
    let (running, job) = running_with_a_job(folder.path()).await;
    let before = state(&running).await;
    let mut calls = calls(&running.get_json("/api/openapi.json").await, &job);
    calls.retain(|call| call.takes_json);
    assert!(calls.len() >= 3, "jobs, plans, workers");
    for call in calls {
        let forms = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"];
        for content_type in forms {
            let refused = call.send(&running, &[("content-type", content_type)]).await;
            assert_eq!(refused.status(), 415, "{} {content_type}", call.path);
            let problem: Value = refused.json().await.unwrap();
            assert!(problem["remedy"].to_string().contains("application/json"), "{problem}");
        }
        assert_eq!(call.send(&running, &[]).await.status(), 415, "{} without one", call.path);
        for content_type in ["application/json", "application/problem+json; charset=utf-8"] {
            let read = call.send(&running, &[("content-type", content_type)]).await;
            assert_eq!(read.status(), 400, "what is sent is no JSON: {}", call.path);
        }
    }
    assert_eq!(state(&running).await, before, "nothing has changed");
    running.stop().await;
}

/// Waits until the number of workers is set by hand to this.
async fn until_set_by_hand(running: &Running, by_hand: &Value) {
    let set = async {
        while running.get_json("/api/workers").await["by_hand"] != *by_hand {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, set).await.expect("the number of workers is set");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_pages_links_and_programs_pass() {
    let folder = tempfile::tempdir().unwrap();
    let (running, job) = running_with_a_job(folder.path()).await;
    let origin: &str = &running.url;
    let own: [&[(&str, &str)]; 3] =
        [&[], &[("origin", origin)], &[("sec-fetch-site", "same-origin"), ("origin", origin)]];
    let workers = Call { method: "POST".into(), path: "/app/workers".into(), takes_json: false };
    let form = ("content-type", "application/x-www-form-urlencoded");
    for headers in own {
        let set = workers.send(&running, &[headers, &[form]].concat()).await;
        assert!(set.status().is_success(), "{headers:?}: {}", set.status());
        until_set_by_hand(&running, &json!(0)).await;
        let automatic = running.http.put(format!("{}/api/workers", running.url));
        automatic.json(&json!({"desired": null})).send().await.unwrap();
        until_set_by_hand(&running, &Value::Null).await;
    }
    let link = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    for path in ["/".to_owned(), format!("/jobs/{job}"), format!("/api/jobs/{job}/result")] {
        let page = Call { method: "GET".into(), path, takes_json: false };
        assert_eq!(page.send(&running, &link).await.status(), 200, "{}", page.path);
        for host in ["localhost:3000", "a.localhost", "[::1]:3000", "10.1.2.3"] {
            let answer = page.send(&running, &[("host", host)]).await;
            assert_eq!(answer.status(), 200, "{} {host}", page.path);
        }
    }
    for probe in ["/healthz", "/readyz", "/metrics"] {
        let probe = Call { method: "GET".into(), path: probe.into(), takes_json: false };
        assert_eq!(probe.send(&running, &[("host", "pod.example")]).await.status(), 200);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_answered_once_it_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let allowed = ["--allow-hosts", "means.example.com,*.svc"];
    let running = Running::start_with(folder.path(), &allowed).await;
    let page = Call { method: "GET".into(), path: "/".into(), takes_json: false };
    for (host, status) in [
        ("means.example.com", 200),
        ("means.example.com:8443", 200),
        ("server.average.svc", 200),
        ("localhost", 200),
        ("example.com", 421),
        ("evil.example", 421),
    ] {
        assert_eq!(page.send(&running, &[("host", host)]).await.status(), status, "{host}");
    }
    running.stop().await;
}
