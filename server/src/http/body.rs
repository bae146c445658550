//! Extractors for bodies, parameters and paths, whose problems name the field that
//! is wrong.

use std::error::Error;
use std::time::Duration;

use axum::body::BodyDataStream;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use futures::StreamExt;
use protocol::JobId;
use protocol::problem::{Problem, ProblemKind};
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::time::timeout;

use super::problem_response::ProblemResponse;
use super::steady_body::is_stalled;

/// How much of the body of a refused upload is read, and for how long.
pub(super) const DISCARDED_BYTES_MAX: usize = 64 << 20;
pub(super) const DISCARDING_TIME_MAX: Duration = Duration::from_secs(2);

/// Reads and forgets the rest of a body, up to a time and a size: a client that sends all of
/// it before it reads gets the response, and not a connection that was reset.
pub(super) async fn discard(body: &mut BodyDataStream) {
    let mut bytes = 0;
    let pieces = async {
        while let Some(Ok(piece)) = body.next().await {
            bytes += piece.len();
            if bytes > DISCARDED_BYTES_MAX {
                break;
            }
        }
    };
    // What is left then is cut off.
    let _ = timeout(DISCARDING_TIME_MAX, pieces).await;
}

/// A JSON body. Unknown fields are rejected: a misspelt field would otherwise go
/// unnoticed.
///
/// The content type must say that it is JSON. Forms of other sites cannot send that,
/// and a script needs a permission that this server never gives.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ProblemResponse;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        if !is_json(request.headers()) {
            let detail = "the content type of the request is not application/json";
            return Err(Problem::new(ProblemKind::UnsupportedMediaType, detail)
                .remedy("send the header Content-Type: application/json")
                .into());
        }
        let bytes =
            Bytes::from_request(request, state).await.map_err(|rejection| unread(&rejection))?;
        parse(&bytes).map(JsonBody).map_err(ProblemResponse::from)
    }
}

/// Whether the content type is JSON, plain or of some vocabulary.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(content_type)) = headers.get(header::CONTENT_TYPE).map(|value| value.to_str())
    else {
        return false;
    };
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Why a body could not be read as a whole.
fn unread(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::new(ProblemKind::TooLarge, "the request body is larger than 2 MiB")
            .remedy("name many files by their prefix instead of one by one");
    }
    broken_off(rejection, "the request body")
}

/// The problem of a body that ends too early: its client has stalled or has gone.
/// `what` names the body.
pub(super) fn broken_off(error: &(dyn Error + 'static), what: &str) -> Problem {
    if is_stalled(error) {
        return Problem::new(ProblemKind::Timeout, format!("{what} did not arrive in time"))
            .remedy("send it again, without a pause; nothing was stored");
    }
    Problem::new(ProblemKind::InvalidRequest, format!("{what} was cut short: {error}"))
        .remedy("send it again; nothing was stored")
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut unknown = Vec::new();
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
    let parsed: Result<T, _> =
        serde_ignored::deserialize(tracked, |path| unknown.push(path.to_string()));
    let value = match parsed.and_then(|value| json.end().map(|()| value)) {
        Ok(value) => value,
        Err(error) => {
            if let Some(value) = with_whole_numbers(bytes) {
                return parse(&value);
            }
            let path = track.path().to_string();
            let problem = Problem::new(ProblemKind::InvalidRequest, in_words(&error.to_string()))
                .remedy("/api/openapi.json describes the fields of a request");
            // A syntax error has no field to name.
            let is_field = path != "." && !path.contains('?');
            return Err(if is_field { problem.field(path) } else { problem });
        }
    };
    match unknown.into_iter().next() {
        None => Ok(value),
        Some(field) => {
            Err(Problem::new(ProblemKind::InvalidRequest, format!("unknown field {field:?}"))
                .remedy("check its spelling, or leave it out")
                .field(field))
        }
    }
}

/// The same JSON with `5.0` written as `5`, which is the same number in JSON and not for its
/// parser; `None` if there is no such number. All else stays, also what is there twice.
fn with_whole_numbers(bytes: &[u8]) -> Option<Vec<u8>> {
    // What is no JSON has no tokens.
    serde_json::from_slice::<IgnoredAny>(bytes).ok()?;
    let mut rewritten = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let mut is_changed = false;
    while let Some(first) = rest.first() {
        let is_number = matches!(first, b'-' | b'0'..=b'9');
        let length = match first {
            b'"' => string_length(rest),
            _ if is_number => number_length(rest),
            _ => 1,
        };
        let token;
        (token, rest) = rest.split_at(length);
        match is_number.then(|| whole(token)).flatten() {
            Some(number) => {
                rewritten.extend(number.to_string().bytes());
                is_changed = true;
            }
            None => rewritten.extend(token),
        }
    }
    is_changed.then_some(rewritten)
}

/// The length in bytes of the string at the beginning of some JSON, quotes and all.
fn string_length(json: &[u8]) -> usize {
    let mut is_escaped = false;
    let end = json.iter().skip(1).position(|&byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    end.map_or(json.len(), |end| end + 2)
}

/// The length in bytes of the number at the beginning of some JSON.
fn number_length(json: &[u8]) -> usize {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    json.iter().position(|byte| !is_part(byte)).unwrap_or(json.len())
}

/// A number that is whole and written with a fraction or an exponent, as a whole one.
#[expect(clippy::cast_possible_truncation, reason = "it is whole, and within the range")]
fn whole(token: &[u8]) -> Option<i64> {
    // Up to here every whole number has an f64 of its own.
    const MOST: f64 = 9_007_199_254_740_992.0;
    let text = std::str::from_utf8(token).ok()?;
    let float: f64 = text.contains(['.', 'e', 'E']).then(|| text.parse().ok())??;
    (float.fract() == 0.0 && float.abs() <= MOST).then_some(float as i64)
}

/// An error of the parser with words for the types of its program.
fn in_words(error: &str) -> String {
    let numbers = ["u8", "u16", "u32", "u64", "usize"];
    let whole = numbers.iter().fold(error.to_owned(), |text, number| {
        text.replace(&format!("expected {number} "), "expected a whole number ")
    });
    // A form of inputs that only responses have.
    whole.replace("expected f64 ", "expected a number ").replace(", `shortened`", "")
}

/// The parameters of the query string.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(parameters)) => Ok(Parameters(parameters)),
            Err(rejection) => Err(Problem::new(ProblemKind::InvalidRequest, rejection.body_text())
                .remedy("/api/openapi.json describes the parameters of each path")
                .into()),
        }
    }
}

/// The id of a job in the path.
pub(super) struct JobInPath(pub(super) JobId);

impl<S: Send + Sync> FromRequestParts<S> for JobInPath {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let Ok(Path(text)) = Path::<String>::from_request_parts(parts, state).await else {
            return Err(Problem::no_such_job("").into());
        };
        match text.parse() {
            Ok(job) => Ok(JobInPath(job)),
            Err(_) => Err(Problem::no_such_job(&text).into()),
        }
    }
}

/// The key of an object at the end of the path.
pub(super) struct KeyInPath(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for KeyInPath {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(key)) => Ok(KeyInPath(key)),
            Err(rejection) => {
                let detail = format!("the key is not valid: {}", rejection.body_text());
                Err(Problem::new(ProblemKind::InvalidRequest, detail)
                    .field("key")
                    .remedy("write the key in UTF-8, with special characters percent-encoded")
                    .into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::JobRequest;

    use super::*;

    #[test]
    fn json_is_what_is_called_so() {
        let is_json = |content_type: &str| {
            is_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, content_type.parse().unwrap())]))
        };
        for content_type in
            ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"]
        {
            assert!(is_json(content_type), "{content_type}");
        }
        for content_type in [
            "",
            "text/plain",
            "text/plain; application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "text/json",
            "application/jsonp",
        ] {
            assert!(!is_json(content_type), "{content_type}");
        }
        assert!(!super::is_json(&HeaderMap::new()), "a script can leave it out");
    }

    #[test]
    fn numbers_that_are_whole_are_rewritten_and_nothing_else_is() {
        for (text, rewritten) in [
            (r#"{"a": 5.0}"#, Some(r#"{"a": 5}"#)),
            (r#"[1.0,-2e0,3E2, 4.5,1e300,1e400,0.0]"#, Some("[1,-2,300, 4.5,1e300,1e400,0]")),
            // A string that looks like one, an escaped quote, and a name that is there twice.
            (r#"{"1.0": "2.0 \" 3.0", "1.0": 4.0}"#, Some(r#"{"1.0": "2.0 \" 3.0", "1.0": 4}"#)),
            (r#"{"a\\": 1.0}"#, Some(r#"{"a\\": 1}"#)),
            (r#"{"a": 5, "b": 0.5}"#, None),
            (r#"{"a": 5.0"#, None),
            ("1.0", Some("1")),
            ("", None),
        ] {
            let found = with_whole_numbers(text.as_bytes());
            assert_eq!(found.as_deref(), rewritten.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn a_field_that_is_there_twice_is_refused_beside_a_whole_number_too() {
        let problem =
            problem(r#"{"inputs": {"generate": {"files": 2.0, "count": 3, "count": 4}}}"#);
        assert!(problem.detail.contains("duplicate field"), "{problem}");
        let weights =
            r#"{"inputs": {"generate": {"files": 2.0, "count": 3}}, "weights": {"a": 1.5}}"#;
        assert!(parse::<JobRequest>(weights.as_bytes()).is_ok());
    }

    fn problem(text: &str) -> Problem {
        parse::<JobRequest>(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_wrong_value_is_named_by_its_field() {
        let problem = problem(r#"{"inputs": {"prefix": "a"}, "workers": "two"}"#);
        assert_eq!(problem.field.as_deref(), Some("workers"));
        assert!(problem.detail.contains("two"), "{problem}");
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let problem = problem(r#"{"inputs": {"prefix": "a"}, "worker": 2}"#);
        assert_eq!(problem.field.as_deref(), Some("worker"));
    }

    #[test]
    fn a_missing_field_is_named() {
        assert!(problem("{}").detail.contains("inputs"));
    }

    #[test]
    fn what_follows_the_json_is_refused() {
        assert!(problem(r#"{"inputs": {"prefix": "a"}} x"#).detail.contains("trailing"));
    }
}
