//! The flags that say who may use the server.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use ipnet::IpNet;
use protocol::Role;

use crate::access::proxies::Proxies;
use crate::access::tokens::Tokens;

/// The flags that say who may use the server.
#[derive(Args, Clone, Debug)]
pub struct AccessArguments {
    /// File with the tokens of those who may use the server, one per line;
    /// `distributed-average token` prints such lines. Read again when it changes.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The content of a token file, for where an environment variable is easier to set
    /// than a file.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_TOKENS",
        value_name = "LINES",
        hide = true,
        hide_env_values = true,
        conflicts_with = "token_file"
    )]
    pub tokens: Option<String>,
    /// Disable authentication: whoever can connect may do everything. Required to listen
    /// on an address that is not a loopback address, unless --token-file is given.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_NO_AUTH",
        conflicts_with_all = ["token_file", "tokens"]
    )]
    pub no_auth: bool,
    /// Networks of trusted proxies that authenticate users, such as 10.0.0.0/8: requests
    /// from them are authenticated by their header X-Forwarded-User.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_TRUSTED_PROXIES",
        value_delimiter = ',',
        value_parser = network,
        value_name = "NETWORK,..."
    )]
    pub trusted_proxies: Vec<IpNet>,
    /// Role of those whom a trusted proxy has signed in.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_PROXY_ROLE",
        default_value = "submit",
        value_parser = role()
    )]
    pub proxy_role: Role,
}

impl AccessArguments {
    /// The tokens of those who may use a server that listens on `address`; `None` if
    /// anybody may.
    ///
    /// # Errors
    ///
    /// If the tokens cannot be read, or if there are none and other machines can reach
    /// the address.
    pub fn tokens(&self, address: SocketAddr) -> anyhow::Result<Option<Arc<Tokens>>> {
        let known = match (&self.token_file, &self.tokens) {
            (Some(file), _) => Some(Tokens::from_file(file)?),
            (None, Some(text)) => Some(Tokens::from_text(text)?),
            (None, None) if !self.no_auth && !self.trusted_proxies.is_empty() => bail!(
                "--trusted-proxies gives roles to those whom a proxy signs in, and without tokens \
                 everybody may do everything: give --token-file FILE as well, or --no-auth if the \
                 names are only to be shown"
            ),
            (None, None) if self.no_auth || address.ip().to_canonical().is_loopback() => None,
            (None, None) => bail!(
                "other machines can reach {address}, and without tokens whoever does could delete \
                 jobs and fill the disk: give --token-file FILE (`distributed-average token` makes \
                 a token), or --no-auth if only those can connect who may do everything"
            ),
        };
        Ok(known.map(Arc::new))
    }

    /// The proxies whose word is taken for who calls.
    #[must_use]
    pub fn proxies(&self) -> Proxies {
        Proxies::new(self.trusted_proxies.clone(), self.proxy_role)
    }
}

/// Parses a network, or the address of one machine.
fn network(text: &str) -> Result<IpNet, String> {
    text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse()).map_err(|_| {
        "expected an address or a network, such as 10.0.0.7, 10.0.0.0/8 or fd00::/8".to_owned()
    })
}

/// Parses a role; the help lists all.
pub(super) fn role() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(Role::ALL.map(Role::word)).try_map(|word| word.parse::<Role>())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::access::tokens::{generate, line};

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        access: AccessArguments,
    }

    fn tokens(address: &str, flags: &[&str]) -> anyhow::Result<Option<Arc<Tokens>>> {
        let flags = Flags::try_parse_from([&["program"], flags].concat())?;
        flags.access.tokens(address.parse()?)
    }

    #[test]
    fn only_an_address_of_this_machine_needs_no_word() {
        for address in ["127.0.0.1:3000", "127.8.8.8:0", "[::1]:3000", "[::ffff:127.0.0.1]:80"] {
            assert!(tokens(address, &[]).unwrap().is_none(), "{address}");
        }
        let flags = ["--trusted-proxies", "127.0.0.1"];
        let error = tokens("127.0.0.1:3000", &flags).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("--token-file") && error.contains("--no-auth"), "{error}");
        let flags = [&flags[..], &["--no-auth"]].concat();
        assert!(tokens("127.0.0.1:3000", &flags).unwrap().is_none());
        for address in ["0.0.0.0:3000", "[::]:3000", "10.0.0.1:80", "192.0.2.1:3000"] {
            let error = tokens(address, &[]).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains("--token-file") && error.contains("--no-auth"), "{error}");
            assert!(tokens(address, &["--no-auth"]).unwrap().is_none(), "{address}");
            let line = line("ada", Role::Admin, &generate());
            assert!(tokens(address, &["--tokens", &line]).unwrap().is_some(), "{address}");
        }
    }

    #[test]
    fn tokens_and_no_authentication_exclude_each_other() {
        assert!(tokens("127.0.0.1:1", &["--no-auth", "--token-file", "tokens"]).is_err());
        let error =
            tokens("127.0.0.1:1", &["--token-file", "/no/such/file"]).map(|_| ()).unwrap_err();
        assert!(format!("{error:#}").contains("/no/such/file"), "{error:#}");
    }
}
