//! Pulls tasks from the queue, sums, streams segments into the store, reports.
//!
//! In reading order:
//!
//! - [`arguments`]: the command line and its environment variables.
//! - [`settings`]: how much a worker reads at a time, and what it is told to do wrong.
//! - [`service`]: the life of a worker: it takes deliveries one after another,
//!   sends heartbeats and heeds what the server tells all workers.
//! - `attempt`: one execution of a task: which segments are missing, and what
//!   is done when they are all there.
//! - `leaf`: sums input objects, five at a time. `source` is one of them whose
//!   numbers come in the order of the columns.
//! - `formats`: what is known of the objects of a job.
//! - `merge`: adds partial sums.
//! - `segments`: finds and writes segments. `sums` is memory to add up in.
//! - `thread`: where an attempt does what takes long.
//! - [`health`]: a sign of life for whoever asks.
//! - `meter`: counts what an attempt does, for its heartbeats.
//! - `failure`: what an attempt ends with when it does not complete.
//!
//! # Invariants
//!
//! - **At most `max_open_objects` input objects are open at once**, each with
//!   at most two ranges of `range_bytes` in memory. Of partial sums the same
//!   holds. The plan of a job tells the bound beforehand
//!   (`worker_memory_bytes` in [`protocol::plan::Estimate`]).
//! - **A segment is written once.** Whoever comes second finds it there and
//!   takes it for its own: both would have written the same bytes.
//! - **A delivery is acknowledged only once what became of it is reported.**

pub mod arguments;
mod attempt;
mod failure;
mod formats;
pub mod health;
mod leaf;
mod merge;
mod meter;
mod segments;
pub mod service;
pub mod settings;
mod source;
mod sums;
mod thread;

pub use service::{Worker, run};
pub use settings::{Faults, Settings};
