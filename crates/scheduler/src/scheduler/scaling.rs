//! How many workers there should be.
//!
//! As many as the jobs that may run have W together, within the limits of the
//! settings; or as many as somebody asked for by hand. More are asked for at
//! once. Fewer are asked for after nothing has needed the surplus for a while,
//! and only as many fewer as are idle: these are drained, and the others
//! follow when they are done with what they have.

use protocol::{Timestamp, WorkerId};

use super::Scheduler;
use crate::command::Command;

impl Scheduler {
    /// How many workers there should be, as things are now.
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

    /// Asks for more workers or fewer, if that is due.
    pub(super) fn scale(&mut self, commands: &mut Vec<Command>) {
        if self.settings.external_pool {
            return;
        }
        let target = self.target();
        let asked = self.desired;
        if asked.is_none_or(|asked| asked < target) {
            self.surplus_since = None;
            self.ask_for(target, commands);
            return;
        }
        if asked == Some(target) && self.pool.able() <= target {
            self.surplus_since = None;
            return;
        }
        let since = *self.surplus_since.get_or_insert(self.now);
        let is_due = self.by_hand.is_some() || self.now >= since.plus_millis(self.settings.idle_ms);
        if is_due {
            self.drain_surplus(target, commands);
            let stay = target.max(self.pool.able());
            if asked.is_some_and(|asked| stay < asked) {
                self.ask_for(stay, commands);
            }
        }
    }

    /// When surplus workers may be let go, if that is still to come.
    pub(super) fn surplus_until(&self) -> Option<Timestamp> {
        let until = self.surplus_since?.plus_millis(self.settings.idle_ms);
        (self.by_hand.is_none() && until > self.now).then_some(until)
    }

    fn ask_for(&mut self, desired: u32, commands: &mut Vec<Command>) {
        self.desired = Some(desired);
        self.changes.pool = true;
        commands.push(Command::ScaleWorkers { desired });
    }

    /// Tells idle workers to go, the last by name first, until there are no
    /// more than `target`.
    fn drain_surplus(&mut self, target: u32, commands: &mut Vec<Command>) {
        let surplus = self.pool.able().saturating_sub(target);
        let spare = surplus.min(self.pool.idle().saturating_sub(self.published));
        let idle: Vec<WorkerId> = self
            .pool
            .iter()
            .rev()
            .filter(|(_, worker)| worker.is_idle())
            .map(|(id, _)| id.clone())
            .take(spare as usize)
            .collect();
        for worker in idle {
            self.pool.update(&worker, self.now, |worker| worker.draining = true);
            self.changes.pool = true;
            commands.push(Command::DrainWorker { worker });
        }
    }
}
