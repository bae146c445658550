//! Images of parts of a result of two dimensions.

use std::ops::Range;

use futures::{TryStreamExt, pin_mut};
use protocol::Problem;
use protocol::problem::ProblemKind;
use protocol::result::Image;
use protocol::view::{DRAWN_MOST, Grid, SIDE_PIXELS};

use super::StoredResult;
use super::views::{permit, unread};

/// A part of a result of two dimensions, made smaller while it is read: pixels are the means
/// of the finite numbers that fall on them.
pub(super) struct Drawing {
    /// The lines of the part, the numbers of each of which lie side by side …
    lines: Range<u64>,
    /// … so many of them apart, …
    apart: u64,
    /// … and the places of the part in each.
    places: Range<u64>,
    /// How many numbers a line of the whole result has.
    line_numbers: u64,
    /// Pixels across the lines, and along them.
    pixels: (u64, u64),
    /// The sum and the count of each pixel, line by line.
    sums: Vec<(f64, u32)>,
}

impl StoredResult {
    /// An image of some rows and places of a result of this grid. Levels are even steps from
    /// the first to the second number of `range`, or from the least to the greatest pixel;
    /// what lies beyond has the first or the last.
    ///
    /// # Errors
    ///
    /// If the result is not of the grid, has no such part, a line of it is too long to be
    /// read, or it cannot be read.
    pub async fn image(
        &self,
        grid: Grid,
        (rows, places): (Range<u64>, Range<u64>),
        range: Option<(f64, f64)>,
    ) -> Result<Image, Problem> {
        let _permit = permit().await?;
        let is_there = |part: &Range<u64>, all: u64| part.start < part.end && part.end <= all;
        if !is_there(&rows, grid.rows)
            || !is_there(&places, grid.width)
            || grid.rows.checked_mul(grid.width) != Some(self.columns())
        {
            let detail = format!("there are no rows {rows:?} and columns {places:?}");
            let sides = format!("the result has {} rows of {}", grid.rows, grid.width);
            return Err(Problem::new(ProblemKind::InvalidRequest, detail).remedy(sides));
        }
        let mut drawing = Drawing::new(grid, rows, places);
        if drawing.places.end - drawing.places.start > DRAWN_MOST {
            let detail = "the part is too long to be drawn";
            return Err(Problem::new(ProblemKind::InvalidRequest, detail)
                .remedy(format!("ask for at most {DRAWN_MOST} numbers that lie side by side")));
        }
        for columns in drawing.read() {
            let mut column = columns.start;
            let numbers = self.numbers_of(columns);
            pin_mut!(numbers);
            while let Some(piece) = numbers.try_next().await.map_err(unread)? {
                drawing.add(column, &piece);
                column += piece.len() as u64;
            }
        }
        Ok(drawing.finish(grid.is_fortran, range))
    }
}

impl Drawing {
    /// Of a whole result, of which all numbers are taken, at most so many pixels on a side.
    pub(super) fn whole(grid: Grid, side_pixels: u64) -> Drawing {
        let (lines, line_numbers) = match grid.is_fortran {
            true => (grid.width, grid.rows),
            false => (grid.rows, grid.width),
        };
        let pixels = (lines.min(side_pixels), line_numbers.min(side_pixels));
        let count = usize::try_from(pixels.0 * pixels.1).unwrap_or_default();
        let sums = vec![(0.0, 0); count];
        Drawing { lines: 0..lines, apart: 1, places: 0..line_numbers, line_numbers, pixels, sums }
    }

    fn new(grid: Grid, rows: Range<u64>, places: Range<u64>) -> Drawing {
        let apart = grid.lines_apart(&rows, &places);
        let (lines, places, line_numbers) = match grid.is_fortran {
            true => (places, rows, grid.rows),
            false => (rows, places, grid.width),
        };
        let drawn = (lines.end - lines.start).div_ceil(apart);
        let pixels = (drawn.min(SIDE_PIXELS), (places.end - places.start).min(SIDE_PIXELS));
        let count = usize::try_from(pixels.0 * pixels.1).unwrap_or_default();
        Drawing { lines, apart, places, line_numbers, pixels, sums: vec![(0.0, 0); count] }
    }

    /// The columns to read: all lines at one go, or line by line if some are left out.
    fn read(&self) -> Vec<Range<u64>> {
        let columns = |line: u64| {
            let begin = line * self.line_numbers;
            begin + self.places.start..begin + self.places.end
        };
        if self.apart == 1 {
            let last = self.lines.end - 1;
            let all = columns(self.lines.start).start..columns(last).end;
            return std::iter::once(all).collect();
        }
        let step = usize::try_from(self.apart).unwrap_or(usize::MAX);
        self.lines.clone().step_by(step).map(columns).collect()
    }

    /// Takes numbers that lie side by side, from a column on.
    pub(super) fn add(&mut self, mut column: u64, mut numbers: &[f64]) {
        let length = |range: &Range<u64>| range.end - range.start;
        let drawn = length(&self.lines).div_ceil(self.apart);
        while !numbers.is_empty() {
            let (line, place) = (column / self.line_numbers, column % self.line_numbers);
            let in_line = usize::try_from(self.line_numbers - place).unwrap_or(usize::MAX);
            let (now, behind) = numbers.split_at(in_line.min(numbers.len()));
            let y = (line - self.lines.start) / self.apart * self.pixels.0 / drawn;
            let pixels = usize::try_from(y * self.pixels.1).unwrap_or(usize::MAX);
            for (place, &number) in (place..).zip(now) {
                if !self.places.contains(&place) || !number.is_finite() {
                    continue;
                }
                let x = (place - self.places.start) * self.pixels.1 / length(&self.places);
                let x = usize::try_from(x).unwrap_or(usize::MAX);
                if let Some((sum, count)) = self.sums.get_mut(pixels.saturating_add(x)) {
                    *sum += number;
                    *count += 1;
                }
            }
            column += now.len() as u64;
            numbers = behind;
        }
    }

    /// The image; see [`StoredResult::image`].
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a shade lies from 1 to 255"
    )]
    pub(super) fn finish(self, is_fortran: bool, range: Option<(f64, f64)>) -> Image {
        let mean = |&(sum, count): &(f64, u32)| (count > 0).then(|| sum / f64::from(count));
        let means: Vec<Option<f64>> = self.sums.iter().map(mean).collect();
        let all = || means.iter().flatten().copied();
        let (low, high) = range.unwrap_or_else(|| {
            (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max))
        });
        // Halved, so that the span of any numbers is a number.
        let span = if high > low { high / 2.0 - low / 2.0 } else { 1.0 };
        let shade = |mean: f64| {
            let position = ((mean / 2.0 - low / 2.0) / span).clamp(0.0, 1.0);
            (1.0 + position * 254.0) as u8
        };
        let (across, along) = self.pixels;
        let side = |pixels: u64| u32::try_from(pixels).unwrap_or(u32::MAX);
        let level = |mean: Option<f64>| mean.map_or(0, shade);
        if !is_fortran {
            let pixels = means.into_iter().map(level).collect();
            return Image { width: side(along), height: side(across), pixels };
        }
        // The lines are columns of the image.
        let place = |y: u64, x: u64| usize::try_from(x * along + y).unwrap_or(usize::MAX);
        let pixels = (0..along).flat_map(|y| (0..across).map(move |x| (y, x)));
        let pixels =
            pixels.map(|(y, x)| level(means.get(place(y, x)).copied().flatten())).collect();
        Image { width: side(across), height: side(along), pixels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image of numbers that are their index, each read as the drawing asks.
    fn drawn(grid: Grid, rows: Range<u64>, places: Range<u64>, range: (f64, f64)) -> Image {
        let mut drawing = Drawing::new(grid, rows, places);
        for columns in drawing.read() {
            let numbers: Vec<f64> = columns.clone().map(|column| column as f64).collect();
            let mut column = columns.start;
            for piece in numbers.chunks(7) {
                drawing.add(column, piece);
                column += piece.len() as u64;
            }
        }
        drawing.finish(grid.is_fortran, Some(range))
    }

    #[test]
    fn a_part_is_drawn_number_by_number_in_both_orders() {
        // Level n + 1 is number n.
        let range = (0.0, 254.0);
        let grid = Grid { rows: 10, width: 20, is_fortran: false };
        let image = drawn(grid, 2..4, 5..8, range);
        assert_eq!((image.width, image.height), (3, 2));
        assert_eq!(image.pixels, [46, 47, 48, 66, 67, 68]);
        let grid = Grid { rows: 10, width: 20, is_fortran: true };
        let image = drawn(grid, 2..4, 5..8, range);
        assert_eq!((image.width, image.height), (3, 2));
        assert_eq!(image.pixels, [53, 63, 73, 54, 64, 74]);
    }

    #[test]
    fn what_lies_beyond_the_range_has_its_ends() {
        let grid = Grid { rows: 2, width: 2, is_fortran: false };
        assert_eq!(drawn(grid, 0..2, 0..2, (1.0, 2.0)).pixels, [1, 1, 255, 255]);
    }

    #[test]
    fn a_large_part_becomes_small_and_its_lines_are_left_out_evenly() {
        let grid = Grid { rows: 1_000_000, width: 100_000, is_fortran: false };
        let drawing = Drawing::new(grid, 0..1_000_000, 0..100_000);
        let read = drawing.read();
        let numbers: u64 = read.iter().map(|columns| columns.end - columns.start).sum();
        assert!(numbers <= DRAWN_MOST && read.len() > 30, "{numbers} in {} lines", read.len());
        assert_eq!(drawing.pixels, (read.len() as u64, SIDE_PIXELS));
        let near = Drawing::new(grid, 5..25, 100..900);
        assert_eq!((near.read().len(), near.pixels), (1, (20, 720)));
    }

    #[test]
    fn pixels_without_a_finite_number_have_level_0() {
        let grid = Grid { rows: 2, width: 2, is_fortran: false };
        let mut drawing = Drawing::new(grid, 0..2, 0..2);
        drawing.add(0, &[5.0, f64::NAN, f64::INFINITY, 4.0]);
        assert_eq!(drawing.finish(false, None).pixels, [255, 0, 0, 1]);
    }
}
