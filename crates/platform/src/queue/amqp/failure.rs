//! Classifies the broker's errors.

use std::error::Error;

use crate::QueueError;

/// Why a session could not be opened.
#[derive(Debug)]
pub(super) enum ConnectError {
    /// The broker refuses it, and a retry will not help.
    Refused(Box<dyn Error + Send + Sync>),
    /// The broker does not answer, or has failed.
    Absent(Box<dyn Error + Send + Sync>),
}

impl From<lapin::Error> for ConnectError {
    fn from(error: lapin::Error) -> ConnectError {
        if error.kind().is_refusal() {
            ConnectError::Refused(Box::new(error))
        } else {
            ConnectError::Absent(Box::new(error))
        }
    }
}

impl From<ConnectError> for QueueError {
    fn from(error: ConnectError) -> QueueError {
        match error {
            ConnectError::Refused(source) => QueueError::Refused { source },
            ConnectError::Absent(source) => QueueError::Unavailable { source },
        }
    }
}

/// Classifies an error of the client.
pub(super) trait Classify {
    /// Whether the broker understood the request and refused it.
    fn is_refusal(&self) -> bool;

    /// Whether the broker refused it for want of a permission.
    fn is_forbidden(&self) -> bool;

    /// Whether what the request names does not exist.
    fn is_absence(&self) -> bool;
}

impl Classify for lapin::ErrorKind {
    fn is_refusal(&self) -> bool {
        use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
        matches!(
            protocol_error(self),
            Some(
                AMQPErrorKind::Soft(
                    AMQPSoftError::ACCESSREFUSED | AMQPSoftError::PRECONDITIONFAILED
                ) | AMQPErrorKind::Hard(
                    AMQPHardError::NOTALLOWED
                        | AMQPHardError::NOTIMPLEMENTED
                        | AMQPHardError::INVALIDPATH
                )
            )
        )
    }

    fn is_forbidden(&self) -> bool {
        use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
        matches!(protocol_error(self), Some(AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)))
    }

    fn is_absence(&self) -> bool {
        use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
        matches!(protocol_error(self), Some(AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND)))
    }
}

fn protocol_error(kind: &lapin::ErrorKind) -> Option<&lapin::protocol::AMQPErrorKind> {
    match kind {
        lapin::ErrorKind::ProtocolError(error) => Some(error.kind()),
        _ => None,
    }
}
