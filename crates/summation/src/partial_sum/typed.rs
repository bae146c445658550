//! Results as numbers of other types than `f64`, rounded once.
//!
//! What was rounded to `f64` before may be rounded again to a narrower type, and is the exact
//! quantity rounded once, unless it lies in the middle of two numbers of that type: then what
//! is left of the exact quantity beside it decides (Figueroa, When is double rounding
//! innocuous?, 1995). For the middles are `f64` themselves, and rounding keeps the order.

use std::cmp::Ordering;
use std::ops::Range;

use protocol::request::Statistic;

use super::kept::Kernel;
use super::spread::Ddof;
use super::squares::CanonicalSquares;
use super::sums::CanonicalSums;
use super::weighted::{WeightedBlock, WeightedSums};
use super::{BLOCK_COLUMNS, PartialSum, Totals, pieces};
use crate::exact::{ExactSum, Magnitude, decompose};
use crate::format::NumberType;

/// From here on, an `f64` may be a rounded integer.
const INTEGERS: f64 = 4_503_599_627_370_496.0;

/// A binary floating-point type of IEEE 754's form.
#[derive(Clone, Copy, Debug)]
struct Precision {
    /// The bits of the significand, with the first, which is not stored.
    significand: u32,
    /// The bits of the exponent.
    exponent: u32,
}

/// An exact quantity, its sign apart: a fraction, or the root of one.
struct Exact {
    numerator: Magnitude,
    denominator: Magnitude,
    is_root: bool,
}

/// The exact quantities of a block of columns, made when the first is asked for.
struct ExactBlock<'a> {
    sum: &'a PartialSum,
    statistic: Option<Statistic>,
    columns: Range<usize>,
    sums: Option<Box<CanonicalSums>>,
    squares: Option<Box<CanonicalSquares>>,
    counts: Option<Vec<u64>>,
    weighted: Option<WeightedBlock>,
}

impl PartialSum {
    /// Appends the mean or a statistic of some columns as numbers of a type, little-endian.
    /// `numbers` are the same as `f64`. An integer type is for means of such integers.
    pub(crate) fn put_as(
        &self,
        statistic: Option<Statistic>,
        columns: Range<usize>,
        numbers: &[f64],
        number_type: NumberType,
        to: &mut Vec<u8>,
    ) {
        debug_assert_eq!(columns.len(), numbers.len());
        let start = columns.start;
        for piece in pieces(columns) {
            let block = piece.start - piece.start % BLOCK_COLUMNS;
            let end = self.columns().min(block + BLOCK_COLUMNS);
            let mut exact = ExactBlock::new(self, statistic, block..end);
            let numbers = &numbers[piece.start - start..piece.end - start];
            for (index, &number) in (piece.start - block..).zip(numbers) {
                put_one(number, number_type, || exact.of(index), to);
            }
        }
    }
}

/// Appends a number; `exact` is what it was rounded from, if it was.
fn put_one(
    number: f64,
    number_type: NumberType,
    exact: impl FnMut() -> Option<Exact>,
    to: &mut Vec<u8>,
) {
    let precision = match number_type {
        NumberType::F8 => return to.extend(number.to_le_bytes()),
        NumberType::F4 => match nearest_single(number) {
            Some(single) => return to.extend(single.to_le_bytes()),
            None => Precision::SINGLE,
        },
        NumberType::F2 => Precision::HALF,
        NumberType::Bf16 => Precision::BRAIN,
        NumberType::Bool
        | NumberType::I1
        | NumberType::I2
        | NumberType::I4
        | NumberType::I8
        | NumberType::U1
        | NumberType::U2
        | NumberType::U4
        | NumberType::U8 => {
            let integer = i128::from(round_to_integer(number, exact));
            let integer = if number.is_sign_negative() { -integer } else { integer };
            // The mean of integers is not beyond them.
            let size = usize::try_from(number_type.bytes()).unwrap_or(8);
            return to.extend_from_slice(&integer.to_le_bytes()[..size]);
        }
    };
    let size = usize::try_from(number_type.bytes()).unwrap_or(4);
    to.extend_from_slice(&precision.round(number, exact).to_le_bytes()[..size]);
}

/// Rounds to single precision by the processor. `None` where that does not decide, or not for
/// certain: in the middle of two numbers, and where they are not normal.
#[expect(clippy::cast_possible_truncation, reason = "it is rounded to nearest")]
fn nearest_single(number: f64) -> Option<f32> {
    const BEYOND: u64 = (1 << 29) - 1;
    const MIDDLE: u64 = 1 << 28;
    let is_normal = number.is_finite() && number.abs() >= f64::from(f32::MIN_POSITIVE);
    (is_normal && number.to_bits() & BEYOND != MIDDLE).then_some(number as f32)
}

impl Precision {
    const SINGLE: Precision = Precision { significand: 24, exponent: 8 };
    const HALF: Precision = Precision { significand: 11, exponent: 5 };
    const BRAIN: Precision = Precision { significand: 8, exponent: 8 };

    /// The bits of the number that is nearest to the exact quantity, ties to even. NaN has
    /// always the same bits.
    fn round(self, number: f64, exact: impl FnMut() -> Option<Exact>) -> u32 {
        let fraction_bits = self.significand - 1;
        let infinity = ((1_u32 << self.exponent) - 1) << fraction_bits;
        if number.is_nan() {
            return infinity | 1 << (fraction_bits - 1);
        }
        let sign = u32::from(number.is_sign_negative()) << (self.exponent + fraction_bits);
        let (_, mantissa, unit) = decompose(number);
        if mantissa == 0 || number.is_infinite() {
            return sign | if mantissa == 0 { 0 } else { infinity };
        }
        // The power of two of the result's last bit, that of the least number at least.
        let top = unit + 63 - mantissa.leading_zeros().cast_signed();
        let least = 3 - (1 << (self.exponent - 1)) - self.significand.cast_signed();
        let last = (top - fraction_bits.cast_signed()).max(least);
        let whole = round_off(number, mantissa, (last - unit).cast_unsigned(), exact);
        // A carry out of the significand runs into the exponent, as it should.
        let biased = u64::from((last - least).cast_unsigned()) << fraction_bits;
        sign | u32::try_from(biased + whole).map_or(infinity, |bits| bits.min(infinity))
    }
}

/// The integer nearest to an exact quantity, ties to even, its sign apart.
fn round_to_integer(number: f64, mut exact: impl FnMut() -> Option<Exact>) -> u64 {
    let magnitude = number.abs();
    if magnitude >= INTEGERS {
        return exact().map_or(u64::MAX, |exact| exact.nearest_integer(magnitude));
    }
    let (_, mantissa, unit) = decompose(number);
    match u32::try_from(-unit) {
        // NaN has no integer.
        _ if magnitude.is_nan() => 0,
        Ok(shift) => round_off(number, mantissa, shift, exact),
        Err(_) => 0,
    }
}

/// `mantissa / 2^shift`, rounded to nearest, where `number` is the mantissa times some power
/// of two: ties are decided by the exact quantity, or go to even.
fn round_off(
    number: f64,
    mantissa: u64,
    shift: u32,
    mut exact: impl FnMut() -> Option<Exact>,
) -> u64 {
    // A mantissa has 53 bits.
    let (Some(half), false) = (shift.checked_sub(1).map(|bit| 1_u64 << bit.min(63)), shift > 54)
    else {
        return if shift == 0 { mantissa } else { 0 };
    };
    let whole = mantissa >> shift;
    let rounds_up = match (mantissa & ((half << 1) - 1)).cmp(&half) {
        Ordering::Less => false,
        Ordering::Greater => true,
        Ordering::Equal => match exact().map_or(Ordering::Equal, |exact| exact.compare(number)) {
            Ordering::Less => false,
            Ordering::Greater => true,
            Ordering::Equal => whole & 1 == 1,
        },
    };
    whole + u64::from(rounds_up)
}

impl Exact {
    fn fraction(numerator: Magnitude, denominator: u64) -> Exact {
        let denominator = Magnitude::from_integer(u128::from(denominator), 0);
        Exact { numerator, denominator, is_root: false }
    }

    /// How it compares with a finite number, both without their signs.
    fn compare(&self, number: f64) -> Ordering {
        let (_, mantissa, unit) = decompose(number);
        let number = Magnitude::from_integer(u128::from(mantissa), i64::from(unit));
        let number = if self.is_root { number.multiply(&number) } else { number };
        self.numerator.compare(&number.multiply(&self.denominator))
    }

    /// The nearest integer, ties to even, near a number from [`INTEGERS`] to 2^64.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is an integer in this range, or taken for the greatest"
    )]
    fn nearest_integer(&self, about: f64) -> u64 {
        /// More than what rounding to `f64` leaves off below 2^64.
        const REST: u64 = 1 << 12;
        let about = about as u64;
        let (mut least, mut most) = (about.saturating_sub(REST), about.saturating_add(REST));
        while least < most {
            let middle = least + (most - least) / 2;
            // Whether it is `middle` or less: twice the quantity is at most twice that and 1.
            let half_above = Magnitude::from_integer(2 * u128::from(middle) + 1, -1);
            let is_even = middle & 1 == 0;
            match self.numerator.compare(&half_above.multiply(&self.denominator)) {
                Ordering::Greater => least = middle + 1,
                Ordering::Equal if !is_even => least = middle + 1,
                Ordering::Equal | Ordering::Less => most = middle,
            }
        }
        least
    }
}

impl<'a> ExactBlock<'a> {
    const fn new(
        sum: &'a PartialSum,
        statistic: Option<Statistic>,
        columns: Range<usize>,
    ) -> ExactBlock<'a> {
        let (sums, squares, counts, weighted) = (None, None, None, None);
        ExactBlock { sum, statistic, columns, sums, squares, counts, weighted }
    }

    /// The exact quantity of a column of the block; `None` if it is an `f64`.
    fn of(&mut self, index: usize) -> Option<Exact> {
        let column = self.columns.start + index;
        if let Totals::Weighted(sums) = &self.sum.totals {
            return self.weighted(sums, index);
        }
        match self.statistic {
            None => {
                let numerator = self.sum(index).magnitude();
                Some(Exact::fraction(numerator, self.count(index)))
            }
            Some(Statistic::Sum) => Some(Exact::fraction(self.sum(index).magnitude(), 1)),
            Some(Statistic::Min | Statistic::Max | Statistic::Count) => None,
            Some(Statistic::Range) => {
                let mut range = ExactSum::ZERO;
                for (sign, extreme) in [1.0, -1.0].into_iter().zip(self.sum.both_extremes(column)?)
                {
                    range.add(sign * extreme);
                }
                Some(Exact::fraction(range.magnitude(), 1))
            }
            Some(Statistic::Variance) => self.spread(index, Ddof::ZERO, false),
            Some(Statistic::Std) => self.spread(index, Ddof::ZERO, true),
            Some(Statistic::Variance1) => self.spread(index, Ddof::ONE, false),
            Some(Statistic::Std1) => self.spread(index, Ddof::ONE, true),
        }
    }

    /// The same of sums that are weighted.
    fn weighted(&mut self, sums: &WeightedSums, index: usize) -> Option<Exact> {
        let (sum, columns) = (self.sum, self.columns.clone());
        let block = self.weighted.get_or_insert_with(|| WeightedBlock::new(sum, sums, columns));
        let numerator = block.products(index);
        match self.statistic {
            None => Some(Exact { numerator, denominator: block.weights(index), is_root: false }),
            Some(Statistic::Sum) => Some(Exact::fraction(numerator, 1)),
            Some(_) => None,
        }
    }

    fn sum(&mut self, index: usize) -> ExactSum {
        let (sum, columns) = (self.sum, self.columns.clone());
        let sums = self.sums.get_or_insert_with(|| {
            let mut sums = Box::new(CanonicalSums::new());
            sum.canonical_sums(columns, &mut sums);
            sums
        });
        sums.exact(index)
    }

    fn count(&mut self, index: usize) -> u64 {
        if self.counts.is_none() {
            let all = vec![self.sum.objects(); self.columns.len()];
            self.counts = Some(self.sum.counts(self.columns.clone()).unwrap_or(all));
        }
        let counts = self.counts.as_ref();
        counts.and_then(|counts| counts.get(index)).copied().unwrap_or_default()
    }

    fn spread(&mut self, index: usize, ddof: Ddof, is_root: bool) -> Option<Exact> {
        let (sum, columns) = (self.sum(index), self.columns.clone());
        let objects = self.count(index);
        let squares = self.sum.kernels.iter().find_map(|kernel| match kernel {
            Kernel::Squares(squares) => Some(squares),
            Kernel::Extremes(_) | Kernel::Absences(_) => None,
        })?;
        let squares = self.squares.get_or_insert_with(|| {
            let mut canonical = Box::new(CanonicalSquares::new());
            squares.canonical(columns, &mut canonical);
            canonical
        });
        let (numerator, [one, other]) =
            super::spread::fraction(&sum, &squares.exact(index), objects, ddof)?;
        let denominator = Magnitude::from_integer(u128::from(one) * u128::from(other), 0);
        Some(Exact { numerator, denominator, is_root })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bits of a number that is an `f64`.
    fn round(precision: Precision, number: f64) -> u32 {
        precision.round(number, || None)
    }

    #[test]
    fn single_precision_is_that_of_the_processor() {
        let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
        for exponent in 0..2048_u64 {
            for _ in 0..50 {
                bits = bits.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                // Now and then in the middle of two numbers, or beside it.
                let fraction = match bits >> 62 {
                    0 => bits >> 12,
                    1 => (bits >> 12) & !((1 << 29) - 1) | 1 << 28,
                    2 => (bits >> 12) & !((1 << 29) - 1) | ((1 << 28) - 1),
                    _ => (bits >> 12) & !((1 << 28) - 1),
                };
                let number = f64::from_bits((bits & 1) << 63 | exponent << 52 | fraction);
                if !number.is_nan() {
                    #[expect(clippy::cast_possible_truncation, reason = "the rounding in question")]
                    let single = number as f32;
                    assert_eq!(round(Precision::SINGLE, number), single.to_bits(), "{number:e}");
                    let mut bytes = Vec::new();
                    // Only in the middle of two numbers, or beyond the normal ones, is more
                    // asked than the number.
                    let is_asked = std::cell::Cell::new(false);
                    let exact = || {
                        is_asked.set(true);
                        None
                    };
                    put_one(number, NumberType::F4, exact, &mut bytes);
                    assert_eq!(bytes, single.to_le_bytes(), "{number:e}");
                    let is_middle = fraction & ((1 << 29) - 1) == 1 << 28;
                    let is_normal = number.abs() >= f64::from(f32::MIN_POSITIVE);
                    assert!(!is_normal || !is_asked.get() || is_middle, "{number:e}");
                    let middle = is_middle && is_normal && number.abs() < f64::from(f32::MAX);
                    assert!(!middle || is_asked.get(), "{number:e}");
                }
            }
        }
        assert!(f32::from_bits(round(Precision::SINGLE, -f64::NAN)).is_nan());
    }

    #[test]
    fn every_half_and_every_brain_float_comes_back() {
        let mut block = crate::Block::default();
        for bits in 0..=u16::MAX {
            for (number_type, precision) in
                [(NumberType::F2, Precision::HALF), (NumberType::Bf16, Precision::BRAIN)]
            {
                block.clear();
                number_type.decode(&bits.to_le_bytes(), false, &mut block);
                let number = block.values()[0];
                if !number.is_nan() {
                    assert_eq!(round(precision, number), u32::from(bits), "{number:e}");
                }
            }
        }
    }

    #[test]
    fn a_weighted_mean_is_rounded_once() {
        // By so little do they lie beside the middle of two numbers that an f64 is the middle.
        for (first, second, expected) in [
            (1.0 + 1.0 / 256.0, 2.0, 0x3f81_u16),
            (1.0 + 1.0 / 256.0, 1.0, 0x3f80),
            (1.0 + 3.0 / 256.0, 1.0, 0x3f81),
            (1.0 + 3.0 / 256.0, 1.0 + 3.0 / 256.0, 0x3f82),
        ] {
            let mut sum = PartialSum::with_weights(2, &[], protocol::request::Missing::Skip);
            for (numbers, weight) in
                [([first, first], 1.0), ([second, f64::NAN], 2f64.powi(-70)), ([f64::NAN; 2], 9.0)]
            {
                sum.add_weighted_numbers(0, &numbers, weight);
                sum.count_weighted_object(weight);
            }
            let (mean, mut bytes) = (sum.mean(), Vec::new());
            sum.put_as(None, 0..1, &mean[..1], NumberType::Bf16, &mut bytes);
            assert_eq!(bytes, expected.to_le_bytes(), "{first} and {second}");
        }
    }

    #[test]
    fn the_ends_of_the_range() {
        let half = |number: f64| round(Precision::HALF, number);
        assert_eq!(half(65504.0), 0x7bff);
        assert_eq!(half(65519.999), 0x7bff);
        assert_eq!(half(65520.0), 0x7c00, "a tie goes to infinity");
        assert_eq!(half(-1e300), 0xfc00);
        assert_eq!(half(2f64.powi(-25)), 0, "a tie goes to zero");
        assert_eq!(half(2f64.powi(-25) * 1.0000001), 1);
        assert_eq!(half(-5e-324), 0x8000);
        assert_eq!(half(f64::NEG_INFINITY), 0xfc00);
        assert_eq!(half(f64::NAN), 0x7e00);
        assert_eq!(round(Precision::BRAIN, f64::MAX), 0x7f80);
        assert_eq!(round(Precision::BRAIN, 1.0 + 1.0 / 256.0), 0x3f80);
        assert_eq!(round(Precision::BRAIN, 1.0 + 3.0 / 256.0), 0x3f82);
    }

    #[test]
    fn integers_are_the_nearest_ones() {
        let third = |numerator: u128| {
            move || Some(Exact::fraction(Magnitude::from_integer(numerator, 0), 3))
        };
        for (number, expected) in
            [(0.5, 0), (1.5, 2), (2.4999, 2), (-2.5, 2), (1e-300, 0), (7.0, 7)]
        {
            assert_eq!(round_to_integer(number, || None), expected, "{number}");
        }
        for integer in [1_u64 << 52, (1 << 53) + 1, (1 << 63) - 1, u64::MAX - 1] {
            for rest in 0..3_u64 {
                let numerator = 3 * u128::from(integer) + u128::from(rest);
                let expected = integer + u64::from(rest == 2);
                #[expect(clippy::cast_precision_loss, reason = "that is what is put right")]
                let number = numerator as f64 / 3.0;
                assert_eq!(round_to_integer(number, third(numerator)), expected);
            }
        }
    }
}
