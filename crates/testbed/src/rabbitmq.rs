//! A RabbitMQ broker.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::ports;
use crate::process::Process;

/// Where packages put the script that starts the broker as whoever calls it;
/// the one on the path insists on a user of its own.
const SCRIPTS: [&str; 3] = [
    "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "/opt/rabbitmq/sbin/rabbitmq-server",
    "/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server",
];

/// A broker with one node. Its messages outlive [`stop`](RabbitMq::stop) and
/// [`kill`](RabbitMq::kill), as they should.
pub struct RabbitMq {
    script: &'static str,
    folder: TempDir,
    port: u16,
    distribution_port: u16,
    names_port: u16,
    /// The broker, and the name server that it needs.
    running: Option<(Process, Process)>,
}

impl RabbitMq {
    /// Starts a broker.
    ///
    /// # Panics
    ///
    /// If it cannot be had or does not start.
    pub async fn start() -> RabbitMq {
        RabbitMq::start_with("").await
    }

    /// Starts a broker with more lines in its `rabbitmq.conf`.
    ///
    /// # Panics
    ///
    /// If it cannot be had or does not start.
    pub async fn start_with(settings: &str) -> RabbitMq {
        let script = SCRIPTS.into_iter().find(|path| Path::new(path).exists());
        let script = script.expect("RabbitMQ is not here; scripts/setup-real-parts gets it");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut broker = RabbitMq {
            script,
            folder,
            port: ports::free(),
            distribution_port: ports::free(),
            names_port: ports::free(),
            running: None,
        };
        let listener = format!("listeners.tcp.1 = 127.0.0.1:{}\n{settings}\n", broker.port);
        broker.write("rabbitmq.conf", &listener);
        // Held deliveries are looked at once a minute otherwise.
        broker.write("advanced.config", "[{rabbit, [{channel_tick_interval, 1000}]}].\n");
        broker.write("enabled_plugins", "[].\n");
        broker.write("environment.conf", "");
        broker.start_again().await;
        broker
    }

    /// Starts it on the same port with what it held, after it was stopped or killed.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub async fn start_again(&mut self) {
        let names = Process::start(
            "epmd",
            Command::new("epmd")
                .args(["-port", &self.names_port.to_string()])
                .env("ERL_EPMD_ADDRESS", "127.0.0.1"),
            &self.path("epmd.log"),
        );
        let mut broker = Process::start(
            "rabbitmq-server",
            Command::new(self.script)
                .env("HOME", self.folder.path())
                .env("ERL_EPMD_ADDRESS", "127.0.0.1")
                .env("ERL_EPMD_PORT", self.names_port.to_string())
                .env("RABBITMQ_ADVANCED_CONFIG_FILE", self.path("advanced.config"))
                .env("RABBITMQ_CONF_ENV_FILE", self.path("environment.conf"))
                .env("RABBITMQ_CONFIG_FILE", self.path("rabbitmq.conf"))
                .env("RABBITMQ_DIST_PORT", self.distribution_port.to_string())
                .env("RABBITMQ_ENABLED_PLUGINS_FILE", self.path("enabled_plugins"))
                .env("RABBITMQ_LOG_BASE", self.path("log"))
                .env("RABBITMQ_LOGS", "-")
                .env("RABBITMQ_MNESIA_BASE", self.path("mnesia"))
                .env("RABBITMQ_NODENAME", "testbed@localhost")
                // Threads that spin while they wait take the cores from the test.
                .env(
                    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                    "+sbwt none +sbwtdcpu none +sbwtdio none \
                     -kernel inet_dist_use_interface {127,0,0,1}",
                ),
            &self.path("broker.log"),
        );
        let port = self.port;
        broker.wait_until(async || answers(port).await.is_some()).await;
        self.running = Some((broker, names));
    }

    /// Stops it in good order.
    pub async fn stop(&mut self) {
        if let Some((broker, names)) = self.running.take() {
            broker.stop().await;
            drop(names);
        }
    }

    /// Kills it at once.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Where to connect, user and password included.
    #[must_use]
    pub fn url(&self) -> String {
        RabbitMq::url_at(self.port)
    }

    /// The same by way of another port, of a [`crate::Proxy`] before it.
    #[must_use]
    pub fn url_at(port: u16) -> String {
        format!("amqp://guest:guest@127.0.0.1:{port}/%2f")
    }

    /// The port of 127.0.0.1 that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("writing a configuration file");
    }
}

/// Sends the header of the protocol and waits for the first frame.
async fn answers(port: u16) -> Option<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    stream.write_all(b"AMQP\0\0\x09\x01").await.ok()?;
    let mut frame_type = [0];
    stream.read_exact(&mut frame_type).await.ok()?;
    (frame_type[0] == 1).then_some(())
}
