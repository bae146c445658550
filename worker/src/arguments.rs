//! The command line and its environment variables.

use std::path::PathBuf;

use clap::Parser;
use platform::backends::{shared_queue_forms, store_forms};
use platform::{QueuePlace, StorePlace};
use program::arguments::{PlaceParser, SharedArguments};

/// Executes tasks of distributed-average: takes them from a queue, sums, and
/// writes partial sums into an object store.
#[derive(Debug, Parser)]
#[command(name = "distributed-average-worker", version)]
pub struct Arguments {
    /// Where tasks wait.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_QUEUE",
        hide_env_values = true,
        value_parser = PlaceParser::<QueuePlace>::default(),
        value_name = shared_queue_forms()
    )]
    pub queue: QueuePlace,
    /// Where partial sums lie, and inputs unless they say otherwise.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_STORE",
        value_parser = PlaceParser::<StorePlace>::default(),
        value_name = store_forms()
    )]
    pub store: StorePlace,
    /// How many tasks to execute at the same time; each takes the memory of one
    /// worker.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_SLOTS", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=64))]
    pub slots: u32,
    /// What the worker is called; unique while it lives [default: the host's
    /// name and the process's number].
    #[arg(long, env = "DISTRIBUTED_AVERAGE_NAME")]
    pub name: Option<String>,
    /// The machine that it runs on, so that a second attempt can go to another.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_NODE")]
    pub node: Option<String>,
    /// How long a task that is under way may take to come to the end of its
    /// segment when the worker is told to stop, in seconds.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_GRACE_SECS", default_value_t = 20)]
    pub grace_secs: u64,
    /// Stop when standard input ends, as it does when whoever started the
    /// worker has died.
    #[arg(long)]
    pub until_input_ends: bool,
    /// How long the worker stays when it has been drained, doing nothing, so
    /// that whoever keeps it alive can stop it before it is started again, in
    /// seconds.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_LINGER_SECS", default_value_t = 0)]
    pub linger_secs: u64,
    /// A file that is written every few seconds from when the queue has been
    /// reached until the worker is told to stop, as a sign of life.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_HEALTH_FILE", value_name = "PATH")]
    pub health_file: Option<PathBuf>,
    /// Do nothing but look at the health file of another worker: succeed if
    /// that worker is well.
    #[arg(long, requires = "health_file")]
    pub check_health: bool,
    /// What both programs have to know alike.
    #[command(flatten)]
    pub shared: SharedArguments,
}
