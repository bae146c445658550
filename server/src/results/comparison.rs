//! How two results differ, read side by side in bounded memory.

use futures::{Stream, TryStreamExt, pin_mut};
use platform::StoreError;
use protocol::Problem;
use protocol::comparison::{Comparison, Difference};
use protocol::result::{IMAGE_PIXELS, PLOT_POINTS};
use protocol::view::Grid;
use summation::output::number_text;

use super::StoredResult;
use super::envelope::EnvelopeBuilder;
use super::image::Drawing;
use super::views::unread;

impl StoredResult {
    /// How another result of as many values differs from this one; `grid` are the rows and
    /// columns of both.
    ///
    /// # Errors
    ///
    /// If one cannot be read.
    pub async fn compare(
        &self,
        other: &StoredResult,
        grid: Option<Grid>,
    ) -> Result<Comparison, Problem> {
        let (first, second) = (self.numbers(), other.numbers());
        pin_mut!(first, second);
        let mut comparing = Comparing::new(self.columns(), grid);
        let (mut ones, mut others) = (Piece::default(), Piece::default());
        loop {
            let (ones_rest, others_rest) =
                (ones.rest(&mut first).await?, others.rest(&mut second).await?);
            // Pieces of one may be larger than those of the other.
            let count = ones_rest.len().min(others_rest.len());
            if count == 0 {
                return Ok(comparing.finish());
            }
            comparing.add(&ones_rest[..count], &others_rest[..count]);
            ones.used += count;
            others.used += count;
        }
    }
}

/// Some numbers, of which some have been used.
#[derive(Default)]
struct Piece {
    numbers: Vec<f64>,
    used: usize,
}

impl Piece {
    /// Those that have not been used; the next ones once all have been.
    async fn rest<S>(&mut self, stream: &mut S) -> Result<&[f64], Problem>
    where
        S: Stream<Item = Result<Vec<f64>, StoreError>> + Unpin,
    {
        while self.used == self.numbers.len() {
            let Some(next) = stream.try_next().await.map_err(unread)? else {
                return Ok(&[]);
            };
            *self = Piece { numbers: next, used: 0 };
        }
        Ok(&self.numbers[self.used..])
    }
}

/// A comparison under way; takes the numbers in the order of the columns.
struct Comparing {
    comparison: Comparison,
    /// The column of the next numbers.
    column: u64,
    greatest: f64,
    points: EnvelopeBuilder,
    drawing: Option<(Drawing, bool)>,
    /// The differences of some numbers, and their absolute values: memory to use again.
    differences: (Vec<f64>, Vec<f64>),
}

impl Comparing {
    fn new(columns: u64, grid: Option<Grid>) -> Comparing {
        let drawing = grid.map(|grid| {
            let side = IMAGE_PIXELS as u64;
            (Drawing::whole(grid, side), grid.is_fortran)
        });
        Comparing {
            comparison: Comparison { columns, ..Comparison::default() },
            column: 0,
            greatest: -1.0,
            points: EnvelopeBuilder::new(0..columns, PLOT_POINTS),
            drawing,
            differences: Default::default(),
        }
    }

    fn add(&mut self, ones: &[f64], others: &[f64]) {
        let (differences, sizes) = &mut self.differences;
        differences.clear();
        sizes.clear();
        for (index, (&one, &other)) in (self.column..).zip(ones.iter().zip(others)) {
            let is_equal = one.to_bits() == other.to_bits();
            // Infinity has no difference to itself.
            let difference = if is_equal && !one.is_nan() { 0.0 } else { other - one };
            differences.push(difference);
            sizes.push(difference.abs());
            if is_equal {
                continue;
            }
            self.comparison.differing += 1;
            if difference.is_nan() {
                self.comparison.without_difference += 1;
            } else if difference.abs() > self.greatest {
                self.greatest = difference.abs();
                self.comparison.greatest = Some(Difference {
                    index,
                    difference: number_text(difference.abs()),
                    first: number_text(one),
                    second: number_text(other),
                });
            }
        }
        self.points.add(differences);
        if let Some((drawing, _)) = &mut self.drawing {
            drawing.add(self.column, sizes);
        }
        self.column += ones.len() as u64;
    }

    fn finish(self) -> Comparison {
        // The greatest difference may be infinite, and colours end before.
        let greatest = self.greatest.clamp(0.0, f64::MAX);
        let image = self
            .drawing
            .map(|(drawing, is_fortran)| drawing.finish(is_fortran, Some((0.0, greatest))));
        Comparison { points: self.points.finish(), image, ..self.comparison }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(ones: &[f64], others: &[f64], grid: Option<Grid>) -> Comparison {
        let mut comparing = Comparing::new(ones.len() as u64, grid);
        for (ones, others) in ones.chunks(3).zip(others.chunks(3)) {
            comparing.add(ones, others);
        }
        comparing.finish()
    }

    #[test]
    fn equal_numbers_have_no_difference_whatever_they_are() {
        let numbers = [1.0, -0.0, f64::NAN, f64::INFINITY, f64::MIN, 5e-324];
        let equal = compare(&numbers, &numbers, None);
        assert!(equal.is_equal());
        assert_eq!((equal.greatest, equal.without_difference), (None, 0));
    }

    #[test]
    fn the_greatest_difference_has_its_index_and_both_values() {
        let ones = [1.0, 0.0, 2.0, f64::NAN, 5.0, f64::INFINITY];
        let others = [1.5, -0.0, 0.5, 3.0, 5.0, f64::INFINITY];
        let found = compare(&ones, &others, Some(Grid { rows: 2, width: 3, is_fortran: false }));
        // 0 and -0 differ in bits only.
        assert_eq!((found.differing, found.without_difference), (4, 1));
        let greatest = found.greatest.unwrap();
        assert_eq!((greatest.index, greatest.difference.as_str()), (2, "1.5"));
        assert_eq!((greatest.first.as_str(), greatest.second.as_str()), ("2.0", "0.5"));
        assert_eq!(found.points[0].map(|point| point.max), Some(0.5));
        assert_eq!(found.points[2].map(|point| point.min), Some(-1.5));
        assert_eq!(found.points[3], None);
        assert_eq!(found.image.unwrap().pixels, [85, 1, 255, 0, 1, 1]);
    }
}
