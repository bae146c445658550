//! How places are written, as flags name them.
//!
//! [`crate::backends`] parses such a text into a [`crate::QueuePlace`], a
//! [`crate::StorePlace`] or a [`crate::InputPlace`].

/// The separator of a scheme and the rest of a location.
const AFTER_SCHEME: &str = "://";

/// Whether a text is a location with a scheme, such as `s3://bucket/key`, and
/// not a path or a key.
pub(crate) fn has_scheme(text: &str) -> bool {
    text.contains(AFTER_SCHEME)
}

/// A text that is not a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place:?}: {reason}")]
pub struct InvalidPlace {
    place: String,
    reason: String,
}

impl InvalidPlace {
    /// An error for `text`, whose user and password are removed. `reason` must
    /// contain neither.
    pub(crate) fn new(text: &str, reason: impl Into<String>) -> InvalidPlace {
        InvalidPlace { place: without_password(text), reason: reason.into() }
    }
}

/// Replaces user and password of a URL: everything between the scheme and the last
/// `@`.
fn without_password(text: &str) -> String {
    let Some((before, after)) = text.rsplit_once('@') else {
        return text.to_owned();
    };
    match before.split_once(AFTER_SCHEME) {
        Some((scheme, _)) => format!("{scheme}{AFTER_SCHEME}***@{after}"),
        None => format!("***@{after}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_password_is_not_repeated() {
        for (text, shown) in [
            ("amqp://user:hunter2@host:1/v", "amqp://***@host:1/v"),
            ("amqp://user:p@ss/hunter2@host", "amqp://***@host"),
            ("user:hunter2@host", "***@host"),
            ("kafka://host", "kafka://host"),
            ("data", "data"),
        ] {
            assert_eq!(without_password(text), shown);
        }
    }
}
