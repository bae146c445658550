//! The mean and the sum of each column, rounded once.

use std::ops::Range;

use crate::exact::ExactSum;

use super::kernel::{self, GROUP};
use super::sums::CanonicalSums;
use super::{PartialSum, Totals, pieces};

impl PartialSum {
    /// The mean of every column: the exact sum divided by the number of
    /// objects, rounded once to nearest, ties to even. NaN for no objects. Where
    /// missing values are left out, the divisor is the number of values of the column.
    ///
    /// With weights, the exact sum of the products of numbers and weights is divided by the
    /// sum of the weights of all objects, or of those that have a value in the column.
    #[must_use]
    pub fn mean(&self) -> Vec<f64> {
        let mut means = Vec::with_capacity(self.columns());
        self.put_mean(&mut means);
        means
    }

    /// Appends the mean of every column to others; see [`PartialSum::mean`].
    pub fn put_mean(&self, means: &mut Vec<f64>) {
        if let Totals::Weighted(weighted) = &self.totals {
            return self.put_weighted_mean(weighted, means);
        }
        let divisor = Divisor::new(self.objects());
        self.for_each_block(|sums, columns| {
            let start = means.len();
            means.resize(start + columns.len(), 0.0);
            let means = &mut means[start..];
            match self.counts(columns) {
                None => divisor.divide_block(sums, means),
                Some(counts) => divide_each(sums, &counts, means),
            }
        });
    }

    /// The sum of every column, rounded once.
    pub(super) fn sum(&self) -> Vec<f64> {
        if let Totals::Weighted(weighted) = &self.totals {
            return self.weighted_sum(weighted);
        }
        let mut result = Vec::with_capacity(self.columns());
        self.for_each_block(|sums, columns| {
            let start = result.len();
            result.extend_from_slice(&sums.parts[0][..columns.len()]);
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

    fn for_each_block(&self, mut visit: impl FnMut(&CanonicalSums, Range<usize>)) {
        let mut canonical = Box::new(CanonicalSums::new());
        for columns in pieces(0..self.columns()) {
            self.canonical_sums(columns.clone(), &mut canonical);
            visit(&canonical, columns);
        }
    }

    /// The canonical form of a block's columns, with the sums of those that are
    /// not finite in the first part. Sums that are weighted have another form.
    pub(super) fn canonical_sums(&self, columns: Range<usize>, to: &mut CanonicalSums) {
        if let Totals::Numbers(sums) = &self.totals {
            sums.canonical(columns.clone(), to);
        }
        self.specials.put_into(columns, to);
    }
}

/// The sums of a block, each divided by its count and rounded once.
fn divide_each(sums: &CanonicalSums, counts: &[u64], means: &mut [f64]) {
    for (index, (mean, &count)) in means.iter_mut().zip(counts).enumerate() {
        let divisor = Divisor::new(count);
        let [hi, lo, third, _] = sums.parts.each_ref().map(|part| part[index]);
        let divided = divisor.divide([hi, lo, third]);
        *mean = divided.unwrap_or_else(|| divisor.divide_exact(&sums.exact(index)));
    }
    for (index, sum) in &sums.exceptions {
        means[*index] = Divisor::new(counts[*index]).divide_exact(sum);
    }
}

/// The number of objects, as what sums are divided by.
#[derive(Clone, Copy, Debug)]
struct Divisor {
    count: u64,
    /// `count`, rounded.
    rounded: f64,
    /// Whether rounding lost nothing, and there is something to divide by.
    is_fast: bool,
}

impl Divisor {
    #[expect(clippy::cast_precision_loss, reason = "it is used where nothing is lost")]
    const fn new(count: u64) -> Divisor {
        let rounded = count as f64;
        Divisor { count, rounded, is_fast: count > 0 && count <= 1 << 53 }
    }

    /// The sums of a block divided by `count`, each rounded once.
    fn divide_block(&self, sums: &CanonicalSums, means: &mut [f64]) {
        let length = means.len();
        let [hi, lo, third, _] = &sums.parts;
        let mut done = 0;
        while done < length {
            if self.is_fast {
                let rest = [hi, lo, third].map(|part| &part[done..length]);
                done += kernel::divide(&mut means[done..], rest, self.rounded);
            }
            // A group that needs a closer look, or the few columns after the last group.
            let group = done..length.min(done + GROUP);
            done = group.end;
            for index in group {
                let parts = [hi[index], lo[index], third[index]];
                means[index] =
                    self.divide(parts).unwrap_or_else(|| self.divide_exact(&sums.exact(index)));
            }
        }
        for (index, sum) in &sums.exceptions {
            means[*index] = self.divide_exact(sum);
        }
    }

    /// The same for one sum; `None` if it takes more to tell.
    fn divide(&self, parts: [f64; 3]) -> Option<f64> {
        if self.count == 0 {
            return Some(f64::NAN);
        }
        if parts[0] == 0.0 || !parts[0].is_finite() {
            return Some(parts[0]);
        }
        let (mean, fits) = kernel::divide_one(parts, self.rounded);
        (self.is_fast && fits).then_some(mean)
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
