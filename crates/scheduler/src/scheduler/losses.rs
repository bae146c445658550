//! Segments that were stored and are gone: torn by a loss of power, damaged, or deleted.
//!
//! Nobody is at fault, so no attempt counts as failed. The task that wrote the segment is
//! executed again and finds its other segments in the store; what depends on it waits.
//! Where its own inputs are damaged too, they are found and reopened in the same way, down
//! to the input objects.

use protocol::problem::ProblemKind;
use protocol::task::LostSegment;
use protocol::{AttemptId, JobId, Phase, Problem};

use super::Scheduler;
use crate::command::Command;
use crate::task::TaskKey;

/// A store that has damaged the segments of one task so often damages whatever is written
/// to it.
const LOSSES_MAX: u32 = 16;

impl Scheduler {
    /// Reopens the task that computes an input of a merge task. Returns whether the job
    /// goes on.
    pub(super) fn input_lost(
        &mut self,
        id: AttemptId,
        lost: LostSegment,
        commands: &mut Vec<Command>,
    ) -> bool {
        let Some(job) = self.jobs.get(&id.job) else {
            return false;
        };
        let (Some(plan), Some(below)) = (&job.plan, id.task.level.checked_sub(1)) else {
            return true;
        };
        let inputs = plan.node_inputs(id.task.level, id.task.node);
        let node = inputs.start.saturating_add(u64::from(lost.input));
        let node = u32::try_from(node).ok().filter(|node| inputs.contains(&u64::from(*node)));
        match node.and_then(|node| job.task_of_segment(below, node, lost.segment)) {
            Some(key) => self.reopen(id.job, key, commands),
            None => true,
        }
    }

    /// Reopens the task of a segment of the total, which the result was to be made of.
    pub(super) fn total_damaged(&mut self, id: JobId, segment: u64, commands: &mut Vec<Command>) {
        let Some(job) = self.jobs.get(&id).filter(|job| job.phase == Phase::Finishing) else {
            return;
        };
        let root = job.plan.as_ref().map_or(0, protocol::Plan::root_level);
        let key = job.task_of_segment(root, 0, segment);
        if key.is_some_and(|key| !self.reopen(id, key, commands)) {
            return;
        }
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        if job.is_summed() {
            let problem = Problem::new(ProblemKind::Internal, "the total cannot be read");
            self.fail_job(id, problem.remedy("run the job again"), commands);
            return;
        }
        job.phase = Phase::Running;
        job.timings.finishing_at = None;
        self.running.insert(id);
        self.job_changed(id);
    }

    /// Reopens a task. Returns whether the job goes on.
    fn reopen(&mut self, id: JobId, key: TaskKey, commands: &mut Vec<Command>) -> bool {
        let Some(job) = self.jobs.get_mut(&id) else {
            return false;
        };
        let task = job.task_id(key);
        let times = job.reopen(key);
        self.job_changed(id);
        if times.is_none_or(|times| times < LOSSES_MAX) {
            return true;
        }
        let detail = format!("the partial sums of task {task} were damaged {LOSSES_MAX} times");
        let problem = Problem::new(ProblemKind::TaskFailed, detail)
            .remedy("check that the store keeps what is written to it, then run the job again");
        self.fail_job(id, problem, commands);
        false
    }
}
