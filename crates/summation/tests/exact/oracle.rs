//! What the answers should be, by big rational arithmetic.

use num_bigint::{BigInt, Sign};
use protocol::request::Statistic;

/// Finite numbers as integers times 2^-1074.
fn integer(x: f64) -> BigInt {
    let bits = x.to_bits();
    let exponent = bits >> 52 & 0x7ff;
    let fraction = bits & ((1 << 52) - 1);
    let magnitude = if exponent == 0 {
        BigInt::from(fraction)
    } else {
        BigInt::from(fraction | 1 << 52) << (exponent - 1)
    };
    if x.is_sign_negative() { -magnitude } else { magnitude }
}

/// `numerator / denominator * 2^-unit`, rounded once to nearest, ties to even.
fn round(numerator: &BigInt, denominator: &BigInt, unit: u64) -> f64 {
    let (sign, magnitude) = numerator.clone().into_parts();
    if sign == Sign::NoSign {
        return 0.0;
    }
    let magnitude = BigInt::from(magnitude);
    let denominator = denominator << unit;
    // The result is `mantissa * 2^exponent`, with 53 bits unless it is subnormal.
    let mut exponent = magnitude.bits().cast_signed() - denominator.bits().cast_signed() - 53;
    let mantissa = loop {
        exponent = exponent.max(-1074);
        let (left, right) = if exponent >= 0 {
            (magnitude.clone(), &denominator << exponent)
        } else {
            (&magnitude << -exponent, denominator.clone())
        };
        let quotient: BigInt = &left / &right;
        let twice: BigInt = (&left - &quotient * &right) * 2;
        let odd = quotient.bit(0);
        let mantissa =
            if twice > right || (twice == right && odd) { quotient + 1 } else { quotient };
        if mantissa <= BigInt::from(1u64 << 53) {
            break mantissa;
        }
        exponent += 1;
    };
    let mantissa = u64::try_from(mantissa).unwrap_or(u64::MAX);
    // Two steps, so that neither power overflows or loses bits.
    let exponent = i32::try_from(exponent).unwrap_or(i32::MAX);
    let half = exponent / 2;
    let rounded = mantissa as f64 * 2f64.powi(half) * 2f64.powi(exponent - half);
    if sign == Sign::Minus { -rounded } else { rounded }
}

/// What IEEE 754 gives where a number is not finite.
fn special(numbers: &[f64]) -> Option<f64> {
    let special: Vec<f64> = numbers.iter().copied().filter(|x| !x.is_finite()).collect();
    (!special.is_empty()).then(|| special.iter().sum())
}

/// The sum divided by `objects`, rounded once.
pub(crate) fn quotient(numbers: &[f64], objects: u64) -> f64 {
    if let Some(special) = special(numbers) {
        return special;
    }
    let sum: BigInt = numbers.iter().copied().map(integer).sum();
    if sum.sign() == Sign::NoSign {
        let all_minus = numbers.iter().all(|x| *x == 0.0 && x.is_sign_negative());
        return if all_minus { -0.0 } else { 0.0 };
    }
    round(&sum, &BigInt::from(objects), 1074)
}

/// The mean, rounded once.
pub(crate) fn mean(numbers: &[f64]) -> f64 {
    quotient(numbers, numbers.len() as u64)
}

/// A statistic of one column, rounded once.
pub(crate) fn statistic(statistic: Statistic, numbers: &[f64]) -> f64 {
    match statistic {
        Statistic::Sum => quotient(numbers, 1),
        Statistic::Min => least(numbers),
        Statistic::Max => greatest(numbers),
        Statistic::Variance => variance(numbers),
        Statistic::Std => deviation(numbers),
        Statistic::Count => numbers.len() as f64,
    }
}

/// The population variance as numerator and denominator, in units of 2^-2148.
fn spread(numbers: &[f64]) -> (BigInt, BigInt) {
    let count = BigInt::from(numbers.len());
    let integers: Vec<BigInt> = numbers.iter().copied().map(integer).collect();
    let sum: BigInt = integers.iter().sum();
    let squares: BigInt = integers.iter().map(|x| x * x).sum();
    (&count * squares - &sum * &sum, &count * &count)
}

/// The population variance, rounded once.
pub(crate) fn variance(numbers: &[f64]) -> f64 {
    if special(numbers).is_some() {
        return f64::NAN;
    }
    let (numerator, denominator) = spread(numbers);
    round(&numerator, &denominator, 2148)
}

/// The population standard deviation, rounded once.
fn deviation(numbers: &[f64]) -> f64 {
    if special(numbers).is_some() {
        return f64::NAN;
    }
    let (numerator, _) = spread(numbers);
    // The root to 200 bits more than it has; a last bit that says whether
    // something was cut off decides what would be a tie.
    let wide: BigInt = numerator << 4400;
    let root = wide.sqrt();
    let sticky = u8::from(&root * &root != wide);
    round(&(root * 2 + sticky), &BigInt::from(2 * numbers.len()), 1074 + 2200)
}

/// The least number, -0 before +0; NaN if there is one.
fn least(numbers: &[f64]) -> f64 {
    if numbers.iter().any(|x| x.is_nan()) {
        return f64::NAN;
    }
    numbers.iter().copied().min_by(f64::total_cmp).unwrap_or(f64::NAN)
}

/// The greatest number likewise.
fn greatest(numbers: &[f64]) -> f64 {
    -least(&numbers.iter().map(|x| -x).collect::<Vec<_>>())
}

/// The same bits; any NaN is as good as another to IEEE 754, but ours has
/// always the same bits too.
pub(crate) fn assert_same(found: f64, expected: f64, numbers: &[f64]) {
    let expected = if expected.is_nan() { f64::NAN } else { expected };
    assert_eq!(
        found.to_bits(),
        expected.to_bits(),
        "found {found:e}, expected {expected:e}, of {numbers:?}"
    );
}

#[test]
fn the_oracle_knows_simple_answers() {
    assert_eq!(mean(&[1.0, 2.0]), 1.5);
    assert_eq!(mean(&[1e308, 1.0, -1e308]), 1.0 / 3.0);
    assert_eq!(mean(&[5e-324, 0.0]), 0.0);
    assert_eq!(mean(&[5e-324, 1e-323]), 1e-323);
    assert_eq!(quotient(&[f64::MAX, f64::MAX], 1), f64::INFINITY);
    assert_eq!(mean(&[f64::MAX, f64::MAX]), f64::MAX);
    assert_eq!(variance(&[1.0, 2.0, 3.0, 4.0]), 1.25);
    assert_eq!(deviation(&[1.0, 3.0]), 1.0);
    assert_eq!(deviation(&[0.0, 1.0, 2.0]), (2.0f64 / 3.0).sqrt());
}
