//! Extractors for bodies, parameters and paths, whose problems name the field that
//! is wrong.

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use bytes::Bytes;
use protocol::JobId;
use protocol::problem::{Problem, ProblemKind};
use serde::de::DeserializeOwned;

use super::problem_response::ProblemResponse;

/// A JSON body, of whatever content type. Unknown fields are rejected: a misspelt
/// field would otherwise go unnoticed.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ProblemResponse;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            Problem::new(ProblemKind::TooLarge, format!("reading the request body: {rejection}"))
        })?;
        parse(&bytes).map(JsonBody).map_err(ProblemResponse::from)
    }
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
            let path = track.path().to_string();
            let problem = Problem::new(ProblemKind::InvalidRequest, error.to_string())
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

/// The parameters of the query string.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(parameters)) => Ok(Parameters(parameters)),
            Err(rejection) => {
                Err(Problem::new(ProblemKind::InvalidRequest, rejection.body_text()).into())
            }
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

#[cfg(test)]
mod tests {
    use protocol::JobRequest;

    use super::*;

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
