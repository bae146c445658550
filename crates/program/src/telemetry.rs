//! The set-up of logs.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// Logs to standard error, from `level` up unless `RUST_LOG` says otherwise, and in
/// colour on a terminal. Must be called only once.
pub fn log_from(level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}
