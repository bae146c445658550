//! The recent read throughput of a job.

use std::collections::VecDeque;

use protocol::Timestamp;

/// Number of samples in the window.
const SAMPLES: usize = 10;
/// Minimum distance of two samples. The window of five seconds smooths the gaps
/// between heartbeats and still shows a change soon.
const SAMPLE_MS: u64 = 500;

/// The rate of a growing counter over a sliding window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Throughput {
    /// Time and counter, oldest first.
    samples: VecDeque<(Timestamp, u64)>,
}

impl Throughput {
    /// Records the value of the counter.
    pub(crate) fn record(&mut self, now: Timestamp, sum: u64) {
        let is_due = self.samples.back().is_none_or(|(at, _)| now.millis_since(*at) >= SAMPLE_MS);
        if is_due {
            if self.samples.len() == SAMPLES {
                self.samples.pop_front();
            }
            self.samples.push_back((now, sum));
        }
    }

    /// The rate per second, given the current time and counter; 0 without samples.
    pub(crate) fn per_sec(&self, now: Timestamp, sum: u64) -> f64 {
        let Some(&(since, from)) = self.samples.front() else {
            return 0.0;
        };
        match now.millis_since(since) {
            0 => 0.0,
            elapsed_ms => sum.saturating_sub(from) as f64 * 1000.0 / elapsed_ms as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_recent_bytes_count() {
        let mut throughput = Throughput::default();
        for second in 0..100 {
            let sum = if second < 50 { second * 1_000 } else { 50_000 };
            throughput.record(Timestamp::from_millis(second * 1_000), sum);
            let rate = throughput.per_sec(Timestamp::from_millis(second * 1_000), sum);
            match second {
                1..50 => assert!((rate - 1_000.0).abs() < 1.0, "{rate} at {second}"),
                60.. => assert_eq!(rate, 0.0),
                _ => {}
            }
        }
    }
}
