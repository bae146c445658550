//! The mean and median duration of a level's attempts.

/// Histogram buckets per octave. The median is accurate to 6 %.
const BUCKETS_PER_OCTAVE: f64 = 12.0;

/// A histogram of durations. It takes a few kilobytes, however many there are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durations {
    /// Number of durations.
    count: u64,
    /// Their sum in milliseconds.
    sum_ms: u64,
    /// The sum of their squares, in square milliseconds.
    sum_of_squares: f64,
    /// Number of durations per bucket. Bucket `k` ends at `2^(k / 12)` milliseconds.
    buckets: Vec<u32>,
}

impl Durations {
    /// Adds a duration.
    pub(crate) fn add(&mut self, duration_ms: u64) {
        self.count += 1;
        self.sum_ms += duration_ms;
        self.sum_of_squares += (duration_ms as f64).powi(2);
        let bucket = bucket_of(duration_ms);
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
    }

    /// The mean in milliseconds; `None` if empty.
    pub(crate) fn mean_ms(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum_ms as f64 / self.count as f64)
    }

    /// The standard deviation of a duration, and of the mean, in milliseconds. Of fewer
    /// than two durations nothing is known but their size: the mean itself; `None` if empty.
    pub(crate) fn deviations_ms(&self) -> Option<(f64, f64)> {
        let mean_ms = self.mean_ms()?;
        let count = self.count as f64;
        let of_one = if self.count < 2 {
            mean_ms
        } else {
            let squares = self.sum_of_squares - count * mean_ms * mean_ms;
            (squares.max(0.0) / (count - 1.0)).sqrt()
        };
        Some((of_one, of_one / count.sqrt()))
    }

    /// The approximate mean of the rates, in 1 per millisecond; `None` if empty.
    #[cfg(feature = "sim")]
    pub(crate) fn mean_rate(&self) -> Option<f64> {
        let rate = |bucket| (-(f64::from(bucket) - 0.5) / BUCKETS_PER_OCTAVE).exp2();
        let rates = (0_u32..).zip(&self.buckets).map(|(at, &count)| f64::from(count) * rate(at));
        (self.count > 0).then(|| rates.sum::<f64>() / self.count as f64)
    }

    /// The approximate median in milliseconds; `None` if empty.
    pub(crate) fn median_ms(&self) -> Option<f64> {
        let mut seen = 0_u64;
        let bucket = self.buckets.iter().position(|&count| {
            seen += u64::from(count);
            seen * 2 >= self.count && seen > 0
        })?;
        Some(if bucket == 0 { 1.0 } else { ((bucket as f64 - 0.5) / BUCKETS_PER_OCTAVE).exp2() })
    }
}

/// Truncates an estimate to an integer; negative estimates give 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturation is acceptable for an estimate"
)]
pub(crate) fn saturating_u64(estimate: f64) -> u64 {
    estimate as u64
}

/// The bucket of a duration. The first bucket holds 0 and 1 ms.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a logarithm of at least 0 and at most 64 * 12"
)]
fn bucket_of(duration_ms: u64) -> usize {
    ((duration_ms.max(1) as f64).log2() * BUCKETS_PER_OCTAVE).ceil() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_histogram_has_no_mean_and_no_median() {
        assert_eq!(Durations::default().mean_ms(), None);
        assert_eq!(Durations::default().median_ms(), None);
    }

    #[test]
    fn the_median_is_robust_against_stragglers() {
        let mut durations = Durations::default();
        for _ in 0..9 {
            durations.add(1_000);
        }
        durations.add(8_000);
        assert!((durations.mean_ms().unwrap() - 1_700.0).abs() < 1e-9);
        let median = durations.median_ms().unwrap();
        assert!((median - 1_000.0).abs() < 60.0, "{median}");
    }

    #[test]
    fn deviations_shrink_with_what_is_known() {
        let mut durations = Durations::default();
        assert_eq!(durations.deviations_ms(), None);
        durations.add(100);
        assert_eq!(durations.deviations_ms(), Some((100.0, 100.0)));
        for duration_ms in [104, 96, 100] {
            durations.add(duration_ms);
        }
        let (of_one, of_mean) = durations.deviations_ms().unwrap();
        assert!((of_one - (32.0_f64 / 3.0).sqrt()).abs() < 1e-6, "{of_one}");
        assert!((of_mean - of_one / 2.0).abs() < 1e-9, "{of_mean}");
    }

    #[test]
    fn durations_of_zero_have_a_median() {
        let mut durations = Durations::default();
        durations.add(0);
        assert_eq!(durations.median_ms(), Some(1.0));
    }
}
