//! The command line and its environment variables.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use platform::backends::{shared_queue_forms, store_forms};
use platform::{QueuePlace, StorePlace};
use program::arguments::{PlaceParser, SharedArguments};

/// Executes the tasks of distributed-average: takes them from a queue, and writes
/// partial sums into an object store.
#[derive(Debug, Parser)]
#[command(name = "distributed-average-worker", version)]
pub struct Arguments {
    /// Queue that carries tasks from the server.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_QUEUE",
        hide_env_values = true,
        value_parser = PlaceParser::<QueuePlace>::default(),
        value_name = shared_queue_forms()
    )]
    pub queue: QueuePlace,
    /// Store of partial sums, and of inputs that name no other store.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_STORE",
        value_parser = PlaceParser::<StorePlace>::default(),
        value_name = store_forms()
    )]
    pub store: StorePlace,
    /// Number of tasks to execute at the same time; each takes the memory of one
    /// worker.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_SLOTS", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=64))]
    pub slots: u32,
    /// Name of the worker, unique among running workers [default: the host name
    /// and the process id].
    #[arg(long, env = "DISTRIBUTED_AVERAGE_NAME")]
    pub name: Option<String>,
    /// Machine that the worker runs on, so that a speculative attempt can run on
    /// another [default: the host name].
    #[arg(long, env = "DISTRIBUTED_AVERAGE_NODE")]
    pub node: Option<String>,
    /// Grace period in seconds for a worker that is told to stop to finish its segment.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_GRACE_SECS", default_value_t = 20)]
    pub grace_secs: u64,
    /// Stop when standard input ends, as it does when the process that started
    /// the worker dies.
    #[arg(long)]
    pub until_input_ends: bool,
    /// Seconds that a drained worker stays before it exits, so that its
    /// orchestrator can stop it instead of restarting it.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_LINGER_SECS", default_value_t = 0)]
    pub linger_secs: u64,
    /// Health file, rewritten every few seconds from the start of the worker until it
    /// is told to stop.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_HEALTH_FILE", value_name = "PATH")]
    pub health_file: Option<PathBuf>,
    /// Only check the health file of another worker: exit with 0 if that worker
    /// is healthy, with 1 otherwise.
    #[arg(long, requires = "health_file")]
    pub check_health: bool,
    /// Address at which Prometheus reads what the workers of this process have done, at
    /// the path /metrics; port 0 chooses a free port [default: none].
    #[arg(long, env = "DISTRIBUTED_AVERAGE_METRICS", value_name = "ADDRESS:PORT")]
    pub metrics: Option<SocketAddr>,
    /// The flags that the server takes too.
    #[command(flatten)]
    pub shared: SharedArguments,
}
