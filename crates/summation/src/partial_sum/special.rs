//! Numbers that are not finite, column by column.

use std::ops::Range;

use super::expansion::Canonical;
use super::{BLOCK_COLUMNS, pieces};

/// For each column the IEEE 754 sum of the numbers that are not finite: an
/// infinity, or NaN; 0 where there was none. Blocks without any take no memory.
#[derive(Clone, Debug)]
pub(crate) struct Specials {
    columns: usize,
    blocks: Vec<Option<Box<[f64; BLOCK_COLUMNS]>>>,
}

impl Specials {
    /// There were none.
    pub(crate) fn new(columns: usize) -> Specials {
        Specials { columns, blocks: vec![None; columns.div_ceil(BLOCK_COLUMNS)] }
    }

    /// Begins anew with so many columns.
    pub(crate) fn reset(&mut self, columns: usize) {
        self.columns = columns;
        self.blocks.clear();
        self.blocks.resize(columns.div_ceil(BLOCK_COLUMNS), None);
    }

    /// Forgets the columns from `columns` on.
    pub(crate) fn truncate(&mut self, columns: usize) {
        self.columns = columns;
        self.blocks.truncate(columns.div_ceil(BLOCK_COLUMNS));
    }

    /// Whether a column's block has any.
    pub(crate) fn has_any(&self, column: usize) -> bool {
        self.blocks[column / BLOCK_COLUMNS].is_some()
    }

    /// Takes the numbers that are not finite out of `values`, which are for the
    /// columns from `start` on, all of one block, and writes the others to
    /// `finite`, with -0, which changes no sum, in their places.
    pub(crate) fn take(&mut self, start: usize, values: &[f64], finite: &mut [f64]) {
        let block = self.blocks[start / BLOCK_COLUMNS]
            .get_or_insert_with(|| Box::new([0.0; BLOCK_COLUMNS]));
        let sums = &mut block[start % BLOCK_COLUMNS..];
        for ((finite, &x), sum) in finite.iter_mut().zip(values).zip(sums) {
            let is_finite = x.is_finite();
            *finite = if is_finite { x } else { -0.0 };
            *sum += if is_finite { 0.0 } else { x };
        }
    }

    /// The columns among these, of one block, whose sum is not finite: its index
    /// in the block and the sum, NaN always with the same bits.
    pub(crate) fn of_block(&self, columns: Range<usize>) -> impl Iterator<Item = (usize, f64)> {
        let block = self.blocks[columns.start / BLOCK_COLUMNS].as_deref();
        block
            .into_iter()
            .flat_map(move |sums| sums[..columns.len()].iter().enumerate())
            .filter(|(_, sum)| !sum.is_finite())
            .map(|(index, &sum)| (index, if sum.is_nan() { f64::NAN } else { sum }))
    }

    /// Puts the sums of the columns, of one block, that are not finite into the first part
    /// of their canonical form.
    pub(crate) fn put_into<const LIMBS: usize, const UNIT: i32>(
        &self,
        columns: Range<usize>,
        to: &mut Canonical<4, LIMBS, UNIT>,
    ) {
        debug_assert!(columns.start.is_multiple_of(BLOCK_COLUMNS));
        for (index, special) in self.of_block(columns) {
            to.set(index, [special, 0.0, 0.0, 0.0]);
            to.exceptions.retain(|(exception, _)| *exception != index);
        }
    }

    /// How many columns' sums are NaN, and how many infinite.
    pub(crate) fn count(&self) -> (usize, usize) {
        let (mut nan, mut infinite) = (0, 0);
        for columns in pieces(0..self.columns) {
            for (_, sum) in self.of_block(columns) {
                if sum.is_nan() {
                    nan += 1;
                } else {
                    infinite += 1;
                }
            }
        }
        (nan, infinite)
    }
}
