//! The powers of five by which decimal digits are converted, to 128 bits.

/// The least exponent in the table: 19 digits times less are below half of the
/// least `f64`.
pub(crate) const EXPONENT_MIN: i32 = -342;

const EXPONENT_MAX: i32 = 308;
const NEGATIVE: usize = 342;
const LENGTH: usize = NEGATIVE + 308 + 1;

/// For each exponent from [`EXPONENT_MIN`] on the higher and the lower half of
/// the first 128 bits of `5^exponent`: cut off for positive exponents, and for
/// those below -27, rounded up for those between, as the method asks.
pub(crate) static POWERS: [(u64, u64); LENGTH] = table();

/// Room for `5^308 * 2^128`, and for `2^1216 / 5^342`, in words of 32 bits.
const WORDS: usize = 38;

#[expect(
    clippy::cast_possible_truncation,
    reason = "of words that are no longer than what they are cut to"
)]
const fn table() -> [(u64, u64); LENGTH] {
    assert!(EXPONENT_MAX - EXPONENT_MIN + 1 == LENGTH as i32);
    let mut powers = [(0, 0); LENGTH];
    // 5^n, multiplied up.
    let mut big = [0u32; WORDS];
    big[0] = 1;
    let mut n = 0;
    while n + NEGATIVE < LENGTH {
        powers[NEGATIVE + n] = leading(&big);
        let mut carry = 0u64;
        let mut i = 0;
        while i < WORDS {
            let product = big[i] as u64 * 5 + carry;
            big[i] = product as u32;
            carry = product >> 32;
            i += 1;
        }
        n += 1;
    }
    // 2^1215 / 5^n, divided down: what each division cuts off stays far below
    // the leading 128 bits.
    let mut big = [0u32; WORDS];
    big[WORDS - 1] = 1 << 31;
    let mut n = 1;
    while n <= NEGATIVE {
        let mut remainder = 0u64;
        let mut i = WORDS;
        while i > 0 {
            i -= 1;
            let dividend = (remainder << 32) | big[i] as u64;
            big[i] = (dividend / 5) as u32;
            remainder = dividend % 5;
        }
        let (high, low) = leading(&big);
        powers[NEGATIVE - n] = if n <= 27 {
            let (low, carried) = low.overflowing_add(1);
            (high + carried as u64, low)
        } else {
            (high, low)
        };
        n += 1;
    }
    powers
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "of words that are no longer than what they are cut to"
)]
/// The first 128 bits, from the highest that is not zero.
const fn leading(big: &[u32; WORDS]) -> (u64, u64) {
    let mut top = WORDS - 1;
    while big[top] == 0 {
        top -= 1;
    }
    let mut window: u128 = 0;
    let mut i = 0;
    while i < 4 {
        window = (window << 32) | word(big, top, i) as u128;
        i += 1;
    }
    let shift = big[top].leading_zeros();
    if shift > 0 {
        window = (window << shift) | (word(big, top, 4) as u128 >> (32 - shift));
    }
    ((window >> 64) as u64, (window & u64::MAX as u128) as u64)
}

/// The word that lies `below` words below the one at `top`; zero below the first.
const fn word(big: &[u32; WORDS], top: usize, below: usize) -> u32 {
    if below <= top { big[top - below] } else { 0 }
}

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;

    use super::*;

    #[test]
    fn the_table_is_what_big_integers_say() {
        for (index, &(high, low)) in POWERS.iter().enumerate() {
            let exponent = i32::try_from(index).unwrap() + EXPONENT_MIN;
            let found = (BigUint::from(high) << 64) + low;
            let power = BigUint::from(5u32).pow(exponent.unsigned_abs());
            let expected = if exponent >= 0 {
                let bits = power.bits();
                if bits <= 128 { power << (128 - bits) } else { power >> (bits - 128) }
            } else {
                let quotient = (BigUint::from(1u32) << (power.bits() + 127)) / &power;
                assert_eq!(quotient.bits(), 128);
                if exponent >= -27 { quotient + 1u32 } else { quotient }
            };
            assert_eq!(found, expected, "5^{exponent}");
        }
    }
}
