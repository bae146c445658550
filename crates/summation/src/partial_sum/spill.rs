//! What two or three components cannot hold, column by column of one block.

use crate::exact::FixedPoint;

use super::BLOCK_COLUMNS;

/// Exact remainders of a block's columns: few, so that only a column that
/// needs one has one, of `8 * LIMBS` bytes.
#[derive(Clone, Debug)]
pub(crate) struct Spill<const LIMBS: usize, const UNIT: i32> {
    /// For each column one more than its place in `remainders`; 0 if it has none.
    places: Box<[u16; BLOCK_COLUMNS]>,
    remainders: Vec<FixedPoint<LIMBS, UNIT>>,
}

impl<const LIMBS: usize, const UNIT: i32> Spill<LIMBS, UNIT> {
    /// No column has a remainder.
    pub(crate) fn new() -> Self {
        Spill { places: Box::new([0; BLOCK_COLUMNS]), remainders: Vec::new() }
    }

    /// A column's remainder, if it has one.
    pub(crate) fn get(&self, column: usize) -> Option<&FixedPoint<LIMBS, UNIT>> {
        self.remainders.get(usize::from(self.places[column]).checked_sub(1)?)
    }

    /// A column's remainder, to add to.
    pub(crate) fn entry(&mut self, column: usize) -> &mut FixedPoint<LIMBS, UNIT> {
        let place = &mut self.places[column];
        if *place == 0 {
            self.remainders.push(FixedPoint::ZERO);
            *place = u16::try_from(self.remainders.len()).unwrap_or(u16::MAX);
        }
        let index = usize::from(*place) - 1;
        &mut self.remainders[index]
    }

    /// Forgets the columns from `columns` on.
    pub(crate) fn truncate(&mut self, columns: usize) {
        for place in self.places.iter_mut().skip(columns) {
            *place = 0;
        }
    }
}
