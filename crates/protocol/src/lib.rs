//! The messages between the dashboard, the server and the workers.
//!
//! Everything here is plain data that serde serialises as JSON. There is no I/O,
//! so the crate builds for the browser and for the server. Besides parsing,
//! validating and printing it contains only the logic that both sides must agree
//! on: the shape of the sum tree, the changes of task states, the overall progress.
//!
//! In reading order:
//!
//! - [`id`]: ids of jobs, tasks, attempts and workers.
//! - [`time`]: timestamps in messages.
//! - [`request`]: a job request: its fields, their bounds and texts, and the validation.
//! - [`plan`]: the sum tree of a job.
//! - [`job`]: the public state of a job.
//! - [`preview`]: the plan of a request that is not submitted.
//! - [`task`]: assignments and controls to workers, and their reports.
//! - [`detail`]: the public state of tasks and attempts.
//! - [`timeline`]: the attempts of a job over time.
//! - [`states`]: the states of all tasks of a job, as pages draw them.
//! - [`version`]: the version of an object, which shows whether it has changed.
//! - [`worker`]: the public state of the worker pool.
//! - [`outage`]: outages of the parts that all jobs depend on.
//! - [`files`]: the objects of the store, as users browse them.
//! - [`result`]: a summary of a job's result.
//! - [`live`]: snapshots and server-sent events for the pages.
//! - [`access`]: who calls, and what they may do.
//! - [`problem`]: errors: what is wrong, where, and the remedy.
//!
//! The feature `schema` adds OpenAPI schemas to the types of the JSON API. Only
//! the server enables it.
//!
//! # Invariants
//!
//! - **Versioned, and lenient.** A message between processes carries
//!   [`VERSION`]. Unknown fields are ignored and new fields have defaults, so
//!   old workers and new servers are compatible, and vice versa.
//! - **Units last.** The name of a number ends in its unit: `lease_ms`,
//!   `input_bytes`.

pub mod access;
pub mod detail;
pub mod files;
pub mod id;
pub mod job;
pub mod live;
pub mod outage;
pub mod plan;
pub mod preview;
pub mod problem;
pub mod request;
pub mod result;
#[cfg(feature = "schema")]
mod schema;
pub mod states;
pub mod task;
pub mod time;
pub mod timeline;
pub mod version;
pub mod worker;

pub use access::{Caller, Role};
pub use id::{AttemptId, JobId, TaskId, WorkerId};
pub use job::{JobSnapshot, Phase};
pub use outage::{Outage, Part};
pub use plan::{Plan, PlanLevel};
pub use preview::Preview;
pub use problem::Problem;
pub use request::{FanIn, Inputs, JobRequest, ValidRequest};
pub use time::Timestamp;
pub use version::ObjectVersion;

/// The version of the messages between server and workers. It changes only
/// when an old reader would misinterpret a new message.
pub const VERSION: u32 = 1;
