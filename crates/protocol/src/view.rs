//! Parts of a result, as pages and programs look at them.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::result::{Number, PlotPoint};

/// Some consecutive values of a result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Values {
    /// The index of the first.
    pub start: u64,
    /// C, the number of values in the whole result.
    pub columns: u64,
    /// The values.
    pub values: Vec<Number>,
}

/// The range of the values of some consecutive columns, at a reduced resolution.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Envelope {
    /// The first column.
    pub start: u64,
    /// The column after the last.
    pub end: u64,
    /// C, the number of values in the whole result.
    pub columns: u64,
    /// The points, of which each covers the same number of columns, give or take one;
    /// `null` if none of its values is finite.
    pub points: Vec<Option<PlotPoint>>,
}

impl Envelope {
    /// Whether each point is a single column.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.points.len() as u64 == self.end.saturating_sub(self.start)
    }
}

/// The most values that are asked for at once.
pub const VALUES_MOST: u64 = 10_000;
/// The most points of an envelope that is asked for.
pub const POINTS_MOST: usize = 2_048;
/// The most numbers that are read to draw an image: 64 MiB.
pub const DRAWN_MOST: u64 = 1 << 23;
/// So many numbers are read at least where fewer are needed: a block that is verified as a
/// whole.
const READ_AT_LEAST: u64 = 1 << 17;
/// The most pixels along a side of an image of a part.
pub const SIDE_PIXELS: u64 = 720;

/// A result of two dimensions, whose columns are counted along one or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    /// How many rows it has.
    pub rows: u64,
    /// How many numbers a row has.
    pub width: u64,
    /// Whether the columns of the result run down (Fortran order), not along the rows.
    pub is_fortran: bool,
}

impl Grid {
    /// The grid of a result of this shape; `None` unless it has two dimensions, and several
    /// numbers along each.
    #[must_use]
    pub fn of(shape: Option<&[u64]>, is_fortran: bool) -> Option<Grid> {
        match *shape? {
            [rows, width] if rows > 1 && width > 1 => Some(Grid { rows, width, is_fortran }),
            _ => None,
        }
    }

    /// The index in the result of the number in a row, at a place within the row.
    #[must_use]
    pub const fn index(self, row: u64, place: u64) -> u64 {
        if self.is_fortran { place * self.rows + row } else { row * self.width + place }
    }

    /// How many lines apart those are that are read to draw a part: 1 is all of them. A line
    /// is a row, or a place of all rows where columns run down, so that its numbers lie side
    /// by side. Never more than [`DRAWN_MOST`] numbers are read.
    #[must_use]
    pub fn lines_apart(self, rows: &Range<u64>, places: &Range<u64>) -> u64 {
        let length = |range: &Range<u64>| range.end.saturating_sub(range.start);
        let (lines, in_line, whole_line) = match self.is_fortran {
            true => (length(places), length(rows), self.rows),
            false => (length(rows), length(places), self.width),
        };
        // Side by side they are read at one go, with what lies between them.
        if lines.saturating_mul(whole_line) <= DRAWN_MOST {
            return 1;
        }
        let read_of_line = in_line.saturating_add(READ_AT_LEAST);
        lines.div_ceil((DRAWN_MOST / read_of_line).max(1)).max(1)
    }

    /// The row of an index of the result, and its place within the row.
    #[must_use]
    pub const fn place(self, index: u64) -> (u64, u64) {
        match self.is_fortran {
            true => (index % self.rows, index / self.rows),
            false => (index / self.width, index % self.width),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_left_out_only_of_what_takes_too_long_to_read() {
        let grid = Grid { rows: 30_000, width: 40_000, is_fortran: false };
        assert_eq!(grid.lines_apart(&(0..200), &(0..40_000)), 1);
        let apart = grid.lines_apart(&(0..30_000), &(0..40_000));
        assert_eq!(apart, 30_000_u64.div_ceil((1 << 23) / (40_000 + (1 << 17))));
        let transposed = Grid { rows: 40_000, width: 30_000, is_fortran: true };
        assert_eq!(transposed.lines_apart(&(0..40_000), &(0..30_000)), apart);
        let long = Grid { rows: 2, width: 1 << 40, is_fortran: false };
        assert_eq!(long.lines_apart(&(0..2), &(0..1 << 40)), 2);
        assert_eq!(long.lines_apart(&(0..2), &(0..0)), 1);
    }

    #[test]
    fn each_index_has_a_place_of_its_own_in_both_orders() {
        for is_fortran in [false, true] {
            let grid = Grid::of(Some(&[3, 5]), is_fortran).unwrap();
            let places: Vec<(u64, u64)> = (0..15).map(|index| grid.place(index)).collect();
            for (index, &(row, place)) in (0..).zip(&places) {
                assert!(row < 3 && place < 5);
                assert_eq!(grid.index(row, place), index);
            }
            assert_eq!(places[1], if is_fortran { (1, 0) } else { (0, 1) });
        }
        for other in [&[15][..], &[15, 1], &[1, 15], &[3, 5, 1], &[]] {
            assert_eq!(Grid::of(Some(other), false), None);
        }
        assert_eq!(Grid::of(None, false), None);
    }
}
