//! A broker, an S3 server, and the programs that use them.

use std::ops::Deref;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::{Process, RabbitMq, SeaweedFs};
use tokio::sync::OnceCell;
use tokio::time::sleep;

use crate::client::{Client, Events, PATIENCE};
use crate::exact;
use crate::running::Running;

/// The servers that tests share.
static SHARED: OnceCell<(RabbitMq, SeaweedFs)> = OnceCell::const_new();
/// Each installation has a name of its own, so that they can share servers.
static INSTALLATIONS: AtomicU32 = AtomicU32::new(1);

/// An installation: the configuration of its programs, and their logs.
pub(crate) struct Installation {
    queue: String,
    name: String,
    environment: Vec<(&'static str, String)>,
    logs: TempDir,
}

impl Installation {
    /// An installation on shared servers.
    pub(crate) async fn shared() -> Installation {
        let start = async || (RabbitMq::start().await, SeaweedFs::start().await);
        let (broker, store) = SHARED.get_or_init(start).await;
        Installation::on(broker, store)
    }

    /// An installation on servers of its own.
    pub(crate) fn on(broker: &RabbitMq, store: &SeaweedFs) -> Installation {
        Installation {
            queue: broker.url(),
            name: format!("installation-{}", INSTALLATIONS.fetch_add(1, Ordering::SeqCst)),
            environment: store.environment().into(),
            logs: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    /// The same installation with another URL of S3.
    pub(crate) fn with_s3_at(mut self, endpoint: String) -> Installation {
        self.environment.retain(|(key, _)| *key != "AWS_ENDPOINT_URL");
        self.environment.push(("AWS_ENDPOINT_URL", endpoint));
        self
    }

    /// The same installation with another URL of the queue.
    pub(crate) fn with_queue_at(mut self, url: String) -> Installation {
        self.queue = url;
        self
    }

    /// The same installation with a further environment variable of its programs.
    pub(crate) fn with_variable(mut self, name: &'static str, value: String) -> Installation {
        self.environment.push((name, value));
        self
    }

    /// An environment variable of its programs.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// The URL of the queue, with its password.
    pub(crate) fn queue(&self) -> &str {
        &self.queue
    }

    /// The prefix of the names of its queues.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Starts a server and waits until it listens.
    pub(crate) async fn server(&self, further: &[&str]) -> Server {
        let mut process = self.start_server(further);
        let url = process.announced("listening on ").await;
        Server { client: Client::new(url), process }
    }

    /// Starts a server as on a machine of its own: it does not share the folder of temporary
    /// files with others, which tells whether they live.
    pub(crate) async fn server_elsewhere(&self, further: &[&str]) -> Server {
        let number = INSTALLATIONS.fetch_add(1, Ordering::SeqCst);
        let folder = self.logs.path().join(format!("machine-{number}"));
        std::fs::create_dir(&folder).expect("a folder");
        let mut command = self.command("distributed-average");
        command.env("TMPDIR", &folder);
        let mut process = self.launch(command, further);
        let url = process.announced("listening on ").await;
        Server { client: Client::new(url), process }
    }

    /// Starts a server that may fail to listen.
    pub(crate) fn start_server(&self, further: &[&str]) -> Process {
        self.launch(self.command("distributed-average"), further)
    }

    fn launch(&self, mut command: Command, further: &[&str]) -> Process {
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(further);
        let number = INSTALLATIONS.fetch_add(1, Ordering::SeqCst);
        let log = self.logs.path().join(format!("server-{number}.log"));
        Process::start("the server", &mut command, &log)
    }

    /// Starts a worker.
    pub(crate) fn worker(&self, name: &str, further: &[&str]) -> Process {
        self.worker_with(name, further, &[])
    }

    /// Starts a worker with further environment variables.
    pub(crate) fn worker_with(
        &self,
        name: &str,
        further: &[&str],
        environment: &[(&str, &str)],
    ) -> Process {
        let mut command = self.command("distributed-average-worker");
        command.args(["--name", name]).args(further).envs(environment.iter().copied());
        Process::start(name, &mut command, &self.logs.path().join(format!("{name}.log")))
    }

    fn command(&self, program: &str) -> Command {
        let own = PathBuf::from(env!("CARGO_BIN_EXE_distributed-average"));
        let path = own.with_file_name(program);
        assert!(path.exists(), "{} is built by `cargo build --bins`", path.display());
        let mut command = Command::new(path);
        command
            .env("DISTRIBUTED_AVERAGE_QUEUE", &self.queue)
            .env("DISTRIBUTED_AVERAGE_QUEUE_PREFIX", &self.name)
            .env("DISTRIBUTED_AVERAGE_STORE", format!("s3://testbed/{}", self.name))
            .envs(self.environment.iter().map(|(key, value)| (key, value)));
        command
    }
}

/// A count in a job's snapshot.
pub(crate) fn count(snapshot: &Value, group: &str, name: &str) -> u64 {
    snapshot[group][name].as_u64().unwrap_or(0)
}

/// A server process, killed with SIGKILL when dropped.
pub(crate) struct Server {
    client: Client,
    process: Process,
}

impl Server {
    /// Stops the server gracefully.
    pub(crate) async fn stop(self) {
        self.process.stop().await;
    }

    /// The process of the server, without its workers.
    pub(crate) fn into_process(self) -> Process {
        self.process
    }

    /// Waits until this number of workers is ready.
    pub(crate) async fn ready(&self, workers: u64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let pool = self.get_json("/api/workers").await;
            if pool["ready"].as_u64() >= Some(workers) {
                return;
            }
            assert!(Instant::now() < deadline, "{workers} workers do not get ready: {pool}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Follows a job until a condition holds.
    pub(crate) async fn until(&self, job: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut events = Events::open(self, &format!("/api/jobs/{job}/events"), None).await;
        loop {
            let snapshot = events.next().await.data;
            if is_so(&snapshot) {
                return snapshot;
            }
            let over = ["done", "failed", "cancelled"]
                .contains(&snapshot["phase"].as_str().expect("a phase"));
            assert!(!over, "the job ended too soon: {snapshot}");
        }
    }

    /// The bits of the mean of a job that is done.
    pub(crate) async fn bits(&self, job: &str) -> Vec<u64> {
        exact::bits(&self.result(job).await)
    }

    /// Kills the server process alone.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// The id of the server process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its child processes that are running.
    pub(crate) fn children(&self) -> Vec<u32> {
        children(self.process.id())
    }
}

/// The child processes of a process that are running.
fn children(id: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{id}/task"));
    let lists = tasks
        .into_iter()
        .flatten()
        .flatten()
        .map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default());
    let numbers = |list: String| {
        let words = list.split_whitespace();
        words.map(|id| id.parse().expect("a process's number")).collect::<Vec<u32>>()
    };
    lists.flat_map(numbers).collect()
}

/// The bits of the mean of the same inputs, computed by a server with only
/// embedded parts.
pub(crate) async fn embedded_bits(inputs: &Value) -> Vec<u64> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let running = Running::start(folder.path()).await;
    let mean = running.mean(&json!({"inputs": inputs})).await;
    running.stop().await;
    exact::bits(&mean)
}

impl Deref for Server {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}
