//! What a result looks like, gathered while it is written.

use protocol::result::{FIRST_NUMBERS, PLOT_POINTS, ResultSummary};
use summation::output;

use super::Total;
use super::figures::FiguresBuilder;
use super::picture::Picture;
use crate::results::envelope::EnvelopeBuilder;

/// A result's summary under way; takes the numbers in the order of the columns.
pub(super) struct Summary {
    summary: ResultSummary,
    /// How many numbers have been taken.
    column: u64,
    figures: FiguresBuilder,
    plot: EnvelopeBuilder,
    picture: Option<Picture>,
}

impl Summary {
    pub(super) fn new(total: &Total) -> Summary {
        Summary {
            summary: ResultSummary {
                columns: total.columns,
                objects: total.plan.objects,
                shape: total.shape.clone(),
                statistics: total.statistics.clone(),
                ..ResultSummary::default()
            },
            column: 0,
            figures: FiguresBuilder::new(total.columns),
            plot: EnvelopeBuilder::new(0..total.columns, PLOT_POINTS),
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
        let extremes = self.plot.add(numbers);
        self.figures.add(numbers, extremes);
        if let Some(picture) = &mut self.picture {
            picture.add(self.column, numbers);
        }
        self.column += numbers.len() as u64;
    }

    pub(super) fn finish(self) -> ResultSummary {
        let mut summary = self.summary;
        if let Some((least, greatest)) = self.figures.extremes() {
            summary.min = Some(output::number_text(least));
            summary.max = Some(output::number_text(greatest));
        }
        let figures = self.figures.finish();
        (summary.nan_columns, summary.infinite_columns) = (figures.nan, figures.infinite);
        summary.figures = Some(figures);
        summary.plot = self.plot.finish();
        summary.image = self.picture.map(|picture| picture.image());
        summary
    }
}

#[cfg(test)]
mod tests {
    use protocol::{JobId, Plan, Timestamp};
    use summation::Order;

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
            typed: None,
            npy_dtype: None,
            weighted: false,
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
