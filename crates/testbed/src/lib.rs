//! Real servers for tests. Each is a child process on free ports of 127.0.0.1 with
//! its data in a temporary directory. Dropping it ends the process and deletes the
//! data.
//!
//! - [`RabbitMq`]: a RabbitMQ broker.
//! - [`SeaweedFs`]: an S3-compatible object store.
//! - [`Proxy`]: a TCP proxy that injects network faults.
//! - [`Clock`]: a clock of processes that a test can set.
//! - [`promtool`]: checks figures and rules as Prometheus does.
//! - [`Process`]: any other program that must end with the test.
//!
//! `scripts/setup-real-parts` installs the servers. A test fails, and is not
//! skipped, if a server that it needs is not installed.

mod clock;
mod ports;
mod process;
mod programs;
mod promtool;
mod proxy;
mod rabbitmq;
mod seaweedfs;

pub use clock::Clock;
pub use process::{Process, freeze, kill_9, thaw};
pub use promtool::promtool;
pub use proxy::{Disturbance, Exchange, Proxy};
pub use rabbitmq::RabbitMq;
pub use seaweedfs::SeaweedFs;
