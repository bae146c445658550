//! Parts of a result, at full or at reduced resolution, at a bounded cost.

use std::ops::Range;

use futures::{TryStreamExt, pin_mut};
use platform::StoreError;
use protocol::Problem;
use protocol::problem::ProblemKind;
use protocol::result::PlotPoint;
use protocol::view::VALUES_MOST;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::StoredResult;
use super::envelope::{EnvelopeBuilder, begin_of};

/// The most columns that are read for a view: 32 MiB, some ten milliseconds from a disk.
pub const READ_MOST: u64 = 1 << 22;

/// So many views are read at the same time, whoever asks: each takes a processor.
static READS: Semaphore = Semaphore::const_new(4);

/// Numbers that are equally far apart in a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The column of the first.
    pub start: u64,
    /// How many columns the next is away, at least 1.
    pub step: u64,
    /// How many numbers there are.
    pub count: u64,
}

impl Line {
    /// The columns from the first to the last.
    #[must_use]
    pub fn span(self) -> Range<u64> {
        let last = self.step.saturating_mul(self.count.saturating_sub(1));
        let behind = self.start.saturating_add(last).saturating_add(1);
        self.start..if self.count == 0 { self.start } else { behind }
    }

    /// Whether it takes too long to read.
    #[must_use]
    pub fn is_too_long(self) -> bool {
        let span = self.span();
        span.end - span.start > READ_MOST
    }
}

impl StoredResult {
    /// The numbers of some columns, in order.
    ///
    /// # Errors
    ///
    /// If they are more than [`VALUES_MOST`], the result has not got them, or it cannot be
    /// read.
    pub async fn values(&self, columns: Range<u64>) -> Result<Vec<f64>, Problem> {
        let _permit = permit().await?;
        self.check_columns(&columns)?;
        if columns.end - columns.start > VALUES_MOST {
            let detail = format!("columns {} to {} are too many", columns.start, columns.end);
            return Err(Problem::new(ProblemKind::InvalidRequest, detail).field("columns").remedy(
                format!(
                    "ask for at most {VALUES_MOST} at once, or for their envelope; the whole \
                     result is at /api/jobs/{{id}}/result"
                ),
            ));
        }
        self.numbers_of(columns).try_concat().await.map_err(unread)
    }

    /// The ranges of the numbers on a line, as at most `points` points; `None` for a point
    /// without a finite number.
    ///
    /// # Errors
    ///
    /// If the line is too long to be read, the result has not got its columns, or cannot be
    /// read.
    pub async fn envelope(
        &self,
        line: Line,
        points: usize,
    ) -> Result<Vec<Option<PlotPoint>>, Problem> {
        let _permit = permit().await?;
        let span = line.span();
        self.check_columns(&span)?;
        if line.is_too_long() {
            let detail = format!("columns {} to {} are too many", span.start, span.end);
            return Err(Problem::new(ProblemKind::InvalidRequest, detail)
                .remedy(format!("ask for at most {READ_MOST} columns, or for all")));
        }
        let mut envelope = EnvelopeBuilder::new(0..line.count, points);
        let numbers = self.numbers_of(span);
        pin_mut!(numbers);
        // How many numbers are passed over before the next of the line.
        let mut passed_over = 0;
        let step = usize::try_from(line.step.max(1)).unwrap_or(usize::MAX);
        let mut picked = Vec::new();
        while let Some(piece) = numbers.try_next().await.map_err(unread)? {
            if step == 1 {
                envelope.add(&piece);
                continue;
            }
            picked.clear();
            picked.extend(piece.iter().skip(passed_over).step_by(step));
            envelope.add(&picked);
            let reached = passed_over + picked.len() * step;
            passed_over = reached.saturating_sub(piece.len());
        }
        Ok(envelope.finish())
    }

    /// Checks that it has these columns, and that they are in order.
    pub(super) fn check_columns(&self, columns: &Range<u64>) -> Result<(), Problem> {
        if columns.start <= columns.end && columns.end <= self.columns() {
            return Ok(());
        }
        let detail = format!("there are no columns {} to {}", columns.start, columns.end);
        Err(Problem::new(ProblemKind::InvalidRequest, detail)
            .field("columns")
            .remedy(format!("the result has columns 0 to {}, the last excluded", self.columns())))
    }
}

/// Of points that cover all of `columns`, those that cover a part, and the columns that they
/// cover, which may be a few more.
#[must_use]
pub fn covering(
    plot: &[Option<PlotPoint>],
    columns: u64,
    part: &Range<u64>,
) -> (Range<u64>, Vec<Option<PlotPoint>>) {
    let points = plot.len();
    let begin = |point: usize| begin_of(point, columns, points);
    let first = (0..points).take_while(|point| begin(point + 1) <= part.start).count();
    let behind = (first..points).find(|point| begin(*point) >= part.end).unwrap_or(points);
    (begin(first)..begin(behind), plot.get(first..behind).unwrap_or_default().to_vec())
}

/// Waits for its turn to read a view.
pub(super) async fn permit() -> Result<SemaphorePermit<'static>, Problem> {
    READS.acquire().await.map_err(|_| Problem::new(ProblemKind::Unavailable, "stopping"))
}

pub(super) fn unread(error: StoreError) -> Problem {
    error.own_problem("reading the result")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(number: f64) -> Option<PlotPoint> {
        Some(PlotPoint { min: number, max: number })
    }

    #[test]
    fn the_stored_points_that_cover_a_part_are_found() {
        let plot: Vec<_> = (0..4).map(|n| point(f64::from(n))).collect();
        assert_eq!(covering(&plot, 40, &(0..40)), (0..40, plot.clone()));
        assert_eq!(covering(&plot, 40, &(10..20)), (10..20, vec![point(1.0)]));
        assert_eq!(covering(&plot, 40, &(9..21)), (0..30, plot[..3].to_vec()));
        assert_eq!(covering(&plot, 40, &(39..40)), (30..40, vec![point(3.0)]));
        assert_eq!(covering(&[], 40, &(0..40)), (0..0, Vec::new()));
    }

    #[test]
    fn a_line_spans_its_first_and_its_last_number() {
        assert_eq!(Line { start: 3, step: 10, count: 2 }.span(), 3..14);
        assert_eq!(Line { start: 3, step: 10, count: 0 }.span(), 3..3);
        assert!(!Line { start: 0, step: 1, count: READ_MOST }.is_too_long());
        assert!(Line { start: 0, step: 2, count: READ_MOST }.is_too_long());
    }
}
