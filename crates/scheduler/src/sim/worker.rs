//! Simulated workers: how fast they are, and what each executes.

use protocol::task::{Direction, Progress};
use protocol::{AttemptId, WorkerId};

/// How fast a worker is over time; 1 is the usual speed.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    /// At first.
    pub first: f64,
    /// From this time on, in microseconds, so fast.
    pub then: Option<(u64, f64)>,
}

impl Speed {
    /// The same speed all the time.
    #[must_use]
    pub const fn steady(speed: f64) -> Speed {
        Speed { first: speed, then: None }
    }

    /// When work is done that begins at `from` and takes `work` microseconds
    /// at the usual speed.
    pub(super) fn done_at(&self, from: u64, work: f64) -> u64 {
        let (speed, rest) = match self.then {
            Some((at, then)) if from < at => {
                let before = (at - from) as f64 * self.first;
                if before < work {
                    return at + ceil((work - before) / then);
                }
                (self.first, work)
            }
            Some((_, then)) => (then, work),
            None => (self.first, work),
        };
        from + ceil(rest / speed)
    }

    /// How much work is done between two times.
    pub(super) fn work_between(&self, from: u64, to: u64) -> f64 {
        let to = to.max(from);
        match self.then {
            Some((at, then)) => {
                let before = at.clamp(from, to);
                (before - from) as f64 * self.first + (to - before) as f64 * then
            }
            None => (to - from) as f64 * self.first,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive duration of less than a million years"
)]
fn ceil(microseconds: f64) -> u64 {
    microseconds.ceil() as u64
}

/// An attempt as it lies in the simulated queue.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) attempt: AttemptId,
    pub(super) direction: Direction,
    pub(super) resume: bool,
    pub(super) not_on: Option<WorkerId>,
    pub(super) not_on_node: Option<String>,
}

/// A simulated worker.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) id: WorkerId,
    pub(super) node: String,
    /// Another life of a worker has another process.
    pub(super) process_id: u32,
    pub(super) speed: Speed,
    pub(super) alive: bool,
    pub(super) draining: bool,
    /// Fails everything.
    pub(super) black_hole: bool,
    /// Says nothing until this time.
    pub(super) silent_until: u64,
    pub(super) run: Option<Run>,
    /// What is scheduled for an earlier run of this worker is void.
    pub(super) epoch: u32,
}

/// What a worker executes.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) message: Message,
    /// How many segments its task has.
    pub(super) segments: u32,
    /// The work of one segment, in microseconds at the usual speed.
    pub(super) segment_work: f64,
    /// The segment that it computes, and since when.
    pub(super) segment: u32,
    pub(super) segment_since: u64,
    /// Work done, in microseconds at the usual speed, but for the segment that
    /// it computes.
    pub(super) work_done: f64,
    pub(super) written: u64,
    pub(super) reused: u64,
    /// Where it fails, counted in segments that it has computed, if it does.
    pub(super) fails_after: Option<(u64, bool)>,
}

impl Run {
    /// How far it is at a time, as it would report.
    pub(super) fn progress(&self, speed: &Speed, now: u64, there: u32) -> Progress {
        let current = speed.work_between(self.segment_since, now);
        let part = (current / self.segment_work).clamp(0.0, 1.0);
        let done = f64::from(there) + part;
        Progress {
            fraction: (done / f64::from(self.segments)).clamp(0.0, 1.0),
            input_read_bytes: bytes(self.work_done + current),
            segments_written: self.written,
            segments_reused: self.reused,
            ..Progress::default()
        }
    }
}

/// A byte is read in a microsecond of work.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive number of simulated bytes"
)]
fn bytes(work: f64) -> u64 {
    work as u64
}
