//! Who may be told: the receivers that the operator has allowed.
//!
//! A request names the URL, so without a list anybody who may submit a job could make the
//! server send requests into its own network. A name that is allowed may resolve to a
//! private address only if the list has that address, too: whoever owns the name would
//! choose the address otherwise.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use axum::http::Uri;
use ipnet::IpNet;
use protocol::request::Webhook;

/// The name of this machine for itself: its addresses are known.
const LOCALHOST: &str = "localhost";

/// What a webhook may lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiverPattern {
    /// A host, with the port that its scheme has, or with another.
    Host {
        /// A name in lower case, or an address.
        host: Host,
        /// The port; `None` for 443, or 80 without TLS.
        port: Option<u16>,
    },
    /// Private addresses that the names of the list may resolve to.
    Network(IpNet),
}

/// A host: an address or a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An address.
    Address(IpAddr),
    /// A name in lower case.
    Name(String),
}

/// Why a URL is not one of a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No pattern allows it.
    NotAllowed,
    /// It is one that responses show, without its path.
    NotShown,
}

/// A receiver that is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Receiver {
    pub(super) is_tls: bool,
    pub(super) host: Host,
    pub(super) port: u16,
    /// The host and port as the URL has them, for the header `Host`.
    pub(super) authority: String,
    /// The path with the query.
    pub(super) path: String,
}

impl Receiver {
    /// The receiver of a URL, if one of the patterns allows it.
    pub(super) fn allowed(url: &str, patterns: &[ReceiverPattern]) -> Result<Receiver, Refusal> {
        let webhook = Webhook { url: url.to_owned() };
        let origin = webhook.origin().to_owned();
        let shown = if webhook.is_shortened() { origin.as_str() } else { url };
        let receiver = parse(shown).ok_or(Refusal::NotAllowed)?;
        let is_allowed = patterns.iter().any(|pattern| match pattern {
            ReceiverPattern::Host { host, port } => {
                *host == receiver.host
                    && port.unwrap_or(default_port(receiver.is_tls)) == receiver.port
            }
            ReceiverPattern::Network(_) => false,
        });
        match (is_allowed, webhook.is_shortened()) {
            (false, _) => Err(Refusal::NotAllowed),
            (true, true) => Err(Refusal::NotShown),
            (true, false) => Ok(receiver),
        }
    }

    /// Whether the receiver may have an address. One that the URL names is allowed as such.
    pub(super) fn may_have(&self, address: IpAddr, patterns: &[ReceiverPattern]) -> bool {
        let address = address.to_canonical();
        let Host::Name(name) = &self.host else { return true };
        if name == LOCALHOST && address.is_loopback() || !is_private(address) {
            return true;
        }
        patterns.iter().any(|pattern| match pattern {
            ReceiverPattern::Host { host: Host::Address(allowed), .. } => *allowed == address,
            ReceiverPattern::Host { host: Host::Name(_), .. } => false,
            ReceiverPattern::Network(network) => network.contains(&address),
        })
    }
}

fn parse(url: &str) -> Option<Receiver> {
    let uri: Uri = url.parse().ok()?;
    let is_tls = match uri.scheme_str()? {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
    let has_port = authority.as_str().len() > authority.host().len();
    let port = match authority.port_u16() {
        Some(port) => port,
        // What follows the host is no port.
        None if has_port => return None,
        None => default_port(is_tls),
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    // A query may follow the host at once.
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let (host, authority) = (host(authority.host())?, authority.as_str().to_owned());
    Some(Receiver { is_tls, host, port, authority, path })
}

const fn default_port(is_tls: bool) -> u16 {
    if is_tls { 443 } else { 80 }
}

/// A host as URLs write it: addresses of IPv6 in brackets.
fn host(text: &str) -> Option<Host> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(bare) = bare {
        return Some(Host::Address(IpAddr::V6(bare.parse().ok()?).to_canonical()));
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(Host::Address(address.into()));
    }
    // Resolvers take 127.1 and 2130706433 for addresses, too.
    let last = text.trim_end_matches('.').rsplit('.').next()?;
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let is_name = !is_number && text.bytes().all(is_letter);
    is_name.then(|| Host::Name(text.trim_end_matches('.').to_ascii_lowercase()))
}

impl FromStr for ReceiverPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<ReceiverPattern, String> {
        let invalid = || {
            "expected a host with or without its port, such as hooks.example.com or \
             10.0.0.7:8080, or a network of private addresses that these hosts may have, such as \
             10.0.0.0/8"
                .to_owned()
        };
        let text = text.trim();
        if text.contains('/') {
            return text.parse().map(ReceiverPattern::Network).map_err(|_| invalid());
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            let host = Host::Address(address.to_canonical());
            return Ok(ReceiverPattern::Host { host, port: None });
        }
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => {
                (name, Some(port.parse().map_err(|_| invalid())?))
            }
            _ => (text, None),
        };
        let host = host(name).ok_or_else(invalid)?;
        Ok(ReceiverPattern::Host { host, port })
    }
}

/// Whether an address is not one of the public internet.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => is_private_v6(address),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || first == 0
        // Shared by the customers of a provider, protocols, benchmarks, reserved.
        || (first == 100 && (64..128).contains(&second))
        || (first == 192 && second == 0 && third == 0)
        || (first == 198 && (18..20).contains(&second))
        || first >= 240
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let embedded = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    // Only what is assigned is public; of that not what contains an address of IPv4
    // (6to4, Teredo, NAT64) that is private, and no addresses of documents.
    match parts {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => is_private_v4(embedded(high, low)),
        [0x2002, high, low, ..] => is_private_v4(embedded(high, low)),
        [0x2001, 0 | 0xdb8, ..] => true,
        [first, ..] => first & 0xe000 != 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(texts: &[&str]) -> Vec<ReceiverPattern> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn only_what_the_list_names_is_a_receiver() {
        let allowed = patterns(&["hooks.example.com", "10.0.0.7:8080", "[::1]:9", "10.0.0.0/8"]);
        for url in [
            "https://hooks.example.com/a",
            "https://HOOKS.example.com./a?b",
            "http://hooks.example.com:80?a",
            "http://10.0.0.7:8080/",
            "https://[::1]:9/",
        ] {
            assert!(Receiver::allowed(url, &allowed).is_ok(), "{url}");
        }
        for url in [
            "https://example.com/",
            "https://a.hooks.example.com/",
            "https://hooks.example.com.evil.example/",
            "https://hooks.example.com:8443/",
            "https://hooks.example.com:99999/",
            "https://u@hooks.example.com/",
            "http://10.0.0.7/",
            "http://10.0.0.8:8080/",
            "http://10.0.0.07:8080/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
        ] {
            assert_eq!(Receiver::allowed(url, &allowed), Err(Refusal::NotAllowed), "{url}");
        }
        let shown = Receiver::allowed("https://hooks.example.com/…", &allowed);
        assert_eq!(shown, Err(Refusal::NotShown));
        let receiver = Receiver::allowed("http://hooks.example.com:80?a", &allowed).unwrap();
        assert_eq!((receiver.path.as_str(), receiver.port), ("/?a", 80));
        for wrong in ["", "https://a", "a:b", "a:99999", "u@a", "10.0.0.0/99", "*.example.com"] {
            assert!(wrong.parse::<ReceiverPattern>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_name_has_a_private_address_only_if_the_list_has_it() {
        let named = |texts: &[&str], url: &str| {
            let allowed = patterns(texts);
            (Receiver::allowed(url, &allowed).unwrap(), allowed)
        };
        let (receiver, allowed) = named(&["a.example"], "https://a.example/");
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "172.16.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.0.8",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "fc00::1",
            "fe80::1",
            "ff02::1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(!receiver.may_have(address.parse().unwrap(), &allowed), "{address}");
        }
        for address in ["93.184.215.14", "2606:2800:21f::1", "64:ff9b::5db8:d70e"] {
            assert!(receiver.may_have(address.parse().unwrap(), &allowed), "{address}");
        }
        let (receiver, allowed) = named(&["a.example", "10.0.0.0/8"], "https://a.example/");
        assert!(receiver.may_have("10.1.2.3".parse().unwrap(), &allowed));
        assert!(!receiver.may_have("127.0.0.1".parse().unwrap(), &allowed));
        let (receiver, allowed) = named(&["localhost:8080"], "http://localhost:8080/");
        assert!(receiver.may_have("::1".parse().unwrap(), &allowed));
        assert!(!receiver.may_have("10.1.2.3".parse().unwrap(), &allowed));
    }
}
