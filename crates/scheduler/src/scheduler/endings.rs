//! Attempts that end without completing their task.

use protocol::detail::AttemptState;
use protocol::problem::ProblemKind;
use protocol::task::{Failure, Progress, StopReason};
use protocol::{AttemptId, Problem, WorkerId};

use super::Scheduler;
use crate::command::Command;
use crate::task::TaskKey;

/// Multiplier of the back-off after every further failure.
const RETRY_DELAY_FACTOR: u64 = 4;
/// Maximum back-off.
const RETRY_DELAY_MS_MAX: u64 = 60_000;

/// Why an attempt ended without completing its task.
pub(super) enum End {
    /// A retryable error.
    Failed(Problem),
    /// The lease expired or the worker left. The text says which.
    Lost(String),
    /// It was stopped or handed back, which does not count as a failure.
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
        if failure.retryable {
            self.record_failure(worker, &failure.problem, commands);
            self.end_attempt(id, key, End::Failed(failure.problem), commands);
        } else {
            let reason = failure.problem.to_string();
            self.close_attempt(id, key, AttemptState::Failed, Some(reason));
            self.fail_job(id.job, failure.problem, commands);
        }
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
            End::Failed(problem) => (AttemptState::Failed, problem.to_string()),
            End::Lost(why) => (AttemptState::Lost, why.clone()),
            End::HandedBack(reason) => {
                (AttemptState::Stopped, stop_reason_text(*reason).to_owned())
            }
        };
        self.close_attempt(id, key, state, Some(reason));
        let now = self.now;
        let settings = self.settings;
        let Some(job) = self.jobs.get_mut(&id.job) else {
            return;
        };
        let task = job.task_mut(key);
        let mut delay_ms = 0;
        match &end {
            End::Failed(_) | End::Lost(_) => {
                task.failures += 1;
                let exponent = task.failures.saturating_sub(1);
                if matches!(end, End::Failed(_)) {
                    delay_ms = settings
                        .retry_delay_ms
                        .saturating_mul(RETRY_DELAY_FACTOR.saturating_pow(exponent))
                        .min(RETRY_DELAY_MS_MAX);
                }
            }
            End::HandedBack(StopReason::NotHere) => task.refusals += 1,
            End::HandedBack(_) => {}
        }
        let failures = task.failures;
        let is_alone = task.live().next().is_none();
        if failures >= settings.attempts_max.max(1) && is_alone {
            let problem = failed_too_often(id, failures, &end);
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
    }
}

fn failed_too_often(id: AttemptId, failures: u32, end: &End) -> Problem {
    let task = id.task;
    match end {
        End::Failed(last) => {
            // The server frees the space that such a job has taken.
            let kind = match last.kind {
                full @ ProblemKind::InsufficientStorage => full,
                _ => ProblemKind::TaskFailed,
            };
            let mut problem = Problem::new(
                kind,
                format!("task {task} failed {failures} times; last error: {}", last.detail),
            );
            problem.remedy = if last.remedy.is_empty() {
                "fix the cause and run the job again".to_owned()
            } else {
                last.remedy.clone()
            };
            problem.object.clone_from(&last.object);
            problem
        }
        End::Lost(_) | End::HandedBack(_) => Problem::new(
            ProblemKind::TaskFailed,
            format!(
                "task {task} failed {failures} times; \
                 the last time its worker stopped responding"
            ),
        )
        .remedy(
            "find out why workers crash, for example because they run out of memory, \
             and run the job again",
        ),
    }
}
