//! Real servers for tests, each a child process on free ports of 127.0.0.1 with
//! its data in a temporary folder, gone when dropped.
//!
//! - [`RabbitMq`]: a broker.
//! - [`SeaweedFs`]: an object store that speaks S3.
//! - [`Proxy`]: stands before either and disturbs.
//! - [`Process`]: any other program that must end with the test.
//!
//! `scripts/setup-real-parts` installs what is needed. A test that needs a
//! server which is not there fails and says so; none is skipped.

mod ports;
mod process;
mod proxy;
mod rabbitmq;
mod seaweedfs;

pub use process::{Process, kill_9};
pub use proxy::{Disturbance, Proxy};
pub use rabbitmq::RabbitMq;
pub use seaweedfs::SeaweedFs;
