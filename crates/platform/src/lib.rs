//! The two parts of the outside world that server and workers share: a queue
//! and an object store.
//!
//! In reading order:
//!
//! - [`store`]: the trait [`ObjectStore`] and its guarantees; [`store::local`]
//!   is a directory, [`store::s3`] a bucket.
//! - [`inputs`]: which store an input's location lies in; [`files`]: files of
//!   this machine as locations.
//! - [`queue`]: the traits [`ServerEnd`] and [`WorkerEnd`] and their
//!   guarantees; [`queue::embedded`] lives inside the process,
//!   [`queue::amqp`] in RabbitMQ.
//! - [`place`]: how a command line says where something lies; [`queue::place`]
//!   and [`store::place`] are what it says of queues, stores and inputs, and
//!   [`backends`] is the only list of the queues and stores that there are.
//! - [`retry`]: when something that failed is tried again.
//! - [`faults`]: what goes wrong with either, on purpose.
//! - [`problems`]: the errors of both in the words that a user gets.
//!
//! # Invariants
//!
//! - Each trait states its guarantees once, and one conformance suite holds
//!   every implementation to them ([`store::conformance`],
//!   [`queue::conformance`]).
//! - An error's variant is what its caller has to decide on, never which
//!   implementation it came from.
//! - Nothing here knows what a partial sum is.

pub mod backends;
pub mod description;
pub mod faults;
pub mod files;
pub mod inputs;
pub mod place;
pub mod problems;
pub mod queue;
pub mod retry;
pub mod store;

pub use description::Description;
pub use inputs::InputStores;
pub use queue::place::QueuePlace;
pub use queue::{Queue, QueueError, ServerEnd, WorkerEnd};
pub use store::place::{InputPlace, StorePlace};
pub use store::{ObjectMeta, ObjectStore, StoreError};
