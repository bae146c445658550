//! The inner loops: adding to sums of two or three components, error-free.
//!
//! A sum of two components is `hi + lo`. Adding `x` by two error-free
//! transformations ([`two_sum`]) leaves a second error; as long as that is
//! zero, `hi + lo` is the exact sum. Whatever overflows, or is not finite to
//! begin with, makes the second error NaN, so that one comparison a number sees
//! everything that needs a closer look. Sums of squares work the same with
//! three components, and sums of numbers that range widely with four.
//!
//! The loops go through groups of [`GROUP`] columns and stop, with the group
//! untouched, where a number needs a closer look; the caller takes it from
//! there. They are written for the compiler to vectorise, and compiled once for
//! each [`Variant`]: the baseline, AVX2 with FMA, and AVX-512. All give the same
//! bits, for every operation in them is exactly defined by IEEE 754; the tests
//! compare all that the processor has.

mod variant;

#[cfg(test)]
mod tests;

use crate::exact::two_sum;

use super::total_order;
use variant::{InstructionSet, Variant, for_each_variant};

/// How many columns are looked at together; whole vectors of any width.
pub(crate) const GROUP: usize = 16;

/// The least square that [`f64::mul_add`] splits without loss: its error, 106
/// bits below, must not fall below 2^-1074.
pub(crate) const SPLITTABLE_MIN: f64 = f64::from_bits((1023 - 960) << 52);

/// Below this a quotient's error may be too small for an `f64`: [`divide`] stops
/// well before.
pub(crate) const QUOTIENT_MIN: f64 = f64::from_bits((1023 - 900) << 52);

for_each_variant! {
    /// Adds `x` to `hi + lo`, all of one length, column by column. Returns how
    /// many columns, whole groups, were done before one that needs a closer look.
    add, add_with = add_body(hi: &mut [f64], lo: &mut [f64], x: &[f64]) -> usize
}

for_each_variant! {
    /// Adds `x_hi + x_lo` to `hi + lo` likewise.
    add_pairs, add_pairs_with = add_pairs_body(hi: &mut [f64], lo: &mut [f64], x_hi: &[f64], x_lo: &[f64]) -> usize
}

for_each_variant! {
    /// Adds `x` to a sum of four components likewise.
    add_to_four, add_to_four_with = add_to_four_body(sums: [&mut [f64]; 4], x: &[f64]) -> usize
}

for_each_variant! {
    /// Adds the squares of `x` to `a + b + c` likewise.
    add_squares, add_squares_with = add_squares_body(sums: [&mut [f64]; 3], x: &[f64]) -> usize
}

for_each_variant! {
    /// Adds the products of `x` and `weight`, which is positive, to `hi + lo` likewise.
    add_products, add_products_with = add_products_body(hi: &mut [f64], lo: &mut [f64], x: &[f64], weight: f64) -> usize
}

for_each_variant! {
    /// Adds the products of `x` and `weight` to a sum of four components likewise.
    add_products_to_four, add_products_to_four_with = add_products_to_four_body(sums: [&mut [f64]; 4], x: &[f64], weight: f64) -> usize
}

for_each_variant! {
    /// Adds `x[0] + x[1] + x[2]` to `a + b + c` likewise.
    add_triples, add_triples_with = add_triples_body(sums: [&mut [f64]; 3], x: [&[f64]; 3]) -> usize
}

for_each_variant! {
    /// Rewrites `hi + lo` so that `hi` is the sum rounded to nearest and `lo`
    /// the rest; zero keeps the sign that `hi` has if `lo` is zero. Stops
    /// where that overflows.
    normalize, normalize_with = normalize_body(hi: &mut [f64], lo: &mut [f64]) -> usize
}

for_each_variant! {
    /// Divides canonical sums, of which the first three parts are given, by a
    /// positive count, rounded once. Stops where a result is so near the middle
    /// of two numbers, or so small or large, that it takes more to tell.
    divide, divide_with = divide_body(means: &mut [f64], sums: [&[f64]; 3], count: f64) -> usize
}

for_each_variant! {
    /// Divides canonical sums, of which the first three parts are given, by a positive
    /// number of three parts likewise; the last of these bounds what the others lack.
    divide_by_parts, divide_by_parts_with = divide_by_parts_body(means: &mut [f64], sums: [&[f64]; 3], divisor: [f64; 3]) -> usize
}

for_each_variant! {
    /// Keeps of each key and its number's key ([`total_order::key`]) the lesser; NaN
    /// counts as the least key there is.
    keep_least, keep_least_with = keep_least_body(keys: &mut [i64], x: &[f64]) -> ()
}

for_each_variant! {
    /// Keeps of each key and its number's key the greater; NaN counts as the
    /// greatest key there is.
    keep_greatest, keep_greatest_with = keep_greatest_body(keys: &mut [i64], x: &[f64]) -> ()
}

#[inline(always)]
fn keep_least_body(keys: &mut [i64], x: &[f64]) {
    for (key, &x) in keys.iter_mut().zip(x) {
        *key = (*key).min(if x.is_nan() { i64::MIN } else { total_order::key(x) });
    }
}

#[inline(always)]
fn keep_greatest_body(keys: &mut [i64], x: &[f64]) {
    for (key, &x) in keys.iter_mut().zip(x) {
        *key = (*key).max(if x.is_nan() { i64::MAX } else { total_order::key(x) });
    }
}

#[inline(always)]
fn add_body(hi: &mut [f64], lo: &mut [f64], x: &[f64]) -> usize {
    let (hi, _) = hi.as_chunks_mut::<GROUP>();
    let (lo, _) = lo.as_chunks_mut::<GROUP>();
    let (x, _) = x.as_chunks::<GROUP>();
    let mut done = 0;
    for ((hi, lo), x) in hi.iter_mut().zip(lo).zip(x) {
        let (mut sum, mut rest) = ([0.0; GROUP], [0.0; GROUP]);
        let mut fits = true;
        for k in 0..GROUP {
            let (s, e) = two_sum(hi[k], x[k]);
            let (l, e) = two_sum(lo[k], e);
            (sum[k], rest[k]) = (s, l);
            fits &= e == 0.0;
        }
        if !fits {
            break;
        }
        (*hi, *lo) = (sum, rest);
        done += GROUP;
    }
    done
}

#[inline(always)]
fn add_pairs_body(hi: &mut [f64], lo: &mut [f64], x_hi: &[f64], x_lo: &[f64]) -> usize {
    let (hi, _) = hi.as_chunks_mut::<GROUP>();
    let (lo, _) = lo.as_chunks_mut::<GROUP>();
    let (x_hi, _) = x_hi.as_chunks::<GROUP>();
    let (x_lo, _) = x_lo.as_chunks::<GROUP>();
    let mut done = 0;
    for (((hi, lo), x_hi), x_lo) in hi.iter_mut().zip(lo).zip(x_hi).zip(x_lo) {
        let (mut sum, mut rest) = ([0.0; GROUP], [0.0; GROUP]);
        let mut fits = true;
        for k in 0..GROUP {
            let (s, e) = two_sum(hi[k], x_hi[k]);
            let (l, e1) = two_sum(lo[k], e);
            let (l, e2) = two_sum(l, x_lo[k]);
            (sum[k], rest[k]) = (s, l);
            fits &= (e1 == 0.0) & (e2 == 0.0);
        }
        if !fits {
            break;
        }
        (*hi, *lo) = (sum, rest);
        done += GROUP;
    }
    done
}

#[inline(always)]
fn add_to_four_body(sums: [&mut [f64]; 4], x: &[f64]) -> usize {
    let [a, b, c, d] = sums;
    let (a, _) = a.as_chunks_mut::<GROUP>();
    let (b, _) = b.as_chunks_mut::<GROUP>();
    let (c, _) = c.as_chunks_mut::<GROUP>();
    let (d, _) = d.as_chunks_mut::<GROUP>();
    let (x, _) = x.as_chunks::<GROUP>();
    let mut done = 0;
    for ((((a, b), c), d), x) in a.iter_mut().zip(b).zip(c).zip(d).zip(x) {
        let mut sum = [[0.0; GROUP]; 4];
        let mut fits = true;
        for k in 0..GROUP {
            let (first, e) = two_sum(a[k], x[k]);
            let (second, e) = two_sum(b[k], e);
            let (third, e) = two_sum(c[k], e);
            let (fourth, e) = two_sum(d[k], e);
            (sum[0][k], sum[1][k], sum[2][k], sum[3][k]) = (first, second, third, fourth);
            fits &= e == 0.0;
        }
        if !fits {
            break;
        }
        [*a, *b, *c, *d] = sum;
        done += GROUP;
    }
    done
}

#[inline(always)]
fn add_squares_body(sums: [&mut [f64]; 3], x: &[f64]) -> usize {
    let [a, b, c] = sums;
    let (a, _) = a.as_chunks_mut::<GROUP>();
    let (b, _) = b.as_chunks_mut::<GROUP>();
    let (c, _) = c.as_chunks_mut::<GROUP>();
    let (x, _) = x.as_chunks::<GROUP>();
    let mut done = 0;
    for (((a, b), c), x) in a.iter_mut().zip(b).zip(c).zip(x) {
        let mut sum = [[0.0; GROUP]; 3];
        let mut fits = true;
        for k in 0..GROUP {
            let square = x[k] * x[k];
            let error = x[k].mul_add(x[k], -square);
            let (s, e) = two_sum(a[k], square);
            let (m, e1) = two_sum(b[k], e);
            let (m, e2) = two_sum(m, error);
            let (l, e1) = two_sum(c[k], e1);
            let (l, e2) = two_sum(l, e2);
            (sum[0][k], sum[1][k], sum[2][k]) = (s, m, l);
            fits &= (e1 == 0.0) & (e2 == 0.0) & ((square >= SPLITTABLE_MIN) | (x[k] == 0.0));
        }
        if !fits {
            break;
        }
        [*a, *b, *c] = sum;
        done += GROUP;
    }
    done
}

/// A product and its error, exactly, and whether they are that: neither overflows, nor is
/// the error too small for an `f64`.
#[inline(always)]
pub(crate) fn two_product(x: f64, weight: f64) -> (f64, f64, bool) {
    let product = x * weight;
    let error = x.mul_add(weight, -product);
    let is_exact = (product.abs() >= SPLITTABLE_MIN) | (x == 0.0);
    (product, error, is_exact & product.is_finite())
}

#[inline(always)]
fn add_products_body(hi: &mut [f64], lo: &mut [f64], x: &[f64], weight: f64) -> usize {
    let (hi, _) = hi.as_chunks_mut::<GROUP>();
    let (lo, _) = lo.as_chunks_mut::<GROUP>();
    let (x, _) = x.as_chunks::<GROUP>();
    let mut done = 0;
    for ((hi, lo), x) in hi.iter_mut().zip(lo).zip(x) {
        let (mut sum, mut rest) = ([0.0; GROUP], [0.0; GROUP]);
        let mut fits = true;
        for k in 0..GROUP {
            let (product, error, is_exact) = two_product(x[k], weight);
            let (s, e) = two_sum(hi[k], product);
            let (l, e1) = two_sum(lo[k], e);
            let (l, e2) = two_sum(l, error);
            (sum[k], rest[k]) = (s, l);
            fits &= (e1 == 0.0) & (e2 == 0.0) & is_exact;
        }
        if !fits {
            break;
        }
        (*hi, *lo) = (sum, rest);
        done += GROUP;
    }
    done
}

#[inline(always)]
fn add_products_to_four_body(sums: [&mut [f64]; 4], x: &[f64], weight: f64) -> usize {
    let [a, b, c, d] = sums;
    let (a, _) = a.as_chunks_mut::<GROUP>();
    let (b, _) = b.as_chunks_mut::<GROUP>();
    let (c, _) = c.as_chunks_mut::<GROUP>();
    let (d, _) = d.as_chunks_mut::<GROUP>();
    let (x, _) = x.as_chunks::<GROUP>();
    let mut done = 0;
    for ((((a, b), c), d), x) in a.iter_mut().zip(b).zip(c).zip(d).zip(x) {
        let mut sum = [[0.0; GROUP]; 4];
        let mut fits = true;
        for k in 0..GROUP {
            let (product, error, is_exact) = two_product(x[k], weight);
            let (first, e) = two_sum(a[k], product);
            let (second, e1) = two_sum(b[k], e);
            let (second, e2) = two_sum(second, error);
            let (third, e1) = two_sum(c[k], e1);
            let (third, e2) = two_sum(third, e2);
            let (fourth, e1) = two_sum(d[k], e1);
            let (fourth, e2) = two_sum(fourth, e2);
            (sum[0][k], sum[1][k], sum[2][k], sum[3][k]) = (first, second, third, fourth);
            fits &= (e1 == 0.0) & (e2 == 0.0) & is_exact;
        }
        if !fits {
            break;
        }
        [*a, *b, *c, *d] = sum;
        done += GROUP;
    }
    done
}

#[inline(always)]
fn add_triples_body(sums: [&mut [f64]; 3], x: [&[f64]; 3]) -> usize {
    let [a, b, c] = sums;
    let (a, _) = a.as_chunks_mut::<GROUP>();
    let (b, _) = b.as_chunks_mut::<GROUP>();
    let (c, _) = c.as_chunks_mut::<GROUP>();
    let [x, y, z] = x.map(|x| x.as_chunks::<GROUP>().0);
    let mut done = 0;
    for (((a, b), c), ((x, y), z)) in a.iter_mut().zip(b).zip(c).zip(x.iter().zip(y).zip(z)) {
        let mut sum = [[0.0; GROUP]; 3];
        let mut fits = true;
        for k in 0..GROUP {
            let (s, e) = two_sum(a[k], x[k]);
            let (m, e1) = two_sum(b[k], e);
            let (m, e2) = two_sum(m, y[k]);
            let (l, e1) = two_sum(c[k], e1);
            let (l, e2) = two_sum(l, e2);
            let (l, e3) = two_sum(l, z[k]);
            (sum[0][k], sum[1][k], sum[2][k]) = (s, m, l);
            fits &= (e1 == 0.0) & (e2 == 0.0) & (e3 == 0.0);
        }
        if !fits {
            break;
        }
        [*a, *b, *c] = sum;
        done += GROUP;
    }
    done
}

#[inline(always)]
fn normalize_body(hi: &mut [f64], lo: &mut [f64]) -> usize {
    let (hi, _) = hi.as_chunks_mut::<GROUP>();
    let (lo, _) = lo.as_chunks_mut::<GROUP>();
    let mut done = 0;
    for (hi, lo) in hi.iter_mut().zip(lo) {
        let (mut sum, mut rest) = ([0.0; GROUP], [0.0; GROUP]);
        let mut fits = true;
        for k in 0..GROUP {
            let (s, e) = two_sum(hi[k], lo[k]);
            sum[k] = if lo[k] == 0.0 { hi[k] } else { s };
            // Adding zero turns -0 into +0.
            rest[k] = e + 0.0;
            fits &= e.is_finite();
        }
        if !fits {
            break;
        }
        (*hi, *lo) = (sum, rest);
        done += GROUP;
    }
    done
}

#[inline(always)]
fn divide_body(means: &mut [f64], sums: [&[f64]; 3], count: f64) -> usize {
    let (means, _) = means.as_chunks_mut::<GROUP>();
    let [hi, lo, third] = sums.map(|part| part.as_chunks::<GROUP>().0);
    let mut done = 0;
    for (means, ((hi, lo), third)) in means.iter_mut().zip(hi.iter().zip(lo).zip(third)) {
        let mut fits = true;
        for k in 0..GROUP {
            let fits_one;
            (means[k], fits_one) = divide_one([hi[k], lo[k], third[k]], count);
            fits &= fits_one;
        }
        if !fits {
            break;
        }
        done += GROUP;
    }
    done
}

/// Divides one sum likewise; says whether that is the result.
#[inline(always)]
pub(crate) fn divide_one([hi, lo, third]: [f64; 3], count: f64) -> (f64, bool) {
    let quotient = hi / count;
    // The remainder of a division is an `f64`.
    let remainder = quotient.mul_add(-count, hi);
    let (remainder, left) = two_sum(remainder, lo);
    let correction = remainder / count;
    let mean = quotient + correction;
    // If the correction is exact, its sum with the quotient was rounded but
    // once, ties as they should be.
    let is_exact = (left == 0.0) & (third == 0.0) & (correction.mul_add(-count, remainder) == 0.0);
    // Four roundings, none of more than 2^-53 of the correction; and what comes
    // after `lo` is less than twice the third part.
    let error = correction.abs() * (8.0 * f64::EPSILON) + left.abs() + 2.0 * third.abs();
    let is_certain = quotient + (correction - error) == quotient + (correction + error);
    let is_in_range = (quotient.abs() >= QUOTIENT_MIN) & (quotient.abs() < f64::INFINITY);
    // A sum that is zero keeps its sign.
    let is_zero = hi == 0.0;
    let fits = is_zero | (is_in_range & (is_exact | is_certain));
    (if is_zero { hi } else { mean }, fits)
}

#[inline(always)]
fn divide_by_parts_body(means: &mut [f64], sums: [&[f64]; 3], divisor: [f64; 3]) -> usize {
    let (means, _) = means.as_chunks_mut::<GROUP>();
    let [hi, lo, third] = sums.map(|part| part.as_chunks::<GROUP>().0);
    let mut done = 0;
    for (means, ((hi, lo), third)) in means.iter_mut().zip(hi.iter().zip(lo).zip(third)) {
        let mut fits = true;
        for k in 0..GROUP {
            let fits_one;
            (means[k], fits_one) = divide_one_by_parts([hi[k], lo[k], third[k]], divisor);
            fits &= fits_one;
        }
        if !fits {
            break;
        }
        done += GROUP;
    }
    done
}

/// Divides one sum by a number of three parts likewise; says whether that is the result.
///
/// With q the quotient of the first parts, the quotient of all is q + (r - q * e) / d, where
/// r is what is left of the sum and e what the first part of the divisor lacks of the whole,
/// d. The first part stands for d: that changes the correction by a relative 2^-53.
#[inline(always)]
pub(crate) fn divide_one_by_parts(
    [hi, lo, third]: [f64; 3],
    [divisor, divisor_lo, divisor_rest]: [f64; 3],
) -> (f64, bool) {
    let quotient = hi / divisor;
    let remainder = quotient.mul_add(-divisor, hi);
    let (remainder, left) = two_sum(remainder, lo);
    let lacking = quotient * divisor_lo;
    let remainder = remainder - lacking;
    let correction = remainder / divisor;
    let mean = quotient + correction;
    // Of each rounding, twice its bound; the terms that were left out; and what this sum
    // itself may have lost.
    let roundings = (remainder.abs() + lacking.abs()) * (8.0 * f64::EPSILON);
    let left_out = left.abs() + 2.0 * third.abs() + 2.0 * (quotient * divisor_rest).abs();
    let error = 2.0 * (roundings + left_out) / divisor;
    let is_certain = quotient + (correction - error) == quotient + (correction + error);
    let is_in_range = (quotient.abs() >= QUOTIENT_MIN) & (quotient.abs() < f64::INFINITY);
    // A sum that is zero keeps its sign.
    let is_zero = hi == 0.0;
    (if is_zero { hi } else { mean }, is_zero | (is_in_range & is_certain))
}
