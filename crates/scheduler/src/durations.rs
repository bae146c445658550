//! How long the attempts of a level took: their mean and their median.

/// Classes per doubling of the duration: a median is right to within 6 %.
const CLASSES_PER_OCTAVE: f64 = 12.0;

/// The durations of a level's completed attempts, in a few kilobytes however
/// many they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durations {
    /// How many there are.
    count: u64,
    /// Their sum in milliseconds.
    sum_ms: u64,
    /// How many fall into each class; class `k` ends at `2^(k / 12)` milliseconds.
    classes: Vec<u32>,
}

impl Durations {
    /// Takes one in.
    pub(crate) fn add(&mut self, duration_ms: u64) {
        self.count += 1;
        self.sum_ms += duration_ms;
        let class = class_of(duration_ms);
        if self.classes.len() <= class {
            self.classes.resize(class + 1, 0);
        }
        self.classes[class] += 1;
    }

    /// Their mean in milliseconds, `None` if there are none.
    pub(crate) fn mean_ms(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum_ms as f64 / self.count as f64)
    }

    /// Their median in milliseconds, near enough; `None` if there are none.
    pub(crate) fn median_ms(&self) -> Option<f64> {
        let mut seen = 0_u64;
        let class = self.classes.iter().position(|&count| {
            seen += u64::from(count);
            seen * 2 >= self.count && seen > 0
        })?;
        Some(if class == 0 { 1.0 } else { ((class as f64 - 0.5) / CLASSES_PER_OCTAVE).exp2() })
    }
}

/// What is whole in an estimate, 0 if it is negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, which is what an estimate may do"
)]
pub(crate) fn whole(estimate: f64) -> u64 {
    estimate as u64
}

/// The class of a duration; 0 and 1 ms are the first.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a logarithm of at least 0 and at most 64 * 12"
)]
fn class_of(duration_ms: u64) -> usize {
    ((duration_ms.max(1) as f64).log2() * CLASSES_PER_OCTAVE).ceil() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_nothing_nothing_is_known() {
        assert_eq!(Durations::default().mean_ms(), None);
        assert_eq!(Durations::default().median_ms(), None);
    }

    #[test]
    fn the_median_is_not_moved_by_a_few_stragglers() {
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
    fn durations_of_no_time_at_all_have_a_median() {
        let mut durations = Durations::default();
        durations.add(0);
        assert_eq!(durations.median_ms(), Some(1.0));
    }
}
