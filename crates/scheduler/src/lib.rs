//! Decides who computes what, and when: a pure state machine.
//!
//! [`Scheduler::handle`] takes one fact and the time, and says what is to be
//! done about it. It never waits, reads a clock, draws unseeded randomness or
//! does I/O; the same events give the same commands, always.

pub mod command;
pub mod event;
pub mod settings;

pub use command::Command;
pub use event::Event;
pub use settings::Settings;
