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

use std::ops::Range;

use protocol::request::{Kept, Missing, Statistic};

use crate::Block;
use crate::missing::has_missing;
use kept::{KeptSet, Kernel};
use special::Specials;
use sums::Sums;

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
#[derive(Clone, Debug)]
pub struct PartialSum {
    columns: usize,
    objects: u64,
    sums: Sums,
    specials: Specials,
    /// What is kept beside the sums, in the order in which it is encoded.
    kernels: Vec<Kernel>,
    kept: KeptSet,
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

    fn with(columns: usize, kept: KeptSet) -> PartialSum {
        PartialSum {
            columns,
            objects: 0,
            sums: Sums::new(columns),
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

    /// Begins anew with so many columns, in the same memory.
    pub fn reset(&mut self, columns: usize) {
        self.columns = columns;
        self.objects = 0;
        self.sums.reset(columns);
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
        self.sums.truncate(columns);
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
        self.add_values(start, block.values(), block.low());
    }

    /// Adds numbers likewise that are no more than `f64`.
    ///
    /// # Panics
    ///
    /// If they reach beyond the last column.
    pub fn add_numbers(&mut self, start: usize, numbers: &[f64]) {
        self.add_values(start, numbers, None);
    }

    fn add_values(&mut self, start: usize, values: &[f64], low: Option<&[f64]>) {
        assert!(
            start + values.len() <= self.columns,
            "{} numbers from column {start} on do not fit into {} columns",
            values.len(),
            self.columns,
        );
        for columns in pieces(start..start + values.len()) {
            let piece = columns.start - start..columns.end - start;
            self.add_piece(columns.start, &values[piece.clone()], low.map(|low| &low[piece]));
        }
    }

    /// Adds sums of other partial sums to columns that all lie in one block,
    /// without what is kept beside them.
    fn add_sums(&mut self, start: usize, hi: &[f64], lo: Option<&[f64]>) {
        let mut done = 0;
        if !self.specials.has_any(start) {
            done = self.add_finite(start, hi, lo);
            if done == hi.len() {
                return;
            }
        }
        let mut finite = [0.0; BLOCK_COLUMNS];
        let finite = &mut finite[..hi.len()];
        self.specials.take(start, hi, finite);
        self.add_finite(start + done, &finite[done..], lo.map(|lo| &lo[done..]));
    }

    /// Adds up to the first number that is not finite; returns how many those are.
    fn add_finite(&mut self, start: usize, hi: &[f64], lo: Option<&[f64]>) -> usize {
        match lo {
            None => self.sums.add(start, hi),
            Some(lo) => self.sums.add_pairs(start, hi, lo),
        }
    }

    /// Adds to columns that all lie in one block.
    fn add_piece(&mut self, start: usize, values: &[f64], low: Option<&[f64]>) {
        if self.kept.has(Kept::Absences) && has_missing(values) {
            self.add_present(start, values, low);
            return;
        }
        self.add_sums(start, values, low);
        let all_finite = !self.specials.has_any(start);
        for kernel in &mut self.kernels {
            kernel.add(start, values, low, all_finite);
        }
    }

    /// Adds likewise numbers among which NaN stands for what is missing.
    fn add_present(&mut self, start: usize, values: &[f64], low: Option<&[f64]>) {
        let mut present = [0.0; BLOCK_COLUMNS];
        let present = &mut present[..values.len()];
        for (present, &value) in present.iter_mut().zip(values) {
            // -0 changes no sum.
            *present = if value.is_nan() { -0.0 } else { value };
        }
        self.add_sums(start, present, low);
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

    const fn kept(&self) -> KeptSet {
        self.kept
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
