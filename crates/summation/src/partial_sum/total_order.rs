//! Numbers as integers of the same order, which vectors compare faster.

/// The key of a number: keys are ordered as numbers are by IEEE 754
/// `totalOrder`, -0 before +0, and NaN beyond all others of its sign.
#[inline(always)]
pub(crate) fn key(x: f64) -> i64 {
    flip(x.to_bits().cast_signed())
}

/// The number that has this key.
pub(crate) fn number(key: i64) -> f64 {
    f64::from_bits(flip(key).cast_unsigned())
}

/// Reverses the order of what is negative: numbers have a sign and a magnitude,
/// integers two's complement. Its own inverse.
#[inline(always)]
fn flip(bits: i64) -> i64 {
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_ordered_as_numbers_are_and_read_back() {
        let numbers = [
            f64::NEG_INFINITY,
            f64::MIN,
            -1.5,
            -f64::MIN_POSITIVE,
            -5e-324,
            -0.0,
            0.0,
            5e-324,
            1.5,
            f64::MAX,
            f64::INFINITY,
        ];
        assert!(numbers.is_sorted_by(|a, b| key(*a) < key(*b)));
        assert!(numbers.iter().all(|x| number(key(*x)).to_bits() == x.to_bits()));
    }
}
