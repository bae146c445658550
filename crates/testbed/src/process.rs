//! Child processes that do not outlive the test.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::time::sleep;

/// How long a server may take to start or to stop. RabbitMQ takes ten seconds
/// on two busy cores.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(50);

/// A child process and all that it starts, in a process group of their own.
/// They are killed when this is dropped, and also when the test process dies
/// in whatever way; then the folder of its log, a temporary one that nobody else
/// would remove, goes too.
pub struct Process {
    name: String,
    child: Child,
    guardian: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it, its output appended to a file.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
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
        // The pipe to it closes with the test process, and then it kills the group.
        let folder = log.parent().expect("a folder of the log");
        let guardian = Command::new("sh")
            .args(["-c", "read -r _; kill -s KILL -- \"-$0\"; rm -rf -- \"$1\""])
            .arg(child.id().to_string())
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("a shell");
        Process { name, child, guardian, log: log.to_owned() }
    }

    /// Waits until `ready` says so.
    ///
    /// # Panics
    ///
    /// If it ends before, or takes too long.
    pub async fn wait_until(&mut self, ready: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !ready().await {
            let ended = self.child.try_wait().ok().flatten();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{} did not start ({ended:?}); the end of its log:\n{}",
                self.name,
                last_lines(&self.said()),
            );
            sleep(PAUSE).await;
        }
    }

    /// Waits until a line of what it says begins so; gives the rest of the line.
    ///
    /// # Panics
    ///
    /// If it ends before, or takes too long.
    pub async fn announced(&mut self, beginning: &str) -> String {
        let log = self.log.clone();
        let find = || {
            let text = said(&log);
            text.lines().find_map(|line| line.strip_prefix(beginning)).map(str::to_owned)
        };
        self.wait_until(async || find().is_some()).await;
        find().unwrap_or_default()
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(mut self) {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            sleep(PAUSE).await;
        }
        // What is left of the group, if anything, is killed by dropping.
    }

    /// Kills it at once, but not what it has started.
    pub fn kill(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    pub async fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(Instant::now() < deadline, "{} does not end", self.name);
            sleep(PAUSE).await;
        }
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// All that it has said so far.
    #[must_use]
    pub fn said(&self) -> String {
        said(&self.log)
    }

    fn signal(&self, signal: Signal) {
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            // An error means that there is nobody left to signal.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the end of what {} said:\n{}", self.name, last_lines(&self.said()));
        }
        let _ = self.guardian.kill();
        let _ = self.guardian.wait();
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Kills a process by its number, as `kill -9` does.
///
/// # Panics
///
/// If there is none.
pub fn kill_9(id: u32) {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw).expect("a process's number");
    kill_process(id, Signal::KILL).unwrap_or_else(|error| panic!("killing {id:?}: {error}"));
}

fn said(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
