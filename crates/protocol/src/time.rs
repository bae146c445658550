//! Timestamps in messages.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since 1970-01-01 00:00 UTC.
///
/// This crate reads no clock; callers pass the time.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Makes a timestamp from milliseconds since 1970-01-01 00:00 UTC.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Timestamp {
        Timestamp(millis)
    }

    /// Milliseconds since 1970-01-01 00:00 UTC.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Milliseconds from `earlier` to `self`, 0 if `earlier` is later.
    #[must_use]
    pub const fn millis_since(self, earlier: Timestamp) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The time as RFC 3339 writes it, in whole seconds: `2026-03-01T12:34:56Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let secs = i64::try_from(self.0 / 1000).unwrap_or(i64::MAX);
        Rfc3339(secs.saturating_mul(1_000_000_000)).to_string()
    }

    /// The point `millis` milliseconds later.
    #[must_use]
    pub const fn plus_millis(self, millis: u64) -> Timestamp {
        Timestamp(self.0.saturating_add(millis))
    }
}

/// Nanoseconds since 1970-01-01 00:00 UTC, printed as RFC 3339 does, without zeros at
/// the end of the fraction: `2026-03-01T12:34:56.789Z`.
pub(crate) struct Rfc3339(pub(crate) i64);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY_SECS: i64 = 86_400;
        const SECOND_NS: i64 = 1_000_000_000;
        let (secs, fraction) = (self.0.div_euclid(SECOND_NS), self.0.rem_euclid(SECOND_NS));
        let (year, month, day) = civil(secs.div_euclid(DAY_SECS));
        let secs = secs.rem_euclid(DAY_SECS);
        let (hour, minute, second) = (secs / 3600, secs / 60 % 60, secs % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if fraction > 0 {
            write!(f, ".{}", format!("{fraction:09}").trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

/// Year, month and day of a day, counted from 1970-01-01. The years begin with March
/// here, so that a leap day is their last (Howard Hinnant, `civil_from_days`).
const fn civil(days: i64) -> (i64, i64, i64) {
    /// From 0000-03-01 to 1970-01-01.
    const EPOCH: i64 = 719_468;
    const ERA_DAYS: i64 = 146_097;
    let days = days + EPOCH;
    let (era, of_era) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let is_after_december = month >= 10;
    let month = if is_after_december { month - 9 } else { month + 3 };
    (year + era * 400 + is_after_december as i64, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_as_in_rfc_3339() {
        const DAY_NS: i64 = 86_400_000_000_000;
        for (ns, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (1_500_000_000, "1970-01-01T00:00:01.5Z"),
            (11_016 * DAY_NS, "2000-02-29T00:00:00Z"),
            (11_017 * DAY_NS, "2000-03-01T00:00:00Z"),
            (20_454 * DAY_NS - 1, "2025-12-31T23:59:59.999999999Z"),
            (-719_162 * (DAY_NS / 10), "1773-02-05T19:12:00Z"),
        ] {
            assert_eq!(Rfc3339(ns).to_string(), text);
        }
    }
}
