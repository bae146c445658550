//! The words spoken between the dashboard, the server and the workers.
//!
//! Everything here is plain data that serde turns into JSON; there is no I/O
//! and no logic beyond reading, checking and printing the types, so the crate
//! builds for the browser as it does for the server.
//!
//! In reading order:
//!
//! - [`id`]: what names a job, a task, an attempt and a worker.
//! - [`time`]: points in time and durations as they cross a process boundary.
//! - [`request`]: what a user asks for: fields, bounds, texts, and the check.
//! - [`plan`]: the sum tree that a job is computed by.
//! - [`job`]: what a job looks like from outside.
//! - [`preview`]: how a request would be computed.
//! - [`task`]: what the server asks of a worker, and what the worker answers.
//! - [`detail`]: tasks and attempts as they look from outside.
//! - [`worker`]: the worker pool as it looks from outside.
//! - [`result`]: what is known about a job's result besides its numbers.
//! - [`live`]: what a page first shows, and what then changes it.
//! - [`problem`]: what went wrong, where, and what to do.
//!
//! With the feature `schema` the types that the JSON API speaks describe
//! themselves; only the server needs that.
//!
//! # Invariants
//!
//! - **Versioned, and lenient.** A message between processes carries
//!   [`VERSION`]; unknown fields are ignored and new fields have defaults, so
//!   an old worker understands a new server and the other way round.
//! - **Units last.** A number says its unit in its name: `lease_ms`,
//!   `input_bytes`.

pub mod detail;
pub mod id;
pub mod job;
pub mod live;
pub mod plan;
pub mod preview;
pub mod problem;
pub mod request;
pub mod result;
#[cfg(feature = "schema")]
mod schema;
pub mod task;
pub mod time;
pub mod worker;

pub use id::{AttemptId, JobId, TaskId, WorkerId};
pub use job::{JobSnapshot, Phase};
pub use plan::{Plan, PlanLevel};
pub use preview::Preview;
pub use problem::Problem;
pub use request::{FanIn, Inputs, JobRequest, ValidRequest};
pub use time::Timestamp;

/// The version of the messages between server and workers. It changes only
/// when an old reader would misunderstand a new message.
pub const VERSION: u32 = 1;
