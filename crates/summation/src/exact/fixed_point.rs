//! A number in two's complement, wide enough for any sum of `f64`.

use super::{Magnitude, decompose};

/// `LIMBS` words of 64 bits in two's complement, least first; the unit of the
/// first bit is `2^UNIT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FixedPoint<const LIMBS: usize, const UNIT: i32> {
    limbs: [u64; LIMBS],
}

impl<const LIMBS: usize, const UNIT: i32> FixedPoint<LIMBS, UNIT> {
    /// Zero.
    pub(crate) const ZERO: Self = FixedPoint { limbs: [0; LIMBS] };

    /// Adds a finite number.
    #[inline]
    pub(crate) fn add(&mut self, x: f64) {
        debug_assert!(x.is_finite());
        let (negative, mantissa, exponent) = decompose(x);
        self.add_shifted(u128::from(mantissa), exponent, negative);
    }

    /// Adds the square of a finite number.
    #[inline]
    pub(crate) fn add_square(&mut self, x: f64) {
        debug_assert!(x.is_finite());
        let (_, mantissa, exponent) = decompose(x);
        let mantissa = u128::from(mantissa);
        self.add_shifted(mantissa * mantissa, 2 * exponent, false);
    }

    /// Adds the product of two finite numbers.
    #[inline]
    pub(crate) fn add_product(&mut self, x: f64, y: f64) {
        debug_assert!(x.is_finite() && y.is_finite());
        let (x_negative, x_mantissa, x_exponent) = decompose(x);
        let (y_negative, y_mantissa, y_exponent) = decompose(y);
        let mantissa = u128::from(x_mantissa) * u128::from(y_mantissa);
        self.add_shifted(mantissa, x_exponent + y_exponent, x_negative != y_negative);
    }

    /// Adds `±mantissa * 2^exponent`, where the exponent is at least `UNIT`.
    pub(crate) fn add_shifted(&mut self, mantissa: u128, exponent: i32, negative: bool) {
        if mantissa == 0 {
            return;
        }
        let bit = usize::try_from(exponent - UNIT).unwrap_or(0);
        let (limb, shift) = (bit / 64, bit % 64);
        let low = mantissa << shift;
        let high = if shift == 0 { 0 } else { mantissa >> (128 - shift) };
        let words = [word(low), word(low >> 64), word(high)];
        self.add_words(limb, &words, negative);
    }

    /// Adds or subtracts a magnitude given as words from the limb `first`;
    /// what lies past the last limb is dropped.
    pub(crate) fn add_words(&mut self, first: usize, words: &[u64], negative: bool) {
        let Some(limbs) = self.limbs.get_mut(first..) else {
            return;
        };
        let mut words = words.iter().copied();
        let mut carry = false;
        for limb in limbs {
            let word = match words.next() {
                Some(word) => word,
                None if !carry => break,
                None => 0,
            };
            let (sum, first_carry, second_carry);
            if negative {
                let partial;
                (partial, first_carry) = limb.overflowing_sub(word);
                (sum, second_carry) = partial.overflowing_sub(u64::from(carry));
            } else {
                let partial;
                (partial, first_carry) = limb.overflowing_add(word);
                (sum, second_carry) = partial.overflowing_add(u64::from(carry));
            }
            *limb = sum;
            carry = first_carry | second_carry;
        }
    }

    /// Adds another.
    pub(crate) fn add_all(&mut self, other: &Self) {
        self.add_words(0, &other.limbs, false);
    }

    /// Takes another away.
    pub(crate) fn subtract(&mut self, other: &Self) {
        self.add_words(0, &other.limbs, true);
    }

    /// Whether it is zero.
    pub(crate) fn is_zero(&self) -> bool {
        self.limbs.iter().all(|&limb| limb == 0)
    }

    /// Whether it is below zero.
    pub(crate) fn is_negative(&self) -> bool {
        self.limbs[LIMBS - 1] >> 63 == 1
    }

    /// Its absolute value, trimmed: the first limb that is not zero, and the
    /// limbs from there to the last that is not zero.
    pub(crate) fn words(&self) -> (usize, Vec<u64>) {
        let mut limbs = self.limbs;
        if self.is_negative() {
            let mut carry = true;
            for limb in &mut limbs {
                let (negated, overflow) = (!*limb).overflowing_add(u64::from(carry));
                *limb = negated;
                carry = overflow;
            }
        }
        let first = limbs.iter().position(|&limb| limb != 0).unwrap_or(LIMBS);
        let end = limbs.iter().rposition(|&limb| limb != 0).map_or(first, |last| last + 1);
        (first, limbs[first..end].to_vec())
    }

    /// Its absolute value.
    pub(crate) fn magnitude(&self) -> Magnitude {
        let (first, words) = self.words();
        let unit = i64::from(UNIT) + 64 * i64::try_from(first).unwrap_or(0);
        Magnitude::new(words, unit)
    }

    /// The number of these words from the limb `first` on; `None` if they reach beyond the
    /// last limb.
    pub(crate) fn from_words(first: usize, words: &[u64], negative: bool) -> Option<Self> {
        if first + words.len() > LIMBS {
            return None;
        }
        let mut number = FixedPoint::ZERO;
        number.add_words(first, words, negative);
        Some(number)
    }

    /// The nearest `f64`, ties to even; infinite beyond the range.
    pub(crate) fn round(&self) -> f64 {
        let rounded = self.magnitude().round(false);
        if self.is_negative() { -rounded } else { rounded }
    }
}

/// The lowest 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "truncation is what is asked for")]
const fn word(wide: u128) -> u64 {
    wide as u64
}

#[cfg(test)]
mod tests {
    use crate::exact::{ExactProducts, ExactSquares, ExactSum};

    #[test]
    fn what_is_added_and_taken_away_leaves_zero() {
        let numbers = [1.0, -3.5e300, f64::MIN_POSITIVE, 5e-324, f64::MAX, -0.1];
        let mut total = ExactSum::ZERO;
        for x in numbers {
            total.add(x);
        }
        assert!(!total.is_zero());
        for x in numbers {
            total.add(-x);
        }
        assert!(total.is_zero());
    }

    #[test]
    fn a_single_number_comes_back() {
        for x in [1.0, -2.5, 5e-324, -1e-310, f64::MAX, f64::MIN_POSITIVE, 0.1] {
            let mut total = ExactSum::ZERO;
            total.add(x);
            assert_eq!(total.round().to_bits(), x.to_bits());
        }
    }

    #[test]
    fn a_tie_goes_to_even_and_a_trace_decides_it() {
        let mut total = ExactSum::ZERO;
        total.add(1.0);
        total.add(f64::EPSILON / 2.0);
        assert_eq!(total.round(), 1.0);
        total.add(5e-324);
        assert_eq!(total.round(), 1.0 + f64::EPSILON);
    }

    #[test]
    fn the_greatest_numbers_add_up_beyond_the_range() {
        let mut total = ExactSum::ZERO;
        total.add(f64::MAX);
        total.add(f64::MAX);
        assert_eq!(total.round(), f64::INFINITY);
        total.add(-f64::MAX);
        assert_eq!(total.round(), f64::MAX);
    }

    #[test]
    fn squares_of_the_least_and_the_greatest_fit() {
        let mut total = ExactSquares::ZERO;
        total.add_square(5e-324);
        assert!(!total.is_zero());
        total.add_square(1.5);
        assert_eq!(total.round(), 2.25);
        total.add_square(f64::MAX);
        assert_eq!(total.round(), f64::INFINITY);
        assert!(!total.is_negative());
    }

    #[test]
    fn products_of_the_least_and_the_greatest_fit() {
        let mut total = ExactProducts::ZERO;
        total.add_product(5e-324, -5e-324);
        assert!(total.is_negative());
        total.add_product(f64::MAX, -f64::MAX);
        total.add_product(f64::MAX, f64::MAX);
        total.add_product(-1.5, -3.0);
        assert_eq!(total.round(), 4.5);
        total.add_product(4.5, -1.0);
        assert_eq!(total.round(), 0.0);
        assert!(total.is_negative() && !total.is_zero());
        total.add_product(5e-324, 5e-324);
        assert!(total.is_zero());
    }
}
