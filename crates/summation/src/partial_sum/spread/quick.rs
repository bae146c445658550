//! Variance and standard deviation in twice the precision of `f64`, with a bound
//! of the error: right unless the result is near the middle of two numbers, or
//! the mean so large beside the deviation that too much cancels.

use crate::exact::two_sum;

/// A bound of all roundings here, in parts of `F * Q`, the greatest number in
/// the sums; generous, for each is of at most 2^-104.
const ERROR: f64 = f64::from_bits((1023 - 96) << 52);

/// Where no product overflows, and none loses bits below the least number that
/// matter beside [`ERROR`].
const RANGE: std::ops::Range<f64> =
    f64::from_bits((1023 - 700) << 52)..f64::from_bits((1023 + 900) << 52);

/// An unevaluated sum of two, the second at most half a last place of the first,
/// and a bound of its error.
#[derive(Clone, Copy)]
struct Bounded {
    hi: f64,
    lo: f64,
    error: f64,
}

impl Bounded {
    /// The number rounded, if the error leaves no doubt.
    fn round(self) -> Option<f64> {
        let Bounded { hi, lo, error } = self;
        (hi + (lo - error) == hi + (lo + error)).then_some(hi + lo)
    }
}

/// The variance, if it is certain. The first factor of the divisor is F.
pub(super) fn variance(sum: [f64; 2], squares: [f64; 3], divisor: [u64; 2]) -> Option<f64> {
    quotient(sum, squares, divisor)?.round()
}

/// The standard deviation, if it is certain.
pub(super) fn deviation(sum: [f64; 2], squares: [f64; 3], divisor: [u64; 2]) -> Option<f64> {
    let Bounded { hi, lo, error } = quotient(sum, squares, divisor)?;
    // A step of Newton's method from the rounded root.
    let root = hi.sqrt();
    let rest = root.mul_add(-root, hi) + lo;
    let (root, rest) = two_sum(root, rest / (2.0 * root));
    let root = Bounded {
        hi: root,
        lo: rest,
        // The derivative, and the step's own error.
        error: error / root + root * ERROR,
    };
    root.round()
}

/// The variance before it is rounded.
fn quotient(sum: [f64; 2], squares: [f64; 3], [objects, other]: [u64; 2]) -> Option<Bounded> {
    if squares[0] == 0.0 {
        return None;
    }
    let numerator = numerator(sum, squares, objects)?;
    Some(divide(divide(numerator, objects), other))
}

/// `F * Q - S * S`; `None` if nothing certain is left of it.
#[expect(clippy::cast_precision_loss, reason = "it is looked at first")]
fn numerator([s, s_lo]: [f64; 2], [a, b, c]: [f64; 3], objects: u64) -> Option<Bounded> {
    if objects > 1 << 53 {
        return None;
    }
    let count = objects as f64;
    let (first, first_low) = product(count, a);
    if !RANGE.contains(&first) {
        return None;
    }
    let (second, second_low) = product(count, b);
    let (square, square_low) = product(s, s);
    let (cross, cross_low) = product(2.0 * s, s_lo);
    // From the greatest down; what cancels cancels exactly.
    let (hi, low) = two_sum(first, -square);
    let mut lo = Sum { hi: low, lo: 0.0 };
    for term in [first_low, -square_low, second, -cross] {
        lo.add(term);
    }
    let smallest = second_low - cross_low + count * c - s_lo * s_lo;
    let (hi, rest) = two_sum(hi, lo.hi);
    let (hi, lo) = two_sum(hi, rest + (lo.lo + smallest));
    let error = first * ERROR;
    (hi > error * 16.0).then_some(Bounded { hi, lo, error })
}

/// A sum that keeps the errors of its additions.
struct Sum {
    hi: f64,
    lo: f64,
}

impl Sum {
    fn add(&mut self, term: f64) {
        let (hi, error) = two_sum(self.hi, term);
        self.hi = hi;
        self.lo += error;
    }
}

/// A product and what rounding left of it.
fn product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    (product, a.mul_add(b, -product))
}

#[expect(clippy::cast_precision_loss, reason = "it was looked at before")]
fn divide(number: Bounded, objects: u64) -> Bounded {
    let count = objects as f64;
    let quotient = number.hi / count;
    let remainder = quotient.mul_add(-count, number.hi) + number.lo;
    let (hi, lo) = two_sum(quotient, remainder / count);
    Bounded { hi, lo, error: number.error / count + hi * ERROR }
}
