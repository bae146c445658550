//! The two orders in which an array may be stored, and reading one as the other.

mod fibres;

use std::ops::Range;
use std::sync::Arc;

use crate::Block;
use fibres::Fibres;

/// The order in which the numbers of an array are stored.
///
/// An array of which at most one length is not 1 is stored the same way in
/// both; it counts as [`Order::C`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// The last index runs fastest.
    #[default]
    C,
    /// The first index runs fastest.
    Fortran,
}

impl Order {
    /// The order that NumPy's `fortran_order` names.
    #[must_use]
    pub const fn from_fortran(is_fortran: bool) -> Order {
        if is_fortran { Order::Fortran } else { Order::C }
    }

    /// Whether the first index runs fastest.
    #[must_use]
    pub const fn is_fortran(self) -> bool {
        matches!(self, Order::Fortran)
    }
}

/// Reads an array that is stored in one order as if it were stored in the other.
///
/// A *position* counts the numbers as they are stored, a *column* counts them
/// in the other order; both from 0.
///
/// The array is seen as *fibres*: the numbers along the index that runs fastest
/// in storage. A fibre is contiguous in the positions; its columns are
/// equidistant.
#[derive(Clone, Debug)]
pub struct Transposition {
    /// The lengths along each index, the one that runs fastest in storage first.
    lengths: Arc<[u64]>,
    /// How far apart two columns are whose index differs by 1, for each index.
    weights: Arc<[u64]>,
}

impl Transposition {
    /// Of an array of this shape stored in this order. `None` if both orders
    /// are the same for it, or it is empty.
    #[must_use]
    pub fn new(shape: &[u64], stored: Order) -> Option<Transposition> {
        let mut lengths: Vec<u64> = shape.iter().copied().filter(|length| *length != 1).collect();
        if lengths.len() < 2 || lengths.contains(&0) {
            return None;
        }
        if stored == Order::C {
            lengths.reverse();
        }
        let mut weights = vec![1; lengths.len()];
        for index in (1..lengths.len()).rev() {
            weights[index - 1] = weights[index] * lengths[index];
        }
        Some(Transposition { lengths: lengths.into(), weights: weights.into() })
    }

    /// The positions at which these columns are stored, as spans that skip no
    /// more than `gap` positions of other columns at a time.
    ///
    /// Spans ascend, but where the columns begin and end within one index of
    /// the outermost length: then there is one ascent for each of two. Between
    /// them, they take time in proportion to the columns, and little memory.
    pub fn spans(
        &self,
        columns: Range<u64>,
        gap: u64,
    ) -> impl Iterator<Item = Range<u64>> + Send + use<> {
        let runs = self.runs(columns);
        let runs = runs.flat_map(move |Run { start, numbers, stride }| {
            // Far apart, each number is a span; else they are one.
            let (spans, numbers) =
                if stride - 1 > gap { (numbers, 1) } else { (numbers.min(1), numbers) };
            (0..spans).map(move |span| {
                let start = start + span * stride;
                start..start + (numbers - 1) * stride + 1
            })
        });
        joined(runs, gap)
    }

    /// Takes numbers that are stored at successive positions, from `position`
    /// on, and puts those that belong to `columns` where they belong in `to`,
    /// whose first number is that of the first column.
    pub fn put(&self, position: u64, numbers: &Block, columns: &Range<u64>, to: &mut Block) {
        let (length, weight) = (self.lengths[0], self.weights[0]);
        let mut fibres = Fibres::from(&self.lengths[1..], &self.weights[1..], position / length);
        let mut first = position % length;
        let mut taken = 0;
        while taken < numbers.len() {
            let Some(offset) = fibres.next() else { return };
            let left = (numbers.len() - taken) as u64;
            let end = length.min(first + left);
            let wanted = indices(columns, offset, weight);
            let (start, stop) = (first.max(wanted.start), end.min(wanted.end));
            if start < stop {
                let some = taken + place(start - first)..taken + place(stop - first);
                let to_place = place(start * weight + offset - columns.start);
                to.scatter(to_place, place(weight), numbers, some);
            }
            taken += place(end - first);
            first = 0;
        }
    }

    /// The positions of these columns, as runs of equidistant ones.
    fn runs(&self, columns: Range<u64>) -> impl Iterator<Item = Run> + Send + use<> {
        // Along the outermost index whose fibres are not sparse: the columns
        // then begin within one of its repetitions, and end in the same or the next.
        let width = columns.end.saturating_sub(columns.start);
        let level = self.weights.iter().position(|weight| *weight <= width).unwrap_or_default();
        let (length, weight) = (self.lengths[level], self.weights[level]);
        let stride: u64 = self.lengths[..level].iter().product();
        let period = length * weight;
        let this = self.clone();
        let repetitions = columns.start / period..columns.end.div_ceil(period);
        repetitions.filter(move |_| width > 0).flat_map(move |repetition| {
            let base = this.begin(repetition, level);
            let begin = repetition * period;
            let columns =
                columns.start.saturating_sub(begin)..columns.end.min(begin + period) - begin;
            let fibres = Fibres::from(&this.lengths[level + 1..], &this.weights[level + 1..], 0);
            (0_u64..).zip(fibres).map(move |(fibre, offset)| {
                let indices = indices(&columns, offset, weight);
                Run {
                    start: base + stride * (length * fibre + indices.start),
                    numbers: indices.end.saturating_sub(indices.start),
                    stride,
                }
            })
        })
    }

    /// The first position of a repetition of the index `level`: that of one
    /// combination of the indices before it.
    fn begin(&self, repetition: u64, level: usize) -> u64 {
        let mut rest = repetition;
        let mut stride: u64 = self.lengths[..level].iter().product();
        let mut position = 0;
        for &length in self.lengths[..level].iter().rev() {
            stride /= length;
            position += rest % length * stride;
            rest /= length;
        }
        position
    }
}

/// Positions `start`, `start + stride` and so on.
struct Run {
    start: u64,
    numbers: u64,
    stride: u64,
}

/// Which of the columns `offset`, `offset + weight` and so on lie in `columns`.
fn indices(columns: &Range<u64>, offset: u64, weight: u64) -> Range<u64> {
    let first = columns.start.saturating_sub(offset).div_ceil(weight);
    first..columns.end.saturating_sub(offset).div_ceil(weight)
}

/// Joins spans with no more than `gap` between them.
fn joined(
    mut spans: impl Iterator<Item = Range<u64>> + Send,
    gap: u64,
) -> impl Iterator<Item = Range<u64>> + Send {
    let mut pending: Option<Range<u64>> = None;
    std::iter::from_fn(move || {
        loop {
            let Some(next) = spans.next() else {
                return pending.take();
            };
            match &mut pending {
                Some(last) if last.end <= next.start && next.start - last.end <= gap => {
                    last.end = next.end;
                }
                _ => {
                    if let Some(last) = pending.replace(next) {
                        return Some(last);
                    }
                }
            }
        }
    })
}

/// A place in memory, where it lies if it is there at all.
fn place(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
