//! The digest of an upload that its client has announced (`Content-Digest`, RFC 9530).

use axum::extract::FromRequestParts;
use axum::http::HeaderName;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use protocol::problem::{Problem, ProblemKind};
use sha2::{Digest, Sha256};

use super::problem_response::ProblemResponse;

/// The header.
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
/// The name of the digest that is understood.
const ALGORITHM: &str = "sha-256";

/// What is compared with the digest that the client has announced; nothing if it has
/// announced none.
pub(super) struct ContentDigest(Option<Comparison>);

struct Comparison {
    announced: [u8; 32],
    computed: Sha256,
}

impl ContentDigest {
    /// Whether the client has announced one.
    pub(super) const fn is_announced(&self) -> bool {
        self.0.is_some()
    }

    /// Takes in the next piece of the content.
    pub(super) fn update(&mut self, piece: &[u8]) {
        if let Some(comparison) = &mut self.0 {
            comparison.computed.update(piece);
        }
    }

    /// Compares the digests once all content was taken in.
    ///
    /// # Errors
    ///
    /// If they differ: the content was damaged on its way.
    pub(super) fn check(self) -> Result<(), Problem> {
        let Some(Comparison { announced, computed }) = self.0 else {
            return Ok(());
        };
        let computed: [u8; 32] = computed.finalize().into();
        if computed == announced {
            return Ok(());
        }
        let [computed, announced] = [computed, announced].map(|digest| STANDARD.encode(digest));
        let detail = format!(
            "the content has the digest {ALGORITHM}=:{computed}:, and {ALGORITHM}=:{announced}: \
             was announced"
        );
        Err(Problem::new(ProblemKind::InvalidRequest, detail)
            .field("Content-Digest")
            .remedy("send it again; nothing was stored"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ContentDigest {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let Some(given) = parts.headers.get(CONTENT_DIGEST) else {
            return Ok(ContentDigest(None));
        };
        match given.to_str().ok().and_then(parse) {
            Some(announced) => {
                Ok(ContentDigest(Some(Comparison { announced, computed: Sha256::new() })))
            }
            // An upload whose client believes it to be checked must not be stored unchecked.
            None => {
                let detail = format!("the Content-Digest has no digest {ALGORITHM}");
                Err(Problem::new(ProblemKind::InvalidRequest, detail)
                    .field("Content-Digest")
                    .remedy("send sha-256=:BASE64:, with the SHA-256 of the whole content")
                    .into())
            }
        }
    }
}

/// The SHA-256 in a dictionary of digests such as `sha-256=:...:, sha-512=:...:`. Its last
/// value counts, as in every structured field.
fn parse(text: &str) -> Option<[u8; 32]> {
    let mut digests = text.split(',').filter_map(|member| {
        let (name, value) = member.trim().split_once('=')?;
        (name == ALGORITHM).then_some(value)
    });
    let encoded = digests.next_back()?.strip_prefix(':')?.strip_suffix(':')?;
    STANDARD.decode(encoded).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From appendix B.1 of RFC 9530.
    const HELLO: &[u8] = b"{\"hello\": \"world\"}\n";
    const DIGEST: &str = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";

    fn expecting(text: &str) -> ContentDigest {
        let announced = parse(text).expect("a digest");
        ContentDigest(Some(Comparison { announced, computed: Sha256::new() }))
    }

    #[test]
    fn a_digest_is_compared_with_all_pieces() {
        let mut digest = expecting(DIGEST);
        HELLO.chunks(5).for_each(|piece| digest.update(piece));
        digest.check().unwrap();
        let mut digest = expecting(DIGEST);
        digest.update(&HELLO[1..]);
        let problem = digest.check().unwrap_err();
        assert!(problem.detail.contains(DIGEST), "{problem}");
        ContentDigest(None).check().unwrap();
    }

    #[test]
    fn other_digests_are_passed_over() {
        assert_eq!(parse(&format!("sha-512=:YQ==:, {DIGEST}")), parse(DIGEST));
        assert!(parse(DIGEST).is_some());
        for wrong in ["", "sha-512=:YQ==:", "sha-256=YQ==", "sha-256=:YQ==:", "sha-256", "md5=:x:"]
        {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
