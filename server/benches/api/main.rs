//! The JSON API and the pages: how many requests a second are answered on connections that
//! are kept, beside a route of axum with nothing behind it; whether thousands of streams get
//! the last state of every job, and what one takes in memory; what gigabytes take that come
//! and go; and what a manifest of a million names takes.
//!
//! `scripts/bench api` runs it. The server and the bare route are processes of their own,
//! started anew here; the clients are this process, on the same cores. The variables
//! `DISTRIBUTED_AVERAGE_BENCH_REQUESTS`, `…_CONNECTIONS`, `…_STREAMS`, `…_JOBS`, `…_BYTES`
//! and `…_NAMES` set other numbers; 0 leaves a part out.

mod bare;
mod manifest;
mod requests;
mod server;
mod streams;
mod transfers;

use self::requests::Rate;
use self::server::Server;

pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Requests to each path.
const REQUESTS: u64 = 60_000;
/// Connections that they are spread over: few enough that none waits for long on two cores.
const CONNECTIONS: u64 = 32;
const STREAMS: u64 = 3_000;
/// The most streams of one job.
const ONE_JOB_STREAMS: u64 = 500;
/// Jobs whose last states the streams must get.
const JOBS: u64 = 20;
/// The size of the object that is uploaded, downloaded, and averaged.
const BYTES: u64 = 2 << 30;
/// The names of a manifest.
const NAMES: u64 = 1_000_000;
/// How many requests are answered before any is measured, on each connection.
const WARM_UP: u64 = 50;

fn number(name: &str, default: u64) -> u64 {
    let set = std::env::var(format!("DISTRIBUTED_AVERAGE_BENCH_{name}"));
    set.ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() -> Outcome<()> {
    program::open_files::raise_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if std::env::args().any(|argument| argument == bare::ARGUMENT) {
        return runtime.block_on(bare::serve());
    }
    runtime.block_on(measure())
}

async fn measure() -> Outcome<()> {
    let (requests, streams) = (number("REQUESTS", REQUESTS), number("STREAMS", STREAMS));
    let folder = tempfile::tempdir()?;
    if requests > 0 {
        let connections = number("CONNECTIONS", CONNECTIONS).max(1);
        let server = Server::start(folder.path(), streams).await?;
        let job = server.job_done().await?;
        // What the bare route answers with is as long as what the server does.
        let snapshot = server.get(&format!("/api/jobs/{job}")).await?;
        let bare = bare::Bare::start(snapshot.len()).await?;
        println!("{connections} connections that are kept, one request after the other on each:");
        let of_bare = requests::measure(&bare.address, "/", connections, requests, WARM_UP).await?;
        println!("  a bare route of {} bytes: {of_bare}", snapshot.len());
        for (path, requests) in [
            (format!("/api/jobs/{job}"), requests),
            (format!("/jobs/{job}"), requests),
            // Each request asks for a page of its own, which takes a hundred times as long.
            (format!("/jobs/{job}?unique={}", requests::NUMBER), requests / 100),
        ] {
            let rate: Rate =
                requests::measure(&server.address, &path, connections, requests, WARM_UP).await?;
            let share = rate.per_sec / of_bare.per_sec;
            println!("  {}: {rate} ({share:.2} of bare)", path.replace(&job, "{id}"));
        }
    }
    if streams > 0 {
        let server = Server::start(&folder.path().join("streams"), streams).await?;
        streams::measure(&server, streams, number("JOBS", JOBS).max(1)).await?;
        streams::measure_processor(&server, streams.min(ONE_JOB_STREAMS)).await?;
    }
    let bytes = number("BYTES", BYTES);
    if bytes > 0 {
        let server = Server::start(&folder.path().join("transfers"), streams).await?;
        transfers::measure(&server, bytes).await?;
    }
    let names = number("NAMES", NAMES);
    if names > 0 {
        let store = folder.path().join("names");
        let server = Server::start(&store, streams).await?;
        manifest::measure(&server, &store, names).await?;
    }
    Ok(())
}
