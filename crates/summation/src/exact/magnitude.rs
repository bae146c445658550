//! A natural number times a power of two.

use std::cmp::Ordering;

/// `words * 2^unit`, the words of 64 bits, least first; zero has no words.
#[derive(Clone, Debug)]
pub(crate) struct Magnitude {
    words: Vec<u64>,
    unit: i64,
}

impl Magnitude {
    /// From words, least first.
    pub(crate) fn new(words: Vec<u64>, unit: i64) -> Magnitude {
        let mut magnitude = Magnitude { words, unit };
        magnitude.trim();
        magnitude
    }

    /// From an integer.
    pub(crate) fn from_integer(integer: u128, unit: i64) -> Magnitude {
        Magnitude::new(vec![low(integer), low(integer >> 64)], unit)
    }

    /// Whether it is zero.
    pub(crate) fn is_zero(&self) -> bool {
        self.words.is_empty()
    }

    /// The power of two that its highest bit stands for.
    pub(crate) fn exponent(&self) -> i64 {
        let top = self.words.last().map_or(64, |word| word.leading_zeros());
        self.unit + 64 * length(&self.words) - i64::from(top) - 1
    }

    /// `self * 2^exponent`.
    pub(crate) fn scaled(&self, exponent: i64) -> Magnitude {
        Magnitude { words: self.words.clone(), unit: self.unit + exponent }
    }

    /// The nearest `f64`, ties to even; infinite beyond the range. `more` says
    /// that something positive, below the last bit, was left out.
    pub(crate) fn round(&self, more: bool) -> f64 {
        if self.is_zero() {
            return 0.0;
        }
        // The power of two of the result's last bit.
        let last = (self.exponent() - 52).max(-1074);
        if last > 971 {
            return f64::INFINITY;
        }
        let (mantissa, half, rest) = self.split(last);
        let up = half && (rest || more || mantissa & 1 == 1);
        // A carry out of the mantissa runs into the exponent, as it should,
        // up to infinity.
        let biased = u64::try_from(last + 1074).unwrap_or(0);
        f64::from_bits((biased << 52) + mantissa + u64::from(up))
    }

    /// What lies from the power of two `last` upwards (at most 64 bits), the
    /// bit below it, and whether anything lies below that.
    fn split(&self, last: i64) -> (u64, bool, bool) {
        let Ok(position) = usize::try_from(last - self.unit) else {
            // The unit lies above: shift left, nothing is cut off.
            let shift = self.unit - last;
            let word = self.words.first().copied().unwrap_or(0);
            return (word << shift.min(63), false, false);
        };
        let bit = |index: usize| {
            self.words.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
        };
        let (limb, shift) = (position / 64, position % 64);
        let word = |index: usize| self.words.get(index).copied().unwrap_or(0);
        let mut mantissa = word(limb) >> shift;
        if shift > 0 {
            mantissa |= word(limb + 1) << (64 - shift);
        }
        let Some(half) = position.checked_sub(1) else {
            return (mantissa, false, false);
        };
        let (limb, shift) = (half / 64, half % 64);
        let rest = self.words.iter().take(limb).any(|&word| word != 0)
            || word(limb) & ((1 << shift) - 1) != 0;
        (mantissa, bit(half), rest)
    }

    /// `self * 2^(64 * words)` in the same unit times `2^(-64 * words)`: the
    /// same number with room below for a quotient.
    pub(crate) fn widen(mut self, words: usize) -> Magnitude {
        if !self.is_zero() {
            self.words.splice(0..0, std::iter::repeat_n(0, words));
            self.unit -= 64 * i64::try_from(words).unwrap_or(0);
        }
        self
    }

    /// Divides by a natural number, downwards; tells whether anything was left over.
    pub(crate) fn divide(mut self, divisor: u64) -> (Magnitude, bool) {
        let mut remainder = 0u64;
        for word in self.words.iter_mut().rev() {
            let dividend = (u128::from(remainder) << 64) | u128::from(*word);
            *word = low(dividend / u128::from(divisor));
            remainder = low(dividend % u128::from(divisor));
        }
        self.trim();
        (self, remainder != 0)
    }

    /// The quotient of two, rounded once to nearest, ties to even. `other` must not be
    /// zero.
    pub(crate) fn divide_by(&self, other: &Magnitude) -> f64 {
        if self.is_zero() {
            return 0.0;
        }
        // A quotient of 62 bits from the leading 64 of both, between 2^62 and 2^64: off by
        // less than four of its last bits.
        let wide = (u128::from(self.leading()) << 63) / u128::from(other.leading());
        let exponent = self.exponent() - other.exponent();
        // Count in quarters of the last place of the result, or less: its exponent is
        // `exponent` or one below.
        let last = (exponent - 55).max(-1076);
        let shift = u32::try_from(last - (exponent - 63)).unwrap_or(u32::MAX);
        let mut quotient = low(wide.checked_shr(shift).unwrap_or(0));
        let compare = |quotient: u64| {
            Magnitude::from_integer(u128::from(quotient), last).multiply(other).compare(self)
        };
        while compare(quotient + 1) != Ordering::Greater {
            quotient += 1;
        }
        let mut found = compare(quotient);
        while found == Ordering::Greater {
            quotient -= 1;
            found = compare(quotient);
        }
        Magnitude::from_integer(u128::from(quotient), last).round(found == Ordering::Less)
    }

    /// The highest 64 bits, the first of them set; zero for zero.
    fn leading(&self) -> u64 {
        let Some((&top, rest)) = self.words.split_last() else {
            return 0;
        };
        let shift = top.leading_zeros();
        let next = rest.last().copied().unwrap_or(0);
        match shift {
            0 => top,
            _ => top << shift | next >> (64 - shift),
        }
    }

    /// The product of two.
    pub(crate) fn multiply(&self, other: &Magnitude) -> Magnitude {
        let mut words = vec![0u64; self.words.len() + other.words.len()];
        for (i, &a) in self.words.iter().enumerate() {
            let mut carry = 0u64;
            for (j, &b) in other.words.iter().enumerate() {
                let sum =
                    u128::from(a) * u128::from(b) + u128::from(words[i + j]) + u128::from(carry);
                words[i + j] = low(sum);
                carry = low(sum >> 64);
            }
            words[i + other.words.len()] = carry;
        }
        Magnitude::new(words, self.unit + other.unit)
    }

    /// `self - other`, or zero if that is below zero.
    pub(crate) fn subtract(self, other: Magnitude) -> Magnitude {
        let (mut left, right) = (self, other);
        if right.is_zero() {
            return left;
        }
        let unit = left.unit.min(right.unit);
        left.align(unit);
        let mut right = right;
        right.align(unit);
        if left.words.len() < right.words.len() {
            left.words.resize(right.words.len(), 0);
        }
        let mut borrow = false;
        for (i, word) in left.words.iter_mut().enumerate() {
            let other = right.words.get(i).copied().unwrap_or(0);
            let (partial, first) = word.overflowing_sub(other);
            let (difference, second) = partial.overflowing_sub(u64::from(borrow));
            *word = difference;
            borrow = first | second;
        }
        if borrow {
            left.words.clear();
        }
        left.trim();
        left
    }

    /// Which of two is the greater.
    pub(crate) fn compare(&self, other: &Magnitude) -> Ordering {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => return Ordering::Equal,
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            (false, false) => {}
        }
        self.exponent().cmp(&other.exponent()).then_with(|| {
            let unit = self.unit.min(other.unit);
            let (mut left, mut right) = (self.clone(), other.clone());
            left.align(unit);
            right.align(unit);
            left.trim();
            right.trim();
            left.words.iter().rev().cmp(right.words.iter().rev())
        })
    }

    /// Rewrites it in a unit that is not above its own.
    fn align(&mut self, unit: i64) {
        let shift = usize::try_from(self.unit - unit).unwrap_or(0);
        self.unit = unit;
        if self.words.is_empty() || shift == 0 {
            return;
        }
        let bits = shift % 64;
        if bits > 0 {
            let mut carry = 0;
            for word in &mut self.words {
                let shifted = (*word << bits) | carry;
                carry = *word >> (64 - bits);
                *word = shifted;
            }
            self.words.push(carry);
        }
        self.words.splice(0..0, std::iter::repeat_n(0, shift / 64));
    }

    /// Drops leading zeros.
    fn trim(&mut self) {
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }
}

/// The lowest 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "truncation is what is asked for")]
const fn low(wide: u128) -> u64 {
    wide as u64
}

fn length(words: &[u64]) -> i64 {
    i64::try_from(words.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotient_is_rounded_once() {
        let one = Magnitude::from_integer(1, 0).widen(2);
        let (third, more) = one.divide(3);
        assert_eq!(third.round(more), 1.0 / 3.0);
    }

    #[test]
    fn a_quotient_below_the_normal_range_is_rounded_at_its_last_bit() {
        // 3 * 2^-1074 / 2 is a tie between 1 and 2 units: to even.
        let (half, more) = Magnitude::from_integer(3, -1074).widen(2).divide(2);
        assert_eq!(half.round(more).to_bits(), 2);
        // A third of the least number is zero.
        let (third, more) = Magnitude::from_integer(1, -1074).widen(2).divide(3);
        assert_eq!(third.round(more), 0.0);
    }

    #[test]
    fn differences_and_products_across_units() {
        let a = Magnitude::from_integer(u128::MAX, -70);
        let b = Magnitude::from_integer(12345, 3);
        let product = a.multiply(&b);
        let difference = product.clone().subtract(a.clone());
        assert_eq!(product.compare(&difference), Ordering::Greater);
        assert!(product.clone().subtract(product.clone()).is_zero());
        let eight = Magnitude::from_integer(1, 3);
        assert_eq!(eight.compare(&Magnitude::from_integer(8, 0)), Ordering::Equal);
        assert_eq!(eight.subtract(Magnitude::from_integer(3, 0)).round(false), 5.0);
    }

    #[test]
    fn a_quotient_of_two_is_rounded_once() {
        let integer = |integer: u64, unit| Magnitude::from_integer(u128::from(integer), unit);
        assert_eq!(integer(1, 0).divide_by(&integer(3, 0)), 1.0 / 3.0);
        assert_eq!(integer(6, 3).divide_by(&integer(3, 0)), 16.0);
        assert_eq!(integer(0, 0).divide_by(&integer(7, -2000)), 0.0);
        // 2^53 + 1 is a tie, and anything more is not.
        let tie = integer((1 << 53) + 1, 0);
        assert_eq!(tie.divide_by(&integer(1, 0)), 9_007_199_254_740_992.0);
        let less = integer(u64::MAX, 0);
        let more = integer((1 << 53) + 1, 0).multiply(&less);
        assert_eq!(more.divide_by(&less), 9_007_199_254_740_992.0);
        assert_eq!(more.divide_by(&integer(u64::MAX - 1, 0)), 9_007_199_254_740_994.0);
        // Subnormal results, and what lies beyond either end.
        assert_eq!(integer(3, -1074).divide_by(&integer(2, 0)).to_bits(), 2);
        assert_eq!(integer(1, -1074).divide_by(&integer(2, 0)).to_bits(), 0);
        assert_eq!(integer(3, -1075).divide_by(&integer(2, 0)).to_bits(), 1);
        assert_eq!(integer(1, -3000).divide_by(&integer(1, 0)).to_bits(), 0);
        assert_eq!(integer(1, 2048).divide_by(&integer(1, 1025)), 2f64.powi(1023));
        assert_eq!(integer(1, 2048).divide_by(&integer(1, 0)), f64::INFINITY);
    }
}
