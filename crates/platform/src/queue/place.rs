//! The places of queues, as flags name them. Each text is parsed once, by
//! [`crate::backends`]. A place then knows how to open the queue that it names, and
//! what of the text may be shown.

use std::fmt;
use std::sync::Arc;

use super::Queue;
use crate::Description;
use crate::place::InvalidPlace;

/// A kind of queue: the form of its places, and their parser.
pub(crate) struct QueueKind {
    /// The form of a place, for help and error texts.
    pub(crate) form: &'static str,
    /// Whether other processes can reach a queue of this kind.
    pub(crate) is_shared: bool,
    /// Parses a place; `None` if the text is of another kind.
    pub(crate) parse: fn(&str) -> Option<Result<QueuePlace, InvalidPlace>>,
}

/// Makes a queue of the installation with this name.
type MakeQueue = dyn Fn(&str) -> Arc<dyn Queue> + Send + Sync;

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
