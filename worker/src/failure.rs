//! What an attempt ends with when it does not complete.

use std::error::Error;

use platform::{StoreError, problems};
use protocol::Problem;
use protocol::problem::ProblemKind;
use protocol::task::{Failure, Fault};
use reading::ReadError;
use summation::{CorruptError, InputError};

/// Why an attempt has not computed all segments of its task.
pub(crate) enum Interruption {
    Failed(Failure),
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
        ReadError::Corrupt { key, source } => corrupt(key, source),
    }
}

/// A partial sum whose checksum or encoding is wrong.
pub(crate) fn corrupt(key: &str, error: &CorruptError) -> Failure {
    let problem = Problem::new(ProblemKind::Internal, format!("{key} is damaged: {error}"))
        .object(key)
        .remedy("check that the store keeps what is written to it, then run the job again");
    Failure { problem, fault: Fault::Program }
}

/// An unexpected error, which another attempt may not meet.
pub(crate) fn internal(doing: &str, error: &dyn Error) -> Failure {
    Failure { problem: problems::internal(doing, error), fault: Fault::Program }
}
