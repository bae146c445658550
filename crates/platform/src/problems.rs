//! What went wrong with a part of the outside world, in the words that a user gets.

use std::error::Error;
use std::fmt::Write;

use protocol::Problem;
use protocol::problem::ProblemKind;

use crate::{QueueError, StoreError};

impl StoreError {
    /// The error as a problem; `doing` says what the store was asked for, in
    /// the gerund.
    #[must_use]
    pub fn problem(&self, doing: &str) -> Problem {
        let (kind, remedy) = match self {
            StoreError::NotFound { .. } => {
                (ProblemKind::NotFound, "check its name; it may have been moved or deleted")
            }
            StoreError::InvalidKey { .. } => (ProblemKind::InvalidRequest, "use another name"),
            StoreError::Denied { .. } => (
                ProblemKind::Forbidden,
                "give the program the permission, or allow the location in its configuration",
            ),
            StoreError::Full { .. } => (ProblemKind::Unavailable, "make space in the store"),
            StoreError::AlreadyExists { .. } => (ProblemKind::Conflict, "use another name"),
            StoreError::Unavailable { .. } => {
                (ProblemKind::Unavailable, "see that the store works, then try again")
            }
        };
        Problem::new(kind, format!("{doing}: {}", with_sources(self))).remedy(remedy)
    }
}

impl QueueError {
    /// The error as a problem; `doing` says what the queue was asked for, in
    /// the gerund.
    #[must_use]
    pub fn problem(&self, doing: &str) -> Problem {
        Problem::new(ProblemKind::Unavailable, format!("{doing}: {}", with_sources(self)))
            .remedy("see that the queue works, then try again")
    }
}

/// Something that should not happen; `doing` says what was under way, in the gerund.
#[must_use]
pub fn internal(doing: &str, error: &dyn Error) -> Problem {
    Problem::new(ProblemKind::Internal, format!("{doing}: {}", with_sources(error)))
}

/// An error and what caused it, outermost first.
#[must_use]
pub fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}
