//! The command line and its environment variables.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use platform::backends::{queue_forms, store_forms};
use platform::{QueuePlace, StorePlace};
use program::arguments::{PlaceParser, SharedArguments};
use protocol::request::{
    COUNT, Choice, Described, FAN_IN, FILES, FORMAT, GeneratedFormat, MODE, Number, Numeric, SEED,
    STATISTICS, SpeculationMode, Statistic, WORKERS,
};
use protocol::{FanIn, Inputs, JobRequest, Problem};

/// The exact mean of every index across many files, on many workers, shown live.
#[derive(Debug, Parser)]
#[command(name = "distributed-average", version)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the dashboard and the JSON API.
    Serve(ServeArguments),
    /// Compute the mean of files on this machine.
    Mean(MeanArguments),
    /// Make test data.
    Generate(GenerateArguments),
    /// Ask a server that runs whether it is ready, for health checks.
    Ready(ReadyArguments),
}

/// `distributed-average serve`
#[derive(Args, Debug)]
pub struct ServeArguments {
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_LISTEN", default_value = "127.0.0.1:3000")]
    pub listen: SocketAddr,
    /// Where tasks wait for workers.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_QUEUE",
        hide_env_values = true,
        default_value_t = QueuePlace::default(),
        value_parser = PlaceParser::<QueuePlace>::default(),
        value_name = queue_forms()
    )]
    pub queue: QueuePlace,
    /// Where people find the queue's own pages; the dashboard links to it.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_QUEUE_MANAGEMENT_URL", value_name = "https://...")]
    pub queue_management_url: Option<String>,
    /// Where inputs, partial sums and results lie.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_STORE",
        default_value = "data",
        value_parser = PlaceParser::<StorePlace>::default(),
        value_name = store_forms()
    )]
    pub store: StorePlace,
    /// What keeps the workers.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_POOL", default_value = "embedded")]
    pub pool: PoolKind,
    /// The Deployment whose pods are the workers, for `--pool kubernetes`; in
    /// the namespace of the server's own pod, or of the kubeconfig.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_KUBERNETES_DEPLOYMENT",
        value_name = "NAME",
        default_value = "distributed-average-worker"
    )]
    pub kubernetes_deployment: String,
    /// How many workers are kept when there is nothing to do [default: the
    /// number of processors].
    #[arg(long, env = "DISTRIBUTED_AVERAGE_WORKERS", value_parser = clap::value_parser!(u32).range(0..))]
    pub workers: Option<u32>,
    /// How many workers a job gets that does not say [default: as --workers,
    /// at least one].
    #[arg(long, env = "DISTRIBUTED_AVERAGE_JOB_WORKERS", value_parser = clap::value_parser!(u32).range(1..))]
    pub job_workers: Option<u32>,
    /// The most workers that are kept, whatever the jobs ask for.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_MAX_WORKERS", default_value_t = 32,
        value_parser = clap::value_parser!(u32).range(1..))]
    pub max_workers: u32,
    /// How long workers stay beyond those that are always kept, in seconds,
    /// when there is nothing to do.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_IDLE_SECS", default_value_t = 60)]
    pub idle_secs: u64,
    /// Keep partial sums after their job is done, instead of deleting them at once.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_KEEP_PARTIAL_SUMS")]
    pub keep_partial_sums: bool,
    /// The folder of what browsers download [default: `site` beside the
    /// program, or in the folder above it].
    #[arg(long, env = "DISTRIBUTED_AVERAGE_SITE")]
    pub site: Option<PathBuf>,
    /// What the workers have to know too.
    #[command(flatten)]
    pub shared: SharedArguments,
}

/// What can keep workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PoolKind {
    /// Tasks inside the server.
    Embedded,
    /// Processes on this machine.
    Process,
    /// A Kubernetes Deployment.
    Kubernetes,
    /// Somebody else starts the workers.
    External,
}

/// `distributed-average mean`
#[derive(Args, Debug)]
pub struct MeanArguments {
    /// Files, directories (all files below, but for names that begin with `.`
    /// or `_`) and patterns such as 'run-*.npy'.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<String>,
    /// Where to write the mean: a file whose name ends in .npy, .csv, .json or
    /// .raw, or `-` for standard output as CSV.
    #[arg(long, short, value_name = "PATH", required_unless_present = "plan")]
    pub output: Option<String>,
    /// W; absent for the number of processors.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_WORKERS",
        value_parser = number(&WORKERS),
        help = format!("{} [default: the number of processors]", WORKERS.field.description)
    )]
    pub workers: Option<u32>,
    /// P.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_FAN_IN",
        default_value = "auto",
        value_name = "P | auto",
        help = FAN_IN.field.description
    )]
    pub fan_in: FanIn,
    /// What happens to a straggler's task.
    #[arg(
        long,
        default_value = "resume",
        value_parser = choice::<SpeculationMode>(),
        value_name = "MODE",
        help = MODE.description
    )]
    pub speculation: SpeculationMode,
    /// What to compute beside the mean.
    #[arg(
        long,
        value_delimiter = ',',
        value_parser = choice::<Statistic>(),
        value_name = "STATISTIC,...",
        help = STATISTICS.description,
        long_help = format!(
            "{}; several are separated by commas. Each is written beside the mean, its name \
             before the ending: mean.std.npy beside mean.npy",
            STATISTICS.description
        )
    )]
    pub statistics: Vec<Statistic>,
    /// Print the plan (the sum tree, bytes, memory) and compute nothing.
    #[arg(long)]
    pub plan: bool,
    /// Tell on standard error what it took: time, bytes read, memory and its
    /// bound. On a terminal that is told anyway.
    #[arg(long, short)]
    pub verbose: bool,
    /// Where partial sums are kept meanwhile [default: the system's folder for
    /// temporary files].
    #[arg(long, env = "DISTRIBUTED_AVERAGE_SCRATCH", value_name = "DIR")]
    pub scratch: Option<PathBuf>,
}

/// `distributed-average ready`
#[derive(Debug, Args)]
pub struct ReadyArguments {
    /// The address that the server listens on.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_LISTEN", default_value = "127.0.0.1:3000")]
    pub listen: SocketAddr,
}

/// `distributed-average generate`
#[derive(Args, Debug)]
pub struct GenerateArguments {
    /// The folder to write the files into; it is created.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// F.
    #[arg(long, value_parser = number(&FILES), help = FILES.field.description)]
    pub files: u64,
    /// C.
    #[arg(long, value_parser = number(&COUNT), help = COUNT.field.description)]
    pub count: u64,
    /// The format of the files.
    #[arg(
        long,
        default_value = "csv",
        value_parser = choice::<GeneratedFormat>(),
        help = FORMAT.description
    )]
    pub format: GeneratedFormat,
    /// The seed of the random numbers.
    #[arg(long, default_value = "0", value_parser = number(&SEED), help = SEED.field.description)]
    pub seed: u64,
}

impl MeanArguments {
    /// The request that they stand for, once the inputs are found and the
    /// number of workers is known.
    #[must_use]
    pub fn request(&self, objects: Vec<String>, workers: u32) -> JobRequest {
        JobRequest {
            workers: Some(workers),
            fan_in: self.fan_in,
            speculation: self.speculation.settings(),
            statistics: self.statistics.clone(),
            ..JobRequest::new(Inputs::Objects(objects))
        }
    }
}

/// Reads a number within its bounds.
fn number<T: Numeric + Send + Sync + 'static>(
    number: &'static Number<T>,
) -> impl Fn(&str) -> Result<T, Problem> + Clone + Send + Sync + 'static {
    move |text| number.parse(text)
}

/// Reads one of a few words, which the help names with what they stand for.
fn choice<C: Choice>() -> impl TypedValueParser<Value = C> {
    let words = C::ALL.iter().map(|choice| {
        let Described { word, description, .. } = choice.described();
        PossibleValue::new(word).help(description)
    });
    PossibleValuesParser::new(words).try_map(|word| C::parse(&word))
}
