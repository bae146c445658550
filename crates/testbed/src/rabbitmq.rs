//! A RabbitMQ broker.

use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::ports;
use crate::process::Process;

/// Paths of the start script in common packages. The script on the PATH requires a
/// dedicated user; these run as the caller.
const SCRIPTS: [&str; 3] = [
    "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "/opt/rabbitmq/sbin/rabbitmq-server",
    "/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server",
];

/// The program that talks to a running broker, in the same packages.
const CTL: &str = "rabbitmqctl";
/// What the nodes of a cluster know each other by. They listen on 127.0.0.1 only.
const COOKIE: &str = "TESTBED";
const COOKIE_FILE: &str = ".erlang.cookie";

/// A node of a broker, which has one or several. Durable messages survive
/// [`stop`](RabbitMq::stop) and [`kill`](RabbitMq::kill).
pub struct RabbitMq {
    script: &'static str,
    directory: TempDir,
    /// The name of the node.
    node: String,
    port: u16,
    distribution_port: u16,
    /// Where nodes find each other's ports.
    mapper: Arc<PortMapper>,
    /// `None` while stopped.
    running: Option<Process>,
}

/// `epmd`, which knows the ports of nodes by their names.
struct PortMapper {
    port: u16,
    _process: Process,
    _directory: TempDir,
}

impl PortMapper {
    fn start() -> PortMapper {
        let (port, directory) = (ports::free(), tempfile::tempdir());
        let directory = directory.expect("a temporary directory");
        let mut command = Command::new("epmd");
        command.args(["-port", &port.to_string()]).env("ERL_EPMD_ADDRESS", "127.0.0.1");
        let process = Process::start("epmd", &mut command, &directory.path().join("epmd.log"));
        PortMapper { port, _process: process, _directory: directory }
    }
}

impl RabbitMq {
    /// Starts a broker.
    ///
    /// # Panics
    ///
    /// If RabbitMQ is not installed or does not start.
    pub async fn start() -> RabbitMq {
        RabbitMq::start_with("").await
    }

    /// Starts a broker with additional lines in its `rabbitmq.conf`.
    ///
    /// # Panics
    ///
    /// If RabbitMQ is not installed or does not start.
    pub async fn start_with(settings: &str) -> RabbitMq {
        let mapper = Arc::new(PortMapper::start());
        RabbitMq::start_node("testbed@localhost", settings, "", mapper).await
    }

    /// Starts a broker with its management page; returns its URL too. The user is guest,
    /// and so is the password.
    ///
    /// # Panics
    ///
    /// If RabbitMQ is not installed or does not start.
    pub async fn start_with_page() -> (RabbitMq, String) {
        let (mapper, port) = (Arc::new(PortMapper::start()), ports::free());
        let settings = format!("management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {port}\n");
        let plugin = "rabbitmq_management";
        let broker = RabbitMq::start_node("testbed@localhost", &settings, plugin, mapper).await;
        (broker, format!("http://127.0.0.1:{port}"))
    }

    /// Starts the three nodes of a broker, of which each has the messages of all.
    ///
    /// # Panics
    ///
    /// If RabbitMQ is not installed or does not start.
    pub async fn cluster() -> [RabbitMq; 3] {
        let mapper = Arc::new(PortMapper::start());
        let names = ["testbed-1@localhost", "testbed-2@localhost", "testbed-3@localhost"];
        let mut settings = String::from(
            "cluster_formation.peer_discovery_backend = rabbit_peer_discovery_classic_config\n",
        );
        for (number, name) in (1..).zip(names) {
            // Writing into a string does not fail.
            let _ = writeln!(settings, "cluster_formation.classic_config.nodes.{number} = {name}");
        }
        // One after the other: the first finds no other, and the others join it.
        let mut nodes = Vec::new();
        for name in names {
            nodes.push(RabbitMq::start_node(name, &settings, "", mapper.clone()).await);
        }
        nodes.try_into().unwrap_or_else(|_| unreachable!("three names"))
    }

    async fn start_node(
        node: &str,
        settings: &str,
        plugin: &str,
        mapper: Arc<PortMapper>,
    ) -> RabbitMq {
        let script = SCRIPTS.into_iter().find(|path| Path::new(path).exists());
        let script = script.expect("RabbitMQ is not installed; run scripts/setup-real-parts");
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut broker = RabbitMq {
            script,
            directory,
            node: node.to_owned(),
            port: ports::free(),
            distribution_port: ports::free(),
            mapper,
            running: None,
        };
        let listener = format!("listeners.tcp.1 = 127.0.0.1:{}\n{settings}\n", broker.port);
        broker.write("rabbitmq.conf", &listener);
        // Checks for the acknowledgement timeout every second instead of every
        // minute.
        broker.write("advanced.config", "[{rabbit, [{channel_tick_interval, 1000}]}].\n");
        broker.write("enabled_plugins", &format!("[{plugin}].\n"));
        broker.write("environment.conf", "");
        broker.write(COOKIE_FILE, COOKIE);
        let only_owner = Permissions::from_mode(0o400);
        fs::set_permissions(broker.path(COOKIE_FILE), only_owner).expect("restricting the cookie");
        broker.start_again().await;
        broker
    }

    /// Restarts a stopped or killed broker on the same port with the same data.
    ///
    /// # Panics
    ///
    /// If the broker does not start.
    pub async fn start_again(&mut self) {
        let mut broker = Process::start(
            "rabbitmq-server",
            Command::new(self.script)
                .env("HOME", self.directory.path())
                .env("ERL_EPMD_ADDRESS", "127.0.0.1")
                .env("ERL_EPMD_PORT", self.mapper.port.to_string())
                .env("RABBITMQ_ADVANCED_CONFIG_FILE", self.path("advanced.config"))
                .env("RABBITMQ_CONF_ENV_FILE", self.path("environment.conf"))
                .env("RABBITMQ_CONFIG_FILE", self.path("rabbitmq.conf"))
                .env("RABBITMQ_DIST_PORT", self.distribution_port.to_string())
                .env("RABBITMQ_ENABLED_PLUGINS_FILE", self.path("enabled_plugins"))
                .env("RABBITMQ_LOG_BASE", self.path("log"))
                .env("RABBITMQ_LOGS", "-")
                .env("RABBITMQ_MNESIA_BASE", self.path("mnesia"))
                .env("RABBITMQ_NODENAME", &self.node)
                // Busy-waiting scheduler threads would take CPU time from the test.
                .env(
                    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                    "+sbwt none +sbwtdcpu none +sbwtdio none \
                     -kernel inet_dist_use_interface {127,0,0,1}",
                ),
            &self.path("broker.log"),
        );
        let port = self.port;
        broker.wait_until(async || accepts_amqp(port).await.is_some()).await;
        self.running = Some(broker);
    }

    /// Stops the broker gracefully.
    pub async fn stop(&mut self) {
        if let Some(broker) = self.running.take() {
            broker.stop().await;
        }
    }

    /// Kills the broker.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Deletes all data of a broker that is stopped or killed: its queues, exchanges and
    /// messages.
    ///
    /// # Panics
    ///
    /// If the broker runs, or the data cannot be deleted.
    pub fn wipe(&mut self) {
        assert!(self.running.is_none(), "the broker runs");
        fs::remove_dir_all(self.path("mnesia")).expect("deleting the data of the broker");
    }

    /// Stops the processes of the broker, as SIGSTOP does, until they are
    /// [thawed](RabbitMq::thaw). Its connections stay open.
    pub fn freeze(&self) {
        if let Some(broker) = &self.running {
            broker.freeze();
        }
    }

    /// Continues a broker that was frozen.
    pub fn thaw(&self) {
        if let Some(broker) = &self.running {
            broker.thaw();
        }
    }

    /// Has the broker find its disk full, so that it takes no messages, until this is
    /// called with `false`. Returns whether its alarm is as it was told.
    ///
    /// # Panics
    ///
    /// If `rabbitmqctl` cannot be started.
    pub async fn fill_disk(&self, is_full: bool) -> bool {
        let limit = if is_full { "1000000000000000" } else { "50000000" };
        let alarms = "lists:any(fun(A) -> element(1, A) =:= {resource_limit, disk, node()} end, \
                      rabbit_alarm:get_alarms())";
        let expression = format!("rabbit_disk_monitor:set_disk_free_limit({limit}), {alarms}.");
        self.eval(&expression).await.as_deref() == Some(if is_full { "true" } else { "false" })
    }

    /// Suspends the process of a quorum queue, so that it neither takes nor gives
    /// messages, while everything else in the broker works. It ends with the broker.
    ///
    /// # Panics
    ///
    /// If there is no such queue.
    pub async fn suspend_queue(&self, queue: &str) {
        let said = self.eval(&format!("sys:suspend(whereis('%2F_{queue}')).")).await;
        assert_eq!(said.as_deref(), Some("ok"), "suspending {queue}");
    }

    /// Has the broker look for the leader of a quorum queue on a node that is gone, as it
    /// does for a moment after the leader's node has died, until this is called with
    /// `false`.
    ///
    /// # Panics
    ///
    /// If there is no such queue.
    pub async fn misplace_leader(&self, queue: &str, is_misplaced: bool) {
        let node = if is_misplaced { "'gone@localhost'" } else { "node()" };
        let expression = format!(
            "Name = rabbit_misc:r(<<\"/\">>, queue, <<\"{queue}\">>), \
             Place = fun(Queue) -> amqqueue:set_pid(Queue, {{'%2F_{queue}', {node}}}) end, \
             rabbit_misc:execute_mnesia_transaction( \
                 fun() -> not_found =/= rabbit_amqqueue:update(Name, Place) end)."
        );
        let said = self.eval(&expression).await;
        assert_eq!(said.as_deref(), Some("true"), "misplacing the leader of {queue}");
    }

    /// Runs an Erlang expression in the broker, and returns its value as it is printed;
    /// `None` if it fails.
    ///
    /// # Panics
    ///
    /// If `rabbitmqctl` cannot be started.
    pub async fn eval(&self, expression: &str) -> Option<String> {
        let ctl = Path::new(self.script).with_file_name(CTL);
        let mut command = Command::new(ctl);
        command
            .args(["-n", &self.node, "eval", expression])
            .env("HOME", self.directory.path())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", self.mapper.port.to_string())
            .env("RABBITMQ_CONF_ENV_FILE", self.path("environment.conf"));
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .expect("waiting for rabbitmqctl")
            .expect("starting rabbitmqctl");
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(said)
    }

    /// The AMQP URL, with user and password.
    #[must_use]
    pub fn url(&self) -> String {
        RabbitMq::url_at(self.port)
    }

    /// The AMQP URL with another port, such as that of a [`crate::Proxy`].
    #[must_use]
    pub fn url_at(port: u16) -> String {
        format!("amqp://guest:guest@127.0.0.1:{port}/%2f")
    }

    /// Whether this node leads a quorum queue: whether its process runs here, and says so.
    ///
    /// # Panics
    ///
    /// If `rabbitmqctl` cannot be started.
    pub async fn leads_queue(&self, queue: &str) -> bool {
        let expression = format!(
            "case ra:members({{'%2F_{queue}', node()}}) of \
             {{ok, _, {{_, Leader}}}} -> Leader =:= node(); _ -> false end."
        );
        self.eval(&expression).await.as_deref() == Some("true")
    }

    /// The AMQP port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("writing a configuration file");
    }
}

/// Sends the AMQP protocol header and waits for the first frame.
async fn accepts_amqp(port: u16) -> Option<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    stream.write_all(b"AMQP\0\0\x09\x01").await.ok()?;
    let mut frame_type = [0];
    stream.read_exact(&mut frame_type).await.ok()?;
    (frame_type[0] == 1).then_some(())
}
