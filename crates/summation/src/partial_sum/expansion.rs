//! A number as several `f64`, the first of them the number rounded, the second
//! the rest rounded, and so on: the only form that a partial sum is stored in.

use crate::exact::{FixedPoint, two_sum};

use super::BLOCK_COLUMNS;

/// Numbers of a block of columns as parts: each part is the sum of itself and
/// those after it, rounded. Where the parts do not hold a number, or it is
/// beyond the range of `f64`, they are zero and the number is an exception.
#[derive(Clone, Debug)]
pub(crate) struct Canonical<const PARTS: usize, const LIMBS: usize, const UNIT: i32> {
    pub(crate) parts: [[f64; BLOCK_COLUMNS]; PARTS],
    /// In the order of columns.
    pub(crate) exceptions: Vec<(usize, FixedPoint<LIMBS, UNIT>)>,
}

impl<const PARTS: usize, const LIMBS: usize, const UNIT: i32> Canonical<PARTS, LIMBS, UNIT> {
    /// All zero, to be filled.
    pub(crate) fn new() -> Self {
        Canonical { parts: [[0.0; BLOCK_COLUMNS]; PARTS], exceptions: Vec::new() }
    }

    /// Sets a column's parts.
    pub(crate) fn set(&mut self, column: usize, parts: [f64; PARTS]) {
        for (to, part) in self.parts.iter_mut().zip(parts) {
            to[column] = part;
        }
    }

    /// Sets a column to an exact number; columns come in order.
    pub(crate) fn set_exact(&mut self, column: usize, number: FixedPoint<LIMBS, UNIT>) {
        match split(&number) {
            Some(parts) => self.set(column, parts),
            None => {
                self.set(column, [0.0; PARTS]);
                self.exceptions.push((column, number));
            }
        }
    }

    /// The exact number of a column.
    pub(crate) fn exact(&self, column: usize) -> FixedPoint<LIMBS, UNIT> {
        let exceptions = &self.exceptions;
        if let Ok(place) = exceptions.binary_search_by_key(&column, |(column, _)| *column) {
            return exceptions[place].1.clone();
        }
        let mut number = FixedPoint::ZERO;
        for part in &self.parts {
            number.add(part[column]);
        }
        number
    }
}

/// A sum of parts rewritten so that each is the rounded sum of itself and those
/// after it; `None` if it takes more to tell.
pub(crate) fn normalize<const PARTS: usize>(mut parts: [f64; PARTS]) -> Option<[f64; PARTS]> {
    for _ in 1..PARTS {
        for index in (1..PARTS).rev() {
            (parts[index - 1], parts[index]) = two_sum(parts[index - 1], parts[index]);
        }
    }
    for index in 1..PARTS {
        let rest = parts[index];
        // The part before is rounded right if it does not change by adding the
        // rest, nor, if more follows, by adding a little more than the rest:
        // then there is no tie that what follows would break.
        let is_last = parts[index + 1..].iter().all(|&part| part == 0.0);
        let most = if is_last { rest } else { rest * (1.0 + 2.0 * f64::EPSILON) };
        if parts[index - 1] + most != parts[index - 1] || !rest.is_finite() {
            return None;
        }
    }
    parts[0].is_finite().then(|| parts.map(|part| part + 0.0))
}

/// An exact number as parts, if they hold it.
fn split<const PARTS: usize, const LIMBS: usize, const UNIT: i32>(
    number: &FixedPoint<LIMBS, UNIT>,
) -> Option<[f64; PARTS]> {
    let mut rest = number.clone();
    let mut parts = [0.0; PARTS];
    for part in &mut parts {
        let rounded = rest.round();
        if !rounded.is_finite() {
            return None;
        }
        rest.add(-rounded);
        *part = rounded + 0.0;
        if rest.is_zero() {
            return Some(parts);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::exact::ExactSum;

    proptest! {
        #[test]
        fn both_ways_to_the_parts_agree(
            bits in proptest::array::uniform4(any::<u64>()),
            exponents in proptest::array::uniform4(0u64..200),
        ) {
            let parts: [f64; 4] = std::array::from_fn(|index| {
                // All kinds of distances between the parts, and of last bits.
                let fraction = bits[index] & !(u64::MAX << (bits[index] >> 58)) & ((1 << 52) - 1);
                let sign = bits[index] & (1 << 63);
                f64::from_bits(sign | (900 + exponents[index]) << 52 | fraction)
            });
            let mut number = ExactSum::ZERO;
            for part in parts {
                number.add(part);
            }
            if let Some(found) = normalize(parts) {
                prop_assert_eq!(Some(found), split::<4, 34, -1074>(&number));
            }
        }
    }

    #[test]
    fn a_tie_is_left_to_be_told() {
        let half = f64::EPSILON / 2.0;
        assert_eq!(normalize([1.0, half, 0.0]), Some([1.0, half, 0.0]));
        assert_eq!(normalize([1.0, half, 1e-40]), None);
        assert_eq!(normalize([1.0, 0.0, 1e-40]), Some([1.0, 1e-40, 0.0]));
        assert_eq!(normalize([f64::MAX, f64::MAX, 0.0]), None);
    }
}
