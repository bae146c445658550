//! What the driver knows of a job and the scheduler does not need.

use protocol::job::Counted;
use protocol::request::pace_ms;
use protocol::result::ResultSummary;
use protocol::task::{Assignment, Columns, Work};
use protocol::{JobId, JobSnapshot, Outage, Part, Phase, TaskId, Timestamp};
use scheduler::{Command, JobView};
use summation::Order;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::checkpoints::Checkpoints;
use super::earlier::Earlier;
use super::effects::Writing;
use crate::finishing::Total;
use crate::keys;
use crate::limits::SPACE_STEP_BYTES;
use crate::records::{LearnedRecord, PlanRecord, RequestSummary};
use crate::results::typed_kind;

/// A job that is not over.
pub(super) struct Job {
    pub(super) request: RequestSummary,
    pub(super) shown: Shown,
    /// What was published last.
    published: Shown,
    pub(super) result: Option<ResultSummary>,
    /// The task that plans the job or writes its result, once it has been started.
    pub(super) writing: Option<Writing>,
    /// Whether a worker has started an attempt in this run of the server.
    pub(super) has_started: bool,
    /// Whether C was known from the start, or what was learned of it is stored or being
    /// stored …
    pub(super) has_learned: bool,
    /// … by this task.
    pub(super) learning: Option<JoinHandle<()>>,
    /// The place among the jobs that wait to run, until the job runs.
    pub(super) place: Option<OwnedSemaphorePermit>,
    /// When the driver came to know the job.
    pub(super) known_since: Instant,
    /// What earlier runs of the server knew of the job.
    pub(super) earlier: Option<Earlier>,
    /// Whether the job had ended before, and is planned with what the store has of it.
    pub(super) is_resumed: bool,
    pub(super) checkpoints: Checkpoints,
    /// How many bytes the job had written when the free space was looked at.
    space_seen_at: u64,
    plan: Option<PlanRecord>,
    /// The room of the plan in memory.
    room: Option<OwnedSemaphorePermit>,
}

/// What pages show of a job that the scheduler does not know.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Shown {
    /// How many objects of test data are generated, while they are.
    pub(super) generated: Option<Counted>,
    /// Whether the job waits for others before it is listed or gets room in memory.
    pub(super) waiting: bool,
    /// The outage that the server itself meets for the job.
    pub(super) outage: Option<Outage>,
}

impl Shown {
    /// Shows why a store is away, or that it is back.
    pub(super) fn hold(&mut self, since: Timestamp, reason: Option<String>) {
        let since = self.outage.as_ref().map_or(since, |outage| outage.since);
        self.outage = reason.map(|reason| Outage { part: Part::Store, since, reason });
    }
}

impl Job {
    pub(super) fn new(request: RequestSummary, place: Option<OwnedSemaphorePermit>) -> Job {
        Job {
            request,
            shown: Shown::default(),
            published: Shown::default(),
            result: None,
            writing: None,
            has_started: false,
            has_learned: false,
            learning: None,
            place,
            known_since: Instant::now(),
            earlier: None,
            is_resumed: false,
            checkpoints: Checkpoints::default(),
            space_seen_at: 0,
            plan: None,
            room: None,
        }
    }

    pub(super) fn set_plan(&mut self, plan: PlanRecord, room: Option<OwnedSemaphorePermit>) {
        self.has_learned = plan.plan.columns.is_some();
        self.plan = Some(plan);
        self.room = room;
        self.shown = Shown::default();
    }

    /// How many times the job was resumed, as its plan says.
    pub(super) fn resumes(&self) -> u32 {
        self.plan.as_ref().map_or(0, |plan| plan.resumes)
    }

    /// Whether what is shown has changed since the last call.
    pub(super) fn take_change(&mut self) -> bool {
        let changed = self.shown != self.published;
        self.published = self.shown.clone();
        changed
    }

    /// What has been learned of the inputs, once C is known and unless it was told before. It
    /// is to be stored.
    pub(super) fn learned(&mut self, view: &JobView) -> Option<LearnedRecord> {
        let columns = view.inputs.columns.filter(|_| !self.has_learned)?;
        self.has_learned = true;
        let (shape, format) = (view.inputs.shape.clone(), view.inputs.format.clone());
        Some(LearnedRecord { columns, shape, format })
    }

    /// Whether to look at the free space, as the job has written `written` bytes. Where
    /// C was known, that was done before it started.
    pub(super) fn wants_space(&mut self, written: u64) -> bool {
        let is_known = self.plan.as_ref().is_none_or(|plan| plan.inputs.columns.is_some());
        let is_due = !is_known && written >= self.space_seen_at + SPACE_STEP_BYTES;
        if is_due {
            self.space_seen_at = written;
        }
        is_due
    }

    /// The assignment for the attempt of a [`Command::PublishAttempt`]; `None`
    /// for other commands, and if the job has no plan.
    pub(super) fn assignment(&self, command: &Command, heartbeat_ms: u64) -> Option<Assignment> {
        let Command::PublishAttempt {
            attempt,
            speculative,
            direction,
            resume,
            ref not_on,
            ref not_on_node,
            columns,
            ..
        } = *command
        else {
            return None;
        };
        let record = self.plan.as_ref()?;
        let PlanRecord { plan, objects, inputs, .. } = record;
        let task = attempt.task;
        let node_inputs = plan.node_inputs(task.level, task.node);
        let work = match task.level.checked_sub(1) {
            None => {
                let start = usize::try_from(node_inputs.start).ok()?;
                let end = usize::try_from(node_inputs.end).ok()?;
                Work::Sum {
                    objects: objects.get(start..end)?.to_vec(),
                    raw: self.request.request.raw,
                    header: self.request.request.header,
                    select: self.request.request.select.clone(),
                    key: self.request.request.key.clone(),
                    keys: inputs.keyed.then(|| keys::keys(attempt.job)),
                    reference: objects.first().filter(|_| inputs.has_reference()).cloned(),
                    fortran_order: inputs.fortran_order,
                }
            }
            Some(below) => Work::Merge {
                partial_sums: node_inputs
                    .filter_map(|node| u32::try_from(node).ok())
                    .map(|node| record.node(attempt.job, below, node))
                    .collect(),
            },
        };
        let (first_segment, end_segment) = plan.task_segments(task);
        Some(Assignment {
            version: protocol::VERSION,
            attempt,
            speculative,
            direction,
            resume,
            not_on: not_on.clone(),
            not_on_node: not_on_node.clone(),
            work,
            columns: Columns {
                segment_columns: plan.segment_columns,
                first_segment,
                end_segment,
                total: columns.or(plan.columns),
            },
            statistics: self.request.request.statistics.clone(),
            missing: self.request.request.missing,
            weighted: inputs.weights.is_some(),
            output: record.node(attempt.job, task.level, task.node),
            heartbeat_ms,
            pace_ms: self.request.request.paced.then(|| pace_ms(attempt)),
            // The span of the publication, which is about to begin.
            traceparent: None,
        })
    }

    /// The inputs of a task: locations of objects, or prefixes of partial sums. `None` if
    /// the job has no plan or no such task.
    pub(super) fn inputs_of(&self, job: JobId, task: TaskId) -> Option<Vec<String>> {
        let record = self.plan.as_ref()?;
        let PlanRecord { plan, objects, .. } = record;
        let inputs = plan.node_inputs(task.level, task.node);
        match task.level.checked_sub(1) {
            None => {
                let start = usize::try_from(inputs.start).ok()?;
                let end = usize::try_from(inputs.end).ok()?;
                let objects = objects.get(start..end)?.iter();
                Some(objects.map(|object| object.location.clone()).collect())
            }
            Some(below) => {
                let nodes = inputs.filter_map(|node| u32::try_from(node).ok());
                Some(nodes.map(|node| record.node(job, below, node)).collect())
            }
        }
    }

    /// The total that the result is computed from; `None` if the job has no plan.
    pub(super) fn total(&self, job: JobId, columns: u64, view: &JobView) -> Option<Total> {
        let record = self.plan.as_ref()?;
        Some(Total {
            job,
            plan: record.plan.clone(),
            root: record.node(job, record.plan.root_level(), 0),
            columns,
            shape: record.inputs.shape.clone().or_else(|| view.inputs.shape.clone()),
            order: Order::from_fortran(record.inputs.fortran_order),
            statistics: self.request.request.statistics.clone(),
            missing: self.request.request.missing.unwrap_or_default(),
            typed: typed_kind(&record.inputs).map(|kind| {
                let dtype = self.request.request.output.dtype;
                (kind, dtype.unwrap_or(kind.default_dtype()))
            }),
            npy_dtype: record.inputs.result_dtype.clone(),
            weighted: record.inputs.weights.is_some(),
        })
    }

    /// The job as pages and the API show it.
    pub(super) fn snapshot(&self, view: JobView) -> JobSnapshot {
        let mut inputs = self.plan.as_ref().map(|plan| plan.inputs.clone()).unwrap_or_default();
        inputs.columns = view.inputs.columns.or(inputs.columns);
        let adopted = view.adopted;
        let mut snapshot = JobSnapshot {
            id: view.id,
            phase: view.phase,
            request: self.request.request.clone(),
            waiting: self.shown.waiting || view.phase == Phase::Planning,
            workers: view.workers,
            submitted_by: self.request.submitted_by.clone(),
            timings: protocol::job::Timings {
                submitted_at: self.request.submitted_at,
                ..view.timings
            },
            inputs,
            generated: self.shown.generated,
            plan: view.plan,
            progress: view.progress,
            attempts: view.attempts,
            bytes: view.bytes,
            overall: 0.0,
            restarts: Vec::new(),
            resumes: Vec::new(),
            bytes_per_sec: view.bytes_per_sec,
            remaining_ms: view.remaining.map(|remaining| remaining.estimate_ms),
            remaining_least_ms: view.remaining.map(|remaining| remaining.least_ms),
            remaining_most_ms: view.remaining.map(|remaining| remaining.most_ms),
            result: self.result.clone(),
            outage: view.outage.or_else(|| self.shown.outage.clone()),
            error: view.error,
            webhook: None,
        };
        if let Some(earlier) = &self.earlier {
            earlier.add_to(&mut snapshot, adopted);
        }
        snapshot
    }
}
