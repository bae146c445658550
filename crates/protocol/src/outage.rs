//! Outages of the parts that all jobs depend on.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::time::Rfc3339;

/// An outage that lasts. Work waits for its end, and then continues by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Outage {
    /// The part that is away.
    pub part: Part,
    /// When it was first missed.
    pub since: Timestamp,
    /// The last error, or what was missed.
    pub reason: String,
}

/// A part of the installation that all jobs depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The object store of partial sums and results, or a store of inputs.
    Store,
    /// The queue between the server and the workers.
    Queue,
}

impl Part {
    /// All parts.
    pub const ALL: [Part; 2] = [Part::Store, Part::Queue];

    /// The name of the part, in messages and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Part::Store => "store",
            Part::Queue => "queue",
        }
    }
}

/// One line for users: which part is away, since when and why.
impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.since.as_millis() / 1000;
        let since_ns = i64::try_from(secs).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
        write!(
            f,
            "the {} has not been available since {}: {}; jobs wait and continue by themselves",
            self.part.word(),
            Rfc3339(since_ns),
            self.reason
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_one_line() {
        let outage = Outage {
            part: Part::Store,
            since: Timestamp::from_millis(1_772_368_496_789),
            reason: "connection refused".to_owned(),
        };
        let line = "the store has not been available since 2026-03-01T12:34:56Z: connection \
            refused; jobs wait and continue by themselves";
        assert_eq!(outage.to_string(), line);
        let json = r#"{"part":"store","since":1772368496789,"reason":"connection refused"}"#;
        assert_eq!(serde_json::to_string(&outage).unwrap(), json);
    }
}
