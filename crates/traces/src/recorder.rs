//! Begins and ends spans.

use std::borrow::Cow;
use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, Value};
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor,
};
use protocol::TraceContext;

use crate::exporting;
use crate::sampling::Sampler;
use crate::settings::Settings;
use crate::span::{Moment, Span, SpanKind};

/// The name of the part that records spans.
const SCOPE: &str = "distributed-average";

/// Records spans, or nothing. Clones share their receiver.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Recorder>>);

struct Recorder {
    processor: BatchSpanProcessor,
    sampler: Sampler,
    scope: InstrumentationScope,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_on() { "Traces" } else { "no traces" })
    }
}

impl Traces {
    /// Records spans if the environment names a receiver, as `OTEL_EXPORTER_OTLP_ENDPOINT`
    /// does. `service` is the name of the program, unless `OTEL_SERVICE_NAME` has another.
    ///
    /// What of the environment cannot be followed is logged, and nothing recorded: work is
    /// more important than its traces.
    #[must_use]
    pub fn from_environment(service: &'static str) -> Traces {
        let settings = match Settings::read(|name| std::env::var(name).ok()) {
            Ok(None) => return Traces::default(),
            Ok(Some(settings)) => settings,
            Err(reason) => {
                tracing::error!(reason, "no traces are recorded");
                return Traces::default();
            }
        };
        match exporting::processor(service, &settings) {
            Ok(processor) => {
                let scope = InstrumentationScope::builder(SCOPE)
                    .with_version(env!("CARGO_PKG_VERSION"))
                    .build();
                let sampler = settings.sampler;
                Traces(Some(Arc::new(Recorder { processor, sampler, scope })))
            }
            Err(error) => {
                tracing::error!(reason = format!("{error:#}"), "no traces are recorded");
                Traces::default()
            }
        }
    }

    /// Whether any spans are recorded.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The first span of this program in a trace: of a caller, whose span is `parent`, or
    /// of its own. `None` if no spans are recorded. If only this trace is not, its span has
    /// a context nevertheless, which tells others that it is not.
    #[must_use]
    pub fn first(
        &self,
        parent: Option<TraceContext>,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
    ) -> Option<Span> {
        let recorder = self.0.as_ref()?;
        let trace_id = parent.map_or_else(random_trace, |parent| parent.trace_id);
        let is_sampled = recorder.sampler.samples(trace_id.get(), parent);
        let context = TraceContext { trace_id, span_id: random_span(), is_sampled };
        Some(Span::new(context, parent, name, kind))
    }

    /// The context of something that begins now, below `parent` or by itself, and whose span
    /// is recorded when it ends; `None` if its trace is not recorded.
    #[must_use]
    pub fn begun(&self, parent: Option<TraceContext>) -> Option<TraceContext> {
        let context = match parent {
            Some(parent) => TraceContext { span_id: random_span(), ..parent },
            None => self.first(None, "", SpanKind::Internal)?.context(),
        };
        (self.is_on() && context.is_sampled).then_some(context)
    }

    /// A span below another one; `None` if its trace is not recorded.
    #[must_use]
    pub fn child(
        &self,
        parent: TraceContext,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
    ) -> Option<Span> {
        let context = TraceContext { span_id: random_span(), ..parent };
        self.known(context, Some(parent), name, kind)
    }

    /// A span whose context is known, such as a [derived](TraceContext::derived) one; `None`
    /// if its trace is not recorded.
    #[must_use]
    pub fn known(
        &self,
        context: TraceContext,
        parent: Option<TraceContext>,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
    ) -> Option<Span> {
        let is_recorded = self.is_on() && context.is_sampled;
        is_recorded.then(|| Span::new(context, parent, name, kind))
    }

    /// Ends a span now.
    pub fn end(&self, span: Span) {
        self.end_at(span, SystemTime::now());
    }

    /// Ends a span that has ended at another time.
    pub fn end_at(&self, span: Span, ended: impl Into<Moment>) {
        let Some(recorder) = self.0.as_ref().filter(|_| span.context.is_sampled) else {
            return;
        };
        let Span { context, parent, name, kind, begun, attributes, error } = span;
        let TraceContext { trace_id, span_id, .. } = context;
        recorder.processor.on_end(SpanData {
            span_context: SpanContext::new(
                TraceId::from(trace_id.get()),
                SpanId::from(span_id.get()),
                TraceFlags::SAMPLED,
                false,
                TraceState::NONE,
            ),
            parent_span_id: parent
                .map_or(SpanId::INVALID, |parent| SpanId::from(parent.span_id.get())),
            parent_span_is_remote: false,
            span_kind: kind,
            name,
            start_time: begun,
            end_time: ended.into().0.max(begun),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: error.map_or(Status::Unset, Status::error),
            instrumentation_scope: recorder.scope.clone(),
        });
    }

    /// Sends what has ended, for at most `time_max`. Nothing is recorded after this. Blocks.
    pub fn finish(&self, time_max: Duration) {
        if let Some(recorder) = &self.0 {
            // Its thread has logged an error, if there was one.
            let _ = recorder.processor.shutdown_with_timeout(time_max);
        }
    }
}

/// A text as the value of an attribute.
#[must_use]
pub fn text(text: impl fmt::Display) -> Value {
    Value::from(text.to_string())
}

/// A count as the value of an attribute.
#[must_use]
pub fn count(count: u64) -> Value {
    Value::from(i64::try_from(count).unwrap_or(i64::MAX))
}

fn random_trace() -> NonZeroU128 {
    NonZeroU128::new(rand::random()).unwrap_or(NonZeroU128::MIN)
}

fn random_span() -> NonZeroU64 {
    NonZeroU64::new(rand::random()).unwrap_or(NonZeroU64::MIN)
}
