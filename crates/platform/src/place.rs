//! Where a queue, a store or inputs lie: what a command line says, read once.
//!
//! The text is read by [`crate::backends`]; a place then knows how to open what
//! it names, and what of it may be shown.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;

use crate::queue::Queue;
use crate::{Description, ObjectStore};

/// What stands between a scheme and the rest of a location.
const AFTER_SCHEME: &str = "://";

/// Whether a text is a location with a scheme, such as `s3://bucket/key`, and
/// not a path or a key.
pub(crate) fn has_scheme(text: &str) -> bool {
    text.contains(AFTER_SCHEME)
}

/// One kind of queue: how its places are written, and who reads them.
pub(crate) struct QueueKind {
    /// The form of a place, for help and error texts.
    pub(crate) form: &'static str,
    /// Whether other processes can reach a queue of this kind.
    pub(crate) is_shared: bool,
    /// Reads a place; `None` if the text names another kind.
    pub(crate) parse: fn(&str) -> Option<Result<QueuePlace, InvalidPlace>>,
}

/// One kind of store: how its places are written, and who reads them.
pub(crate) struct StoreKind {
    /// The form of a store's place, for help and error texts.
    pub(crate) form: &'static str,
    /// Reads the place of a store; `None` if the text names another kind.
    pub(crate) parse: fn(&str) -> Option<Result<StorePlace, InvalidPlace>>,
    /// The form of the place of inputs, for help and error texts.
    pub(crate) input_form: &'static str,
    /// Reads the place of inputs; `None` if the text names another kind.
    pub(crate) parse_input: fn(&str) -> Option<Result<InputPlace, InvalidPlace>>,
}

/// Makes a queue of the installation with this name.
type MakeQueue = dyn Fn(&str) -> Arc<dyn Queue> + Send + Sync;
/// Opens a store.
type OpenStore =
    dyn Fn() -> BoxFuture<'static, Result<Arc<dyn ObjectStore>, OpenError>> + Send + Sync;

/// Where a queue lies.
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

    /// The text that the place was read from, which may hold a password.
    #[must_use]
    pub fn secret_text(&self) -> &str {
        &self.text
    }

    /// The queue of the installation with this name; several can share a
    /// broker. Nothing is connected yet.
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

/// Where a store lies.
#[derive(Clone)]
pub struct StorePlace {
    text: String,
    is_local: bool,
    open: Arc<OpenStore>,
}

impl StorePlace {
    /// The place written as `text`, which must hold no password.
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

    /// Whether the objects are files of this machine, which are read without a
    /// round trip through a network.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.is_local
    }

    /// Opens the store.
    ///
    /// # Errors
    ///
    /// If it is not there and cannot be made.
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

/// A part of another store in which inputs may lie.
#[derive(Clone)]
pub struct InputPlace(StorePlace);

impl InputPlace {
    /// Inputs whose locations begin with the text of `place`, which ends in
    /// `/`, and go on with their keys in it.
    pub(crate) fn new(place: StorePlace) -> InputPlace {
        InputPlace(place)
    }

    /// What the locations of these inputs begin with, such as `s3://bucket/`.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.0.text
    }

    /// Whether the inputs are files of this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.0.is_local
    }

    /// Opens the store that the inputs lie in.
    ///
    /// # Errors
    ///
    /// If it is not there.
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

/// A text that names no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place:?}: {reason}")]
pub struct InvalidPlace {
    place: String,
    reason: String,
}

impl InvalidPlace {
    /// Says what is wrong with `text`, without repeating a user or a password
    /// that may stand in it; `reason` must hold neither.
    pub(crate) fn new(text: &str, reason: impl Into<String>) -> InvalidPlace {
        InvalidPlace { place: without_password(text), reason: reason.into() }
    }
}

/// A store could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("opening the store in {place}")]
pub struct OpenError {
    /// Where it should have been.
    pub place: String,
    /// What the system said.
    pub source: Box<dyn Error + Send + Sync>,
}

/// A text without what stands before its last `@`, where a URL has user and
/// password; its scheme stays.
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
