//! What the driver knows of a job and the scheduler does not need.

use protocol::job::Counted;
use protocol::result::ResultSummary;
use protocol::task::{Assignment, Columns, Work};
use protocol::{JobId, JobSnapshot};
use scheduler::{Command, JobView};
use summation::Order;

use super::effects::Planning;
use crate::finishing::Total;
use crate::keys;
use crate::records::{PlanRecord, RequestRecord};

/// A job that is not over.
pub(super) struct Job {
    pub(super) record: RequestRecord,
    pub(super) generated: Option<Counted>,
    /// The last count of generated objects that was published.
    published: Option<Counted>,
    pub(super) result: Option<ResultSummary>,
    /// The task that plans the job, once it has been started.
    pub(super) planning: Option<Planning>,
    plan: Option<PlanRecord>,
}

impl Job {
    pub(super) fn new(record: RequestRecord) -> Job {
        Job { record, generated: None, published: None, result: None, planning: None, plan: None }
    }

    pub(super) fn set_plan(&mut self, plan: PlanRecord) {
        self.plan = Some(plan);
        self.generated = None;
    }

    /// Whether the count of generated objects has changed since the last call.
    pub(super) fn take_generated_change(&mut self) -> bool {
        let changed = self.generated != self.published;
        self.published = self.generated;
        changed
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
        } = *command
        else {
            return None;
        };
        let PlanRecord { plan, objects, inputs } = self.plan.as_ref()?;
        let task = attempt.task;
        let node_inputs = plan.node_inputs(task.level, task.node);
        let work = match task.level.checked_sub(1) {
            None => {
                let start = usize::try_from(node_inputs.start).ok()?;
                let end = usize::try_from(node_inputs.end).ok()?;
                Work::Sum {
                    objects: objects.get(start..end)?.to_vec(),
                    raw: self.record.request.raw,
                    fortran_order: inputs.fortran_order,
                }
            }
            Some(below) => Work::Merge {
                partial_sums: node_inputs
                    .filter_map(|node| u32::try_from(node).ok())
                    .map(|node| keys::node(attempt.job, below, node))
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
            statistics: self.record.request.statistics.clone(),
            output: keys::node(attempt.job, task.level, task.node),
            heartbeat_ms,
        })
    }

    /// The total that the result is computed from; `None` if the job has no plan.
    pub(super) fn total(&self, job: JobId, columns: u64, view: &JobView) -> Option<Total> {
        let record = self.plan.as_ref()?;
        Some(Total {
            job,
            plan: record.plan.clone(),
            columns,
            shape: record.inputs.shape.clone().or_else(|| view.inputs.shape.clone()),
            order: Order::from_fortran(record.inputs.fortran_order),
            statistics: self.record.request.statistics.clone(),
        })
    }

    /// The job as pages and the API show it.
    pub(super) fn snapshot(&self, view: JobView) -> JobSnapshot {
        let mut inputs = self.plan.as_ref().map(|plan| plan.inputs.clone()).unwrap_or_default();
        inputs.columns = view.inputs.columns.or(inputs.columns);
        JobSnapshot {
            id: view.id,
            phase: view.phase,
            request: self.record.request.clone().into_request(),
            workers: view.workers,
            submitted_by: self.record.submitted_by.clone(),
            timings: protocol::job::Timings {
                submitted_at: self.record.submitted_at,
                ..view.timings
            },
            inputs,
            generated: self.generated,
            plan: view.plan,
            progress: view.progress,
            attempts: view.attempts,
            bytes: view.bytes,
            bytes_per_sec: view.bytes_per_sec,
            remaining_ms: view.remaining_ms,
            result: self.result.clone(),
            error: view.error,
        }
    }
}
