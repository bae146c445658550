//! Dispatch: which job is served next, and how many attempts are in the queue.
//!
//! # Goals
//!
//! - Work conservation: no worker is idle while a task is ready that it may
//!   execute.
//! - A job has at most W attempts on workers.
//! - Weighted fairness: jobs share the pool in proportion to W, and a small job
//!   does not wait for a large one.
//! - Late binding: the order is decided as late as possible.
//!
//! # Algorithm
//!
//! The queue is shared and first in, first out, so a published attempt cannot be
//! reordered. An attempt is therefore published only for an idle worker. Among
//! the jobs with a ready task and fewer than W attempts in flight, the one with
//! the smallest fraction of its W in flight is served, the oldest on a tie. A job
//! with nothing in flight comes first. Within a job, the level nearest to the
//! root comes first, which completes the total sooner and frees segments.
//!
//! If tasks are so short that message latency would leave workers idle, a few
//! more attempts are published: the *look-ahead*. It applies only to a job whose
//! W covers the whole pool, so that the job cannot exceed W attempts on workers.
//! It is withdrawn as soon as the pool grows beyond W.

use protocol::detail::AttemptState;
use protocol::task::{Direction, StopReason};
use protocol::{AttemptId, JobId};

use super::Scheduler;
use crate::command::Command;
use crate::job::Job;
use crate::task::TaskKey;

/// No look-ahead if a task takes this many round trips on average: latency then
/// costs at most 2 % of the time.
const LOOK_AHEAD_WORTH: f64 = 50.0;
/// Maximum look-ahead, in attempts per worker.
const LOOK_AHEAD_PER_WORKER: f64 = 4.0;

impl Scheduler {
    /// Publishes all attempts that are due.
    pub(super) fn dispatch(&mut self, commands: &mut Vec<Command>) {
        while let Some(id) = self.next_to_serve() {
            if !self.publish_next(id, commands) {
                break;
            }
        }
        self.speculate(commands);
    }

    /// Whether more workers are idle than attempts are in the queue.
    pub(super) fn has_idle_worker(&self) -> bool {
        self.pool.idle() > self.published
    }

    /// The job to publish an attempt of; `None` if no attempt is due.
    fn next_to_serve(&self) -> Option<JobId> {
        if !self.may_publish() {
            return None;
        }
        let has_idle_worker = self.has_idle_worker();
        let mut best: Option<(&Job, f64)> = None;
        for job in self.running.iter().filter_map(|id| self.jobs.get(id)) {
            let is_allowed = if has_idle_worker {
                job.may_start(self.now)
            } else {
                job.store_wait.is_over() && self.may_look_ahead(job)
            };
            if !is_allowed || job.ready() == 0 {
                continue;
            }
            let fraction = f64::from(job.in_flight()) / f64::from(job.terms.workers);
            if best.is_none_or(|(_, least)| fraction < least) {
                best = Some((job, fraction));
            }
        }
        best.map(|(job, _)| job.id)
    }

    fn may_look_ahead(&self, job: &Job) -> bool {
        let available = self.pool.available();
        if available == 0 || job.terms.workers < self.pool.live() {
            return false;
        }
        let Some(mean_ms) = job.ready_level().and_then(|level| level.durations.mean_ms()) else {
            return false;
        };
        let message_ms = f64::from(u32::try_from(self.settings.look_ahead_ms).unwrap_or(u32::MAX));
        if mean_ms > message_ms * LOOK_AHEAD_WORTH {
            return false;
        }
        let per_worker = (message_ms / mean_ms.max(1.0)).min(LOOK_AHEAD_PER_WORKER);
        let ahead = self.published.saturating_sub(self.pool.idle());
        f64::from(ahead) < f64::from(available) * per_worker
    }

    /// Publishes an attempt at the first ready task of a job. Returns false if
    /// there is none.
    fn publish_next(&mut self, id: JobId, commands: &mut Vec<Command>) -> bool {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(&id) else {
            return false;
        };
        let Some(key) = job.pop_ready() else {
            return false;
        };
        let number = job.task_mut(key).add_attempt(now, false);
        job.live.insert((key, number));
        job.published += 1;
        self.published += 1;
        commands.push(Command::PublishAttempt {
            attempt: job.attempt_id(key, number),
            speculative: false,
            direction: Direction::Forward,
            resume: job.restored || number > 1,
            not_on: None,
            not_on_node: None,
            columns: job.columns,
        });
        self.count_published();
        self.job_changed(id);
        self.schedule_lease_check();
        true
    }

    /// Withdraws the look-ahead of the jobs whose W no longer covers the pool.
    pub(super) fn withdraw_look_ahead(&mut self, commands: &mut Vec<Command>) {
        let live = self.pool.live();
        let over: Vec<JobId> = self
            .running
            .iter()
            .filter_map(|id| self.jobs.get(id))
            .filter(|job| job.terms.workers < live && job.in_flight() > job.terms.workers)
            .map(|job| job.id)
            .collect();
        for id in over {
            let Some(job) = self.jobs.get(&id) else {
                continue;
            };
            let surplus = (job.in_flight() - job.terms.workers) as usize;
            let withdrawn: Vec<_> = job
                .live
                .iter()
                .rev()
                .copied()
                .filter(|(key, number)| is_published(job, *key, *number))
                .take(surplus)
                .collect();
            for (key, number) in withdrawn {
                let reason = "it was withdrawn before a worker started it";
                let Some(attempt) = self.withdraw(id, key, number, reason) else {
                    continue;
                };
                commands.push(Command::StopAttempt { attempt, reason: StopReason::LeaseLost });
            }
        }
    }

    /// Stops an attempt that no worker has started, and makes its task ready again unless
    /// another attempt is live. Returns its id; `None` if the job is not known.
    fn withdraw(
        &mut self,
        id: JobId,
        key: TaskKey,
        number: u32,
        reason: &str,
    ) -> Option<AttemptId> {
        let job = self.jobs.get(&id)?;
        let attempt = job.attempt_id(key, number);
        let is_alone = job.task(key).live().count() == 1;
        self.close_attempt(attempt, key, AttemptState::Stopped, Some(reason.to_owned()));
        if is_alone {
            self.jobs.get_mut(&id)?.make_ready(key);
        }
        Some(attempt)
    }

    /// Withdraws all attempts that no worker has started, because the queue has lost them.
    /// They are published again like other ready tasks. If a worker has one nevertheless,
    /// because the report of its start was lost too, it is told to stop.
    pub(super) fn queue_lost(&mut self) {
        for id in self.running.clone() {
            let Some(job) = self.jobs.get(&id) else {
                continue;
            };
            let published: Vec<_> = job
                .live
                .iter()
                .copied()
                .filter(|(key, number)| is_published(job, *key, *number))
                .collect();
            for (key, number) in published {
                let reason = "the queue lost it before a worker started it";
                self.withdraw(id, key, number, reason);
            }
            self.job_changed(id);
        }
    }
}

/// Whether an attempt is in the queue.
fn is_published(job: &Job, key: TaskKey, number: u32) -> bool {
    let mut live = job.task(key).live();
    live.any(|attempt| attempt.number == number && attempt.state == AttemptState::Published)
}
