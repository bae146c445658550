//! The webhook: who is told that the job has ended.

use serde::{Deserialize, Serialize};

use super::Field;
use crate::Problem;
use crate::problem::ProblemKind;

/// The field of [`Webhook::url`].
pub const WEBHOOK: Field = Field {
    name: "webhook.url",
    symbol: None,
    title: "Webhook",
    hint: "",
    description: "The URL that gets a signed message once the job has ended",
};

/// The maximum length of the URL of a webhook in bytes: what most servers accept.
pub const WEBHOOK_BYTES_MAX: usize = 2048;

/// What stands for the path of a URL that is not shown. In no URL is this character.
const HIDDEN: &str = "/…";

/// Who is told that the job has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(expecting = "an object, such as {\"url\": \"https://example.com/hook\"}")]
pub struct Webhook {
    /// The URL that gets a signed message once the job has ended, by `http` or `https`. Its
    /// host must be allowed by `--allow-webhook`. Responses do not show its path, which may
    /// be a secret.
    #[cfg_attr(feature = "schema", schema(schema_with = described::url))]
    pub url: String,
}

impl Webhook {
    /// The webhook as responses show it: without the path of its URL.
    #[must_use]
    pub(super) fn shortened(self) -> Webhook {
        let origin = self.origin();
        match self.url.len() > origin.len() + 1 {
            true => Webhook { url: format!("{origin}{HIDDEN}") },
            false => self,
        }
    }

    /// The scheme, the host and the port of the URL: `https://example.com`.
    #[must_use]
    pub fn origin(&self) -> &str {
        let start = self.url.find("://").map_or(0, |at| at + "://".len());
        let rest = self.url.get(start..).unwrap_or_default();
        let end = rest.find(['/', '?']).map_or(self.url.len(), |at| start + at);
        self.url.get(..end).unwrap_or_default()
    }

    /// Whether the URL is one that responses show, whose path is left out.
    #[must_use]
    pub fn is_shortened(&self) -> bool {
        self.url.ends_with(HIDDEN)
    }

    /// Checks the form of the URL. Whether its host is allowed, the server knows.
    pub(super) fn validate(&self) -> Result<(), Problem> {
        let is_valid = self.url.len() <= WEBHOOK_BYTES_MAX && is_url(&self.url);
        if is_valid {
            return Ok(());
        }
        let detail = "the URL of the webhook is not one of the form https://HOST:PORT/PATH";
        Err(Problem::new(ProblemKind::InvalidRequest, detail).field(WEBHOOK.name).remedy(format!(
            "write at most {WEBHOOK_BYTES_MAX} ASCII characters, without a user, a password and a \
             fragment, and escape others"
        )))
    }
}

fn is_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let Some(rest) = rest else { return false };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    is_authority(authority) && (path == HIDDEN || path.bytes().all(is_of_path))
}

/// Whether a text is a host, with or without a port.
fn is_authority(text: &str) -> bool {
    let (is_host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            let is_of_address = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
            (!address.is_empty() && address.bytes().all(is_of_address), port)
        }
        None => {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            let is_part = |part: &str| {
                !part.is_empty()
                    && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            };
            (host.split('.').all(is_part), port)
        }
    };
    let is_port = |digits: &str| {
        (1..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    is_host && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

fn is_of_path(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

#[cfg(feature = "schema")]
mod described {
    use utoipa::openapi::RefOr;
    use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

    use super::{WEBHOOK, WEBHOOK_BYTES_MAX};

    /// The schema of the URL, of which [`super::is_url`] is the check.
    pub(super) fn url() -> RefOr<Schema> {
        const URL: &str = r"^https?://([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/…|([/?][!$-;=?-\[\]_a-z~]*)?)$";
        ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(WEBHOOK_BYTES_MAX))
            .pattern(Some(URL))
            .description(Some(format!(
                "{}, by `http` or `https`. Its host must be allowed by `--allow-webhook`. \
                 Responses do not show its path, which may be a secret.",
                WEBHOOK.description
            )))
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Inputs, JobRequest};

    fn request(url: &str) -> JobRequest {
        let webhook = Some(Webhook { url: url.to_owned() });
        JobRequest { webhook, ..JobRequest::new(Inputs::Prefix("a/".to_owned())) }
    }

    #[test]
    fn a_webhook_is_a_url_without_a_user() {
        for url in [
            "https://example.com",
            "http://127.0.0.1:8080/a/b?c=%20d&e=[1]",
            "https://[::1]:9/x",
            "https://hooks.example.com?a",
        ] {
            assert!(request(url).validate().is_ok(), "{url}");
        }
        for url in [
            "",
            "example.com/a",
            "ftp://example.com/",
            "https://",
            "https:///a",
            "https://user:pw@example.com/",
            "https://example.com/#a",
            "https://example.com:port/",
            "https://example.com:/",
            "https://exa mple.com/",
            "https://example..com/",
            "https://example.com/é",
            "https://example.com/\r\nX: y",
            "https://[::1/",
            &format!("https://example.com/{}", "a".repeat(2048)),
        ] {
            let problem = request(url).validate().unwrap_err();
            assert_eq!(problem.field.as_deref(), Some("webhook.url"), "{url}");
        }
    }

    #[test]
    fn responses_do_not_show_the_path() {
        for (url, shown) in [
            ("https://example.com/secret?a=b", "https://example.com/…"),
            ("http://10.0.0.1:80?token=a", "http://10.0.0.1:80/…"),
            ("https://[::1]:9/a", "https://[::1]:9/…"),
            ("https://example.com/", "https://example.com/"),
            ("https://example.com", "https://example.com"),
        ] {
            let shortened = request(url).shortened();
            let webhook = shortened.webhook.clone().unwrap();
            assert_eq!((webhook.url.as_str(), webhook.is_shortened()), (shown, shown != url));
            assert_eq!(shortened.clone().shortened(), shortened);
        }
    }
}
