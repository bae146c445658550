//! Requests that a server which stands by has passed on to the one that leads.
//!
//! The two may lie on different machines, and a request must gain nothing on its way. So
//! the caller is recognized twice, by each server from the caller's own headers. What only
//! the first server can know (the address that the request came from, and what a trusted
//! proxy says of it) it tells in a header of its own, signed with a key that stands in the
//! store lease: whoever has it can read the store. A signature holds for one request to one
//! holder of the lease.

use std::fmt;
use std::net::IpAddr;

use axum::http::{HeaderName, HeaderValue, Method, Request, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// The header that marks a request as passed on. A server that stands by refuses it, so no
/// request goes round in circles.
pub const HEADER: HeaderName = HeaderName::from_static("x-distributed-average-passed");
/// The headers of proxies: what they say is told in [`HEADER`], if it is believed.
pub const BELIEVED_OF_PROXIES: [HeaderName; 2] = [super::proxies::USER, super::proxies::SCHEME];

/// What the server that passed a request on knows of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// The address that the request came from.
    pub peer: Option<IpAddr>,
    /// The name that a trusted proxy has signed in.
    pub user: Option<String>,
    /// Whether the browser uses TLS.
    pub is_secure: bool,
}

/// Where a request came from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The address of whoever sent it: to the server that was asked first.
    pub peer: Option<IpAddr>,
    /// What that server says of it, if it was not this one.
    pub passed: Option<Passed>,
}

/// The key that servers which stand by sign with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PassingKey([u8; 32]);

impl PassingKey {
    /// A new key.
    #[must_use]
    pub fn random() -> PassingKey {
        PassingKey(rand::random())
    }

    /// The value of [`HEADER`] for a request.
    #[must_use]
    pub fn sign(&self, passed: &Passed, method: &Method, uri: &Uri) -> HeaderValue {
        // Texts, an address and a truth value always encode as JSON.
        let told = serde_json::to_vec(passed).unwrap_or_default();
        let code = self.authenticator(&told, method, uri).finalize().into_bytes();
        let (told, code) = (URL_SAFE_NO_PAD.encode(told), URL_SAFE_NO_PAD.encode(code));
        HeaderValue::from_str(&format!("{told}.{code}")).unwrap_or_else(|_| unreachable!())
    }

    /// What the value of [`HEADER`] tells of a request; `None` if it was not signed with
    /// this key for this request.
    #[must_use]
    pub fn verify(&self, value: &HeaderValue, method: &Method, uri: &Uri) -> Option<Passed> {
        let (told, code) = value.to_str().ok()?.split_once('.')?;
        let told = URL_SAFE_NO_PAD.decode(told).ok()?;
        let code = URL_SAFE_NO_PAD.decode(code).ok()?;
        self.authenticator(&told, method, uri).verify_slice(&code).ok()?;
        serde_json::from_slice(&told).ok()
    }

    fn authenticator(&self, told: &[u8], method: &Method, uri: &Uri) -> Hmac<Sha256> {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        // HMAC takes a key of any length.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).unwrap_or_else(|_| unreachable!());
        // Neither a method nor a path contains a space.
        mac.update(method.as_str().as_bytes());
        mac.update(b" ");
        mac.update(path.as_bytes());
        mac.update(b" ");
        mac.update(told);
        mac
    }
}

impl fmt::Debug for PassingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PassingKey")
    }
}

impl TryFrom<String> for PassingKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<PassingKey, &'static str> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| "this is not Base64")?;
        bytes.try_into().map(PassingKey).map_err(|_| "a key has 32 bytes")
    }
}

impl From<PassingKey> for String {
    fn from(PassingKey(bytes): PassingKey) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// What was verified of a request before, if it was passed on.
pub fn of<B>(request: &Request<B>) -> Option<Passed> {
    request.extensions().get::<Passed>().cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed() -> Passed {
        Passed {
            peer: Some("192.0.2.7".parse().unwrap()),
            user: Some("ada".to_owned()),
            is_secure: true,
        }
    }

    #[test]
    fn what_was_signed_holds_for_its_request_and_its_leader_only() {
        let key = PassingKey::random();
        let uri: Uri = "/api/jobs?limit=1".parse().unwrap();
        let value = key.sign(&passed(), &Method::GET, &uri);
        assert_eq!(key.verify(&value, &Method::GET, &uri), Some(passed()));
        assert_eq!(key.verify(&value, &Method::DELETE, &uri), None);
        let other: Uri = "/api/jobs?limit=2".parse().unwrap();
        assert_eq!(key.verify(&value, &Method::GET, &other), None);
        assert_eq!(PassingKey::random().verify(&value, &Method::GET, &uri), None);
        // As somebody would write it who wants another name.
        let eve = Passed { user: Some("eve".to_owned()), ..passed() };
        let forged = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&eve).unwrap());
        let (_, code) = value.to_str().unwrap().split_once('.').unwrap();
        for text in [format!("{forged}.{code}"), format!("{forged}."), forged.clone(), ".".into()] {
            let value = HeaderValue::from_str(&text).unwrap();
            assert_eq!(key.verify(&value, &Method::GET, &uri), None, "{text}");
        }
    }

    #[test]
    fn a_key_is_stored_and_not_shown() {
        let key = PassingKey::random();
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<PassingKey>(&text).unwrap(), key);
        assert_eq!(format!("{key:?}"), "PassingKey");
        assert!(serde_json::from_str::<PassingKey>("\"c2hvcnQ\"").is_err());
    }
}
