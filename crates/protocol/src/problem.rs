//! Errors: what is wrong, where, and the remedy.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An error as the JSON API returns it (RFC 9457), a job records it and the
/// dashboard shows it.
///
/// `detail` says what is wrong and where: it names the field, the object, the
/// index or the byte. `remedy` says how to fix it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Problem {
    /// The kind of the error, for programs.
    #[serde(rename = "type")]
    pub kind: ProblemKind,
    /// The kind of the error, for people.
    pub title: String,
    /// The HTTP status code.
    pub status: u16,
    /// What is wrong, and where.
    pub detail: String,
    /// How to fix it; empty if there is no advice.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
    /// The object (file) that causes the error, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The field of the request that causes the error, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl Problem {
    /// An error of a kind; `detail` says what is wrong, and where.
    #[must_use]
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Problem {
        Problem {
            kind,
            title: kind.title().to_owned(),
            status: kind.status(),
            detail: detail.into(),
            remedy: String::new(),
            object: None,
            field: None,
        }
    }

    /// Two objects have different numbers of values.
    #[must_use]
    pub fn lengths_differ(one: (&str, u64), other: (&str, u64)) -> Problem {
        Problem::new(
            ProblemKind::LengthsDiffer,
            format!("{} has {}, but {} has {}", one.0, numbers(one.1), other.0, other.1),
        )
        .object(other.0)
        .remedy("every object must have the same number of values: remove those that differ")
    }

    /// An object is not what it was when the job was planned. `change` says what has
    /// changed, as a clause.
    #[must_use]
    pub fn input_changed(object: &str, change: &str) -> Problem {
        let detail = format!("{object} has changed since the job was planned: {change}");
        Problem::new(ProblemKind::InputChanged, detail).object(object).remedy(
            "run the job again once nothing writes to its inputs; a new modification time is a \
             change even if the content is the same",
        )
    }

    /// An object has no numbers.
    #[must_use]
    pub fn no_numbers(object: &str) -> Problem {
        Problem::new(ProblemKind::InvalidInput, format!("{object} has no numbers"))
            .object(object)
            .remedy("remove it, or add numbers to it")
    }

    /// No job has the id.
    #[must_use]
    pub fn no_such_job(id: &str) -> Problem {
        Problem::new(ProblemKind::NotFound, format!("job {id} not found"))
            .remedy("check the link, or find the job in the history; it may have been deleted")
    }

    /// Sets the remedy.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Problem {
        self.remedy = remedy.into();
        self
    }

    /// Sets the object that causes the error.
    #[must_use]
    pub fn object(mut self, object: impl Into<String>) -> Problem {
        self.object = Some(object.into());
        self
    }

    /// Sets the field of the request that causes the error.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Problem {
        self.field = Some(field.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        if !self.remedy.is_empty() {
            write!(f, " ({})", self.remedy)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// The kinds of errors that clients can distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// A field of the request is missing, unknown or invalid.
    InvalidRequest,
    /// The job, object or page does not exist.
    NotFound,
    /// The list of inputs is empty, or no object has the prefix.
    NoInputs,
    /// An input object does not contain numbers in a supported format.
    InvalidInput,
    /// An input object has changed, or was deleted, since the job was planned.
    InputChanged,
    /// Two input objects have different numbers of values.
    LengthsDiffer,
    /// The state of the job or object does not allow the request.
    Conflict,
    /// The server is not allowed to read or write the location, or the caller lacks
    /// the rights.
    Forbidden,
    /// The method of the request is not one that the path has.
    MethodNotAllowed,
    /// The client did not send its request in time.
    Timeout,
    /// The caller is not known to the server.
    Unauthenticated,
    /// The body of the request is larger than the server accepts.
    TooLarge,
    /// The content type of the request is not one that the path takes.
    UnsupportedMediaType,
    /// The range of bytes lies outside the result.
    RangeNotSatisfiable,
    /// The host that the request names is not one that the server answers for.
    Misdirected,
    /// The job exceeds a limit of the server, which the detail names with its flag.
    LimitExceeded,
    /// Each value of the request is valid, but not with the others.
    Unsupported,
    /// The caller sends more than the server accepts at the moment.
    TooManyRequests,
    /// The store has too little free space, or a quota is used up.
    InsufficientStorage,
    /// The store, the queue or the cluster does not respond.
    Unavailable,
    /// A task failed in all its attempts.
    TaskFailed,
    /// A bug in the program, or an unexpected state.
    Internal,
}

impl ProblemKind {
    /// The name of the kind, for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            ProblemKind::InvalidRequest => "Invalid request",
            ProblemKind::NotFound => "Not found",
            ProblemKind::NoInputs => "No input objects",
            ProblemKind::InvalidInput => "Invalid input object",
            ProblemKind::InputChanged => "Input object changed",
            ProblemKind::LengthsDiffer => "Input objects differ in length",
            ProblemKind::Conflict => "Not possible in the current state",
            ProblemKind::Forbidden => "Not allowed",
            ProblemKind::MethodNotAllowed => "Method not allowed",
            ProblemKind::Timeout => "Request timed out",
            ProblemKind::Unauthenticated => "Not signed in",
            ProblemKind::TooLarge => "Request too large",
            ProblemKind::UnsupportedMediaType => "Unsupported content type",
            ProblemKind::RangeNotSatisfiable => "Range not satisfiable",
            ProblemKind::Misdirected => "Host not allowed",
            ProblemKind::LimitExceeded => "Limit exceeded",
            ProblemKind::Unsupported => "Not supported",
            ProblemKind::TooManyRequests => "Too many requests",
            ProblemKind::InsufficientStorage => "No space left",
            ProblemKind::Unavailable => "Service unavailable",
            ProblemKind::TaskFailed => "A task failed too often",
            ProblemKind::Internal => "Internal error",
        }
    }

    /// The HTTP status code of the kind.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            ProblemKind::InvalidRequest => 400,
            ProblemKind::Unauthenticated => 401,
            ProblemKind::Forbidden => 403,
            ProblemKind::NotFound => 404,
            ProblemKind::MethodNotAllowed => 405,
            ProblemKind::Timeout => 408,
            ProblemKind::Conflict | ProblemKind::InputChanged => 409,
            ProblemKind::TooLarge => 413,
            ProblemKind::UnsupportedMediaType => 415,
            ProblemKind::RangeNotSatisfiable => 416,
            ProblemKind::Misdirected => 421,
            ProblemKind::NoInputs
            | ProblemKind::InvalidInput
            | ProblemKind::LengthsDiffer
            | ProblemKind::LimitExceeded
            | ProblemKind::Unsupported => 422,
            ProblemKind::TooManyRequests => 429,
            ProblemKind::Internal | ProblemKind::TaskFailed => 500,
            ProblemKind::Unavailable => 503,
            ProblemKind::InsufficientStorage => 507,
        }
    }
}

fn numbers(count: u64) -> String {
    let noun = if count == 1 { "number" } else { "numbers" };
    format!("{count} {noun}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_is_singular() {
        let detail = |count| Problem::lengths_differ(("a", count), ("b", 4)).detail;
        assert_eq!(detail(1), "a has 1 number, but b has 4");
        assert_eq!(detail(3), "a has 3 numbers, but b has 4");
    }
}
