//! The places of queues, stores and inputs, as flags name them. Each text is
//! parsed once, by [`crate::backends`]. A place then knows how to open what it
//! names, and what of the text may be shown.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;

use crate::queue::Queue;
use crate::{Description, ObjectStore};

/// The separator of a scheme and the rest of a location.
const AFTER_SCHEME: &str = "://";

/// Whether a text is a location with a scheme, such as `s3://bucket/key`, and
/// not a path or a key.
pub(crate) fn has_scheme(text: &str) -> bool {
    text.contains(AFTER_SCHEME)
}

/// A kind of queue: the form of its places, and their parser.
pub(crate) struct QueueKind {
    /// The form of a place, for help and error texts.
    pub(crate) form: &'static str,
    /// Whether other processes can reach a queue of this kind.
    pub(crate) is_shared: bool,
    /// Parses a place; `None` if the text is of another kind.
    pub(crate) parse: fn(&str) -> Option<Result<QueuePlace, InvalidPlace>>,
}

/// A kind of store: the forms of its places and of inputs in it, and their parsers.
pub(crate) struct StoreKind {
    /// The form of a store's place, for help and error texts.
    pub(crate) form: &'static str,
    /// Parses the place of a store; `None` if the text is of another kind.
    pub(crate) parse: fn(&str) -> Option<Result<StorePlace, InvalidPlace>>,
    /// The form of the place of inputs, for help and error texts.
    pub(crate) input_form: &'static str,
    /// Parses the place of inputs; `None` if the text is of another kind.
    pub(crate) parse_input: fn(&str) -> Option<Result<InputPlace, InvalidPlace>>,
}

/// Makes a queue of the installation with this name.
type MakeQueue = dyn Fn(&str) -> Arc<dyn Queue> + Send + Sync;
/// Opens a store.
type OpenStore =
    dyn Fn() -> BoxFuture<'static, Result<Arc<dyn ObjectStore>, OpenError>> + Send + Sync;

/// The place of a queue.
#[derive(Clone)]
pub struct QueuePlace {
    text: String,
    description: Description,
    make: Arc<MakeQueue>,
}

impl QueuePlace {
    /// The place written as `text`, at which `make` makes the queue of an
    /// installation.
    pub(crate) fn new(
        text: &str,
        description: Description,
        make: impl Fn(&str) -> Arc<dyn Queue> + Send + Sync + 'static,
    ) -> QueuePlace {
        QueuePlace { text: text.to_owned(), description, make: Arc::new(make) }
    }

    /// Whether other processes can reach the queue.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.description.location.is_some()
    }

    /// The text of the place, which may contain a password.
    #[must_use]
    pub fn secret_text(&self) -> &str {
        &self.text
    }

    /// The queue of the installation with this name, without connecting to it.
    /// Several installations can share a broker.
    #[must_use]
    pub fn open(&self, installation: &str) -> Arc<dyn Queue> {
        (self.make)(installation)
    }
}

/// Without user and password.
impl fmt::Display for QueuePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.description.fmt(f)
    }
}

/// Without user and password.
impl fmt::Debug for QueuePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.description.fmt(f)
    }
}

/// The place of a store.
#[derive(Clone)]
pub struct StorePlace {
    text: String,
    is_local: bool,
    open: Arc<OpenStore>,
}

impl StorePlace {
    /// The place written as `text`, which must not contain a password.
    pub(crate) fn new(
        text: &str,
        is_local: bool,
        open: impl Fn() -> BoxFuture<'static, Result<Arc<dyn ObjectStore>, OpenError>>
        + Send
        + Sync
        + 'static,
    ) -> StorePlace {
        StorePlace { text: text.to_owned(), is_local, open: Arc::new(open) }
    }

    /// Whether the objects are files on this machine, read without a network round
    /// trip.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.is_local
    }

    /// Opens the store.
    ///
    /// # Errors
    ///
    /// If it does not exist and cannot be created.
    pub async fn open(&self) -> Result<Arc<dyn ObjectStore>, OpenError> {
        (self.open)().await
    }
}

impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The place of inputs: a prefix in another store.
#[derive(Clone)]
pub struct InputPlace(StorePlace);

impl InputPlace {
    /// Inputs whose locations begin with the text of `place`, which ends in
    /// `/`, and go on with their keys in it.
    pub(crate) fn new(place: StorePlace) -> InputPlace {
        InputPlace(place)
    }

    /// The prefix of the locations of these inputs, such as `s3://bucket/`.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.0.text
    }

    /// Whether the inputs are files on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.0.is_local
    }

    /// Opens the store that the inputs lie in.
    ///
    /// # Errors
    ///
    /// If it does not exist.
    pub async fn open(&self) -> Result<Arc<dyn ObjectStore>, OpenError> {
        self.0.open().await
    }
}

impl fmt::Display for InputPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for InputPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
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

/// A store could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("opening the store in {place}")]
pub struct OpenError {
    /// The place of the store.
    pub place: String,
    /// The error of the system.
    pub source: Box<dyn Error + Send + Sync>,
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
