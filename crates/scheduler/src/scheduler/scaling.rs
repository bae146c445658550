//! Scaling of the worker pool.
//!
//! A running job needs a worker for each task that is ready or under way, up to W. Where it
//! speculates, it can use a second one for each task that is under way. So a job needs none
//! before it is planned, and few at the top of its tree. The pool is scaled up at once to what
//! the running jobs need, within the limits of the settings. It is scaled down to what they
//! can use once more workers than that have been there for `idle_ms`.
//!
//! The tree of a job becomes narrower towards its root. Workers that no running job can use
//! again, because no level has so many incomplete tasks, are drained much sooner, unless
//! another job is about to start.
//!
//! A number that is set by hand applies at once. Only idle workers are drained; busy ones
//! follow when they become idle.

use protocol::{Timestamp, WorkerId};

use super::Scheduler;
use crate::command::Command;
use crate::job::WorkersNeeded;

/// Workers that no job can use again are drained after this fraction of `idle_ms`.
const USELESS_FRACTION: u64 = 30;

impl Scheduler {
    /// The number of workers that the jobs need, within the limits of the settings.
    pub(super) fn targets(&self) -> WorkersNeeded {
        let settings = &self.settings;
        if let Some(by_hand) = self.by_hand {
            let target = by_hand.min(settings.max_workers);
            return WorkersNeeded { now: target, usable: target, later: target };
        }
        let jobs = self.running.iter().filter_map(|id| self.jobs.get(id));
        let sum = jobs.fold(WorkersNeeded::default(), |sum, job| {
            let of_job = job.workers_needed();
            WorkersNeeded {
                now: sum.now.saturating_add(of_job.now),
                usable: sum.usable.saturating_add(of_job.usable),
                later: sum.later.saturating_add(of_job.later),
            }
        });
        let within = |workers: u32| workers.max(settings.min_workers).min(settings.max_workers);
        WorkersNeeded { now: within(sum.now), usable: within(sum.usable), later: within(sum.later) }
    }

    /// Scales the pool up or down if that is due.
    pub(super) fn scale(&mut self, commands: &mut Vec<Command>) {
        if self.settings.external_pool {
            return;
        }
        let WorkersNeeded { now: needed, usable, later } = self.targets();
        let requested = self.desired;
        if requested.is_none_or(|requested| requested < needed) {
            self.surplus_since = None;
            self.request_workers(needed, commands);
            return;
        }
        let least = if self.knows_all_jobs() { usable.min(later) } else { usable };
        let requested = requested.unwrap_or(needed);
        let has_surplus =
            |target: u32| requested > target || self.pool.available() > requested.min(target);
        if !has_surplus(least) {
            self.surplus_since = None;
            return;
        }
        let since = *self.surplus_since.get_or_insert(self.now);
        let has_waited = |ms: u64| self.now >= since.plus_millis(ms);
        let target = if self.by_hand.is_some() || has_waited(self.settings.idle_ms) {
            least
        } else if self.knows_all_jobs() && has_waited(self.useless_ms()) {
            later
        } else {
            return;
        };
        let target = requested.min(target);
        self.drain_surplus(target, commands);
        let remaining = target.max(self.pool.available());
        if remaining < requested {
            self.request_workers(remaining, commands);
        }
    }

    /// Whether jobs run and none is about to, so that it is known how many workers can be used
    /// from now on.
    fn knows_all_jobs(&self) -> bool {
        !self.running.is_empty() && self.running.len() == self.open.len()
    }

    fn useless_ms(&self) -> u64 {
        self.settings.idle_ms / USELESS_FRACTION
    }

    /// When the pool may be scaled down; `None` if that is not in the future.
    pub(super) fn surplus_until(&self) -> Option<Timestamp> {
        let since = self.surplus_since.filter(|_| self.by_hand.is_none())?;
        let ends = [self.useless_ms(), self.settings.idle_ms].map(|ms| since.plus_millis(ms));
        ends.into_iter().find(|until| *until > self.now)
    }

    fn request_workers(&mut self, desired: u32, commands: &mut Vec<Command>) {
        self.desired = Some(desired);
        self.changes.pool = true;
        commands.push(Command::ScaleWorkers { desired });
    }

    /// Drains idle workers, the last by name first (`worker-10` before `worker-2`), until at most `target`
    /// workers remain.
    fn drain_surplus(&mut self, target: u32, commands: &mut Vec<Command>) {
        let surplus = self.pool.available().saturating_sub(target);
        let count = surplus.min(self.pool.idle().saturating_sub(self.published));
        if count == 0 {
            return;
        }
        let idle = self.pool.iter().filter(|(_, worker)| worker.is_idle());
        let mut idle: Vec<WorkerId> = idle.map(|(id, _)| id.clone()).collect();
        idle.sort_unstable_by(|one, other| other.natural_cmp(one));
        idle.truncate(count as usize);
        for worker in idle {
            self.pool.update(&worker, self.now, |worker| worker.draining = true);
            self.changes.pool = true;
            commands.push(Command::DrainWorker { worker });
        }
    }
}
