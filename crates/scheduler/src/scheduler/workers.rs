//! Workers as they come, speak, fall silent and go; and the leases that they hold.

use protocol::task::{Joined, StopReason};
use protocol::{AttemptId, JobId, Problem, Timestamp, WorkerId};

use super::Scheduler;
use super::endings::End;
use crate::command::Command;
use crate::pool::Worker;
use crate::task::TaskKey;

/// A worker that fell silent is shown for so many leases, then forgotten.
const LOST_SHOWN_LEASES: u64 = 4;

impl Scheduler {
    /// A worker has said something.
    pub(super) fn hear(&mut self, worker: &WorkerId, commands: &mut Vec<Command>) {
        let now = self.now;
        let takers = self.pool.takers();
        self.pool.update(worker, now, |worker| {
            worker.heard_at = now;
            worker.lost = false;
        });
        if self.pool.takers() > takers {
            self.withdraw_look_ahead(commands);
        }
        self.watch_leases();
    }

    pub(super) fn worker_joined(
        &mut self,
        id: &WorkerId,
        joined: Joined,
        commands: &mut Vec<Command>,
    ) {
        // Another process under the same name knows nothing of what this one had.
        let is_reborn = self.pool.get(id).is_some_and(|worker| {
            worker.joined.process_id != 0 && worker.joined.process_id != joined.process_id
        });
        if is_reborn {
            self.worker_left(id, "it was started again", commands);
        }
        self.hear(id, commands);
        self.pool.update(id, self.now, |worker| worker.joined = joined);
        self.changes.pool = true;
    }

    pub(super) fn worker_seen(
        &mut self,
        id: &WorkerId,
        resident_bytes: u64,
        commands: &mut Vec<Command>,
    ) {
        self.hear(id, commands);
        let has_live = self
            .pool
            .get(id)
            .and_then(|worker| worker.attempt)
            .is_some_and(|attempt| self.live_key(attempt).is_some());
        self.pool.update(id, self.now, |worker| {
            worker.joined.resident_bytes = resident_bytes;
            // It has nothing any more of what it was told to stop. A live
            // attempt stays: its start may have been told faster than this.
            if !has_live {
                worker.attempt = None;
            }
        });
        self.changes.pool = true;
    }

    pub(super) fn worker_left(&mut self, id: &WorkerId, reason: &str, commands: &mut Vec<Command>) {
        let Some(worker) = self.pool.remove(id) else {
            return;
        };
        self.changes.pool = true;
        if let Some(attempt) = worker.attempt {
            let why = format!("its worker went without handing it back: {reason}");
            self.lose_if_held(attempt, id, why, commands);
        }
    }

    /// A live attempt of a worker that is gone is lost.
    fn lose_if_held(
        &mut self,
        id: AttemptId,
        worker: &WorkerId,
        why: String,
        commands: &mut Vec<Command>,
    ) {
        let Some(key) = self.live_key(id) else {
            return;
        };
        let is_held = self.jobs.get(&id.job).is_some_and(|job| {
            job.peek(key).live().any(|a| a.number == id.number && a.worker.as_ref() == Some(worker))
        });
        if is_held {
            self.end_attempt(id, key, End::Lost(why), commands);
        }
    }

    /// Notes that a worker has failed an attempt that might have succeeded,
    /// and sets it aside if it does nothing else while others succeed.
    pub(super) fn count_against(
        &mut self,
        id: &WorkerId,
        problem: &Problem,
        commands: &mut Vec<Command>,
    ) {
        let failures = self.pool.update(id, self.now, |worker| {
            worker.failures += 1;
            worker.last_failure = Some(problem.to_string());
            worker.failures
        });
        let is_able = self.pool.get(id).is_some_and(Worker::is_able);
        // Where all fail it is not their fault, and somebody has to go on.
        if is_able && failures >= self.settings.worker_failures_max.max(1) && self.pool.sound() > 0
        {
            self.pool.update(id, self.now, |worker| worker.aside = true);
            commands.push(Command::DrainWorker { worker: id.clone() });
        }
    }

    /// Sees to it that leases are looked at, now that there is one.
    pub(super) fn watch_leases(&mut self) {
        if self.leases_at.is_none() {
            self.leases_at = Some(self.now.plus_millis(self.settings.lease_ms));
        }
    }

    /// Ends the leases that have run out. Every lease is looked at only when
    /// the earliest could have run out as of the last look; renewing one is free.
    pub(super) fn expire_leases(&mut self, commands: &mut Vec<Command>) {
        if self.leases_at.is_none_or(|at| self.now < at) {
            return;
        }
        let lease_ms = self.settings.lease_ms;
        let mut next: Option<Timestamp> = None;
        let mut earliest = |at: Timestamp| next = Some(next.map_or(at, |next| next.min(at)));

        let mut silent = Vec::new();
        let mut forgotten = Vec::new();
        for (id, worker) in self.pool.iter() {
            let leases = if worker.lost { LOST_SHOWN_LEASES } else { 1 };
            let until = worker.heard_at.plus_millis(lease_ms * leases);
            if self.now < until {
                earliest(until);
            } else if worker.lost {
                forgotten.push(id.clone());
            } else {
                silent.push(id.clone());
                let until = worker.heard_at.plus_millis(lease_ms * LOST_SHOWN_LEASES);
                earliest(until.max(self.now.plus_millis(lease_ms)));
            }
        }

        let mut expired: Vec<AttemptId> = Vec::new();
        let nobody_waits = self.pool.idle() == 0;
        let running: Vec<JobId> = self.running.iter().copied().collect();
        for id in &running {
            let Some(job) = self.jobs.get_mut(id) else {
                continue;
            };
            let live: Vec<(TaskKey, u32)> = job.live.iter().copied().collect();
            for (key, number) in live {
                let Some(attempt) = job.task(key).attempt(number) else {
                    continue;
                };
                // What lies in the queue is overdue only if somebody waits for it.
                if attempt.worker.is_none() && nobody_waits {
                    attempt.heard_at = self.now;
                }
                let until = attempt.heard_at.plus_millis(lease_ms);
                if self.now < until {
                    earliest(until);
                } else {
                    expired.push(job.attempt_id(key, number));
                }
            }
        }
        self.leases_at = next;

        for id in silent {
            self.pool.update(&id, self.now, |worker| worker.lost = true);
            self.changes.pool = true;
        }
        for id in forgotten {
            self.pool.remove(&id);
            self.changes.pool = true;
        }
        for id in expired {
            if let Some(key) = self.live_key(id) {
                commands.push(Command::StopAttempt { attempt: id, reason: StopReason::LeaseLost });
                self.end_attempt(id, key, End::Lost("its lease ran out".to_owned()), commands);
            }
        }
    }
}
