//! What programs rely on: requests that can be sent again, waiting, entity tags, digests,
//! and the description as a page.

use std::collections::BTreeSet;

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::child::Child;
use super::client::Client;
use super::metrics::figures;
use super::running::Running;

fn request(files: u64) -> Value {
    json!({"inputs": {"generate": {"files": files, "count": 10, "format": "csv", "seed": 1}}})
}

async fn submit(client: &Client, key: &str, request: &Value) -> Response {
    let sent = client.http.post(format!("{}/api/jobs", client.url));
    sent.header("idempotency-key", key).json(request).send().await.expect("an answer")
}

async fn id(response: Response) -> String {
    assert_eq!(response.status(), StatusCode::CREATED);
    let job: Value = response.json().await.expect("JSON");
    job["id"].as_str().expect("an id").to_owned()
}

async fn jobs(client: &Client) -> usize {
    client.get_json("/api/jobs").await["jobs"].as_array().expect("jobs").len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_sent_again_submits_no_second_job_also_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Child::start(folder.path(), &[]).await;
    let first = submit(&server, "a-key", &request(2)).await;
    assert!(first.headers().get("idempotent-replayed").is_none());
    let job = id(first).await;
    let again = submit(&server, "\"a-key\"", &request(2)).await;
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(again.headers()["location"], format!("/api/jobs/{job}").as_str());
    assert_eq!(id(again).await, job);
    let other = submit(&server, "a-key", &request(3)).await;
    assert_eq!(other.status(), StatusCode::CONFLICT);
    let problem: Value = other.json().await.unwrap();
    assert_eq!(problem["field"], "Idempotency-Key");
    assert_ne!(id(submit(&server, "another-key", &request(2)).await).await, job);
    assert_eq!(jobs(&server).await, 2);
    for key in ["", "a b", "a\\b", &"x".repeat(256)] {
        assert_eq!(submit(&server, key, &request(2)).await.status(), 400, "{key:?}");
    }
    server.follow(&job).await;

    server.kill();
    let server = Child::start(folder.path(), &[]).await;
    assert_eq!(id(submit(&server, "a-key", &request(2)).await).await, job);
    assert_eq!(submit(&server, "a-key", &request(3)).await.status(), StatusCode::CONFLICT);
    assert_eq!(jobs(&server).await, 2);

    // With the job its key is gone, now and after the next start.
    let url = format!("{}/api/jobs/{job}?purge=true", server.url);
    assert_eq!(server.http.delete(url).send().await.unwrap().status(), 204);
    let marks = || {
        let index = std::fs::read_dir(folder.path().join("index")).unwrap();
        let names = index.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains(".key.")).count()
    };
    assert_eq!(marks(), 1);
    let new = id(submit(&server, "a-key", &request(3)).await).await;
    assert_ne!(new, job);
    assert_eq!(marks(), 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_requests_at_once_with_one_key_one_submits_a_job() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let one = request(2);
    let sending = (0..20).map(|_| submit(&running, "one", &one));
    let responses = futures::future::join_all(sending).await;
    let mut created = BTreeSet::new();
    for response in responses {
        match response.status() {
            // The first is under way.
            StatusCode::CONFLICT => {}
            _ => drop(created.insert(id(response).await)),
        }
    }
    assert_eq!(created.len(), 1, "{created:?}");
    assert_eq!(jobs(&running).await, 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_a_request_that_was_refused_is_free_again() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start_with(folder.path(), &["--max-generated-bytes", "100000"]).await;
    let refused = submit(&running, "k", &request(1_000)).await;
    assert_eq!(refused.status(), StatusCode::INSUFFICIENT_STORAGE);
    id(submit(&running, "k", &request(1)).await).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_waits_for_the_end_of_a_job_in_one_request() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let job = running.submit(&request(20)).await;
    let ended = running.get_json(&format!("/api/jobs/{job}?wait=50s")).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    // It is over: nobody waits.
    let again = running.get_json(&format!("/api/jobs/{job}?wait=50")).await;
    assert_eq!(again, ended);
    assert_eq!(running.get(&format!("/api/jobs/{job}?wait=x")).await.status(), 400);
    let nobody = "01M8BZPGWD9PQ4H2DH2FTD93D7";
    assert_eq!(running.get(&format!("/api/jobs/{nobody}?wait=50s")).await.status(), 404);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_is_bounded_by_its_time_the_streams_and_the_end_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let slow = ["--slowness", "1000", "--max-event-streams", "1"];
    let server = Child::start(folder.path(), &slow).await;
    let inputs = json!({"generate": {"files": 6, "count": 20_000, "format": "csv", "seed": 1}});
    let job = server.submit(&json!({"inputs": inputs})).await;
    let begun = std::time::Instant::now();
    let still = server.get_json(&format!("/api/jobs/{job}?wait=1s")).await;
    assert!(begun.elapsed().as_millis() >= 1000);
    assert_ne!(still["phase"], "done");

    let url = format!("{}/api/jobs/{job}?wait=50s", server.url);
    let waiting = tokio::spawn(server.http.get(url).send());
    while figures(&server).await.sum("distributed_average_event_streams", &[]) < 1.0 {}
    let refused = server.get(&format!("/api/jobs/{job}?wait=50s")).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    let took = server.stop().await;
    assert!(took.as_secs() < 10, "{took:?}");
    let response = waiting.await.unwrap().expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    let left: Value = response.json().await.unwrap();
    assert_ne!(left["phase"], "done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_has_is_not_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let job = running.submit(&request(4)).await;
    let before = running.get(&format!("/api/jobs/{job}")).await;
    running.follow(&job).await;
    let ask = async |path: &str, tag: &str| {
        let request = running.http.get(format!("{}{path}", running.url));
        request.header("if-none-match", tag).send().await.expect("an answer")
    };
    // It has changed since.
    let path = format!("/api/jobs/{job}");
    let old_tag = before.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(ask(&path, &old_tag).await.status(), 200);
    let result = |format: &str| format!("/api/jobs/{job}/result?format={format}");
    let paths = [path, "/api/jobs".to_owned(), result("npy"), result("csv")];
    let mut tags = BTreeSet::new();
    for path in &paths {
        let first = running.get(path).await;
        let tag = first.headers()["etag"].to_str().unwrap().to_owned();
        let again = ask(path, &tag).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
        assert_eq!(again.headers()["etag"], tag.as_str());
        assert_eq!(again.bytes().await.unwrap().len(), 0);
        tags.insert(tag);
    }
    assert_eq!(tags.len(), paths.len(), "{tags:?}");
    // The memory of workers changes at any time.
    assert!(running.get("/api/workers").await.headers().contains_key("etag"));

    // A download that broke off continues only the same result.
    let whole = running.get(&result("npy")).await;
    let tag = whole.headers()["etag"].to_str().unwrap().to_owned();
    let part = async |tag: &str| {
        let request = running.http.get(format!("{}{}", running.url, result("npy")));
        let request = request.header("range", "bytes=100-").header("if-range", tag);
        request.send().await.expect("an answer").status()
    };
    assert_eq!(part(&tag).await, StatusCode::PARTIAL_CONTENT);
    assert_eq!(part("\"another\"").await, StatusCode::OK);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_was_damaged_on_its_way_is_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let put = async |digest: &str, content: &'static str| {
        let request = running.http.put(format!("{}/api/files/in/a.csv", running.url));
        request.header("content-digest", digest).body(content).send().await.expect("an answer")
    };
    // The SHA-256 of "1,2\n".
    let digest = "sha-256=:UhhskzmT2kCCs83HxAu0v3NbOR/1Si73jAN92mw4poA=:";
    let damaged = put(digest, "1,3\n").await;
    assert_eq!(damaged.status(), StatusCode::BAD_REQUEST);
    let problem: Value = damaged.json().await.unwrap();
    assert_eq!(problem["field"], "Content-Digest");
    assert_eq!(running.get("/api/files/in/a.csv").await.status(), StatusCode::NOT_FOUND);
    // Nobody would check it.
    assert_eq!(put("md5=:AAAA:", "1,2\n").await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(put(digest, "1,2\n").await.status(), StatusCode::CREATED);
    assert_eq!(running.get("/api/files/in/a.csv").await.text().await.unwrap(), "1,2\n");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_description_is_a_page_of_the_servers_own() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let response = running.get("/api/docs").await;
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("style-src 'self'"));
    assert!(!policy.contains("script-src") && !policy.contains("unsafe"), "{policy}");
    let page = response.text().await.unwrap();
    let described = running.get_json("/api/openapi.json").await;
    let operations = described["paths"].as_object().unwrap().values();
    let operations = operations.flat_map(|item| item.as_object().unwrap().values());
    for operation in operations {
        let id = operation["operationId"].as_str().expect("a name");
        assert!(page.contains(&format!("<section id=\"{id}\">")), "{id}");
    }
    for name in described["components"]["schemas"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("<section id=\"schema-{name}\">")), "{name}");
    }
    // Every link within the page leads somewhere, and none leaves the server.
    for link in page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        match link.strip_prefix('#') {
            Some(anchor) => assert!(page.contains(&format!("id=\"{anchor}\"")), "{link}"),
            None => assert_eq!(running.get(link).await.status(), StatusCode::OK, "{link}"),
        }
    }
    assert!(!page.contains("<script") && !page.contains("style=\""));
    running.stop().await;
}
