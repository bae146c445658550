//! Numbers on their way from a decoder into a sum.

use std::ops::Range;

/// Decoded numbers of one object, in the order of its columns; a buffer to be
/// used again and again.
///
/// Each number is an `f64` or, for integers beyond 2^53, the exact sum of two.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    values: Vec<f64>,
    /// As long as `values`, or empty if every number is an `f64`.
    low: Vec<f64>,
}

impl Block {
    /// An empty block with room for so many numbers.
    #[must_use]
    pub fn with_capacity(numbers: usize) -> Block {
        Block { values: Vec::with_capacity(numbers), low: Vec::new() }
    }

    /// Forgets the numbers, keeps the memory.
    pub fn clear(&mut self) {
        self.values.clear();
        self.low.clear();
    }

    /// How many numbers it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The numbers, each rounded to nearest.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// What rounding left of each number, if there was anything to round.
    #[must_use]
    pub fn low(&self) -> Option<&[f64]> {
        (!self.low.is_empty()).then_some(self.low.as_slice())
    }

    /// Appends numbers.
    pub fn extend(&mut self, numbers: impl IntoIterator<Item = f64>) {
        self.values.extend(numbers);
        self.fill_low();
    }

    /// Makes it so many numbers, all of them 0, to be put in their places one by one.
    pub fn resize(&mut self, numbers: usize) {
        self.clear();
        self.values.resize(numbers, 0.0);
    }

    /// Puts some numbers of another block in places of this one, `step` apart.
    pub(crate) fn scatter(
        &mut self,
        first: usize,
        step: usize,
        numbers: &Block,
        some: Range<usize>,
    ) {
        let scatter = |to: &mut [f64], from: &[f64]| {
            for (to, from) in to.iter_mut().skip(first).step_by(step).zip(from) {
                *to = *from;
            }
        };
        scatter(&mut self.values, &numbers.values[some.clone()]);
        if !numbers.low.is_empty() {
            self.low.resize(self.values.len(), 0.0);
            scatter(&mut self.low, &numbers.low[some]);
        }
    }

    /// The numbers from one on, each the sum of two if there is a second part.
    pub(crate) fn parts_mut(&mut self, start: usize) -> (&mut [f64], Option<&mut [f64]>) {
        let low = if self.low.is_empty() { None } else { Some(&mut self.low[start..]) };
        (&mut self.values[start..], low)
    }

    /// Makes room for so many more.
    pub(crate) fn reserve(&mut self, numbers: usize) {
        self.values.reserve(numbers);
    }

    /// Appends one number.
    #[inline]
    pub(crate) fn push(&mut self, number: f64) {
        self.values.push(number);
        if !self.low.is_empty() {
            self.low.push(0.0);
        }
    }

    /// Appends numbers, each the exact sum of its parts, the first of which is
    /// that sum rounded.
    pub(crate) fn extend_pairs(&mut self, pairs: impl Iterator<Item = (f64, f64)> + Clone) {
        let start = self.values.len();
        self.values.extend(pairs.clone().map(|(value, _)| value));
        if !self.low.is_empty() || pairs.clone().any(|(_, low)| low != 0.0) {
            self.low.resize(start, 0.0);
            self.low.extend(pairs.map(|(_, low)| low));
        }
    }

    fn fill_low(&mut self) {
        if !self.low.is_empty() {
            self.low.resize(self.values.len(), 0.0);
        }
    }
}

impl FromIterator<f64> for Block {
    fn from_iter<I: IntoIterator<Item = f64>>(numbers: I) -> Self {
        Block { values: numbers.into_iter().collect(), low: Vec::new() }
    }
}
