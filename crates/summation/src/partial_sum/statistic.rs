//! How each statistic is computed from what a partial sum holds.

use protocol::request::{Kept, Statistic};

use super::PartialSum;
use super::kept::Kernel;
use super::squares::Squares;

impl PartialSum {
    /// A statistic of every column, rounded once; `None` if the partial sum was
    /// not made for it. A column with a number that is not finite has the
    /// variance NaN.
    #[must_use]
    pub fn statistic(&self, statistic: Statistic) -> Option<Vec<f64>> {
        match statistic {
            Statistic::Sum => Some(self.sum()),
            Statistic::Min => self.extremes(Kept::Least),
            Statistic::Max => self.extremes(Kept::Greatest),
            Statistic::Variance => Some(self.variance(self.squares()?)),
            Statistic::Std => Some(self.deviation(self.squares()?)),
            Statistic::Count => Some(vec![self.objects() as f64; self.columns()]),
        }
    }

    fn extremes(&self, kept: Kept) -> Option<Vec<f64>> {
        match self.kernels.iter().find(|kernel| kernel.kept() == kept)? {
            Kernel::Extremes(extremes) => Some(extremes.values(0..self.columns()).collect()),
            Kernel::Squares(_) => None,
        }
    }

    fn squares(&self) -> Option<&Squares> {
        self.kernels.iter().find_map(|kernel| match kernel {
            Kernel::Squares(squares) => Some(squares),
            Kernel::Extremes(_) => None,
        })
    }
}
