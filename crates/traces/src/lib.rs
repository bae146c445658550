//! Traces: spans of requests, jobs, tasks, attempts and calls of stores, for a receiver of
//! OpenTelemetry.
//!
//! Whoever does something [begins](Traces::child) a span below the one that it is part of,
//! whose [`TraceContext`](protocol::TraceContext) it was given: by the header of a request, the
//! record of a job, or an assignment. It [ends](Traces::end) the span once it is done.
//!
//! In reading order:
//!
//! - [`recorder`]: begins and ends spans.
//! - [`span`]: a span until it ends.
//! - [`request`]: the span of the request that is being answered.
//! - [`sampling`]: which traces are recorded.
//! - [`settings`]: the environment variables.
//! - [`exporting`]: sends spans to the receiver, from a thread of its own.
//!
//! # Invariants
//!
//! - **Off by default.** Without the address of a receiver nothing is recorded, kept or sent.
//! - **Work never waits for it.** Spans wait in a queue of bounded length. What has no room
//!   there, because the receiver is slow or away, is dropped.

mod exporting;
pub mod recorder;
pub mod request;
mod sampling;
mod settings;
pub mod span;

pub use self::recorder::Traces;
pub use self::span::{Span, SpanKind};
