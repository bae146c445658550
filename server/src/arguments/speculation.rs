//! The flags of speculation.

use clap::Args;
use protocol::request::{MIN_MS, MODE, MULTIPLIER, QUANTILE, SHARE, Speculation, SpeculationMode};

use super::{choice, number};

/// When the task of a straggler gets a second attempt.
#[derive(Args, Clone, Copy, Debug)]
pub struct SpeculationArguments {
    /// The rule.
    #[arg(
        long = "speculation",
        env = "DISTRIBUTED_AVERAGE_SPECULATION",
        default_value = "resume",
        value_parser = choice::<SpeculationMode>(),
        value_name = "MODE",
        help = MODE.description
    )]
    pub mode: SpeculationMode,
    /// A constant of the rule `original`; `None` for its default.
    #[arg(
        long = "speculation-quantile",
        env = "DISTRIBUTED_AVERAGE_SPECULATION_QUANTILE",
        value_parser = number(&QUANTILE),
        value_name = "FRACTION",
        help = format!("{} [default: {}]", QUANTILE.field.description, Speculation::default().quantile)
    )]
    pub quantile: Option<f64>,
    /// A constant of both rules; `None` for its default.
    #[arg(
        long = "speculation-multiplier",
        env = "DISTRIBUTED_AVERAGE_SPECULATION_MULTIPLIER",
        value_parser = number(&MULTIPLIER),
        value_name = "TIMES",
        help = format!(
            "{} [default: {}]", MULTIPLIER.field.description, Speculation::default().multiplier
        )
    )]
    pub multiplier: Option<f64>,
    /// A constant of both rules; `None` for its default.
    #[arg(
        long = "speculation-min-ms",
        env = "DISTRIBUTED_AVERAGE_SPECULATION_MIN_MS",
        value_parser = number(&MIN_MS),
        value_name = "MILLISECONDS",
        help = format!("{} [default: {}]", MIN_MS.field.description, Speculation::default().min_ms)
    )]
    pub min_ms: Option<u64>,
    /// A constant of both rules; `None` for its default.
    #[arg(
        long = "speculation-share",
        env = "DISTRIBUTED_AVERAGE_SPECULATION_SHARE",
        value_parser = number(&SHARE),
        value_name = "FRACTION",
        help = format!("{} [default: {}]", SHARE.field.description, Speculation::default().share)
    )]
    pub share: Option<f64>,
}

impl SpeculationArguments {
    /// The settings that the flags select.
    #[must_use]
    pub fn settings(&self) -> Speculation {
        let of_mode = self.mode.settings();
        Speculation {
            quantile: self.quantile.unwrap_or(of_mode.quantile),
            multiplier: self.multiplier.unwrap_or(of_mode.multiplier),
            min_ms: self.min_ms.unwrap_or(of_mode.min_ms),
            share: self.share.unwrap_or(of_mode.share),
            ..of_mode
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use protocol::request::SpeculationPolicy;

    use super::*;
    use crate::arguments::{Arguments, Command};

    fn settings(flags: &[&str]) -> Result<Speculation, clap::Error> {
        let words = ["distributed-average", "mean", "a.npy", "-o", "m.npy"];
        let arguments = Arguments::try_parse_from(words.iter().chain(flags))?;
        let Command::Mean(mean) = arguments.command else { panic!("another command") };
        Ok(mean.speculation.settings())
    }

    #[test]
    fn every_constant_can_be_set() {
        assert_eq!(settings(&[]).unwrap(), Speculation::default());
        let all = [
            "--speculation=original",
            "--speculation-quantile=0.5",
            "--speculation-multiplier=2",
            "--speculation-min-ms=50",
            "--speculation-share=1",
        ];
        let expected = Speculation {
            enabled: true,
            policy: SpeculationPolicy::Original,
            quantile: 0.5,
            multiplier: 2.0,
            min_ms: 50,
            share: 1.0,
        };
        assert_eq!(settings(&all).unwrap(), expected);
    }

    #[test]
    fn constants_out_of_bounds_are_refused_by_name() {
        for flag in [
            "--speculation-quantile=1.5",
            "--speculation-multiplier=0.9",
            "--speculation-min-ms=-1",
            "--speculation-share=2",
        ] {
            let error = settings(&[flag]).unwrap_err().to_string();
            let name = flag.split('=').next().unwrap();
            assert!(error.contains(name), "{error}");
        }
    }
}
