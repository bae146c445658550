//! What an attempt ends with when it does not complete.

use std::error::Error;

use platform::{StoreError, problems};
use protocol::Problem;
use protocol::problem::ProblemKind;
use protocol::task::Failure;
use reading::ReadError;
use summation::{CorruptError, InputError};

/// Why the segments of a task were not all computed.
pub(crate) enum Interruption {
    Failed(Failure),
    /// The worker is going, and what is written is whole.
    Leaving,
}

impl From<Failure> for Interruption {
    fn from(failure: Failure) -> Self {
        Interruption::Failed(failure)
    }
}

/// What the user gave is wrong, so another attempt would meet it again.
pub(crate) fn permanent(problem: Problem) -> Failure {
    Failure { problem, retryable: false }
}

/// An object that does not hold numbers that can be read.
pub(crate) fn invalid_input(object: &str, error: &InputError) -> Failure {
    permanent(error.problem(object))
}

/// An object of the store that could not be read or written.
pub(crate) fn store(doing: &str, error: &StoreError) -> Failure {
    // A full disk may have space a moment later, when another job is cleaned up.
    let retryable = matches!(error, StoreError::Unavailable { .. } | StoreError::Full { .. });
    Failure { problem: error.problem(doing), retryable }
}

/// A partial sum that could not be read.
pub(crate) fn partial_sum(error: &ReadError) -> Failure {
    match error {
        ReadError::Store(error) => store("reading a partial sum", error),
        ReadError::Corrupt { key, source } => corrupt(key, source),
    }
}

/// A partial sum that does not hold what was written.
pub(crate) fn corrupt(key: &str, error: &CorruptError) -> Failure {
    let problem = Problem::new(ProblemKind::Internal, format!("{key} is damaged: {error}"))
        .object(key)
        .remedy("see that the store keeps what is written to it, then run the job again");
    Failure { problem, retryable: true }
}

/// Something that should not happen, and may not happen again.
pub(crate) fn internal(doing: &str, error: &dyn Error) -> Failure {
    Failure { problem: problems::internal(doing, error), retryable: true }
}
