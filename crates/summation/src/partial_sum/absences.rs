//! How many values of each column are missing.

use std::ops::Range;

use super::BLOCK_COLUMNS;
use super::payload::{Payload, part};

/// For each column the number of values that were left out because they are missing.
/// Blocks without any take no memory.
#[derive(Clone, Debug)]
pub(crate) struct Absences {
    blocks: Vec<Option<Box<[u64; BLOCK_COLUMNS]>>>,
}

impl Absences {
    /// Nothing is missing.
    pub(crate) fn new(columns: usize) -> Absences {
        Absences { blocks: vec![None; columns.div_ceil(BLOCK_COLUMNS)] }
    }

    /// Begins anew with so many columns.
    pub(crate) fn reset(&mut self, columns: usize) {
        self.blocks.clear();
        self.blocks.resize(columns.div_ceil(BLOCK_COLUMNS), None);
    }

    /// Forgets the columns from `columns` on.
    pub(crate) fn truncate(&mut self, columns: usize) {
        self.blocks.truncate(columns.div_ceil(BLOCK_COLUMNS));
    }

    /// Counts the NaN among values for the columns from `start` on, all of one block.
    pub(crate) fn count(&mut self, start: usize, values: &[f64]) {
        for (count, value) in self.counts_mut(start).iter_mut().zip(values) {
            *count += u64::from(value.is_nan());
        }
    }

    /// The numbers of missing values of a block's columns; `None` if nothing is missing.
    pub(crate) fn of_block(&self, columns: Range<usize>) -> Option<&[u64]> {
        let counts = self.blocks[columns.start / BLOCK_COLUMNS].as_deref()?;
        let counts = &counts[..columns.len()];
        counts.iter().any(|&count| count > 0).then_some(counts)
    }

    /// Appends the numbers of a block to its payload; tells which part of it that is.
    pub(crate) fn encode(&self, columns: Range<usize>, payload: &mut Vec<u8>) -> u32 {
        let Some(counts) = self.of_block(columns) else {
            return 0;
        };
        for count in counts {
            payload.extend_from_slice(&count.to_le_bytes());
        }
        part::ABSENCES
    }

    /// Adds the encoded numbers of a block of `length` columns from `start` on; `None` if
    /// they are not all there.
    pub(crate) fn decode(
        &mut self,
        start: usize,
        payload: &mut Payload<'_>,
        length: usize,
    ) -> Option<()> {
        if payload.has(part::ABSENCES) {
            let counts = payload.words(length)?;
            for (count, &other) in self.counts_mut(start).iter_mut().zip(counts) {
                *count = count.saturating_add(u64::from_le_bytes(other));
            }
        }
        Some(())
    }

    /// The numbers from a column on, to the end of its block.
    fn counts_mut(&mut self, column: usize) -> &mut [u64] {
        let block =
            self.blocks[column / BLOCK_COLUMNS].get_or_insert_with(|| Box::new([0; BLOCK_COLUMNS]));
        &mut block[column % BLOCK_COLUMNS..]
    }
}
