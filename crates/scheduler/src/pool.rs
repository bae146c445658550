//! The state of the workers.

use std::collections::{BTreeMap, BTreeSet};

use protocol::task::Joined;
use protocol::worker::WorkerState;
use protocol::{AttemptId, Timestamp, WorkerId};

use crate::progress_rate::to_f32;

/// Weight of the newest attempt in the moving average of a worker's slowness.
const NEWEST_WEIGHT: f32 = 0.5;

/// Maximum number of workers that are known at a time. Their reports bear any name, and
/// a name takes memory until its worker has been lost for some time.
const WORKERS_MAX: usize = 1 << 15;

/// The state of one worker.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    /// The node, process and memory that the worker reported.
    pub(crate) joined: Joined,
    /// The attempt that it executes, which need not be live; `None` if idle.
    pub(crate) attempt: Option<AttemptId>,
    /// Time of its last report.
    pub(crate) last_seen_at: Timestamp,
    /// Whether it was told to drain.
    pub(crate) draining: bool,
    /// Whether it is excluded from scheduling after repeated failures.
    pub(crate) aside: bool,
    /// Until when it gets no attempts because of errors of its own; `None` if it gets some.
    pub(crate) rests_until: Option<Timestamp>,
    /// Whether it did not report within a lease duration.
    pub(crate) lost: bool,
    /// Number of consecutive failed attempts.
    pub(crate) failures: u32,
    /// Number of errors of its own since it last succeeded.
    pub(crate) faults: u32,
    /// When an attempt of it first failed because of a store, since it last succeeded.
    pub(crate) store_failed_at: Option<Timestamp>,
    /// When an attempt of it last got on.
    pub(crate) advanced_at: Timestamp,
    /// The error of the last failed attempt.
    pub(crate) last_failure: Option<String>,
    /// Number of completed attempts.
    pub(crate) completed: u64,
    /// Recent read throughput, in bytes per second.
    pub(crate) bytes_per_sec: f64,
    /// Duration of its attempts relative to the median of their level; 1 until
    /// known.
    pub(crate) slowness: f32,
}

impl Worker {
    fn new(now: Timestamp) -> Worker {
        Worker {
            joined: Joined::default(),
            attempt: None,
            last_seen_at: now,
            draining: false,
            aside: false,
            rests_until: None,
            lost: false,
            failures: 0,
            faults: 0,
            store_failed_at: None,
            advanced_at: Timestamp::default(),
            last_failure: None,
            completed: 0,
            bytes_per_sec: 0.0,
            slowness: 1.0,
        }
    }

    /// Whether it accepts attempts, now or once its current one ends.
    pub(crate) fn is_available(&self) -> bool {
        !(self.draining || self.aside || self.rests_until.is_some() || self.lost)
    }

    /// Whether it was told to leave.
    pub(crate) fn is_drained(&self) -> bool {
        self.draining || self.aside
    }

    /// Whether it is available and executes nothing.
    pub(crate) fn is_idle(&self) -> bool {
        self.is_available() && self.attempt.is_none()
    }

    /// The state shown in views.
    pub(crate) fn state(&self) -> WorkerState {
        if self.lost {
            WorkerState::Lost
        } else if self.aside || self.rests_until.is_some() {
            WorkerState::Aside
        } else if self.draining {
            WorkerState::Draining
        } else if self.attempt.is_some() {
            WorkerState::Busy
        } else {
            WorkerState::Idle
        }
    }

    /// Updates the slowness with the duration of an attempt, relative to the
    /// median.
    pub(crate) fn record_slowness(&mut self, relative_duration: f64) {
        let newest = to_f32(relative_duration);
        self.slowness = if self.completed <= 1 {
            newest
        } else {
            self.slowness + NEWEST_WEIGHT * (newest - self.slowness)
        };
    }
}

/// How many ended processes of a worker are remembered.
const PAST_KEPT: usize = 4;

/// The workers, with counts by state.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    workers: BTreeMap<WorkerId, Worker>,
    /// The latest ended processes of workers, by incarnation; at most [`WORKERS_MAX`] workers.
    past: BTreeMap<WorkerId, [u32; PAST_KEPT]>,
    /// The workers that are released; at most [`WORKERS_MAX`].
    released: BTreeSet<WorkerId>,
    available: u32,
    live: u32,
    idle: u32,
    busy: u32,
    healthy: u32,
}

impl Pool {
    /// Number of workers that accept attempts, now or once their current one ends.
    pub(crate) fn available(&self) -> u32 {
        self.available
    }

    /// Number of workers that are not lost. This includes draining ones: they may
    /// still start an attempt before they receive the command to drain.
    pub(crate) fn live(&self) -> u32 {
        self.live
    }

    /// Number of available workers that execute nothing.
    pub(crate) fn idle(&self) -> u32 {
        self.idle
    }

    /// Number of workers that execute an attempt.
    pub(crate) fn busy(&self) -> u32 {
        self.busy
    }

    /// Number of available workers without a failure since their last completed
    /// attempt.
    pub(crate) fn healthy(&self) -> u32 {
        self.healthy
    }

    /// Number of known workers, lost ones included.
    pub(crate) fn known(&self) -> usize {
        self.workers.len()
    }

    /// Begins the leases of all workers again that are not lost.
    pub(crate) fn renew_all(&mut self, now: Timestamp) {
        for worker in self.workers.values_mut().filter(|worker| !worker.lost) {
            worker.last_seen_at = now;
        }
    }

    /// Whether a worker is unknown and too many others are known.
    pub(crate) fn has_no_room_for(&self, id: &WorkerId) -> bool {
        self.workers.len() >= WORKERS_MAX && !self.workers.contains_key(id)
    }

    /// The worker of a name.
    pub(crate) fn get(&self, id: &WorkerId) -> Option<&Worker> {
        self.workers.get(id)
    }

    /// All workers, ordered by name.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&WorkerId, &Worker)> {
        self.workers.iter()
    }

    /// Changes a worker and updates the counts. Adds the worker if unknown.
    pub(crate) fn update<R>(
        &mut self,
        id: &WorkerId,
        now: Timestamp,
        change: impl FnOnce(&mut Worker) -> R,
    ) -> R {
        if let Some(worker) = self.workers.get_mut(id) {
            let before = Counts::of(worker);
            let result = change(worker);
            let after = Counts::of(worker);
            self.recount(before, after);
            result
        } else {
            let mut worker = Worker::new(now);
            let result = change(&mut worker);
            self.recount(Counts::default(), Counts::of(&worker));
            self.workers.insert(id.clone(), worker);
            result
        }
    }

    /// Remembers that the process of a worker has ended.
    pub(crate) fn process_ended(&mut self, id: &WorkerId, incarnation: u32) {
        if incarnation == 0 {
            return;
        }
        if self.past.len() >= WORKERS_MAX && !self.past.contains_key(id) {
            self.past.pop_first();
        }
        let past = self.past.entry(id.clone()).or_default();
        past.rotate_right(1);
        past[0] = incarnation;
    }

    /// Whether a process of a worker is known to have ended. A report of it is late.
    pub(crate) fn has_ended(&self, id: &WorkerId, incarnation: u32) -> bool {
        incarnation != 0 && self.past.get(id).is_some_and(|past| past.contains(&incarnation))
    }

    /// Remembers that a worker is released.
    pub(crate) fn release(&mut self, id: &WorkerId) {
        if self.released.len() >= WORKERS_MAX && !self.released.contains(id) {
            self.released.pop_first();
        }
        self.released.insert(id.clone());
    }

    /// Takes the release of a worker back; returns whether there was one.
    pub(crate) fn retain(&mut self, id: &WorkerId) -> bool {
        self.released.remove(id)
    }

    /// Removes a worker.
    pub(crate) fn remove(&mut self, id: &WorkerId) -> Option<Worker> {
        let worker = self.workers.remove(id)?;
        self.recount(Counts::of(&worker), Counts::default());
        Some(worker)
    }

    fn recount(&mut self, before: Counts, after: Counts) {
        self.available = self.available + after.available - before.available;
        self.live = self.live + after.live - before.live;
        self.idle = self.idle + after.idle - before.idle;
        self.busy = self.busy + after.busy - before.busy;
        self.healthy = self.healthy + after.healthy - before.healthy;
    }
}

/// The contribution of one worker to the counts of its pool.
#[derive(Clone, Copy, Default)]
struct Counts {
    available: u32,
    live: u32,
    idle: u32,
    busy: u32,
    healthy: u32,
}

impl Counts {
    fn of(worker: &Worker) -> Counts {
        Counts {
            available: u32::from(worker.is_available()),
            live: u32::from(!worker.lost),
            idle: u32::from(worker.is_idle()),
            busy: u32::from(worker.attempt.is_some() && !worker.lost),
            healthy: u32::from(worker.is_available() && worker.failures == 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_beyond_the_maximum_are_not_taken_in() {
        let mut pool = Pool::default();
        let name = |number: usize| WorkerId::from(format!("{number}"));
        for number in 0..WORKERS_MAX {
            assert!(!pool.has_no_room_for(&name(number)));
            pool.update(&name(number), Timestamp::default(), |_| ());
        }
        assert!(pool.has_no_room_for(&name(WORKERS_MAX)));
        assert!(!pool.has_no_room_for(&name(7)), "a known one");
        pool.remove(&name(7));
        assert!(!pool.has_no_room_for(&name(WORKERS_MAX)));
    }
}
