//! The span of an attempt, if the trace of its job is recorded.

use std::sync::Arc;

use platform::store::traced::StoreTracing;
use platform::{InputStores, ObjectStore};
use protocol::WorkerId;
use protocol::task::{Assignment, Fault, Progress, ReportBody, Work};
use traces::recorder::{count, text};
use traces::{Span, SpanKind, Traces};

/// The queue of assignments, without what distinguishes installations.
const DESTINATION: &str = "assignments";

/// An attempt whose span will be recorded.
pub(crate) struct TracedAttempt {
    traces: Traces,
    span: Span,
}

impl TracedAttempt {
    /// Begins the span of an attempt; `None` if it is not recorded.
    pub(crate) fn begin(
        traces: &Traces,
        assignment: &Assignment,
        worker: &WorkerId,
        system: &'static str,
    ) -> Option<TracedAttempt> {
        let parent = assignment.traceparent?;
        let attempt = assignment.attempt;
        let kind = match assignment.work {
            Work::Sum { .. } => "sum",
            Work::Merge { .. } => "merge",
        };
        let span = traces
            .child(parent, format!("process {DESTINATION}"), SpanKind::Consumer)?
            .with("messaging.system", system)
            .with("messaging.operation.name", "process")
            .with("messaging.operation.type", "process")
            .with("messaging.destination.name", DESTINATION)
            .with("messaging.message.id", text(attempt))
            .with("distributed_average.job.id", text(attempt.job))
            .with("distributed_average.task.id", text(attempt.task))
            .with("distributed_average.task.kind", kind)
            .with("distributed_average.attempt.number", i64::from(attempt.number))
            .with("distributed_average.attempt.speculative", assignment.speculative)
            .with("distributed_average.worker.id", text(worker));
        Some(TracedAttempt { traces: traces.clone(), span })
    }

    /// The stores of the attempt, whose calls are recorded below it.
    pub(crate) fn stores(
        &self,
        store: &Arc<dyn ObjectStore>,
        inputs: &InputStores,
    ) -> (Arc<dyn ObjectStore>, InputStores) {
        let tracing = StoreTracing::below(&self.traces, self.span.context());
        (tracing.store(store, inputs.own_location()), inputs.traced(&tracing))
    }

    /// Ends the span with how the attempt has ended.
    pub(crate) fn end(mut self, body: &ReportBody) {
        let (outcome, progress) = match body {
            ReportBody::Completed { outcome, .. } => ("completed", outcome.progress),
            ReportBody::Failed { failure, progress, .. } => {
                let fault = match failure.fault {
                    Fault::Input => "input",
                    Fault::Worker => "worker",
                    Fault::Store => "store",
                    Fault::Program => "program",
                };
                self.span.fail(fault, failure.problem.to_string());
                ("failed", *progress)
            }
            ReportBody::Stopped { progress, .. } => ("stopped", *progress),
            // No attempt ends with these.
            ReportBody::Joined(_)
            | ReportBody::Alive { .. }
            | ReportBody::Left { .. }
            | ReportBody::Started { .. }
            | ReportBody::Progressed { .. } => return,
        };
        let Progress { input_read_bytes, partial_read_bytes, written_bytes, .. } = progress;
        let span = self
            .span
            .with("distributed_average.attempt.outcome", outcome)
            .with("distributed_average.input_read_bytes", count(input_read_bytes))
            .with("distributed_average.partial_read_bytes", count(partial_read_bytes))
            .with("distributed_average.written_bytes", count(written_bytes));
        self.traces.end(span);
    }
}
