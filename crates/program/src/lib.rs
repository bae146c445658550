//! What the two programs, server and worker, do alike at their edges.
//!
//! In reading order:
//!
//! - [`arguments`]: the flags that both take, and how the places on a command
//!   line are read.
//! - [`telemetry`]: where logs go.
//! - [`signals`]: SIGINT and SIGTERM as a token.
//! - [`clock`]: the only place that reads the clock.
//! - [`host`]: the machine that the program runs on.

pub mod arguments;
pub mod clock;
pub mod host;
pub mod signals;
pub mod telemetry;
