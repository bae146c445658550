//! Sums, means and statistics against big integers, which share nothing with
//! the code under test, and their encodings against each other.

mod encodings;
mod means;
mod missing;
mod numbers;
mod oracle;
mod statistics;
mod trees;
mod typed;
mod weights;
