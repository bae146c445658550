//! The least or the greatest number of each column.

use std::ops::Range;

use super::payload::Payload;
use super::{BLOCK_COLUMNS, kernel};

/// Which extreme is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extreme {
    Least,
    Greatest,
}

/// For each column the extreme of the numbers seen, as a key ([`super::total_order::key`]).
/// One NaN makes the extreme NaN, as IEEE 754-2019 `minimum` and `maximum` have it.
#[derive(Clone, Debug)]
pub(crate) struct Extremes {
    extreme: Extreme,
    keys: Vec<i64>,
}

impl Extremes {
    /// Of nothing.
    pub(crate) fn new(extreme: Extreme, columns: usize) -> Extremes {
        Extremes { extreme, keys: vec![extreme.of_nothing(); columns] }
    }

    pub(crate) const fn extreme(&self) -> Extreme {
        self.extreme
    }

    /// Begins anew with so many columns, in the same memory.
    pub(crate) fn reset(&mut self, columns: usize) {
        self.keys.clear();
        self.keys.resize(columns, self.extreme.of_nothing());
    }

    /// Forgets the columns from `columns` on.
    pub(crate) fn truncate(&mut self, columns: usize) {
        self.keys.truncate(columns);
    }

    /// Looks at numbers for the columns from `start` on.
    pub(crate) fn add(&mut self, start: usize, x: &[f64]) {
        let keys = &mut self.keys[start..start + x.len()];
        match self.extreme {
            Extreme::Least => kernel::keep_least(keys, x),
            Extreme::Greatest => kernel::keep_greatest(keys, x),
        }
    }

    /// Looks likewise at numbers, all of one block, among which NaN stands for what is
    /// missing. It is taken for the infinity that no number is beaten by, also in a column
    /// that has no number at all: whoever asks for the extremes knows which these are.
    pub(crate) fn add_present(&mut self, start: usize, x: &[f64]) {
        let nothing = match self.extreme {
            Extreme::Least => f64::INFINITY,
            Extreme::Greatest => f64::NEG_INFINITY,
        };
        let mut present = [nothing; BLOCK_COLUMNS];
        let present = &mut present[..x.len()];
        for (present, &x) in present.iter_mut().zip(x) {
            *present = if x.is_nan() { nothing } else { x };
        }
        self.add(start, present);
    }

    /// The extremes of some columns; NaN for those where no number was seen.
    pub(crate) fn values(&self, columns: Range<usize>) -> impl Iterator<Item = f64> {
        let nothing = self.extreme.of_nothing();
        self.keys[columns]
            .iter()
            .map(move |&key| if key == nothing { f64::NAN } else { self.extreme.value(key) })
    }

    /// Appends the keys of a block to its payload, where they are no part that
    /// may be left out.
    pub(crate) fn encode(&self, columns: Range<usize>, payload: &mut Vec<u8>) -> u32 {
        for key in &self.keys[columns] {
            payload.extend_from_slice(&key.to_le_bytes());
        }
        0
    }

    /// Looks at the encoded keys of a block of `length` columns from `start`
    /// on; `None` if they are not all there.
    pub(crate) fn decode(
        &mut self,
        start: usize,
        payload: &mut Payload<'_>,
        length: usize,
    ) -> Option<()> {
        let keys = payload.words(length)?;
        let extreme = self.extreme;
        for (key, &other) in self.keys[start..].iter_mut().zip(keys) {
            *key = extreme.of_two(*key, i64::from_le_bytes(other));
        }
        Some(())
    }
}

impl Extreme {
    /// The key that any number beats.
    const fn of_nothing(self) -> i64 {
        match self {
            Extreme::Least => i64::MAX,
            Extreme::Greatest => i64::MIN,
        }
    }

    /// The key that no number beats: of NaN, as the kernels have it.
    const fn of_nan(self) -> i64 {
        match self {
            Extreme::Least => i64::MIN,
            Extreme::Greatest => i64::MAX,
        }
    }

    #[inline(always)]
    fn of_two(self, a: i64, b: i64) -> i64 {
        match self {
            Extreme::Least => a.min(b),
            Extreme::Greatest => a.max(b),
        }
    }

    fn value(self, key: i64) -> f64 {
        if key == self.of_nan() {
            return f64::NAN;
        }
        super::total_order::number(key)
    }
}
