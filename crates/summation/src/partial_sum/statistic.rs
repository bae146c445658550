//! How each statistic is computed from what a partial sum holds.

use std::ops::Range;

use protocol::request::{Kept, Statistic};

use super::kept::Kernel;
use super::spread::Ddof;
use super::squares::Squares;
use super::{PartialSum, pieces};

impl PartialSum {
    /// A statistic of every column, rounded once; `None` if the partial sum was
    /// not made for it. A column with a number that is not finite has the
    /// variance NaN. Where missing values are left out, a statistic is that of the
    /// values that the column has, and NaN if it has none, except for the count. The
    /// sample variance and its root are NaN if the column has one value, too.
    #[must_use]
    pub fn statistic(&self, statistic: Statistic) -> Option<Vec<f64>> {
        match statistic {
            Statistic::Sum => Some(self.without_empty(self.sum())),
            Statistic::Min => Some(self.without_empty(self.extremes(Kept::Least)?)),
            Statistic::Max => Some(self.without_empty(self.extremes(Kept::Greatest)?)),
            Statistic::Range => Some(self.without_empty(self.range()?)),
            Statistic::Variance => Some(self.variance(self.squares()?, Ddof::ZERO)),
            Statistic::Std => Some(self.deviation(self.squares()?, Ddof::ZERO)),
            Statistic::Variance1 => Some(self.variance(self.squares()?, Ddof::ONE)),
            Statistic::Std1 => Some(self.deviation(self.squares()?, Ddof::ONE)),
            Statistic::Count => Some(self.count()),
        }
    }

    /// The number of values of each column.
    fn count(&self) -> Vec<f64> {
        let mut result = vec![self.objects() as f64; self.columns()];
        for columns in pieces(0..self.columns()) {
            for (result, count) in result[columns.clone()].iter_mut().zip(self.counts_in(columns)) {
                *result = count as f64;
            }
        }
        result
    }

    /// The same with NaN for the columns all of whose values are missing.
    fn without_empty(&self, mut result: Vec<f64>) -> Vec<f64> {
        for columns in pieces(0..self.columns()) {
            for (result, count) in result[columns.clone()].iter_mut().zip(self.counts_in(columns)) {
                if count == 0 {
                    *result = f64::NAN;
                }
            }
        }
        result
    }

    /// The numbers of values of a block's columns; none if no value is missing.
    fn counts_in(&self, columns: Range<usize>) -> impl Iterator<Item = u64> {
        self.counts(columns).into_iter().flatten()
    }

    fn extremes(&self, kept: Kept) -> Option<Vec<f64>> {
        match self.kernels.iter().find(|kernel| kernel.kept() == kept)? {
            Kernel::Extremes(extremes) => Some(extremes.values(0..self.columns()).collect()),
            Kernel::Squares(_) | Kernel::Absences(_) => None,
        }
    }

    /// The greatest number of each column minus the least, which are `f64`: of integers
    /// beyond 2^53, these are rounded before. Where both are the same infinity, that is
    /// NaN, as in IEEE 754.
    fn range(&self) -> Option<Vec<f64>> {
        let mut range = self.extremes(Kept::Greatest)?;
        for (range, least) in range.iter_mut().zip(self.extremes(Kept::Least)?) {
            *range -= least;
            if range.is_nan() {
                // Always with the same bits.
                *range = f64::NAN;
            }
        }
        Some(range)
    }

    /// The greatest and the least number of a column, if both are kept.
    pub(super) fn both_extremes(&self, column: usize) -> Option<[f64; 2]> {
        let mut both = [None; 2];
        for kernel in &self.kernels {
            if let Kernel::Extremes(extremes) = kernel {
                let place = usize::from(kernel.kept() == Kept::Least);
                both[place] = extremes.values(column..column + 1).next();
            }
        }
        Some([both[0]?, both[1]?])
    }

    fn squares(&self) -> Option<&Squares> {
        self.kernels.iter().find_map(|kernel| match kernel {
            Kernel::Squares(squares) => Some(squares),
            Kernel::Extremes(_) | Kernel::Absences(_) => None,
        })
    }
}
