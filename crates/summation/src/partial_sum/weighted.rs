//! Weighted sums: of each column the exact sum of the products of its numbers and the
//! weights of their objects, and the exact sum of the weights.
//!
//! A product of two `f64` has at most 106 bits, and its exponent may be twice as large or
//! as small as that of an `f64`. Where it is neither too large nor below 2^-960, a fused
//! multiply-add splits it into the rounded product and its error without loss (Ogita, Rump
//! and Oishi, "Accurate Sum and Dot Product", SIAM J. Sci. Comput. 26, 2005, algorithm
//! `TwoProductFMA`), and both are added as numbers are ([`super::sums`]). Every other product
//! is added in fixed point, which holds all products from 2^-2148 to 2^2048. So nothing is
//! rounded before the division, and the sum has the one canonical form of
//! [`super::expansion`], whichever way its products have taken.
//!
//! The products of general weights and numbers need three or four components, those of
//! numbers of samples and single precision two.
//!
//! With S the exact sum of the products and W that of the weights, the mean is S / W,
//! rounded once: by the kernels where their bound of the error leaves no doubt, else by
//! comparison of integers. Where missing values are left out, W of a column lacks the
//! weights of the objects whose value is missing; these are added up like numbers.

use std::ops::Range;

use crate::exact::{ExactProducts, ExactSum, Magnitude};

use super::expansion;
use super::kernel::{self, GROUP};
use super::payload::{Payload, part, put_exceptions, put_parts};
use super::sums::{CanonicalProducts, CanonicalSums, NumberSums, ProductSums};
use super::{BLOCK_COLUMNS, PartialSum, pieces};

/// The sums of the products, and of the weights.
#[derive(Clone, Debug)]
pub(super) struct WeightedSums {
    pub(super) sums: ProductSums,
    /// The sum of the weights of all objects that were counted.
    pub(super) total: ExactSum,
    /// For each column the sum of the weights of the objects whose value is missing, where
    /// such values are left out.
    absent: Option<NumberSums>,
}

impl WeightedSums {
    /// Sums of nothing.
    pub(super) fn new(columns: usize, skips_missing: bool) -> WeightedSums {
        WeightedSums {
            sums: ProductSums::new(columns),
            total: ExactSum::ZERO,
            absent: skips_missing.then(|| NumberSums::new(columns)),
        }
    }

    /// Begins anew with so many columns, in the same memory.
    pub(super) fn reset(&mut self, columns: usize) {
        self.sums.reset(columns);
        self.total = ExactSum::ZERO;
        if let Some(absent) = &mut self.absent {
            absent.reset(columns);
        }
    }

    /// Forgets the columns from `columns` on.
    pub(super) fn truncate(&mut self, columns: usize) {
        self.sums.truncate(columns);
        if let Some(absent) = &mut self.absent {
            absent.truncate(columns);
        }
    }

    /// Adds the products of a weight with finite numbers, each the sum of two, to the columns
    /// from `start` on, all of one block. Returns how many columns are done: all, or those
    /// before one whose `x` is not finite.
    pub(super) fn add(
        &mut self,
        start: usize,
        x: &[f64],
        x_lo: Option<&[f64]>,
        weight: f64,
    ) -> usize {
        let done = self.sums.add_products(start, x, weight);
        for (index, &low) in x_lo.into_iter().flatten().take(done).enumerate() {
            if low != 0.0 {
                self.sums.add_product(start + index, low, weight);
            }
        }
        done
    }

    /// Adds the weight of an object to the columns, of one block, whose value is missing.
    pub(super) fn add_absent(&mut self, start: usize, values: &[f64], weight: f64) {
        let Some(absent) = &mut self.absent else {
            return;
        };
        let mut weights = [0.0; BLOCK_COLUMNS];
        let weights = &mut weights[..values.len()];
        for (to, value) in weights.iter_mut().zip(values) {
            // -0 changes no sum.
            *to = if value.is_nan() { weight } else { -0.0 };
        }
        absent.add(start, weights);
    }

    /// Appends the sums of the absent weights of a block to its payload; tells which parts
    /// of it that are.
    pub(super) fn encode_absent(&self, columns: Range<usize>, payload: &mut Vec<u8>) -> u32 {
        let Some(absent) = self.absent_of(columns.clone()) else {
            return 0;
        };
        let parts = put_parts(payload, &absent.parts, columns.len(), &part::ABSENT_WEIGHTS);
        let any = put_exceptions(payload, &absent.exceptions);
        part::ABSENT_WEIGHTS_FIRST | parts | if any { part::ABSENT_EXCEPTIONS } else { 0 }
    }

    /// Adds the encoded sums of the absent weights of a block; `None` if they are not laid
    /// out as the payload says. `scratch` holds three numbers for each of its columns.
    pub(super) fn decode_absent(
        &mut self,
        start: usize,
        payload: &mut Payload<'_>,
        scratch: &mut [f64],
    ) -> Option<()> {
        let Some(absent) = self.absent.as_mut().filter(|_| payload.has(part::ABSENT_WEIGHTS_FIRST))
        else {
            return Some(());
        };
        let length = scratch.len() / 3;
        let numbers = &mut scratch[..length];
        payload.finite_numbers(numbers)?;
        absent.add(start, numbers);
        for part in part::ABSENT_WEIGHTS {
            if payload.has(part) {
                payload.finite_numbers(numbers)?;
                absent.add_parts(start, numbers);
            }
        }
        if payload.has(part::ABSENT_EXCEPTIONS) {
            payload.exceptions(length, |column, sum| absent.add_exact(start + column, sum))?;
        }
        Some(())
    }

    /// The sums of the absent weights of a block; `None` if nothing is missing there.
    fn absent_of(&self, columns: Range<usize>) -> Option<Box<CanonicalSums>> {
        let absent = self.absent.as_ref()?;
        let mut canonical = Box::new(CanonicalSums::new());
        let length = columns.len();
        absent.canonical(columns, &mut canonical);
        let any = canonical.parts[0][..length].iter().any(|&sum| sum != 0.0);
        (any || !canonical.exceptions.is_empty()).then_some(canonical)
    }
}

impl PartialSum {
    /// Appends the weighted mean of every column to others.
    pub(super) fn put_weighted_mean(&self, weighted: &WeightedSums, means: &mut Vec<f64>) {
        let divisor = Divisor::new(&weighted.total);
        let mut sums = Box::new(CanonicalProducts::new());
        for columns in pieces(0..self.columns()) {
            self.canonical_products(weighted, columns.clone(), &mut sums);
            let start = means.len();
            means.resize(start + columns.len(), 0.0);
            let means = &mut means[start..];
            match (self.counts(columns.clone()), weighted.absent_of(columns)) {
                (Some(counts), Some(absent)) => {
                    divide_each(&sums, (&weighted.total, &absent), &divisor, means);
                    for (mean, count) in means.iter_mut().zip(counts) {
                        if count == 0 {
                            *mean = f64::NAN;
                        }
                    }
                }
                _ => divisor.divide_block(&sums, means),
            }
        }
    }

    /// The weighted sum of every column, rounded once.
    pub(super) fn weighted_sum(&self, weighted: &WeightedSums) -> Vec<f64> {
        let mut result = Vec::with_capacity(self.columns());
        let mut sums = Box::new(CanonicalProducts::new());
        for columns in pieces(0..self.columns()) {
            self.canonical_products(weighted, columns.clone(), &mut sums);
            let start = result.len();
            result.extend_from_slice(&sums.parts[0][..columns.len()]);
            for (index, sum) in &sums.exceptions {
                result[start + index] = sum.round();
            }
        }
        result
    }

    /// The canonical form of the weighted sums of a block's columns, with those that are not
    /// finite in the first part.
    pub(super) fn canonical_products(
        &self,
        weighted: &WeightedSums,
        columns: Range<usize>,
        to: &mut CanonicalProducts,
    ) {
        weighted.sums.canonical(columns.clone(), to);
        self.specials.put_into(columns, to);
    }
}

/// The exact quantities of a block of columns.
pub(super) struct WeightedBlock {
    sums: Box<CanonicalProducts>,
    total: ExactSum,
    absent: Option<Box<CanonicalSums>>,
}

impl WeightedBlock {
    pub(super) fn new(
        sum: &PartialSum,
        weighted: &WeightedSums,
        columns: Range<usize>,
    ) -> WeightedBlock {
        let mut sums = Box::new(CanonicalProducts::new());
        sum.canonical_products(weighted, columns.clone(), &mut sums);
        let total = weighted.total.clone();
        WeightedBlock { sums, total, absent: weighted.absent_of(columns) }
    }

    /// The absolute sum of the products of a column, which is finite.
    pub(super) fn products(&self, index: usize) -> Magnitude {
        self.sums.exact(index).magnitude()
    }

    /// The sum of the weights of the values that a column has.
    pub(super) fn weights(&self, index: usize) -> Magnitude {
        let mut weights = self.total.clone();
        if let Some(absent) = &self.absent {
            weights.subtract(&absent.exact(index));
        }
        weights.magnitude()
    }
}

/// The sums of a block, each divided by the weights of the values that its column has.
fn divide_each(
    sums: &CanonicalProducts,
    (total, absent): (&ExactSum, &CanonicalSums),
    whole: &Divisor,
    means: &mut [f64],
) {
    for (index, mean) in means.iter_mut().enumerate() {
        let is_exception = sums.exceptions.binary_search_by_key(&index, |(at, _)| *at).is_ok();
        let parts = [0, 1, 2].map(|part| sums.parts[part][index]);
        let some;
        let is_whole = absent.parts[0][index] == 0.0
            && absent.exceptions.binary_search_by_key(&index, |(at, _)| *at).is_err();
        let divisor = if is_whole {
            whole
        } else {
            some = whole.without(total, absent, index);
            &some
        };
        let divided = if is_exception { None } else { divisor.divide(parts) };
        *mean = divided.unwrap_or_else(|| divisor.divide_exact(&sums.exact(index)));
    }
}

/// The range of the first part of a divisor in which the kernels lose nothing that counts:
/// a remainder is a multiple of 2^-952 times the divisor's last place, and an `f64`.
const FAST: Range<f64> = f64::from_bits((1023 - 60) << 52)..f64::from_bits((1023 + 900) << 52);

/// A sum of weights, as what weighted sums are divided by.
#[derive(Clone, Debug)]
struct Divisor {
    /// The first two parts, and a bound of what is left.
    parts: [f64; 3],
    /// All that it takes to make the exact number.
    exact: Exact,
}

/// An exact sum of weights.
#[derive(Clone, Debug)]
enum Exact {
    Sum(Box<ExactSum>),
    /// The sum of these.
    Parts([f64; 4]),
}

impl Divisor {
    fn new(weights: &ExactSum) -> Divisor {
        let mut rest = weights.clone();
        let mut parts = [0.0; 3];
        for part in &mut parts {
            let rounded = rest.round();
            *part = rounded;
            if !rounded.is_finite() {
                break;
            }
            rest.add(-rounded);
        }
        // The third is rounded: it may lack half of its last place.
        parts[2] = parts[2].abs() * 2.0;
        Divisor { parts, exact: Exact::Sum(Box::new(weights.clone())) }
    }

    /// The same without the absent weights of a column.
    fn without(&self, total: &ExactSum, absent: &CanonicalSums, index: usize) -> Divisor {
        let [first, second, third, fourth] = absent.parts.each_ref().map(|part| part[index]);
        let is_quick = self.parts[2] == 0.0 && (third, fourth) == (0.0, 0.0) && first != 0.0;
        let parts = [self.parts[0], -first, self.parts[1], -second];
        if is_quick && let Some(parts) = expansion::normalize(parts) {
            let rest = 2.0 * parts[2].abs();
            return Divisor { parts: [parts[0], parts[1], rest], exact: Exact::Parts(parts) };
        }
        let mut weights = total.clone();
        weights.subtract(&absent.exact(index));
        Divisor::new(&weights)
    }

    /// The sums of a block divided by it, each rounded once.
    fn divide_block(&self, sums: &CanonicalProducts, means: &mut [f64]) {
        let length = means.len();
        let [hi, lo, third, _] = &sums.parts;
        let mut done = 0;
        while done < length {
            let rest = [hi, lo, third].map(|part| &part[done..length]);
            if !FAST.contains(&self.parts[0]) {
                // Each needs a closer look.
            } else if self.is_one() {
                done += kernel::divide(&mut means[done..], rest, self.parts[0]);
            } else {
                done += kernel::divide_by_parts(&mut means[done..], rest, self.parts);
            }
            // A group that needs a closer look, or the few columns after the last group.
            let group = done..length.min(done + GROUP);
            done = group.end;
            for index in group {
                let parts = [hi[index], lo[index], third[index]];
                means[index] =
                    self.divide(parts).unwrap_or_else(|| self.divide_exact(&sums.exact(index)));
            }
        }
        for (index, sum) in &sums.exceptions {
            means[*index] = self.divide_exact(sum);
        }
    }

    /// Whether it is an `f64`.
    fn is_one(&self) -> bool {
        self.parts[1..] == [0.0; 2]
    }

    /// The same for one sum; `None` if it takes more to tell.
    fn divide(&self, sum: [f64; 3]) -> Option<f64> {
        if self.parts[0] == 0.0 {
            return Some(f64::NAN);
        }
        if sum[0] == 0.0 || !sum[0].is_finite() {
            return Some(sum[0]);
        }
        let (mean, fits) = match self.is_one() {
            true => kernel::divide_one(sum, self.parts[0]),
            false => kernel::divide_one_by_parts(sum, self.parts),
        };
        (fits && FAST.contains(&self.parts[0])).then_some(mean)
    }

    #[cold]
    fn divide_exact(&self, sum: &ExactProducts) -> f64 {
        let divisor = self.magnitude();
        if divisor.is_zero() {
            return f64::NAN;
        }
        let mean = sum.magnitude().divide_by(&divisor);
        if sum.is_negative() { -mean } else { mean }
    }

    fn magnitude(&self) -> Magnitude {
        match &self.exact {
            Exact::Sum(sum) => sum.magnitude(),
            Exact::Parts(parts) => {
                let mut sum = ExactSum::ZERO;
                parts.iter().for_each(|&part| sum.add(part));
                sum.magnitude()
            }
        }
    }
}
