//! How many bytes a job reads a second, lately.

use std::collections::VecDeque;

use protocol::Timestamp;

/// The rate is taken over so many samples …
const SAMPLES: usize = 10;
/// … at least so far apart: over five seconds, which rides out the gaps
/// between heartbeats and still follows what a reader sees.
const SAMPLE_MS: u64 = 500;

/// How fast a sum grows, lately.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    samples: VecDeque<(Timestamp, u64)>,
}

impl Meter {
    /// The sum is so much now.
    pub(crate) fn note(&mut self, now: Timestamp, sum: u64) {
        let is_due = self.samples.back().is_none_or(|(at, _)| now.millis_since(*at) >= SAMPLE_MS);
        if is_due {
            if self.samples.len() == SAMPLES {
                self.samples.pop_front();
            }
            self.samples.push_back((now, sum));
        }
    }

    /// How much it grows a second, as of now, when it is so much.
    pub(crate) fn per_sec(&self, now: Timestamp, sum: u64) -> f64 {
        let Some(&(since, from)) = self.samples.front() else {
            return 0.0;
        };
        match now.millis_since(since) {
            0 => 0.0,
            elapsed_ms => (sum - from) as f64 * 1000.0 / elapsed_ms as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_read_lately_counts() {
        let mut meter = Meter::default();
        for second in 0..100 {
            let sum = if second < 50 { second * 1_000 } else { 50_000 };
            meter.note(Timestamp::from_millis(second * 1_000), sum);
            let rate = meter.per_sec(Timestamp::from_millis(second * 1_000), sum);
            match second {
                1..50 => assert!((rate - 1_000.0).abs() < 1.0, "{rate} at {second}"),
                60.. => assert_eq!(rate, 0.0),
                _ => {}
            }
        }
    }
}
