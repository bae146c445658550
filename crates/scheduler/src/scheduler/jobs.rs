//! What happens to whole jobs.

use protocol::detail::AttemptState;
use protocol::problem::ProblemKind;
use protocol::{JobId, Phase, Plan, Problem, TaskId};

use super::Scheduler;
use crate::command::Command;
use crate::event::JobTerms;
use crate::job::Job;
use crate::task::TaskKey;

/// The most tasks that one level may have. A task takes some 300 bytes, and
/// a plan of more is not a plan.
const LEVEL_TASKS_MAX: u64 = 100_000_000;

impl Scheduler {
    pub(super) fn job_submitted(
        &mut self,
        id: JobId,
        terms: JobTerms,
        commands: &mut Vec<Command>,
    ) {
        if self.jobs.contains_key(&id) {
            return;
        }
        self.jobs.insert(id, Job::new(id, terms, self.now));
        self.open.insert(id);
        self.job_changed(id);
        commands.push(Command::PlanJob { job: id });
    }

    pub(super) fn job_planned(&mut self, id: JobId, plan: Plan, commands: &mut Vec<Command>) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        if job.phase != Phase::Listing {
            return;
        }
        job.phase = Phase::Planning;
        job.timings.planning_at = Some(self.now);
        self.lay_out(id, plan, commands);
    }

    pub(super) fn job_restored(
        &mut self,
        id: JobId,
        terms: JobTerms,
        plan: Plan,
        columns: Option<u64>,
        completed: &[TaskId],
        commands: &mut Vec<Command>,
    ) {
        if self.jobs.contains_key(&id) {
            return;
        }
        let columns = plan.columns.or(columns);
        let mut job = Job::new(id, terms, self.now);
        job.phase = Phase::Planning;
        job.timings.planning_at = Some(self.now);
        job.restored = true;
        self.jobs.insert(id, job);
        self.open.insert(id);
        if !self.lay_out(id, plan, commands) {
            return;
        }
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        // Without C the result could not be written. An attempt that finds its
        // segments there costs little, and finds out C.
        if let Some(columns) = columns {
            job.set_columns(columns);
            for task in completed {
                if let Some(key) = job.key(*task) {
                    job.complete(key);
                }
            }
        }
    }

    /// Lays out the tasks of a job; whether that was possible.
    fn lay_out(&mut self, id: JobId, plan: Plan, commands: &mut Vec<Command>) -> bool {
        self.job_changed(id);
        let is_sound = plan.objects > 0
            && plan.levels.last().is_some_and(|root| root.nodes == 1)
            && plan.levels.iter().all(|level| {
                level.ranges > 0 && level.fan_in > 0 && level.tasks() <= LEVEL_TASKS_MAX
            });
        if !is_sound {
            let problem = Problem::new(ProblemKind::Internal, "the plan of the job is not sound")
                .remedy("choose another fan-in");
            self.fail_job(id, problem, commands);
            return false;
        }
        if let Some(job) = self.jobs.get_mut(&id) {
            job.lay_out(plan);
        }
        true
    }

    pub(super) fn job_broken(&mut self, id: JobId, problem: Problem, commands: &mut Vec<Command>) {
        self.fail_job(id, problem, commands);
    }

    pub(super) fn cancel_requested(&mut self, id: JobId, commands: &mut Vec<Command>) {
        self.end_job(id, Phase::Cancelled, None, commands);
    }

    pub(super) fn result_written(&mut self, id: JobId, commands: &mut Vec<Command>) {
        let is_expected = self.jobs.get(&id).is_some_and(|job| job.phase == Phase::Finishing);
        if is_expected {
            self.end_job(id, Phase::Done, None, commands);
        }
    }

    pub(super) fn job_forgotten(&mut self, id: JobId) {
        if self.jobs.get(&id).is_some_and(|job| job.phase.is_over()) {
            self.jobs.remove(&id);
            self.job_changed(id);
        }
    }

    /// Lets planned jobs begin, the oldest first, as many as may run at once.
    pub(super) fn admit_jobs(&mut self, commands: &mut Vec<Command>) {
        let places = self.settings.running_jobs_max.max(1) as usize;
        if self.running.len() >= places {
            return;
        }
        let waiting: Vec<JobId> = self
            .open
            .iter()
            .filter_map(|id| self.jobs.get(id))
            .filter(|job| job.phase == Phase::Planning && !job.levels.is_empty())
            .map(|job| job.id)
            .take(places - self.running.len())
            .collect();
        for id in waiting {
            if let Some(job) = self.jobs.get_mut(&id) {
                job.phase = Phase::Running;
                job.timings.running_at = Some(self.now);
                self.running.insert(id);
                self.job_changed(id);
                // A restored job may lack nothing but its result.
                self.finish_if_summed(id, commands);
            }
        }
    }

    /// Goes on to the result if the total is there.
    pub(super) fn finish_if_summed(&mut self, id: JobId, commands: &mut Vec<Command>) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        if job.phase != Phase::Running || !job.is_summed() {
            return;
        }
        job.phase = Phase::Finishing;
        job.timings.finishing_at = Some(self.now);
        job.look_at = None;
        self.running.remove(&id);
        match job.columns {
            Some(columns) => commands.push(Command::WriteResult { job: id, columns }),
            None => {
                let problem = Problem::new(
                    ProblemKind::Internal,
                    "the total is there, but no task has said how many columns it has",
                );
                self.fail_job(id, problem, commands);
            }
        }
    }

    /// Ends a job that cannot go on. What it had finished stays in its view.
    pub(super) fn fail_job(&mut self, id: JobId, problem: Problem, commands: &mut Vec<Command>) {
        self.end_job(id, Phase::Failed, Some(problem), commands);
    }

    fn end_job(
        &mut self,
        id: JobId,
        phase: Phase,
        problem: Option<Problem>,
        commands: &mut Vec<Command>,
    ) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        if job.phase.is_over() {
            return;
        }
        let live: Vec<(TaskKey, u32)> = job.live.iter().copied().collect();
        for (key, number) in live {
            let closed = job.close(key, number, self.now, |attempt| {
                attempt.state = AttemptState::Stopped;
                attempt.reason = Some("the job was over".into());
            });
            if closed.is_some_and(|closed| closed.was_published) {
                self.published -= 1;
            }
        }
        job.phase = phase;
        job.timings.ended_at = Some(self.now);
        job.problem.clone_from(&problem);
        job.look_at = None;
        job.delayed.clear();
        self.open.remove(&id);
        self.running.remove(&id);
        self.job_changed(id);
        self.changes.pool = true;
        commands.push(Command::EndJob { job: id, phase, problem });
    }
}
