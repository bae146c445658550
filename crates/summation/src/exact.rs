//! Exact arithmetic for what no pair of `f64` holds: the slow path, and the
//! judge of every rounding that the fast paths are not sure of.
//!
//! [`FixedPoint`] is a number in two's complement, wide enough for any sum of
//! `f64`; [`Magnitude`] is a natural number times a power of two, which can be
//! multiplied, divided and rounded once.

mod fixed_point;
mod magnitude;

pub(crate) use fixed_point::FixedPoint;
pub(crate) use magnitude::Magnitude;

/// Holds any sum of fewer than 2^75 `f64`: from 2^-1074, the least subnormal,
/// to 2^1024, and the sign.
pub(crate) type ExactSum = FixedPoint<34, -1074>;

/// Holds any sum of fewer than 2^91 squares of `f64`.
pub(crate) type ExactSquares = FixedPoint<67, -2148>;

/// Holds any sum of fewer than 2^91 products of two `f64`.
pub(crate) type ExactProducts = FixedPoint<67, -2148>;

/// The finite number `x` as `mantissa * 2^exponent`, its sign apart.
pub(crate) const fn decompose(x: f64) -> (bool, u64, i32) {
    let bits = x.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    let biased = (bits >> 52) & 0x7ff;
    let (mantissa, biased) =
        if biased == 0 { (fraction, 1) } else { (fraction | (1 << 52), biased) };
    (x.is_sign_negative(), mantissa, exponent_of(biased))
}

/// The exponent of a mantissa's last bit, from the eleven bits that encode it.
#[expect(clippy::cast_possible_truncation, reason = "eleven bits fit in any integer")]
const fn exponent_of(biased: u64) -> i32 {
    biased as i32 - 1075
}

/// `a + b` as the rounded sum and its error, exactly, unless something
/// overflows, in which case the error is not finite (Knuth, The Art of
/// Computer Programming, volume 2, 4.2.2).
#[inline(always)]
pub(crate) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    let a_part = sum - b_part;
    (sum, (a - a_part) + (b - b_part))
}
