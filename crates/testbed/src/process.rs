//! Child processes that do not outlive the test.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, kill_process_group, prlimit};
use tokio::time::sleep;

/// Timeout for a process to start or to stop. RabbitMQ takes ten seconds on two
/// busy cores.
const TIMEOUT: Duration = Duration::from_secs(90);
/// Polling interval.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A child process and its descendants, in a process group of their own. The group
/// is killed when this is dropped. If the test process dies, a watchdog kills the
/// group and deletes the temporary directory of the log.
pub struct Process {
    name: String,
    child: Child,
    /// Kills the group once the test process has ended.
    watchdog: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a process. Its output is appended to the file `log`.
    ///
    /// # Panics
    ///
    /// If the process cannot be started.
    pub fn start(name: impl Into<String>, command: &mut Command, log: &Path) -> Process {
        let name = name.into();
        let output = File::options().create(true).append(true).open(log).expect("a log file");
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("starting {name}: {error}"));
        // The pipe to the watchdog closes when the test process ends. The watchdog
        // then kills the group.
        let directory = log.parent().expect("the directory of the log");
        let watchdog = Command::new("sh")
            .args(["-c", "read -r _; kill -s KILL -- \"-$0\"; rm -rf -- \"$1\""])
            .arg(child.id().to_string())
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("a shell");
        Process { name, child, watchdog, log: log.to_owned() }
    }

    /// Waits until `ready` returns true.
    ///
    /// # Panics
    ///
    /// If the process ends first, or on timeout.
    pub async fn wait_until(&mut self, ready: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + TIMEOUT;
        while !ready().await {
            let ended = self.child.try_wait().ok().flatten();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{} did not start ({ended:?}); the end of its log:\n{}",
                self.name,
                last_lines(&self.said()),
            );
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Waits for an output line with a prefix and returns the rest of the line.
    ///
    /// # Panics
    ///
    /// If the process ends first, or on timeout.
    pub async fn announced(&mut self, prefix: &str) -> String {
        let log = self.log.clone();
        let find = || {
            let text = read_output(&log);
            text.lines().find_map(|line| line.strip_prefix(prefix)).map(str::to_owned)
        };
        self.wait_until(async || find().is_some()).await;
        find().unwrap_or_default()
    }

    /// Waits until the output contains a text.
    ///
    /// # Panics
    ///
    /// If the process ends first, or on timeout.
    pub async fn wait_until_said(&mut self, text: &str) {
        let log = self.log.clone();
        self.wait_until(async || read_output(&log).contains(text)).await;
    }

    /// Sends SIGTERM to the process group, without waiting.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGTERM to the process group and waits until the process has ended.
    pub async fn stop(mut self) {
        self.terminate();
        let deadline = Instant::now() + TIMEOUT;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            sleep(POLL_INTERVAL).await;
        }
        // Dropping kills the rest of the group.
    }

    /// Kills the process with SIGKILL, but not its descendants.
    pub fn kill(&mut self) {
        // An error means that the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Stops the process and its descendants, as SIGSTOP does, until they are
    /// [thawed](Process::thaw).
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Continues processes that were frozen.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Has every write of the process fail that would make a file longer than this, as on
    /// a disk that is full.
    ///
    /// # Panics
    ///
    /// If the process has ended.
    pub fn limit_files(&self, bytes: u64) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let limit = Rlimit { current: Some(bytes), maximum: None };
        prlimit(id, Resource::Fsize, limit).expect("limiting the size of files");
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the process exits.
    ///
    /// # Panics
    ///
    /// On timeout.
    pub async fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(Instant::now() < deadline, "{} does not end", self.name);
            sleep(POLL_INTERVAL).await;
        }
    }

    /// The exit status; `None` while the process is running.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// The output so far.
    #[must_use]
    pub fn said(&self) -> String {
        read_output(&self.log)
    }

    fn signal(&self, signal: Signal) {
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            // An error means that the group has no processes left.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the end of the output of {}:\n{}", self.name, last_lines(&self.said()));
        }
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Kills the process with this id, as `kill -9` does.
///
/// # Panics
///
/// If there is no such process.
pub fn kill_9(id: u32) {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(id, Signal::KILL).unwrap_or_else(|error| panic!("killing {id:?}: {error}"));
}

/// Stops the process with this id, as SIGSTOP does, until it is [thawed](thaw).
///
/// # Panics
///
/// If there is no such process.
pub fn freeze(id: u32) {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(id, Signal::STOP).unwrap_or_else(|error| panic!("freezing {id:?}: {error}"));
}

/// Continues a process that was frozen.
///
/// # Panics
///
/// If there is no such process.
pub fn thaw(id: u32) {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(id, Signal::CONT).unwrap_or_else(|error| panic!("thawing {id:?}: {error}"));
}

fn read_output(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
