//! The server that is measured, a process of its own.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use reqwest::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::Outcome;

/// The unit of the processor times that Linux tells, on every machine type.
const TICKS_PER_SEC: f64 = 100.0;

/// The process; killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// Its address, without the scheme.
    pub(crate) address: String,
    pub(crate) http: Client,
}

impl Server {
    /// Starts it on a store, for so many streams.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub(crate) async fn start(store: &Path, streams: u64) -> Outcome<Server> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_distributed-average"))
            .args(["serve", "--listen", "127.0.0.1:0", "--workers", "2", "--store"])
            .arg(store)
            .args(["--max-event-streams", &(streams + 10).to_string()])
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let mut lines = BufReader::new(tokio::process::ChildStdout::from_std(output)?).lines();
        let line = lines.next_line().await?.ok_or("the server has ended")?;
        let address = line.strip_prefix("listening on http://").ok_or("no address")?.to_owned();
        Ok(Server { child, address, http: Client::new() })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The body of an answer.
    ///
    /// # Errors
    ///
    /// If the status is not one of success.
    pub(crate) async fn get(&self, path: &str) -> Outcome<bytes::Bytes> {
        let answer = self.http.get(self.url(path)).send().await?.error_for_status()?;
        Ok(answer.bytes().await?)
    }

    /// Submits a job; returns its id.
    ///
    /// # Errors
    ///
    /// If it is refused.
    pub(crate) async fn submit(&self, request: &Value) -> Outcome<String> {
        let answer = self.http.post(self.url("/api/jobs")).json(request).send().await?;
        let job: Value = answer.error_for_status()?.json().await?;
        Ok(job["id"].as_str().ok_or("no id")?.to_owned())
    }

    /// Waits for the end of a job.
    ///
    /// # Errors
    ///
    /// If it is not done.
    pub(crate) async fn done(&self, job: &str) -> Outcome<()> {
        loop {
            let job: Value =
                serde_json::from_slice(&self.get(&format!("/api/jobs/{job}?wait=30s")).await?)?;
            match job["phase"].as_str() {
                Some("done") => return Ok(()),
                Some("failed" | "cancelled") => return Err(job["error"].to_string().into()),
                _ => {}
            }
        }
    }

    /// A job as people have them: a hundred tasks and a result with a plot.
    ///
    /// # Errors
    ///
    /// If it fails.
    pub(crate) async fn job_done(&self) -> Outcome<String> {
        let inputs = json!({"generate": {"files": 200, "count": 1_000, "format": "npy"}});
        let job = self.submit(&json!({"inputs": inputs, "fan_in": 3})).await?;
        self.done(&job).await?;
        Ok(job)
    }

    /// The resident memory in bytes.
    ///
    /// # Errors
    ///
    /// If the process has ended.
    pub(crate) fn resident_bytes(&self) -> Outcome<u64> {
        self.memory("VmRSS:")
    }

    /// The peak of the resident memory since the last call of [`Server::forget_peak`].
    ///
    /// # Errors
    ///
    /// If the process has ended.
    pub(crate) fn peak_bytes(&self) -> Outcome<u64> {
        self.memory("VmHWM:")
    }

    /// Has the peak begin anew.
    ///
    /// # Errors
    ///
    /// If the process has ended.
    pub(crate) fn forget_peak(&self) -> Outcome<()> {
        Ok(std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5")?)
    }

    /// The processor time so far, in seconds.
    ///
    /// # Errors
    ///
    /// If the process has ended.
    pub(crate) fn processor_secs(&self) -> Outcome<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // After the name, which may hold anything: user and system time are 12th and 13th.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11);
        let ticks: Vec<u64> = fields.take(2).map(str::parse).collect::<Result<_, _>>()?;
        Ok(ticks.iter().sum::<u64>() as f64 / TICKS_PER_SEC)
    }

    fn memory(&self, name: &str) -> Outcome<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().next()).ok_or("no such line")?;
        Ok(kib.parse::<u64>()? * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error says that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
