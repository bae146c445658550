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

/// After how long a life a worker that died is started again as soon as after
/// its first death; see [`retry::WORKER_START`].
const GOOD_LIFE: Duration = Duration::from_secs(30);
/// How long a worker that was told to stop may take to finish its segment.
const GRACE: Duration = Duration::from_secs(25);

/// How to start a worker, but for its name.
#[derive(Clone, Debug)]
pub struct WorkerProgram {
    /// The program.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Environment variables that it gets beside the server's own: what holds
    /// a password is not shown in a list of processes.
    pub environment: Vec<(String, String)>,
}

/// Workers as processes on this machine. A dead one is started again; all end
/// with the server, also when that is killed: each of them notices that its
/// standard input has ended.
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
        anyhow::ensure!(program.is_file(), "there is no worker program {}", program.display());
        self.workers.ensure(desired, |member| live(self.program.clone(), member));
        Ok(())
    }

    async fn stop(&self) {
        self.workers.stop().await;
    }
}

/// Keeps one worker running until it is told to go.
async fn live(program: WorkerProgram, member: Member) {
    let mut pauses = retry::WORKER_START.build();
    loop {
        let began = Instant::now();
        let how = run(&program, &member).await;
        if member.stop.is_cancelled() || member.drained.is_cancelled() {
            return;
        }
        let worker_id = &member.id;
        match how {
            Ok(how) => tracing::warn!(%worker_id, how, "worker died"),
            Err(error) => tracing::error!(%worker_id, error = format!("{error:#}"), "no worker"),
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

/// Starts a worker's process and waits for its end; says how it ended.
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
    // Waiting for a child closes its input, which would tell it to stop.
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

/// Lets a worker that was told to stop finish its segment, then makes an end of it.
async fn end(child: &mut Child) {
    if timeout(GRACE, child.wait()).await.is_err() {
        tracing::warn!("a worker did not stop in time");
        // It may have ended just now.
        let _ = child.kill().await;
    }
}
