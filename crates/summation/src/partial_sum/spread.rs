//! Variance and standard deviation of each column, rounded once.
//!
//! With S the exact sum, Q the exact sum of squares and F the number of
//! objects, or of the values that the column has, the variance is
//! `(F * Q - S * S) / (F * (F - ddof))`, where `ddof` is 0 for the population and 1
//! for a sample.

mod quick;

use std::cmp::Ordering;

use crate::exact::{ExactSquares, ExactSum, Magnitude};

use super::squares::{CanonicalSquares, Squares};
use super::sums::CanonicalSums;
use super::{PartialSum, pieces};

/// The delta degrees of freedom, as NumPy calls them: how much less than F the sum of the
/// squared deviations is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ddof(u64);

impl Ddof {
    /// Of a population.
    pub(super) const ZERO: Ddof = Ddof(0);
    /// Of a sample.
    pub(super) const ONE: Ddof = Ddof(1);

    /// The two factors of the divisor of `F * Q - S * S`; `None` if that is not above zero.
    const fn divisor(self, objects: u64) -> Option<[u64; 2]> {
        if objects > self.0 { Some([objects, objects - self.0]) } else { None }
    }
}

impl PartialSum {
    /// The variance of every column, of whose numbers these are the squares; NaN where there
    /// are no more numbers than `ddof`.
    pub(super) fn variance(&self, squares: &Squares, ddof: Ddof) -> Vec<f64> {
        self.spread(squares, ddof, quick::variance, variance)
    }

    /// The standard deviation likewise.
    pub(super) fn deviation(&self, squares: &Squares, ddof: Ddof) -> Vec<f64> {
        self.spread(squares, ddof, quick::deviation, deviation)
    }

    fn spread(
        &self,
        squares: &Squares,
        ddof: Ddof,
        round_fast: fn([f64; 2], [f64; 3], [u64; 2]) -> Option<f64>,
        round: fn(&Magnitude, [u64; 2]) -> f64,
    ) -> Vec<f64> {
        let mut result = Vec::with_capacity(self.columns());
        let mut sums = Box::new(CanonicalSums::new());
        let mut canonical = Box::new(CanonicalSquares::new());
        for columns in pieces(0..self.columns()) {
            self.canonical_sums(columns.clone(), &mut sums);
            squares.canonical(columns.clone(), &mut canonical);
            let counts = self.counts(columns.clone());
            for index in 0..columns.len() {
                let objects = counts.as_ref().map_or(self.objects(), |counts| counts[index]);
                let [hi, lo, ..] = sums.parts.each_ref().map(|part| part[index]);
                let squares = canonical.parts.each_ref().map(|part| part[index]);
                let Some(divisor) = ddof.divisor(objects).filter(|_| hi.is_finite()) else {
                    result.push(f64::NAN);
                    continue;
                };
                // An exception has no parts to go by.
                let certain = if sums.exceptions.is_empty() {
                    round_fast([hi, lo], squares, divisor)
                } else {
                    None
                };
                result.push(certain.unwrap_or_else(|| {
                    let (sum, squares) = (sums.exact(index), canonical.exact(index));
                    round(&numerator(&sum, &squares, objects), divisor)
                }));
            }
        }
        result
    }
}

/// The variance as a fraction, whose denominator is the product of two; `None` if that is not
/// above zero.
pub(super) fn fraction(
    sum: &ExactSum,
    squares: &ExactSquares,
    objects: u64,
    ddof: Ddof,
) -> Option<(Magnitude, [u64; 2])> {
    Some((numerator(sum, squares, objects), ddof.divisor(objects)?))
}

/// `F * Q - S * S`, which is never below zero.
fn numerator(sum: &ExactSum, squares: &ExactSquares, objects: u64) -> Magnitude {
    let objects = Magnitude::from_integer(u128::from(objects), 0);
    let sum = sum.magnitude();
    squares.magnitude().multiply(&objects).subtract(sum.multiply(&sum))
}

fn variance(numerator: &Magnitude, [one, other]: [u64; 2]) -> f64 {
    let (once, more) = numerator.clone().widen(3).divide(one);
    let (twice, still_more) = once.divide(other);
    twice.round(more | still_more)
}

/// `sqrt(numerator / (one * other))`, rounded once: a guess, put right by exact
/// comparison of squares.
fn deviation(numerator: &Magnitude, [one, other]: [u64; 2]) -> f64 {
    if numerator.is_zero() {
        return 0.0;
    }
    // A root of 53 bits: that of the leading bits, with an even exponent.
    let exponent = numerator.exponent();
    let even = exponent - exponent.rem_euclid(2) - 106;
    let leading = numerator.scaled(-even).round(true);
    #[expect(clippy::cast_precision_loss, reason = "a guess")]
    let guess = leading.sqrt() / (one as f64 * other as f64).sqrt();
    // The guess is `root * 2^(even / 2)`. Count in quarters of its last place:
    // a half tells how to round, and the guess may be a binade too high.
    let guess_exponent = i64::from(exponent_of(guess)) + even / 2;
    let last = (guess_exponent - 54).max(-1076);
    let quarters = guess * 2f64.powi(i32::try_from(even / 2 - last).unwrap_or(0));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 2^55, or zero for what is below the range"
    )]
    let mut quarters = quarters as u64;
    let divisor = Magnitude::from_integer(u128::from(one) * u128::from(other), 0);
    let compare = |quarters: u64| {
        let root = Magnitude::from_integer(u128::from(quarters), last);
        root.multiply(&root).multiply(&divisor).compare(numerator)
    };
    while compare(quarters + 1) != Ordering::Greater {
        quarters += 1;
    }
    while compare(quarters) == Ordering::Greater {
        quarters -= 1;
    }
    let more = compare(quarters) == Ordering::Less;
    Magnitude::from_integer(u128::from(quarters), last).round(more)
}

/// The power of two of a normal number's highest bit.
fn exponent_of(x: f64) -> i32 {
    let biased = i32::try_from(x.to_bits() >> 52 & 0x7ff).unwrap_or(0);
    biased - 1023
}
