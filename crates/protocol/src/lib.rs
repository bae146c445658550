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
//! - [`trace_context`]: which span of which trace something belongs to.
//! - [`version`]: the version of an object, which shows whether it has changed.
//! - [`weight`]: the weight of an object.
//! - [`worker`]: the public state of the worker pool.
//! - [`outage`]: outages of the parts that all jobs depend on.
//! - [`files`]: the objects of the store, as users browse them.
//! - [`result`]: a summary of a job's result.
//! - [`view`]: parts of a result, as pages and programs look at them.
//! - [`comparison`]: how two results differ.
//! - [`webhook`]: the message that a job has ended; [`delivery`]: whether it was delivered.
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
//!   [`VERSION`], and one of another version is refused. Within a version unknown
//!   fields are ignored and new fields have defaults, so workers and servers of
//!   neighbouring releases are compatible.
//! - **Units last.** The name of a number ends in its unit: `lease_ms`,
//!   `input_bytes`.

pub mod access;
pub mod comparison;
pub mod delivery;
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
pub mod trace_context;
pub mod version;
pub mod view;
pub mod webhook;
pub mod weight;
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
pub use trace_context::TraceContext;
pub use version::ObjectVersion;
pub use weight::Weight;

/// The version of the messages between server and workers. It changes only
/// when an old reader would misinterpret a new message. From version 2 on a message may
/// contain several assignments or reports, and objects have weights.
pub const VERSION: u32 = 2;
