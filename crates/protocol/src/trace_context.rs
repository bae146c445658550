//! The trace context of W3C: which span of which trace something belongs to.
//!
//! Its text is the value of the header `traceparent`
//! ([W3C Trace Context](https://www.w3.org/TR/trace-context/), level 1).

use std::error::Error;
use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The length of a context of version 00 as text.
const TEXT_BYTES: usize = 55;
/// The flag of a trace that is recorded.
const SAMPLED: u8 = 1;

/// A span of a trace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The id of the trace.
    pub trace_id: NonZeroU128,
    /// The id of the span within the trace.
    pub span_id: NonZeroU64,
    /// Whether the trace is recorded.
    pub is_sampled: bool,
}

impl TraceContext {
    /// The context of a span of the same trace whose id follows from this one and from
    /// `key`. Whoever derives it from the same key gets the same, also after a restart, so
    /// that the id of a span need not be kept or told until the span ends.
    #[must_use]
    pub fn derived(self, key: &[u64]) -> TraceContext {
        let id = key.iter().fold(self.span_id.get(), |id, part| mixed(id ^ mixed(*part)));
        TraceContext { span_id: NonZeroU64::new(id).unwrap_or(NonZeroU64::MIN), ..self }
    }
}

/// Mixes all bits of a number with each other, as the generator SplitMix64 does.
const fn mixed(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TraceContext { trace_id, span_id, is_sampled } = self;
        write!(f, "00-{trace_id:032x}-{span_id:016x}-{:02x}", u8::from(*is_sampled) * SAMPLED)
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not the context of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidContext;

impl fmt::Display for InvalidContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is not a trace context")
    }
}

impl Error for InvalidContext {}

impl FromStr for TraceContext {
    type Err = InvalidContext;

    fn from_str(text: &str) -> Result<TraceContext, InvalidContext> {
        let is_hex = |part: &str| part.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
        let part = |from: usize, to: usize| {
            text.get(from..to).filter(|part| is_hex(part)).ok_or(InvalidContext)
        };
        let version = part(0, 2)?;
        // Later versions may append to it.
        let is_whole = match version {
            "ff" => false,
            "00" => text.len() == TEXT_BYTES,
            _ => text.len() == TEXT_BYTES || text.as_bytes().get(TEXT_BYTES) == Some(&b'-'),
        };
        let are_apart = [2, 35, 52].iter().all(|at| text.as_bytes().get(*at) == Some(&b'-'));
        if !is_whole || !are_apart {
            return Err(InvalidContext);
        }
        let trace_id = u128::from_str_radix(part(3, 35)?, 16).ok().and_then(NonZeroU128::new);
        let span_id = u64::from_str_radix(part(36, 52)?, 16).ok().and_then(NonZeroU64::new);
        let flags = u8::from_str_radix(part(53, 55)?, 16).map_err(|_| InvalidContext)?;
        Ok(TraceContext {
            trace_id: trace_id.ok_or(InvalidContext)?,
            span_id: span_id.ok_or(InvalidContext)?,
            is_sampled: flags & SAMPLED == SAMPLED,
        })
    }
}

impl Serialize for TraceContext {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TraceContext {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TraceContext, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Reads a context that may be absent. One that cannot be read counts as absent: no work
/// may fail because of its trace.
///
/// # Errors
///
/// If it is neither text nor absent.
pub fn lenient<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<TraceContext>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_text_of_a_context_is_read_back() {
        let context: TraceContext = TEXT.parse().unwrap();
        assert_eq!(context.trace_id.get(), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(context.span_id.get(), 0x00f0_67aa_0ba9_02b7);
        assert!(context.is_sampled);
        assert_eq!(context.to_string(), TEXT);
        let unsampled = TEXT.replace("-01", "-00");
        assert_eq!(unsampled.parse::<TraceContext>().unwrap().to_string(), unsampled);
        // What a later version may add.
        for later in [TEXT.replace("00-", "cc-"), format!("01{}-x", &TEXT[2..])] {
            assert_eq!(later.parse(), Ok(context), "{later}");
        }
    }

    #[test]
    fn what_is_no_context_is_refused() {
        for wrong in [
            "",
            "00",
            &TEXT[..54],
            &format!("{TEXT}-"),
            &format!("{TEXT}0"),
            &TEXT.to_uppercase(),
            &TEXT.replace("00-", "ff-"),
            &TEXT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &TEXT.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &TEXT.replace("-01", "_01"),
            &TEXT.replace("-01", "-é"),
            &TEXT.replace("4bf", "+bf"),
        ] {
            assert_eq!(wrong.parse::<TraceContext>(), Err(InvalidContext), "{wrong}");
        }
    }

    #[test]
    fn ids_that_are_derived_differ_by_their_key_and_stay_in_the_trace() {
        let job: TraceContext = TEXT.parse().unwrap();
        let mut ids = std::collections::BTreeSet::from([job.span_id]);
        for level in 0..3 {
            for node in 0..100 {
                let task = job.derived(&[level, node]);
                assert_eq!(task, job.derived(&[level, node]));
                assert_eq!((task.trace_id, task.is_sampled), (job.trace_id, job.is_sampled));
                assert!(ids.insert(task.span_id) && ids.insert(task.derived(&[1]).span_id));
            }
        }
    }
}
