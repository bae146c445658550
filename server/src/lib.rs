//! Pages, JSON API and server-sent events; drives the scheduler; the command line.
//!
//! In reading order:
//!
//! - [`arguments`]: the command line and its environment variables.
//! - [`command`]: the subcommands `serve`, `mean`, `generate`, `token` and `ready`.
//! - [`access`]: who may do what: tokens, sessions, and links to single jobs.
//! - [`engine`]: the parts put together: a driver, a pool, a queue, a store.
//! - [`driver`]: the shell around the scheduler. It owns the scheduler, gives it
//!   events and performs its commands: [`planning`], [`finishing`], [`records`].
//! - [`results`]: stored results, and parts of them; [`outputs`]: results are also written
//!   where requests want them.
//! - [`board`]: the published snapshots of jobs and workers, for pages and streams.
//! - [`pool`]: the trait of worker pools and its implementations.
//! - [`limits`]: how large a job may be, how many wait, how long they are kept;
//!   [`generated_quota`]: the quota of test data; [`user_quota`]: the jobs of each user;
//!   [`retention`]: old jobs are deleted.
//! - [`idempotency`]: requests that are sent again submit no second job.
//! - [`uploads`]: uploads that can be resumed.
//! - [`store_lease`]: one server uses a store at a time.
//! - [`garbage_collection`]: partial sums are deleted once their job is over.
//! - [`webhooks`]: who wants to know is told that a job has ended.
//! - [`journal`]: the log of jobs. [`metrics`]: what is counted and timed for Prometheus.
//! - [`http`]: the JSON API, server-sent events and the pages.
//!
//! # Invariants
//!
//! - **One owner.** Only the driver holds the scheduler. Messages reach it through
//!   one channel; effects run beside it and answer through that channel.
//! - **The driver never waits** for an effect.
//! - **Handlers read the [`board`]**, never the scheduler.

pub mod access;
pub mod arguments;
pub mod board;
pub mod command;
pub mod driver;
pub mod engine;
pub mod finishing;
pub mod garbage_collection;
pub mod generated_quota;
pub mod generating;
pub mod http;
pub mod idempotency;
pub mod journal;
pub mod keys;
pub mod limits;
mod memory;
pub mod metrics;
pub mod outputs;
pub mod parts;
pub mod planning;
pub mod pool;
pub mod records;
pub mod results;
pub mod retention;
pub mod store_lease;
pub mod timeline;
pub mod trace;
pub mod uploads;
pub mod user_quota;
pub mod webhooks;
