//! The errors of stores and queues as problems for users.

use std::error::Error;
use std::fmt::Write;
use std::io;

use protocol::Problem;
use protocol::problem::ProblemKind;
use protocol::task::Fault;

use crate::{QueueError, StoreError};

impl StoreError {
    /// The error as a problem. `doing` names the operation in the gerund, such as
    /// "listing the objects".
    #[must_use]
    pub fn problem(&self, doing: &str) -> Problem {
        let (kind, remedy) = match self {
            StoreError::NotFound { .. } => {
                (ProblemKind::NotFound, "check the name; the object may have been moved or deleted")
            }
            StoreError::Changed { .. } => {
                (ProblemKind::InputChanged, "try again once nothing writes to it")
            }
            StoreError::InvalidKey { .. } => (ProblemKind::InvalidRequest, "use another name"),
            StoreError::Denied { .. } => (
                ProblemKind::Forbidden,
                "grant the program the permission, or allow the location with --allow-inputs",
            ),
            StoreError::Full { .. } => {
                (ProblemKind::InsufficientStorage, "free space in the store, then try again")
            }
            StoreError::AlreadyExists { .. } => (ProblemKind::Conflict, "use another name"),
            StoreError::Obstructed { .. } => {
                (ProblemKind::Conflict, "use another name, or delete what is in the way")
            }
            StoreError::Unavailable { .. } => {
                (ProblemKind::Unavailable, "check that the store is running, then try again")
            }
        };
        Problem::new(kind, format!("{doing}: {}", with_sources(self))).remedy(remedy)
    }

    /// As [`problem`](StoreError::problem), of an object in the program's own store. That the
    /// store refuses the program is an outage of the store: who asks the program has the
    /// permission, and need only wait.
    #[must_use]
    pub fn own_problem(&self, doing: &str) -> Problem {
        let problem = self.problem(doing);
        if !self.is_refusal() {
            return problem;
        }
        outage(problem).remedy("check that the server may use its store, then try again")
    }

    /// The error of reading an input of a job as a problem, which names its location.
    #[must_use]
    pub fn input_problem(&self, location: &str) -> Problem {
        match self {
            StoreError::Changed { change, .. } => Problem::input_changed(location, change),
            error => error.problem(&format!("reading {location}")).object(location),
        }
    }
}

impl StoreError {
    /// What is to blame if a worker meets the error at an input of a job, which was
    /// there when the job was planned.
    #[must_use]
    pub fn input_fault(&self) -> Fault {
        match self {
            StoreError::NotFound { .. }
            | StoreError::Changed { .. }
            | StoreError::InvalidKey { .. } => Fault::Input,
            // The permissions of a file are the same for all who run as one user.
            StoreError::Denied { source: Some(source), .. } if source.is::<io::Error>() => {
                Fault::Input
            }
            error => error.store_fault(),
        }
    }

    /// Whether a store refuses requests as such: the credentials, the clock or the bucket are
    /// wrong, and not the object.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            StoreError::Denied { source: Some(source), .. } => !source.is::<io::Error>(),
            _ => false,
        }
    }

    /// What is to blame if a worker meets the error at an object of the program's own.
    #[must_use]
    pub fn store_fault(&self) -> Fault {
        match self {
            StoreError::Unavailable { .. } => Fault::Store,
            error if error.is_missing_store() => Fault::Store,
            // Credentials, a clock that is wrong, or a disk: those of others may be right.
            StoreError::Denied { .. } | StoreError::Full { .. } => Fault::Worker,
            StoreError::NotFound { .. }
            | StoreError::Changed { .. }
            | StoreError::AlreadyExists { .. }
            | StoreError::InvalidKey { .. }
            | StoreError::Obstructed { .. } => Fault::Program,
        }
    }
}

impl QueueError {
    /// The error as a problem. `doing` names the operation in the gerund.
    #[must_use]
    pub fn problem(&self, doing: &str) -> Problem {
        Problem::new(ProblemKind::Unavailable, format!("{doing}: {}", with_sources(self)))
            .remedy("check that the queue is running, then try again")
    }
}

/// A problem as that of a part that is not available, with the title and the status of those.
#[must_use]
pub fn outage(problem: Problem) -> Problem {
    let Problem { detail, remedy, object, field, .. } = problem;
    Problem { object, field, ..Problem::new(ProblemKind::Unavailable, detail).remedy(remedy) }
}

/// An unexpected error as a problem. `doing` names the operation in the gerund.
#[must_use]
pub fn internal(doing: &str, error: &dyn Error) -> Problem {
    Problem::new(ProblemKind::Internal, format!("{doing}: {}", with_sources(error)))
}

/// An error and its sources as text, outermost first.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MissingStore;

    #[test]
    fn a_refusal_by_the_own_store_is_an_outage_and_not_one_of_who_asks() {
        let denied = |source| StoreError::Denied { key: "a".to_owned(), source };
        let of_file = io::Error::from(io::ErrorKind::PermissionDenied);
        for (error, kind, own) in [
            (denied(Some("403".into())), ProblemKind::Forbidden, ProblemKind::Unavailable),
            // A file that may not be read, and what the configuration does not allow.
            (denied(Some(of_file.into())), ProblemKind::Forbidden, ProblemKind::Forbidden),
            (denied(None), ProblemKind::Forbidden, ProblemKind::Forbidden),
            (
                StoreError::NotFound { key: "a".to_owned() },
                ProblemKind::NotFound,
                ProblemKind::NotFound,
            ),
        ] {
            assert_eq!(error.problem("storing the job").kind, kind, "{error}");
            let problem = error.own_problem("storing the job");
            assert_eq!((problem.kind, problem.status), (own, own.status()), "{error}");
        }
    }

    #[test]
    fn the_fault_is_that_of_who_can_mend_it() {
        let key = || "a".to_owned();
        let denied = |source| StoreError::Denied { key: key(), source };
        let missing = Box::new(MissingStore("no such bucket".into()));
        let change = "it was deleted".to_owned();
        for (error, of_input, of_store) in [
            (StoreError::NotFound { key: key() }, Fault::Input, Fault::Program),
            (StoreError::Changed { key: key(), change }, Fault::Input, Fault::Program),
            (denied(None), Fault::Worker, Fault::Worker),
            (denied(Some("403".into())), Fault::Worker, Fault::Worker),
            (denied(Some(missing)), Fault::Store, Fault::Store),
            (
                denied(Some(Box::new(io::Error::from(io::ErrorKind::PermissionDenied)))),
                Fault::Input,
                Fault::Worker,
            ),
            (StoreError::Full { key: key() }, Fault::Worker, Fault::Worker),
            (
                StoreError::Unavailable { key: key(), source: "503".into() },
                Fault::Store,
                Fault::Store,
            ),
            (StoreError::AlreadyExists { key: key() }, Fault::Program, Fault::Program),
        ] {
            assert_eq!((error.input_fault(), error.store_fault()), (of_input, of_store), "{error}");
        }
    }

    #[test]
    fn what_a_client_can_do_is_told_by_the_status() {
        let status = |error: StoreError| error.problem("storing the object").status;
        let key = || "a".to_owned();
        assert_eq!(status(StoreError::NotFound { key: key() }), 404);
        assert_eq!(status(StoreError::InvalidKey { key: key(), reason: "it is empty" }), 400);
        assert_eq!(status(StoreError::Obstructed { key: key(), reason: "it is a folder" }), 409);
        assert_eq!(status(StoreError::Full { key: key() }), 507);
        let silent = StoreError::Unavailable { key: key(), source: "no answer".into() };
        assert_eq!(status(silent), 503);
    }
}
