//! Classifies the errors of S3.

use std::error::Error;
use std::fmt::Write;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId;

use crate::StoreError;
use crate::store::MissingStore;

/// Why a request failed: what the store answered, and nothing of what was sent to it,
/// so that no signature or secret can reach a log.
#[derive(Debug)]
pub(super) struct Failure {
    operation: &'static str,
    status: Option<u16>,
    code: Option<String>,
    text: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The store answered with an error.
    Answered,
    /// The answer is missing or incomplete.
    Unanswered,
    /// The request was not sent, because the configuration is invalid.
    NotSent,
}

impl Failure {
    /// From an error of the SDK. `operation` is S3's name of the operation.
    pub(super) fn of<E>(operation: &'static str, error: &SdkError<E>) -> Failure
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match error {
            SdkError::ServiceError(answer) => {
                let (meta, raw) = (answer.err().meta(), answer.raw());
                let mut text = meta.message().unwrap_or("no reason given").to_owned();
                if let Some(id) = meta.request_id() {
                    // Writing to a string cannot fail.
                    let _ = write!(text, " (request {id})");
                }
                Failure {
                    operation,
                    status: Some(raw.status().as_u16()),
                    code: meta.code().map(str::to_owned),
                    text,
                    kind: Kind::Answered,
                }
            }
            SdkError::ConstructionFailure(_) => Failure {
                operation,
                status: None,
                code: None,
                text: causes(error),
                kind: Kind::NotSent,
            },
            SdkError::DispatchFailure(failure)
                if failure.is_user() || (failure.is_other() && is_about_credentials(error)) =>
            {
                let text = causes(error);
                Failure { operation, status: None, code: None, text, kind: Kind::NotSent }
            }
            _ => Failure::unanswered(operation, causes(error)),
        }
    }

    /// For a missing or incomplete answer.
    pub(super) fn unanswered(operation: &'static str, text: impl Into<String>) -> Failure {
        let text = text.into();
        Failure { operation, status: None, code: None, text, kind: Kind::Unanswered }
    }

    /// For the answer for one of many objects of a request.
    pub(super) fn of_one(operation: &'static str, code: Option<&str>, text: &str) -> Failure {
        let (code, text) = (code.map(str::to_owned), text.to_owned());
        Failure { operation, status: None, code, text, kind: Kind::Answered }
    }

    /// Whether the range begins at or beyond the end of the object.
    pub(super) fn is_beyond_the_end(&self) -> bool {
        self.status == Some(416) || self.code() == "InvalidRange"
    }

    /// Whether the object is not of the version that the request was for.
    pub(super) fn is_of_another_version(&self) -> bool {
        self.status == Some(412) || self.code() == "PreconditionFailed"
    }

    /// Whether the object or the upload does not exist.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self.code(), "NoSuchKey" | "NotFound" | "NoSuchUpload")
            || (self.status == Some(404) && self.code() != "NoSuchBucket")
    }

    /// Whether a retry may succeed.
    pub(super) fn is_transient(&self) -> bool {
        match self.kind {
            Kind::Unanswered => true,
            Kind::NotSent => false,
            Kind::Answered => {
                matches!(self.status, Some(408 | 425 | 429 | 500 | 502..=504))
                    || matches!(
                        self.code(),
                        "InternalError"
                            | "SlowDown"
                            | "ServiceUnavailable"
                            | "RequestTimeout"
                            | "OperationAborted"
                            | "ConditionalRequestConflict"
                            | "ExpiredToken"
                            | "Throttling"
                            | "ThrottlingException"
                    )
            }
        }
    }

    /// The failure as a [`StoreError`].
    pub(super) fn explain(self, key: &str) -> StoreError {
        let key = key.to_owned();
        if self.is_transient() {
            return StoreError::Unavailable { key, source: Box::new(self) };
        }
        if self.is_not_found() {
            return StoreError::NotFound { key };
        }
        if self.code() == "NoSuchBucket" {
            let source = MissingStore(Box::new(self));
            return StoreError::Denied { key, source: Some(Box::new(source)) };
        }
        match (self.status, self.code()) {
            (Some(412), _) | (_, "PreconditionFailed") => StoreError::AlreadyExists { key },
            (Some(507), _) | (_, "QuotaExceeded" | "XMinioStorageFull" | "EntityTooLarge") => {
                StoreError::Full { key }
            }
            (Some(401 | 403 | 404 | 405 | 301), _)
            | (
                _,
                "AccessDenied"
                | "InvalidAccessKeyId"
                | "SignatureDoesNotMatch"
                | "RequestTimeTooSkewed"
                | "InvalidBucketName",
            ) => StoreError::Denied { key, source: Some(Box::new(self)) },
            _ if self.kind == Kind::NotSent => {
                StoreError::Denied { key, source: Some(Box::new(self)) }
            }
            _ => StoreError::Unavailable { key, source: Box::new(self) },
        }
    }

    fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.operation)?;
        if let Some(status) = self.status {
            write!(f, " was answered {status}")?;
        }
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        write!(f, ": {}", self.text)
    }
}

impl Error for Failure {}

/// The causes of an error as text, innermost last. The SDK's text of the outermost
/// says nothing ("service error", "dispatch failure").
fn causes(error: &dyn Error) -> String {
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "{error}");
        cause = error.source();
    }
    if text.is_empty() { error.to_string() } else { text }
}

fn is_about_credentials(error: &dyn Error) -> bool {
    causes(error).contains("credential")
}
