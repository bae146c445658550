//! A discrete-event simulator: the real scheduler with simulated workers, in
//! virtual time.
//!
//! A [`World`] holds a scheduler, a queue, a store and workers of different
//! speeds. It executes the scheduler's commands, delivers the workers' reports
//! to the scheduler, and advances the time to the next event. A run is determined
//! by its seed. Faults are injected and counted on request, and the invariants can
//! be checked after every event.
//!
//! - [`world`]: the event loop, the queue and the execution of commands; `terms`:
//!   the parameters and measurements of a run; `sim_event`: the events.
//! - `worker`, `work`, `store`: simulated workers, their behaviour, and the stored
//!   segments.
//! - `station`: the broker and the server take time for each message.
//! - [`faults`]: the faults that can be injected; `outages`: a broker, a store or a node that
//!   is away.
//! - [`chaos`]: random runs with faults.
//! - [`scenario`]: one job on a pool, to compare policies; [`sharing`]: several jobs on one
//!   pool, and pools that are scaled; [`disruption`]: one job during an outage.
//! - [`table`]: the tables that the binary prints.

pub mod chaos;
pub mod disruption;
pub mod faults;
mod outages;
pub mod random;
pub mod scenario;
pub mod sharing;
mod sim_event;
mod station;
mod store;
pub mod table;
mod terms;
mod work;
mod worker;
pub mod world;

pub use random::Random;
pub use terms::{Load, Measures, Terms, Truth};
pub use worker::Speed;
pub use world::World;
