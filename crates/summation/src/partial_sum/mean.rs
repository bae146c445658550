//! The mean and the sum of each column, rounded once.

use std::ops::Range;

use crate::exact::{ExactSum, two_sum};

use super::sums::CanonicalSums;
use super::{BLOCK_COLUMNS, PartialSum, pieces};

/// Below this a quotient's error may be too small for an `f64`: the slow path
/// takes over well before.
const QUOTIENT_MIN: f64 = f64::from_bits((1023 - 900) << 52);

impl PartialSum {
    /// The mean of every column: the exact sum divided by the number of
    /// objects, rounded once to nearest, ties to even. NaN for no objects.
    #[must_use]
    pub fn mean(&self) -> Vec<f64> {
        let divisor = Divisor::new(self.objects());
        let mut means = Vec::with_capacity(self.columns());
        self.for_each_block(|sums, length| {
            let [hi, lo, third, _] = &sums.parts;
            let start = means.len();
            for index in 0..length {
                let mean = divisor.divide([hi[index], lo[index], third[index]]);
                means.push(mean.unwrap_or_else(|| divisor.divide_exact(&sums.exact(index))));
            }
            for (index, sum) in &sums.exceptions {
                means[start + index] = divisor.divide_exact(sum);
            }
        });
        means
    }

    /// The sum of every column, rounded once.
    pub(super) fn sum(&self) -> Vec<f64> {
        let mut result = Vec::with_capacity(self.columns());
        self.for_each_block(|sums, length| {
            let start = result.len();
            result.extend_from_slice(&sums.parts[0][..length]);
            for (index, sum) in &sums.exceptions {
                result[start + index] = sum.round();
            }
        });
        result
    }

    /// How many columns have a mean that is NaN, and how many an infinite one,
    /// because of a number that is not finite.
    #[must_use]
    pub fn special_columns(&self) -> (usize, usize) {
        self.specials.count()
    }

    fn for_each_block(&self, mut visit: impl FnMut(&CanonicalSums, usize)) {
        let mut canonical = Box::new(CanonicalSums::new());
        for columns in pieces(0..self.columns()) {
            let length = columns.len();
            self.canonical_sums(columns, &mut canonical);
            visit(&canonical, length);
        }
    }

    /// The canonical form of a block's columns, with the sums of those that are
    /// not finite in the first part.
    pub(super) fn canonical_sums(&self, columns: Range<usize>, to: &mut CanonicalSums) {
        debug_assert!(columns.start.is_multiple_of(BLOCK_COLUMNS));
        self.sums.canonical(columns.clone(), to);
        for (index, special) in self.specials.of_block(columns) {
            to.set(index, [special, 0.0, 0.0, 0.0]);
            to.exceptions.retain(|(exception, _)| *exception != index);
        }
    }
}

/// The number of objects, as what sums are divided by.
#[derive(Clone, Copy, Debug)]
struct Divisor {
    count: u64,
    /// `count`, rounded.
    rounded: f64,
    /// Whether rounding lost nothing and division is not exact anyway.
    is_fast: bool,
    /// One over `count`, if that is a power of two.
    inverse: Option<f64>,
}

impl Divisor {
    #[expect(clippy::cast_precision_loss, reason = "it is used where nothing is lost")]
    const fn new(count: u64) -> Divisor {
        let rounded = count as f64;
        Divisor {
            count,
            rounded,
            is_fast: count <= 1 << 53,
            inverse: if count.is_power_of_two() { Some(1.0 / rounded) } else { None },
        }
    }

    /// The sum of parts, each the rounded sum of itself and those after it and
    /// after them, divided by `count` and rounded once. `None` if the result is
    /// so near the middle of two numbers that it takes more to tell.
    #[inline]
    fn divide(&self, [hi, lo, third]: [f64; 3]) -> Option<f64> {
        if let Some(inverse) = self.inverse {
            let mean = hi * inverse;
            // Nothing was rounded, unless up to the least normal number.
            if mean.abs() > f64::MIN_POSITIVE {
                return Some(mean);
            }
        }
        if hi == 0.0 || !hi.is_finite() {
            return Some(if self.count == 0 { f64::NAN } else { hi });
        }
        let quotient = hi / self.rounded;
        if quotient.abs() < QUOTIENT_MIN || !quotient.is_finite() || !self.is_fast {
            return None;
        }
        // The remainder of a division is an `f64`.
        let remainder = quotient.mul_add(-self.rounded, hi);
        let (remainder, left) = two_sum(remainder, lo);
        let correction = remainder / self.rounded;
        let mean = quotient + correction;
        if left == 0.0 && third == 0.0 && correction.mul_add(-self.rounded, remainder) == 0.0 {
            // The correction is exact, and so its sum with the quotient was
            // rounded but once, ties as they should be.
            return Some(mean);
        }
        // Four roundings, none of more than 2^-53 of the correction; and what
        // comes after `lo` is less than twice the third part.
        let error = correction.abs() * (8.0 * f64::EPSILON) + left.abs() + 2.0 * third.abs();
        let is_certain = quotient + (correction - error) == quotient + (correction + error);
        is_certain.then_some(mean)
    }

    #[cold]
    fn divide_exact(&self, sum: &ExactSum) -> f64 {
        if self.count == 0 {
            return f64::NAN;
        }
        let (quotient, more) = sum.magnitude().widen(2).divide(self.count);
        let mean = quotient.round(more);
        if sum.is_negative() { -mean } else { mean }
    }
}
