//! A small picture of a mean of two dimensions, whole or as far as it is known.

use std::ops::Range;

use protocol::result::{IMAGE_PIXELS, Image};
use summation::Order;

use super::Total;

/// A result of two dimensions, made smaller: pixels are the averages of the
/// numbers that fall on them.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    /// Rows and columns of the result.
    size: (u64, u64),
    /// Rows and columns of the picture.
    pixels: (u64, u64),
    order: Order,
    sums: Vec<(f64, u64)>,
}

impl Picture {
    /// A picture without numbers; `None` if the result has not two dimensions.
    pub(super) fn new(total: &Total) -> Option<Picture> {
        let size = match total.shape.as_deref()? {
            &[rows, columns] if rows > 1 && columns > 1 => (rows, columns),
            _ => return None,
        };
        let longest = size.0.max(size.1);
        let side = |length: u64| match longest > IMAGE_PIXELS as u64 {
            true => (length * IMAGE_PIXELS as u64 / longest).max(1),
            false => length,
        };
        let pixels = (side(size.0), side(size.1));
        let count = usize::try_from(pixels.0 * pixels.1).ok()?;
        Some(Picture { size, pixels, order: total.order, sums: vec![(0.0, 0); count] })
    }

    /// Takes numbers that lie side by side, from a column on.
    pub(super) fn add(&mut self, column: u64, numbers: &[f64]) {
        for (column, &number) in (column..).zip(numbers) {
            if !number.is_finite() {
                continue;
            }
            let (row, place) = match self.order {
                Order::C => (column / self.size.1, column % self.size.1),
                Order::Fortran => (column % self.size.0, column / self.size.0),
            };
            let y = row * self.pixels.0 / self.size.0;
            let x = place * self.pixels.1 / self.size.1;
            let pixel = self.pixel(y, x);
            if let Some((sum, count)) = self.sums.get_mut(pixel) {
                *sum += number;
                *count += 1;
            }
        }
    }

    /// Gives the lines of pixels that some columns fall on, and no number has, those of the
    /// nearest line among them that has some. Numbers lie side by side along a line.
    pub(super) fn spread(&mut self, columns: Range<u64>) {
        let (lines, numbers, pixels, along) = match self.order {
            Order::C => (self.size.0, self.size.1, self.pixels.0, self.pixels.1),
            Order::Fortran => (self.size.1, self.size.0, self.pixels.1, self.pixels.0),
        };
        let line = |column: u64| column / numbers * pixels / lines;
        let lines = line(columns.start)..(line(columns.end.saturating_sub(1)) + 1).min(pixels);
        let place = |picture: &Picture, line: u64, at: u64| match picture.order {
            Order::C => picture.pixel(line, at),
            Order::Fortran => picture.pixel(at, line),
        };
        let has_some = |line: &u64| {
            (0..along).any(|at| self.sums.get(place(self, *line, at)).is_some_and(|it| it.1 > 0))
        };
        let (known, others): (Vec<u64>, Vec<u64>) = lines.partition(has_some);
        for line in others {
            let Some(nearest) = known.iter().min_by_key(|known| known.abs_diff(line)) else {
                return;
            };
            for at in 0..along {
                let (from, to) = (place(self, *nearest, at), place(self, line, at));
                if from.max(to) < self.sums.len() {
                    self.sums[to] = self.sums[from];
                }
            }
        }
    }

    /// The least and the greatest pixel; `None` if no number is known.
    pub(super) fn range(&self) -> Option<(f64, f64)> {
        let least = self.means().flatten().reduce(f64::min)?;
        Some((least, self.means().flatten().reduce(f64::max)?))
    }

    /// The picture, with levels from the least to the greatest pixel.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a shade lies from 1 to 255"
    )]
    pub(super) fn image(&self) -> Image {
        let (least, greatest) = self.range().unwrap_or((0.0, 0.0));
        // Halved, so that the span of any numbers is a number.
        let span = if greatest > least { greatest / 2.0 - least / 2.0 } else { 1.0 };
        let shade = |mean: f64| (1.0 + (mean / 2.0 - least / 2.0) / span * 254.0).max(1.0) as u8;
        Image {
            width: u32::try_from(self.pixels.1).unwrap_or(u32::MAX),
            height: u32::try_from(self.pixels.0).unwrap_or(u32::MAX),
            pixels: self.means().map(|mean| mean.map_or(0, shade)).collect(),
        }
    }

    fn pixel(&self, y: u64, x: u64) -> usize {
        usize::try_from(y * self.pixels.1 + x).unwrap_or(usize::MAX)
    }

    fn means(&self) -> impl Iterator<Item = Option<f64>> + '_ {
        self.sums.iter().map(|&(sum, count)| (count > 0).then(|| sum / count as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(order: Order) -> Picture {
        Picture { size: (4, 3), pixels: (4, 3), order, sums: vec![(0.0, 0); 12] }
    }

    #[test]
    fn rows_that_are_not_known_are_left_out() {
        let mut picture = picture(Order::C);
        assert_eq!((picture.range(), picture.image().pixels), (None, vec![0; 12]));
        picture.add(3, &[1.0, 2.0, 3.0]);
        assert_eq!(picture.range(), Some((1.0, 3.0)));
        assert_eq!(picture.image().pixels, [0, 0, 0, 1, 128, 255, 0, 0, 0, 0, 0, 0]);
        picture.spread(0..9);
        assert_eq!(picture.image().pixels, [1, 128, 255, 1, 128, 255, 1, 128, 255, 0, 0, 0]);
    }

    #[test]
    fn columns_run_down_in_fortran_order() {
        let mut picture = picture(Order::Fortran);
        picture.add(4, &[1.0, 2.0, 3.0, f64::NAN]);
        let lines = |picture: &Picture| -> Vec<Vec<u8>> {
            picture.image().pixels.chunks(3).map(<[u8]>::to_vec).collect()
        };
        assert_eq!(lines(&picture), [[0, 1, 0], [0, 128, 0], [0, 255, 0], [0, 0, 0]]);
        picture.spread(4..12);
        assert_eq!(lines(&picture), [[0, 1, 1], [0, 128, 128], [0, 255, 255], [0, 0, 0]]);
    }
}
