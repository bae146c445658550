//! Dispatch: which job is served next, and how many attempts are in the queue.
//!
//! # Goals
//!
//! - Work conservation: no worker is idle while a task is ready that it may
//!   execute.
//! - A job has at most W attempts on workers.
//! - Weighted fairness: jobs share the pool in proportion to W and to the weight of
//!   their priority, and a small job does not wait for a large one. A job of low priority
//!   gets workers too.
//! - Late binding: the order is decided as late as possible.
//!
//! # Algorithm
//!
//! The queue is shared and first in, first out, so a published attempt cannot be
//! reordered. An attempt is therefore published only for an idle worker. Among
//! the jobs with a ready task and fewer than W attempts in flight, the one with
//! the smallest fraction of its W in flight is served. W counts at most as the size of the
//! pool, times four for a high priority and a quarter for a low one. A job with nothing in
//! flight comes first. On a tie, of which a pool that is smaller than the number of jobs has
//! many, they take turns in proportion to the same weight (stride scheduling): the one
//! whose turn is due is served, of several the one of the higher priority, then the oldest. A
//! job that has not been served yet is due at once. A short job does not wait until one of many
//! long ones ends: it has slots of its own
//! ([`running_jobs_max`](crate::Settings::running_jobs_max)). Within a job, the level nearest to the
//! root comes first, which completes the total sooner and frees segments.
//!
//! If tasks are so short that message latency would leave workers idle, a few
//! more attempts are published: the *look-ahead*. It applies only to a job whose
//! W covers the whole pool, so that the job cannot exceed W attempts on workers.
//! It is withdrawn as soon as the pool grows beyond W. While another job is due, no job
//! looks ahead: that one is served by the next idle worker.
//!
//! Short tasks are published together, as many in one message as take
//! [`bundle_ms`](crate::Settings::bundle_ms): a *bundle*, which one worker executes one
//! after the other, so that it counts as one attempt in flight. Bundles become smaller
//! towards the end of a level, so that no worker waits for the bundle of another. What a
//! slow worker has not begun by the time that another one is idle is taken back.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use protocol::detail::AttemptState;
use protocol::request::Priority;
use protocol::task::{Direction, StopReason};
use protocol::{AttemptId, JobId};

use super::Scheduler;
use crate::command::Command;
use crate::durations::saturating_u64;
use crate::job::{Job, Level};
use crate::task::{Attempt, TaskKey};

/// No look-ahead if a task takes this many round trips on average: latency then
/// costs at most 2 % of the time.
const LOOK_AHEAD_WORTH: f64 = 50.0;
/// Maximum look-ahead, in attempts per worker.
const LOOK_AHEAD_PER_WORKER: f64 = 4.0;
/// The most attempts in one message.
const BUNDLE_MAX: u64 = 32;
/// What a task takes at least: everything about it that is not its work.
const TASK_MS_MIN: f64 = 0.5;
/// In how many messages for each worker the ready tasks of a level are published at least.
const BUNDLES_PER_WORKER: u64 = 2;
/// For how many times `bundle_ms` an attempt in a bundle may wait while a worker is idle.
const TAKE_BACK_BUNDLES: u64 = 4;

impl Scheduler {
    /// Publishes all attempts that are due.
    pub(super) fn dispatch(&mut self, commands: &mut Vec<Command>) {
        self.publish_ready(commands);
        if self.take_back() {
            self.publish_ready(commands);
        }
        self.speculate(commands);
    }

    fn publish_ready(&mut self, commands: &mut Vec<Command>) {
        while let Some(id) = self.next_to_serve() {
            if !self.publish_next(id, commands) {
                break;
            }
        }
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
        // The job, its fraction in flight, and whether it is served at once.
        let mut best: Option<(&Job, f64, bool)> = None;
        for job in self.running.iter().filter_map(|id| self.jobs.get(id)) {
            let may_look_ahead =
                !has_idle_worker && job.store_wait.is_over() && self.may_look_ahead(job);
            let may_start = job.may_start(self.now);
            if job.ready() == 0 || !(may_start || may_look_ahead) {
                continue;
            }
            let is_served = may_look_ahead || has_idle_worker;
            let fraction = f64::from(job.in_flight()) / self.weight(job);
            let is_next = best.is_none_or(|(best, least, _)| {
                let of_pass = job.pass.total_cmp(&best.pass);
                let of_priority = best.terms.priority.cmp(&job.terms.priority);
                fraction.total_cmp(&least).then(of_pass).then(of_priority) == Ordering::Less
            });
            if is_next {
                best = Some((job, fraction, is_served));
            }
        }
        // Who has to wait for an idle worker would never get one if others looked ahead.
        best.filter(|(.., is_served)| *is_served).map(|(job, ..)| job.id)
    }

    /// The share of the pool that a job is due, relative to those of others.
    fn weight(&self, job: &Job) -> f64 {
        // W beyond the pool would only be a claim to all of it.
        let workers = job.terms.workers.min(self.pool.available()).max(1);
        f64::from(workers) * weight_of(job.terms.priority)
    }

    fn may_look_ahead(&self, job: &Job) -> bool {
        let available = self.pool.available();
        if available == 0 || job.terms.workers < self.pool.live() {
            return false;
        }
        let Some(level) = job.ready_level() else {
            return false;
        };
        let Some(mean_ms) = level.durations.mean_ms() else {
            return false;
        };
        let mean_ms = mean_ms.max(1.0) * f64::from(self.bundle_size(job, level));
        let message_ms = f64::from(u32::try_from(self.settings.look_ahead_ms).unwrap_or(u32::MAX));
        if mean_ms > message_ms * LOOK_AHEAD_WORTH {
            return false;
        }
        let per_worker = (message_ms / mean_ms).min(LOOK_AHEAD_PER_WORKER);
        let ahead = self.published.saturating_sub(self.pool.idle());
        f64::from(ahead) < f64::from(available) * per_worker
    }

    /// How many attempts at tasks of a level are published in one message.
    fn bundle_size(&self, job: &Job, level: &Level) -> u32 {
        if self.speed_up.is_some() || !job.store_wait.is_over() {
            return 1;
        }
        let Some(mean_ms) = level.durations.mean_ms() else {
            return 1;
        };
        let bundle_ms = f64::from(u32::try_from(self.settings.bundle_ms).unwrap_or(u32::MAX));
        let of_time = saturating_u64(bundle_ms / mean_ms.max(TASK_MS_MIN));
        let workers = u64::from(job.terms.workers.min(self.pool.available()).max(1));
        let of_share = level.ready() / (workers * BUNDLES_PER_WORKER);
        u32::try_from(of_time.min(of_share).clamp(1, BUNDLE_MAX)).unwrap_or(1)
    }

    /// Publishes attempts at the first ready task of a job, and at the next ones of its level
    /// if they are short, in one message. Returns false if there is none.
    fn publish_next(&mut self, id: JobId, commands: &mut Vec<Command>) -> bool {
        let now = self.now;
        let Some(job) = self.jobs.get(&id) else {
            return false;
        };
        let size = job.ready_level().map_or(1, |level| self.bundle_size(job, level));
        // Of the whole pool, so that it means the same however large that is.
        let stride = f64::from(self.pool.available().max(1)) / self.weight(job);
        let Some(job) = self.jobs.get_mut(&id) else {
            return false;
        };
        let Some(first) = job.pop_ready() else {
            return false;
        };
        // What was not served for long has no claim to what it has missed.
        self.pass = self.pass.max(job.pass);
        job.pass = self.pass + stride;
        let mut next = Some(first);
        for place in 0..size {
            let Some(key) = next else { break };
            let carried = place > 0;
            let number = job.add_attempt(key, now, false, carried);
            commands.push(Command::PublishAttempt {
                attempt: job.attempt_id(key, number),
                speculative: false,
                direction: Direction::Forward,
                resume: job.restored || number > 1,
                not_on: None,
                not_on_node: None,
                columns: job.columns,
                carried,
            });
            next = if place + 1 < size { job.pop_ready_of(first.level) } else { None };
        }
        self.published += 1;
        self.count_published();
        self.job_changed(id);
        self.schedule_lease_check();
        true
    }

    /// Makes tasks ready again whose attempts wait in a bundle of a slow worker, while another
    /// worker is idle. Returns whether there were any. The slow worker is told once it begins
    /// one of them.
    fn take_back(&mut self) -> bool {
        let now = self.now;
        let patience_ms = self.settings.bundle_ms.saturating_mul(TAKE_BACK_BUNDLES).max(1);
        let (is_idle, may_publish) = (self.has_idle_worker(), self.may_publish());
        let mut overdue = Vec::new();
        for id in &self.running {
            let Some(job) = self.jobs.get_mut(id) else {
                continue;
            };
            if !is_idle || !may_publish || job.carried == 0 || !job.may_start(now) {
                job.take_back_at = None;
                continue;
            }
            let at = *job.take_back_at.get_or_insert(now.plus_millis(patience_ms));
            if now < at {
                continue;
            }
            let waiting = job.live.iter().filter(|&&(key, number)| {
                let mut live = job.task(key).live();
                live.any(|attempt| {
                    attempt.number == number
                        && attempt.state == AttemptState::Published
                        && attempt.carried
                        && attempt.published_at.plus_millis(patience_ms) <= now
                })
            });
            overdue.extend(waiting.map(|&(key, number)| (*id, key, number)));
            job.take_back_at = Some(now.plus_millis(patience_ms));
        }
        for (id, key, number) in &overdue {
            let reason = "its worker was too slow to begin it";
            self.withdraw(*id, *key, *number, reason);
            self.job_changed(*id);
        }
        !overdue.is_empty()
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
            // Of a message that was begun by a worker that is lost, the rest may wait too.
            let begun: BTreeSet<u32> = job
                .live
                .iter()
                .filter_map(|&(key, number)| {
                    let mut live = job.task(key).live();
                    live.find(|it| it.number == number && it.state == AttemptState::Running)
                })
                .map(|attempt| attempt.message)
                .collect();
            let waiting = job.messages.keys().rev().filter(|message| !begun.contains(message));
            let messages: BTreeSet<u32> = waiting.take(surplus).copied().collect();
            let withdrawn: Vec<_> = job
                .live
                .iter()
                .rev()
                .copied()
                .filter(|&(key, number)| {
                    let attempt = published(job, key, number);
                    attempt.is_some_and(|attempt| messages.contains(&attempt.message))
                })
                .collect();
            for (key, number) in withdrawn {
                let reason = "it was withdrawn before a worker started it";
                let Some(attempt) = self.withdraw(id, key, number, reason) else {
                    continue;
                };
                let reason = StopReason::LeaseLost;
                commands.push(Command::StopAttempt { attempt, reason, worker: None });
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
            let waiting: Vec<_> = job
                .live
                .iter()
                .copied()
                .filter(|(key, number)| published(job, *key, *number).is_some())
                .collect();
            for (key, number) in waiting {
                let reason = "the queue lost it before a worker started it";
                self.withdraw(id, key, number, reason);
            }
            self.job_changed(id);
        }
    }
}

/// How many times the workers of a job of normal priority a job gets.
const fn weight_of(priority: Priority) -> f64 {
    match priority {
        Priority::Low => 0.25,
        Priority::Normal => 1.0,
        Priority::High => 4.0,
    }
}

/// An attempt that no worker has started; `None` if one has.
fn published(job: &Job, key: TaskKey, number: u32) -> Option<&Attempt> {
    let mut live = job.task(key).live();
    live.find(|attempt| attempt.number == number && attempt.state == AttemptState::Published)
}
