//! The life cycle of jobs.

use protocol::detail::AttemptState;
use protocol::problem::ProblemKind;
use protocol::request::Priority;
use protocol::{JobId, Phase, Plan, Problem, TaskId, Timestamp};

use super::Scheduler;
use crate::command::Command;
use crate::event::JobTerms;
use crate::job::Job;
use crate::task::TaskKey;

/// Maximum number of tasks of a level. A task takes about 300 bytes, so a larger
/// plan would exhaust memory.
const LEVEL_TASKS_MAX: u64 = 100_000_000;

/// How much later than one of the next higher priority a job counts as submitted where jobs
/// wait. So every job starts in the end.
const PRIORITY_MS: u64 = 3_600_000;

/// How many short jobs may run beside the maximum number of running jobs.
const SHORT_JOB_SLOTS: usize = 4;

/// What the store has of a job that continues.
pub(super) struct Stored {
    pub(super) plan: Plan,
    pub(super) columns: Option<u64>,
    pub(super) completed: Vec<TaskId>,
    pub(super) earlier_attempts: u32,
}

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
        self.create_tasks(id, plan, commands);
    }

    pub(super) fn job_restored(
        &mut self,
        id: JobId,
        terms: JobTerms,
        stored: Stored,
        commands: &mut Vec<Command>,
    ) {
        if self.jobs.contains_key(&id) {
            return;
        }
        self.jobs.insert(id, Job::new(id, terms, self.now));
        self.open.insert(id);
        self.continue_job(id, stored, commands);
    }

    pub(super) fn job_resumed(&mut self, id: JobId, stored: Stored, commands: &mut Vec<Command>) {
        if self.jobs.get(&id).is_some_and(|job| job.phase == Phase::Listing) {
            self.continue_job(id, stored, commands);
        }
    }

    /// Continues a job of which tasks may be complete in the store.
    fn continue_job(&mut self, id: JobId, stored: Stored, commands: &mut Vec<Command>) {
        let Stored { plan, columns, completed, earlier_attempts } = stored;
        let columns = plan.columns.or(columns);
        if let Some(job) = self.jobs.get_mut(&id) {
            job.phase = Phase::Planning;
            job.timings.planning_at = Some(self.now);
            job.restored = true;
            job.earlier_attempts = earlier_attempts;
        }
        if !self.create_tasks(id, plan, commands) {
            return;
        }
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        // The result cannot be written without C. If C is unknown, all tasks are
        // attempted again: an attempt that finds its segments in the store is
        // cheap and determines C.
        if let Some(columns) = columns {
            job.set_columns(columns);
            for task in completed {
                if let Some(key) = job.key(task) {
                    job.complete(key);
                }
            }
        }
    }

    /// Creates the tasks of a job. Fails the job and returns false if the plan is
    /// invalid.
    fn create_tasks(&mut self, id: JobId, plan: Plan, commands: &mut Vec<Command>) -> bool {
        self.job_changed(id);
        let is_valid = plan.objects > 0
            && plan.levels.last().is_some_and(|root| root.nodes == 1)
            && plan.levels.iter().all(|level| {
                level.ranges > 0 && level.fan_in > 0 && level.tasks() <= LEVEL_TASKS_MAX
            });
        if !is_valid {
            let problem = Problem::new(ProblemKind::Internal, "the plan of the job is invalid")
                .remedy("choose another fan-in");
            self.fail_job(id, problem, commands);
            return false;
        }
        if let Some(job) = self.jobs.get_mut(&id) {
            job.create_tasks(plan);
        }
        self.planned += 1;
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

    /// Starts planned jobs, oldest first with regard to their priority, up to the maximum
    /// number of running jobs; and a few short ones beyond.
    pub(super) fn admit_jobs(&mut self, commands: &mut Vec<Command>) {
        // There may be thousands of jobs, and nothing to start after most events.
        let state = (self.running.len(), self.open.len(), self.planned);
        if std::mem::replace(&mut self.admitted_at, state) == state {
            return;
        }
        let slots = self.settings.running_jobs_max.max(1) as usize;
        let with_short = slots.saturating_add(SHORT_JOB_SLOTS);
        if self.running.len() >= with_short || self.running.len() == self.open.len() {
            return;
        }
        let waiting = self.open.iter().filter_map(|id| self.jobs.get(id));
        let waiting = waiting.filter(|job| job.phase == Phase::Planning && !job.levels.is_empty());
        let mut waiting: Vec<&Job> = waiting.collect();
        waiting.sort_by_key(|job| turn(job));
        let mut running = self.running.len();
        let mut admitted: Vec<JobId> = Vec::new();
        for job in waiting {
            if running < slots || running < with_short && job.is_short() {
                running += 1;
                admitted.push(job.id);
            }
        }
        for id in admitted {
            if let Some(job) = self.jobs.get_mut(&id) {
                job.phase = Phase::Running;
                job.timings.running_at = Some(self.now);
                self.running.insert(id);
                self.job_changed(id);
                // A restored job may only need its result to be written.
                self.finish_if_summed(id, commands);
            }
        }
    }

    /// Starts phase Finishing if the root level is complete.
    pub(super) fn finish_if_summed(&mut self, id: JobId, commands: &mut Vec<Command>) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        if job.phase != Phase::Running || !job.is_summed() {
            return;
        }
        job.phase = Phase::Finishing;
        job.timings.finishing_at = Some(self.now);
        job.next_scan_at = None;
        self.running.remove(&id);
        match job.columns {
            Some(columns) => commands.push(Command::WriteResult { job: id, columns }),
            None => {
                let problem = Problem::new(
                    ProblemKind::Internal,
                    "all tasks are complete, but none has reported the number of columns",
                );
                self.fail_job(id, problem, commands);
            }
        }
    }

    /// Fails a job. Its view keeps the progress.
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
                attempt.reason = Some("the job ended".into());
            });
            if closed.is_some_and(|closed| closed.was_published) {
                self.published -= 1;
            }
        }
        job.phase = phase;
        job.timings.ended_at = Some(self.now);
        job.problem.clone_from(&problem);
        job.next_scan_at = None;
        job.delayed.clear();
        self.open.remove(&id);
        self.running.remove(&id);
        if self.open.is_empty() {
            // Nothing would tell whether workers are well again.
            self.no_worker_well = None;
        }
        self.job_changed(id);
        self.changes.pool = true;
        commands.push(Command::EndJob { job: id, phase, problem });
    }
}

/// When a job counts as submitted where jobs wait to start.
fn turn(job: &Job) -> (Timestamp, JobId) {
    let at = job.id.submitted_at();
    let behind = match job.terms.priority {
        Priority::Low => 2,
        Priority::Normal => 1,
        Priority::High => 0,
    };
    (at.plus_millis(behind * PRIORITY_MS), job.id)
}
