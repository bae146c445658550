//! The progress rate of an attempt, estimated from its heartbeats.

use protocol::Timestamp;

/// Weight of the newest heartbeat in the exponential moving average. It is high,
/// so that a slowdown shows within two or three heartbeats.
const NEWEST_WEIGHT: f32 = 0.6;

/// The rate of an attempt, in fractions of its task per millisecond: an
/// exponential moving average of the differences between heartbeats. Segments
/// found at the start do not count as progress.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProgressRate {
    /// Completed fraction of the task at the last heartbeat, 0 to 1.
    fraction: f32,
    /// Time of the last heartbeat, or of the start before the first one.
    at: Timestamp,
    /// Fraction per millisecond; 0 until known.
    rate: f32,
}

impl ProgressRate {
    /// Resets the estimate when an attempt starts.
    pub(crate) fn start(&mut self, at: Timestamp) {
        *self = ProgressRate { at, ..ProgressRate::default() };
    }

    /// Records a heartbeat with the completed fraction, 0 to 1.
    /// `is_first_of_resumed` marks a first heartbeat whose fraction includes
    /// segments of earlier attempts.
    pub(crate) fn record(&mut self, at: Timestamp, fraction: f64, is_first_of_resumed: bool) {
        let fraction = to_f32(fraction);
        let elapsed_ms = at.millis_since(self.at);
        if is_first_of_resumed {
            (self.fraction, self.at) = (fraction, at);
            return;
        }
        if elapsed_ms == 0 {
            return;
        }
        let newest = (fraction - self.fraction).max(0.0) / elapsed_ms as f32;
        self.rate = if self.rate == 0.0 {
            newest
        } else {
            self.rate + NEWEST_WEIGHT * (newest - self.rate)
        };
        (self.fraction, self.at) = (fraction, at);
    }

    /// The extrapolated fraction at a point in time, 0 to 1.
    pub(crate) fn fraction_at(&self, now: Timestamp) -> f64 {
        let since = now.millis_since(self.at) as f32;
        f64::from((self.fraction + self.rate * since).clamp(0.0, 1.0))
    }

    /// Estimated remaining time in milliseconds; `None` while the rate is unknown.
    pub(crate) fn remaining_ms(&self, now: Timestamp) -> Option<f64> {
        if self.rate <= 0.0 {
            return None;
        }
        let left = f64::from((1.0 - self.fraction) / self.rate);
        Some((left - now.millis_since(self.at) as f64).max(0.0))
    }
}

/// Rounds to f32, which saves memory per attempt.
#[expect(clippy::cast_possible_truncation, reason = "an estimate needs no more precision")]
pub(crate) fn to_f32(number: f64) -> f32 {
    number as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn the_end_of_a_steady_attempt_is_predicted() {
        let mut rate = ProgressRate::default();
        rate.start(at(1_000));
        assert_eq!(rate.remaining_ms(at(1_500)), None);
        rate.record(at(2_000), 0.25, false);
        assert!((rate.remaining_ms(at(2_000)).unwrap() - 3_000.0).abs() < 1.0);
        assert!((rate.remaining_ms(at(3_000)).unwrap() - 2_000.0).abs() < 1.0);
        assert!((rate.fraction_at(at(3_000)) - 0.5).abs() < 1e-3);
    }

    #[test]
    fn a_slowdown_raises_the_remaining_time() {
        let mut rate = ProgressRate::default();
        rate.start(at(0));
        rate.record(at(1_000), 0.4, false);
        let before = rate.remaining_ms(at(1_000)).unwrap();
        rate.record(at(2_000), 0.45, false);
        rate.record(at(3_000), 0.5, false);
        assert!(rate.remaining_ms(at(3_000)).unwrap() > 2.0 * before);
    }

    #[test]
    fn segments_found_at_the_start_do_not_count_as_progress() {
        let mut rate = ProgressRate::default();
        rate.start(at(0));
        rate.record(at(10), 0.8, true);
        rate.record(at(1_010), 0.9, false);
        assert!((rate.remaining_ms(at(1_010)).unwrap() - 1_000.0).abs() < 1.0);
    }
}
