//! Parts of results, for pages and programs.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use protocol::comparison::Comparison;
use protocol::problem::ProblemKind;
use protocol::request::Statistic;
use protocol::result::{Image, PlotPoint};
use protocol::view::{Envelope, Grid, POINTS_MOST, Values};
use protocol::{JobId, JobSnapshot, Problem};
use summation::output::number_text;
use tokio::sync::Mutex;

use super::Engine;
use crate::results::views::{Line, READ_MOST, covering};
use crate::results::{StoredResult, check_there};

/// The most columns from the first to the last number of a profile: 8 MiB are read for each
/// that a pointer passes.
const PROFILE_MOST: u64 = 1 << 20;
/// The most values of results that are compared: 1 GiB of each is read, in about a second.
const COMPARED_MOST: u64 = 1 << 27;
/// How many comparisons are kept for those who look again.
const COMPARISONS_KEPT: usize = 16;

/// The latest comparisons, by the jobs and the statistic: results never change.
pub(super) type Compared = Mutex<VecDeque<(((JobId, JobId), Option<Statistic>), Arc<Comparison>)>>;

impl Engine {
    /// The values of some columns of the mean, or of a statistic.
    ///
    /// # Errors
    ///
    /// If there is no such job or result, it has no such columns, they are too many, or the
    /// store does not answer.
    pub async fn values(
        &self,
        job: JobId,
        statistic: Option<Statistic>,
        columns: Range<u64>,
    ) -> Result<Values, Problem> {
        let (_, result) = self.stored_result(job, statistic).await?;
        let start = columns.start;
        let values = result.values(columns).await?;
        let values = values.into_iter().map(number_text).collect();
        Ok(Values { start, columns: result.columns(), values })
    }

    /// The ranges of the values of some columns, all if `None`, as at most `points` points.
    /// Of many columns they are the stored points of the whole result that cover them, so
    /// the cost is bounded.
    ///
    /// # Errors
    ///
    /// If there is no such job or result, it has no such columns, or the store does not
    /// answer.
    pub async fn envelope(
        &self,
        job: JobId,
        statistic: Option<Statistic>,
        columns: Option<Range<u64>>,
        points: usize,
    ) -> Result<Envelope, Problem> {
        let (snapshot, result) = self.stored_result(job, statistic).await?;
        let all = result.columns();
        let Range { start, end } = columns.unwrap_or(0..all);
        let line = Line { start, step: 1, count: end.saturating_sub(start) };
        if !line.is_too_long() {
            let points = result.envelope(line, points.clamp(1, POINTS_MOST)).await?;
            return Ok(Envelope { start, end, columns: all, points });
        }
        let plot = plot(&snapshot, statistic).unwrap_or_default();
        let (covered, points) = covering(plot, all, &(start..end.min(all)));
        if points.is_empty() {
            let detail = "columns are too many, and this result has no overview";
            return Err(Problem::new(ProblemKind::InvalidRequest, detail)
                .field("columns")
                .remedy(format!("ask for at most {READ_MOST}")));
        }
        Ok(Envelope { start: covered.start, end: covered.end, columns: all, points })
    }

    /// The ranges of the numbers on a line through a result, as at most `points` points; `None`
    /// if it takes too long to read.
    ///
    /// # Errors
    ///
    /// If there is no such job, result or line, or the store does not answer.
    pub async fn profile(
        &self,
        job: JobId,
        statistic: Option<Statistic>,
        line: Line,
        points: usize,
    ) -> Result<Option<Vec<Option<PlotPoint>>>, Problem> {
        let span = line.span();
        if span.end - span.start > PROFILE_MOST {
            return Ok(None);
        }
        let (_, result) = self.stored_result(job, statistic).await?;
        result.envelope(line, points).await.map(Some)
    }

    /// An image of some rows and places of a result of two dimensions; see
    /// [`StoredResult::image`].
    ///
    /// # Errors
    ///
    /// If there is no such job or result, it has not two dimensions, or no such part, or the
    /// store does not answer.
    pub async fn image(
        &self,
        job: JobId,
        statistic: Option<Statistic>,
        rows: Option<Range<u64>>,
        places: Option<Range<u64>>,
        range: Option<(f64, f64)>,
    ) -> Result<Image, Problem> {
        let (snapshot, result) = self.stored_result(job, statistic).await?;
        let shape = snapshot.result.as_ref().and_then(|result| result.shape.as_deref());
        let grid = Grid::of(shape, snapshot.inputs.fortran_order).ok_or_else(|| {
            Problem::new(ProblemKind::NotFound, "the result has not two dimensions")
                .remedy("GET /api/jobs/{id}/envelope plots any result")
        })?;
        let part = (rows.unwrap_or(0..grid.rows), places.unwrap_or(0..grid.width));
        result.image(grid, part, range).await
    }

    /// How the mean, or a statistic, of another job differs from that of a job.
    ///
    /// # Errors
    ///
    /// If one of them is not there, their shapes differ, they are too large to be compared, or
    /// the store does not answer.
    pub async fn compare(
        &self,
        jobs: (JobId, JobId),
        statistic: Option<Statistic>,
    ) -> Result<Arc<Comparison>, Problem> {
        let (one, other) = (self.job(jobs.0).await?, self.job(jobs.1).await?);
        check_there(&one, statistic)?;
        check_there(&other, statistic)?;
        let (shape, is_same) = check_comparable(&one, &other, statistic)?;
        let columns = one.result.as_ref().map_or(0, |result| result.columns);
        if is_same {
            let equal = Comparison { columns, by_hash: true, ..Comparison::default() };
            return Ok(Arc::new(equal));
        }
        if columns > COMPARED_MOST {
            let detail = format!("the results have {columns} values, too many to compare here");
            return Err(Problem::new(ProblemKind::TooLarge, detail)
                .remedy("download both, and compare them with numpy.array_equal"));
        }
        // One at a time: each reads two results as a whole.
        let mut latest = self.compared.lock().await;
        let key = (jobs, statistic);
        if let Some((_, known)) = latest.iter().find(|(known, _)| *known == key) {
            return Ok(known.clone());
        }
        let store = self.store();
        let first = StoredResult::open(store.clone(), jobs.0, statistic).await?;
        let second = StoredResult::open(store.clone(), jobs.1, statistic).await?;
        let grid = Grid::of(shape, one.inputs.fortran_order);
        let comparison = Arc::new(first.compare(&second, grid).await?);
        latest.truncate(COMPARISONS_KEPT - 1);
        latest.push_front((key, comparison.clone()));
        Ok(comparison)
    }

    /// The mean of a job that is done, or a statistic that it was asked for.
    pub(super) async fn stored_result(
        &self,
        job: JobId,
        statistic: Option<Statistic>,
    ) -> Result<(Arc<JobSnapshot>, StoredResult), Problem> {
        let snapshot = self.job(job).await?;
        check_there(&snapshot, statistic)?;
        let result = StoredResult::open(self.store().clone(), job, statistic).await?;
        Ok((snapshot, result))
    }
}

/// The shape of two results, and whether their files are the same by their hashes.
fn check_comparable<'a>(
    one: &'a JobSnapshot,
    other: &JobSnapshot,
    statistic: Option<Statistic>,
) -> Result<(Option<&'a [u64]>, bool), Problem> {
    let refuse = |detail: String| {
        Err(Problem::new(ProblemKind::Conflict, detail)
            .remedy("compare with a job whose result has the same shape"))
    };
    let shape = |job: &JobSnapshot| {
        let result = job.result.as_ref();
        result.map(|result| result.shape.clone().unwrap_or_else(|| vec![result.columns]))
    };
    if shape(one) != shape(other) {
        let text = |job| format!("{:?}", shape(job).unwrap_or_default());
        return refuse(format!("the results have the shapes {} and {}", text(one), text(other)));
    }
    if one.inputs.fortran_order != other.inputs.fortran_order {
        return refuse("the columns of the results are counted in different orders".to_owned());
    }
    let file = |job: &JobSnapshot| {
        let result = job.result.as_ref()?;
        let Some(statistic) = statistic else {
            return result.file.clone();
        };
        let place = result.statistics.iter().position(|it| *it == statistic)?;
        Some(result.summaries.get(place)?.file.clone())
    };
    let is_same = file(one).is_some() && file(one) == file(other);
    Ok((one.result.as_ref().and_then(|result| result.shape.as_deref()), is_same))
}

/// The stored plot of the mean, or of a statistic.
fn plot(job: &JobSnapshot, statistic: Option<Statistic>) -> Option<&[Option<PlotPoint>]> {
    let result = job.result.as_ref()?;
    let Some(statistic) = statistic else {
        return Some(&result.plot);
    };
    let place = result.statistics.iter().position(|it| *it == statistic)?;
    result.summaries.get(place).map(|summary| &summary.plot[..])
}
