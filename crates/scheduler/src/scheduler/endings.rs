//! Attempts that end without completing their task.

use std::collections::BTreeSet;

use protocol::detail::AttemptState;
use protocol::problem::ProblemKind;
use protocol::task::{Failure, Fault, Progress, StopReason};
use protocol::{AttemptId, Problem, WorkerId};

use super::Scheduler;
use super::outages::seed_of;
use crate::command::Command;
use crate::task::TaskKey;

/// Multiplier of the back-off after every further failure.
const RETRY_DELAY_FACTOR: u64 = 4;
/// Maximum back-off.
const RETRY_DELAY_MS_MAX: u64 = 60_000;

/// How recently another worker must have got on to show that the store answers …
const ADVANCED_WITHIN_MS: u64 = 10_000;
/// … and how long after the first failure: reports that were sent before it may be late.
const ADVANCED_AFTER_MS: u64 = 1_000;

/// Why an attempt ended without completing its task.
pub(super) enum End {
    /// An unexpected error, which counts against the task.
    Failed(Problem),
    /// An error of its worker, which does not.
    WorkerAtFault(Problem),
    /// The store did not answer.
    StoreAway(Problem),
    /// The lease expired. The text is for users.
    Lost(String),
    /// The worker seems to have died. The text is for users.
    Died(String),
    /// It was stopped or handed back.
    HandedBack(StopReason),
}

impl Scheduler {
    pub(super) fn attempt_failed(
        &mut self,
        id: AttemptId,
        worker: &WorkerId,
        failure: Failure,
        progress: &Progress,
        commands: &mut Vec<Command>,
    ) {
        self.renew_worker_lease(worker, commands);
        self.release(id, worker);
        let Some(key) = self.record_final_report(id, worker, progress) else {
            return;
        };
        let problem = failure.problem;
        let end = match failure.fault {
            Fault::Input => {
                let reason = problem.to_string();
                self.close_attempt(id, key, AttemptState::Failed, Some(reason));
                self.fail_job(id.job, problem, commands);
                return;
            }
            // The job itself may have filled the disk of all workers.
            Fault::Worker
                if problem.kind == ProblemKind::InsufficientStorage
                    && !self.is_other_well(worker) =>
            {
                End::Failed(problem)
            }
            Fault::Worker => {
                self.worker_at_fault(worker, &problem, commands);
                End::WorkerAtFault(problem)
            }
            Fault::Store if self.only_this_worker_misses_the_store(worker) => {
                self.worker_at_fault(worker, &problem, commands);
                End::WorkerAtFault(problem)
            }
            Fault::Store => {
                if let Some(job) = self.jobs.get_mut(&id.job) {
                    job.store_wait.failed(self.now, problem.detail.clone(), seed_of(id));
                }
                End::StoreAway(problem)
            }
            Fault::Program => {
                self.record_failure(worker, &problem, commands);
                End::Failed(problem)
            }
        };
        self.end_attempt(id, key, end, commands);
    }

    /// Records a failure of a worker because of a store. Returns whether the worker is at
    /// fault, because that has happened before, and other workers have got on since.
    fn only_this_worker_misses_the_store(&mut self, id: &WorkerId) -> bool {
        let now = self.now;
        let first = self.pool.update(id, now, |worker| *worker.store_failed_at.get_or_insert(now));
        self.pool.iter().any(|(other, worker)| {
            other != id
                && worker.is_available()
                && worker.advanced_at.millis_since(first) >= ADVANCED_AFTER_MS
                && now.millis_since(worker.advanced_at) < ADVANCED_WITHIN_MS
        })
    }

    pub(super) fn attempt_stopped(
        &mut self,
        id: AttemptId,
        worker: &WorkerId,
        reason: StopReason,
        progress: &Progress,
        commands: &mut Vec<Command>,
    ) {
        self.renew_worker_lease(worker, commands);
        self.release(id, worker);
        if let Some(key) = self.record_final_report(id, worker, progress) {
            if let StopReason::SegmentLost(lost) = reason
                && !self.input_lost(id, lost, commands)
            {
                return;
            }
            self.end_attempt(id, key, End::HandedBack(reason), commands);
        }
    }

    /// Records the final report of an attempt. Returns its task key if the attempt
    /// is live and held by this worker.
    fn record_final_report(
        &mut self,
        id: AttemptId,
        worker: &WorkerId,
        progress: &Progress,
    ) -> Option<TaskKey> {
        self.changes.pool = true;
        let now = self.now;
        let job = self.jobs.get_mut(&id.job)?;
        let key = job.key(id.task)?;
        let attempt = job.task_mut(key).attempt_mut(id.number)?;
        if attempt.worker.as_ref().is_some_and(|holder| holder != worker) {
            return None;
        }
        attempt.worker = Some(worker.clone());
        attempt.released = true;
        // The report that it left may have overtaken this one.
        attempt.died = false;
        let is_live = attempt.state.is_live();
        let done = attempt.advance(progress);
        job.count(now, &done);
        self.job_changed(id.job);
        is_live.then_some(key)
    }

    /// Ends a live attempt that did not complete its task. If no other attempt is
    /// live, schedules a retry or fails the job.
    pub(super) fn end_attempt(
        &mut self,
        id: AttemptId,
        key: TaskKey,
        end: End,
        commands: &mut Vec<Command>,
    ) {
        let (state, reason) = match &end {
            End::Failed(problem) | End::WorkerAtFault(problem) => {
                (AttemptState::Failed, problem.to_string())
            }
            End::StoreAway(problem) => (AttemptState::Stopped, problem.to_string()),
            End::Lost(why) | End::Died(why) => (AttemptState::Lost, why.clone()),
            End::HandedBack(reason) => {
                (AttemptState::Stopped, stop_reason_text(*reason).to_owned())
            }
        };
        self.close_attempt(id, key, state, Some(reason));
        let now = self.now;
        let settings = self.settings;
        let workers = self.pool.known();
        let Some(job) = self.jobs.get_mut(&id.job) else {
            return;
        };
        let task = job.task_mut(key);
        let is_alone = task.live().next().is_none();
        let mut delay_ms = 0;
        let mut fatal = None;
        match &end {
            End::Failed(problem) => {
                task.failures += 1;
                delay_ms = retry_delay_ms(settings.retry_delay_ms, task.failures);
                if task.failures >= settings.attempts_max.max(1) {
                    fatal = Some(failed_too_often(id, task.failures, problem));
                }
            }
            End::Died(_) => {
                if let Some(attempt) = task.attempt_mut(id.number) {
                    attempt.died = true;
                }
                let deaths_max = settings.deaths_max.max(1) as usize;
                fatal = killed_workers(id, &task.deaths(), deaths_max, workers);
            }
            End::HandedBack(StopReason::NotHere) => task.refusals += 1,
            End::WorkerAtFault(_) | End::StoreAway(_) | End::Lost(_) | End::HandedBack(_) => {}
        }
        if let Some(problem) = fatal.filter(|_| is_alone) {
            if matches!(end, End::Died(_)) {
                job.killer = Some(id.task);
            }
            self.fail_job(id.job, problem, commands);
        } else if is_alone && delay_ms > 0 {
            job.delay(key, now.plus_millis(delay_ms));
        } else if is_alone {
            job.make_ready(key);
        }
        self.job_changed(id.job);
    }

    /// Ends a live attempt and updates the counters.
    pub(super) fn close_attempt(
        &mut self,
        id: AttemptId,
        key: TaskKey,
        state: AttemptState,
        reason: Option<String>,
    ) {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(&id.job) else {
            return;
        };
        let closed = job.close(key, id.number, now, |attempt| {
            attempt.state = state;
            attempt.reason = reason.map(String::into_boxed_str);
        });
        if closed.is_some_and(|closed| closed.was_published) {
            self.published -= 1;
        }
    }
}

fn stop_reason_text(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Superseded => "another attempt completed the task",
        StopReason::JobOver => "the job ended",
        StopReason::WorkerLeaves => "the worker left the pool and handed it back",
        StopReason::LeaseLost => "its lease expired",
        StopReason::NotHere => "it was delivered to the worker or machine of the other attempt",
        StopReason::SegmentLost(_) => "a partial sum was damaged, and is computed again",
    }
}

/// The back-off after a number of failures of a task.
fn retry_delay_ms(first_ms: u64, failures: u32) -> u64 {
    let factor = RETRY_DELAY_FACTOR.saturating_pow(failures.saturating_sub(1));
    first_ms.saturating_mul(factor).min(RETRY_DELAY_MS_MAX)
}

fn failed_too_often(id: AttemptId, failures: u32, last: &Problem) -> Problem {
    // The server frees the space that such a job has taken.
    let kind = match last.kind {
        full @ ProblemKind::InsufficientStorage => full,
        _ => ProblemKind::TaskFailed,
    };
    let task = id.task;
    let detail = format!("task {task} failed {failures} times; last error: {}", last.detail);
    let mut problem = Problem::new(kind, detail);
    problem.remedy = if last.remedy.is_empty() {
        "fix the cause and run the job again".to_owned()
    } else {
        last.remedy.clone()
    };
    problem.object.clone_from(&last.object);
    problem
}

/// The error of a task in the midst of whose segment workers have died, if it is the task
/// that kills them: that many deaths, of different workers as far as there are so many.
fn killed_workers(
    id: AttemptId,
    deaths: &[&WorkerId],
    deaths_max: usize,
    workers: usize,
) -> Option<Problem> {
    let different: BTreeSet<_> = deaths.iter().copied().collect();
    if deaths.len() < deaths_max || different.len() < workers.clamp(1, deaths_max) {
        return None;
    }
    let names: Vec<&str> = different.iter().map(|worker| worker.as_str()).collect();
    let detail = format!(
        "task {} was under way when {} workers died, each time at the same segment ({})",
        id.task,
        deaths.len(),
        names.join(", ")
    );
    let remedy = "check the inputs of the task, and whether workers have enough memory, then \
        run the job again";
    Some(Problem::new(ProblemKind::TaskFailed, detail).remedy(remedy))
}
