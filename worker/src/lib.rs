//! The worker: takes tasks from the queue, sums, writes segments into the store,
//! and reports.
//!
//! In reading order:
//!
//! - [`arguments`]: the command line and its environment variables.
//! - [`settings`]: how much a worker reads at a time, and its injected faults.
//! - [`service`]: the main loop of a worker: it processes deliveries one after
//!   another, sends heartbeats and follows control messages. `outbox` gathers its reports
//!   while others are being sent.
//! - `attempt`: one execution of a task: which segments are missing, and what
//!   is done when they are all there.
//! - `leaf`: sums input objects, five at a time. `source` is one of them whose
//!   numbers come in the order of the columns.
//! - `formats`: what is known of the objects of a job.
//! - `merge`: adds partial sums.
//! - `segments`: finds and writes segments. `sums` reuses the memory of their
//!   sums.
//! - `thread`: the thread on which an attempt does its long computations.
//! - `pace`: lets an attempt of a demonstration last for a while.
//! - [`health`]: the health file, for health checks.
//! - `meter`: counts what an attempt does, for its heartbeats. [`metrics`]: counts what
//!   a worker does, for Prometheus.
//! - `traced`: the span of an attempt, in the trace of its job.
//! - `failure`: what an attempt ends with when it does not complete. `second_look`
//!   ensures that an input is really gone.
//!
//! # Invariants
//!
//! - **At most `max_open_objects` input objects are open at once**, each with
//!   at most two ranges of `range_bytes` in memory. Of partial sums the same
//!   holds. The plan of a job states the bound beforehand
//!   (`worker_memory_bytes` in [`protocol::plan::Estimate`]).
//! - **A segment is written once.** An attempt that finds a segment in the store
//!   uses it as its own: both would have written the same bytes.
//! - **A delivery is acknowledged only once its outcome is reported.**

pub mod arguments;
mod attempt;
mod failure;
mod formats;
pub mod health;
mod leaf;
mod merge;
mod meter;
pub mod metrics;
mod outbox;
mod pace;
mod second_look;
mod segments;
pub mod service;
pub mod settings;
mod source;
mod sums;
mod thread;
mod traced;

pub use attempt::Substitute;
pub use service::{Worker, run, run_with};
pub use settings::{Faults, Settings};
