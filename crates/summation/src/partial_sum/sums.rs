//! The sums of the numbers themselves: two components a column, and what
//! spills over.

use std::ops::Range;

use crate::exact::{ExactSum, two_sum};

use super::kernel::{self, GROUP};
use super::{BLOCK_COLUMNS, spill};

type Spill = spill::Spill<34, -1074>;

/// For each column `hi + lo`, and in rare columns a remainder: together the
/// exact sum of the finite numbers added.
#[derive(Clone, Debug)]
pub(crate) struct Sums {
    hi: Vec<f64>,
    lo: Vec<f64>,
    /// One for each block of columns.
    spills: Vec<Option<Box<Spill>>>,
}

/// The sums of one block of columns in their only form: `hi` is the sum
/// rounded, `lo` the rest. Where the rest is no `f64`, or the rounded sum is
/// beyond the range, both are nought and the sum is an exception.
#[derive(Clone, Debug)]
pub(crate) struct CanonicalSums {
    pub(crate) hi: [f64; BLOCK_COLUMNS],
    pub(crate) lo: [f64; BLOCK_COLUMNS],
    /// In the order of columns.
    pub(crate) exceptions: Vec<(usize, ExactSum)>,
}

impl CanonicalSums {
    /// All nought, to be filled by [`Sums::canonical`].
    pub(crate) fn new() -> CanonicalSums {
        CanonicalSums { hi: [0.0; BLOCK_COLUMNS], lo: [0.0; BLOCK_COLUMNS], exceptions: Vec::new() }
    }
}

impl Sums {
    /// Sums of nothing. Nothing is -0, for IEEE 754 addition changes no number
    /// by adding -0.
    pub(crate) fn new(columns: usize) -> Sums {
        Sums {
            hi: vec![-0.0; columns],
            lo: vec![0.0; columns],
            spills: vec![None; columns.div_ceil(BLOCK_COLUMNS)],
        }
    }

    /// Begins anew with so many columns, in the same memory.
    pub(crate) fn reset(&mut self, columns: usize) {
        self.truncate(0);
        self.hi.resize(columns, -0.0);
        self.lo.resize(columns, 0.0);
        self.spills.resize(columns.div_ceil(BLOCK_COLUMNS), None);
    }

    /// Forgets the columns from `columns` on.
    pub(crate) fn truncate(&mut self, columns: usize) {
        self.hi.truncate(columns);
        self.lo.truncate(columns);
        self.spills.truncate(columns.div_ceil(BLOCK_COLUMNS));
        if !columns.is_multiple_of(BLOCK_COLUMNS)
            && let Some(Some(spill)) = self.spills.last_mut()
        {
            spill.truncate(columns % BLOCK_COLUMNS);
        }
    }

    /// Adds `x`, plus `x_lo` if there is one, to the columns from `start` on,
    /// all of one block. Returns how many columns are done: all, or those
    /// before one whose `x` is not finite.
    pub(crate) fn add(&mut self, start: usize, x: &[f64], x_lo: Option<&[f64]>) -> usize {
        let mut done = 0;
        while done < x.len() {
            let columns = start + done..start + x.len();
            let (hi, lo) = (&mut self.hi[columns.clone()], &mut self.lo[columns]);
            done += match x_lo {
                None => kernel::add(hi, lo, &x[done..]),
                Some(x_lo) => kernel::add_pairs(hi, lo, &x[done..], &x_lo[done..]),
            };
            // A group that needs a closer look, or the few columns after the last group.
            let group = done..x.len().min(done + GROUP);
            done = group.end;
            for index in group {
                if !x[index].is_finite() {
                    return index;
                }
                self.add_one(start + index, x[index]);
                // Adding +0 would make +0 of -0.
                if let Some(x_lo) = x_lo
                    && x_lo[index] != 0.0
                {
                    self.add_one(start + index, x_lo[index]);
                }
            }
        }
        done
    }

    /// Adds all of another's sums for a block.
    pub(crate) fn merge_block(&mut self, columns: Range<usize>, other: &Sums) {
        let (hi, lo) = (&other.hi[columns.clone()], &other.lo[columns.clone()]);
        self.add(columns.start, hi, Some(lo));
        let block = columns.start / BLOCK_COLUMNS;
        if let Some(theirs) = &other.spills[block] {
            for (column, remainder) in theirs.columns() {
                self.spill(block).entry(column).add_all(remainder);
            }
        }
    }

    /// Adds an exact number to a column.
    pub(crate) fn add_exact(&mut self, column: usize, number: &ExactSum) {
        self.spill(column / BLOCK_COLUMNS).entry(column % BLOCK_COLUMNS).add_all(number);
    }

    /// Adds a finite number to a column, whatever it takes.
    fn add_one(&mut self, column: usize, x: f64) {
        let (hi, lo) = (self.hi[column], self.lo[column]);
        let Some((hi, lo, left)) = sum_three(hi, lo, x) else {
            // It overflows on the way: the number goes aside as it is.
            self.spill_one(column, x);
            return;
        };
        (self.hi[column], self.lo[column]) = (hi, lo);
        if left != 0.0 {
            self.spill_one(column, left);
        }
    }

    fn spill_one(&mut self, column: usize, x: f64) {
        self.spill(column / BLOCK_COLUMNS).entry(column % BLOCK_COLUMNS).add(x);
    }

    fn spill(&mut self, block: usize) -> &mut Spill {
        self.spills[block].get_or_insert_with(|| Box::new(Spill::new()))
    }

    /// The exact sum of a column.
    fn exact(&self, column: usize) -> ExactSum {
        let spill = self.spills[column / BLOCK_COLUMNS].as_ref();
        let mut sum = spill
            .and_then(|spill| spill.get(column % BLOCK_COLUMNS))
            .map_or(ExactSum::ZERO, Clone::clone);
        sum.add(self.hi[column]);
        sum.add(self.lo[column]);
        sum
    }

    /// Writes the canonical form of a block's columns into the beginning of `to`.
    pub(crate) fn canonical(&self, columns: Range<usize>, to: &mut CanonicalSums) {
        let length = columns.len();
        let (hi, lo) = (&mut to.hi[..length], &mut to.lo[..length]);
        hi.copy_from_slice(&self.hi[columns.clone()]);
        lo.copy_from_slice(&self.lo[columns.clone()]);
        to.exceptions.clear();
        let mut difficult = Vec::new();
        let mut done = 0;
        while done < length {
            done += kernel::normalize(&mut hi[done..], &mut lo[done..]);
            let group = done..length.min(done + GROUP);
            done = group.end;
            for index in group {
                if !normalize_one(&mut hi[index], &mut lo[index]) {
                    difficult.push(index);
                }
            }
        }
        if let Some(spill) = &self.spills[columns.start / BLOCK_COLUMNS] {
            difficult.extend(spill.columns().map(|(column, _)| column));
            difficult.sort_unstable();
            difficult.dedup();
        }
        for index in difficult {
            let sum = self.exact(columns.start + index);
            match split(&sum) {
                Some(pair) => {
                    let nought = self.hi[columns.start + index];
                    // Only an untouched column, or one of -0 alone, is -0.
                    let negative = sum.is_zero() && nought == 0.0 && nought.is_sign_negative();
                    (hi[index], lo[index]) = if negative { (-0.0, 0.0) } else { pair };
                }
                None => {
                    (hi[index], lo[index]) = (0.0, 0.0);
                    to.exceptions.push((index, sum));
                }
            }
        }
    }
}

/// `hi + lo + x` as three components, the last of them nought if two hold it;
/// `None` if it overflows on the way.
fn sum_three(hi: f64, lo: f64, x: f64) -> Option<(f64, f64, f64)> {
    let (sum, error) = two_sum(hi, x);
    let (rest, left) = two_sum(lo, error);
    if left == 0.0 {
        return Some((sum, rest, 0.0));
    }
    // `lo` may have grown at the cost of its last bits: take stock and retry.
    let (hi, lo) = two_sum(hi, lo);
    let (sum, error) = two_sum(hi, x);
    let (rest, left) = two_sum(lo, error);
    left.is_finite().then_some((sum, rest, left))
}

/// Does for one column what [`kernel::normalize`] does for groups; false if it
/// overflows.
fn normalize_one(hi: &mut f64, lo: &mut f64) -> bool {
    let (sum, error) = two_sum(*hi, *lo);
    if !error.is_finite() {
        return false;
    }
    if *lo != 0.0 {
        *hi = sum;
    }
    *lo = error + 0.0;
    true
}

/// A sum as its rounded value and the rest, if that is an `f64`.
fn split(sum: &ExactSum) -> Option<(f64, f64)> {
    let hi = sum.round();
    if !hi.is_finite() {
        return None;
    }
    let mut rest = sum.clone();
    rest.add(-hi);
    let lo = rest.round();
    rest.add(-lo);
    rest.is_zero().then_some((hi + 0.0, lo + 0.0))
}
