//! One number from decimal digits to the nearest `f64`.
//!
//! The usual number, of at most 19 digits, is read eight digits at a time and
//! converted by the method of Lemire, "Number Parsing at a Gigabyte per Second"
//! (2021): its digits as an integer times 128 bits of a power of five, which
//! nearly always tells all 53 bits. What is left goes to the standard library.

use super::powers_of_five::{self, POWERS};

/// A number at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Prefix {
    pub(crate) number: f64,
    /// In bytes.
    pub(crate) length: usize,
}

/// Reads a usual number at the beginning of some bytes; `None` does not say that
/// there is none.
#[inline]
pub(crate) fn parse_prefix(bytes: &[u8]) -> Option<Prefix> {
    let sign = *bytes.first()?;
    let negative = sign == b'-';
    let mut at = usize::from(negative || sign == b'+');
    let mut digits = Digits::default();
    match bytes.get(at..at + 2) {
        // One digit before the point, as numbers below ten have it.
        Some(&[digit @ b'0'..=b'9', b'.']) => {
            digits = Digits { value: u64::from(digit - b'0'), count: 1 };
            at += 1;
        }
        _ => at = digits.read(bytes, at),
    }
    let whole = digits.count;
    let mut exponent = 0;
    // Leading zeros are no digits to speak of.
    if whole == 1 && digits.value == 0 {
        digits.count = 0;
    }
    if bytes.get(at) == Some(&b'.') {
        let start = at + 1;
        at = digits.read(bytes, start);
        exponent = -i32::try_from(at - start).unwrap_or(0);
        if whole == 0 && at == start {
            return None;
        }
    } else if whole == 0 {
        return None;
    }
    if digits.count > 19 {
        return None;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let (written, end) = read_exponent(bytes, at + 1)?;
        exponent += written;
        at = end;
    }
    let magnitude = convert(digits.value, exponent)?;
    Some(Prefix { number: if negative { -magnitude } else { magnitude }, length: at })
}

/// Reads a number that is all of the bytes, as Python's `float` would.
pub(crate) fn parse(bytes: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.parse().ok()
}

/// Decimal digits as an integer; right for at most 19 of them.
#[derive(Clone, Copy, Debug, Default)]
struct Digits {
    value: u64,
    count: usize,
}

impl Digits {
    /// Reads digits from `at` on; returns where they end.
    #[inline]
    fn read(&mut self, bytes: &[u8], mut at: usize) -> usize {
        while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
            let word = u64::from_le_bytes(*eight);
            let others = not_digits(word);
            if others == 0 {
                self.value = self.value.wrapping_mul(100_000_000).wrapping_add(eight_digits(word));
                self.count += 8;
                at += 8;
                continue;
            }
            let count = others.trailing_zeros() / 8;
            if count > 0 {
                // The digits are moved up; what is moved in counts as zeros.
                let digits = eight_digits(word << (64 - 8 * count));
                let power = TENS[usize::try_from(count).unwrap_or(0)];
                self.value = self.value.wrapping_mul(power).wrapping_add(digits);
            }
            let count = usize::try_from(count).unwrap_or(0);
            self.count += count;
            return at + count;
        }
        while let Some(byte) = bytes.get(at).filter(|byte| byte.is_ascii_digit()) {
            self.value = self.value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            self.count += 1;
            at += 1;
        }
        at
    }
}

const TENS: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// The high bit of every byte that is no digit, right up to the first such byte.
#[inline]
const fn not_digits(word: u64) -> u64 {
    let above = word.wrapping_add(0x4646_4646_4646_4646);
    let below = word.wrapping_sub(0x3030_3030_3030_3030);
    (above | below) & 0x8080_8080_8080_8080
}

/// Eight digits, the first in the lowest byte, as a number; a zero byte counts
/// as zero.
#[inline]
const fn eight_digits(word: u64) -> u64 {
    let digits = word & 0x0f0f_0f0f_0f0f_0f0f;
    let pairs = (digits.wrapping_mul(2561) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(6_553_601) >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(42_949_672_960_001) >> 32
}

/// An exponent from `at` on, of at most four digits, and where it ends.
fn read_exponent(bytes: &[u8], at: usize) -> Option<(i32, usize)> {
    let (negative, start) = match bytes.get(at)? {
        b'-' => (true, at + 1),
        b'+' => (false, at + 1),
        _ => (false, at),
    };
    let mut end = start;
    let mut value = 0;
    while let Some(byte) = bytes.get(end).filter(|byte| byte.is_ascii_digit()) {
        value = value * 10 + i32::from(byte - b'0');
        end += 1;
        if end - start > 4 {
            return None;
        }
    }
    (end > start).then_some((if negative { -value } else { value }, end))
}

/// `digits * 10^exponent`, rounded to nearest, ties to even; `None` if it takes
/// more to tell.
#[inline]
fn convert(digits: u64, exponent: i32) -> Option<f64> {
    if digits == 0 {
        return Some(0.0);
    }
    let index = usize::try_from(exponent - powers_of_five::EXPONENT_MIN).ok()?;
    let (power_high, power_low) = *POWERS.get(index)?;
    let shift = digits.leading_zeros();
    let digits = digits << shift;
    let product = u128::from(digits) * u128::from(power_high);
    let (mut low, mut high) = halves(product);
    // The nine bits below those that will be kept are all ones: what the power
    // leaves out could carry into them.
    if high & 0x1ff == 0x1ff {
        let (_, more) = halves(u128::from(digits) * u128::from(power_low));
        let carried;
        (low, carried) = low.overflowing_add(more);
        high += u64::from(carried);
    }
    if low == u64::MAX && !(-27..=55).contains(&exponent) {
        return None;
    }
    let upper = u32::from(high >> 63 == 1);
    let mut mantissa = high >> (upper + 9);
    // floor(log2(10^exponent)), right for all exponents of the table.
    let binary = ((217_706 * exponent) >> 16) + 63;
    let biased = binary + 1023 + i32::try_from(upper).ok()? - i32::try_from(shift).ok()?;
    if biased <= 0 {
        return None;
    }
    // A tie is possible only where the power of ten is exact, or divides.
    if low <= 1
        && (-4..=23).contains(&exponent)
        && mantissa & 3 == 1
        && mantissa << (upper + 9) == high
    {
        mantissa &= !1;
    }
    mantissa = (mantissa + (mantissa & 1)) >> 1;
    // A carry into the next power of two runs into the exponent, as it should.
    let bits = (u64::try_from(biased - 1).ok()? << 52) + mantissa;
    (bits < f64::INFINITY.to_bits()).then(|| f64::from_bits(bits))
}

/// The most digits behind the point that [`nearest`] knows.
const PLACES_MAX: usize = 20;

/// `digits / 10^places`, rounded to nearest, ties to even; `None` for too many places.
///
/// The same as [`convert`] without what only other exponents need.
#[inline]
pub(crate) fn nearest(digits: u64, places: usize) -> Option<f64> {
    let &(power, exponent) = SCALES.get(places)?;
    if digits == 0 {
        return Some(0.0);
    }
    let shift = u64::from(digits.leading_zeros());
    let (low, high) = halves(u128::from(digits << shift) * u128::from(power));
    // What the power leaves out could carry, or it may be a tie.
    if high & 0x1ff == 0x1ff || low <= 1 {
        return convert(digits, -i32::try_from(places).ok()?);
    }
    let upper = high >> 63;
    let mantissa = high >> (upper + 9);
    let mantissa = (mantissa + (mantissa & 1)) >> 1;
    Some(f64::from_bits(((exponent + upper - shift) << 52) + mantissa))
}

/// For each number of places, the upper half of the power of five, and the exponent of a
/// number whose digits fill 64 bits.
static SCALES: [(u64, u64); PLACES_MAX + 1] = {
    let mut scales = [(0, 0); PLACES_MAX + 1];
    let (mut places, mut exponent) = (0, 0);
    while places <= PLACES_MAX {
        let (power, _) = POWERS[(exponent - powers_of_five::EXPONENT_MIN) as usize];
        // One less, for the hidden bit of the mantissa.
        let biased = ((217_706 * exponent) >> 16) + 63 + 1023 - 1;
        scales[places] = (power, biased as u64);
        (places, exponent) = (places + 1, exponent - 1);
    }
    scales
};

/// The lower and the higher 64 bits.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "truncation is what is asked for")]
const fn halves(wide: u128) -> (u64, u64) {
    (wide as u64, (wide >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str) {
        let expected: f64 = text.parse().unwrap();
        if let Some(prefix) = parse_prefix(format!("{text},1,2,3,4,5,").as_bytes()) {
            assert_eq!(prefix.number.to_bits(), expected.to_bits(), "{text}");
            assert_eq!(prefix.length, text.len(), "{text}");
        }
    }

    /// That the usual number takes the fast way at all.
    #[test]
    fn usual_numbers_are_usual() {
        for text in [
            "0",
            "-0",
            "1",
            "-17.25",
            "0.1",
            "0.12345678901234567",
            "123456789012345678",
            "1e10",
            "1.5E-7",
            "+3",
            ".5",
            "5.",
            "2.2250738585072014e-308",
            "1.7976931348623157e308",
        ] {
            assert!(parse_prefix(format!("{text},").as_bytes()).is_some(), "{text}");
            check(text);
        }
    }

    #[test]
    fn what_is_unusual_is_left() {
        for text in [
            "",
            ",",
            "-",
            ".",
            "e5",
            "1e",
            "1e+",
            "-.",
            "nan",
            "inf",
            "12345678901234567890.5",
            "1e99999",
            "1e400",
            "1e-400",
            "x",
            "--1",
        ] {
            assert_eq!(parse_prefix(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn ties_and_their_neighbours() {
        for text in [
            "9007199254740993",
            "9007199254740992",
            "9007199254740995",
            "9007199254740991",
            "4503599627370496.5",
            "4503599627370497.5",
            "4503599627370497.4999",
            "1e22",
            "1e23",
            "8.5e22",
            "6.5e-5",
            "1.00000000000000011102",
            "1.00000000000000011103",
            "4.9406564584124654e-324",
            "2.4703282292062327e-324",
            "2.2250738585072011e-308",
            "1.7976931348623158e308",
            "1.7976931348623159e308",
            "9223372036854775808.0",
        ] {
            check(text);
        }
    }

    proptest! {
        #[test]
        fn every_shortest_form_is_read_back(bits: u64) {
            let x = f64::from_bits(bits);
            prop_assume!(x.is_finite());
            for text in [format!("{x:e}"), format!("{x:?}"), format!("{x:.17e}"), format!("{x:.3}")] {
                check(&text);
            }
        }

        #[test]
        fn any_digits_and_exponent(digits: u64, places in 0usize..20, exponent in -345i32..310) {
            let mut text = digits.to_string();
            if places < text.len() {
                text.insert(places, '.');
            }
            check(&text);
            check(&format!("{text}e{exponent}"));
        }

        #[test]
        fn the_nearest_is_what_the_standard_library_reads(digits: u64, shift in 0..64, places in 0_usize..21) {
            for digits in [digits >> shift, (1 << 53) + (digits & 3), ((digits >> 12) << 1) + 1] {
                let expected: f64 = format!("{digits}e-{places}").parse().unwrap();
                assert_eq!(nearest(digits, places).unwrap().to_bits(), expected.to_bits(), "{digits}e-{places}");
            }
        }

        #[test]
        fn digits_of_usual_size(whole in 0u32..1000, fraction in 0u64..1_000_000_000_000_000_000, zeros in 0usize..4) {
            check(&format!("{whole}.{}{fraction}", "0".repeat(zeros)));
            check(&format!("-{whole}.{fraction}"));
        }
    }
}
