//! Responses that a client may have already: entity tags and `If-None-Match` (RFC 9110).

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use headers::{ETag, HeaderMapExt, IfNoneMatch, IfRange};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;

/// Clients may keep a state, and must ask whether it is still the present one.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("private, no-cache");

/// The present state of something as JSON with an entity tag, or 304 if the request's
/// `If-None-Match` names it: then nothing has changed.
pub(super) fn snapshot<T: Serialize>(asked: &HeaderMap, state: &T) -> Response {
    // Snapshots hold texts and numbers only, which always encode as JSON.
    json(asked, serde_json::to_vec(state).unwrap_or_default().into())
}

/// As [`snapshot`], of a state that is JSON already.
pub(super) fn json(asked: &HeaderMap, text: Bytes) -> Response {
    let tag = Tag::new(&format!("{:032x}", xxh3_128(&text)));
    let mut response = if tag.is_known(asked) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, "application/json")], Body::from(text)).into_response()
    };
    tag.put(&mut response);
    response.headers_mut().insert(header::CACHE_CONTROL, ASK_AGAIN);
    response
}

/// A strong entity tag: what has the same has the same bytes.
pub(super) struct Tag(Option<ETag>);

impl Tag {
    /// The tag of a text without quotation marks.
    pub(super) fn new(text: &str) -> Tag {
        Tag(format!("\"{text}\"").parse().ok())
    }

    /// Whether the client has what this tag names, by `If-None-Match`.
    pub(super) fn is_known(&self, asked: &HeaderMap) -> bool {
        let asked = asked.typed_get::<IfNoneMatch>();
        asked.zip(self.0.as_ref()).is_some_and(|(asked, tag)| !asked.precondition_passes(tag))
    }

    /// Whether a range that is asked for fits to the part that the client has, by
    /// `If-Range`.
    pub(super) fn continues(&self, asked: &HeaderMap) -> bool {
        !asked.contains_key(header::IF_RANGE)
            || asked
                .typed_get::<IfRange>()
                .is_some_and(|asked| !asked.is_modified(self.0.as_ref(), None))
    }

    /// Adds the tag to a response.
    pub(super) fn put(self, response: &mut Response) {
        if let Some(tag) = self.0 {
            response.headers_mut().typed_insert(tag);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &'static str, value: &str) -> HeaderMap {
        let name = axum::http::HeaderName::from_static(name);
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn a_state_that_the_client_has_is_not_sent_again() {
        let state = serde_json::json!({"a": 1});
        let first = snapshot(&HeaderMap::new(), &state);
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
        for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
            let again = snapshot(&asked("if-none-match", &known), &state);
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(again.headers()[header::ETAG], tag.as_str());
        }
        for other in ["\"x\"", "nonsense"] {
            let again = snapshot(&asked("if-none-match", other), &state);
            assert_eq!(again.status(), StatusCode::OK, "{other}");
        }
        let changed = snapshot(&asked("if-none-match", &tag), &serde_json::json!({"a": 2}));
        assert_eq!(changed.status(), StatusCode::OK);
    }

    #[test]
    fn a_range_continues_only_what_has_the_same_tag() {
        let tag = Tag::new("a");
        assert!(tag.continues(&HeaderMap::new()));
        assert!(tag.continues(&asked("if-range", "\"a\"")));
        assert!(!tag.continues(&asked("if-range", "\"b\"")));
        assert!(!tag.continues(&asked("if-range", "nonsense")));
        assert!(!tag.continues(&asked("if-range", "Tue, 15 Nov 1994 08:12:31 GMT")));
    }
}
