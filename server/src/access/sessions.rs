//! The sessions of those who have signed in on a page.
//!
//! A session is a cookie: the hash of a token and a time, authenticated by
//! HMAC-SHA-256 with a key that lies in the store, so that sessions outlive a restart.
//! It ends with its time, with its token, or with the key.

use std::time::Duration;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use platform::store::read_all;
use platform::{ObjectStore, StoreError};
use program::clock;
use protocol::problem::ProblemKind;
use protocol::{Problem, Timestamp};
use sha2::Sha256;

use super::tokens::Hash;
use crate::keys;

/// The name of the cookie.
pub const COOKIE: &str = "distributed-average-session";
/// How long a session lasts.
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The bytes of a session: a token's hash, and when it ends in milliseconds.
const SESSION_BYTES: usize = size_of::<Hash>() + size_of::<u64>();

/// The key that authenticates sessions.
pub struct Sessions {
    key: [u8; 32],
}

impl Sessions {
    /// Sessions with a key of their own.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Sessions {
        Sessions { key }
    }

    /// Sessions with the key in the store, which is made if there is none.
    ///
    /// # Errors
    ///
    /// If the store does not answer, or has something else in the place of the key.
    pub async fn open(store: &dyn ObjectStore) -> Result<Sessions, Problem> {
        if let Some(found) = Sessions::find_key(store).await? {
            return Ok(found);
        }
        let key: [u8; 32] = rand::random();
        let put = store.put(keys::SESSION_KEY, Bytes::copy_from_slice(&key)).await;
        put.map_err(|error| error.own_problem("storing the key of sessions"))?;
        Ok(Sessions::new(key))
    }

    /// Sessions with the key in the store; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If the store does not answer, or has something else in the place of the key.
    pub async fn find_key(store: &dyn ObjectStore) -> Result<Option<Sessions>, Problem> {
        match read_all(store, keys::SESSION_KEY).await {
            Ok(bytes) => bytes[..].try_into().map(|key| Some(Sessions::new(key))).map_err(|_| {
                let detail = format!("{} does not have 32 bytes", keys::SESSION_KEY);
                Problem::new(ProblemKind::Internal, detail)
                    .remedy("delete it from the store; everybody then has to sign in again")
            }),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.own_problem("reading the key of sessions")),
        }
    }

    /// The `Set-Cookie` of a new session for the token with this hash.
    #[must_use]
    pub fn cookie(&self, token_hash: &Hash, is_secure: bool) -> String {
        let ends_at = clock::now().as_millis() + 1000 * LIFETIME.as_secs();
        let value = self.value(token_hash, Timestamp::from_millis(ends_at));
        set_cookie(COOKIE, &value, "/", Some(LIFETIME), is_secure)
    }

    /// The session of a request, if it has a valid one: the hash of its token, and when
    /// it ends.
    #[must_use]
    pub fn find(&self, headers: &HeaderMap) -> Option<(Hash, Timestamp)> {
        self.parse(cookie(headers, COOKIE)?, clock::now())
    }

    fn value(&self, token_hash: &Hash, ends_at: Timestamp) -> String {
        let mut bytes = [&token_hash[..], &ends_at.as_millis().to_be_bytes()].concat();
        let code = self.authenticator(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&code);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn parse(&self, value: &str, now: Timestamp) -> Option<(Hash, Timestamp)> {
        let bytes = URL_SAFE_NO_PAD.decode(value).ok()?;
        let (session, code) = bytes.split_at_checked(SESSION_BYTES)?;
        self.authenticator(session).verify_slice(code).ok()?;
        let (hash, ends_at) = session.split_at(size_of::<Hash>());
        let ends_at = Timestamp::from_millis(u64::from_be_bytes(ends_at.try_into().ok()?));
        (now < ends_at).then_some((hash.try_into().ok()?, ends_at))
    }

    fn authenticator(&self, bytes: &[u8]) -> Hmac<Sha256> {
        // HMAC takes a key of any length.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).unwrap_or_else(|_| unreachable!());
        mac.update(bytes);
        mac
    }
}

/// The value of a cookie of a request.
#[must_use]
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// A `Set-Cookie` header that scripts of the page cannot read. Without a lifetime the
/// cookie is deleted.
#[must_use]
pub fn set_cookie(
    name: &str,
    value: &str,
    path: &str,
    lifetime: Option<Duration>,
    is_secure: bool,
) -> String {
    let secure = if is_secure { "; Secure" } else { "" };
    let seconds = lifetime.unwrap_or_default().as_secs();
    // `Strict` would leave those out who follow a link from another site.
    format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const HASH: Hash = [7; 32];

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_session_ends_with_its_time_and_is_no_other_servers() {
        let sessions = Sessions::new([1; 32]);
        let value = sessions.value(&HASH, at(1000));
        assert_eq!(sessions.parse(&value, at(999)), Some((HASH, at(1000))));
        assert_eq!(sessions.parse(&value, at(1000)), None);
        assert_eq!(Sessions::new([2; 32]).parse(&value, at(999)), None);
    }

    #[test]
    fn no_byte_of_a_session_can_be_changed() {
        let sessions = Sessions::new([1; 32]);
        let bytes = URL_SAFE_NO_PAD.decode(sessions.value(&HASH, at(1000))).unwrap();
        for length in 0..bytes.len() {
            assert_eq!(sessions.parse(&URL_SAFE_NO_PAD.encode(&bytes[..length]), at(1)), None);
            let mut changed = bytes.clone();
            changed[length] ^= 1;
            assert_eq!(sessions.parse(&URL_SAFE_NO_PAD.encode(changed), at(1)), None);
        }
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        let value = format!("a=1; {COOKIE}x=2; {COOKIE}=3; b=4");
        headers.insert(header::COOKIE, HeaderValue::from_str(&value).unwrap());
        assert_eq!(cookie(&headers, COOKIE), Some("3"));
        assert_eq!(cookie(&headers, "c"), None);
    }
}
