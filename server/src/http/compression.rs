//! Compression of pages and JSON.

use axum::http::{Extensions, HeaderMap, StatusCode, Version, header};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate, SizeAbove};

/// The smallest body that is compressed, in bytes: below it fits into one packet anyway.
const BYTES_MIN: u64 = 1_400;

/// Compresses pages and JSON for clients that accept gzip. Not event streams, which would
/// be held back, and not results: what is downloaded keeps its length and its ranges.
pub(super) fn layer() -> CompressionLayer<impl Predicate + Send + Sync + 'static> {
    let is_large = SizeAbove::new(BYTES_MIN);
    let layer = CompressionLayer::new().gzip(true).quality(CompressionLevel::Fastest);
    layer.compress_when(is_large.and(is_wanted))
}

/// Whether a response is compressed, by its headers.
fn is_wanted(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let is_text = matches!(essence, "text/html" | "application/json" | "application/problem+json");
    is_text
        && !headers.contains_key(header::CONTENT_DISPOSITION)
        && !headers.contains_key(header::ACCEPT_RANGES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_json_are_compressed_and_nothing_else() {
        let is_wanted = |headers: &[(header::HeaderName, &'static str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (name.clone(), header::HeaderValue::from_static(value)));
            is_wanted(StatusCode::OK, Version::HTTP_11, &headers.collect(), &Extensions::new())
        };
        let content_type = header::CONTENT_TYPE;
        for (wanted, value) in [
            (true, "text/html; charset=utf-8"),
            (true, "application/json"),
            (true, "application/problem+json"),
            (false, "text/event-stream"),
            (false, "application/octet-stream"),
            (false, "application/wasm"),
            (false, ""),
        ] {
            assert_eq!(is_wanted(&[(content_type.clone(), value)]), wanted, "{value}");
        }
        let json = (content_type, "application/json");
        for (wanted, name, value) in [
            (true, header::CONTENT_LENGTH, "9999"),
            (false, header::CONTENT_DISPOSITION, "attachment; filename=\"mean.json\""),
            (false, header::ACCEPT_RANGES, "bytes"),
        ] {
            assert_eq!(is_wanted(&[json.clone(), (name, value)]), wanted, "{value}");
        }
    }
}
