//! What the two programs, server and worker, share at their edges.
//!
//! In reading order:
//!
//! - [`arguments`]: the flags that both take, and the parser of places.
//! - [`telemetry`]: the set-up of logs.
//! - [`metrics`]: what each program exports for Prometheus.
//! - [`signals`]: SIGINT and SIGTERM as a cancellation token.
//! - [`clock`]: the only place that reads the clock of the machine.
//! - [`host`]: the name of the machine.
//! - [`open_files`]: the limit of open files and connections.

pub mod arguments;
pub mod clock;
pub mod host;
pub mod metrics;
pub mod open_files;
pub mod signals;
pub mod telemetry;
