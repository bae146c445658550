//! When the task of a straggler gets a speculative attempt.

use serde::{Deserialize, Serialize};

use super::{Choice, Described, Field, Number};
use crate::Problem;

/// The field of [`SpeculationMode`].
pub const MODE: Field = Field {
    name: "speculation",
    symbol: None,
    title: "Speculation",
    hint: "",
    description: "How the task of a straggler gets a speculative attempt",
};

/// A fraction of the tasks of a level, 0 to 1.
pub const QUANTILE: Number<f64> = Number {
    field: Field {
        name: "speculation.quantile",
        symbol: None,
        title: "Completed fraction",
        hint: "Of original: fraction of the level that must finish first (0 to 1)",
        description: "The fraction of a level's tasks that must finish first, 0 to 1; only with \
                      the policy original",
    },
    least: 0.0,
    most: Some(1.0),
};

/// A multiple from 1. With the policy `resume`: by how many times sooner a second attempt must
/// end the task. With `original`: from how many times the mean duration an attempt is a
/// straggler.
pub const MULTIPLIER: Number<f64> = Number {
    field: Field {
        name: "speculation.multiplier",
        symbol: None,
        title: "Duration multiplier",
        hint: "Of resume: times sooner; of original: times the mean duration",
        description: "With the policy resume: how many times sooner a second attempt must end the \
                      task. With original: from how many times the mean duration an attempt is a \
                      straggler. From 1",
    },
    least: 1.0,
    most: None,
};

/// A duration in milliseconds, from 0. With the policy `resume`: how much a second attempt must
/// save, and how long an attempt must have run before it is replaced. With `original`: how long
/// a straggler must have run.
pub const MIN_MS: Number<u64> = Number {
    field: Field {
        name: "speculation.min_ms",
        symbol: None,
        title: "Minimum duration",
        hint: "",
        description: "With the policy resume: how many milliseconds a second attempt must save, \
                      and how long an attempt must have run before it is replaced. With original: \
                      how long a straggler must have run",
    },
    least: 0,
    most: None,
};

/// A fraction of the job's workers, 0 to 1.
pub const SHARE: Number<f64> = Number {
    field: Field {
        name: "speculation.share",
        symbol: None,
        title: "Worker fraction",
        hint: "",
        description: "The maximum fraction of the job's workers for speculative attempts, 0 to 1; \
                      at least one worker",
    },
    least: 0.0,
    most: Some(1.0),
};

/// When the task of a straggler gets a speculative attempt.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default, expecting = "an object, such as {\"enabled\": false}")]
pub struct Speculation {
    /// Whether speculative attempts are started.
    pub enabled: bool,
    /// The rule that detects stragglers.
    pub policy: SpeculationPolicy,
    /// The fraction of a level's tasks that must finish first, 0 to 1; only with `original`.
    #[cfg_attr(feature = "schema", schema(schema_with = quantile))]
    pub quantile: f64,
    /// With `resume`: how many times sooner a second attempt must end the task. With `original`:
    /// from how many times the mean duration an attempt is a straggler. From 1.
    #[cfg_attr(feature = "schema", schema(schema_with = multiplier))]
    pub multiplier: f64,
    /// With `resume`: how many milliseconds a second attempt must save, and how long an attempt
    /// must have run before it is replaced. With `original`: how long a straggler must have run.
    #[cfg_attr(feature = "schema", schema(schema_with = min_ms))]
    pub min_ms: u64,
    /// The maximum fraction of the job's workers for speculative attempts, 0 to 1; at least one.
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
    /// The mode that the settings select.
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

/// The rule that detects stragglers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum SpeculationPolicy {
    /// Stragglers are detected by their progress, and a speculative attempt computes
    /// only the segments that the straggler has not finished.
    #[default]
    Resume,
    /// Stragglers are attempts that have run for `multiplier` times the mean duration
    /// once `quantile` of the level is complete, and a speculative attempt reruns
    /// the task from the start.
    Original,
}

/// The settings of speculation as one word, for the command line and the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpeculationMode {
    /// [`SpeculationPolicy::Resume`].
    Resume,
    /// [`SpeculationPolicy::Original`].
    Original,
    /// No speculation.
    Off,
}

impl SpeculationMode {
    /// The settings of the mode.
    #[must_use]
    pub fn settings(self) -> Speculation {
        let default = Speculation::default();
        match self {
            SpeculationMode::Resume => default,
            SpeculationMode::Original => {
                Speculation { policy: SpeculationPolicy::Original, ..default }
            }
            SpeculationMode::Off => Speculation { enabled: false, ..default },
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
                title: "resume (last segment)",
                description: "Continues the task of a straggler from its last finished segment",
            },
            SpeculationMode::Original => Described {
                word: "original",
                title: "original (from the start)",
                description: "Reruns the task of a straggler from the start",
            },
            SpeculationMode::Off => {
                Described { word: "off", title: "off", description: "Never speculates" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_has_its_own_settings() {
        assert_eq!(SpeculationMode::Resume.settings(), Speculation::default());
        for &mode in SpeculationMode::ALL {
            assert_eq!(mode.settings().mode(), mode);
            assert_eq!(mode.settings().validate(), Ok(()));
        }
    }
}
