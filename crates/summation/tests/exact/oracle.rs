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
    if numerator.sign() == Sign::NoSign {
        return 0.0;
    }
    let (mantissa, exponent) = rounded(numerator, denominator, unit, 53, -1074);
    // Two steps, so that neither power overflows or loses bits.
    let exponent = i32::try_from(exponent).unwrap_or(i32::MAX);
    let half = exponent / 2;
    let rounded = mantissa as f64 * 2f64.powi(half) * 2f64.powi(exponent - half);
    if numerator.sign() == Sign::Minus { -rounded } else { rounded }
}

/// The magnitude of `numerator / denominator * 2^-unit`, which is not 0, as an integer times a
/// power of two, rounded once to nearest, ties to even: to so many bits, or to the power
/// `least`.
pub(crate) fn rounded(
    numerator: &BigInt,
    denominator: &BigInt,
    unit: u64,
    significand: u32,
    least: i64,
) -> (u64, i64) {
    let magnitude = BigInt::from(numerator.magnitude().clone());
    let denominator = denominator << unit;
    let mut exponent =
        magnitude.bits().cast_signed() - denominator.bits().cast_signed() - i64::from(significand);
    loop {
        exponent = exponent.max(least);
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
        if mantissa <= BigInt::from(1u64 << significand) {
            return (u64::try_from(mantissa).unwrap_or(u64::MAX), exponent);
        }
        exponent += 1;
    }
}

/// An exact mean or statistic.
pub(crate) enum Quantity {
    /// What IEEE 754 has no number for.
    NaN,
    /// Zero or an infinity.
    Special(f64),
    /// `numerator / denominator * 2^-unit`.
    Fraction { numerator: BigInt, denominator: BigInt, unit: u64 },
}

impl Quantity {
    /// A quantity that is a number.
    pub(crate) fn of_number(x: f64) -> Quantity {
        match x {
            _ if x.is_nan() => Quantity::NaN,
            _ if x == 0.0 || x.is_infinite() => Quantity::Special(x),
            _ => Quantity::fraction(integer(x), BigInt::from(1), 1074),
        }
    }

    fn fraction(numerator: BigInt, denominator: BigInt, unit: u64) -> Quantity {
        match numerator.sign() {
            Sign::NoSign => Quantity::Special(0.0),
            _ => Quantity::Fraction { numerator, denominator, unit },
        }
    }
}

/// The mean or a statistic of one column before it is rounded.
pub(crate) fn quantity(wanted: Option<Statistic>, numbers: &[f64]) -> Quantity {
    let count = numbers.len() as u64;
    if count == 0 && wanted != Some(Statistic::Count) {
        return Quantity::NaN;
    }
    let is_special = special(numbers).is_some();
    let sum = || -> BigInt { numbers.iter().copied().map(integer).sum() };
    match wanted {
        None if is_special || sum().sign() == Sign::NoSign => Quantity::of_number(mean(numbers)),
        None => Quantity::fraction(sum(), BigInt::from(count), 1074),
        Some(it @ Statistic::Sum) if is_special || sum().sign() == Sign::NoSign => {
            Quantity::of_number(statistic(it, numbers))
        }
        Some(Statistic::Sum) => Quantity::fraction(sum(), BigInt::from(1), 1074),
        Some(Statistic::Range) if !is_special => {
            let range = integer(greatest(numbers)) - integer(least(numbers));
            Quantity::fraction(range, BigInt::from(1), 1074)
        }
        Some(it @ (Statistic::Min | Statistic::Max | Statistic::Count | Statistic::Range)) => {
            Quantity::of_number(statistic(it, numbers))
        }
        Some(_) if is_special => Quantity::NaN,
        Some(Statistic::Variance) => spread_quantity(numbers, 0, false),
        Some(Statistic::Std) => spread_quantity(numbers, 0, true),
        Some(Statistic::Variance1) => spread_quantity(numbers, 1, false),
        Some(Statistic::Std1) => spread_quantity(numbers, 1, true),
    }
}

fn spread_quantity(numbers: &[f64], ddof: u64, is_root: bool) -> Quantity {
    if numbers.len() as u64 <= ddof {
        return Quantity::NaN;
    }
    let (numerator, denominator) = spread(numbers, ddof);
    if !is_root {
        return Quantity::fraction(numerator, denominator, 2148);
    }
    let (numerator, denominator) = root(numerator, denominator);
    Quantity::fraction(numerator, denominator, 1074 + 2200)
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

/// The weighted sum of some numbers, rounded once.
pub(crate) fn weighted_sum(numbers: &[f64], weights: &[f64]) -> f64 {
    weighted(numbers, weights, |sum| round(&sum, &BigInt::from(1), 2148))
}

/// The weighted mean of some numbers, rounded once.
pub(crate) fn weighted_mean(numbers: &[f64], weights: &[f64]) -> f64 {
    let total: BigInt = weights.iter().copied().map(integer).sum();
    weighted(numbers, weights, |sum| round(&sum, &total, 1074))
}

/// What is made of the sum of the products, in units of 2^-2148, unless IEEE 754 gives zero
/// or a number that is not finite. The weights are positive.
fn weighted(numbers: &[f64], weights: &[f64], of: impl FnOnce(BigInt) -> f64) -> f64 {
    if let Some(special) = special(numbers) {
        return special;
    }
    let products = numbers.iter().zip(weights).map(|(&x, &weight)| integer(x) * integer(weight));
    let sum: BigInt = products.sum();
    if sum.sign() == Sign::NoSign {
        return quotient(&numbers.iter().map(|x| x * 0.0).collect::<Vec<_>>(), 1);
    }
    of(sum)
}

/// A statistic of one column, rounded once.
pub(crate) fn statistic(statistic: Statistic, numbers: &[f64]) -> f64 {
    match statistic {
        Statistic::Sum => quotient(numbers, 1),
        Statistic::Min => least(numbers),
        Statistic::Max => greatest(numbers),
        Statistic::Range => range(numbers),
        Statistic::Variance => variance(numbers),
        Statistic::Std => deviation(numbers, 0),
        Statistic::Variance1 => variance_of(numbers, 1),
        Statistic::Std1 => deviation(numbers, 1),
        Statistic::Count => numbers.len() as f64,
    }
}

/// The variance as numerator and denominator, in units of 2^-2148.
fn spread(numbers: &[f64], ddof: u64) -> (BigInt, BigInt) {
    let count = BigInt::from(numbers.len());
    let integers: Vec<BigInt> = numbers.iter().copied().map(integer).collect();
    let sum: BigInt = integers.iter().sum();
    let squares: BigInt = integers.iter().map(|x| x * x).sum();
    let denominator = &count * (&count - BigInt::from(ddof));
    (count * squares - &sum * &sum, denominator)
}

/// The population variance, rounded once.
pub(crate) fn variance(numbers: &[f64]) -> f64 {
    variance_of(numbers, 0)
}

/// The variance with these delta degrees of freedom, rounded once.
fn variance_of(numbers: &[f64], ddof: u64) -> f64 {
    if special(numbers).is_some() || numbers.len() as u64 <= ddof {
        return f64::NAN;
    }
    let (numerator, denominator) = spread(numbers, ddof);
    round(&numerator, &denominator, 2148)
}

/// The standard deviation likewise.
fn deviation(numbers: &[f64], ddof: u64) -> f64 {
    if special(numbers).is_some() || numbers.len() as u64 <= ddof {
        return f64::NAN;
    }
    let (numerator, denominator) = spread(numbers, ddof);
    let (numerator, denominator) = root(numerator, denominator);
    round(&numerator, &denominator, 1074 + 2200)
}

/// The root of a fraction, in units of 2^-2200 of the root of its unit.
fn root(numerator: BigInt, denominator: BigInt) -> (BigInt, BigInt) {
    // sqrt(n / d) = sqrt(n * d) / d. The root to 200 bits more than it has; a last bit
    // that says whether something was cut off decides what would be a tie.
    let wide: BigInt = (numerator * &denominator) << 4400;
    let root = wide.sqrt();
    let sticky = u8::from(&root * &root != wide);
    (root * 2 + sticky, denominator * 2)
}

/// The greatest number minus the least, rounded once.
fn range(numbers: &[f64]) -> f64 {
    let (least, greatest) = (least(numbers), greatest(numbers));
    match least.is_finite() && greatest.is_finite() {
        true => quotient(&[greatest, -least], 1),
        // Of IEEE 754: NaN, or an infinity unless both are the same.
        false if least.is_nan() || least == greatest => f64::NAN,
        false => f64::INFINITY,
    }
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
    assert_eq!(weighted_mean(&[1.0, 2.0], &[1.0, 3.0]), 1.75);
    assert_eq!(weighted_mean(&[1.0, 5.0], &[f64::MAX, f64::MAX]), 3.0);
    assert_eq!(weighted_mean(&[f64::MAX, 1.0], &[5e-324, 5e-324]), f64::MAX / 2.0);
    assert_eq!(weighted_sum(&[1e-300, 2.0], &[1e-300, 0.25]), 0.5);
    assert_eq!(weighted_sum(&[f64::MAX, 2.0], &[2.0, 1.0]), f64::INFINITY);
    assert_eq!(variance(&[1.0, 2.0, 3.0, 4.0]), 1.25);
    assert_eq!(variance_of(&[1.0, 2.0, 3.0], 1), 1.0);
    assert_eq!(deviation(&[1.0, 3.0], 0), 1.0);
    assert_eq!(deviation(&[0.0, 1.0, 2.0], 0), (2.0f64 / 3.0).sqrt());
    assert_eq!(deviation(&[0.0, 2.0], 1), 2.0f64.sqrt());
    assert!(deviation(&[1.0], 1).is_nan());
    assert_eq!(range(&[-0.5, 2.0, 1.0]), 2.5);
}
