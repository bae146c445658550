//! What the broker's answers mean.

use std::error::Error;

use crate::QueueError;

/// Why there is no session.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The broker will not have it.
    Refused(Box<dyn Error + Send + Sync>),
    /// The broker is not there, or broken.
    Absent(Box<dyn Error + Send + Sync>),
}

impl From<lapin::Error> for Trouble {
    fn from(error: lapin::Error) -> Trouble {
        if error.kind().is_refusal() {
            Trouble::Refused(Box::new(error))
        } else {
            Trouble::Absent(Box::new(error))
        }
    }
}

impl From<Trouble> for QueueError {
    fn from(trouble: Trouble) -> QueueError {
        match trouble {
            Trouble::Refused(source) => QueueError::Refused { source },
            Trouble::Absent(source) => QueueError::Unavailable { source },
        }
    }
}

/// What an error of the client means.
pub(super) trait Meaning {
    /// Whether the broker understood and will not do it.
    fn is_refusal(&self) -> bool;
}

impl Meaning for lapin::ErrorKind {
    fn is_refusal(&self) -> bool {
        use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
        let lapin::ErrorKind::ProtocolError(error) = self else {
            return false;
        };
        matches!(
            error.kind(),
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED | AMQPSoftError::PRECONDITIONFAILED)
                | AMQPErrorKind::Hard(
                    AMQPHardError::NOTALLOWED
                        | AMQPHardError::NOTIMPLEMENTED
                        | AMQPHardError::INVALIDPATH
                )
        )
    }
}
