//! The spans of jobs, their phases, their tasks, and the publication of assignments.
//!
//! Their ids follow from the span of the job, which the record of its request has. So a
//! server that continues a job after a restart, or takes over from another one, records the
//! spans that were open then, and what workers have recorded meanwhile is below them.

use std::collections::BTreeMap;
use std::time::SystemTime;

use platform::store::traced::StoreTracing;
use protocol::{JobId, JobSnapshot, Phase, Plan, TaskId, TraceContext};
use scheduler::{Command, Event};
use traces::recorder::{count, text};
use traces::{Span, SpanKind, Traces};

use crate::records::RequestSummary;

/// Distinguishes the keys of the ids of phases and resumes from those of tasks, whose levels
/// are less.
const PHASES: u64 = 1 << 32;
const RESUMES: u64 = PHASES + 1;
/// The queue of assignments, without what distinguishes installations.
const DESTINATION: &str = "assignments";

/// The open spans of jobs that are not over.
pub(super) struct Spans {
    traces: Traces,
    /// The kind of the queue.
    system: String,
    jobs: BTreeMap<JobId, JobSpan>,
}

struct JobSpan {
    context: TraceContext,
    caller: Option<TraceContext>,
    /// The tasks that are published and not complete: since when.
    tasks: BTreeMap<TaskId, SystemTime>,
}

impl JobSpan {
    fn task(&self, TaskId { level, node, range }: TaskId) -> TraceContext {
        self.context.derived(&[level.into(), node.into(), range.into()])
    }

    fn phase(&self, phase: Phase) -> TraceContext {
        let number = match phase {
            Phase::Listing => 0,
            Phase::Planning => 1,
            Phase::Running => 2,
            Phase::Finishing | Phase::Done | Phase::Failed | Phase::Cancelled => 3,
        };
        self.context.derived(&[PHASES, number])
    }
}

impl Spans {
    pub(super) fn new(traces: Traces, queue: &str) -> Spans {
        Spans { traces, system: queue.to_lowercase(), jobs: BTreeMap::new() }
    }

    /// Begins the span of a job, or takes it up; of one that was resumed so many times
    /// another than before.
    pub(super) fn job(&mut self, job: JobId, request: &RequestSummary, resumes: u64) {
        let Some(context) = request.span.filter(|_| self.traces.is_on()) else { return };
        let context = match resumes {
            0 => context,
            resumes => context.derived(&[RESUMES, resumes]),
        };
        let span = JobSpan { context, caller: request.caller_span, tasks: BTreeMap::new() };
        self.jobs.insert(job, span);
    }

    /// Records what the stores are asked for in a phase of a job; `None` if it is not
    /// recorded.
    pub(super) fn phase(&self, job: JobId, phase: Phase) -> Option<StoreTracing> {
        let span = self.jobs.get(&job)?;
        Some(StoreTracing::below(&self.traces, span.phase(phase)))
    }

    /// Notes a command of the scheduler. Returns the span of a publication.
    pub(super) fn command(&mut self, command: &Command) -> Option<Span> {
        let Command::PublishAttempt { attempt, .. } = command else { return None };
        let job = self.jobs.get_mut(&attempt.job)?;
        job.tasks.entry(attempt.task).or_insert_with(SystemTime::now);
        let task = job.task(attempt.task);
        let span = self
            .traces
            .child(task, format!("send {DESTINATION}"), SpanKind::Producer)?
            .with("messaging.system", self.system.clone())
            .with("messaging.operation.name", "send")
            .with("messaging.operation.type", "send")
            .with("messaging.destination.name", DESTINATION)
            .with("messaging.message.id", text(attempt));
        Some(span)
    }

    /// Notes an event before the scheduler handles it: a task may be complete.
    pub(super) fn event(&mut self, event: &Event) {
        if let Event::AttemptCompleted { attempt, .. } = event
            && let Some(job) = self.jobs.get_mut(&attempt.job)
            && let Some(begun) = job.tasks.remove(&attempt.task)
        {
            let attempts = ("distributed_average.task.attempts", i64::from(attempt.number));
            if let Some(span) = self.task(attempt.job, attempt.task, begun) {
                self.traces.end(span.with(attempts.0, attempts.1));
            }
        }
    }

    /// Records a job whose report is stored, and forgets it.
    pub(super) fn ended(&mut self, report: &JobSnapshot) {
        let open = self.jobs.get_mut(&report.id).map(|job| std::mem::take(&mut job.tasks));
        for (task, begun) in open.into_iter().flatten() {
            if let Some(mut span) = self.task(report.id, task, begun) {
                span.fail("job_over", format!("the job is {}", report.phase.word()));
                self.traces.end(span);
            }
        }
        let Some(job) = self.jobs.remove(&report.id) else { return };
        let timings = &report.timings;
        let Some(ended_at) = timings.ended_at else { return };
        let entered = [
            ("list inputs", Phase::Listing, Some(timings.submitted_at)),
            ("plan job", Phase::Planning, timings.planning_at),
            ("run tasks", Phase::Running, timings.running_at),
            ("write result", Phase::Finishing, timings.finishing_at),
        ];
        let mut entered =
            entered.into_iter().filter_map(|(name, phase, at)| Some((name, phase, at?))).peekable();
        while let Some((name, phase, at)) = entered.next() {
            let end = entered.peek().map_or(ended_at, |(_, _, next)| *next);
            let (context, parent) = (job.phase(phase), Some(job.context));
            if let Some(span) = self.traces.known(context, parent, name, SpanKind::Internal) {
                self.traces.end_at(span.since(at), end);
            }
        }
        let span = self.traces.known(job.context, job.caller, "job", SpanKind::Internal);
        if let Some(span) = span {
            self.traces.end_at(described(span.since(timings.submitted_at), report), ended_at);
        }
    }

    fn task(&self, job: JobId, task: TaskId, begun: SystemTime) -> Option<Span> {
        let span = self.jobs.get(&job)?;
        let kind = if task.level == 0 { "sum" } else { "merge" };
        let parent = Some(span.context);
        let span = self.traces.known(span.task(task), parent, "task", SpanKind::Internal)?;
        let span = span.since(begun).with("distributed_average.job.id", text(job));
        Some(
            span.with("distributed_average.task.id", text(task))
                .with("distributed_average.task.kind", kind),
        )
    }
}

/// The span of a job with what its report says.
fn described(mut span: Span, report: &JobSnapshot) -> Span {
    span.set("distributed_average.job.id", text(report.id));
    span.set("distributed_average.job.phase", report.phase.word());
    if let Some(name) = &report.request.name {
        span.set("distributed_average.job.name", name.clone());
    }
    let (inputs, tasks) = (&report.inputs, report.plan.as_ref().map(Plan::tasks));
    for (name, number) in [
        ("distributed_average.job.objects", inputs.objects),
        ("distributed_average.job.columns", inputs.columns),
        ("distributed_average.job.tasks", tasks),
        ("distributed_average.input_read_bytes", Some(report.bytes.input_read)),
    ] {
        if let Some(number) = number {
            span.set(name, count(number));
        }
    }
    if let Some(error) = &report.error {
        span.fail(format!("{:?}", error.kind), error.to_string());
    }
    span
}
