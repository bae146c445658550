//! What an attempt ends with when it does not complete.

use std::error::Error;

use platform::{StoreError, problems};
use protocol::Problem;
use protocol::task::{Failure, Fault, LostSegment};
use reading::ReadError;
use summation::InputError;

/// Why an attempt has not computed all segments of its task.
pub(crate) enum Interruption {
    Failed(Failure),
    /// A partial sum that is needed is not there, and must be computed first.
    Lost(LostSegment),
    /// The worker leaves. All segments that are written are complete.
    Leaving,
}

impl From<Failure> for Interruption {
    fn from(failure: Failure) -> Self {
        Interruption::Failed(failure)
    }
}

/// A failure of the user's input, which another attempt would meet again.
pub(crate) fn permanent(problem: Problem) -> Failure {
    Failure { problem, fault: Fault::Input }
}

/// An object that cannot be decoded.
pub(crate) fn invalid_input(object: &str, error: &InputError) -> Failure {
    permanent(error.problem(object))
}

/// An input object that could not be read. One that has changed is not read again.
pub(crate) fn input(location: &str, error: &StoreError) -> Failure {
    Failure { problem: error.input_problem(location), fault: error.input_fault() }
}

/// An object of the store that could not be read or written.
pub(crate) fn store(doing: &str, error: &StoreError) -> Failure {
    Failure { problem: error.problem(doing), fault: error.store_fault() }
}

/// A partial sum that could not be read.
pub(crate) fn partial_sum(error: &ReadError) -> Failure {
    match error {
        ReadError::Store(error) => store("reading a partial sum", error),
        ReadError::Corrupt { .. } => internal("reading a partial sum", error),
    }
}

/// An unexpected error, which another attempt may not meet.
pub(crate) fn internal(doing: &str, error: &dyn Error) -> Failure {
    Failure { problem: problems::internal(doing, error), fault: Fault::Program }
}
