//! The exact sum of a set of objects over a range of columns.

mod absences;
mod corrupt;
mod encoding;
mod expansion;
mod extremes;
mod kept;
mod kernel;
mod mean;
mod payload;
mod reader;
mod special;
mod spill;
mod spread;
mod squares;
mod statistic;
mod sums;
mod total_order;
mod trailer;
mod typed;
mod weighted;

use std::ops::Range;

use protocol::request::{Kept, Missing, Statistic};

use crate::Block;
use crate::exact::ExactSum;
use crate::missing::has_missing;
use kept::{KeptSet, Kernel};
use special::Specials;
use sums::NumberSums;
use weighted::WeightedSums;

pub use corrupt::CorruptError;
#[cfg(feature = "fuzzing")]
pub use encoding::reseal;
pub use encoding::{EncodedHeader, HEADER_BYTES};
pub use reader::PartialSumReader;
pub use trailer::{ObjectEnd, Trailer};

/// How many columns are added, spilled and encoded together: two components of
/// them and the numbers being added fit into the first-level cache.
pub(crate) const BLOCK_COLUMNS: usize = 1024;

/// The exact sum of a set of objects over a range of columns, and what else was
/// asked for, index by index.
///
/// Its value does not depend on the order or the grouping in which numbers are
/// added and partial sums added, and neither do the bytes of its encoding, the
/// mean or the statistics: each is a function of the set of numbers alone.
///
/// A number that is not finite goes its own way: the column's sum, mean and
/// statistics are what IEEE 754 gives, NaN or infinite, and no other column is
/// touched. Unless NaN stands for a missing value: then it is left out, and the mean
/// and the statistics are those of the values that the column has, NaN if it has none.
///
/// One that is made for weights holds the exact sum of the products of the numbers and the
/// weights of their objects, and of the weights; see `partial_sum/weighted.rs`.
#[derive(Clone, Debug)]
pub struct PartialSum {
    columns: usize,
    objects: u64,
    totals: Totals,
    specials: Specials,
    /// What is kept beside the sums, in the order in which it is encoded.
    kernels: Vec<Kernel>,
    kept: KeptSet,
}

/// The sums themselves.
#[derive(Clone, Debug)]
enum Totals {
    /// Of numbers.
    Numbers(NumberSums),
    /// Of numbers multiplied by weights.
    Weighted(Box<WeightedSums>),
}

impl PartialSum {
    /// The sum of no objects, over so many columns, with what these statistics need.
    #[must_use]
    pub fn new(columns: usize, statistics: &[Statistic]) -> PartialSum {
        PartialSum::with_missing(columns, statistics, Missing::default())
    }

    /// The same, in which this happens to missing values. That none is there where it
    /// would be an error, [`crate::check_none_missing`] has to check.
    #[must_use]
    pub fn with_missing(columns: usize, statistics: &[Statistic], missing: Missing) -> PartialSum {
        PartialSum::with(columns, KeptSet::of(statistics, missing))
    }

    /// The same of objects that have weights. Of the statistics, those that take weights
    /// ([`Statistic::takes_weights`]) are weighted or independent of weights; it has no others.
    #[must_use]
    pub fn with_weights(columns: usize, statistics: &[Statistic], missing: Missing) -> PartialSum {
        let statistics: Vec<Statistic> =
            statistics.iter().copied().filter(|statistic| statistic.takes_weights()).collect();
        PartialSum::with(columns, KeptSet::of(&statistics, missing).weighted())
    }

    fn with(columns: usize, kept: KeptSet) -> PartialSum {
        let totals = match kept.is_weighted() {
            false => Totals::Numbers(NumberSums::new(columns)),
            true => {
                let skips_missing = kept.has(Kept::Absences);
                Totals::Weighted(Box::new(WeightedSums::new(columns, skips_missing)))
            }
        };
        PartialSum {
            columns,
            objects: 0,
            totals,
            specials: Specials::new(columns),
            kernels: kept.kernels(columns),
            kept,
        }
    }

    /// How many columns it has.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// How many objects it is the sum of.
    #[must_use]
    pub const fn objects(&self) -> u64 {
        self.objects
    }

    /// Counts more objects as added. The numbers themselves come by
    /// [`PartialSum::add`], in pieces; this says when an object is complete.
    pub const fn count_objects(&mut self, objects: u64) {
        self.objects = self.objects.saturating_add(objects);
    }

    /// Counts one more object of this weight, of which [`PartialSum::add_weighted`] has added
    /// the numbers.
    pub fn count_weighted_object(&mut self, weight: f64) {
        self.count_objects(1);
        let mut exact = ExactSum::ZERO;
        exact.add(weight);
        self.count_weight(&exact);
    }

    /// Adds to the sum of the weights.
    fn count_weight(&mut self, weight: &ExactSum) {
        if let Totals::Weighted(weighted) = &mut self.totals {
            weighted.total.add_all(weight);
        }
    }

    /// Begins anew with so many columns, in the same memory.
    pub fn reset(&mut self, columns: usize) {
        self.columns = columns;
        self.objects = 0;
        match &mut self.totals {
            Totals::Numbers(sums) => sums.reset(columns),
            Totals::Weighted(weighted) => weighted.reset(columns),
        }
        self.specials.reset(columns);
        for kernel in &mut self.kernels {
            kernel.reset(columns);
        }
    }

    /// Forgets the columns from `columns` on, for a last segment that turns out
    /// to be as short as its data.
    pub fn shorten(&mut self, columns: usize) {
        if columns >= self.columns {
            return;
        }
        self.columns = columns;
        match &mut self.totals {
            Totals::Numbers(sums) => sums.truncate(columns),
            Totals::Weighted(weighted) => weighted.truncate(columns),
        }
        self.specials.truncate(columns);
        for kernel in &mut self.kernels {
            kernel.truncate(columns);
        }
    }

    /// Adds numbers of one object to the columns from `start` on.
    ///
    /// # Panics
    ///
    /// If they reach beyond the last column.
    pub fn add(&mut self, start: usize, block: &Block) {
        self.add_weighted(start, block, 1.0);
    }

    /// Adds numbers of one object of this weight, which is positive and finite, and 1 unless
    /// the sum is made for weights.
    ///
    /// # Panics
    ///
    /// If they reach beyond the last column, or the weight is none that the sum takes.
    pub fn add_weighted(&mut self, start: usize, block: &Block, weight: f64) {
        self.add_values(start, block.values(), block.low(), weight);
    }

    /// Adds numbers likewise that are no more than `f64`.
    ///
    /// # Panics
    ///
    /// If they reach beyond the last column.
    pub fn add_numbers(&mut self, start: usize, numbers: &[f64]) {
        self.add_weighted_numbers(start, numbers, 1.0);
    }

    /// Adds numbers as [`PartialSum::add_weighted`] does that are no more than `f64`.
    ///
    /// # Panics
    ///
    /// As there.
    pub fn add_weighted_numbers(&mut self, start: usize, numbers: &[f64], weight: f64) {
        self.add_values(start, numbers, None, weight);
    }

    fn add_values(&mut self, start: usize, values: &[f64], low: Option<&[f64]>, weight: f64) {
        let takes_weight = match &self.totals {
            Totals::Numbers(_) => weight == 1.0,
            Totals::Weighted(_) => weight > 0.0 && weight.is_finite(),
        };
        assert!(takes_weight, "the sum does not take the weight {weight}");
        assert!(
            start + values.len() <= self.columns,
            "{} numbers from column {start} on do not fit into {} columns",
            values.len(),
            self.columns,
        );
        for columns in pieces(start..start + values.len()) {
            let piece = columns.start - start..columns.end - start;
            let low = low.map(|low| &low[piece.clone()]);
            self.add_piece(columns.start, &values[piece.clone()], low, weight);
        }
    }

    /// Adds sums of other partial sums to columns that all lie in one block,
    /// without what is kept beside them; of one that is weighted, they are multiplied by
    /// `weight`, if there is one.
    fn add_sums(&mut self, start: usize, hi: &[f64], lo: Option<&[f64]>, weight: Option<f64>) {
        let mut done = 0;
        if !self.specials.has_any(start) {
            done = self.totals.add_finite(start, hi, lo, weight);
            if done == hi.len() {
                return;
            }
        }
        let mut finite = [0.0; BLOCK_COLUMNS];
        let finite = &mut finite[..hi.len()];
        self.specials.take(start, hi, finite);
        self.totals.add_finite(start + done, &finite[done..], lo.map(|lo| &lo[done..]), weight);
    }

    /// Adds to columns that all lie in one block.
    fn add_piece(&mut self, start: usize, values: &[f64], low: Option<&[f64]>, weight: f64) {
        if self.kept.has(Kept::Absences) && has_missing(values) {
            self.add_present(start, values, low, weight);
            return;
        }
        self.add_sums(start, values, low, Some(weight));
        let all_finite = !self.specials.has_any(start);
        for kernel in &mut self.kernels {
            kernel.add(start, values, low, all_finite);
        }
    }

    /// Adds likewise numbers among which NaN stands for what is missing.
    fn add_present(&mut self, start: usize, values: &[f64], low: Option<&[f64]>, weight: f64) {
        let mut present = [0.0; BLOCK_COLUMNS];
        let present = &mut present[..values.len()];
        for (present, &value) in present.iter_mut().zip(values) {
            // -0 changes no sum.
            *present = if value.is_nan() { -0.0 } else { value };
        }
        self.add_sums(start, present, low, Some(weight));
        if let Totals::Weighted(weighted) = &mut self.totals {
            weighted.add_absent(start, values, weight);
        }
        for kernel in &mut self.kernels {
            kernel.add_present(start, values, low);
        }
    }

    /// The numbers of values of a block's columns; `None` if no value is missing.
    fn counts(&self, columns: Range<usize>) -> Option<Vec<u64>> {
        let absences = self.kernels.iter().find_map(|kernel| match kernel {
            Kernel::Absences(absences) => absences.of_block(columns.clone()),
            Kernel::Extremes(_) | Kernel::Squares(_) => None,
        })?;
        Some(absences.iter().map(|&missing| self.objects.saturating_sub(missing)).collect())
    }

    /// The memory that one column takes: usually, and if each column's numbers
    /// range so widely that all of them spill over. Bytes.
    #[must_use]
    pub fn column_bytes(statistics: &[Statistic], missing: Missing) -> (usize, usize) {
        KeptSet::of(statistics, missing).column_bytes()
    }

    /// The same where objects have weights.
    #[must_use]
    pub fn weighted_column_bytes(statistics: &[Statistic], missing: Missing) -> (usize, usize) {
        PartialSum::with_weights(0, statistics, missing).kept.column_bytes()
    }

    const fn kept(&self) -> KeptSet {
        self.kept
    }
}

impl Totals {
    /// Adds up to the first number that is not finite; returns how many those are. Sums that
    /// are weighted take the products with `weight`, if there is one.
    fn add_finite(
        &mut self,
        start: usize,
        hi: &[f64],
        lo: Option<&[f64]>,
        weight: Option<f64>,
    ) -> usize {
        match (self, lo, weight) {
            (Totals::Numbers(sums), None, _) => sums.add(start, hi),
            (Totals::Numbers(sums), Some(lo), _) => sums.add_pairs(start, hi, lo),
            (Totals::Weighted(weighted), _, Some(weight)) => weighted.add(start, hi, lo, weight),
            (Totals::Weighted(weighted), None, None) => weighted.sums.add(start, hi),
            (Totals::Weighted(weighted), Some(lo), None) => weighted.sums.add_pairs(start, hi, lo),
        }
    }
}

/// Cuts a range of columns where blocks begin.
fn pieces(columns: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut start = columns.start;
    std::iter::from_fn(move || {
        if start >= columns.end {
            return None;
        }
        let end = columns.end.min((start / BLOCK_COLUMNS + 1) * BLOCK_COLUMNS);
        let piece = start..end;
        start = end;
        Some(piece)
    })
}
