//! The installation: a broker, an S3 server, two servers of which one leads, and workers,
//! with proxies between.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use testbed::{Clock, Disturbance, Process, Proxy, RabbitMq, SeaweedFs};
use tokio::time::sleep;

use crate::client::Client;
use crate::writes::Writes;

/// The prefix of the names of queues, and of the objects in the bucket.
pub(crate) const NAME: &str = "chaos";
/// The number of servers.
pub(crate) const SERVERS: usize = 2;
/// The names of the workers.
pub(crate) const WORKERS: [&str; 3] = ["a", "b", "c"];
/// After a fault, something must move again within this time.
pub(crate) const RECOVERY_MAX: Duration = Duration::from_secs(90);
/// The write-ahead log of quorum queues is also in memory until it begins anew, by default
/// after 512 MB: here it does so within minutes.
const BROKER_SETTINGS: &str = "raft.wal_max_size_bytes = 4194304";
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// Why a fault has not happened.
#[derive(Debug)]
pub(crate) struct NotHappened(pub(crate) &'static str);

/// All parts, and what disturbs them.
pub(crate) struct World {
    pub(crate) broker: RabbitMq,
    pub(crate) store: SeaweedFs,
    /// In front of the broker, and of S3.
    pub(crate) to_broker: Proxy,
    pub(crate) to_store: Proxy,
    /// The server that clients ask, and another one: either leads, and the other stands by.
    /// `None` while it is stopped.
    pub(crate) servers: [Option<Process>; SERVERS],
    pub(crate) workers: [Option<Process>; WORKERS.len()],
    pub(crate) server_clocks: [Clock; SERVERS],
    pub(crate) worker_clocks: [Clock; WORKERS.len()],
    pub(crate) client: Client,
    /// The partial sums that have been written.
    pub(crate) writes: Writes,
    /// What was not as it must be.
    pub(crate) violations: Vec<String>,
    pub(crate) http: reqwest::Client,
    ports: [u16; SERVERS],
    slowness: u32,
    logs: PathBuf,
    /// Deletes the logs, unless they are kept.
    _logs: Option<TempDir>,
    started: u32,
}

impl World {
    /// Starts all, with workers that take so many times as long. Logs are kept in a folder,
    /// if there is one.
    pub(crate) async fn start(logs: Option<PathBuf>, slowness: u32) -> World {
        let broker = RabbitMq::start_with(BROKER_SETTINGS).await;
        let store = SeaweedFs::start().await;
        let to_broker = Proxy::start(broker.port()).await;
        let to_store = Proxy::recording(store.port(), &["PUT", "DELETE"]).await;
        let free = || TcpListener::bind("127.0.0.1:0");
        // Held together, so that they differ.
        let listeners = [(); SERVERS].map(|()| free().expect("a free port"));
        let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
        let ports = listeners.each_ref().map(port);
        drop(listeners);
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build();
        let http = http.expect("a client");
        let client = Client { url: url(ports[0]), http: http.clone() };
        let temporary = logs.is_none().then(|| tempfile::tempdir().expect("a temporary folder"));
        let folder = temporary.as_ref().map(|it| it.path().to_owned());
        let logs = logs.or(folder).expect("one of them");
        std::fs::create_dir_all(&logs).expect("a folder for logs");
        let (servers, workers) = ([None, None], [None, None, None]);
        let mut world = World {
            broker,
            store,
            to_broker,
            to_store,
            servers,
            workers,
            server_clocks: [(); SERVERS].map(|()| Clock::new()),
            worker_clocks: [(); WORKERS.len()].map(|()| Clock::new()),
            client,
            writes: Writes::default(),
            violations: Vec::new(),
            http,
            ports,
            slowness,
            logs,
            _logs: temporary,
            started: 0,
        };
        world.calm().await;
        world
    }

    /// Starts a server.
    pub(crate) fn start_server(&mut self, index: usize) {
        let listen = format!("127.0.0.1:{}", self.ports[index]);
        let arguments = ["serve", "--listen", &listen, "--pool", "external", "--workers", "3"];
        // As on machines of their own, none sees by its temporary files that another died.
        let folder = self.logs.join(format!("machine-{index}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut machine = self.server_clocks[index].environment().to_vec();
        machine.push(("TMPDIR", folder));
        self.servers[index] = Some(self.process("distributed-average", &arguments, &machine));
    }

    /// The server that leads; `None` if none does.
    pub(crate) async fn leader(&self) -> Option<usize> {
        for (index, port) in self.ports.iter().enumerate() {
            let asked = self.http.get(format!("{}/metrics", url(*port)));
            // One that is frozen leads no longer.
            let answer = asked.timeout(Duration::from_secs(2)).send().await;
            let Ok(answer) = answer else { continue };
            let text = answer.text().await.unwrap_or_default();
            if text.lines().any(|line| line == "distributed_average_leader 1") {
                return Some(index);
            }
        }
        None
    }

    /// Starts a worker.
    pub(crate) fn start_worker(&mut self, index: usize) {
        let slowness = self.slowness.to_string();
        let arguments = ["--name", WORKERS[index], "--slowness", &slowness];
        let machine = self.worker_clocks[index].environment();
        let worker = self.process("distributed-average-worker", &arguments, &machine);
        self.workers[index] = Some(worker);
    }

    fn process(
        &mut self,
        program: &str,
        arguments: &[&str],
        environment: &[(&str, PathBuf)],
    ) -> Process {
        let own = PathBuf::from(env!("CARGO_BIN_EXE_distributed-average"));
        let path = own.with_file_name(program);
        assert!(path.exists(), "{} is built by `cargo build --bins`", path.display());
        self.started += 1;
        let log = self.logs.join(format!("{}-{program}.log", self.started));
        let mut command = Command::new(path);
        command
            .args(arguments)
            .env("DISTRIBUTED_AVERAGE_QUEUE", RabbitMq::url_at(self.to_broker.port()))
            .env("DISTRIBUTED_AVERAGE_QUEUE_PREFIX", NAME)
            .env("DISTRIBUTED_AVERAGE_STORE", format!("s3://{}/{NAME}", self.store.bucket()))
            .envs(self.store.environment())
            .env("AWS_ENDPOINT_URL", self.to_store.endpoint())
            .envs(environment.iter().map(|(name, value)| (name, value)));
        Process::start(program, &mut command, &log)
    }

    /// Ends all disturbances, starts what does not run, and waits until all is ready.
    pub(crate) async fn calm(&mut self) {
        self.to_broker.disturb(Disturbance::None);
        self.to_store.disturb(Disturbance::None);
        let is_running = |process: &mut Option<Process>| {
            process.as_mut().is_some_and(|process| process.ended().is_none())
        };
        for index in 0..SERVERS {
            if !is_running(&mut self.servers[index]) {
                self.start_server(index);
            }
        }
        for index in 0..WORKERS.len() {
            if !is_running(&mut self.workers[index]) {
                self.start_worker(index);
            }
        }
        let deadline = Instant::now() + RECOVERY_MAX;
        while !self.is_ready().await && Instant::now() < deadline {
            sleep(PAUSE).await;
        }
    }

    /// Whether a server leads, and says that queue and store are well.
    pub(crate) async fn is_ready(&self) -> bool {
        let Some(leader) = self.leader().await else { return false };
        let asked = self.http.get(format!("{}/readyz", url(self.ports[leader]))).send().await;
        asked.is_ok_and(|answer| answer.status().is_success())
    }

    /// How many messages the broker has put aside; 0 while nobody knows.
    pub(crate) async fn dead_letters(&self) -> u64 {
        let asked = self.http.get(format!("{}/api/workers", self.client.url)).send().await;
        let Ok(answer) = asked else { return 0 };
        let pool: Value = answer.json().await.unwrap_or_default();
        pool["queue"]["dead_letters"].as_u64().unwrap_or_default()
    }

    /// The URLs of all partial sums in the store.
    pub(crate) async fn segments(&self) -> Vec<String> {
        let mut found = Vec::new();
        for job in self.below(&format!("{NAME}/jobs/")).await {
            for level in self.below(&format!("{job}/sums/")).await {
                for node in self.below(&format!("{level}/")).await {
                    found.extend(self.below(&format!("{node}/")).await);
                }
            }
        }
        found.into_iter().map(|path| self.object_url(&path)).collect()
    }

    /// The URL of an object, past S3 and everything that disturbs it.
    pub(crate) fn object_url(&self, key: &str) -> String {
        format!("{}/buckets/{}/{key}", self.store.filer(), self.store.bucket())
    }

    /// Notes which partial sums have been written.
    pub(crate) fn note_writes(&mut self) {
        self.writes.note(self.to_store.exchanges());
    }

    /// The paths in the bucket of what a folder contains.
    pub(crate) async fn below(&self, folder: &str) -> Vec<String> {
        let bucket = format!("/buckets/{}/", self.store.bucket());
        let url = format!("{}{bucket}{folder}?limit=100000", self.store.filer());
        let asked = self.http.get(url).header("Accept", "application/json").send().await;
        let Ok(answer) = asked.and_then(reqwest::Response::error_for_status) else {
            return Vec::new();
        };
        let listed: Value = answer.json().await.unwrap_or_default();
        let entries = listed["Entries"].as_array().into_iter().flatten();
        let paths = entries.filter_map(|entry| entry["FullPath"].as_str());
        paths.filter_map(|path| path.strip_prefix(&bucket)).map(str::to_owned).collect()
    }

    /// Stops everything; an error of the server or a worker would show in its status.
    pub(crate) async fn stop(self) {
        for worker in self.workers.into_iter().flatten() {
            worker.stop().await;
        }
        for server in self.servers.into_iter().flatten() {
            server.stop().await;
        }
    }
}

impl World {
    /// The URL of a server.
    pub(crate) fn server_url(&self, index: usize) -> String {
        url(self.ports[index])
    }
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// Whether a job is not over.
pub(crate) fn is_open(job: &Value) -> bool {
    !["done", "failed", "cancelled"].contains(&job["phase"].as_str().unwrap_or_default())
}
