//! The range of the values of many columns, at a reduced resolution.

use std::ops::Range;

use protocol::result::PlotPoint;

/// The points of some consecutive columns; takes their numbers in this order.
#[derive(Debug)]
pub struct EnvelopeBuilder {
    columns: Range<u64>,
    /// The column of the next number.
    column: u64,
    points: Vec<PlotPoint>,
    /// The point that the next number falls on …
    point: usize,
    /// … and the first column of the point after it.
    point_end: u64,
}

/// The least and the greatest finite number of some.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extremes {
    /// The least, or infinity if none is finite.
    pub least: f64,
    /// The greatest, or negative infinity if none is finite.
    pub greatest: f64,
    /// Whether all of them are finite.
    pub all_finite: bool,
}

impl Extremes {
    const NONE: Extremes =
        Extremes { least: f64::INFINITY, greatest: f64::NEG_INFINITY, all_finite: true };

    fn and(self, other: Extremes) -> Extremes {
        Extremes {
            least: self.least.min(other.least),
            greatest: self.greatest.max(other.greatest),
            all_finite: self.all_finite && other.all_finite,
        }
    }
}

impl EnvelopeBuilder {
    /// An envelope of at most `points` points.
    #[must_use]
    pub fn new(columns: Range<u64>, points: usize) -> EnvelopeBuilder {
        let count = columns.end.saturating_sub(columns.start);
        let points = usize::try_from(count).map_or(points, |count| count.min(points));
        let nothing_yet = PlotPoint { min: f64::INFINITY, max: f64::NEG_INFINITY };
        EnvelopeBuilder {
            column: columns.start,
            point_end: columns.start + begin_of(1, count, points),
            columns,
            points: vec![nothing_yet; points],
            point: 0,
        }
    }

    /// Takes the next numbers; gives their extremes.
    pub fn add(&mut self, numbers: &[f64]) -> Extremes {
        let mut all = Extremes::NONE;
        let mut rest = numbers;
        while !rest.is_empty() {
            if self.column >= self.point_end {
                self.next_point();
            }
            let on_point = usize::try_from(self.point_end - self.column).unwrap_or(usize::MAX);
            let (piece, behind) = rest.split_at(on_point.min(rest.len()));
            let extremes = extremes(piece);
            // More numbers than were announced fall on no point.
            let Some(point) = self.points.get_mut(self.point).filter(|_| !piece.is_empty()) else {
                return all;
            };
            point.min = point.min.min(extremes.least);
            point.max = point.max.max(extremes.greatest);
            all = all.and(extremes);
            self.column += piece.len() as u64;
            rest = behind;
        }
        all
    }

    fn next_point(&mut self) {
        let count = self.columns.end - self.columns.start;
        self.point += 1;
        let end = begin_of(self.point + 1, count, self.points.len());
        self.point_end = self.columns.start + end.min(count);
    }

    /// The points; `None` for one without a finite number.
    #[must_use]
    pub fn finish(self) -> Vec<Option<PlotPoint>> {
        let has_numbers = |point: &PlotPoint| point.min <= point.max;
        self.points.into_iter().map(|point| Some(point).filter(has_numbers)).collect()
    }
}

/// The extremes of the finite ones of some numbers; by lanes, which the compiler makes
/// vectors of, if all are finite.
fn extremes(numbers: &[f64]) -> Extremes {
    const LANES: usize = 8;
    let mut least = [f64::INFINITY; LANES];
    let mut greatest = [f64::NEG_INFINITY; LANES];
    // Not 0 in a lane where a number is not finite: that times zero is NaN.
    let mut zeros = [0.0; LANES];
    let (whole, rest) = numbers.as_chunks::<LANES>();
    let mut add = |lane: usize, number: f64| {
        least[lane] = if number < least[lane] { number } else { least[lane] };
        greatest[lane] = if number > greatest[lane] { number } else { greatest[lane] };
        zeros[lane] += number * 0.0;
    };
    for chunk in whole {
        for (lane, &number) in chunk.iter().enumerate() {
            add(lane, number);
        }
    }
    for (lane, &number) in rest.iter().enumerate() {
        add(lane, number);
    }
    if zeros.iter().all(|zero| *zero == 0.0) {
        let least = least.into_iter().fold(f64::INFINITY, f64::min);
        let greatest = greatest.into_iter().fold(f64::NEG_INFINITY, f64::max);
        return Extremes { least, greatest, all_finite: true };
    }
    let finite = || numbers.iter().copied().filter(|number| number.is_finite());
    Extremes {
        least: finite().fold(f64::INFINITY, f64::min),
        greatest: finite().fold(f64::NEG_INFINITY, f64::max),
        all_finite: false,
    }
}

/// The first of `columns` columns that falls on a point of a scale of `points`.
#[must_use]
pub fn begin_of(point: usize, columns: u64, points: usize) -> u64 {
    let begin = (point as u128 * u128::from(columns)).div_ceil(points.max(1) as u128);
    u64::try_from(begin).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by the definition.
    fn defined(numbers: &[f64], points: usize) -> Vec<Option<PlotPoint>> {
        let count = numbers.len() as u64;
        let place = |index: u64| usize::try_from(index).unwrap();
        (0..points.min(numbers.len()))
            .map(|point| {
                let (begin, end) =
                    (begin_of(point, count, points), begin_of(point + 1, count, points));
                let covered = numbers[place(begin)..place(end)].iter().copied();
                let finite: Vec<f64> = covered.filter(|number| number.is_finite()).collect();
                let min = finite.iter().copied().reduce(f64::min)?;
                Some(PlotPoint { min, max: finite.iter().copied().reduce(f64::max)? })
            })
            .collect()
    }

    #[test]
    fn each_point_has_the_extremes_of_its_finite_numbers_whatever_the_pieces() {
        let numbers: Vec<f64> = (0..1_001_u32)
            .map(|n| match n % 37 {
                0 => f64::NAN,
                1 => f64::NEG_INFINITY,
                _ => f64::from(n * 7_919 % 1_009) - 500.0,
            })
            .collect();
        for points in [1, 2, 7, 500, 1_001] {
            for piece in [1, 13, 1_001] {
                let mut builder = EnvelopeBuilder::new(40..1_041, points);
                for piece in numbers.chunks(piece) {
                    builder.add(piece);
                }
                assert_eq!(builder.finish(), defined(&numbers, points), "{points} {piece}");
            }
        }
    }

    #[test]
    fn few_columns_are_points_of_their_own() {
        let mut builder = EnvelopeBuilder::new(5..8, 100);
        let extremes = builder.add(&[3.0, f64::NAN, 1.0]);
        assert_eq!(extremes, Extremes { least: 1.0, greatest: 3.0, all_finite: false });
        let point = |number| Some(PlotPoint { min: number, max: number });
        assert_eq!(builder.finish(), [point(3.0), None, point(1.0)]);
        assert!(EnvelopeBuilder::new(5..5, 100).finish().is_empty());
    }

    #[test]
    fn numbers_beyond_the_columns_are_ignored() {
        let mut builder = EnvelopeBuilder::new(0..2, 2);
        builder.add(&[1.0, 2.0, 9.0]);
        assert_eq!(builder.finish()[1], Some(PlotPoint { min: 2.0, max: 2.0 }));
    }
}
