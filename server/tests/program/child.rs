//! A server as a process of its own, on the embedded parts.

use std::ops::Deref;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use testbed::Process;

use super::client::Client;

/// A server process, killed when dropped.
pub(crate) struct Child {
    client: Client,
    process: Process,
    /// The folder of the log.
    logs: TempDir,
}

/// The name of the log.
const LOG: &str = "server.log";

impl Child {
    /// Starts a server on a store and waits until it listens.
    pub(crate) async fn start(store: &Path, further: &[&str]) -> Child {
        Child::launch(Command::new(env!("CARGO_BIN_EXE_distributed-average")), store, further).await
    }

    /// The same with at most this number of file descriptors.
    pub(crate) async fn with_descriptors(count: u32, store: &Path, further: &[&str]) -> Child {
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -n \"$0\"; exec \"$@\""]).arg(count.to_string());
        shell.arg(env!("CARGO_BIN_EXE_distributed-average"));
        Child::launch(shell, store, further).await
    }

    /// The same with further environment variables.
    pub(crate) async fn with_environment(
        environment: &[(&str, &Path)],
        store: &Path,
        further: &[&str],
    ) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_distributed-average"));
        command.envs(environment.iter().copied());
        Child::launch(command, store, further).await
    }

    async fn launch(mut command: Command, store: &Path, further: &[&str]) -> Child {
        command.args(["serve", "--listen", "127.0.0.1:0", "--workers", "2", "--store"]);
        command.arg(store).args(further);
        let logs = tempfile::tempdir().expect("a temporary folder");
        let log = logs.path().join(LOG);
        let mut process = Process::start("the server", &mut command, &log);
        let url = process.announced("listening on ").await;
        Child { client: Client::new(url), process, logs }
    }

    /// Waits until it has printed or logged a text: a thread of its own writes the log.
    pub(crate) async fn until_said(&mut self, text: &str) {
        self.process.wait_until_said(text).await;
    }

    /// What it has printed and logged up to now.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.logs.path().join(LOG)).expect("a log")
    }

    /// Stops the server; returns all that it has printed and logged.
    pub(crate) async fn whole_log(self) -> String {
        let Child { process, logs, .. } = self;
        process.stop().await;
        std::fs::read_to_string(logs.path().join(LOG)).expect("a log")
    }

    /// Kills the server, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Sends SIGTERM; returns how long the server took to end.
    pub(crate) async fn stop(self) -> Duration {
        let begin = Instant::now();
        self.process.stop().await;
        begin.elapsed()
    }

    /// The id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The peak of its resident memory in bytes.
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(path).expect("a running process");
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.expect("a number of kB") * 1024
    }
}

impl Deref for Child {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}
