//! Workers as processes on this machine.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context;
use async_trait::async_trait;
use backon::BackoffBuilder;
use platform::{Description, retry};
use protocol::WorkerId;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::WorkerPool;
use super::local::{LocalWorkers, Member};

/// A worker that ran for longer than this before it died is restarted after the
/// shortest pause of [`retry::WORKER_START`] again.
const GOOD_LIFE: Duration = Duration::from_secs(30);
/// How long a worker may take to finish its segment once it is told to stop.
const GRACE_PERIOD: Duration = Duration::from_secs(25);

/// The worker program, with all its arguments but the name.
#[derive(Clone, Debug)]
pub struct WorkerProgram {
    /// The path of the executable.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Environment variables in addition to the server's own. They carry what may
    /// hold a password, because arguments are visible to other users.
    pub environment: Vec<(String, String)>,
}

/// Workers as processes on this machine. A process that dies is restarted. All of
/// them end with the server, also when it is killed: their standard input ends.
pub struct ProcessPool {
    program: WorkerProgram,
    workers: LocalWorkers,
}

impl ProcessPool {
    /// A pool without workers.
    #[must_use]
    pub fn new(program: WorkerProgram) -> ProcessPool {
        let workers = LocalWorkers::new(format!("worker-{}-", std::process::id()));
        ProcessPool { program, workers }
    }
}

#[async_trait]
impl WorkerPool for ProcessPool {
    fn description(&self) -> Description {
        Description::inside("process")
    }

    async fn drained(&self, worker: &WorkerId) -> anyhow::Result<()> {
        self.workers.drained(worker);
        Ok(())
    }

    async fn ensure(&self, desired: u32) -> anyhow::Result<()> {
        let program = &self.program.path;
        anyhow::ensure!(
            program.is_file(),
            "the worker program {} is missing: install it beside the server",
            program.file_name().unwrap_or_default().display()
        );
        self.workers.ensure(desired, |member| supervise(self.program.clone(), member));
        Ok(())
    }

    async fn stop(&self) {
        self.workers.stop().await;
    }
}

/// Restarts one worker until it is drained or the pool stops.
async fn supervise(program: WorkerProgram, member: Member) {
    let mut pauses = retry::WORKER_START.build();
    loop {
        let began = Instant::now();
        let ended = run(&program, &member).await;
        if member.stop.is_cancelled() || member.drained.is_cancelled() {
            return;
        }
        let worker_id = &member.id;
        match ended {
            Ok(status) => tracing::warn!(%worker_id, status, "worker died"),
            Err(error) => {
                tracing::error!(%worker_id, error = format!("{error:#}"), "worker not started");
            }
        }
        if began.elapsed() > GOOD_LIFE {
            pauses = retry::WORKER_START.build();
        }
        // There is always a next pause: the policy has no end.
        tokio::select! {
            () = sleep(pauses.next().unwrap_or_default()) => {}
            () = member.stop.cancelled() => return,
        }
    }
}

/// Starts a worker process and waits for its end; returns its exit status as text.
async fn run(program: &WorkerProgram, member: &Member) -> anyhow::Result<String> {
    let mut child = Command::new(&program.path)
        .args(&program.arguments)
        .arg("--name")
        .arg(member.id.as_str())
        .arg("--until-input-ends")
        .envs(program.environment.iter().map(|(key, value)| (key, value)))
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("starting {}", program.path.display()))?;
    // Waiting for a child closes its standard input, which would stop the worker.
    let input = child.stdin.take();
    tokio::select! {
        status = child.wait() => Ok(status.context("waiting for the worker")?.to_string()),
        () = member.stop.cancelled() => {
            drop(input);
            end(&mut child).await;
            Ok("told to stop".to_owned())
        }
    }
}

/// Waits until a stopping worker has finished its segment; kills it after
/// [`GRACE_PERIOD`].
async fn end(child: &mut Child) {
    if timeout(GRACE_PERIOD, child.wait()).await.is_err() {
        tracing::warn!(grace_secs = GRACE_PERIOD.as_secs(), "worker did not stop: killed");
        // An error says that it has just ended.
        let _ = child.kill().await;
    }
}
