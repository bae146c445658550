//! What went wrong, where, and what to do.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A problem as the JSON API answers it (RFC 9457), as a job carries it and as
/// the dashboard shows it.
///
/// `detail` says what was wrong and where, naming the field, the object, the
/// index or the byte; `remedy` says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Which kind of problem this is.
    #[serde(rename = "type")]
    pub kind: ProblemKind,
    /// The kind in words.
    pub title: String,
    /// The HTTP status code that goes with it.
    pub status: u16,
    /// What was wrong this time, and where.
    pub detail: String,
    /// What to do about it; empty if there is nothing to be said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
    /// The object (file) that the problem lies in, if it lies in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The field of the request that the problem lies in, if it lies in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl Problem {
    /// A problem of a kind, with what was wrong and where.
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

    /// Two objects that hold different counts of numbers.
    #[must_use]
    pub fn lengths_differ(one: (&str, u64), other: (&str, u64)) -> Problem {
        Problem::new(
            ProblemKind::LengthsDiffer,
            format!("{} has {} numbers, but {} has {}", one.0, one.1, other.0, other.1),
        )
        .object(other.0)
        .remedy("every object must hold the same count of numbers: leave the odd ones out")
    }

    /// An object without a single number.
    #[must_use]
    pub fn no_numbers(object: &str) -> Problem {
        Problem::new(ProblemKind::InvalidInput, format!("{object} holds no numbers"))
            .object(object)
            .remedy("leave it out, or put numbers into it")
    }

    /// There is no such job.
    #[must_use]
    pub fn no_such_job(id: &str) -> Problem {
        Problem::new(ProblemKind::NotFound, format!("there is no job {id}"))
            .remedy("check the link, or look for the job in the list; it may have been deleted")
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Problem {
        self.remedy = remedy.into();
        self
    }

    /// Adds the object that the problem lies in.
    #[must_use]
    pub fn object(mut self, object: impl Into<String>) -> Problem {
        self.object = Some(object.into());
        self
    }

    /// Adds the field of the request that the problem lies in.
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

/// The kinds of problem that a client can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// A field of the request is missing or has a value that cannot be used.
    InvalidRequest,
    /// There is no such job, object or page.
    NotFound,
    /// The inputs name nothing, or a prefix that holds nothing.
    NoInputs,
    /// An input object does not hold numbers in a format that can be read.
    InvalidInput,
    /// Two input objects hold different counts of numbers.
    LengthsDiffer,
    /// The job is not in a phase that allows this.
    Conflict,
    /// A place that the server may not read or write.
    Forbidden,
    /// The body of the request is larger than the server takes.
    TooLarge,
    /// A range of bytes that the result does not have.
    RangeNotSatisfiable,
    /// A part that the program needs did not answer: the store, the queue, the cluster.
    Unavailable,
    /// A task failed too often.
    TaskFailed,
    /// Something that should not happen did.
    Internal,
}

impl ProblemKind {
    /// The kind in words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            ProblemKind::InvalidRequest => "The request cannot be understood",
            ProblemKind::NotFound => "There is no such thing",
            ProblemKind::NoInputs => "There are no input objects",
            ProblemKind::InvalidInput => "An input object cannot be read",
            ProblemKind::LengthsDiffer => "Input objects have different lengths",
            ProblemKind::Conflict => "Not possible in this phase",
            ProblemKind::Forbidden => "Not allowed",
            ProblemKind::TooLarge => "Too large",
            ProblemKind::RangeNotSatisfiable => "There is no such range",
            ProblemKind::Unavailable => "Something needed does not answer",
            ProblemKind::TaskFailed => "A task failed too often",
            ProblemKind::Internal => "Something went wrong inside",
        }
    }

    /// The HTTP status code that goes with it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            ProblemKind::InvalidRequest => 400,
            ProblemKind::Forbidden => 403,
            ProblemKind::NotFound => 404,
            ProblemKind::Conflict => 409,
            ProblemKind::TooLarge => 413,
            ProblemKind::RangeNotSatisfiable => 416,
            ProblemKind::NoInputs | ProblemKind::InvalidInput | ProblemKind::LengthsDiffer => 422,
            ProblemKind::Internal | ProblemKind::TaskFailed => 500,
            ProblemKind::Unavailable => 503,
        }
    }
}
