//! The two parts of the outside world that server and workers share: a queue
//! and an object store.
//!
//! In reading order:
//!
//! - [`store`]: the trait [`ObjectStore`] and its guarantees; [`store::local`]
//!   is a directory, [`store::s3`] a bucket; [`store::measured`] counts and times calls.
//! - [`inputs`]: the store that an input's location lies in; [`outputs`]: that of a result
//!   that is also written elsewhere; [`files`]: files on this machine as locations.
//! - [`queue`]: the traits [`ServerEnd`] and [`WorkerEnd`] and their
//!   guarantees; [`queue::embedded`] lives inside the process,
//!   [`queue::amqp`] in RabbitMQ.
//! - [`place`]: how places are written, as flags name them; [`queue::place`] and
//!   [`store::place`]: the places of queues, stores, inputs and outputs; [`backends`]: the
//!   only list of all queues and stores.
//! - [`retry`]: the policies by which failed operations are retried.
//! - [`faults`]: decorators that inject faults, for tests.
//! - [`problems`]: the errors of both as problems for users.
//!
//! # Invariants
//!
//! - Each trait states its guarantees once, and one conformance suite holds
//!   every implementation to them ([`store::conformance`],
//!   [`queue::conformance`]).
//! - The variant of an error is its caller's decision, never the implementation
//!   that it came from.
//! - Nothing here knows about partial sums.

pub mod backends;
pub mod description;
pub mod faults;
pub mod files;
pub mod inputs;
pub mod outputs;
pub mod place;
pub mod problems;
pub mod queue;
pub mod retry;
pub mod store;

pub use description::Description;
pub use inputs::InputStores;
pub use outputs::{OutputObject, OutputStores};
pub use queue::place::QueuePlace;
pub use queue::{Queue, QueueError, ServerEnd, WorkerEnd};
pub use store::place::{InputPlace, OutputPlace, StorePlace};
pub use store::{ObjectMeta, ObjectStore, Pin, StoreError};
