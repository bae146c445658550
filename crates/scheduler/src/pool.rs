//! The workers, as far as the scheduler has heard of them.

use std::collections::BTreeMap;

use protocol::task::Joined;
use protocol::worker::WorkerState;
use protocol::{AttemptId, Timestamp, WorkerId};

use crate::pace::nearest;

/// How much the newest attempt counts in what is known of a worker's slowness.
const NEWEST_WEIGHT: f32 = 0.5;

/// One worker.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    /// What it says of itself.
    pub(crate) joined: Joined,
    /// The attempt that it executes, live or not.
    pub(crate) attempt: Option<AttemptId>,
    /// When it was last heard of.
    pub(crate) heard_at: Timestamp,
    /// Whether it has been told to go.
    pub(crate) draining: bool,
    /// Whether it has failed too often and is given nothing.
    pub(crate) aside: bool,
    /// Whether nothing has been heard of it for too long.
    pub(crate) lost: bool,
    /// How many attempts in a row it has failed.
    pub(crate) failures: u32,
    /// Why the last one failed.
    pub(crate) last_failure: Option<String>,
    /// How many attempts it has completed.
    pub(crate) completed: u64,
    /// Bytes it reads a second, lately.
    pub(crate) bytes_per_sec: f64,
    /// How many times the usual duration its attempts take; 1 until known.
    pub(crate) slowness: f32,
}

impl Worker {
    fn new(now: Timestamp) -> Worker {
        Worker {
            joined: Joined::default(),
            attempt: None,
            heard_at: now,
            draining: false,
            aside: false,
            lost: false,
            failures: 0,
            last_failure: None,
            completed: 0,
            bytes_per_sec: 0.0,
            slowness: 1.0,
        }
    }

    /// Whether it takes tasks from the queue as soon as it has nothing to do.
    pub(crate) fn is_able(&self) -> bool {
        !(self.draining || self.aside || self.lost)
    }

    /// Whether it waits for a task.
    pub(crate) fn is_idle(&self) -> bool {
        self.is_able() && self.attempt.is_none()
    }

    /// What it is doing.
    pub(crate) fn state(&self) -> WorkerState {
        if self.lost {
            WorkerState::Lost
        } else if self.aside {
            WorkerState::Aside
        } else if self.draining {
            WorkerState::Draining
        } else if self.attempt.is_some() {
            WorkerState::Busy
        } else {
            WorkerState::Idle
        }
    }

    /// Takes in that an attempt took so many times the usual duration.
    pub(crate) fn took(&mut self, times_the_usual: f64) {
        let newest = nearest(times_the_usual);
        self.slowness = if self.completed <= 1 {
            newest
        } else {
            self.slowness + NEWEST_WEIGHT * (newest - self.slowness)
        };
    }
}

/// The workers, and how many of them are what.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    workers: BTreeMap<WorkerId, Worker>,
    /// How many take tasks, now or when done with what they have.
    able: u32,
    /// How many may take a task, as the word that they should not has perhaps
    /// not reached them.
    takers: u32,
    /// How many wait for a task.
    idle: u32,
    /// How many execute an attempt.
    busy: u32,
    /// How many are able and have not failed since they last completed an attempt.
    sound: u32,
}

impl Pool {
    /// How many workers take tasks, now or when done with what they have.
    pub(crate) fn able(&self) -> u32 {
        self.able
    }

    /// How many may take a task: those that are able, and those that have been
    /// told to go and may not have heard of it.
    pub(crate) fn takers(&self) -> u32 {
        self.takers
    }

    /// How many wait for a task.
    pub(crate) fn idle(&self) -> u32 {
        self.idle
    }

    /// How many execute an attempt.
    pub(crate) fn busy(&self) -> u32 {
        self.busy
    }

    /// How many are able and have not failed since they last completed an attempt.
    pub(crate) fn sound(&self) -> u32 {
        self.sound
    }

    /// The worker of this name.
    pub(crate) fn get(&self, id: &WorkerId) -> Option<&Worker> {
        self.workers.get(id)
    }

    /// All workers in the order of their names.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&WorkerId, &Worker)> {
        self.workers.iter()
    }

    /// Changes a worker, which appears if it was not known.
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

    /// Forgets a worker.
    pub(crate) fn remove(&mut self, id: &WorkerId) -> Option<Worker> {
        let worker = self.workers.remove(id)?;
        self.recount(Counts::of(&worker), Counts::default());
        Some(worker)
    }

    fn recount(&mut self, before: Counts, after: Counts) {
        self.able = self.able + after.able - before.able;
        self.takers = self.takers + after.takers - before.takers;
        self.idle = self.idle + after.idle - before.idle;
        self.busy = self.busy + after.busy - before.busy;
        self.sound = self.sound + after.sound - before.sound;
    }
}

/// What one worker adds to the counts of its pool.
#[derive(Clone, Copy, Default)]
struct Counts {
    able: u32,
    takers: u32,
    idle: u32,
    busy: u32,
    sound: u32,
}

impl Counts {
    fn of(worker: &Worker) -> Counts {
        Counts {
            able: u32::from(worker.is_able()),
            takers: u32::from(!worker.lost),
            idle: u32::from(worker.is_idle()),
            busy: u32::from(worker.attempt.is_some() && !worker.lost),
            sound: u32::from(worker.is_able() && worker.failures == 0),
        }
    }
}
