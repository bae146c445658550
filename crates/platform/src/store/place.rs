//! The places of stores and inputs, as flags name them. Each text is parsed once, by
//! [`crate::backends`]. A place then knows how to open the store that it names.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::ObjectStore;
use crate::place::InvalidPlace;

/// A kind of store: the forms of its places and of inputs in it, and their parsers.
pub(crate) struct StoreKind {
    /// The form of a store's place, for help and error texts.
    pub(crate) form: &'static str,
    /// Parses the place of a store; `None` if the text is of another kind.
    pub(crate) parse: fn(&str) -> Option<Result<StorePlace, InvalidPlace>>,
    /// The form of the place of inputs and of outputs, for help and error texts.
    pub(crate) input_form: &'static str,
    /// Parses the place of inputs; `None` if the text is of another kind.
    pub(crate) parse_input: fn(&str) -> Option<Result<InputPlace, InvalidPlace>>,
    /// Parses the place of outputs; `None` if the text is of another kind.
    pub(crate) parse_output: fn(&str) -> Option<Result<OutputPlace, InvalidPlace>>,
}

/// Opens a store.
type OpenStore =
    dyn Fn() -> BoxFuture<'static, Result<Arc<dyn ObjectStore>, OpenError>> + Send + Sync;

/// The place of a store.
#[derive(Clone)]
pub struct StorePlace {
    text: String,
    location: String,
    is_local: bool,
    open: Arc<OpenStore>,
}

impl StorePlace {
    /// The place written as `text`, which must not contain a password. As inputs of
    /// other programs, its objects have locations that begin with `location`.
    pub(crate) fn new(
        text: &str,
        location: &str,
        is_local: bool,
        open: impl Fn() -> BoxFuture<'static, Result<Arc<dyn ObjectStore>, OpenError>>
        + Send
        + Sync
        + 'static,
    ) -> StorePlace {
        let location = format!("{}/", location.trim_end_matches('/'));
        StorePlace { text: text.to_owned(), location, is_local, open: Arc::new(open) }
    }

    /// The prefix of the locations of the store's objects, as other programs would name
    /// them as inputs: `s3://bucket/prefix/`, `file:///folder/`.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
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

/// The place of outputs: a prefix in another store, below which results may be written.
#[derive(Clone)]
pub struct OutputPlace(StorePlace);

impl OutputPlace {
    /// Outputs whose locations begin with the text of `place`, which ends in `/`, and go on
    /// with their keys in it.
    pub(crate) fn new(place: StorePlace) -> OutputPlace {
        OutputPlace(place)
    }

    /// The prefix of the locations of these outputs, such as `s3://bucket/`.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.0.text
    }

    /// Opens the store that the outputs lie in.
    ///
    /// # Errors
    ///
    /// If it does not exist.
    pub async fn open(&self) -> Result<Arc<dyn ObjectStore>, OpenError> {
        self.0.open().await
    }
}

impl fmt::Debug for OutputPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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
