//! What the workers of a process have done, for Prometheus.

mod exporter;

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use protocol::task::{Progress, ReportBody};
use protocol::{AttemptId, TaskId};

pub use self::exporter::Exporter;

/// The upper bounds of the buckets of an attempt's duration in seconds.
const DURATIONS: [f64; 14] =
    [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0];

/// The labels of an attempt: the kind of its task, and how it ended.
type Ended = [(&'static str, &'static str); 2];
/// The one label of a figure.
type Label = [(&'static str, &'static str); 1];

/// The figures of all workers of a process. Clones share their counts.
#[derive(Clone, Debug)]
pub struct WorkerMetrics {
    attempts: Family<Ended, Counter>,
    durations: Family<Label, Histogram, fn() -> Histogram>,
    bytes: Family<Label, Counter>,
    segments: Family<Label, Counter>,
    queue_failures: Counter,
}

/// Figures that nobody reads.
impl Default for WorkerMetrics {
    fn default() -> WorkerMetrics {
        WorkerMetrics {
            attempts: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            bytes: Family::default(),
            segments: Family::default(),
            queue_failures: Counter::default(),
        }
    }
}

impl WorkerMetrics {
    /// Figures that `registry` exports.
    pub fn new(registry: &mut Registry) -> WorkerMetrics {
        let metrics = WorkerMetrics::default();
        let help = "Attempts that have ended on this worker, by kind of task and outcome";
        registry.register("worker_attempts", help, metrics.attempts.clone());
        let help = "Durations of attempts on this worker, by kind of task";
        registry.register("worker_attempt_duration_seconds", help, metrics.durations.clone());
        let help = "Bytes of attempts that have ended: input_read, partial_read, written";
        registry.register("worker_bytes", help, metrics.bytes.clone());
        let help = "Segments of attempts that have ended: written, or reused from the store";
        registry.register("worker_segments", help, metrics.segments.clone());
        let help = "Calls of the queue that failed and were made again";
        registry.register("worker_queue_retries", help, metrics.queue_failures.clone());
        metrics
    }

    /// Counts an attempt that has ended as `report` says, `took` after it was taken from
    /// the queue.
    pub(crate) fn ended(&self, report: &ReportBody, took: Duration) {
        let (attempt, outcome, progress) = match report {
            ReportBody::Completed { attempt, outcome } => (attempt, "completed", outcome.progress),
            ReportBody::Failed { attempt, progress, .. } => (attempt, "failed", *progress),
            ReportBody::Stopped { attempt, progress, .. } => (attempt, "stopped", *progress),
            ReportBody::Joined(_)
            | ReportBody::Alive { .. }
            | ReportBody::Left { .. }
            | ReportBody::Started { .. }
            | ReportBody::Progressed { .. } => return,
        };
        let kind = kind(attempt);
        self.attempts.get_or_create(&[("kind", kind), ("outcome", outcome)]).inc();
        self.durations.get_or_create(&[("kind", kind)]).observe(took.as_secs_f64());
        let Progress { input_read_bytes, partial_read_bytes, written_bytes, .. } = progress;
        for (kind, bytes) in [
            ("input_read", input_read_bytes),
            ("partial_read", partial_read_bytes),
            ("written", written_bytes),
        ] {
            self.bytes.get_or_create(&[("kind", kind)]).inc_by(bytes);
        }
        let segments = |outcome| self.segments.get_or_create_owned(&[("outcome", outcome)]);
        segments("written").inc_by(progress.segments_written);
        segments("reused").inc_by(progress.segments_reused);
    }

    pub(crate) fn queue_failed(&self) {
        self.queue_failures.inc();
    }
}

/// Whether an attempt sums input objects or merges partial sums.
const fn kind(attempt: &AttemptId) -> &'static str {
    let TaskId { level, .. } = attempt.task;
    if level == 0 { "sum" } else { "merge" }
}
