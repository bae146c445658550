//! The set-up of logs.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use clap::ValueEnum;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// How many lines of the log wait while nobody reads them; further ones are dropped.
const LINES_WAITING: usize = 10_000;
/// What is logged of the clients of S3 and RabbitMQ: they report at length, and as errors,
/// what the program handles and logs itself.
const QUIET: &str = "aws_config=error,lapin=off";

/// The thread that writes the log.
static WRITER: Mutex<Option<WorkerGuard>> = Mutex::new(None);

/// The form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line of text for each event.
    #[default]
    Text,
    /// A line with a JSON object for each event: `timestamp`, `level`, `target`, `message`,
    /// and the fields of the event beside them.
    Json,
}

impl LogFormat {
    /// The word of the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        }
    }
}

/// Logs to standard error, from `level` up unless `RUST_LOG` says otherwise, as text in
/// colour on a terminal. Must be called only once.
///
/// A thread of its own writes the lines, so that the program goes on where nobody reads
/// them or the reader is gone. [`flush`] waits for the last ones.
pub fn log_from(level: &str, format: LogFormat) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("{level},{QUIET}")));
    let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES_WAITING);
    let (writer, guard) = builder.finish(io::stderr());
    *WRITER.lock().unwrap_or_else(PoisonError::into_inner) = Some(guard);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    match format {
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => {
            log.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
        }
    }
}

/// Writes what was logged, for at most about a second. Nothing is logged after this.
pub fn flush() {
    drop(WRITER.lock().unwrap_or_else(PoisonError::into_inner).take());
}

/// Writes an error that ends the program, after what was logged.
pub fn print_error(error: &anyhow::Error) {
    flush();
    // There may be nobody who reads it.
    let _ = writeln!(io::stderr(), "error: {error:#}");
}
