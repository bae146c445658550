//! Who may do what.
//!
//! - [`tokens`]: the tokens that callers have, with their names and roles.
//! - [`sessions`]: the cookies of those who have signed in on a page.
//! - [`shares`]: links that show one job to anybody.
//! - [`proxies`]: names that a proxy in front of the server has signed in.
//! - [`passed`]: what another server says of a request that it has passed on.
//! - [`rules`]: what each request needs.
//!
//! [`Access`] recognizes a caller by these. Whether a request comes from a page of
//! another site is not its concern: all requests are checked for that.

pub mod passed;
pub mod proxies;
pub mod rules;
pub mod sessions;
pub mod shares;
pub mod tokens;

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use platform::ObjectStore;
use program::clock;
use protocol::{Caller, JobId, Problem, Role, Timestamp};

use self::passed::{Origin, Passed};
use self::proxies::Proxies;
use self::sessions::Sessions;
use self::shares::Shares;
use self::tokens::{Hash, Tokens};

/// Recognizes callers.
pub struct Access {
    /// `None` where everybody may do everything.
    tokens: Option<Arc<Tokens>>,
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
        tokens: Option<Arc<Tokens>>,
        proxies: Proxies,
    ) -> Result<Access, Problem> {
        let sessions = match tokens {
            Some(_) => Sessions::open(store).await?,
            // Nobody signs in, so no key has to outlive this process.
            None => Sessions::new(rand::random()),
        };
        Ok(Access { tokens, sessions, shares, proxies, has_tls: false })
    }

    /// The same for a server that stands by, and so changes nothing in the store: whom the
    /// server that leads has signed in it knows too.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn standing_by(
        store: Arc<dyn ObjectStore>,
        tokens: Option<Arc<Tokens>>,
        proxies: Proxies,
    ) -> Result<Access, Problem> {
        let sessions = Sessions::find_key(&*store).await?;
        // Without a key nobody has signed in.
        let sessions = sessions.unwrap_or_else(|| Sessions::new(rand::random()));
        let shares = Arc::new(Shares::of_another(store));
        Ok(Access { tokens, sessions, shares, proxies, has_tls: false })
    }

    /// The same for a server that speaks TLS, or does not: browsers then send cookies
    /// by TLS only.
    #[must_use]
    pub fn with_tls(self, has_tls: bool) -> Access {
        Access { has_tls, ..self }
    }

    /// The caller of a request, and by what it was recognized; `None` if nothing in it is
    /// known to the server. `shared` is the job that the request is about, and the secret of
    /// a link to it.
    ///
    /// # Errors
    ///
    /// If the request has a token that is not known, or the store does not answer.
    pub async fn caller(
        &self,
        headers: &HeaderMap,
        origin: &Origin,
        shared: Option<(JobId, &str)>,
    ) -> Result<Option<(Caller, Credential)>, Unrecognized> {
        let forwarded = self.forwarded(headers, origin);
        let Some(tokens) = &self.tokens else {
            let caller = Caller { name: forwarded, ..Caller::anybody() };
            return Ok(Some((caller, Credential::Lasting)));
        };
        let nobody = Caller { role: None, is_restricted: true, ..Caller::anybody() };
        let known = |name: String, role: Role, credential: Credential| {
            let has_session = matches!(credential, Credential::Token { ends_at: Some(_), .. });
            let nobody = nobody.clone();
            let caller = Caller { name: Some(name), role: Some(role), has_session, ..nobody };
            Ok(Some((caller, credential)))
        };
        if let Some(token) = bearer(headers) {
            let token = tokens.find(token).ok_or(Unrecognized::Token)?;
            let credential = Credential::Token { hash: token.hash, ends_at: None };
            return known(token.name, token.role, credential);
        }
        if let Some((hash, ends_at)) = self.sessions.find(headers)
            && let Some(token) = tokens.with_hash(&hash)
        {
            let credential = Credential::Token { hash, ends_at: Some(ends_at) };
            return known(token.name, token.role, credential);
        }
        if let Some(name) = forwarded {
            return known(name, self.proxies.role(), Credential::Lasting);
        }
        if let Some((job, secret)) = shared
            && self.shares.is_valid(job, secret).await.map_err(Unrecognized::Failed)?
        {
            let credential = Credential::Share { job, secret: secret.into() };
            return Ok(Some((Caller { shared: Some(job), ..nobody }, credential)));
        }
        Ok(None)
    }

    /// Whether a caller would still be recognized by this. A store that does not answer
    /// withdraws nothing.
    pub async fn holds(&self, credential: &Credential) -> bool {
        match credential {
            Credential::Lasting => true,
            Credential::Token { hash, ends_at } => {
                let is_over = ends_at.is_some_and(|ends_at| clock::now() >= ends_at);
                let tokens = self.tokens.as_ref();
                !is_over && tokens.is_none_or(|tokens| tokens.with_hash(hash).is_some())
            }
            Credential::Share { job, secret } => {
                self.shares.is_valid(*job, secret).await.unwrap_or(true)
            }
        }
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
    pub fn is_secure(&self, headers: &HeaderMap, origin: &Origin) -> bool {
        match &origin.passed {
            Some(passed) => passed.is_secure,
            None => self.has_tls || self.proxies.is_secure(headers, origin.peer),
        }
    }

    /// The name that a trusted proxy gives the caller.
    fn forwarded(&self, headers: &HeaderMap, origin: &Origin) -> Option<String> {
        match &origin.passed {
            Some(passed) => passed.user.clone(),
            None => self.proxies.user(headers, origin.peer),
        }
    }

    /// What to tell the server that a request is passed on to.
    #[must_use]
    pub fn passed(&self, headers: &HeaderMap, origin: &Origin) -> Passed {
        Passed {
            peer: origin.peer,
            user: self.forwarded(headers, origin),
            is_secure: self.is_secure(headers, origin),
        }
    }
}

/// By what a caller was recognized, so that a response without an end can look whether
/// it still holds.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Nothing that can be withdrawn: everybody may do everything, or a proxy has signed
    /// them in.
    Lasting,
    /// A token, or a session that was opened with it.
    Token {
        /// The hash of the token.
        hash: Hash,
        /// When the session ends, by the server's clock; `None` for the token itself.
        ends_at: Option<Timestamp>,
    },
    /// The link to a job.
    Share {
        /// The job.
        job: JobId,
        /// The secret in the link.
        secret: Arc<str>,
    },
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
