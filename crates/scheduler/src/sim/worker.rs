//! The state of simulated workers.

use std::collections::VecDeque;

use protocol::task::{Direction, Fault, Progress};
use protocol::{AttemptId, WorkerId};

/// The speed of a worker over time, relative to the cost model; 1 is normal speed.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    /// The initial speed, above 0.
    pub first: f64,
    /// The time of a change, in microseconds, and the speed from then on; `None`
    /// for a constant speed.
    pub then: Option<(u64, f64)>,
}

impl Speed {
    /// A constant speed.
    #[must_use]
    pub const fn steady(speed: f64) -> Speed {
        Speed { first: speed, then: None }
    }

    /// When work ends that starts at `from` and takes `work` microseconds at
    /// speed 1.
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

    /// The work done between two times, in microseconds at speed 1.
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

/// An attempt in the simulated queue. The fields are those of
/// [`crate::Command::PublishAttempt`].
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) attempt: AttemptId,
    pub(super) direction: Direction,
    pub(super) resume: bool,
    pub(super) not_on: Option<WorkerId>,
    pub(super) not_on_node: Option<String>,
    /// The interval of its heartbeats, in microseconds.
    pub(super) heartbeat_us: u64,
    /// The attempts behind it in the same message.
    pub(super) then: VecDeque<Message>,
}

/// A simulated worker.
#[derive(Clone, Debug)]
pub(super) struct SimWorker {
    pub(super) id: WorkerId,
    pub(super) node: String,
    /// Increased when the worker is restarted.
    pub(super) incarnation: u32,
    pub(super) speed: Speed,
    pub(super) alive: bool,
    /// Whether it counts as present in the pool.
    pub(super) present: bool,
    /// When its next heartbeat is due, in microseconds.
    pub(super) heartbeat_at: u64,
    pub(super) draining: bool,
    /// Whether every attempt on this worker fails.
    pub(super) black_hole: bool,
    /// The worker accepts no attempts before this time, in microseconds.
    pub(super) rests_until: u64,
    /// The worker sends no reports before this time, in microseconds.
    pub(super) silent_until: u64,
    pub(super) run: Option<Run>,
    /// Increased with every run. Scheduled events of earlier runs are ignored.
    pub(super) epoch: u32,
}

/// An attempt that a worker executes.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) message: Message,
    /// When it began, in microseconds.
    pub(super) begun_at: u64,
    /// Number of segments of its task.
    pub(super) segments: u32,
    /// Expected work per segment, in microseconds at speed 1.
    pub(super) segment_work: f64,
    /// Work of the current segment, in microseconds at speed 1.
    pub(super) current_work: f64,
    /// Whether the store has answered the first request for the current segment.
    pub(super) is_reading: bool,
    /// Since when the store does not give or take the current segment, in microseconds; `None` if it
    /// does.
    pub(super) blocked_since: Option<u64>,
    /// The current segment.
    pub(super) segment: u32,
    /// When the current segment was started, in microseconds.
    pub(super) segment_since: u64,
    /// Work of the finished segments, in microseconds at speed 1.
    pub(super) work_done: f64,
    /// Number of segments that this run wrote.
    pub(super) written: u64,
    /// Number of segments that were in the store already.
    pub(super) reused: u64,
    /// The number of written segments after which the run fails, and what is to blame;
    /// `None` if it does not fail.
    pub(super) fails_after: Option<(u64, Fault)>,
}

impl Run {
    /// The work on the current segment so far, in microseconds at speed 1.
    pub(super) fn unfinished(&self, speed: &Speed, now: u64) -> f64 {
        if self.is_reading {
            speed.work_between(self.segment_since, now).min(self.current_work)
        } else {
            0.0
        }
    }

    /// The progress that a report at `now` contains, given the number of stored
    /// segments of the task.
    pub(super) fn progress(&self, speed: &Speed, now: u64, stored: u32) -> Progress {
        let current = self.unfinished(speed, now);
        let segment_fraction = (current / self.current_work).clamp(0.0, 1.0);
        let done = f64::from(stored) + segment_fraction;
        Progress {
            fraction: (done / f64::from(self.segments)).clamp(0.0, 1.0),
            input_read_bytes: bytes(self.work_done + current),
            segments_written: self.written,
            segments_reused: self.reused,
            ..Progress::default()
        }
    }
}

/// Bytes read for an amount of work: one byte per microsecond.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive number of simulated bytes"
)]
fn bytes(work: f64) -> u64 {
    work as u64
}
