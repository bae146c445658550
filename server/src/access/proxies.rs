//! A proxy in front of the server that signs people in.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use protocol::Role;

/// The header with the name of who the proxy has signed in.
pub(super) const USER: HeaderName = HeaderName::from_static("x-forwarded-user");
/// The header with the scheme that the browser uses.
pub(super) const SCHEME: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The longest name that is taken from a proxy, in bytes.
const NAME_BYTES_MAX: usize = 100;

/// The proxies whose headers are believed.
#[derive(Clone, Debug)]
pub struct Proxies {
    trusted: Vec<IpNet>,
    role: Role,
}

impl Proxies {
    /// Believes what comes from these addresses; whoever they sign in has `role`.
    #[must_use]
    pub fn new(trusted: Vec<IpNet>, role: Role) -> Proxies {
        Proxies { trusted, role }
    }

    /// The role of those who are signed in by a proxy.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The name that a trusted proxy gives the caller.
    #[must_use]
    pub fn user(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Option<String> {
        let name = self.header(headers, peer, &USER)?.trim();
        let is_name = !name.is_empty() && name.len() <= NAME_BYTES_MAX;
        is_name.then(|| name.to_owned())
    }

    /// Whether a trusted proxy says that the browser uses TLS.
    #[must_use]
    pub fn is_secure(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> bool {
        self.header(headers, peer, &SCHEME) == Some("https")
    }

    /// A header that is believed: there is one only, from a trusted address.
    fn header<'a>(
        &self,
        headers: &'a HeaderMap,
        peer: Option<IpAddr>,
        name: &HeaderName,
    ) -> Option<&'a str> {
        let peer = peer?.to_canonical();
        if !self.trusted.iter().any(|net| net.contains(&peer)) {
            return None;
        }
        let mut values = headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_believed_from_trusted_addresses_only() {
        let proxies = Proxies::new(vec!["10.1.0.0/16".parse().unwrap()], Role::View);
        let mut headers = HeaderMap::new();
        headers.insert(USER, "ada".parse().unwrap());
        let user =
            |headers: &HeaderMap, peer: &str| proxies.user(headers, Some(peer.parse().unwrap()));
        assert_eq!(user(&headers, "10.1.2.3").as_deref(), Some("ada"));
        assert_eq!(user(&headers, "::ffff:10.1.2.3").as_deref(), Some("ada"));
        assert_eq!(user(&headers, "10.2.2.3"), None);
        assert_eq!(proxies.user(&headers, None), None);
        headers.append(USER, "eve".parse().unwrap());
        assert_eq!(user(&headers, "10.1.2.3"), None, "one of two is not the proxy's");
    }
}
