//! When a straggler's task gets a second attempt.

use serde::{Deserialize, Serialize};

use super::{Choice, Described, Field, Number};
use crate::Problem;

/// What [`SpeculationMode`] is.
pub const MODE: Field = Field {
    name: "speculation",
    symbol: None,
    title: "Stragglers",
    hint: "",
    description: "What happens to a straggler's task",
};

/// A fraction of the level.
pub const QUANTILE: Number<f64> = Number {
    field: Field {
        name: "speculation.quantile",
        symbol: None,
        title: "Level complete",
        hint: "Fraction that must finish first, 0 to 1",
        description: "The fraction of a level's tasks that must be complete, 0 to 1",
    },
    least: 0.0,
    most: Some(1.0),
};

/// Below 1, an attempt that is faster than the average would be a straggler.
pub const MULTIPLIER: Number<f64> = Number {
    field: Field {
        name: "speculation.multiplier",
        symbol: None,
        title: "Times the average",
        hint: "A straggler has run that long",
        description: "How many times the average duration an attempt must have run for",
    },
    least: 1.0,
    most: None,
};

/// No bound but that of time.
pub const MIN_MS: Number<u64> = Number {
    field: Field {
        name: "speculation.min_ms",
        symbol: None,
        title: "Least duration",
        hint: "",
        description: "No attempt is a straggler before it has run this long, in milliseconds",
    },
    least: 0,
    most: None,
};

/// A fraction of the job's workers.
pub const SHARE: Number<f64> = Number {
    field: Field {
        name: "speculation.share",
        symbol: None,
        title: "Workers for it",
        hint: "",
        description: "The fraction of the job's workers that speculative attempts may use, 0 to 1",
    },
    least: 0.0,
    most: Some(1.0),
};

/// When a straggler's task gets a second attempt.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Speculation {
    /// Whether stragglers are given a second attempt at all.
    pub enabled: bool,
    /// The rule that finds the stragglers.
    pub policy: SpeculationPolicy,
    /// The fraction of a level's tasks that must be complete, 0 to 1.
    #[cfg_attr(feature = "schema", schema(schema_with = quantile))]
    pub quantile: f64,
    /// How many times the average duration an attempt must have run for.
    #[cfg_attr(feature = "schema", schema(schema_with = multiplier))]
    pub multiplier: f64,
    /// No attempt is a straggler before it has run this long.
    #[cfg_attr(feature = "schema", schema(schema_with = min_ms))]
    pub min_ms: u64,
    /// The fraction of the job's workers that speculative attempts may use, 0 to 1.
    #[cfg_attr(feature = "schema", schema(schema_with = share))]
    pub share: f64,
}

#[cfg(feature = "schema")]
super::schema::numbers! {
    quantile: QUANTILE;
    multiplier: MULTIPLIER;
    min_ms: MIN_MS;
    share: SHARE;
}

impl Default for Speculation {
    fn default() -> Self {
        Speculation {
            enabled: true,
            policy: SpeculationPolicy::default(),
            quantile: 0.75,
            multiplier: 1.2,
            min_ms: 200,
            share: 0.25,
        }
    }
}

impl Speculation {
    /// What it amounts to in one word.
    #[must_use]
    pub const fn mode(&self) -> SpeculationMode {
        match (self.enabled, self.policy) {
            (false, _) => SpeculationMode::Off,
            (true, SpeculationPolicy::Resume) => SpeculationMode::Resume,
            (true, SpeculationPolicy::Original) => SpeculationMode::Original,
        }
    }

    pub(super) fn validate(&self) -> Result<(), Problem> {
        QUANTILE.check(self.quantile)?;
        MULTIPLIER.check(self.multiplier)?;
        MIN_MS.check(self.min_ms)?;
        SHARE.check(self.share)?;
        Ok(())
    }
}

/// The rule that finds the stragglers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum SpeculationPolicy {
    /// Ours: progress counts, and the second attempt goes on where the first has not been.
    #[default]
    Resume,
    /// The original rule: the level over `quantile` complete, the attempt over
    /// `multiplier` times the average duration, and the second attempt starts over.
    Original,
}

/// Speculation in one word, on the command line and in the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpeculationMode {
    /// By [`SpeculationPolicy::Resume`].
    Resume,
    /// By [`SpeculationPolicy::Original`].
    Original,
    /// Never.
    Off,
}

impl SpeculationMode {
    /// The settings that it stands for.
    #[must_use]
    pub fn settings(self) -> Speculation {
        let usual = Speculation::default();
        match self {
            SpeculationMode::Resume => usual,
            SpeculationMode::Original => {
                Speculation { policy: SpeculationPolicy::Original, ..usual }
            }
            SpeculationMode::Off => Speculation { enabled: false, ..usual },
        }
    }
}

impl Choice for SpeculationMode {
    const ALL: &'static [SpeculationMode] =
        &[SpeculationMode::Resume, SpeculationMode::Original, SpeculationMode::Off];

    const FIELD: Field = MODE;

    fn described(self) -> Described {
        match self {
            SpeculationMode::Resume => Described {
                word: "resume",
                title: "resumed elsewhere",
                description: "A second attempt continues from the last finished segment",
            },
            SpeculationMode::Original => Described {
                word: "original",
                title: "rerun elsewhere (original rule)",
                description: "A second attempt reruns the task from the start",
            },
            SpeculationMode::Off => {
                Described { word: "off", title: "waited for", description: "Never speculates" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_stands_for_other_settings() {
        assert_eq!(SpeculationMode::Resume.settings(), Speculation::default());
        for &mode in SpeculationMode::ALL {
            assert_eq!(mode.settings().mode(), mode);
            assert_eq!(mode.settings().validate(), Ok(()));
        }
    }
}
