//! Who is served next: fairness between jobs, and how much lies in the queue.
//!
//! # Wanted
//!
//! No worker waits while a task is ready that it may take. No job has more
//! than its W attempts with workers. Jobs share the pool in proportion to W,
//! and a small one does not wait for a large one. The order stays ours to
//! choose until the last moment.
//!
//! # How
//!
//! The queue is shared and first in, first out: what is published can no longer be
//! reordered. So an attempt is published only for a worker that waits. Of the
//! jobs that have a ready task and room within their W, the one with the
//! smallest part of its W in flight is served, the older of equals; a job with
//! nothing in flight comes first, however small. Within a job the deepest
//! level goes first, as that brings the total nearer and frees segments.
//!
//! Where tasks are so short that a worker would be idle for a good part of the
//! time while messages travel, a few attempts more are published: the
//! *look-ahead*. It is for a job whose W covers the whole pool, so that it
//! cannot have more than W attempts with workers, and is withdrawn as soon as
//! the pool is seen to be larger.

use protocol::JobId;
use protocol::detail::AttemptState;
use protocol::task::{Direction, StopReason};

use super::Scheduler;
use crate::command::Command;
use crate::job::Job;

/// Where the usual task takes this many times as long as a message there and
/// back, the time that messages take is lost without a look-ahead: at most 2 %.
const LOOK_AHEAD_WORTH: f64 = 50.0;
/// The look-ahead is at most so many attempts a worker.
const LOOK_AHEAD_PER_WORKER: f64 = 4.0;

impl Scheduler {
    /// Publishes what is to be published now.
    pub(super) fn dispatch(&mut self, commands: &mut Vec<Command>) {
        while let Some(id) = self.next_to_serve() {
            if !self.publish_next(id, commands) {
                break;
            }
        }
        self.help_stragglers(commands);
    }

    /// Whether a worker waits that nothing in the queue is meant for.
    pub(super) fn has_room(&self) -> bool {
        self.pool.idle() > self.published
    }

    /// The job to publish a task of, if one may be published.
    fn next_to_serve(&self) -> Option<JobId> {
        let has_room = self.has_room();
        let mut best: Option<(&Job, f64)> = None;
        for job in self.running.iter().filter_map(|id| self.jobs.get(id)) {
            let may = if has_room {
                job.in_flight() < job.terms.workers
            } else {
                self.may_look_ahead(job)
            };
            if !may || job.ready() == 0 {
                continue;
            }
            let part = f64::from(job.in_flight()) / f64::from(job.terms.workers);
            if best.is_none_or(|(_, least)| part < least) {
                best = Some((job, part));
            }
        }
        best.map(|(job, _)| job.id)
    }

    fn may_look_ahead(&self, job: &Job) -> bool {
        let able = self.pool.able();
        if able == 0 || job.terms.workers < self.pool.takers() {
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
        f64::from(ahead) < f64::from(able) * per_worker
    }

    /// Publishes the first attempt, or the next one, at the ready task that
    /// goes first in a job.
    fn publish_next(&mut self, id: JobId, commands: &mut Vec<Command>) -> bool {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(&id) else {
            return false;
        };
        let Some(key) = job.take_ready() else {
            return false;
        };
        let number = job.task(key).add_attempt(now, false);
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
        self.job_changed(id);
        self.watch_leases();
        true
    }

    /// Takes back what was published ahead for a job whose W no longer covers
    /// the pool.
    pub(super) fn withdraw_look_ahead(&mut self, commands: &mut Vec<Command>) {
        let takers = self.pool.takers();
        let over: Vec<JobId> = self
            .running
            .iter()
            .filter_map(|id| self.jobs.get(id))
            .filter(|job| job.terms.workers < takers && job.in_flight() > job.terms.workers)
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
                .filter(|(key, number)| {
                    let mut live = job.peek(*key).live();
                    live.any(|a| a.number == *number && a.state == AttemptState::Published)
                })
                .take(surplus)
                .collect();
            for (key, number) in withdrawn {
                let Some(job) = self.jobs.get_mut(&id) else {
                    continue;
                };
                let attempt = job.attempt_id(key, number);
                let is_alone = job.peek(key).live().count() == 1;
                let reason = "it was withdrawn before a worker took it".to_owned();
                self.close_attempt(attempt, key, AttemptState::Stopped, Some(reason));
                if let Some(job) = self.jobs.get_mut(&id)
                    && is_alone
                {
                    job.make_ready(key);
                }
                commands.push(Command::StopAttempt { attempt, reason: StopReason::LeaseLost });
            }
        }
    }
}
