//! Figures of all values of an array, gathered while it is written, in bounded memory.
//!
//! The least and the greatest value, their indices, and the counts of NaN and infinities are
//! exact. Quantiles and the histogram are exact up to [`SAMPLED_MOST`] columns. Beyond, they
//! are those of a stratified sample: the columns are divided into [`SAMPLED_MOST`] ranges of
//! equal length, and of each the value of one column is taken, which a hash of the range
//! chooses. So they do not depend on how the numbers arrive, and are the same for every run.
//! The rank of a quantile of fraction p is then off by a standard deviation of at most
//! √(p(1 − p) / 65,536) of all values: 0.2 % for the median, 0.04 % for 1 % and 99 %.

use protocol::result::{Figures, HISTOGRAM_BINS, Histogram, QUANTILES, Quantile, SAMPLED_MOST};
use summation::output::number_text;

use crate::results::envelope::Extremes;

/// The figures of an array under way; takes the numbers in the order of the columns.
pub(super) struct FiguresBuilder {
    columns: u64,
    /// The column of the next number.
    column: u64,
    least: f64,
    greatest: f64,
    figures: Figures,
    /// The numbers taken, none of which is NaN.
    sample: Vec<f64>,
    /// The range that the next one is taken of, and its column.
    range: u64,
    next: u64,
}

/// The most memory that one takes, in bytes.
#[must_use]
pub(super) fn memory_bytes(columns: u64) -> u64 {
    8 * columns.min(SAMPLED_MOST)
}

impl FiguresBuilder {
    pub(super) fn new(columns: u64) -> FiguresBuilder {
        FiguresBuilder {
            columns,
            column: 0,
            least: f64::INFINITY,
            greatest: f64::NEG_INFINITY,
            figures: Figures { sampled: columns.min(SAMPLED_MOST), ..Figures::default() },
            sample: Vec::new(),
            range: 0,
            next: chosen(0, columns),
        }
    }

    /// Takes the next numbers, with the extremes of the finite ones.
    pub(super) fn add(&mut self, numbers: &[f64], extremes: Extremes) {
        let (mut least, mut greatest) = (extremes.least, extremes.greatest);
        if !extremes.all_finite {
            for &number in numbers {
                if number.is_nan() {
                    self.figures.nan += 1;
                } else if number.is_infinite() {
                    self.figures.infinite += 1;
                    least = least.min(number);
                    greatest = greatest.max(number);
                }
            }
        }
        let index_of = |wanted: f64| {
            let place = numbers.iter().position(|number| *number == wanted);
            place.map(|place| self.column + place as u64)
        };
        // Infinity is the least if there is no other number.
        if (least < self.least || self.figures.min_index.is_none())
            && let Some(index) = index_of(least)
        {
            (self.least, self.figures.min_index) = (least, Some(index));
        }
        if (greatest > self.greatest || self.figures.max_index.is_none())
            && let Some(index) = index_of(greatest)
        {
            (self.greatest, self.figures.max_index) = (greatest, Some(index));
        }
        self.take_sample(numbers);
        self.column += numbers.len() as u64;
    }

    fn take_sample(&mut self, numbers: &[f64]) {
        while self.range < self.figures.sampled {
            let place = usize::try_from(self.next.saturating_sub(self.column));
            let Some(number) = place.ok().and_then(|place| numbers.get(place)) else {
                return;
            };
            if !number.is_nan() {
                self.sample.push(*number);
            }
            self.range += 1;
            self.next = chosen(self.range, self.columns);
        }
    }

    /// The least and the greatest value, if any is not NaN.
    pub(super) fn extremes(&self) -> Option<(f64, f64)> {
        self.figures.min_index.map(|_| (self.least, self.greatest))
    }

    pub(super) fn finish(self) -> Figures {
        let mut sample = self.sample;
        sample.sort_unstable_by(f64::total_cmp);
        let quantile = |fraction: f64| {
            let value = number_text(*sample.get(rank(fraction, sample.len()))?);
            Some(Quantile { fraction, value })
        };
        let quantiles = QUANTILES.into_iter().filter_map(quantile).collect();
        Figures { quantiles, histogram: histogram(&sample), ..self.figures }
    }
}

/// The place of a quantile among so many numbers in order: the nearest rank.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a fraction of the length"
)]
fn rank(fraction: f64, length: usize) -> usize {
    ((fraction * length as f64).ceil() as usize).saturating_sub(1)
}

/// The column that is taken of a range of the sample.
fn chosen(range: u64, columns: u64) -> u64 {
    if columns <= SAMPLED_MOST {
        return range;
    }
    let begin = |range: u64| {
        let begin = u128::from(range) * u128::from(columns) / u128::from(SAMPLED_MOST);
        u64::try_from(begin).unwrap_or(u64::MAX)
    };
    let (start, end) = (begin(range), begin(range + 1));
    // SplitMix64 (Steele, Lea and Flood 2014), one step from the range.
    let mut hash = range.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    start + hash % (end - start).max(1)
}

/// The distribution of the finite ones of some numbers in order. Where a few are far from all
/// others, the bins cover the range from 2 % to 98 % and as much again on both sides.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and the bin is bounded"
)]
fn histogram(sample: &[f64]) -> Option<Histogram> {
    let finite: Vec<f64> = sample.iter().copied().filter(|number| number.is_finite()).collect();
    let (least, greatest) = (*finite.first()?, *finite.last()?);
    let (low, high) = (finite[rank(0.02, finite.len())], finite[rank(0.98, finite.len())]);
    // Halved, so that no span overflows.
    let margin = high / 2.0 - low / 2.0;
    let (low, high) = if margin > 0.0 {
        let low = (low - margin - margin).max(least);
        (low, (high + margin + margin).min(greatest))
    } else {
        (least, greatest)
    };
    // No bin beyond the last value is empty.
    let within = |number: &&f64| (low..=high).contains(*number);
    let (low, high) = (*finite.iter().find(within)?, *finite.iter().rev().find(within)?);
    let span = high / 2.0 - low / 2.0;
    let bins = if span > 0.0 { HISTOGRAM_BINS } else { 1 };
    let mut histogram = Histogram { low, high, counts: vec![0; bins], below: 0, above: 0 };
    for number in finite {
        if number < low {
            histogram.below += 1;
        } else if number > high {
            histogram.above += 1;
        } else {
            let position = if span > 0.0 { (number / 2.0 - low / 2.0) / span } else { 0.0 };
            let bin = (position * bins as f64) as usize;
            histogram.counts[bin.min(bins - 1)] += 1;
        }
    }
    Some(histogram)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::envelope::EnvelopeBuilder;

    fn figures(numbers: &[f64], piece: usize) -> Figures {
        let columns = numbers.len() as u64;
        let mut envelope = EnvelopeBuilder::new(0..columns, 100);
        let mut figures = FiguresBuilder::new(columns);
        for piece in numbers.chunks(piece) {
            figures.add(piece, envelope.add(piece));
        }
        figures.finish()
    }

    fn values(figures: &Figures) -> Vec<f64> {
        figures.quantiles.iter().map(|it| it.value.parse().unwrap()).collect()
    }

    #[test]
    fn few_values_have_exact_figures() {
        let mut numbers: Vec<f64> = (0..1_000_u32).map(|n| f64::from(n * 7 % 1_000)).collect();
        for piece in [1, 64, 1_000] {
            let found = figures(&numbers, piece);
            assert_eq!(found.sampled, 1_000);
            assert_eq!((found.min_index, found.max_index), (Some(0), Some(857)));
            assert_eq!(values(&found), [9.0, 19.0, 49.0, 249.0, 499.0, 749.0, 949.0, 979.0, 989.0]);
            let histogram = found.histogram.unwrap();
            assert_eq!((histogram.low, histogram.high), (0.0, 999.0));
            assert_eq!(histogram.counts.iter().sum::<u64>(), 1_000);
            assert!(histogram.counts.iter().all(|count| (20..=21).contains(count)));
        }
        numbers[3] = f64::NAN;
        numbers[4] = f64::INFINITY;
        (numbers[5], numbers[6]) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        let found = figures(&numbers, 64);
        assert_eq!((found.nan, found.infinite), (1, 3));
        assert_eq!((found.min_index, found.max_index), (Some(5), Some(4)));
        assert_eq!(found.histogram.unwrap().counts.iter().sum::<u64>(), 996);
    }

    #[test]
    fn values_without_a_number_have_no_extremes() {
        let none = figures(&[f64::NAN; 3], 2);
        assert_eq!((none.nan, none.min_index, none.max_index), (3, None, None));
        assert!(none.quantiles.is_empty() && none.histogram.is_none());
        let infinite = figures(&[f64::NAN, f64::INFINITY, f64::INFINITY], 1);
        assert_eq!((infinite.min_index, infinite.max_index), (Some(1), Some(1)));
        assert_eq!(infinite.histogram, None);
        assert_eq!(figures(&[], 1), Figures::default());
        let single = figures(&[7.0], 1).histogram.unwrap();
        assert_eq!((single.low, single.high, single.counts), (7.0, 7.0, vec![1]));
    }

    #[test]
    fn extremes_far_away_do_not_flatten_the_histogram() {
        let mut numbers: Vec<f64> = (0..10_000_u32).map(|n| f64::from(n % 100)).collect();
        (numbers[77], numbers[78]) = (-1e300, f64::MAX);
        let histogram = figures(&numbers, 512).histogram.unwrap();
        assert_eq!((histogram.below, histogram.above), (1, 1));
        assert_eq!((histogram.low, histogram.high), (0.0, 99.0));
        assert!(histogram.counts.iter().all(|count| *count > 0), "{histogram:?}");
    }

    #[test]
    fn quantiles_of_many_values_are_near_and_do_not_depend_on_the_pieces() {
        let columns = 5 * SAMPLED_MOST + 12_345;
        // Each once, in a mixed order: 104,729 has no factor in common with their number.
        let numbers: Vec<f64> = (0..columns).map(|n| (n * 104_729 % columns) as f64).collect();
        let found = figures(&numbers, 4_096);
        assert_eq!(found.sampled, SAMPLED_MOST);
        assert_eq!(found, figures(&numbers, 100_003));
        for (fraction, value) in QUANTILES.into_iter().zip(values(&found)) {
            let rank = value / columns as f64;
            let deviation = (fraction * (1.0 - fraction) / SAMPLED_MOST as f64).sqrt();
            let off = (rank - fraction).abs();
            assert!(off < 4.0 * deviation, "{fraction}: {rank}, {} deviations", off / deviation);
        }
        let counted: u64 = found.histogram.unwrap().counts.iter().sum();
        assert_eq!(counted, SAMPLED_MOST);
    }
}
