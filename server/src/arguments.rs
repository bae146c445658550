//! The command line and its environment variables.

pub mod access;
pub mod http;
mod limits;
mod speculation;
mod webhooks;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use axum::http::uri::PathAndQuery;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use platform::backends::{input_forms, queue_forms, store_forms};
use platform::{OutputPlace, QueuePlace, StorePlace};
use program::arguments::{PlaceParser, SharedArguments};
use protocol::request::{
    COUNT, Choice, DTYPE, Described, Dtype, FAN_IN, FILES, FORMAT, GeneratedFormat, HEADER, Header,
    KEY, MISSING, Missing, Number, Numeric, Output, SEED, SELECT, STATISTICS, Statistic, WEIGHTS,
    WORKERS, Weights,
};
use protocol::{FanIn, Inputs, JobRequest, Problem, Role};

use self::access::{AccessArguments, role};
use self::http::HttpArguments;
pub use self::limits::LimitArguments;
pub use self::speculation::SpeculationArguments;
pub use self::webhooks::WebhookArguments;
use crate::access::tokens;

/// Computes the exact mean of every index across many files, on many workers.
#[derive(Debug, Parser)]
#[command(name = "distributed-average", version)]
pub struct Arguments {
    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the dashboard and the JSON API.
    Serve(Box<ServeArguments>),
    /// Compute the mean of files on this machine.
    Mean(Box<MeanArguments>),
    /// Generate test data.
    Generate(GenerateArguments),
    /// Make a token that lets its holder use a server.
    Token(TokenArguments),
    /// Check whether a running server is ready, for health checks.
    Ready(ReadyArguments),
}

/// `distributed-average serve`
#[derive(Args, Debug)]
pub struct ServeArguments {
    /// Address to listen on; port 0 chooses a free port.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_LISTEN",
        default_value = "127.0.0.1:3000",
        value_parser = address,
        value_name = "ADDRESS:PORT"
    )]
    pub listen: SocketAddr,
    /// URL at which the other servers of the same store reach this one, such as
    /// http://10.0.0.7:3000: those that stand by pass requests on to the one that leads
    /// [default: follows from --listen; for 0.0.0.0 the address of this machine in its
    /// network].
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_ADVERTISE",
        value_parser = server_url,
        value_name = "URL"
    )]
    pub advertise: Option<String>,
    /// Queue that carries tasks to the workers.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_QUEUE",
        hide_env_values = true,
        default_value_t = QueuePlace::default(),
        value_parser = PlaceParser::<QueuePlace>::default(),
        value_name = queue_forms()
    )]
    pub queue: QueuePlace,
    /// URL of the queue's management pages, without user and password; the dashboard
    /// links to it.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_QUEUE_MANAGEMENT_URL",
        value_parser = public_url,
        value_name = "https://..."
    )]
    pub queue_management_url: Option<String>,
    /// Store of inputs, partial sums and results.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_STORE",
        default_value = "data",
        value_parser = PlaceParser::<StorePlace>::default(),
        value_name = store_forms()
    )]
    pub store: StorePlace,
    /// Worker pool: what starts and stops the workers.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_POOL", default_value = "embedded")]
    pub pool: PoolKind,
    /// Deployment whose pods are the workers, for `--pool kubernetes`; in the
    /// namespace of the server's own pod, or of the kubeconfig.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_KUBERNETES_DEPLOYMENT",
        value_name = "NAME",
        default_value = "distributed-average-worker"
    )]
    pub kubernetes_deployment: String,
    /// Number of workers kept while no job runs [default: the number of
    /// processors].
    #[arg(long, env = "DISTRIBUTED_AVERAGE_WORKERS", value_parser = clap::value_parser!(u32).range(0..))]
    pub workers: Option<u32>,
    /// Number of workers for a job that does not request one [default: as
    /// --workers, at least one].
    #[arg(long, env = "DISTRIBUTED_AVERAGE_JOB_WORKERS", value_parser = clap::value_parser!(u32).range(1..))]
    pub job_workers: Option<u32>,
    /// Maximum number of workers. A job that requests more is refused.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_MAX_WORKERS", default_value_t = 32,
        value_parser = clap::value_parser!(u32).range(1..))]
    pub max_workers: u32,
    /// Seconds until idle workers above --workers are stopped; those that no running job can
    /// use again are stopped after a thirtieth of it.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_IDLE_SECS", default_value_t = 60)]
    pub idle_secs: u64,
    /// Keep partial sums once their job is over, instead of deleting them.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_KEEP_PARTIAL_SUMS")]
    pub keep_partial_sums: bool,
    /// Places besides the store that results may also be written to, separated by commas; a
    /// folder must exist.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_ALLOW_OUTPUTS",
        value_delimiter = ',',
        value_parser = PlaceParser::<OutputPlace>::default(),
        value_name = input_forms()
    )]
    pub allow_outputs: Vec<OutputPlace>,
    /// Folder of the browser bundle [default: `site` beside the program, or in
    /// the folder above it].
    #[arg(long, env = "DISTRIBUTED_AVERAGE_SITE")]
    pub site: Option<PathBuf>,
    /// The flags that say who may use the server.
    #[command(flatten)]
    pub access: AccessArguments,
    /// The flags of the HTTP server.
    #[command(flatten)]
    pub http: HttpArguments,
    /// The flags that the workers take too.
    #[command(flatten)]
    pub shared: SharedArguments,
    /// What jobs may take at most, and how long they are kept.
    #[command(flatten)]
    pub limits: LimitArguments,
    /// Who may be told that a job has ended.
    #[command(flatten)]
    pub webhooks: WebhookArguments,
}

/// The kinds of worker pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PoolKind {
    /// Workers run inside the server process.
    Embedded,
    /// The server starts worker processes on this machine.
    Process,
    /// The server scales a Kubernetes Deployment.
    Kubernetes,
    /// Workers are started and stopped by something else.
    External,
}

/// `distributed-average mean`
#[derive(Args, Debug)]
pub struct MeanArguments {
    /// Files, directories (all files below that may be data: not README, .md, images
    /// and the like, nor names that begin with `.` or `_`) and patterns such as
    /// 'run-*.npy'.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<String>,
    /// Output file, whose name ends in .npy, .csv, .json, .raw, .safetensors or .nc; or `-`
    /// for CSV on standard output.
    #[arg(long, short, value_name = "PATH", required_unless_present = "plan")]
    pub output: Option<String>,
    /// W, the number of workers; `None` for the number of processors.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_WORKERS",
        value_parser = number(&WORKERS),
        help = format!("{} [default: the number of processors]", WORKERS.field.description)
    )]
    pub workers: Option<u32>,
    /// P, the fan-in of the sum tree.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_FAN_IN",
        default_value = "auto",
        value_name = "P | auto",
        help = FAN_IN.field.description
    )]
    pub fan_in: FanIn,
    /// When the task of a straggler gets a second attempt.
    #[command(flatten)]
    pub speculation: SpeculationArguments,
    /// The statistics to compute beside the mean.
    #[arg(
        long,
        value_delimiter = ',',
        value_parser = choice::<Statistic>(),
        value_name = "STATISTIC,...",
        help = STATISTICS.description,
        long_help = format!(
            "{}; separated by commas. Each is written to a file of its own beside the mean: \
             mean.std.npy beside mean.npy",
            STATISTICS.description
        )
    )]
    pub statistics: Vec<Statistic>,
    /// What to do with missing values; `None` for the default.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_MISSING",
        value_parser = choice::<Missing>(),
        value_name = "WHAT",
        help = format!("{} [default: propagate, in tables error]", MISSING.description)
    )]
    pub missing: Option<Missing>,
    /// The table of the weights of the files, if they have weights.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_WEIGHTS", value_name = "FILE", help = WEIGHTS.description)]
    pub weights: Option<PathBuf>,
    /// Whether the first line of a text file names its columns; `None` for automatic.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_HEADER",
        value_parser = choice::<Header>(),
        help = format!("{} [default: auto]", HEADER.description)
    )]
    pub header: Option<Header>,
    /// What to read of objects that name their parts; empty for everything.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_SELECT",
        value_delimiter = ',',
        value_name = "NAME,...",
        help = SELECT.description
    )]
    pub select: Vec<String>,
    /// The column of tables that is carried over.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_KEY", value_name = "NAME", help = KEY.description)]
    pub key: Option<String>,
    /// The type of the numbers of a result; `None` for the default.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_DTYPE",
        value_parser = choice::<Dtype>(),
        value_name = "TYPE",
        help = format!("{} [default: f64, and input of safetensors]", DTYPE.description)
    )]
    pub dtype: Option<Dtype>,
    /// Print the plan (sum tree, bytes, memory) without computing anything.
    #[arg(long)]
    pub plan: bool,
    /// Print time, bytes read, and memory with its bound on standard error, also
    /// when that is not a terminal.
    #[arg(long, short)]
    pub verbose: bool,
    /// Folder for partial sums while the job runs [default: the system's folder
    /// for temporary files].
    #[arg(long, env = "DISTRIBUTED_AVERAGE_SCRATCH", value_name = "DIR")]
    pub scratch: Option<PathBuf>,
}

/// `distributed-average ready`
#[derive(Debug, Args)]
pub struct ReadyArguments {
    /// Address that the server listens on.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_LISTEN",
        default_value = "127.0.0.1:3000",
        value_parser = address,
        value_name = "ADDRESS:PORT"
    )]
    pub listen: SocketAddr,
    /// Connect by HTTPS, if this is set as it is for `serve`. The certificate is not
    /// verified.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_TLS_CERTIFICATE", value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,
}

/// `distributed-average token`
#[derive(Args, Debug)]
pub struct TokenArguments {
    /// Name of the token's holder, a person or a program; jobs show who submitted them.
    #[arg(long, value_parser = holder_name)]
    pub name: String,
    /// What its holder may do: view jobs and results; also submit, cancel and share
    /// jobs; also delete jobs and set the number of workers.
    #[arg(long, default_value = "submit", value_parser = role())]
    pub role: Role,
}

/// `distributed-average generate`
#[derive(Args, Debug)]
pub struct GenerateArguments {
    /// Folder to write the files into; created if it does not exist.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// F, the number of files.
    #[arg(long, value_parser = number(&ANY_FILES), help = FILES.field.description)]
    pub files: u64,
    /// C, the count of numbers in each file.
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
    /// The request for the mean of `objects`, the locations of the inputs, with the table of
    /// weights at the location `weights`.
    #[must_use]
    pub fn request(
        &self,
        objects: Vec<String>,
        weights: Option<String>,
        workers: u32,
    ) -> JobRequest {
        JobRequest {
            workers: Some(workers),
            fan_in: self.fan_in,
            speculation: self.speculation.settings(),
            statistics: self.statistics.clone(),
            missing: self.missing,
            weights: weights.map(Weights::Table),
            header: self.header,
            output: Output { dtype: self.dtype, ..Output::default() },
            select: self.select.clone(),
            key: self.key.clone(),
            ..JobRequest::new(Inputs::Objects(objects))
        }
    }
}

/// Parses the name of a token's holder.
fn holder_name(text: &str) -> Result<String, String> {
    let is_word = !text.is_empty() && !text.starts_with('#') && !text.contains(char::is_whitespace);
    match is_word && text.len() <= tokens::NAME_BYTES_MAX {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "a name is one word of at most {} bytes that does not begin with #",
            tokens::NAME_BYTES_MAX
        )),
    }
}

/// Parses an address with its port.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("the port is missing: write [{address}]:3000"),
        Ok(IpAddr::V4(address)) => format!("the port is missing: write {address}:3000"),
        Err(_) => "expected an address and a port, such as 127.0.0.1:3000 or [::1]:3000".to_owned(),
    })
}

/// Parses a URL that pages show.
fn public_url(text: &str) -> Result<String, String> {
    let url: axum::http::Uri = text.parse().map_err(|_| "this is no URL".to_owned())?;
    let has_user = url.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if has_user {
        return Err("a user or password in it would be shown to everybody: leave it out".to_owned());
    }
    Ok(text.to_owned())
}

/// Parses the URL of a server: a scheme, a host and a port.
fn server_url(text: &str) -> Result<String, String> {
    let expected = "expected the URL of this server, without a path or a user: \
                    http://10.0.0.7:3000 or https://means.example.com";
    let url: axum::http::Uri = text.parse().map_err(|_| expected.to_owned())?;
    let is_known = matches!(url.scheme_str(), Some("http" | "https"));
    let authority = url.authority().filter(|authority| !authority.as_str().contains('@'));
    match (is_known, authority, url.path_and_query().map(PathAndQuery::as_str)) {
        (true, Some(authority), None | Some("/")) => {
            Ok(format!("{}://{authority}", url.scheme_str().unwrap_or_default()))
        }
        _ => Err(expected.to_owned()),
    }
}

/// F without the limit of requests, because the user chooses the folder.
const ANY_FILES: Number<u64> = Number { most: None, ..FILES };

/// Parses a number within its bounds.
fn number<T: Numeric + Send + Sync + 'static>(
    number: &'static Number<T>,
) -> impl Fn(&str) -> Result<T, Problem> + Clone + Send + Sync + 'static {
    move |text| number.parse(text)
}

/// Parses a choice; the help lists its words with their descriptions.
fn choice<C: Choice>() -> impl TypedValueParser<Value = C> {
    let words = C::ALL.iter().map(|choice| {
        let Described { word, description, .. } = choice.described();
        PossibleValue::new(word).help(description)
    });
    PossibleValuesParser::new(words).try_map(|word| C::parse(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_a_server_has_no_path_and_no_user() {
        assert_eq!(server_url("http://10.0.0.7:3000/").unwrap(), "http://10.0.0.7:3000");
        assert_eq!(server_url("https://[::1]:1").unwrap(), "https://[::1]:1");
        for text in ["10.0.0.7:3000", "http://a/b", "http://u@a", "ftp://a", "/", "http://a/?b"] {
            assert!(server_url(text).is_err(), "{text}");
        }
    }
}
