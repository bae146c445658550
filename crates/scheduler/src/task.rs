//! The state of a task and of its attempts.

use protocol::detail::{AttemptSnapshot, AttemptState, TaskState};
use protocol::task::Progress;
use protocol::{Timestamp, WorkerId};

use crate::progress_rate::ProgressRate;

/// Maximum number of attempts kept per task. More occur only if workers join and
/// leave all the time; the oldest ended ones are then dropped.
const ATTEMPTS_KEPT: usize = 16;

/// The position of a task within its job. It is smaller than a
/// [`protocol::TaskId`], as there may be millions. Ordered by level, then by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TaskKey {
    /// The level of the sum tree, 0 for leaf tasks.
    pub(crate) level: u8,
    /// `node * ranges + range` within the level.
    pub(crate) index: u32,
}

/// The state of one task.
///
/// ```text
/// Waiting ─► Ready ─► Underway ─► Complete
///              ▲         │ last live attempt ended
///              ├─────────┤
///              └ Delayed ┘ back-off after a failure
/// ```
///
/// A task can become Complete from every state, as an attempt that was given up
/// may still report that it completed the task.
#[derive(Debug)]
pub(crate) struct Task {
    /// The state in the diagram above.
    pub(crate) state: TaskState,
    /// Number of inputs that are not complete.
    pub(crate) missing: u32,
    /// Number of failed and lost attempts.
    pub(crate) failures: u32,
    /// How often a speculative attempt was refused because it was delivered to
    /// the worker or node of the other attempt.
    pub(crate) refusals: u32,
    /// How many attempts were too slow and were replaced by others.
    pub(crate) replaced: u8,
    /// The number of the latest attempt, or of those before the job was resumed; 0 if there
    /// was none.
    pub(crate) last_number: u32,
    /// The attempts, oldest first. The oldest ended ones may have been dropped.
    pub(crate) attempts: Vec<Attempt>,
}

impl Task {
    /// Creates a task with `missing` incomplete inputs, whose attempts are numbered from
    /// after `last_number`.
    pub(crate) fn new(missing: u32, last_number: u32) -> Task {
        Task {
            state: if missing == 0 { TaskState::Ready } else { TaskState::Waiting },
            missing,
            failures: 0,
            refusals: 0,
            replaced: 0,
            last_number,
            attempts: Vec::new(),
        }
    }

    /// The attempt of a number; `None` if unknown or dropped.
    pub(crate) fn attempt_mut(&mut self, number: u32) -> Option<&mut Attempt> {
        self.attempts.iter_mut().find(|attempt| attempt.number == number)
    }

    /// Whether there has been an attempt of a number.
    pub(crate) fn has_had(&self, number: u32) -> bool {
        (1..=self.last_number).contains(&number)
    }

    /// The live attempts: published or running.
    pub(crate) fn live(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(|attempt| attempt.state.is_live())
    }

    /// The workers that died in the midst of the same segment as the last one that died,
    /// one for each death, oldest first.
    pub(crate) fn deaths(&self) -> Vec<&WorkerId> {
        let dead = || self.attempts.iter().filter(|attempt| attempt.died);
        let Some(segment) = dead().next_back().map(Attempt::segments) else {
            return Vec::new();
        };
        let there = dead().filter(|attempt| attempt.segments() == segment);
        there.filter_map(|attempt| attempt.worker.as_ref()).collect()
    }

    /// Adds a live attempt and returns its number.
    pub(crate) fn add_attempt(&mut self, now: Timestamp, speculative: bool) -> u32 {
        let number = self.last_number.saturating_add(1);
        self.add_attempt_numbered(number, now, speculative);
        number
    }

    /// Adds a live attempt with a given number.
    pub(crate) fn add_attempt_numbered(&mut self, number: u32, now: Timestamp, speculative: bool) {
        self.last_number = self.last_number.max(number);
        if self.attempts.len() >= ATTEMPTS_KEPT
            && let Some(oldest) = self.attempts.iter().position(|a| !a.state.is_live())
        {
            self.attempts.remove(oldest);
        }
        // Nearly every task has exactly one attempt, so the default capacity of
        // four would waste memory.
        self.attempts.reserve_exact(1);
        self.attempts.push(Attempt {
            number,
            speculative,
            secondary: speculative,
            state: AttemptState::Published,
            worker: None,
            published_at: now,
            started_at: None,
            ended_at: None,
            renewed_at: now,
            progress: Progress::default(),
            progress_rate: ProgressRate::default(),
            left_ms: 0,
            released: false,
            died: false,
            message: 0,
            carried: false,
            reason: None,
        });
    }
}

/// The state of one attempt at a task.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// The number of the attempt within its task, from 1.
    pub(crate) number: u32,
    /// Whether it was started while another attempt was live.
    pub(crate) speculative: bool,
    /// Whether an older attempt is live now.
    pub(crate) secondary: bool,
    /// Published, running, or how it ended.
    pub(crate) state: AttemptState,
    /// The worker that executes or executed it last; `None` if not started.
    pub(crate) worker: Option<WorkerId>,
    /// When it was published to the queue.
    pub(crate) published_at: Timestamp,
    /// When a worker started it.
    pub(crate) started_at: Option<Timestamp>,
    /// When it ended, for any reason.
    pub(crate) ended_at: Option<Timestamp>,
    /// When its lease was last renewed.
    pub(crate) renewed_at: Timestamp,
    /// The highest progress reported so far.
    pub(crate) progress: Progress,
    /// The rate estimated from its heartbeats.
    pub(crate) progress_rate: ProgressRate,
    /// How much longer it would have run when another attempt completed its task, in
    /// milliseconds; 0 if that is not known, or did not happen.
    pub(crate) left_ms: u32,
    /// Whether its worker has reported the end of its execution.
    pub(crate) released: bool,
    /// Whether its worker seems to have died while executing it.
    pub(crate) died: bool,
    /// The message that it was published in, numbered within the job.
    pub(crate) message: u32,
    /// Whether other attempts of its message come before it.
    pub(crate) carried: bool,
    /// Why it ended, as text for users; `None` where the state says enough.
    pub(crate) reason: Option<Box<str>>,
}

impl Attempt {
    /// Run time until now or its end, in milliseconds; 0 if not started.
    pub(crate) fn ran_ms(&self, now: Timestamp) -> u64 {
        self.started_at.map_or(0, |at| self.ended_at.unwrap_or(now).millis_since(at))
    }

    /// Number of segments of its task that it has written or found: the index, in its
    /// direction, of the segment in whose midst it is.
    fn segments(&self) -> u64 {
        self.progress.segments_written.saturating_add(self.progress.segments_reused)
    }

    /// Merges reported progress and returns the increase. A stale report changes
    /// nothing.
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
        is.phases = match (was.phases, said.phases) {
            (Some(was), Some(said)) => Some(was.max(said)),
            (was, said) => was.or(said),
        };
        Progress {
            fraction: is.fraction - was.fraction,
            input_read_bytes: is.input_read_bytes - was.input_read_bytes,
            partial_read_bytes: is.partial_read_bytes - was.partial_read_bytes,
            written_bytes: is.written_bytes - was.written_bytes,
            segments_written: is.segments_written - was.segments_written,
            segments_reused: is.segments_reused - was.segments_reused,
            open_objects_max: is.open_objects_max,
            resident_bytes: is.resident_bytes,
            phases: is.phases,
        }
    }

    /// A snapshot for views.
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
            read_bytes: self
                .progress
                .input_read_bytes
                .saturating_add(self.progress.partial_read_bytes),
            written_bytes: self.progress.written_bytes,
            resident_bytes: self.progress.resident_bytes,
            phases: self.progress.phases,
            left_ms: (self.left_ms > 0).then_some(u64::from(self.left_ms)),
            reason: self.reason.as_deref().map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_heartbeat_changes_nothing() {
        let mut task = Task::new(0, 0);
        task.add_attempt(Timestamp::from_millis(1), false);
        let attempt = task.attempt_mut(1).unwrap();
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
    fn a_task_keeps_few_attempts_but_every_live_one() {
        let mut task = Task::new(0, 0);
        for number in 1..=100 {
            task.add_attempt(Timestamp::default(), false);
            if number > 1 {
                let ended = task.attempt_mut(number).unwrap();
                ended.state = AttemptState::Stopped;
            }
        }
        assert_eq!(task.attempts.len(), ATTEMPTS_KEPT);
        assert_eq!(task.live().next().map(|attempt| attempt.number), Some(1));
        assert_eq!(task.last_number, 100);
        assert!(task.has_had(1) && task.has_had(50) && task.has_had(100));
        assert!(!task.has_had(0) && !task.has_had(101));
    }
}
