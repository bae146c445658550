//! One task of a job, and the attempts at it.

use protocol::detail::{AttemptSnapshot, AttemptState, TaskState};
use protocol::task::Progress;
use protocol::{Timestamp, WorkerId};

use crate::pace::Pace;

/// How many attempts of one task are remembered. More happen only where
/// workers come and go all the time, and nobody would read them.
const ATTEMPTS_KEPT: usize = 16;

/// Where a task is within its job: shorter than a [`protocol::TaskId`], as
/// there may be millions. Sorts in the order of levels and then of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TaskKey {
    /// The level of the sum tree.
    pub(crate) level: u8,
    /// `node * ranges + range` within the level.
    pub(crate) index: u32,
}

/// One task.
///
/// ```text
/// Waiting ─► Ready ─► Underway ─► Complete
///              ▲         │ every attempt ended
///              ├─────────┤
///              └ Delayed ┘ after a failure
/// ```
///
/// From every state a task can become Complete, as an attempt that was given
/// up may still turn out to have finished.
#[derive(Debug)]
pub(crate) struct Task {
    /// Where it is.
    pub(crate) state: TaskState,
    /// How many of its inputs are not complete.
    pub(crate) missing: u32,
    /// How many attempts at it have failed or been lost.
    pub(crate) failures: u32,
    /// How often a worker would not take an attempt because of where it runs.
    pub(crate) refusals: u32,
    /// The number of the last attempt, 0 if there was none.
    pub(crate) last_number: u32,
    /// The attempts, from the first; the oldest ended ones are forgotten.
    pub(crate) attempts: Vec<Attempt>,
}

impl Task {
    /// A task that waits for so many inputs.
    pub(crate) fn new(missing: u32) -> Task {
        Task {
            state: if missing == 0 { TaskState::Ready } else { TaskState::Waiting },
            missing,
            failures: 0,
            refusals: 0,
            last_number: 0,
            attempts: Vec::new(),
        }
    }

    /// The attempt of this number, if it is known.
    pub(crate) fn attempt(&mut self, number: u32) -> Option<&mut Attempt> {
        self.attempts.iter_mut().find(|attempt| attempt.number == number)
    }

    /// The attempts that may still complete the task.
    pub(crate) fn live(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(|attempt| attempt.state.is_live())
    }

    /// Adds a live attempt and says its number.
    pub(crate) fn add_attempt(&mut self, now: Timestamp, speculative: bool) -> u32 {
        let number = self.last_number + 1;
        self.add_attempt_numbered(number, now, speculative);
        number
    }

    /// Adds a live attempt that somebody else has numbered.
    pub(crate) fn add_attempt_numbered(&mut self, number: u32, now: Timestamp, speculative: bool) {
        self.last_number = self.last_number.max(number);
        if self.attempts.len() >= ATTEMPTS_KEPT
            && let Some(oldest) = self.attempts.iter().position(|a| !a.state.is_live())
        {
            self.attempts.remove(oldest);
        }
        // Nearly every task has exactly one attempt: no room for four.
        self.attempts.reserve_exact(1);
        self.attempts.push(Attempt {
            number,
            speculative,
            beside: speculative,
            state: AttemptState::Published,
            worker: None,
            published_at: now,
            started_at: None,
            ended_at: None,
            heard_at: now,
            progress: Progress::default(),
            pace: Pace::default(),
            released: false,
            reason: None,
        });
    }
}

/// One attempt at a task.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// Which attempt at its task this is, from 1.
    pub(crate) number: u32,
    /// Whether it began beside a live one.
    pub(crate) speculative: bool,
    /// Whether it is beside a live one now, which may have ended since.
    pub(crate) beside: bool,
    /// Where it is.
    pub(crate) state: AttemptState,
    /// Who has it, or had it last.
    pub(crate) worker: Option<WorkerId>,
    /// When it was put into the queue.
    pub(crate) published_at: Timestamp,
    /// When a worker took it.
    pub(crate) started_at: Option<Timestamp>,
    /// When it ended, one way or another.
    pub(crate) ended_at: Option<Timestamp>,
    /// When its lease was last renewed.
    pub(crate) heard_at: Timestamp,
    /// The furthest that it has reported.
    pub(crate) progress: Progress,
    /// How fast it goes.
    pub(crate) pace: Pace,
    /// Whether its worker has said that it no longer executes it.
    pub(crate) released: bool,
    /// Why it ended as it did, where that needs saying.
    pub(crate) reason: Option<Box<str>>,
}

impl Attempt {
    /// How long it ran, or has run; 0 if no worker is known to have taken it.
    pub(crate) fn ran_ms(&self, now: Timestamp) -> u64 {
        self.started_at.map_or(0, |at| self.ended_at.unwrap_or(now).millis_since(at))
    }

    /// Takes in how far it says that it is, and returns what was new in that.
    /// Reports that overtook each other change nothing.
    pub(crate) fn advance(&mut self, said: &Progress) -> Progress {
        let was = self.progress;
        let is = &mut self.progress;
        is.fraction = was.fraction.max(said.fraction.clamp(0.0, 1.0));
        is.input_read_bytes = was.input_read_bytes.max(said.input_read_bytes);
        is.partial_read_bytes = was.partial_read_bytes.max(said.partial_read_bytes);
        is.written_bytes = was.written_bytes.max(said.written_bytes);
        is.segments_written = was.segments_written.max(said.segments_written);
        is.segments_reused = was.segments_reused.max(said.segments_reused);
        is.open_objects_max = was.open_objects_max.max(said.open_objects_max);
        is.resident_bytes = said.resident_bytes;
        Progress {
            fraction: is.fraction - was.fraction,
            input_read_bytes: is.input_read_bytes - was.input_read_bytes,
            partial_read_bytes: is.partial_read_bytes - was.partial_read_bytes,
            written_bytes: is.written_bytes - was.written_bytes,
            segments_written: is.segments_written - was.segments_written,
            segments_reused: is.segments_reused - was.segments_reused,
            open_objects_max: is.open_objects_max,
            resident_bytes: is.resident_bytes,
        }
    }

    /// The attempt as it looks from outside.
    pub(crate) fn snapshot(&self) -> AttemptSnapshot {
        AttemptSnapshot {
            number: self.number,
            speculative: self.speculative,
            state: self.state,
            worker: self.worker.clone(),
            published_at: self.published_at,
            started_at: self.started_at,
            ended_at: self.ended_at,
            fraction: self.progress.fraction,
            segments_written: self.progress.segments_written,
            segments_reused: self.progress.segments_reused,
            reason: self.reason.as_deref().map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_that_was_overtaken_changes_nothing() {
        let mut task = Task::new(0);
        task.add_attempt(Timestamp::from_millis(1), false);
        let attempt = task.attempt(1).unwrap();
        let late = Progress { fraction: 0.5, input_read_bytes: 50, ..Progress::default() };
        let early = Progress { fraction: 0.2, input_read_bytes: 20, ..Progress::default() };
        assert_eq!(attempt.advance(&late).input_read_bytes, 50);
        assert_eq!(attempt.advance(&early).input_read_bytes, 0);
        assert_eq!(attempt.progress.fraction, 0.5);
    }

    #[test]
    fn a_task_with_one_attempt_takes_less_than_300_bytes() {
        assert!(size_of::<Task>() + size_of::<Attempt>() < 300);
    }

    #[test]
    fn a_task_remembers_few_attempts_but_every_live_one() {
        let mut task = Task::new(0);
        for number in 1..=100 {
            task.add_attempt(Timestamp::default(), false);
            if number > 1 {
                let ended = task.attempt(number).unwrap();
                ended.state = AttemptState::Stopped;
            }
        }
        assert_eq!(task.attempts.len(), ATTEMPTS_KEPT);
        assert_eq!(task.live().next().map(|attempt| attempt.number), Some(1));
        assert_eq!(task.last_number, 100);
    }
}
