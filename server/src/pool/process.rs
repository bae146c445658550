//! Workers as processes on this machine.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use async_trait::async_trait;
use backon::BackoffBuilder;
use platform::retry;
use protocol::WorkerId;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::WorkerPool;

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
    running: Arc<Mutex<BTreeMap<u32, Running>>>,
    tasks: TaskTracker,
}

/// A worker of the pool.
struct Running {
    id: WorkerId,
    stop: CancellationToken,
    is_draining: bool,
}

impl ProcessPool {
    /// A pool without workers.
    #[must_use]
    pub fn new(program: WorkerProgram) -> ProcessPool {
        ProcessPool { program, running: Arc::default(), tasks: TaskTracker::new() }
    }

    /// Keeps one worker running until it is told to go.
    fn keep(&self, number: u32) -> Running {
        let id = WorkerId::from(format!("worker-{}-{number}", std::process::id()));
        let stop = CancellationToken::new();
        let (program, running) = (self.program.clone(), self.running.clone());
        let (name, token) = (id.clone(), stop.clone());
        self.tasks.spawn(async move {
            let mut pauses = retry::WORKER_START.build();
            loop {
                let began = Instant::now();
                let how = live(&program, &name, &token).await;
                let drained = lock(&running).get(&number).is_none_or(|it| it.is_draining);
                if token.is_cancelled() || drained {
                    break;
                }
                match how {
                    Ok(how) => tracing::warn!(worker_id = %name, how, "worker died"),
                    Err(error) => {
                        tracing::error!(worker_id = %name, error = format!("{error:#}"), "no worker");
                    }
                }
                if began.elapsed() > GOOD_LIFE {
                    pauses = retry::WORKER_START.build();
                }
                // There is always a next pause: the policy has no end.
                tokio::select! {
                    () = sleep(pauses.next().unwrap_or_default()) => {}
                    () = token.cancelled() => break,
                }
            }
            lock(&running).remove(&number);
        });
        Running { id, stop, is_draining: false }
    }
}

#[async_trait]
impl WorkerPool for ProcessPool {
    fn kind(&self) -> &'static str {
        "process"
    }

    async fn drained(&self, worker: &WorkerId) -> anyhow::Result<()> {
        for running in lock(&self.running).values_mut().filter(|running| running.id == *worker) {
            running.is_draining = true;
        }
        Ok(())
    }

    async fn ensure(&self, desired: u32) -> anyhow::Result<()> {
        let program = &self.program.path;
        anyhow::ensure!(program.is_file(), "there is no worker program {}", program.display());
        let mut running = lock(&self.running);
        let kept = running.values().filter(|worker| !worker.is_draining).count();
        let missing = (desired as usize).saturating_sub(kept);
        let free: Vec<u32> =
            (1..).filter(|number| !running.contains_key(number)).take(missing).collect();
        for number in free {
            running.insert(number, self.keep(number));
        }
        Ok(())
    }

    async fn stop(&self) {
        for running in lock(&self.running).values() {
            running.stop.cancel();
        }
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Starts a worker and waits for its end; says how it ended.
async fn live(
    program: &WorkerProgram,
    name: &WorkerId,
    stop: &CancellationToken,
) -> anyhow::Result<String> {
    let mut child = Command::new(&program.path)
        .args(&program.arguments)
        .arg("--name")
        .arg(name.as_str())
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
        () = stop.cancelled() => {
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The map stays whole even if somebody panicked while holding it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
