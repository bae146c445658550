//! The task scheduler, a pure state machine.
//!
//! [`Scheduler::handle`] maps an event and the current time to a list of
//! commands. It does not block, read a clock, use randomness or do I/O. The
//! same events always give the same commands.
//!
//! Modules in reading order:
//!
//! - [`event`], [`command`], [`settings`]: the interface.
//! - [`plan`]: the planner, which builds the sum tree of a job.
//! - [`scheduler`]: the state machine, one module per concern: jobs, attempts,
//!   workers, dispatch, speculation, scaling and views.
//! - [`speculation`]: the rules that detect stragglers.
//! - `job`, `task`, `pool`: the state of jobs, tasks and workers.
//! - `progress_rate`, `durations`: the rate of an attempt, and the durations of
//!   completed attempts.
//! - `sim` (feature `sim`): a simulator that runs this scheduler with simulated
//!   workers. `POLICIES.md` lists its measurements.
//!
//! # Invariants
//!
//! - **Events may be duplicated, reordered or stale.** They do not corrupt the
//!   state.
//! - **A task completes once,** however many attempts complete it. A complete
//!   task has no live attempt.
//! - **The scheduler is work-conserving.** After every event, no worker is idle
//!   while a task is ready that it may execute.
//! - **A job has at most W attempts on workers,** and a task at most one
//!   speculative attempt.
//! - **Views are cheap.** Only paged task lists and the two bits of each task's drawn
//!   state depend on the number of tasks.

pub mod command;
mod durations;
pub mod event;
mod job;
pub mod plan;
mod pool;
mod progress_rate;
pub mod scheduler;
pub mod settings;
#[cfg(feature = "sim")]
pub mod sim;
pub mod speculation;
mod task;

pub use command::Command;
pub use event::{Event, JobTerms};
pub use scheduler::{Changes, JobView, PoolView, Remaining, Scheduler, VisitedTask};
pub use settings::Settings;
