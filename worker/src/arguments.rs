//! The command line and its environment variables.

use std::path::PathBuf;

use clap::{Args, Parser};

use crate::settings::{Faults, Settings};

/// Executes tasks of distributed-average: takes them from a queue, sums, and
/// writes partial sums into an object store.
#[derive(Debug, Parser)]
#[command(name = "distributed-average-worker", version)]
pub struct Arguments {
    /// Where tasks wait.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_QUEUE", value_name = "amqp://...")]
    pub queue: String,
    /// Where partial sums lie, and inputs unless they say otherwise.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_STORE", value_name = "DIR | s3://BUCKET/PREFIX")]
    pub store: String,
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

/// What the server and its workers have to know alike.
#[derive(Args, Clone, Debug)]
pub struct SharedArguments {
    /// What the names of queues begin with, so that several installations can
    /// share a broker.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_QUEUE_PREFIX", default_value = "distributed-average")]
    pub queue_prefix: String,
    /// Where inputs may lie besides the store: `s3://BUCKET/PREFIX` or
    /// `file:///DIR`, several separated by commas.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_ALLOW_INPUTS",
        value_delimiter = ',',
        value_name = "LOCATION,..."
    )]
    pub allow_inputs: Vec<String>,
    /// How many objects a worker reads at the same time, at most.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_MAX_OPEN_OBJECTS", default_value_t = 5,
        value_parser = positive)]
    pub max_open_objects: usize,
    /// How many bytes a worker asks of the store at a time, for one object.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_RANGE_BYTES", default_value_t = 8 << 20,
        value_parser = positive)]
    pub range_bytes: usize,
    /// Work so many times slower than possible, for tests and demonstrations;
    /// the dashboard shows it.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_SLOWNESS", default_value_t = 1.0,
        value_parser = slowness)]
    pub slowness: f64,
}

impl SharedArguments {
    /// How workers work.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            max_open_objects: self.max_open_objects,
            range_bytes: self.range_bytes,
            faults: Faults { slowness: self.slowness },
            ..Settings::default()
        }
    }
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("it is a number from 1".to_owned()),
    }
}

fn slowness(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(slowness) if (1.0..=1000.0).contains(&slowness) => Ok(slowness),
        _ => Err("slowness is a number from 1 to 1000".to_owned()),
    }
}
