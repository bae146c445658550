//! The real server, and what it takes and gives while workers that do nothing are at it.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use protocol::AttemptId;
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::{Process, RabbitMq};

use super::Outcome;
use super::ends::{Ends, Held, Meeting, at_once, paced};

/// An input, with as many numbers as the workers say.
const INPUT: &[u8] = b"1,2,3,4\n";
/// The shortest time between two looks at a job: each costs the server a response.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// How long the workers may take to be counted, and a job to get on.
const PATIENCE: Duration = Duration::from_secs(120);
/// Clock ticks a second in `/proc`.
const TICKS_PER_SEC: f64 = 100.0;

/// A server with a folder as store, and its inputs in there.
pub(crate) struct Server {
    process: Process,
    url: String,
    queue_url: String,
    prefix: String,
    http: reqwest::Client,
    store: TempDir,
    _logs: TempDir,
}

/// What was measured of a job whose attempts complete at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Throughput {
    pub(crate) tasks_per_sec: f64,
    /// How many processors the server kept busy.
    pub(crate) server_cores: f64,
    /// The peak of its resident memory.
    pub(crate) server_bytes: u64,
}

/// What was measured at a constant rate.
#[derive(Clone, Debug)]
pub(crate) struct Latency {
    /// From an attempt's publishing to its counted completion, without the time for which its
    /// worker had it on purpose, in milliseconds, sorted.
    pub(crate) took_ms: Vec<f64>,
    /// The same of the attempts that were begun as the first tenth, while the workers'
    /// first assignments were published all at once.
    pub(crate) first_ms: Vec<f64>,
    pub(crate) server_cores: f64,
}

impl Server {
    /// Starts a server for up to `workers` workers, and writes `files` inputs.
    ///
    /// # Errors
    ///
    /// If the inputs cannot be written.
    pub(crate) async fn start(
        broker: &RabbitMq,
        prefix: &str,
        workers: usize,
        files: u64,
    ) -> Outcome<Server> {
        let (store, logs) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let inputs = store.path().join("tiny");
        std::fs::create_dir(&inputs)?;
        for file in 0..files {
            std::fs::write(inputs.join(format!("{file:07}.csv")), INPUT)?;
        }
        let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_distributed-average")));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--pool", "external"])
            .args(["--workers", &workers.to_string(), "--max-workers", &workers.to_string()])
            .env("DISTRIBUTED_AVERAGE_QUEUE", broker.url())
            .env("DISTRIBUTED_AVERAGE_QUEUE_PREFIX", prefix)
            .env("DISTRIBUTED_AVERAGE_STORE", store.path());
        let log = logs.path().join("server.log");
        let mut process = Process::start("the server", &mut command, &log);
        let url = process.announced("listening on ").await;
        Ok(Server {
            process,
            url,
            queue_url: broker.url(),
            prefix: prefix.to_owned(),
            http: reqwest::Client::new(),
            store,
            _logs: logs,
        })
    }

    fn meeting(&self) -> Meeting<'_> {
        Meeting { queue_url: &self.queue_url, prefix: &self.prefix, store: self.store.path() }
    }

    /// Runs a job until `tasks` of its tasks are complete, as fast as it goes, and cancels
    /// it. What is measured is its middle: from a tenth of the tasks to nine tenths.
    ///
    /// # Errors
    ///
    /// If a part does not answer, or the job ends.
    pub(crate) async fn throughput(&self, workers: usize, tasks: u64) -> Outcome<Throughput> {
        let ends = Ends::connect(self.meeting(), workers, &at_once(tasks)).await?;
        self.until_ready(workers).await?;
        let job = self.submit(workers).await?;
        let begin = self.until_completed(&job, tasks / 10).await?;
        let end = self.until_completed(&job, tasks * 9 / 10).await?;
        self.until_completed(&job, tasks).await?;
        self.cancel(&job).await?;
        ends.leave().await;
        let secs = end.at.duration_since(begin.at).as_secs_f64();
        Ok(Throughput {
            tasks_per_sec: (end.completed - begin.completed) as f64 / secs,
            server_cores: (end.cpu_secs - begin.cpu_secs) / secs,
            server_bytes: self.peak_bytes()?,
        })
    }

    /// Runs a job whose attempts complete at a constant rate until `tasks` of its tasks are
    /// complete, and cancels it.
    ///
    /// # Errors
    ///
    /// If a part does not answer, or the job ends.
    pub(crate) async fn latency(
        &self,
        workers: usize,
        per_sec: f64,
        tasks: u64,
    ) -> Outcome<Latency> {
        let paced = paced(per_sec, tasks);
        let ends = Ends::connect(self.meeting(), workers, &paced.substitute).await?;
        self.until_ready(workers).await?;
        let job = self.submit(workers).await?;
        let begin = self.until_completed(&job, tasks / 10).await?;
        let end = self.until_completed(&job, tasks).await?;
        let mut held = paced.held.lock().map(|held| held.clone()).unwrap_or_default();
        // The queue may still have had some of a job before it.
        held.retain(|it| job.ends_with(&it.attempt.job.to_string()));
        let (first, rest) = held.split_at(held.len() / 10);
        let mut first_ms = self.took_ms(&job, first).await?;
        let mut took_ms = self.took_ms(&job, rest).await?;
        first_ms.sort_by(f64::total_cmp);
        took_ms.sort_by(f64::total_cmp);
        self.cancel(&job).await?;
        ends.leave().await;
        let secs = end.at.duration_since(begin.at).as_secs_f64();
        Ok(Latency { took_ms, first_ms, server_cores: (end.cpu_secs - begin.cpu_secs) / secs })
    }

    async fn get(&self, path: &str) -> Outcome<Value> {
        let response = self.http.get(format!("{}{path}", self.url)).send().await?;
        Ok(response.error_for_status()?.json().await?)
    }

    async fn until_ready(&self, workers: usize) -> Outcome<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.get("/api/workers").await?["ready"].as_u64() != Some(workers as u64) {
            if Instant::now() > deadline {
                return Err("the workers were not counted".into());
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        Ok(())
    }

    async fn submit(&self, workers: usize) -> Outcome<String> {
        let request = json!({
            "inputs": {"prefix": "tiny/"},
            "workers": workers,
            "fan_in": 2,
            "speculation": {"enabled": false},
        });
        let post = self.http.post(format!("{}/api/jobs", self.url)).json(&request);
        let job: Value = post.send().await?.error_for_status()?.json().await?;
        Ok(format!("/api/jobs/{}", job["id"].as_str().ok_or("no id")?))
    }

    async fn cancel(&self, job: &str) -> Outcome<()> {
        self.http.delete(format!("{}{job}", self.url)).send().await?.error_for_status()?;
        while self.get(job).await?["phase"] != "cancelled" {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        Ok(())
    }

    /// Waits until so many tasks of a job are complete.
    async fn until_completed(&self, job: &str, tasks: u64) -> Outcome<Look> {
        let mut moved = (0, Instant::now());
        loop {
            let said = self.get(job).await?;
            let at = Instant::now();
            let completed = said["attempts"]["completed"].as_u64().unwrap_or(0);
            if completed >= tasks {
                return Ok(Look { at, completed, cpu_secs: self.cpu_secs()? });
            }
            if completed > moved.0 {
                moved = (completed, at);
            }
            let is_over = matches!(said["phase"].as_str(), Some("done" | "failed" | "cancelled"));
            if is_over || at.duration_since(moved.1) > PATIENCE {
                return Err(format!("the job does not get on: {said}").into());
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// How long each attempt took that workers had, without the time for which it was held.
    async fn took_ms(&self, job: &str, held: &[Held]) -> Outcome<Vec<f64>> {
        let held: HashMap<AttemptId, &Held> = held.iter().map(|it| (it.attempt, it)).collect();
        let snapshot = self.get(job).await?;
        let levels = snapshot["plan"]["levels"].as_array().map_or(0, Vec::len);
        let id: protocol::JobId = snapshot["id"].as_str().ok_or("no id")?.parse()?;
        let mut took = Vec::new();
        for level in 0..levels {
            let mut cursor = Some(0);
            while let Some(from) = cursor {
                let path = format!("{job}/tasks?level={level}&cursor={from}&limit=1000");
                let page = self.get(&path).await?;
                for task in page["tasks"].as_array().into_iter().flatten() {
                    let Some(attempt) = task["attempts"].get(0) else { continue };
                    let times = attempt["published_at"].as_f64().zip(attempt["ended_at"].as_f64());
                    let key = AttemptId {
                        job: id,
                        task: task["id"].as_str().ok_or("no id")?.parse()?,
                        number: 1,
                    };
                    if attempt["state"] == "completed"
                        && let Some((published, ended)) = times
                        && let Some(held) = held.get(&key)
                    {
                        took.push((held.begun_at - published) + (ended - held.due_at));
                    }
                }
                cursor = page["cursor"].as_u64();
            }
        }
        Ok(took)
    }

    /// How much time of a processor the server has taken.
    fn cpu_secs(&self) -> Outcome<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // The name of the program, in brackets, may contain anything.
        let after = stat.rsplit_once(')').ok_or("no name in stat")?.1;
        let ticks: Vec<f64> =
            after.split_whitespace().skip(11).take(2).filter_map(|it| it.parse().ok()).collect();
        Ok(ticks.iter().sum::<f64>() / TICKS_PER_SEC)
    }

    /// The peak of its resident memory.
    fn peak_bytes(&self) -> Outcome<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        Ok(kib.ok_or("no VmHWM")? * 1024)
    }
}

/// A moment of a job.
struct Look {
    at: Instant,
    completed: u64,
    cpu_secs: f64,
}
