//! The hosts that requests may name.
//!
//! A page of another site can make its own name lead to this server (DNS rebinding),
//! and then read its answers as those of that name. The browser still tells the name,
//! in the header `Host`, so only expected names are answered. An address cannot be
//! rebound, so every address is.

use std::net::IpAddr;
use std::str::FromStr;

/// The name of this machine for itself. Browsers resolve it, and all names below it,
/// to the loopback interface without asking anybody.
const LOCALHOST: &str = "localhost";

/// The hosts that requests may name: addresses, `localhost` with all names below it,
/// and the names of these patterns.
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts(Vec<HostPattern>);

impl AllowedHosts {
    /// Addresses, `localhost`, and the names of these patterns.
    #[must_use]
    pub fn new(patterns: Vec<HostPattern>) -> AllowedHosts {
        AllowedHosts(patterns)
    }

    /// Whether a host, without its port, may be named. Addresses of IPv6 are in
    /// brackets.
    #[must_use]
    pub fn allows(&self, host: &str) -> bool {
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        is_address(&name)
            || is_at_or_below(&name, LOCALHOST)
            || self.0.iter().any(|pattern| pattern.matches(&name))
    }
}

/// One or several names of hosts: `means.example.com`, `*.example.com` for all names
/// below `example.com`, or `*` for every name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// Every name. It gives up the protection against DNS rebinding.
    Any,
    /// The name itself, in lower case.
    Name(String),
    /// All names below this one, in lower case.
    Below(String),
}

impl HostPattern {
    fn matches(&self, name: &str) -> bool {
        match self {
            HostPattern::Any => true,
            HostPattern::Name(allowed) => name == allowed,
            HostPattern::Below(parent) => name != parent && is_at_or_below(name, parent),
        }
    }
}

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<HostPattern, String> {
        let text = text.trim().to_ascii_lowercase();
        if text == "*" {
            return Ok(HostPattern::Any);
        }
        let (name, is_parent) = match text.strip_prefix("*.") {
            Some(parent) => (parent, true),
            None => (text.as_str(), false),
        };
        let is_letter =
            |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
        if !name.split('.').all(|part| !part.is_empty() && part.chars().all(is_letter)) {
            return Err("expected the name of a host without scheme and port, such as \
                        means.example.com, *.example.com, or * for every name"
                .to_owned());
        }
        let name = name.to_owned();
        Ok(if is_parent { HostPattern::Below(name) } else { HostPattern::Name(name) })
    }
}

fn is_address(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(host).parse::<IpAddr>().is_ok()
}

fn is_at_or_below(name: &str, parent: &str) -> bool {
    match name.strip_suffix(parent) {
        Some(rest) => rest.is_empty() || rest.ends_with('.'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(patterns: &[&str]) -> AllowedHosts {
        AllowedHosts::new(patterns.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn addresses_and_localhost_are_allowed_and_names_are_not() {
        let hosts = hosts(&[]);
        for host in ["127.0.0.1", "[::1]", "192.168.1.7", "localhost", "LOCALHOST.", "a.localhost"]
        {
            assert!(hosts.allows(host), "{host}");
        }
        // The last three are addresses to some resolvers; browsers send them written out.
        for host in [
            "",
            ".",
            "evil.example",
            "evillocalhost",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.1",
            "2130706433",
            "0x7f000001",
        ] {
            assert!(!hosts.allows(host), "{host}");
        }
    }

    #[test]
    fn names_are_allowed_as_they_are_listed() {
        let some = hosts(&["Means.Example.com", "*.svc"]);
        for host in ["means.example.com", "MEANS.example.com.", "server.average.svc"] {
            assert!(some.allows(host), "{host}");
        }
        for host in ["example.com", "a.means.example.com", "svc", "svc.evil.example", "evilsvc"] {
            assert!(!some.allows(host), "{host}");
        }
        assert!(hosts(&["*"]).allows("evil.example"));
    }

    #[test]
    fn a_pattern_is_a_host_and_nothing_else() {
        for text in ["", "http://a.example", "a.example:3000", "a/b", "*.*", "a..b", "a*.example"] {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
    }
}
