//! Decides who computes what, and when: a pure state machine.
//!
//! [`Scheduler::handle`] takes one fact and the time, and says what is to be
//! done about it. It never waits, reads a clock, draws randomness or does I/O;
//! the same events give the same commands, always.
//!
//! In reading order:
//!
//! - [`event`], [`command`], [`settings`]: the whole interface.
//! - [`plan`]: the sum tree of a job, from the list of its objects.
//! - [`scheduler`]: the state machine, by what it deals with: jobs, attempts,
//!   workers, who is served next, stragglers, how many workers there should
//!   be, and what all that looks like from outside.
//! - [`speculation`]: the rules that find stragglers.
//! - `job`, `task`, `pool`: what is known of each of these.
//! - `pace`, `durations`: how fast an attempt goes, how long others took.
//! - `sim` (feature `sim`): the very scheduler among simulated workers; what it
//!   measures stands in `POLICIES.md`.
//!
//! # Invariants
//!
//! - **No fact is trusted to come once, or in order.** Events overtake each
//!   other, come twice, or speak of what is long over.
//! - **A task is counted once.** It becomes complete once, whatever number of
//!   attempts say so, and from then on it has no live attempt.
//! - **Nobody waits in vain.** After every event, a worker that waits and a
//!   ready task that it may take do not exist at the same time.
//! - **Never more than W attempts of a job with workers,** and one speculative
//!   attempt of a task at most.
//! - **Summaries are cheap.** What looks at every task is not called often.

pub mod command;
mod durations;
pub mod event;
mod job;
mod pace;
pub mod plan;
mod pool;
pub mod scheduler;
pub mod settings;
#[cfg(feature = "sim")]
pub mod sim;
pub mod speculation;
mod task;

pub use command::Command;
pub use event::{Event, JobTerms};
pub use scheduler::{Changes, JobView, PoolView, Scheduler};
pub use settings::Settings;
