//! A server that is told to stop while clients would rather keep it.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use serde_json::json;
use testbed::Process;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::send;
use crate::client::{Client, Events};

/// Within which a server ends, whatever clients do.
const STOP_TIME_MAX: Duration = Duration::from_secs(10);

/// Starts the program on the store in a folder, and waits until it listens. Its output
/// goes into a file of this name.
async fn start(folder: &Path, log: &str) -> (Process, Client) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_distributed-average"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--workers", "2", "--slowness", "10"]);
    command.arg("--store").arg(folder.join("store"));
    let mut process = Process::start("the server", &mut command, &folder.join(log));
    let url = process.announced("listening on ").await;
    (process, Client::new(url))
}

/// Starts the same with a log that goes into a pipe; returns the end that reads it too.
async fn start_with_pipe(folder: &Path) -> (Process, Client, File) {
    let pipe = folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let reader = File::options().read(true).custom_flags(nonblocking).open(&pipe);
    let reader = reader.expect("the pipe");
    let mut command = Command::new("sh");
    command.args(["-c", r#"exec "$@" 2>"$0""#]).arg(&pipe);
    command.arg(env!("CARGO_BIN_EXE_distributed-average"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--workers", "1"]);
    command.arg("--store").arg(folder.join("store")).env("RUST_LOG", "trace");
    let mut process = Process::start("the server", &mut command, &folder.join("printed"));
    let url = process.announced("listening on ").await;
    (process, Client::new(url), reader)
}

/// Clients that keep a connection without an end: a half-open request, an event stream,
/// an upload that stalls, and a download that nobody reads.
async fn obstinate(client: &Client) -> (Vec<TcpStream>, Events) {
    client.upload("large", vec![0; 64 << 20]).await;
    let download = "GET /api/files/large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    let upload = "PUT /api/files/a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n1,2";
    let mut held = Vec::new();
    for text in ["GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", upload, download] {
        held.push(send(&client.url, text).await);
    }
    // The download has begun.
    let mut byte = [0];
    held[2].read_exact(&mut byte).await.expect("the response begins");
    let mut events = Events::open(client, "/api/events", None).await;
    events.next().await;
    (held, events)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_ends_in_time_whatever_clients_do() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, client) = start(folder.path(), "first.log").await;
    let held = obstinate(&client).await;
    let inputs = json!({"generate": {"files": 60, "count": 20_000, "format": "csv"}});
    let job = client.submit(&json!({"inputs": inputs, "fan_in": 2})).await;
    let mut progress = Events::open(&client, &format!("/api/jobs/{job}/events"), None).await;
    while progress.next().await.data["attempts"]["completed"].as_u64().unwrap_or(0) < 2 {}
    let told = Instant::now();
    process.terminate();
    let status = process.end().await;
    println!("stopped within {:?}", told.elapsed());
    assert!(told.elapsed() < STOP_TIME_MAX, "{:?}\n{}", told.elapsed(), process.said());
    assert!(status.success(), "{status}\n{}", process.said());
    assert!(!process.said().contains("did not hand back"), "{}", process.said());
    drop(held);
    // The store is free, and the job goes on.
    let (process, client) = start(folder.path(), "second.log").await;
    let ended = client.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_a_server_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, client) = start(folder.path(), "only.log").await;
    let _held = obstinate(&client).await;
    process.terminate();
    process.wait_until_said("stopping").await;
    let told = Instant::now();
    process.terminate();
    let status = process.end().await;
    // Clients alone would hold it for five seconds.
    assert!(told.elapsed() < Duration::from_secs(3), "{:?}", told.elapsed());
    assert_eq!(status.code(), Some(143), "{status} {:?}", status.signal());
    assert!(process.said().contains("second signal"), "{}", process.said());
}

/// A log that nobody reads: its reader is gone, or has stopped to read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_goes_on_and_stops_while_nobody_reads_its_log() {
    for is_gone in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let (mut process, client, reader) = start_with_pipe(folder.path()).await;
        let reader = (!is_gone).then_some(reader);
        // More than a pipe holds.
        for _ in 0..500 {
            let health = timeout(STOP_TIME_MAX, client.get("/healthz")).await.expect("it answers");
            assert_eq!(health.status(), 200);
        }
        let told = Instant::now();
        process.terminate();
        let status = timeout(2 * STOP_TIME_MAX, process.end()).await.expect("it ends");
        assert!(status.success() && told.elapsed() < STOP_TIME_MAX, "{status}");
        drop(reader);
    }
}
