//! Workers: join, heartbeat, loss and leave; and the expiry of leases.

use protocol::task::{Joined, StopReason};
use protocol::{AttemptId, JobId, Problem, Timestamp, WorkerId};

use super::Scheduler;
use super::endings::End;
use super::outages::STILL_MS;
use crate::command::Command;
use crate::pool::Worker;
use crate::task::TaskKey;

/// A lost worker is removed once its last report is this many lease durations old.
const LOST_SHOWN_LEASES: u64 = 4;
/// Together, workers send at most 500 heartbeats a second …
const HEARTBEAT_MS_PER_WORKER: u64 = 2;
/// … but each sends three before its lease expires.
const HEARTBEATS_PER_LEASE: u64 = 3;

impl Scheduler {
    /// How often attempts that are published now should send heartbeats, in milliseconds:
    /// every `least_ms`, and less often if there are many workers.
    #[must_use]
    pub fn heartbeat_ms(&self, least_ms: u64) -> u64 {
        let of_many = u64::from(self.pool.live()) * HEARTBEAT_MS_PER_WORKER;
        let most = self.settings.lease_ms / HEARTBEATS_PER_LEASE;
        least_ms.max(of_many.min(most))
    }

    /// Renews the lease of a worker that sent a report.
    pub(super) fn renew_worker_lease(&mut self, worker: &WorkerId, commands: &mut Vec<Command>) {
        let now = self.now;
        if self.pool.retain(worker) {
            commands.push(Command::RetainWorker { worker: worker.clone() });
        }
        let live = self.pool.live();
        let was_lost = self.pool.update(worker, now, |worker| {
            worker.last_seen_at = now;
            std::mem::take(&mut worker.lost)
        });
        if was_lost {
            self.revive(worker);
        }
        if self.pool.live() > live {
            self.withdraw_look_ahead(commands);
        }
        self.schedule_lease_check();
    }

    pub(super) fn worker_joined(
        &mut self,
        id: &WorkerId,
        joined: Joined,
        commands: &mut Vec<Command>,
    ) {
        // A new process with the same name does not continue the attempt of the
        // previous one.
        let is_restarted = self.pool.get(id).is_some_and(|worker| {
            worker.joined.incarnation != 0 && worker.joined.incarnation != joined.incarnation
        });
        if is_restarted && self.pool.has_ended(id, joined.incarnation) {
            // A duplicate: the queue delivers again what was not acknowledged in time.
            return;
        }
        if is_restarted {
            let why = "its worker left without handing it back: it was restarted";
            self.remove_worker(id, End::Died(why.to_owned()), commands);
        }
        self.renew_worker_lease(id, commands);
        self.pool.update(id, self.now, |worker| worker.joined = joined);
        self.rest_with_node(id, commands);
        self.changes.pool = true;
    }

    pub(super) fn worker_seen(
        &mut self,
        id: &WorkerId,
        resident_bytes: u64,
        commands: &mut Vec<Command>,
    ) {
        self.renew_worker_lease(id, commands);
        let has_live = self
            .pool
            .get(id)
            .and_then(|worker| worker.attempt)
            .is_some_and(|attempt| self.live_key(attempt).is_some());
        let is_drained = self.pool.update(id, self.now, |worker| {
            worker.joined.resident_bytes = resident_bytes;
            // The worker is idle, so an attempt that is not live has ended. A live
            // one stays: this heartbeat may be older than the start of the attempt.
            if !has_live {
                worker.attempt = None;
            }
            worker.is_drained()
        });
        // It has not heard, as the word of a broker that failed is lost.
        if is_drained {
            commands.push(Command::DrainWorker { worker: id.clone() });
        }
        self.changes.pool = true;
    }

    pub(super) fn worker_left(&mut self, id: &WorkerId, reason: &str, commands: &mut Vec<Command>) {
        self.release_worker(id, commands);
        // Whoever says that it leaves has not died.
        let why = format!("its worker left without handing it back: {reason}");
        self.remove_worker(id, End::Lost(why), commands);
    }

    /// Lets the pool stop the instance of a worker.
    fn release_worker(&mut self, id: &WorkerId, commands: &mut Vec<Command>) {
        self.pool.release(id);
        commands.push(Command::ReleaseWorker { worker: id.clone() });
    }

    /// Removes a worker whose process has ended, and ends the attempt that it held.
    fn remove_worker(&mut self, id: &WorkerId, end: End, commands: &mut Vec<Command>) {
        let Some(worker) = self.pool.get(id) else {
            return;
        };
        let (attempt, incarnation) = (worker.attempt, worker.joined.incarnation);
        self.pool.process_ended(id, incarnation);
        self.changes.pool = true;
        if let Some(attempt) = attempt {
            self.lose_if_held(attempt, id, end, commands);
        }
        self.pool.remove(id);
    }

    /// Ends a live attempt as lost if a worker that left held it.
    fn lose_if_held(
        &mut self,
        id: AttemptId,
        worker: &WorkerId,
        end: End,
        commands: &mut Vec<Command>,
    ) {
        let Some(key) = self.live_key(id) else {
            return;
        };
        let is_held = self.jobs.get(&id.job).is_some_and(|job| {
            job.task(key).live().any(|a| a.number == id.number && a.worker.as_ref() == Some(worker))
        });
        if is_held {
            self.node_at_fault(worker, commands);
            self.end_attempt(id, key, end, commands);
        }
    }

    /// Records a retryable failure of a worker. Excludes the worker from
    /// scheduling after too many consecutive failures, if others are healthy.
    pub(super) fn record_failure(
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
        let is_available = self.pool.get(id).is_some_and(Worker::is_available);
        // If all workers fail, the cause is elsewhere, and the job still needs
        // workers.
        if is_available
            && failures >= self.settings.worker_failures_max.max(1)
            && self.pool.healthy() > 0
        {
            self.pool.update(id, self.now, |worker| worker.aside = true);
            commands.push(Command::DrainWorker { worker: id.clone() });
        }
    }

    /// The worker that was lost alone, if one was. Workers that are lost together, or
    /// shortly after each other, have not been killed by their tasks.
    fn lone_loss(&mut self, newly_lost: &[WorkerId]) -> Option<WorkerId> {
        let last = newly_lost.last()?.clone();
        let within_ms = self.settings.lease_ms / 2;
        let before = self.last_loss.replace((self.now, last.clone()));
        let before = before.filter(|(at, _)| self.now.millis_since(*at) <= within_ms);
        if let Some((_, before)) = &before {
            self.revive(before);
        }
        (newly_lost.len() == 1 && before.is_none()).then_some(last)
    }

    /// Sets the timer of the lease check for a lease that begins now, unless it is set for
    /// earlier. It is set for later while only lost workers are known.
    pub(super) fn schedule_lease_check(&mut self) {
        let until = self.now.plus_millis(self.settings.lease_ms);
        self.next_lease_check_at = Some(self.next_lease_check_at.map_or(until, |at| at.min(until)));
    }

    /// Expires leases. All leases are checked together, at the earliest time at
    /// which one could have expired as of the last check. So a renewal costs
    /// nothing.
    pub(super) fn expire_leases(&mut self, commands: &mut Vec<Command>) {
        if self.next_lease_check_at.is_none_or(|at| self.now < at) {
            return;
        }
        let lease_ms = self.settings.lease_ms;
        if self.leases_stand_still() {
            self.next_lease_check_at = Some(self.now.plus_millis(STILL_MS.min(lease_ms)));
            return;
        }
        let mut next: Option<Timestamp> = None;
        let mut earliest = |at: Timestamp| next = Some(next.map_or(at, |next| next.min(at)));

        let mut newly_lost = Vec::new();
        let mut removed = Vec::new();
        for (id, worker) in self.pool.iter() {
            let leases = if worker.lost { LOST_SHOWN_LEASES } else { 1 };
            let until = worker.last_seen_at.plus_millis(lease_ms * leases);
            if self.now < until {
                earliest(until);
            } else if worker.lost {
                removed.push(id.clone());
            } else {
                newly_lost.push(id.clone());
                let until = worker.last_seen_at.plus_millis(lease_ms * LOST_SHOWN_LEASES);
                earliest(until.max(self.now.plus_millis(lease_ms)));
            }
        }

        let mut expired: Vec<AttemptId> = Vec::new();
        let no_idle_worker = self.pool.idle() == 0;
        let running: Vec<JobId> = self.running.iter().copied().collect();
        for id in &running {
            let Some(job) = self.jobs.get_mut(id) else {
                continue;
            };
            let live: Vec<(TaskKey, u32)> = job.live.iter().copied().collect();
            for (key, number) in live {
                let Some(attempt) = job.task_mut(key).attempt_mut(number) else {
                    continue;
                };
                // An attempt in the queue is overdue only if a worker is idle.
                if attempt.worker.is_none() && no_idle_worker {
                    attempt.renewed_at = self.now;
                }
                let until = attempt.renewed_at.plus_millis(lease_ms);
                if self.now < until {
                    earliest(until);
                } else {
                    expired.push(job.attempt_id(key, number));
                }
            }
        }
        self.next_lease_check_at = next;

        let lone = self.lone_loss(&newly_lost);
        for id in newly_lost {
            let is_drained = self.pool.update(&id, self.now, |worker| {
                worker.lost = true;
                worker.is_drained()
            });
            self.changes.pool = true;
            if is_drained {
                self.release_worker(&id, commands);
            }
        }
        for id in removed {
            self.pool.remove(&id);
            self.changes.pool = true;
        }
        for id in expired {
            if let Some(key) = self.live_key(id) {
                let holder = self.jobs.get(&id.job).and_then(|job| {
                    job.task(key).live().find(|a| a.number == id.number)?.worker.clone()
                });
                commands.push(Command::StopAttempt {
                    attempt: id,
                    reason: StopReason::LeaseLost,
                    worker: holder.clone(),
                });
                let why = "its lease expired".to_owned();
                let has_died = lone.is_some() && holder == lone;
                let end = if has_died { End::Died(why) } else { End::Lost(why) };
                self.end_attempt(id, key, end, commands);
            }
        }
    }
}
