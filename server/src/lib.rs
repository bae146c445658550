//! Pages, JSON API and server-sent events; drives the scheduler; the command line.
//!
//! In reading order:
//!
//! - [`arguments`]: the command line and its environment variables.
//! - [`command`]: what the subcommands do: `serve`, `mean`, `generate`.
//! - [`engine`]: the parts put together: a driver, a pool, a queue, a store.
//! - [`driver`]: the shell around the scheduler. It owns it, gives it events and
//!   carries out its commands: [`planning`], [`finishing`], [`records`].
//! - [`board`]: what is known from outside, published for pages and streams.
//! - [`pool`]: what keeps workers.
//! - [`hold`], [`cleaning`]: one server a store; what is deleted in the end.
//! - [`http`]: the JSON API, server-sent events and the pages.
//!
//! # Invariants
//!
//! - **One owner.** Only the driver holds the scheduler. Facts reach it through
//!   one channel; effects run beside it and answer through that channel.
//! - **The driver never waits** for an effect.
//! - **Handlers read the [`board`]**, never the scheduler.

pub mod arguments;
pub mod board;
pub mod cleaning;
pub mod command;
pub mod driver;
pub mod engine;
pub mod finishing;
pub mod generating;
pub mod hold;
pub mod http;
pub mod keys;
pub mod parts;
pub mod planning;
pub mod pool;
pub mod records;
pub mod results;
