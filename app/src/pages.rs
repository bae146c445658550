//! The pages, one per route. Pages own the resources.

pub mod files;
pub mod history;
pub mod home;
pub mod inputs;
pub mod job;
pub mod not_found;
pub mod sign_in;
