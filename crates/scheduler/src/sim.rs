//! The very scheduler among simulated workers, in virtual time.
//!
//! A [`World`] holds one scheduler, a queue, a store and workers with speeds
//! of their own. It hands the scheduler's commands to them, what they report
//! back to the scheduler, and advances the time to whatever happens next.
//! Everything follows from a seed. What can go wrong does go wrong, if that is
//! asked for, and is counted; after every event the invariants are checked.
//!
//! - [`world`]: the loop, the queue and what commands do; `terms`, what it is
//!   made of; `happening`, what happens next.
//! - `machine`, `work`, `store`: simulated workers, what they do, and segments.
//! - [`faults`]: what goes wrong.
//! - [`chaos`]: a world full of faults from a seed.
//! - [`scenario`]: worlds without faults to compare policies in.
//! - [`table`]: what is printed.

pub mod chance;
pub mod chaos;
pub mod faults;
mod happening;
mod machine;
pub mod scenario;
mod store;
pub mod table;
mod terms;
mod work;
pub mod world;

pub use chance::Chance;
pub use machine::Speed;
pub use terms::{Load, Measures, Terms};
pub use world::World;
