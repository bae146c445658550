//! What happens to missing values.

use serde::{Deserialize, Serialize};

use super::{Choice, Described, Field, Kept};

/// The field of [`super::JobRequest::missing`].
pub const MISSING: Field = Field {
    name: "missing",
    symbol: None,
    title: "Missing values",
    hint: "NaN counts as missing",
    description: "What to do with missing values; NaN counts as missing",
};

/// What happens to missing values. NaN is a missing value in every format; in tables, an
/// empty field and `NA` are too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// A missing value fails the job.
    Error,
    /// A missing value is NaN, as in IEEE 754: so is every result of its column.
    #[default]
    Propagate,
    /// Missing values are left out: each column's results are those of the values
    /// that it has.
    Skip,
}

impl Missing {
    /// The quantities that a partial sum must keep for it in addition to the sums.
    #[must_use]
    pub const fn keeps(self) -> &'static [Kept] {
        match self {
            Missing::Error | Missing::Propagate => &[],
            Missing::Skip => &[Kept::Absences],
        }
    }
}

impl Choice for Missing {
    const ALL: &'static [Missing] = &[Missing::Propagate, Missing::Skip, Missing::Error];

    const FIELD: Field = MISSING;

    fn described(self) -> Described {
        match self {
            Missing::Error => Described {
                word: "error",
                title: "fail the job",
                description: "The job fails, and names the file and the index",
            },
            Missing::Propagate => Described {
                word: "propagate",
                title: "give NaN",
                description: "The results of the index are NaN",
            },
            Missing::Skip => Described {
                word: "skip",
                title: "leave out",
                description: "The results of the index are those of the files that have a value; \
                              NaN if no file has one",
            },
        }
    }
}

#[cfg(feature = "schema")]
super::schema::choices!(Missing);
