//! The part of a result that a page shows.

use std::ops::Range;

use protocol::request::Statistic;
use protocol::result::{Figures, Number, PlotPoint, ResultSummary, StoredFile};
use protocol::view::{Envelope, Grid, Values};
use protocol::{JobId, JobSnapshot};
use serde::{Deserialize, Serialize};

use super::CallError;
use crate::backend::backend;
use crate::picture::window::Window;
use crate::result_query::{PAGE_VALUES, ResultQuery};

/// The points of a plot: about one per two pixels of a wide screen.
const POINTS: usize = 512;

/// The mean or a statistic of a result, by its summary.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Array {
    /// The statistic; the mean if absent.
    pub statistic: Option<Statistic>,
    /// The first values.
    pub first: Vec<Number>,
    /// The plot of all columns.
    pub plot: Vec<Option<PlotPoint>>,
    /// The minimum value.
    pub min: Option<Number>,
    /// The maximum value.
    pub max: Option<Number>,
    /// The stored .npy file, if it is known.
    pub file: Option<StoredFile>,
    /// The stored safetensors file, if the inputs are such files.
    pub safetensors: Option<StoredFile>,
    /// The stored NetCDF file, if the inputs are such files.
    pub netcdf: Option<StoredFile>,
    /// Its figures, if they were recorded.
    pub figures: Option<Figures>,
}

impl Array {
    /// The array that a page was asked for: the mean, unless the result has the statistic.
    #[must_use]
    pub fn of(result: &ResultSummary, statistic: Option<Statistic>) -> Array {
        let place = result.statistics.iter().position(|it| Some(*it) == statistic);
        let Some(place) = place else {
            return Array {
                statistic: None,
                first: result.first.clone(),
                plot: result.plot.clone(),
                min: result.min.clone(),
                max: result.max.clone(),
                file: result.npy.clone().or_else(|| result.file.clone()),
                safetensors: result.safetensors.clone(),
                netcdf: result.netcdf.clone(),
                figures: result.figures.clone(),
            };
        };
        // Records of older versions have no summaries.
        let Some(summary) = result.summaries.get(place).cloned() else {
            return Array { statistic, ..Array::default() };
        };
        Array {
            statistic,
            first: summary.first,
            plot: summary.plot,
            min: summary.min,
            max: summary.max,
            file: Some(summary.npy.unwrap_or(summary.file)),
            safetensors: summary.safetensors,
            netcdf: summary.netcdf,
            figures: summary.figures,
        }
    }
}

impl Array {
    /// The quantiles of 2 % and 98 %, if they are known, finite, and differ.
    fn quantile_range(&self) -> Option<(f64, f64)> {
        let quantile = |fraction: f64| {
            let quantiles = &self.figures.as_ref()?.quantiles;
            let found = quantiles.iter().find(|quantile| quantile.fraction == fraction)?;
            found.value.parse().ok().filter(|value: &f64| value.is_finite())
        };
        quantile(0.02).zip(quantile(0.98)).filter(|(low, high)| low < high)
    }

    /// The least and the greatest finite value.
    fn finite_range(&self) -> Option<(f64, f64)> {
        let least = self.plot.iter().flatten().map(|point| point.min).reduce(f64::min);
        least.zip(self.plot.iter().flatten().map(|point| point.max).reduce(f64::max))
    }
}

/// The part of a result that a page shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ResultView {
    /// What is plotted, unless the result has two dimensions.
    pub envelope: Envelope,
    /// What is drawn, if the result has two dimensions.
    pub image: Option<ImageView>,
    /// The profiles of a row and a column of it.
    pub profiles: Vec<Profile>,
    /// The page of the table.
    pub values: Values,
    /// The value at the index that the page was asked for.
    pub value: Option<Number>,
}

/// The part of a result of two dimensions that is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageView {
    /// The whole result.
    pub grid: Grid,
    /// The first place of the part in each row, and the one after the last.
    pub places: (u64, u64),
    /// The first row of the part, and the one after the last.
    pub rows: (u64, u64),
    /// The values of the first and the last colour; those of the image if unknown.
    pub range: Option<(f64, f64)>,
    /// Whether quantiles are known, so that the colours can leave out extremes.
    pub robust: bool,
    /// Whether there are values that are not finite.
    pub has_gaps: bool,
}

impl ImageView {
    /// The part that a page was asked for.
    #[must_use]
    pub fn new(grid: Grid, array: &Array, query: &ResultQuery) -> ImageView {
        let across = Window::of(query.from, query.to, grid.width);
        let down = Window::of(query.top, query.bottom, grid.rows);
        let robust = array.quantile_range();
        let figures = array.figures.as_ref();
        ImageView {
            grid,
            places: (across.start, across.end),
            rows: (down.start, down.end),
            range: robust.filter(|_| !query.full_range).or_else(|| array.finite_range()),
            robust: robust.is_some(),
            has_gaps: figures.is_none_or(|figures| figures.nan + figures.infinite > 0),
        }
    }

    /// The places of the part.
    #[must_use]
    pub const fn across(&self) -> Window {
        Window { start: self.places.0, end: self.places.1 }
    }

    /// The rows of the part.
    #[must_use]
    pub const fn down(&self) -> Window {
        Window { start: self.rows.0, end: self.rows.1 }
    }

    /// The profiles of the row and the column of an index, or of the middle of the part.
    async fn profiles(
        &self,
        id: JobId,
        statistic: Option<Statistic>,
        index: Option<u64>,
    ) -> Result<Vec<Profile>, CallError> {
        let (grid, across, down) = (self.grid, self.across(), self.down());
        let middle = (down.cell(0.5), across.cell(0.5));
        let (row, place) = index.map_or(middle, |index| grid.place(index));
        let (along, between) = if grid.is_fortran { (grid.rows, 1) } else { (1, grid.width) };
        let row_line = (grid.index(row, across.start), along, across.width());
        let column_line = (grid.index(down.start, place), between, down.width());
        let mut profiles = Vec::new();
        for (is_row, line, window, numbers) in
            [(true, row, across, row_line), (false, place, down, column_line)]
        {
            let points = backend().profile(id, statistic, numbers, POINTS).await?;
            profiles.push(Profile { is_row, line, start: window.start, end: window.end, points });
        }
        Ok(profiles)
    }
}

/// The values of a row or a column within the part that is drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Whether it is a row.
    pub is_row: bool,
    /// Which.
    pub line: u64,
    /// The first place of the row, or the first row of the column.
    pub start: u64,
    /// The one after the last.
    pub end: u64,
    /// The values; `None` if they take too long to read.
    pub points: Option<Vec<Option<PlotPoint>>>,
}

/// Reads the part of a result that a page shows.
///
/// Only the pages call it, so it has no path of its own.
pub async fn result_view(
    job: &JobSnapshot,
    query: &ResultQuery,
) -> Result<Option<ResultView>, CallError> {
    let Some(result) = &job.result else {
        return Ok(None);
    };
    let array = Array::of(result, query.statistic);
    let (id, columns, statistic) = (job.id, result.columns, array.statistic);
    let grid = Grid::of(result.shape.as_deref(), job.inputs.fortran_order);
    let query = &query.clone().with_place(grid);
    let image = grid.map(|grid| ImageView::new(grid, &array, query));
    let index = query.at.or(query.index);
    let profiles = match image {
        Some(image) => {
            let index = index.filter(|index| *index < columns);
            image.profiles(id, statistic, index).await?
        }
        None => Vec::new(),
    };
    if let Some(at) = query.at {
        let value = value(id, statistic, at, columns).await?;
        return Ok(Some(ResultView { image, profiles, value, ..ResultView::default() }));
    }
    let window = Window::of(query.from, query.to, columns);
    let envelope = if image.is_some() {
        Envelope::default()
    } else if window == Window::whole(columns) && !array.plot.is_empty() {
        Envelope { start: 0, end: columns, columns, points: array.plot }
    } else {
        let shown = window.start..window.end;
        backend().envelope(id, statistic, Some(shown), POINTS).await?
    };
    let start = query.first_on_page(columns);
    let end = columns.min(start + PAGE_VALUES);
    let first = &array.first;
    let values = if start == 0 && first.len() as u64 == end {
        Values { start, columns, values: array.first }
    } else {
        backend().values(id, statistic, start..end).await?
    };
    let value = match query.index.map(|index| (index, value_in(&values, index))) {
        Some((_, Some(value))) => Some(value),
        Some((index, None)) => value(id, statistic, index, columns).await?,
        None => None,
    };
    Ok(Some(ResultView { envelope, image, profiles, values, value }))
}

/// The value at an index; `None` if there is no such index.
async fn value(
    id: JobId,
    statistic: Option<Statistic>,
    index: u64,
    columns: u64,
) -> Result<Option<Number>, CallError> {
    if index >= columns {
        return Ok(None);
    }
    let one: Range<u64> = index..index + 1;
    Ok(backend().values(id, statistic, one).await?.values.pop())
}

fn value_in(values: &Values, index: u64) -> Option<Number> {
    let place = usize::try_from(index.checked_sub(values.start)?).ok()?;
    values.values.get(place).cloned()
}
