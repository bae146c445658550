//! Whole jobs over RabbitMQ and S3 with two worker processes, beside what the
//! same store gives to bare ranged reads by the same client; and what a task
//! costs that has next to nothing to do, with files of this machine (then it is
//! the queue, the scheduler and the programs alone) and with S3.
//!
//! `cargo bench --package server --bench real_engine` builds the worker program,
//! and starts a broker and an S3 server of its own (`scripts/setup-real-parts`
//! installs them). `DISTRIBUTED_AVERAGE_BENCH_FILES` sets how many files of 64 MB
//! there are; 64 unless it says otherwise.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use platform::ObjectStore;
use platform::store::s3::{S3Access, S3Store};
use serde_json::{Value, json};
use testbed::{Process, RabbitMq, SeaweedFs};

const NUMBERS: usize = 8_000_000;
const RANGE_BYTES: usize = 8 << 20;
/// As many ranges at once as two workers have objects open.
const READS_AT_ONCE: usize = 10;
const ROUNDS: usize = 5;
/// Objects of four numbers, for tasks that are nothing but overhead.
const TINY_FILES: usize = 4_000;
const TINY: &[u8] = b"1,2,3,4\n";

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let files = std::env::var("DISTRIBUTED_AVERAGE_BENCH_FILES");
    let files: usize = files.ok().and_then(|text| text.parse().ok()).unwrap_or(64);
    build_worker()?;
    let (broker, s3) = (RabbitMq::start().await, SeaweedFs::start().await);
    throughput(&broker, &s3, files).await?;
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join("tiny"))?;
    for file in 0..TINY_FILES {
        std::fs::write(folder.path().join(format!("tiny/{file:06}.csv")), TINY)?;
    }
    let location = folder.path().to_str().ok_or("a folder without a name")?;
    let local = Installation::start("overhead", &broker, location, []).await?;
    overhead("files of this machine", &local, Some(500)).await?;
    drop(local);
    let location = format!("s3://{}/overhead", s3.bucket());
    let remote = Installation::start("overhead-s3", &broker, &location, s3.environment()).await?;
    let store = bare_store(&s3, &location).await?;
    stream::iter(0..TINY_FILES)
        .map(Ok)
        .try_for_each_concurrent(READS_AT_ONCE, |file| {
            let (store, key) = (&store, format!("tiny/{file:06}.csv"));
            async move { store.put(&key, Bytes::from_static(TINY)).await }
        })
        .await?;
    overhead("S3", &remote, None).await
}

/// The server program, which Cargo builds for a benchmark of its package.
fn server_program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_distributed-average"))
}

/// The worker program beside it, of another package, which Cargo does not build.
fn worker_program() -> PathBuf {
    server_program().with_file_name("distributed-average-worker")
}

/// Builds the worker program, as the server was built.
fn build_worker() -> Outcome<()> {
    let folder = server_program().parent().ok_or("a program in no folder")?;
    let target = folder.parent().ok_or("a program outside a target folder")?;
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") => "dev",
        Some(name) => name,
        None => return Err("a target folder without a name".into()),
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--package", "worker", "--bins", "--profile", profile, "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    if !built.success() {
        return Err(format!("the worker program was not built: {built}").into());
    }
    Ok(())
}

/// Bytes a second of whole jobs, beside bare reads.
async fn throughput(broker: &RabbitMq, s3: &SeaweedFs, files: usize) -> Outcome<()> {
    let location = format!("s3://{}/throughput", s3.bucket());
    let engine = Installation::start("throughput", broker, &location, s3.environment()).await?;
    let store = bare_store(s3, &location).await?;
    println!("uploading {files} files of {} MB", NUMBERS * 8 / 1_000_000);
    let big = Bytes::from(npy(&(0..NUMBERS).map(|n| (n as f64).sin()).collect::<Vec<f64>>()));
    stream::iter(0..files)
        .map(Ok)
        .try_for_each_concurrent(4, |file| {
            let (store, big) = (&store, big.clone());
            async move { store.put(&big_key(file), big).await }
        })
        .await?;
    let bytes = (files * big.len()) as f64;
    let (mut bare, mut jobs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(bytes / read_all(&store, files, big.len()).await?.as_secs_f64());
        let (took, job) = engine.job("big/", "auto").await?;
        jobs.push(bytes / took.as_secs_f64());
        println!("a job took {}", phases(&job));
    }
    let (bare, jobs) = (median(&mut bare), median(&mut jobs));
    println!("bare ranged reads, {READS_AT_ONCE} at once:   {:7.0} MB/s", bare / 1e6);
    println!("whole job, W = 2, P = auto:      {:7.0} MB/s", jobs / 1e6);
    println!("part of the bare reads:          {:7.2}   (wanted: 0.70)", jobs / bare);
    Ok(())
}

/// Tasks a second, and how long each took, when there is next to nothing to do.
async fn overhead(of: &str, engine: &Installation, wanted: Option<u32>) -> Outcome<()> {
    let (took, job) = engine.job("tiny/", 2).await?;
    let tasks = job["attempts"]["completed"].as_u64().unwrap_or(0);
    let rate = tasks as f64 / took.as_secs_f64();
    let mut overheads = engine.overheads(&job).await?;
    overheads.sort_by(f64::total_cmp);
    let wanted = wanted.map(|rate| format!("   (wanted: {rate})")).unwrap_or_default();
    println!("{tasks} tasks of two numbers each, W = 2, {of}:");
    println!("  {rate:.0} tasks a second{wanted}");
    println!(
        "  from a task's publishing to its completion: p50 {:.1} ms, p99 {:.1} ms",
        overheads[overheads.len() / 2],
        overheads[overheads.len() * 99 / 100]
    );
    Ok(())
}

async fn bare_store(s3: &SeaweedFs, location: &str) -> Outcome<S3Store> {
    let (access_key, secret_key) = s3.credentials();
    let access = S3Access {
        endpoint: Some(s3.endpoint()),
        credentials: Some((access_key.to_owned(), secret_key.to_owned())),
        ..S3Access::default()
    };
    Ok(S3Store::open_as(&location.parse()?, access).await)
}

fn big_key(file: usize) -> String {
    format!("big/{file:04}.npy")
}

/// Reads every byte and does nothing with it.
async fn read_all(store: &S3Store, files: usize, length: usize) -> Outcome<Duration> {
    let ranges = (0..files)
        .flat_map(|file| (0..length).step_by(RANGE_BYTES).map(move |offset| (file, offset)));
    let began = Instant::now();
    stream::iter(ranges)
        .map(Ok)
        .try_for_each_concurrent(READS_AT_ONCE, |(file, offset)| async move {
            let wanted = RANGE_BYTES.min(length - offset);
            let bytes = store.read(&big_key(file), offset as u64, wanted, Vec::new()).await?;
            assert_eq!(bytes.len(), wanted);
            Ok::<_, platform::StoreError>(())
        })
        .await?;
    Ok(began.elapsed())
}

/// A server and two workers.
struct Installation {
    url: String,
    http: reqwest::Client,
    _programs: Vec<Process>,
    _logs: tempfile::TempDir,
}

impl Installation {
    async fn start(
        name: &str,
        broker: &RabbitMq,
        location: &str,
        environment: impl IntoIterator<Item = (&'static str, String)> + Clone,
    ) -> Outcome<Installation> {
        let logs = tempfile::tempdir()?;
        let command = |program: &Path| {
            let mut command = Command::new(program);
            command
                .env("DISTRIBUTED_AVERAGE_QUEUE", broker.url())
                .env("DISTRIBUTED_AVERAGE_QUEUE_PREFIX", name)
                .env("DISTRIBUTED_AVERAGE_STORE", location)
                .envs(environment.clone());
            command
        };
        let log = logs.path().join("server.log");
        let mut serve = command(server_program());
        serve.args(["serve", "--listen", "127.0.0.1:0", "--pool", "external", "--workers", "2"]);
        let mut server = Process::start("the server", &mut serve, &log);
        let url = server.announced("listening on ").await;
        let mut programs = vec![server];
        for name in ["a", "b"] {
            let mut worker = command(&worker_program());
            worker.args(["--name", name]);
            let log = logs.path().join(format!("{name}.log"));
            programs.push(Process::start(name, &mut worker, &log));
        }
        let http = reqwest::Client::new();
        let installation = Installation { url, http, _programs: programs, _logs: logs };
        while installation.get("/api/workers").await?["ready"] != 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(installation)
    }

    async fn get(&self, path: &str) -> Outcome<Value> {
        Ok(self.http.get(format!("{}{path}", self.url)).send().await?.json().await?)
    }

    /// Runs a job to its end: how long, and how it ended.
    async fn job(&self, prefix: &str, fan_in: impl Into<Value>) -> Outcome<(Duration, Value)> {
        let request = json!({"inputs": {"prefix": prefix}, "workers": 2, "fan_in": fan_in.into()});
        let began = Instant::now();
        let post = self.http.post(format!("{}/api/jobs", self.url)).json(&request);
        let job: Value = post.send().await?.json().await?;
        let path = format!("/api/jobs/{}", job["id"].as_str().ok_or("no id")?);
        loop {
            let job = self.get(&path).await?;
            match job["phase"].as_str() {
                Some("done") => return Ok((began.elapsed(), job)),
                Some("failed" | "cancelled") => return Err(job["error"].to_string().into()),
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// How long each of a job's tasks took from being published, in milliseconds.
    async fn overheads(&self, job: &Value) -> Outcome<Vec<f64>> {
        let path = format!("/api/jobs/{}/tasks", job["id"].as_str().ok_or("no id")?);
        let levels = job["plan"]["levels"].as_array().map_or(0, Vec::len);
        let mut overheads = Vec::new();
        for level in 0..levels {
            let mut cursor = Some(0);
            while let Some(from) = cursor {
                let page =
                    self.get(&format!("{path}?level={level}&cursor={from}&limit=1000")).await?;
                for task in page["tasks"].as_array().into_iter().flatten() {
                    let attempt = &task["attempts"][0];
                    let at = |name: &str| attempt[name].as_f64();
                    overheads.extend(at("ended_at").zip(at("published_at")).map(|(e, p)| e - p));
                }
                cursor = page["cursor"].as_u64();
            }
        }
        Ok(overheads)
    }
}

/// How long a job was in each of its phases.
fn phases(job: &Value) -> String {
    let at = |name: &str| job["timings"][name].as_f64().unwrap_or(f64::NAN);
    [
        ("listing", "submitted_at", "planning_at"),
        ("planning", "planning_at", "running_at"),
        ("running", "running_at", "finishing_at"),
        ("finishing", "finishing_at", "ended_at"),
    ]
    .map(|(phase, from, to)| format!("{phase} {:.0} ms", at(to) - at(from)))
    .join(", ")
}

fn npy(numbers: &[f64]) -> Vec<u8> {
    let header = format!(
        "{{'descr': '<f8', 'fortran_order': False, 'shape': ({:<10},), }}\n",
        numbers.len()
    );
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    bytes
}

fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
