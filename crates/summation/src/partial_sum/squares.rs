//! The sums of squares, for the variance: three components a column, and what
//! spills over.

use std::ops::Range;

use crate::exact::{ExactSquares, two_sum};

use super::expansion::{self, Canonical};
use super::kernel::{self, GROUP, SPLITTABLE_MIN};
use super::payload::{Payload, part, put_exceptions, put_parts};
use super::{BLOCK_COLUMNS, spill};

type Spill = spill::Spill<67, -2148>;

/// For each column `a + b + c`, and in rare columns a remainder: together the
/// exact sum of the squares of the finite numbers added.
#[derive(Clone, Debug)]
pub(crate) struct Squares {
    parts: [Vec<f64>; 3],
    /// One for each block of columns.
    spills: Vec<Option<Box<Spill>>>,
}

/// The sums of squares of one block of columns in their only form.
pub(crate) type CanonicalSquares = Canonical<3, 67, -2148>;

impl Squares {
    /// Sums of nothing.
    pub(crate) fn new(columns: usize) -> Squares {
        Squares {
            parts: std::array::from_fn(|_| vec![0.0; columns]),
            spills: vec![None; columns.div_ceil(BLOCK_COLUMNS)],
        }
    }

    /// Begins anew with so many columns, in the same memory.
    pub(crate) fn reset(&mut self, columns: usize) {
        self.truncate(0);
        for part in &mut self.parts {
            part.resize(columns, 0.0);
        }
        self.spills.resize(columns.div_ceil(BLOCK_COLUMNS), None);
    }

    /// Forgets the columns from `columns` on.
    pub(crate) fn truncate(&mut self, columns: usize) {
        for part in &mut self.parts {
            part.truncate(columns);
        }
        self.spills.truncate(columns.div_ceil(BLOCK_COLUMNS));
        if !columns.is_multiple_of(BLOCK_COLUMNS)
            && let Some(Some(spill)) = self.spills.last_mut()
        {
            spill.truncate(columns % BLOCK_COLUMNS);
        }
    }

    /// Adds the squares of `x + x_lo`, all finite, to the columns from `start`
    /// on, all of one block. A number with an `x_lo` is an integer.
    pub(crate) fn add(&mut self, start: usize, x: &[f64], x_lo: Option<&[f64]>) {
        let mut done = 0;
        while done < x.len() {
            if x_lo.is_none() {
                let parts = self.parts_mut(start + done..start + x.len());
                done += kernel::add_squares(parts, &x[done..]);
            }
            let group = done..x.len().min(done + GROUP);
            done = group.end;
            for index in group {
                match x_lo.map(|low| low[index]) {
                    Some(low) if low != 0.0 => self.add_integer(start + index, x[index], low),
                    _ => self.add_one(start + index, x[index]),
                }
            }
        }
    }

    /// Adds the squares of those that are finite likewise.
    pub(crate) fn add_finite(&mut self, start: usize, x: &[f64], x_lo: Option<&[f64]>) {
        let mut finite = [0.0; BLOCK_COLUMNS];
        let finite = &mut finite[..x.len()];
        for (finite, &x) in finite.iter_mut().zip(x) {
            *finite = if x.is_finite() { x } else { 0.0 };
        }
        self.add(start, finite, x_lo);
    }

    /// Adds `x[0] + x[1] + x[2]` to the columns from `start` on, all of one block.
    fn add_sums(&mut self, start: usize, x: [&[f64]; 3]) {
        let length = x[0].len();
        let mut done = 0;
        while done < length {
            let parts = self.parts_mut(start + done..start + length);
            done += kernel::add_triples(parts, x.map(|x| &x[done..]));
            let group = done..length.min(done + GROUP);
            done = group.end;
            for index in group {
                for part in x {
                    self.add_part(start + index, part[index]);
                }
            }
        }
    }

    /// Appends the canonical form of a block to its payload; tells which parts
    /// of it that are.
    pub(crate) fn encode(
        &self,
        columns: Range<usize>,
        canonical: &mut CanonicalSquares,
        payload: &mut Vec<u8>,
    ) -> u32 {
        let length = columns.len();
        self.canonical(columns, canonical);
        let parts = put_parts(payload, &canonical.parts, length, &part::SQUARES);
        let any = put_exceptions(payload, &canonical.exceptions);
        parts | if any { part::SQUARE_EXCEPTIONS } else { 0 }
    }

    /// Adds the encoded sums of a block from the column `start` on; `None` if
    /// they are not laid out as the payload says. `scratch` holds three numbers
    /// for each column.
    pub(crate) fn decode(
        &mut self,
        start: usize,
        payload: &mut Payload<'_>,
        scratch: &mut [f64],
    ) -> Option<()> {
        let length = scratch.len() / 3;
        let (a, rest) = scratch.split_at_mut(length);
        let (b, c) = rest.split_at_mut(length);
        payload.finite_numbers(a)?;
        for (numbers, part) in [&mut *b, &mut *c].into_iter().zip(part::SQUARES) {
            numbers.fill(0.0);
            if payload.has(part) {
                payload.finite_numbers(numbers)?;
            }
        }
        self.add_sums(start, [a, b, c]);
        if payload.has(part::SQUARE_EXCEPTIONS) {
            payload.exceptions(length, |column, number| self.add_exact(start + column, number))?;
        }
        Some(())
    }

    /// Adds an exact number to a column.
    fn add_exact(&mut self, column: usize, number: &ExactSquares) {
        self.spill(column).add_all(number);
    }

    /// Adds the square of a finite number, whatever it takes.
    fn add_one(&mut self, column: usize, x: f64) {
        let square = x * x;
        let error = x.mul_add(x, -square);
        // The error of a square below 2^-960 may itself have lost bits.
        if square.is_finite() && (square >= SPLITTABLE_MIN || x == 0.0) {
            self.add_part(column, square);
            self.add_part(column, error);
        } else {
            self.spill(column).add_square(x);
        }
    }

    /// Adds the square of an integer that is the sum of two numbers, of less than 2^64.
    fn add_integer(&mut self, column: usize, x: f64, low: f64) {
        #[expect(clippy::cast_possible_truncation, reason = "both are integers of at most 64 bits")]
        let integer = (x as i128 + low as i128).unsigned_abs();
        self.spill(column).add_shifted(integer * integer, 0, false);
    }

    /// Adds a finite number to a column, whatever it takes.
    fn add_part(&mut self, column: usize, x: f64) {
        let [a, b, c] = [0, 1, 2].map(|k| self.parts[k][column]);
        let (a, error) = two_sum(a, x);
        let (b, error) = two_sum(b, error);
        let (c, left) = two_sum(c, error);
        if !left.is_finite() {
            self.spill(column).add(x);
            return;
        }
        for (part, value) in self.parts.iter_mut().zip([a, b, c]) {
            part[column] = value;
        }
        if left != 0.0 {
            self.spill(column).add(left);
        }
    }

    /// A column's remainder, to add to.
    fn spill(&mut self, column: usize) -> &mut ExactSquares {
        let spill =
            self.spills[column / BLOCK_COLUMNS].get_or_insert_with(|| Box::new(Spill::new()));
        spill.entry(column % BLOCK_COLUMNS)
    }

    fn parts_mut(&mut self, columns: Range<usize>) -> [&mut [f64]; 3] {
        self.parts.each_mut().map(|part| &mut part[columns.clone()])
    }

    /// The exact sum of a column.
    fn exact(&self, column: usize) -> ExactSquares {
        let spill = self.spills[column / BLOCK_COLUMNS].as_ref();
        let mut sum = spill
            .and_then(|spill| spill.get(column % BLOCK_COLUMNS))
            .map_or(ExactSquares::ZERO, Clone::clone);
        for part in &self.parts {
            sum.add(part[column]);
        }
        sum
    }

    /// Writes the canonical form of a block's columns into the beginning of `to`.
    pub(crate) fn canonical(&self, columns: Range<usize>, to: &mut CanonicalSquares) {
        to.exceptions.clear();
        let spill = self.spills[columns.start / BLOCK_COLUMNS].as_ref();
        for (index, column) in columns.enumerate() {
            let is_spilled = spill.is_some_and(|spill| spill.get(index).is_some());
            let parts = [0, 1, 2].map(|k| self.parts[k][column]);
            match if is_spilled { None } else { expansion::normalize(parts) } {
                Some(parts) => to.set(index, parts),
                None => to.set_exact(index, self.exact(column)),
            }
        }
    }
}
