//! Who may do what.
//!
//! - [`tokens`]: the tokens that callers have, with their names and roles.
//! - [`sessions`]: the cookies of those who have signed in on a page.
//! - [`shares`]: links that show one job to anybody.
//! - [`proxies`]: names that a proxy in front of the server has signed in.
//! - [`rules`]: what each request needs.
//!
//! [`Access`] recognizes a caller by these. Whether a request comes from a page of
//! another site is not its concern: all requests are checked for that.

pub mod proxies;
pub mod rules;
pub mod sessions;
pub mod shares;
pub mod tokens;

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use platform::ObjectStore;
use protocol::{Caller, JobId, Problem, Role};

use self::proxies::Proxies;
use self::sessions::Sessions;
use self::shares::Shares;
use self::tokens::Tokens;

/// Recognizes callers.
pub struct Access {
    /// `None` where everybody may do everything.
    tokens: Option<Tokens>,
    sessions: Sessions,
    shares: Arc<Shares>,
    proxies: Proxies,
    /// Whether the server itself speaks TLS.
    has_tls: bool,
}

impl Access {
    /// Access for holders of tokens, or for anybody without any.
    ///
    /// # Errors
    ///
    /// If the store does not answer: it keeps the key of sessions.
    pub async fn open(
        store: &dyn ObjectStore,
        shares: Arc<Shares>,
        tokens: Option<Tokens>,
        proxies: Proxies,
    ) -> Result<Access, Problem> {
        let sessions = match tokens {
            Some(_) => Sessions::open(store).await?,
            // Nobody signs in, so no key has to outlive this process.
            None => Sessions::new(rand::random()),
        };
        Ok(Access { tokens, sessions, shares, proxies, has_tls: false })
    }

    /// The same for a server that speaks TLS, or does not: browsers then send cookies
    /// by TLS only.
    #[must_use]
    pub fn with_tls(self, has_tls: bool) -> Access {
        Access { has_tls, ..self }
    }

    /// The caller of a request that came from `peer`; `None` if nothing in it is
    /// known to the server. `shared` is the job that the request is about, and the
    /// secret of a link to it.
    ///
    /// # Errors
    ///
    /// If the request has a token that is not known, or the store does not answer.
    pub async fn caller(
        &self,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
        shared: Option<(JobId, &str)>,
    ) -> Result<Option<Caller>, Unrecognized> {
        let forwarded = self.proxies.user(headers, peer);
        let Some(tokens) = &self.tokens else {
            return Ok(Some(Caller { name: forwarded, ..Caller::anybody() }));
        };
        let nobody = Caller { role: None, is_restricted: true, ..Caller::anybody() };
        let known = |name: String, role: Role, has_session: bool| {
            let nobody = nobody.clone();
            let caller = Caller { name: Some(name), role: Some(role), has_session, ..nobody };
            Ok(Some(caller))
        };
        if let Some(token) = bearer(headers) {
            let token = tokens.find(token).ok_or(Unrecognized::Token)?;
            return known(token.name, token.role, false);
        }
        if let Some(hash) = self.sessions.token_hash(headers)
            && let Some(token) = tokens.with_hash(&hash)
        {
            return known(token.name, token.role, true);
        }
        if let Some(name) = forwarded {
            return known(name, self.proxies.role(), false);
        }
        if let Some((job, secret)) = shared
            && self.shares.is_valid(job, secret).await.map_err(Unrecognized::Failed)?
        {
            return Ok(Some(Caller { shared: Some(job), ..nobody }));
        }
        Ok(None)
    }

    /// The cookie of a new session for the holder of a token; `None` if it is not
    /// known. `is_secure` says whether the browser uses TLS.
    #[must_use]
    pub fn sign_in(&self, token: &str, is_secure: bool) -> Option<String> {
        let token = self.tokens.as_ref()?.find(token.trim())?;
        tracing::info!(name = token.name, role = %token.role, "signed in");
        Some(self.sessions.cookie(&token.hash, is_secure))
    }

    /// Whether the browser of a request uses TLS: with the server, or as a trusted
    /// proxy says with that.
    #[must_use]
    pub fn is_secure(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> bool {
        self.has_tls || self.proxies.is_secure(headers, peer)
    }
}

/// Why a caller is not recognized.
#[derive(Debug)]
pub enum Unrecognized {
    /// The request has a token that is not known.
    Token,
    /// The store did not answer.
    Failed(Problem),
}

/// The token of an `Authorization: Bearer` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
