//! A job's result as a download.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_range_header::{EndPosition, RangeUnsatisfiableError, StartPosition, parse_range_header};
use protocol::problem::{Problem, ProblemKind};
use protocol::request::{Choice, Statistic};
use protocol::{JobId, JobSnapshot};
use serde::Deserialize;
use summation::output::{OutputFormat, TypedKind};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::body::{JobInPath, Parameters};
use super::conditional::Tag;
use super::problem_response::{Failed, ProblemResponse};
use super::views::Columns;
use crate::results::{Converted, Slice, StoredResult, check_there, converted, typed_kind};

/// What `GET /api/jobs/{id}/result` can be asked.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ResultParameters {
    /// What it is written as; `raw` is bare little-endian f64.
    #[serde(default)]
    #[param(inline)]
    format: ResultFormat,
    /// Absent: the mean.
    statistic: Option<Statistic>,
    /// Only some columns: the first, and the one after the last, `100..200`; as npy, csv, json
    /// or raw, of f64.
    #[param(value_type = Option<String>, pattern = "^[0-9]+\\.\\.[0-9]+$")]
    columns: Option<Columns>,
    /// Only the tensor or the variable of this name, likewise, in its own shape.
    part: Option<String>,
}

/// What a result is written as; `raw` is bare little-endian f64.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ResultFormat {
    /// Numbers of the type that the job asked for, or f64.
    #[default]
    Npy,
    Csv,
    Json,
    /// Bare little-endian f64.
    Raw,
    /// If the inputs are such files, tensors with their names and shapes, and numbers of the
    /// types that the job asked for. Otherwise tensors of f64: the variables of the inputs, or
    /// one with the name of the result.
    Safetensors,
    /// If the inputs are such files, NetCDF with their variables, dimensions, coordinates and
    /// attributes. Otherwise variables of double: the tensors of the inputs, or one with the
    /// name of the result.
    Netcdf,
}

impl ResultFormat {
    /// The word of the query.
    const fn word(self) -> &'static str {
        match self {
            ResultFormat::Npy => "npy",
            ResultFormat::Csv => "csv",
            ResultFormat::Json => "json",
            ResultFormat::Raw => "raw",
            ResultFormat::Safetensors => "safetensors",
            ResultFormat::Netcdf => "netcdf",
        }
    }

    /// The format, if inputs may have it whose results keep their form.
    const fn typed(self) -> Option<TypedKind> {
        match self {
            ResultFormat::Safetensors => Some(TypedKind::Safetensors),
            ResultFormat::Netcdf => Some(TypedKind::Netcdf),
            _ => None,
        }
    }
}

/// Download the mean, or a statistic that was asked for beside it.
///
/// A slice can be had by its columns, and a tensor or a variable by its name. The whole .npy,
/// safetensors and NetCDF files can be had in ranges of bytes, by the header `Range`. A result never changes:
/// with `If-None-Match` a client that has it gets no second copy, and with `If-Range` a
/// download that broke off continues.
#[utoipa::path(
    get,
    path = "/api/jobs/{id}/result",
    operation_id = "download_result",
    tag = "jobs",
    params(("id" = JobId, Path, description = "A job that is done"), ResultParameters),
    responses(
        (status = 200, description = "All of it", content(
            (Vec<u8> = "application/octet-stream"),
            (String = "text/csv"),
            (Object = "application/json"),
         ),
         headers(("ETag" = String, description = "Tells this result from all others"))),
        (status = 304, description = "The result is the one that `If-None-Match` names"),
        (status = 206, description = "The range of the .npy, safetensors or NetCDF file that was asked for",
         body = Vec<u8>, content_type = "application/octet-stream"),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn download(
    State(shared): State<Shared>,
    JobInPath(job): JobInPath,
    Parameters(parameters): Parameters<ResultParameters>,
    headers: HeaderMap,
) -> Result<Response, ProblemResponse> {
    let ResultParameters { format, statistic, columns, part } = parameters;
    let snapshot = shared.engine.job(job).await?;
    check_there(&snapshot, statistic)?;
    let slice = match (columns, part) {
        (None, None) => None,
        (Some(columns), None) => Some(Slice::of_columns(columns.0)),
        (None, Some(part)) => {
            Some(Slice::of_part(&**shared.engine.store(), &snapshot, &part).await?)
        }
        (Some(_), Some(_)) => {
            let problem = Problem::new(ProblemKind::InvalidRequest, "both columns and a part");
            return Err(problem.field("part").remedy("ask for one of them").into());
        }
    };
    if let Some(slice) = slice {
        return part_of(&shared, &snapshot, format, statistic, (&slice, &headers)).await;
    }
    let word = statistic.map_or("mean", Statistic::word);
    let tag = || Tag::new(&format!("{job}.{word}.{}", format.word()));
    if tag().is_known(&headers) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        tag().put(&mut response);
        return Ok(response);
    }
    let mut response = whole(&shared, &snapshot, format, statistic, &headers, &tag()).await?;
    tag().put(&mut response);
    Ok(response)
}

/// Some columns of the result.
async fn part_of(
    shared: &Shared,
    snapshot: &JobSnapshot,
    format: ResultFormat,
    statistic: Option<Statistic>,
    (slice, headers): (&Slice, &HeaderMap),
) -> Result<Response, ProblemResponse> {
    let (format, extension, content_type) = match format {
        ResultFormat::Npy => (OutputFormat::Npy, "npy", "application/octet-stream"),
        ResultFormat::Raw => RAW,
        ResultFormat::Csv => CSV,
        ResultFormat::Json => JSON,
        ResultFormat::Safetensors | ResultFormat::Netcdf => {
            let detail = format!("a part of a result cannot be had as {}", format.word());
            let problem = Problem::new(ProblemKind::InvalidRequest, detail).field("format");
            return Err(problem.remedy("choose another format: npy, csv, json or raw").into());
        }
    };
    let (job, word) = (snapshot.id, statistic.map_or("mean", Statistic::word));
    let (start, end) = (slice.columns.start, slice.columns.end);
    let lengths: Vec<String> = slice.shape.iter().map(u64::to_string).collect();
    let tag = || Tag::new(&format!("{job}.{word}.{extension}.{start}-{end}.{}", lengths.join("x")));
    let result = StoredResult::open(shared.engine.store().clone(), job, statistic).await?;
    let body = result.slice(format, slice, (job, word))?;
    let mut response = match tag().is_known(headers) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => {
            let name = format!("{word}-{job}-{start}-{end}");
            attachment(&name, extension, content_type, Body::from_stream(body))
        }
    };
    tag().put(&mut response);
    Ok(response)
}

/// How results are written that are made from numbers: the format, what names end in, and the
/// type of the content.
type Made = (OutputFormat, &'static str, &'static str);
const RAW: Made = (OutputFormat::Raw, "f64", "application/octet-stream");
const CSV: Made = (OutputFormat::Csv, "csv", "text/csv; charset=utf-8");
const JSON: Made = (OutputFormat::Json, "json", "application/json");

/// The result as it is sent to a client that does not have it.
async fn whole(
    shared: &Shared,
    snapshot: &JobSnapshot,
    format: ResultFormat,
    statistic: Option<Statistic>,
    headers: &HeaderMap,
    tag: &Tag,
) -> Result<Response, ProblemResponse> {
    let job = snapshot.id;
    let name = format!("{}-{job}", statistic.map_or("mean", Statistic::word));
    let store = shared.engine.store().clone();
    let typed_npy = || typed_kind(&snapshot.inputs).filter(|kind| *kind == TypedKind::Npy);
    let of_npy = matches!(format, ResultFormat::Npy).then(typed_npy).flatten();
    if let Some(kind) = format.typed().filter(|kind| Some(*kind) != typed_kind(&snapshot.inputs)) {
        let Converted { bytes, pieces } = converted(&store, snapshot, statistic, kind).await?;
        let body = Body::from_stream(pieces);
        let mut response = attachment(&name, kind.extension(), "application/octet-stream", body);
        response.headers_mut().insert(header::CONTENT_LENGTH, bytes.into());
        return Ok(response);
    }
    if let Some(kind) = format.typed().or(of_npy) {
        let result = StoredResult::open_typed(store, job, statistic, kind).await?;
        return Ok(stored(&result, headers, tag, (&name, kind.extension()))?);
    }
    let result = StoredResult::open(store, job, statistic).await?;
    let (format, extension, content_type) = match format {
        ResultFormat::Npy | ResultFormat::Safetensors | ResultFormat::Netcdf => {
            return Ok(stored(&result, headers, tag, (&name, "npy"))?);
        }
        ResultFormat::Raw => RAW,
        ResultFormat::Csv => CSV,
        ResultFormat::Json => JSON,
    };
    let body = Body::from_stream(result.written(format, snapshot, statistic));
    Ok(attachment(&name, extension, content_type, body))
}

/// The file as it lies there, or the range of it that is asked for.
fn stored(
    result: &StoredResult,
    headers: &HeaderMap,
    tag: &Tag,
    (name, extension): (&str, &str),
) -> Result<Response, Problem> {
    let asked = headers.get(header::RANGE).filter(|_| tag.continues(headers));
    let asked = asked.and_then(|value| value.to_str().ok());
    let range = match asked.and_then(|text| parse_range(text, result.bytes)) {
        None => None,
        Some(Ok(range)) => Some(range),
        Some(Err(())) => {
            let detail = format!("the result has {} bytes", result.bytes);
            return Err(Problem::new(ProblemKind::RangeNotSatisfiable, detail));
        }
    };
    let (start, end) = range.unwrap_or((0, result.bytes));
    let body = Body::from_stream(result.pieces(start, end));
    let mut response = attachment(name, extension, "application/octet-stream", body);
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, header::HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, (end - start).into());
    if range.is_some() {
        let text = format!("bytes {start}-{}/{}", end - 1, result.bytes);
        if let Ok(value) = text.parse() {
            headers.insert(header::CONTENT_RANGE, value);
        }
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

fn attachment(name: &str, extension: &str, content_type: &'static str, body: Body) -> Response {
    let disposition = format!("attachment; filename=\"{name}.{extension}\"");
    let headers = [
        (header::CONTENT_TYPE, content_type.to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        // A result never changes.
        (header::CACHE_CONTROL, "private, max-age=31536000, immutable".to_owned()),
    ];
    (headers, body).into_response()
}

/// The one range of bytes that a `Range` header asks for, as start and end.
/// `None` for what may be ignored: other units, several ranges, nonsense.
fn parse_range(text: &str, bytes: u64) -> Option<Result<(u64, u64), ()>> {
    let parsed = match parse_range_header(text) {
        Ok(parsed) => parsed,
        Err(RangeUnsatisfiableError::ZeroSuffix) => return Some(Err(())),
        Err(_) => return None,
    };
    let [range] = parsed.ranges[..] else {
        return None;
    };
    let (start, end) = match (range.start, range.end) {
        // The whole file if it is shorter than the suffix.
        (StartPosition::FromLast(suffix), _) => (bytes.saturating_sub(suffix), bytes),
        (StartPosition::Index(first), EndPosition::LastByte) => (first, bytes),
        (StartPosition::Index(first), EndPosition::Index(last)) if last < first => return None,
        (StartPosition::Index(first), EndPosition::Index(last)) => {
            (first, last.saturating_add(1).min(bytes))
        }
    };
    Some(if start < end { Ok((start, end)) } else { Err(()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_understood_as_rfc_9110_says() {
        assert_eq!(parse_range("bytes=0-9", 100), Some(Ok((0, 10))));
        assert_eq!(parse_range("bytes=90-", 100), Some(Ok((90, 100))));
        assert_eq!(parse_range("bytes=-10", 100), Some(Ok((90, 100))));
        assert_eq!(parse_range("bytes=50-1000", 100), Some(Ok((50, 100))));
        assert_eq!(parse_range("bytes=100-", 100), Some(Err(())));
        assert_eq!(parse_range("bytes=-1000", 100), Some(Ok((0, 100))));
        assert_eq!(parse_range("bytes=-0", 100), Some(Err(())));
        assert_eq!(parse_range("bytes=0-", 0), Some(Err(())));
        assert_eq!(parse_range("bytes=0-18446744073709551615", 100), Some(Ok((0, 100))));
        assert_eq!(parse_range("bytes=0-1,5-6", 100), None);
        assert_eq!(parse_range("bytes=-", 100), None);
        assert_eq!(parse_range("lines=0-1", 100), None);
        assert_eq!(parse_range("bytes=9-3", 100), None);
    }
}
