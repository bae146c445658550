//! What is wrong with an encoded partial sum.

use std::fmt;

/// An encoded partial sum that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorruptError {
    /// Where in the encoded partial sum, from 0.
    pub byte: u64,
    /// What was found there.
    pub what: String,
}

impl CorruptError {
    pub(super) fn new(byte: u64, what: impl Into<String>) -> CorruptError {
        CorruptError { byte, what: what.into() }
    }
}

impl fmt::Display for CorruptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.byte)
    }
}

impl std::error::Error for CorruptError {}
