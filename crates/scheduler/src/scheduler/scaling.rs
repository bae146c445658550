//! Scaling of the worker pool.
//!
//! The target is the sum of W over the jobs that may run, within the limits of
//! the settings, or the number set by hand. The pool is scaled up at once. It is
//! scaled down once workers have been surplus for `idle_ms`, or at once if the
//! number was set by hand. Only idle workers are drained; busy ones follow when
//! they become idle.

use protocol::{Timestamp, WorkerId};

use super::Scheduler;
use crate::command::Command;

impl Scheduler {
    /// The target size of the pool.
    pub(super) fn target(&self) -> u32 {
        let settings = &self.settings;
        if let Some(by_hand) = self.by_hand {
            return by_hand.min(settings.max_workers);
        }
        let jobs = self.open.iter().filter_map(|id| self.jobs.get(id));
        let needed = jobs
            .take(settings.running_jobs_max.max(1) as usize)
            .fold(0_u32, |sum, job| sum.saturating_add(job.terms.workers));
        needed.max(settings.min_workers).min(settings.max_workers)
    }

    /// Scales the pool up or down if that is due.
    pub(super) fn scale(&mut self, commands: &mut Vec<Command>) {
        if self.settings.external_pool {
            return;
        }
        let target = self.target();
        let requested = self.desired;
        if requested.is_none_or(|requested| requested < target) {
            self.surplus_since = None;
            self.request_workers(target, commands);
            return;
        }
        if requested == Some(target) && self.pool.available() <= target {
            self.surplus_since = None;
            return;
        }
        let since = *self.surplus_since.get_or_insert(self.now);
        let is_due = self.by_hand.is_some() || self.now >= since.plus_millis(self.settings.idle_ms);
        if is_due {
            self.drain_surplus(target, commands);
            let remaining = target.max(self.pool.available());
            if requested.is_some_and(|requested| remaining < requested) {
                self.request_workers(remaining, commands);
            }
        }
    }

    /// When the pool may be scaled down; `None` if that is not in the future.
    pub(super) fn surplus_until(&self) -> Option<Timestamp> {
        let until = self.surplus_since?.plus_millis(self.settings.idle_ms);
        (self.by_hand.is_none() && until > self.now).then_some(until)
    }

    fn request_workers(&mut self, desired: u32, commands: &mut Vec<Command>) {
        self.desired = Some(desired);
        self.changes.pool = true;
        commands.push(Command::ScaleWorkers { desired });
    }

    /// Drains idle workers, the last by name first, until at most `target`
    /// workers remain.
    fn drain_surplus(&mut self, target: u32, commands: &mut Vec<Command>) {
        let surplus = self.pool.available().saturating_sub(target);
        let count = surplus.min(self.pool.idle().saturating_sub(self.published));
        let idle: Vec<WorkerId> = self
            .pool
            .iter()
            .rev()
            .filter(|(_, worker)| worker.is_idle())
            .map(|(id, _)| id.clone())
            .take(count as usize)
            .collect();
        for worker in idle {
            self.pool.update(&worker, self.now, |worker| worker.draining = true);
            self.changes.pool = true;
            commands.push(Command::DrainWorker { worker });
        }
    }
}
