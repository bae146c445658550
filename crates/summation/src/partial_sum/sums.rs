//! The sums of the numbers themselves, or of their products with weights: two components
//! a column, two more in blocks whose numbers range widely, and what spills over.

use std::ops::Range;

use crate::exact::{FixedPoint, two_sum};

use super::BLOCK_COLUMNS;
use super::expansion::{self, Canonical};
use super::kernel::{self, GROUP};
use super::spill::Spill;

/// For each column the sum of some components, and in rare columns a remainder:
/// together the exact sum of the finite numbers added.
///
/// Two components hold the sum of numbers whose bits lie within 106 of each
/// other, so of nearly all data. A block in which a sum needs more gets two more
/// components, 212 bits in all. What even they cannot hold, or what overflows on
/// the way, is kept in fixed point of `LIMBS` words in units of `2^UNIT`.
#[derive(Clone, Debug)]
pub(crate) struct Sums<const LIMBS: usize, const UNIT: i32> {
    hi: Vec<f64>,
    lo: Vec<f64>,
    /// One for each block of columns.
    more: Vec<Option<Box<More>>>,
    /// One for each block of columns.
    spills: Vec<Option<Box<Spill<LIMBS, UNIT>>>>,
}

/// Sums of numbers.
pub(crate) type NumberSums = Sums<34, -1074>;

/// Sums of products of two numbers.
pub(crate) type ProductSums = Sums<67, -2148>;

/// The third and the fourth component of a block's columns.
type More = [[f64; BLOCK_COLUMNS]; 2];

/// The sums of numbers of one block of columns in their only form.
pub(crate) type CanonicalSums = Canonical<4, 34, -1074>;

/// The sums of products likewise.
pub(crate) type CanonicalProducts = Canonical<4, 67, -2148>;

impl<const LIMBS: usize, const UNIT: i32> Sums<LIMBS, UNIT> {
    /// Sums of nothing. Nothing is -0, for IEEE 754 addition changes no number
    /// by adding -0.
    pub(crate) fn new(columns: usize) -> Self {
        let blocks = columns.div_ceil(BLOCK_COLUMNS);
        Sums {
            hi: vec![-0.0; columns],
            lo: vec![0.0; columns],
            more: vec![None; blocks],
            spills: vec![None; blocks],
        }
    }

    /// Begins anew with so many columns, in the same memory.
    pub(crate) fn reset(&mut self, columns: usize) {
        self.truncate(0);
        let blocks = columns.div_ceil(BLOCK_COLUMNS);
        self.hi.resize(columns, -0.0);
        self.lo.resize(columns, 0.0);
        self.more.resize(blocks, None);
        self.spills.resize(blocks, None);
    }

    /// Forgets the columns from `columns` on.
    pub(crate) fn truncate(&mut self, columns: usize) {
        let blocks = columns.div_ceil(BLOCK_COLUMNS);
        self.hi.truncate(columns);
        self.lo.truncate(columns);
        self.more.truncate(blocks);
        self.spills.truncate(blocks);
        let kept = columns % BLOCK_COLUMNS;
        if kept > 0 {
            if let Some(Some(more)) = self.more.last_mut() {
                for part in more.iter_mut() {
                    part[kept..].fill(0.0);
                }
            }
            if let Some(Some(spill)) = self.spills.last_mut() {
                spill.truncate(kept);
            }
        }
    }

    /// Adds `x` to the columns from `start` on, all of one block. Returns how
    /// many columns are done: all, or those before one whose `x` is not finite.
    pub(crate) fn add(&mut self, start: usize, x: &[f64]) -> usize {
        let (block, first) = (start / BLOCK_COLUMNS, start % BLOCK_COLUMNS);
        let mut done = 0;
        while done < x.len() {
            let columns = start + done..start + x.len();
            let (hi, lo) = (&mut self.hi[columns.clone()], &mut self.lo[columns]);
            done += match &mut self.more[block] {
                None => kernel::add(hi, lo, &x[done..]),
                Some(more) => {
                    let [c, d] = more.each_mut();
                    let places = first + done..first + x.len();
                    let sums = [hi, lo, &mut c[places.clone()], &mut d[places]];
                    kernel::add_to_four(sums, &x[done..])
                }
            };
            // A group that needs a closer look, or the few columns after the last group.
            let group = done..x.len().min(done + GROUP);
            done = group.end;
            for index in group {
                if !x[index].is_finite() {
                    return index;
                }
                self.add_one(start + index, x[index]);
            }
        }
        done
    }

    /// Adds `x + x_lo` likewise.
    pub(crate) fn add_pairs(&mut self, start: usize, x: &[f64], x_lo: &[f64]) -> usize {
        let block = start / BLOCK_COLUMNS;
        let mut done = 0;
        while done < x.len() && self.more[block].is_none() {
            let columns = start + done..start + x.len();
            let (hi, lo) = (&mut self.hi[columns.clone()], &mut self.lo[columns]);
            done += kernel::add_pairs(hi, lo, &x[done..], &x_lo[done..]);
            let group = done..x.len().min(done + GROUP);
            done = group.end;
            for index in group {
                if !x[index].is_finite() {
                    return index;
                }
                self.add_one(start + index, x[index]);
                self.add_one(start + index, neutral(x_lo[index]));
            }
        }
        if done < x.len() {
            let finite = self.add(start + done, &x[done..]);
            self.add_parts(start + done, &x_lo[done..done + finite]);
            done += finite;
        }
        done
    }

    /// Adds parts of numbers, all finite, in which zero stands for nothing.
    pub(crate) fn add_parts(&mut self, start: usize, parts: &[f64]) {
        let mut neutral_parts = [0.0; BLOCK_COLUMNS];
        let neutral_parts = &mut neutral_parts[..parts.len()];
        for (to, &part) in neutral_parts.iter_mut().zip(parts) {
            *to = neutral(part);
        }
        self.add(start, neutral_parts);
    }

    /// Adds an exact number to a column.
    pub(crate) fn add_exact(&mut self, column: usize, number: &FixedPoint<LIMBS, UNIT>) {
        self.spill(column).add_all(number);
    }

    /// Adds a finite number to a column, whatever it takes.
    fn add_one(&mut self, column: usize, x: f64) {
        let (hi, error) = two_sum(self.hi[column], x);
        let (lo, error) = two_sum(self.lo[column], error);
        if !error.is_finite() {
            // It overflows on the way: the number goes aside as it is.
            self.spill(column).add(x);
            return;
        }
        (self.hi[column], self.lo[column]) = (hi, lo);
        if error == 0.0 {
            return;
        }
        let more = self.more[column / BLOCK_COLUMNS]
            .get_or_insert_with(|| Box::new([[0.0; BLOCK_COLUMNS]; 2]));
        let [c, d] = more.each_mut().map(|part| &mut part[column % BLOCK_COLUMNS]);
        let (third, error) = two_sum(*c, error);
        let (fourth, error) = two_sum(*d, error);
        (*c, *d) = (third, fourth);
        if error != 0.0 {
            self.spill(column).add(error);
        }
    }

    /// A column's remainder, to add to.
    fn spill(&mut self, column: usize) -> &mut FixedPoint<LIMBS, UNIT> {
        self.spills[column / BLOCK_COLUMNS]
            .get_or_insert_with(|| Box::new(Spill::new()))
            .entry(column % BLOCK_COLUMNS)
    }

    /// The components of a column.
    fn parts(&self, column: usize) -> [f64; 4] {
        let more = self.more[column / BLOCK_COLUMNS].as_ref();
        let [c, d] = more.map_or([0.0; 2], |more| more.map(|part| part[column % BLOCK_COLUMNS]));
        [self.hi[column], self.lo[column], c, d]
    }

    /// Writes the canonical form of a block's columns into the beginning of `to`.
    pub(crate) fn canonical(&self, columns: Range<usize>, to: &mut Canonical<4, LIMBS, UNIT>) {
        let (start, length) = (columns.start, columns.len());
        let block = start / BLOCK_COLUMNS;
        to.exceptions.clear();
        for part in &mut to.parts[2..] {
            part[..length].fill(0.0);
        }
        if self.more[block].is_some() || self.spills[block].is_some() {
            for index in 0..length {
                self.canonical_column(start + index, index, to);
            }
            return;
        }
        let [hi, lo, ..] = &mut to.parts;
        let (hi, lo) = (&mut hi[..length], &mut lo[..length]);
        hi.copy_from_slice(&self.hi[columns.clone()]);
        lo.copy_from_slice(&self.lo[columns]);
        let mut done = 0;
        while done < length {
            let [hi, lo, ..] = &mut to.parts;
            done += kernel::normalize(&mut hi[done..length], &mut lo[done..length]);
            let group = done..length.min(done + GROUP);
            done = group.end;
            for index in group {
                self.canonical_column(start + index, index, to);
            }
        }
    }

    /// The same for one column, which is to be `index` there.
    fn canonical_column(&self, column: usize, index: usize, to: &mut Canonical<4, LIMBS, UNIT>) {
        let spill = self.spills[column / BLOCK_COLUMNS].as_ref();
        let remainder = spill.and_then(|spill| spill.get(column % BLOCK_COLUMNS));
        let parts = self.parts(column);
        if remainder.is_none() && parts[1..] == [0.0; 3] {
            // Nothing but `hi`, which may be -0: then so is every number added.
            to.set(index, [parts[0], 0.0, 0.0, 0.0]);
            return;
        }
        if remainder.is_none()
            && let Some(parts) = expansion::normalize(parts)
        {
            to.set(index, parts);
            return;
        }
        let mut sum = remainder.map_or(FixedPoint::ZERO, Clone::clone);
        for part in parts {
            sum.add(part);
        }
        to.set_exact(index, sum);
    }
}

impl ProductSums {
    /// Adds the products of `x` and a weight, which is positive and finite, to the columns
    /// from `start` on, all of one block. Returns how many columns are done: all, or those
    /// before one whose `x` is not finite.
    pub(crate) fn add_products(&mut self, start: usize, x: &[f64], weight: f64) -> usize {
        let (block, first) = (start / BLOCK_COLUMNS, start % BLOCK_COLUMNS);
        let mut done = 0;
        while done < x.len() {
            let columns = start + done..start + x.len();
            let (hi, lo) = (&mut self.hi[columns.clone()], &mut self.lo[columns]);
            done += match &mut self.more[block] {
                None => kernel::add_products(hi, lo, &x[done..], weight),
                Some(more) => {
                    let [c, d] = more.each_mut();
                    let places = first + done..first + x.len();
                    let sums = [hi, lo, &mut c[places.clone()], &mut d[places]];
                    kernel::add_products_to_four(sums, &x[done..], weight)
                }
            };
            // A group that needs a closer look, or the few columns after the last group.
            let group = done..x.len().min(done + GROUP);
            done = group.end;
            for index in group {
                if !x[index].is_finite() {
                    return index;
                }
                self.add_product(start + index, x[index], weight);
            }
        }
        done
    }

    /// Adds the product of a finite number and a weight to a column, whatever it takes.
    pub(crate) fn add_product(&mut self, column: usize, x: f64, weight: f64) {
        let (product, error, is_exact) = kernel::two_product(x, weight);
        if is_exact {
            self.add_one(column, product);
            self.add_one(column, neutral(error));
        } else {
            self.spill(column).add_product(x, weight);
        }
    }
}

/// -0, which changes no sum, for zero.
#[inline(always)]
fn neutral(part: f64) -> f64 {
    if part == 0.0 { -0.0 } else { part }
}
