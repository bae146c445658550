//! What a result looks like, gathered while it is written.

use protocol::result::{FIRST_NUMBERS, IMAGE_PIXELS, Image, PLOT_POINTS, PlotPoint, ResultSummary};
use summation::{Order, output};

use super::Total;

/// A result's summary under way; takes the numbers in the order of the columns.
pub(super) struct Summary {
    summary: ResultSummary,
    /// How many numbers have been taken.
    column: u64,
    least: f64,
    greatest: f64,
    plot: Vec<PlotPoint>,
    /// The point of the plot that the next number falls on …
    point: usize,
    /// … and the first column of the point after it.
    point_end: u64,
    picture: Option<Picture>,
}

/// A result of two dimensions, made smaller: pixels are the averages of the
/// numbers that fall on them.
struct Picture {
    /// Rows and columns of the result.
    size: (u64, u64),
    /// Rows and columns of the picture.
    pixels: (u64, u64),
    order: Order,
    sums: Vec<(f64, u64)>,
}

impl Summary {
    pub(super) fn new(total: &Total) -> Summary {
        let points = usize::try_from(total.columns).map_or(PLOT_POINTS, |c| c.min(PLOT_POINTS));
        let nothing_yet = PlotPoint { min: f64::INFINITY, max: f64::NEG_INFINITY };
        Summary {
            summary: ResultSummary {
                columns: total.columns,
                objects: total.plan.objects,
                shape: total.shape.clone(),
                statistics: total.statistics.clone(),
                ..ResultSummary::default()
            },
            column: 0,
            least: f64::INFINITY,
            greatest: f64::NEG_INFINITY,
            plot: vec![nothing_yet; points],
            point: 0,
            point_end: begin_of(1, total.columns, points),
            picture: Picture::new(total),
        }
    }

    /// A summary without a picture.
    pub(super) fn plain(total: &Total) -> Summary {
        Summary { picture: None, ..Summary::new(total) }
    }

    /// Takes the next numbers.
    pub(super) fn add(&mut self, numbers: &[f64]) {
        let wanted = FIRST_NUMBERS - self.summary.first.len();
        let first = numbers.iter().take(wanted).map(|number| output::number_text(*number));
        self.summary.first.extend(first);
        let mut rest = numbers;
        while !rest.is_empty() {
            if self.column >= self.point_end {
                self.next_point();
            }
            let on_point = usize::try_from(self.point_end - self.column).unwrap_or(usize::MAX);
            let (piece, behind) = rest.split_at(on_point.min(rest.len()));
            self.add_to_point(piece);
            self.column += piece.len() as u64;
            rest = behind;
        }
    }

    /// Takes numbers that fall on the same point of the plot.
    fn add_to_point(&mut self, numbers: &[f64]) {
        let (least, greatest) = match finite_extremes(numbers) {
            Some(extremes) => extremes,
            None => self.add_apart(numbers),
        };
        self.least = self.least.min(least);
        self.greatest = self.greatest.max(greatest);
        let point = &mut self.plot[self.point];
        point.min = point.min.min(least);
        point.max = point.max.max(greatest);
        if let Some(picture) = &mut self.picture {
            for (column, &number) in (self.column..).zip(numbers) {
                if number.is_finite() {
                    picture.add(column, number);
                }
            }
        }
    }

    /// Counts those that are not finite; gives the extremes of the others.
    fn add_apart(&mut self, numbers: &[f64]) -> (f64, f64) {
        let mut extremes = (f64::INFINITY, f64::NEG_INFINITY);
        for &number in numbers {
            if number.is_nan() {
                self.summary.nan_columns += 1;
            } else if number.is_infinite() {
                self.summary.infinite_columns += 1;
                self.least = self.least.min(number);
                self.greatest = self.greatest.max(number);
            } else {
                extremes = (extremes.0.min(number), extremes.1.max(number));
            }
        }
        extremes
    }

    fn next_point(&mut self) {
        self.point = (self.point + 1).min(self.plot.len() - 1);
        self.point_end = begin_of(self.point + 1, self.summary.columns, self.plot.len());
    }

    pub(super) fn finish(self) -> ResultSummary {
        let mut summary = self.summary;
        if self.least <= self.greatest {
            summary.min = Some(output::number_text(self.least));
            summary.max = Some(output::number_text(self.greatest));
        }
        let has_numbers = |point: &PlotPoint| point.min <= point.max;
        summary.plot = self.plot.into_iter().map(|point| Some(point).filter(has_numbers)).collect();
        summary.image = self.picture.map(Picture::finish);
        summary
    }
}

impl Picture {
    fn new(total: &Total) -> Option<Picture> {
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

    fn add(&mut self, column: u64, number: f64) {
        let (row, place) = match self.order {
            Order::C => (column / self.size.1, column % self.size.1),
            Order::Fortran => (column % self.size.0, column / self.size.0),
        };
        let y = row * self.pixels.0 / self.size.0;
        let x = place * self.pixels.1 / self.size.1;
        if let Ok(pixel) = usize::try_from(y * self.pixels.1 + x)
            && let Some((sum, count)) = self.sums.get_mut(pixel)
        {
            *sum += number;
            *count += 1;
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a shade lies from 1 to 255"
    )]
    fn finish(self) -> Image {
        let means = self.sums.iter().map(|&(sum, count)| (count > 0).then(|| sum / count as f64));
        let means: Vec<Option<f64>> = means.collect();
        let least = means.iter().flatten().copied().fold(f64::INFINITY, f64::min);
        let greatest = means.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
        // Halved, so that the span of any numbers is a number.
        let span = if greatest > least { greatest / 2.0 - least / 2.0 } else { 1.0 };
        let shade = |mean: f64| (1.0 + (mean / 2.0 - least / 2.0) / span * 254.0).max(1.0) as u8;
        Image {
            width: u32::try_from(self.pixels.1).unwrap_or(u32::MAX),
            height: u32::try_from(self.pixels.0).unwrap_or(u32::MAX),
            pixels: means.into_iter().map(|mean| mean.map_or(0, shade)).collect(),
        }
    }
}

/// The least and the greatest number, if all of them are finite; by lanes, which
/// the compiler makes vectors of.
fn finite_extremes(numbers: &[f64]) -> Option<(f64, f64)> {
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
    let is_finite = zeros.iter().all(|zero| *zero == 0.0);
    let least = least.into_iter().fold(f64::INFINITY, f64::min);
    is_finite.then(|| (least, greatest.into_iter().fold(f64::NEG_INFINITY, f64::max)))
}

/// The first of `columns` columns that falls on a point of a scale of `points`.
fn begin_of(point: usize, columns: u64, points: usize) -> u64 {
    let begin = (point as u128 * u128::from(columns)).div_ceil(points.max(1) as u128);
    u64::try_from(begin).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use protocol::{JobId, Plan, Timestamp};

    use super::*;

    fn summary_of(numbers: &[f64], shape: Option<Vec<u64>>) -> ResultSummary {
        let total = Total {
            job: JobId::from_parts(Timestamp::default(), 0),
            plan: Plan {
                objects: 3,
                columns: None,
                fan_in: 2,
                segment_columns: 1024,
                partial_column_bytes: 16,
                levels: Vec::new(),
                estimate: Default::default(),
            },
            root: String::new(),
            columns: numbers.len() as u64,
            shape,
            order: Order::C,
            statistics: Vec::new(),
            missing: protocol::request::Missing::default(),
        };
        let mut summary = Summary::new(&total);
        for piece in numbers.chunks(7) {
            summary.add(piece);
        }
        summary.finish()
    }

    #[test]
    fn nan_and_infinities_are_counted_and_left_out_of_the_plot() {
        let summary = summary_of(&[1.0, f64::NAN, f64::INFINITY, -0.0], None);
        assert_eq!((summary.nan_columns, summary.infinite_columns), (1, 1));
        assert_eq!(summary.first, ["1.0", "nan", "inf", "-0.0"]);
        let shown: Vec<bool> = summary.plot.iter().map(Option::is_some).collect();
        assert_eq!(shown, [true, false, false, true]);
        assert_eq!(summary.max.as_deref(), Some("inf"));
    }

    #[test]
    fn a_long_result_has_a_plot_of_its_extremes() {
        let numbers: Vec<f64> = (0..100_000).map(f64::from).collect();
        let summary = summary_of(&numbers, None);
        assert_eq!(summary.plot.len(), PLOT_POINTS);
        assert_eq!(summary.plot[0].unwrap().min, 0.0);
        assert_eq!(summary.plot[PLOT_POINTS - 1].unwrap().max, 99_999.0);
    }

    #[test]
    fn a_small_table_is_a_picture_pixel_by_pixel() {
        let summary = summary_of(&[0.0, 1.0, 2.0, 4.0], Some(vec![2, 2]));
        let image = summary.image.unwrap();
        assert_eq!((image.width, image.height), (2, 2));
        assert_eq!(image.pixels, [1, 64, 128, 255]);
    }

    #[test]
    fn a_picture_shows_nothing_where_there_are_no_numbers() {
        let image = summary_of(&[5.0, f64::NAN, f64::INFINITY, 4.0], Some(vec![2, 2])).image;
        assert_eq!(image.unwrap().pixels, [255, 0, 0, 1]);
    }

    #[test]
    fn a_large_table_is_made_smaller_in_proportion() {
        let numbers = vec![1.0; 400 * 1000];
        let image = summary_of(&numbers, Some(vec![400, 1000])).image.unwrap();
        assert_eq!((image.width, image.height), (192, 76));
    }
}
