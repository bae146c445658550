//! What is compressed on its way to a client, and what is not.

use std::io::Read;

use flate2::read::GzDecoder;
use reqwest::Response;
use reqwest::header::ACCEPT_ENCODING;
use serde_json::json;

use super::Running;

async fn accepting_gzip(running: &Running, path: &str) -> Response {
    let get =
        running.http.get(format!("{}{path}", running.url)).header(ACCEPT_ENCODING, "gzip, br");
    get.send().await.expect("an answer")
}

fn encoding(answer: &Response) -> Option<&str> {
    answer.headers().get("content-encoding").map(|value| value.to_str().expect("a word"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_and_json_are_compressed_for_clients_that_accept_it() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let job = running.submit(&json!({"inputs": {"generate": {"files": 3, "count": 500}}})).await;
    running.follow(&job).await;
    for path in [
        "/",
        "/jobs",
        &format!("/jobs/{job}"),
        &format!("/jobs/{job}/run"),
        "/api/openapi.json",
        &format!("/api/jobs/{job}/timeline"),
    ] {
        let plain = running.get(path).await;
        assert_eq!(encoding(&plain), None, "{path}: not asked for");
        let plain = plain.text().await.unwrap();
        let answer = accepting_gzip(&running, path).await;
        assert_eq!(encoding(&answer), Some("gzip"), "{path}");
        let vary = answer.headers()["vary"].to_str().unwrap();
        assert!(vary.to_lowercase().contains("accept-encoding"), "{path}: {vary}");
        let compressed = answer.bytes().await.unwrap();
        let mut text = String::new();
        GzDecoder::new(&compressed[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text[..15], plain[..15], "{path}");
        assert!(text.len().abs_diff(plain.len()) < 200, "{path}: only nonces and times differ");
        assert!(compressed.len() * 2 < text.len(), "{path}: {} bytes", compressed.len());
        println!("{path}: {} of {} bytes", compressed.len(), text.len());
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_and_events_are_not_compressed() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let job = running.submit(&json!({"inputs": {"generate": {"files": 3, "count": 5000}}})).await;
    running.follow(&job).await;
    for format in ["npy", "json", "csv", "raw"] {
        let path = format!("/api/jobs/{job}/result?format={format}");
        let answer = accepting_gzip(&running, &path).await;
        assert_eq!(encoding(&answer), None, "{format}");
    }
    let path = format!("/api/jobs/{job}/result?format=npy");
    let get = running.http.get(format!("{}{path}", running.url)).header("range", "bytes=100-199");
    let part = get.header(ACCEPT_ENCODING, "gzip").send().await.unwrap();
    assert_eq!((part.status().as_u16(), encoding(&part)), (206, None));
    assert_eq!(part.bytes().await.unwrap().len(), 100);
    let events = accepting_gzip(&running, &format!("/api/jobs/{job}/events")).await;
    assert_eq!(encoding(&events), None);
    drop(events);
    running.stop().await;
}
