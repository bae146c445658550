//! The priority of a job among others.

use serde::{Deserialize, Serialize};

use super::{Choice, Described, Field};

/// The field of [`super::JobRequest::priority`].
pub const PRIORITY: Field = Field {
    name: "priority",
    symbol: None,
    title: "Priority",
    hint: "",
    description: "The priority of the job among others that run or wait",
};

/// The priority of a job among others. A job of low priority gets fewer workers, but some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Gets a quarter of the workers that a normal job gets, and waits behind normal jobs
    /// that are submitted up to an hour later.
    Low,
    /// The priority of a job that names none.
    #[default]
    Normal,
    /// Gets four times the workers that a normal job gets, up to W, and starts before normal
    /// jobs that were submitted up to an hour earlier.
    High,
}

impl Priority {
    // Browsers write no requests.
    #[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "only for writing a request"))]
    pub(super) fn is_default(&self) -> bool {
        *self == Priority::default()
    }
}

impl Choice for Priority {
    const ALL: &'static [Priority] = &[Priority::Low, Priority::Normal, Priority::High];

    const FIELD: Field = PRIORITY;

    fn described(self) -> Described {
        match self {
            Priority::Low => Described {
                word: "low",
                title: "low",
                description: "Gets a quarter of the workers that a normal job gets",
            },
            Priority::Normal => Described {
                word: "normal",
                title: "normal",
                description: "Shares the workers in proportion to W",
            },
            Priority::High => Described {
                word: "high",
                title: "high",
                description: "Gets four times the workers that a normal job gets, up to W",
            },
        }
    }
}

#[cfg(feature = "schema")]
super::schema::choices!(Priority);
