//! Uploads that can be resumed: what has arrived survives cuts and crashes.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::child::Child;
use super::client::{Client, PATIENCE};
use super::running::Running;
use super::small_disk::SmallDisk;

pub(super) fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| u8::try_from(index * 31 % 251).expect("a byte")).collect()
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text");
        text
    })
}

pub(super) async fn begin(client: &Client, key: &str, bytes: Option<usize>) -> String {
    let begun = client.post("/api/uploads", &json!({"key": key, "bytes": bytes})).await;
    assert_eq!(begun.status(), StatusCode::CREATED);
    let location = begun.headers()["location"].to_str().expect("a path").to_owned();
    let upload: Value = begun.json().await.expect("JSON");
    assert_eq!(location, format!("/api/uploads/{}", upload["id"].as_str().expect("an id")));
    location
}

pub(super) async fn put(client: &Client, path: &str, offset: usize, bytes: &[u8]) -> Response {
    let url = format!("{}{path}?offset={offset}", client.url);
    client.http.put(url).body(bytes.to_vec()).send().await.expect("an answer")
}

pub(super) async fn finish(client: &Client, path: &str, sha256: Option<&str>) -> Response {
    client.post(&format!("{path}/finish"), &json!({"sha256": sha256})).await
}

/// How much has arrived, as `HEAD` tells it.
pub(super) async fn arrived(client: &Client, path: &str) -> usize {
    let head = client.http.head(format!("{}{path}", client.url)).send().await.expect("an answer");
    assert_eq!(head.status(), StatusCode::OK);
    head.headers()["upload-offset"].to_str().expect("a number").parse().expect("a number")
}

async fn until_arrived(client: &Client, path: &str, bytes: usize) {
    let waiting = async {
        while arrived(client, path).await != bytes {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("in time");
}

/// Sends the beginning of a body of `announced` bytes.
pub(super) async fn send_beginning(
    client: &Client,
    path: &str,
    announced: usize,
    sent: &[u8],
) -> TcpStream {
    let host = client.url.strip_prefix("http://").expect("a URL").to_owned();
    let mut stream = TcpStream::connect(&host).await.expect("a connection");
    let head =
        format!("PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {announced}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("sending");
    stream.write_all(sent).await.expect("sending");
    stream
}

fn left(store: &Path) -> usize {
    std::fs::read_dir(store.join("jobs/uploads")).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_goes_on_after_a_cut_and_a_crash_of_the_server() {
    const FIRST: usize = 10_000_001;
    let folder = tempfile::tempdir().unwrap();
    let whole = content(20_000_000);
    let mut server = Child::start(folder.path(), &[]).await;
    let path = begin(&server, "in/large.bin", Some(whole.len())).await;
    let cut =
        send_beginning(&server, &format!("{path}?offset=0"), whole.len(), &whole[..FIRST]).await;
    drop(cut);
    until_arrived(&server, &path, FIRST).await;
    assert_eq!(server.get("/api/files/in/large.bin").await.status(), StatusCode::NOT_FOUND);

    server.kill();
    let server = Child::start(folder.path(), &[]).await;
    assert_eq!(arrived(&server, &path).await, FIRST);
    // Neither sooner nor later than where it continues.
    for offset in [0, FIRST - 1, FIRST + 1] {
        let refused = put(&server, &path, offset, &whole[..9]).await;
        assert_eq!(refused.status(), StatusCode::CONFLICT, "{offset}");
    }
    assert_eq!(finish(&server, &path, None).await.status(), StatusCode::CONFLICT);
    let sent = put(&server, &path, FIRST, &whole[FIRST..]).await;
    assert_eq!(sent.headers()["upload-offset"], whole.len().to_string().as_str());
    let digest = sha256(&whole);
    let other = finish(&server, &path, Some(&sha256(b"other"))).await;
    assert_eq!(other.status(), StatusCode::BAD_REQUEST);
    let problem: Value = other.json().await.unwrap();
    assert_eq!(problem["field"], "sha256", "{problem}");
    assert_eq!(server.get("/api/files/in/large.bin").await.status(), StatusCode::NOT_FOUND);
    // A client that does not get the answer asks again.
    for _ in 0..2 {
        let finished = finish(&server, &path, Some(&digest)).await;
        assert_eq!(finished.status(), StatusCode::CREATED);
        let file: Value = finished.json().await.unwrap();
        assert_eq!(file, json!({"key": "in/large.bin", "bytes": whole.len()}));
    }
    let there = server.get("/api/files/in/large.bin").await.bytes().await.unwrap();
    assert!(there == whole, "other bytes");
    let shown = server.get_json(&path).await;
    assert_eq!((&shown["finished"], &shown["offset"]), (&json!(true), &json!(whole.len())));
    assert_eq!(put(&server, &path, whole.len(), b"x").await.status(), StatusCode::CONFLICT);
    assert!(!folder.path().join(path.replacen("/api/", "jobs/", 1)).join("parts").exists());
    let deleted = server.http.delete(format!("{}{path}", server.url)).send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(left(folder.path()), 0);
    assert_eq!(server.get("/api/files/in/large.bin").await.status(), StatusCode::OK);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_again_takes_the_place_of_a_connection_that_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let whole = content(100_000);
    let path = begin(&running, "in/a.bin", None).await;
    let at_start = format!("{path}?offset=0");
    let _hanging = send_beginning(&running, &at_start, 100_000, &whole[..70_000]).await;
    // The connection is open, and what has arrived is kept.
    until_arrived(&running, &path, 70_000).await;
    let refused = put(&running, &path, 69_999, b"x").await;
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    assert_eq!(put(&running, &path, 70_000, &whole[70_000..]).await.status(), StatusCode::OK);
    assert_eq!(finish(&running, &path, Some(&sha256(&whole))).await.status(), StatusCode::CREATED);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_with_a_digest_is_kept_as_a_whole_and_only_if_it_has_that_digest() {
    const PART: usize = 8 << 20;
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let whole = content(PART + 1000);
    let path = begin(&running, "in/a.bin", Some(whole.len())).await;
    let send = async |offset: usize, bytes: &[u8], of: &[u8]| {
        let digest = format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(of)));
        let request = running.http.put(format!("{}{path}?offset={offset}", running.url));
        request.header("content-digest", digest).body(bytes.to_vec()).send().await.unwrap()
    };
    // A whole part would be stored at once without a digest.
    for (bytes, of, status) in [
        (&whole[..PART], &whole[1..=PART], StatusCode::BAD_REQUEST),
        (&whole[..1000], &whole[..999], StatusCode::BAD_REQUEST),
        (&whole[..=PART], &whole[..=PART], StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let refused = send(0, bytes, of).await;
        assert_eq!(refused.status(), status);
        let problem: Value = refused.json().await.unwrap();
        assert_eq!(problem["field"], "Content-Digest", "{problem}");
        assert_eq!(arrived(&running, &path).await, 0);
    }
    assert_eq!(send(0, &whole[..PART], &whole[..PART]).await.status(), StatusCode::OK);
    assert_eq!(send(PART, &whole[PART..], &whole[PART..]).await.status(), StatusCode::OK);
    assert_eq!(finish(&running, &path, Some(&sha256(&whole))).await.status(), StatusCode::CREATED);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_are_bounded_and_what_is_wrong_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start_with(folder.path(), &["--max-upload-bytes", "100000"]).await;
    for (key, status) in [("jobs/x", 403), ("", 400), ("a//b", 400), ("../a", 400), ("a/", 400)] {
        let refused = running.post("/api/uploads", &json!({"key": key})).await;
        assert_eq!(refused.status(), status, "{key:?}");
    }
    let large = running.post("/api/uploads", &json!({"key": "a", "bytes": 100_001})).await;
    assert_eq!(large.status(), StatusCode::INSUFFICIENT_STORAGE);
    let problem: Value = large.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("--max-upload-bytes"), "{problem}");
    let path = begin(&running, "a", None).await;
    assert_eq!(put(&running, &path, 0, &content(60_000)).await.status(), StatusCode::OK);
    let other = begin(&running, "b", Some(10)).await;
    assert_eq!(put(&running, &other, 0, &content(11)).await.status(), StatusCode::CONFLICT);
    let full = put(&running, &path, 60_000, &content(50_000)).await;
    assert_eq!(full.status(), StatusCode::INSUFFICIENT_STORAGE);
    // What is finished or deleted gives its room back.
    assert_eq!(finish(&running, &path, None).await.status(), StatusCode::CREATED);
    let third = begin(&running, "c", None).await;
    assert_eq!(put(&running, &third, 0, &content(90_000)).await.status(), StatusCode::OK);
    for nowhere in ["/api/uploads/none", "/api/uploads/0123456789abcdef0123456789abcdef"] {
        assert_eq!(running.get(nowhere).await.status(), StatusCode::NOT_FOUND);
        assert_eq!(put(&running, nowhere, 0, b"x").await.status(), StatusCode::NOT_FOUND);
        assert_eq!(finish(&running, nowhere, None).await.status(), StatusCode::NOT_FOUND);
    }
    for digest in ["", "x", &"A".repeat(64), &"0".repeat(62)] {
        assert_eq!(finish(&running, &third, Some(digest)).await.status(), 400, "{digest}");
    }
    // The parts are the program's own.
    let part = format!("{}/parts/{:020}", third.replacen("/api/", "/api/files/jobs/", 1), 0);
    assert_eq!(running.get(&part).await.status(), StatusCode::FORBIDDEN);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_nobody_continues_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start_with(folder.path(), &["--keep-uploads", "1s"]).await;
    let path = begin(&running, "a", None).await;
    assert_eq!(put(&running, &path, 0, &content(1000)).await.status(), StatusCode::OK);
    assert_eq!(left(folder.path()), 1);
    let waiting = async {
        while running.get(&path).await.status() != StatusCode::NOT_FOUND {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("in time");
    // Its record is the first to go.
    let waiting = async {
        while left(folder.path()) > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("in time");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_of_uploads_leave_the_room_that_jobs_need() {
    let Some(disk) = SmallDisk::mount("288m") else { return };
    let running = Running::start(&disk.path().join("store")).await;
    // Whoever does not say how much will come is not asked before.
    let upload = begin(&running, "in/endless.npy", None).await;
    let refused = put(&running, &upload, 0, &content(48 << 20)).await;
    assert_eq!(refused.status(), StatusCode::INSUFFICIENT_STORAGE);
    let problem: Value = refused.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("must remain"), "{problem}");
    let arrived = arrived(&running, &upload).await;
    assert!((8 << 20..32 << 20).contains(&arrived), "{arrived}");
    let inputs = json!({"generate": {"files": 2, "count": 10, "format": "csv"}});
    running.mean(&json!({"inputs": inputs})).await;
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_sends_all_before_it_reads_is_told_why_it_is_refused() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let upload = begin(&running, "in/a.npy", None).await;
    let address = running.url.strip_prefix("http://").unwrap();
    let bytes = content(48 << 20);
    let part = [bytes.as_slice()];
    let form = [
        b"--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"jobs/a.npy\"\r\n\r\n",
        bytes.as_slice(),
        b"\r\n--x--\r\n",
    ];
    for (method, path, kind, pieces, status) in [
        ("PUT", format!("{upload}?offset=7"), "application/octet-stream", &part[..], "409"),
        ("PUT", format!("/api/uploads/{}?offset=0", "0".repeat(32)), "text/plain", &part, "404"),
        ("POST", "/api/files".to_owned(), "multipart/form-data; boundary=x", &form, "403"),
    ] {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\n\
             content-type: {kind}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        for piece in pieces {
            stream.write_all(piece).await.expect("all of it is taken");
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
    }
    running.stop().await;
}
