//! How fast an attempt goes, as its heartbeats tell.

use protocol::Timestamp;

/// How much a new heartbeat counts against all earlier ones. High, so that a
/// worker which slows down is seen to within two or three heartbeats.
const NEWEST_WEIGHT: f32 = 0.6;

/// How fast an attempt goes: parts of the task per millisecond, from the
/// differences between its heartbeats, so that segments found at the start do
/// not make it look fast, nor its past hide that it has slowed down.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// The fraction at the last heartbeat.
    fraction: f32,
    /// When that was; 0 if there was none.
    at: Timestamp,
    /// Fraction per millisecond; 0 until it can be told.
    rate: f32,
}

impl Pace {
    /// The attempt has started, with nothing done.
    pub(crate) fn start(&mut self, at: Timestamp) {
        *self = Pace { at, ..Pace::default() };
    }

    /// A heartbeat: how far it is at this time. `is_first_of_resumed` for a
    /// first heartbeat that counts what others had done.
    pub(crate) fn beat(&mut self, at: Timestamp, fraction: f64, is_first_of_resumed: bool) {
        let fraction = nearest(fraction);
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

    /// How far it probably is by now, 0 to 1.
    pub(crate) fn fraction_at(&self, now: Timestamp) -> f64 {
        let since = now.millis_since(self.at) as f32;
        f64::from((self.fraction + self.rate * since).clamp(0.0, 1.0))
    }

    /// Milliseconds until it is done if it goes on like this; `None` before
    /// its heartbeats tell.
    pub(crate) fn left_ms(&self, now: Timestamp) -> Option<f64> {
        if self.rate <= 0.0 {
            return None;
        }
        let left = f64::from((1.0 - self.fraction) / self.rate);
        Some((left - now.millis_since(self.at) as f64).max(0.0))
    }
}

/// The nearest f32; attempts are many and no estimate needs more digits.
#[expect(clippy::cast_possible_truncation, reason = "precision is not needed")]
pub(crate) fn nearest(number: f64) -> f32 {
    number as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_steady_attempt_is_foreseen() {
        let mut pace = Pace::default();
        pace.start(at(1_000));
        assert_eq!(pace.left_ms(at(1_500)), None);
        pace.beat(at(2_000), 0.25, false);
        assert!((pace.left_ms(at(2_000)).unwrap() - 3_000.0).abs() < 1.0);
        assert!((pace.left_ms(at(3_000)).unwrap() - 2_000.0).abs() < 1.0);
        assert!((pace.fraction_at(at(3_000)) - 0.5).abs() < 1e-3);
    }

    #[test]
    fn an_attempt_that_slows_down_is_seen_to() {
        let mut pace = Pace::default();
        pace.start(at(0));
        pace.beat(at(1_000), 0.4, false);
        let before = pace.left_ms(at(1_000)).unwrap();
        pace.beat(at(2_000), 0.45, false);
        pace.beat(at(3_000), 0.5, false);
        assert!(pace.left_ms(at(3_000)).unwrap() > 2.0 * before);
    }

    #[test]
    fn segments_found_at_the_start_do_not_make_it_fast() {
        let mut pace = Pace::default();
        pace.start(at(0));
        pace.beat(at(10), 0.8, true);
        pace.beat(at(1_010), 0.9, false);
        assert!((pace.left_ms(at(1_010)).unwrap() - 1_000.0).abs() < 1.0);
    }
}
