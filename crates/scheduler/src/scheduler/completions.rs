//! Completed attempts.

use protocol::detail::AttemptState;
use protocol::task::{Outcome, StopReason};
use protocol::{AttemptId, JobId, Problem, Timestamp, WorkerId};

use super::Scheduler;
use crate::command::Command;
use crate::durations::saturating_u64;
use crate::job::Job;
use crate::task::{Attempt, TaskKey};

/// The most time that counts as saved, in multiples of the time that the superseded attempt
/// has run: of one that has hardly begun, the remaining time is not known.
const SAVED_PER_RUN_MAX: f64 = 20.0;

impl Scheduler {
    pub(super) fn attempt_completed(
        &mut self,
        id: AttemptId,
        worker: &WorkerId,
        outcome: Outcome,
        commands: &mut Vec<Command>,
    ) {
        self.renew_worker_lease(worker, commands);
        self.release(id, worker);
        let now = self.now;
        self.pool.update(worker, now, |worker| {
            worker.failures = 0;
            worker.store_failed_at = None;
            worker.advanced_at = now;
            worker.joined.resident_bytes = outcome.progress.resident_bytes;
        });
        self.worker_succeeded(worker, commands);
        let Some((job, key)) = self.running_task(id) else {
            return;
        };
        // No worker can have completed what was never published, except before a
        // restart of the server.
        if !job.restored && !job.task(key).has_had(id.number) {
            return;
        }
        let (progress, took_ms) = (outcome.progress, outcome.took_ms);
        let done = job.task_mut(key).attempt_mut(id.number).map(|attempt| {
            attempt.released = true;
            attempt.advance(&progress)
        });
        let Some(job) = self.jobs.get_mut(&id.job) else {
            return;
        };
        if let Some(done) = done {
            job.count(now, &done);
        }
        job.store_wait.succeeded(job.terms.workers);
        self.job_changed(id.job);
        self.changes.pool = true;
        if self.task_is_complete(id.job, key) {
            return;
        }
        // Also of a merge task: after a restart of the server it may be the first that
        // tells C.
        if let Err(problem) = self.record_outcome(id.job, outcome) {
            self.fail_job(id.job, *problem, commands);
            return;
        }
        self.count_completion(id, key, worker, took_ms);
        self.supersede_others(id, key, commands);
        if let Some(job) = self.jobs.get_mut(&id.job) {
            job.complete(key);
        }
        self.finish_if_summed(id.job, commands);
    }

    /// Ends the attempt that completed its task and records its duration.
    fn count_completion(
        &mut self,
        id: AttemptId,
        key: TaskKey,
        worker: &WorkerId,
        took_ms: Option<u32>,
    ) {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(&id.job) else {
            return;
        };
        let mut duration_ms = None;
        let mut saved_ms = 0.0;
        let mut complete = |attempt: &mut Attempt| {
            attempt.state = AttemptState::Completed;
            attempt.worker = Some(worker.clone());
            attempt.ended_at = Some(now);
            let progress = &attempt.progress;
            if progress.segments_reused == 0 {
                // Of a short attempt, start and end are reported together.
                let began_ms = now.as_millis().saturating_sub(took_ms.map_or(0, u64::from));
                let began_at = Timestamp::from_millis(began_ms).max(attempt.published_at);
                attempt.started_at = attempt.started_at.map(|at| at.min(began_at));
                let observed_ms = attempt.started_at.map(|at| now.millis_since(at));
                // What messages take is no part of it.
                duration_ms = observed_ms.map(|ms| took_ms.map_or(ms, |took| ms.min(took.into())));
            } else if !attempt.speculative && progress.segments_written > 0 {
                let times = progress.segments_reused as f64 / progress.segments_written as f64;
                saved_ms = attempt.ran_ms(now) as f64 * times.min(SAVED_PER_RUN_MAX);
            }
        };
        if let Some(closed) = job.close(key, id.number, now, &mut complete) {
            job.attempts.speculative_won += u64::from(closed.speculative);
            if closed.was_published {
                self.published -= 1;
            }
        } else {
            // The attempt had been given up, but completed the task first.
            let known = job.task_mut(key).attempt_mut(id.number);
            let was = known.as_ref().filter(|it| it.started_at.is_some()).map(|it| it.state);
            if let Some(attempt) = known {
                complete(attempt);
            }
            job.count_after_all(was);
        }
        let had_speculative = job.task_mut(key).attempts.iter().any(|a| a.speculative);
        if had_speculative {
            let saved_ms = saturating_u64(saved_ms);
            job.attempts.saved_ms = job.attempts.saved_ms.saturating_add(saved_ms);
        }
        let level = &mut job.levels[usize::from(key.level)];
        let median_ms = level.durations.median_ms();
        if let Some(duration_ms) = duration_ms {
            level.durations.add(duration_ms);
        }
        self.pool.update(worker, now, |worker| {
            worker.completed += 1;
            if let (Some(duration_ms), Some(median_ms)) = (duration_ms, median_ms) {
                worker.record_slowness(duration_ms as f64 / median_ms);
            }
        });
    }

    /// Stops the other live attempts at a completed task.
    fn supersede_others(&mut self, winner: AttemptId, key: TaskKey, commands: &mut Vec<Command>) {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(&winner.job) else {
            return;
        };
        let others: Vec<u32> = job.task(key).live().map(|attempt| attempt.number).collect();
        for number in others {
            let mut worker = None;
            let remaining_ms = job.task_mut(key).attempt_mut(number).and_then(|attempt| {
                worker.clone_from(&attempt.worker);
                let is_first = !attempt.speculative;
                let most_ms = attempt.ran_ms(now) as f64 * SAVED_PER_RUN_MAX;
                let remaining_ms = attempt.progress_rate.remaining_ms(now).filter(|_| is_first);
                remaining_ms.map(|remaining_ms| remaining_ms.min(most_ms))
            });
            let saved_ms = saturating_u64(remaining_ms.unwrap_or(0.0));
            let closed = job.close(key, number, now, |attempt| {
                attempt.state = AttemptState::Superseded;
                attempt.left_ms = u32::try_from(saved_ms).unwrap_or(u32::MAX);
            });
            if closed.is_some_and(|closed| closed.was_published) {
                self.published -= 1;
            }
            job.attempts.saved_ms = job.attempts.saved_ms.saturating_add(saved_ms);
            commands.push(Command::StopAttempt {
                attempt: AttemptId { number, ..winner },
                reason: StopReason::Superseded,
                worker,
            });
        }
    }

    /// Records the properties of the inputs that a leaf attempt determined. Fails
    /// if its C differs from that of another object.
    fn record_outcome(&mut self, id: JobId, outcome: Outcome) -> Result<(), Box<Problem>> {
        let Some(job) = self.jobs.get_mut(&id) else {
            return Ok(());
        };
        match job.columns {
            Some(columns) if columns != outcome.columns => {
                return Err(Box::new(lengths_differ(job, columns, &outcome)));
            }
            Some(_) => {}
            None => job.set_columns(outcome.columns),
        }
        if job.columns_of.is_none() {
            job.columns_of = outcome.columns_of;
        }
        if job.shape.is_none() {
            job.shape = outcome.shape;
        }
        if job.format.is_none() {
            job.format = outcome.format;
        }
        Ok(())
    }
}

fn lengths_differ(job: &Job, columns: u64, outcome: &Outcome) -> Problem {
    let known = job.columns_of.as_deref().unwrap_or("the first object");
    let found = outcome.columns_of.as_deref().unwrap_or("another object");
    Problem::lengths_differ((known, columns), (found, outcome.columns))
}
