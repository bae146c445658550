//! Parts of a result.

use std::ops::Range;

use app::pages::job::png;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use protocol::JobId;
use protocol::comparison::Comparison;
use protocol::problem::{Problem, ProblemKind};
use protocol::request::Statistic;
use protocol::view::{Envelope, Values};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::body::{JobInPath, Parameters};
use super::problem_response::{Failed, ProblemResponse};

/// The points of an envelope that is asked for without their number.
const POINTS: usize = 512;

/// A range of columns, as `first..end`: the end is excluded.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Columns(pub(super) Range<u64>);

impl TryFrom<String> for Columns {
    type Error = String;

    fn try_from(text: String) -> Result<Columns, String> {
        let ends = text.split_once("..").and_then(|(start, end)| {
            let columns = start.parse().ok()?..end.parse().ok()?;
            (columns.start <= columns.end).then_some(Columns(columns))
        });
        ends.ok_or_else(|| format!("{text:?} is not a range of columns, such as 100..200"))
    }
}

/// What values are written as.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ValuesFormat {
    #[default]
    Json,
    /// One value a line.
    Csv,
}

/// The parameters of `GET /api/jobs/{id}/values`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ValuesParameters {
    /// The first column, and the one after the last: `100..200`; at most 10,000 columns.
    #[param(value_type = String, pattern = "^[0-9]+\\.\\.[0-9]+$")]
    columns: Columns,
    /// Absent: the mean.
    statistic: Option<Statistic>,
    /// What they are written as.
    #[serde(default)]
    #[param(inline)]
    format: ValuesFormat,
}

/// Get some values of a result.
///
/// Columns are counted from 0 in the order of the result: in C order, or in Fortran order
/// where the inputs are stored in it.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/values",
    operation_id = "show_values",
    tag = "jobs",
    params(("id" = JobId, Path, description = "A job that is done"), ValuesParameters),
    responses(
        (status = 200, description = "The values", content(
            (Values = "application/json"),
            (String = "text/csv"),
        )),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn values(
    State(shared): State<Shared>,
    JobInPath(job): JobInPath,
    Parameters(ValuesParameters { columns, statistic, format }): Parameters<ValuesParameters>,
) -> Result<Response, ProblemResponse> {
    let values = shared.engine.values(job, statistic, columns.0).await?;
    Ok(match format {
        ValuesFormat::Json => Json(values).into_response(),
        ValuesFormat::Csv => {
            let lines: String = values.values.iter().map(|value| format!("{value}\n")).collect();
            ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], lines).into_response()
        }
    })
}

/// The parameters of `GET /api/jobs/{id}/envelope`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EnvelopeParameters {
    /// The first column, and the one after the last: `100..200`; all if absent.
    #[param(value_type = Option<String>, pattern = "^[0-9]+\\.\\.[0-9]+$")]
    columns: Option<Columns>,
    /// Absent: the mean.
    statistic: Option<Statistic>,
    /// The most points, from 1 to 2,048; 512 by default.
    points: Option<usize>,
}

/// Get the range of the values of a result over consecutive columns.
///
/// Each point has the least and the greatest finite value of the columns that it covers. Up
/// to 4,194,304 columns are read. Of more, the answer has the points of the plot of the whole
/// result that cover them: `start` and `end` tell which columns these are.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/envelope",
    operation_id = "show_envelope",
    tag = "jobs",
    params(("id" = JobId, Path, description = "A job that is done"), EnvelopeParameters),
    responses(
        (status = 200, description = "The points", body = Envelope),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn envelope(
    State(shared): State<Shared>,
    JobInPath(job): JobInPath,
    Parameters(EnvelopeParameters { columns, statistic, points }): Parameters<EnvelopeParameters>,
) -> Result<Json<Envelope>, ProblemResponse> {
    let columns = columns.map(|columns| columns.0);
    let points = points.unwrap_or(POINTS);
    Ok(Json(shared.engine.envelope(job, statistic, columns, points).await?))
}

/// The parameters of `GET /api/jobs/{id}/image.png`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ImageParameters {
    /// The first row, and the one after the last: `100..200`; all if absent.
    #[param(value_type = Option<String>, pattern = "^[0-9]+\\.\\.[0-9]+$")]
    rows: Option<Columns>,
    /// The first number of each row, and the one after the last; all if absent.
    #[param(value_type = Option<String>, pattern = "^[0-9]+\\.\\.[0-9]+$")]
    columns: Option<Columns>,
    /// Absent: the mean.
    statistic: Option<Statistic>,
    /// The value of the darkest colour; the least of the image if this or `high` is absent.
    low: Option<f64>,
    /// The value of the lightest colour.
    high: Option<f64>,
}

/// Draw a result of two dimensions, or a part of it.
///
/// The image has at most 720 × 720 pixels, of which each has the mean of the finite values
/// that it covers; one without any has a colour of its own. Of a part with more than
/// 8,388,608 values, lines are left out evenly.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/image.png",
    operation_id = "draw_image",
    tag = "jobs",
    params(("id" = JobId, Path, description = "A job that is done"), ImageParameters),
    responses(
        (status = 200, description = "The image", body = Vec<u8>, content_type = "image/png"),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn image(
    State(shared): State<Shared>,
    JobInPath(job): JobInPath,
    Parameters(asked): Parameters<ImageParameters>,
) -> Result<Response, ProblemResponse> {
    let ImageParameters { rows, columns, statistic, low, high } = asked;
    let range = low.zip(high);
    if range.is_some_and(|(low, high)| !low.is_finite() || !high.is_finite() || low > high) {
        let detail = "the range of the colours is not from a number to a greater one";
        return Err(Problem::new(ProblemKind::InvalidRequest, detail).field("low").into());
    }
    let (rows, columns) = (rows.map(|rows| rows.0), columns.map(|columns| columns.0));
    let image = shared.engine.image(job, statistic, rows, columns, range).await?;
    let file = png::file(&image)
        .ok_or_else(|| Problem::new(ProblemKind::Internal, "the image was not encoded"))?;
    let headers = [
        (header::CONTENT_TYPE, "image/png"),
        // A result never changes.
        (header::CACHE_CONTROL, "private, max-age=31536000, immutable"),
    ];
    Ok((headers, file).into_response())
}

/// The parameters of `GET /api/jobs/{id}/compare/{other}`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CompareParameters {
    /// Absent: the mean.
    statistic: Option<Statistic>,
}

/// Compare the results of two jobs.
///
/// Both must have the same shape. If the stored files have the same hash, all values have the
/// same bits, and none is read. Else both are read as a whole, up to 134,217,728 values each.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/compare/{other}",
    operation_id = "compare_results",
    tag = "jobs",
    params(("id" = JobId, Path, description = "A job that is done"),
        ("other" = JobId, Path, description = "Another"), CompareParameters),
    responses(
        (status = 200, description = "How they differ", body = Comparison),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn compare(
    State(shared): State<Shared>,
    Path((one, other)): Path<(String, String)>,
    Parameters(CompareParameters { statistic }): Parameters<CompareParameters>,
) -> Result<Json<Comparison>, ProblemResponse> {
    let job = |text: &str| text.parse().map_err(|_| Problem::no_such_job(text));
    let jobs = (job(&one)?, job(&other)?);
    Ok(Json(Comparison::clone(&*shared.engine.compare(jobs, statistic).await?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_a_range_whose_end_is_excluded() {
        let columns = |text: &str| Columns::try_from(text.to_owned());
        assert_eq!(columns("0..1"), Ok(Columns(0..1)));
        assert_eq!(columns("7..7"), Ok(Columns(7..7)));
        for wrong in ["", "5", "1..", "..5", "5..4", "-1..4", "1..=4", "1...4", "0..1e3"] {
            assert!(columns(wrong).is_err(), "{wrong:?}");
        }
        assert!(columns("0..18446744073709551616").is_err(), "beyond 64 bits");
    }
}
