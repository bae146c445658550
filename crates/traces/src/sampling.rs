//! Which traces are recorded: `OTEL_TRACES_SAMPLER` and its argument.

use protocol::TraceContext;

/// Decides which traces are recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sampler {
    /// Whether the trace of a caller is recorded if the caller records it.
    follows_parent: bool,
    /// The fraction of other traces.
    fraction: f64,
}

impl Default for Sampler {
    fn default() -> Sampler {
        Sampler { follows_parent: true, fraction: 1.0 }
    }
}

impl Sampler {
    /// The sampler of this name.
    ///
    /// # Errors
    ///
    /// A text if there is none of this name, or its argument is no fraction.
    pub(crate) fn named(name: &str, argument: Option<&str>) -> Result<Sampler, String> {
        let fraction = || match argument.map(str::parse) {
            None => Ok(1.0),
            Some(Ok(fraction)) if (0.0..=1.0).contains(&fraction) => Ok(fraction),
            Some(_) => Err("OTEL_TRACES_SAMPLER_ARG is not a number from 0 to 1".to_owned()),
        };
        let (follows_parent, fraction) = match name {
            "parentbased_always_on" => (true, 1.0),
            "parentbased_always_off" => (true, 0.0),
            "parentbased_traceidratio" => (true, fraction()?),
            "always_on" => (false, 1.0),
            "always_off" => (false, 0.0),
            "traceidratio" => (false, fraction()?),
            other => return Err(format!("OTEL_TRACES_SAMPLER is {other:?}, which is unknown")),
        };
        Ok(Sampler { follows_parent, fraction })
    }

    /// Whether the trace of this id is recorded, which a caller with a span of its own may
    /// have decided.
    pub(crate) fn samples(self, trace_id: u128, parent: Option<TraceContext>) -> bool {
        match parent {
            Some(parent) if self.follows_parent => parent.is_sampled,
            _ if self.fraction >= 1.0 => true,
            // The lower half of an id is random; its upper half may be a time.
            _ => (lower(trace_id) as f64) < self.fraction * 2_f64.powi(63),
        }
    }
}

/// The lowest 63 bits.
fn lower(trace_id: u128) -> u64 {
    u64::try_from(trace_id & u128::from(u64::MAX >> 1)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(is_sampled: bool) -> Option<TraceContext> {
        let context: TraceContext =
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
        Some(TraceContext { is_sampled, ..context })
    }

    #[test]
    fn callers_decide_unless_the_sampler_says_otherwise() {
        let named = |name| Sampler::named(name, None).unwrap();
        assert_eq!(named("parentbased_always_on"), Sampler::default());
        for (name, alone, unrecorded, recorded) in [
            ("parentbased_always_on", true, false, true),
            ("parentbased_always_off", false, false, true),
            ("parentbased_traceidratio", true, false, true),
            ("always_on", true, true, true),
            ("always_off", false, false, false),
            ("traceidratio", true, true, true),
        ] {
            for id in [1, u128::MAX] {
                let sampled = |parent| named(name).samples(id, parent);
                assert_eq!(sampled(None), alone, "{name}");
                assert_eq!(sampled(parent(false)), unrecorded, "{name}");
                assert_eq!(sampled(parent(true)), recorded, "{name}");
            }
        }
    }

    #[test]
    fn a_fraction_of_the_traces_is_recorded() {
        let sampler = Sampler::named("traceidratio", Some("0.25")).unwrap();
        let id = |number: u64| u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let recorded = (1..=10_000).filter(|number| sampler.samples(id(*number), None)).count();
        assert!((2_400..2_600).contains(&recorded), "{recorded}");
        for wrong in ["-1", "1.5", "x", "", "NaN"] {
            Sampler::named("traceidratio", Some(wrong)).unwrap_err();
        }
        Sampler::named("jaeger_remote", None).unwrap_err();
    }
}
