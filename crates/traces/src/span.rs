//! A span until it ends.

use std::borrow::Cow;
use std::time::SystemTime;

use opentelemetry::{KeyValue, Value};
use protocol::{Timestamp, TraceContext};

pub use opentelemetry::trace::SpanKind;

/// A span that has begun. Dropped, it is not recorded; [`Traces::end`](crate::Traces::end)
/// records it.
#[derive(Clone, Debug)]
pub struct Span {
    pub(crate) context: TraceContext,
    pub(crate) parent: Option<TraceContext>,
    pub(crate) name: Cow<'static, str>,
    pub(crate) kind: SpanKind,
    pub(crate) begun: SystemTime,
    pub(crate) attributes: Vec<KeyValue>,
    pub(crate) error: Option<String>,
}

impl Span {
    /// A span that begins now.
    pub(crate) fn new(
        context: TraceContext,
        parent: Option<TraceContext>,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
    ) -> Span {
        let (attributes, error) = (Vec::new(), None);
        let begun = SystemTime::now();
        Span { context, parent, name: name.into(), kind, begun, attributes, error }
    }

    /// The context for what happens below it.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        self.context
    }

    /// The same span, begun at another time.
    #[must_use]
    pub fn since(mut self, begun: impl Into<Moment>) -> Span {
        self.begun = begun.into().0;
        self
    }

    /// Adds an attribute, named as the conventions of OpenTelemetry do where they have one.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Span {
        self.set(name, value);
        self
    }

    /// Adds an attribute to a span that others hold.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        self.attributes.push(KeyValue::new(name, value));
    }

    /// Marks what the span is about as failed: with a word for the kind of the error, and
    /// a text for people.
    pub fn fail(&mut self, kind: impl Into<Cow<'static, str>>, reason: impl Into<String>) {
        self.set("error.type", Value::from(kind.into()));
        self.error = Some(reason.into());
    }
}

/// A point in time, from whichever clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub(crate) SystemTime);

impl From<SystemTime> for Moment {
    fn from(at: SystemTime) -> Moment {
        Moment(at)
    }
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Moment {
        let since = std::time::Duration::from_millis(at.as_millis());
        Moment(SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH))
    }
}
