//! A job's result as a download.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_range_header::{EndPosition, RangeUnsatisfiableError, StartPosition, parse_range_header};
use protocol::problem::{Problem, ProblemKind};
use protocol::request::{Choice, Statistic};
use protocol::{JobId, JobSnapshot, Phase};
use serde::Deserialize;
use summation::output::OutputFormat;
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::body::{JobInPath, Parameters};
use super::conditional::Tag;
use super::problem_response::{Failed, ProblemResponse};
use crate::results::StoredResult;

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
}

/// What a result is written as; `raw` is bare little-endian f64.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ResultFormat {
    #[default]
    Npy,
    Csv,
    Json,
    /// Bare little-endian f64.
    Raw,
}

impl ResultFormat {
    /// The word of the query.
    const fn word(self) -> &'static str {
        match self {
            ResultFormat::Npy => "npy",
            ResultFormat::Csv => "csv",
            ResultFormat::Json => "json",
            ResultFormat::Raw => "raw",
        }
    }
}

/// Download the mean, or a statistic that was asked for beside it.
///
/// The .npy can be had in ranges of bytes, by the header `Range`. A result never changes:
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
        (status = 206, description = "The range of the .npy that was asked for",
         body = Vec<u8>, content_type = "application/octet-stream"),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn download(
    State(shared): State<Shared>,
    JobInPath(job): JobInPath,
    Parameters(ResultParameters { format, statistic }): Parameters<ResultParameters>,
    headers: HeaderMap,
) -> Result<Response, ProblemResponse> {
    let snapshot = shared.engine.job(job).await?;
    check_there(&snapshot, statistic)?;
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
    let result = StoredResult::open(shared.engine.store().clone(), job, statistic).await?;
    let name = format!("{}-{job}", statistic.map_or("mean", Statistic::word));
    let (format, extension, content_type) = match format {
        ResultFormat::Npy => return Ok(npy(&result, headers, tag, &name)?),
        ResultFormat::Raw => (OutputFormat::Raw, "f64", "application/octet-stream"),
        ResultFormat::Csv => (OutputFormat::Csv, "csv", "text/csv; charset=utf-8"),
        ResultFormat::Json => (OutputFormat::Json, "json", "application/json"),
    };
    let body = Body::from_stream(result.written(format, snapshot, statistic));
    Ok(attachment(&name, extension, content_type, body))
}

/// Whether the job has what is asked for.
fn check_there(job: &JobSnapshot, statistic: Option<Statistic>) -> Result<(), Problem> {
    if job.phase != Phase::Done {
        let detail = format!("the job is {}, so it has no result", job.phase.word());
        let remedy = match job.phase.is_over() {
            true => "run it again: POST /api/jobs/{id}/rerun",
            false => "wait until it is done: GET /api/jobs/{id}/events tells",
        };
        return Err(Problem::new(ProblemKind::Conflict, detail).remedy(remedy));
    }
    if let Some(statistic) = statistic
        && !job.request.statistics.contains(&statistic)
    {
        let detail = format!("the job was not asked for its {}", statistic.word());
        return Err(Problem::new(ProblemKind::NotFound, detail)
            .field("statistic")
            .remedy("name it in \"statistics\" when the job is submitted"));
    }
    Ok(())
}

/// The .npy as it lies there, or the range of it that is asked for.
fn npy(
    result: &StoredResult,
    headers: &HeaderMap,
    tag: &Tag,
    name: &str,
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
    let mut response = attachment(name, "npy", "application/octet-stream", body);
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
