//! One job: its terms, its levels, what is under way and what has been counted.

mod level;
mod meter;

use std::collections::BTreeSet;

use protocol::detail::TaskState;
use protocol::job::{AttemptCounts, ByteCounts, Phase, Timings};
use protocol::task::Progress;
use protocol::{AttemptId, JobId, Plan, Problem, TaskId, Timestamp};

use crate::event::JobTerms;
use crate::task::{Attempt, Task, TaskKey};
pub(crate) use level::Level;
use meter::Meter;

/// One job.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: JobId,
    pub(crate) terms: JobTerms,
    pub(crate) phase: Phase,
    pub(crate) timings: Timings,
    /// The sum tree, once there is one.
    pub(crate) plan: Option<Plan>,
    /// From level 0 to the root's; empty until there is a plan.
    pub(crate) levels: Vec<Level>,
    /// The live attempts, each by its task and number.
    pub(crate) live: BTreeSet<(TaskKey, u32)>,
    /// How many of the live attempts no worker has taken yet.
    pub(crate) published: u32,
    /// How many of the live attempts are beside another.
    pub(crate) speculative: u32,
    /// Tasks that failed, by when they may be attempted again.
    pub(crate) delayed: BTreeSet<(Timestamp, TaskKey)>,
    /// C, and one of the objects that has it.
    pub(crate) columns: Option<u64>,
    pub(crate) columns_of: Option<String>,
    pub(crate) shape: Option<Vec<u64>>,
    pub(crate) format: Option<String>,
    /// Whether segments of any task may be there from an earlier life of the server.
    pub(crate) restored: bool,
    pub(crate) attempts: AttemptCounts,
    pub(crate) bytes: ByteCounts,
    pub(crate) meter: Meter,
    pub(crate) problem: Option<Problem>,
    /// When to look for stragglers next, if somebody could help them.
    pub(crate) look_at: Option<Timestamp>,
    /// When stragglers were last looked for.
    pub(crate) looked_at: Timestamp,
}

impl Job {
    /// A job that was submitted just now.
    pub(crate) fn new(id: JobId, terms: JobTerms, now: Timestamp) -> Job {
        Job {
            id,
            terms: JobTerms { workers: terms.workers.max(1), ..terms },
            phase: Phase::Listing,
            timings: Timings { submitted_at: now, ..Timings::default() },
            plan: None,
            levels: Vec::new(),
            live: BTreeSet::new(),
            published: 0,
            speculative: 0,
            delayed: BTreeSet::new(),
            columns: None,
            columns_of: None,
            shape: None,
            format: None,
            restored: false,
            attempts: AttemptCounts::default(),
            bytes: ByteCounts::default(),
            meter: Meter::default(),
            problem: None,
            look_at: None,
            looked_at: Timestamp::default(),
        }
    }

    /// Lays out every task of a plan.
    pub(crate) fn lay_out(&mut self, plan: Plan) {
        self.levels = (0_u8..)
            .zip(&plan.levels)
            .map(|(number, shape)| Level::new(number, *shape, &plan))
            .collect();
        let columns = plan.columns;
        self.plan = Some(plan);
        if let Some(columns) = columns {
            self.set_columns(columns);
        }
    }

    /// How many attempts are in flight: in the queue or with a worker.
    pub(crate) fn in_flight(&self) -> u32 {
        u32::try_from(self.live.len()).unwrap_or(u32::MAX)
    }

    /// How many tasks could be attempted at once.
    pub(crate) fn ready(&self) -> u64 {
        self.levels.iter().map(Level::ready).sum()
    }

    /// The level of the task that [`Job::take_ready`] would take.
    pub(crate) fn ready_level(&self) -> Option<&Level> {
        self.levels.iter().rev().find(|level| level.ready() > 0)
    }

    /// Takes the ready task that goes first, the deepest level's first.
    pub(crate) fn take_ready(&mut self) -> Option<TaskKey> {
        let level = self.levels.iter().rposition(|level| level.ready() > 0)?;
        let index = self.levels[level].take_ready()?;
        Some(TaskKey { level: u8::try_from(level).ok()?, index })
    }

    /// The task at a key.
    pub(crate) fn task(&mut self, key: TaskKey) -> &mut Task {
        &mut self.levels[usize::from(key.level)].tasks[key.index as usize]
    }

    /// The task at a key, to look at.
    pub(crate) fn peek(&self, key: TaskKey) -> &Task {
        &self.levels[usize::from(key.level)].tasks[key.index as usize]
    }

    /// The level of a key.
    pub(crate) fn level(&self, key: TaskKey) -> &Level {
        &self.levels[usize::from(key.level)]
    }

    /// Where the task of this id is, if the plan has such a task.
    pub(crate) fn key(&self, task: TaskId) -> Option<TaskKey> {
        let index = self.levels.get(usize::from(task.level))?.index(task.node, task.range)?;
        Some(TaskKey { level: task.level, index })
    }

    /// The id of the task at a key.
    pub(crate) fn task_id(&self, key: TaskKey) -> TaskId {
        let (node, range) = self.level(key).node_and_range(key.index);
        TaskId { level: key.level, node, range }
    }

    /// The id of an attempt at the task at a key.
    pub(crate) fn attempt_id(&self, key: TaskKey, number: u32) -> AttemptId {
        AttemptId { job: self.id, task: self.task_id(key), number }
    }

    /// Makes a task ready that is neither ready nor complete.
    pub(crate) fn make_ready(&mut self, key: TaskKey) {
        self.levels[usize::from(key.level)].make_ready(key.index);
    }

    /// Makes a task wait until it may be attempted again.
    pub(crate) fn delay(&mut self, key: TaskKey, until: Timestamp) {
        self.task(key).state = TaskState::Delayed;
        self.delayed.insert((until, key));
    }

    /// Makes tasks ready that have waited long enough.
    pub(crate) fn end_delays(&mut self, now: Timestamp) {
        while let Some(&(until, key)) = self.delayed.first()
            && until <= now
        {
            self.delayed.pop_first();
            if self.peek(key).state == TaskState::Delayed {
                self.make_ready(key);
            }
        }
    }

    /// Notes that all segments of a task are there, and makes ready what has
    /// waited for them. Nothing happens if that was known.
    pub(crate) fn complete(&mut self, key: TaskKey) {
        let (below, above) = self.levels.split_at_mut(usize::from(key.level) + 1);
        let Some(level) = below.last_mut() else {
            return;
        };
        if !level.complete(key.index) {
            return;
        }
        let Some(parents) = above.first_mut() else {
            return;
        };
        let (node, range) = level.node_and_range(key.index);
        for range in level.ranges_above(range, parents) {
            parents.input_complete(node / parents.shape.fan_in, range);
        }
    }

    /// Whether the total is there.
    pub(crate) fn is_summed(&self) -> bool {
        self.levels.last().is_some_and(Level::is_complete)
    }

    /// C has become known: ranges of columns wholly beyond it are empty, and
    /// so complete. The first range stays, as it may have to tell that there
    /// are no columns at all.
    pub(crate) fn set_columns(&mut self, columns: u64) {
        self.columns = Some(columns);
        let Some(plan) = &self.plan else {
            return;
        };
        let segments = columns.div_ceil(plan.segment_columns.max(1)).max(1);
        for level in &mut self.levels {
            // The ranges above an empty range are as empty, so none of these
            // completions has to be handed upwards.
            level.complete_ranges_from(segments);
        }
    }

    /// How many segments a task has, if that can be told.
    pub(crate) fn segments(&self, key: TaskKey) -> Option<u64> {
        let plan = self.plan.as_ref()?;
        let (first, end) = plan.task_segments(self.task_id(key));
        let last = self.columns.map(|columns| columns.div_ceil(plan.segment_columns.max(1)));
        match (end, last) {
            (Some(end), Some(last)) => Some(end.min(last).saturating_sub(first).max(1)),
            (Some(end), None) => Some(end - first),
            (None, Some(last)) => Some(last.saturating_sub(first).max(1)),
            (None, None) => None,
        }
    }

    /// Whether inputs of a task can be read from any column on.
    pub(crate) fn is_seekable(&self, key: TaskKey) -> bool {
        key.level > 0 || self.plan.as_ref().is_some_and(|plan| plan.columns.is_some())
    }

    /// Counts what an attempt has done since its last report.
    pub(crate) fn count(&mut self, now: Timestamp, done: &Progress) {
        self.bytes.input_read += done.input_read_bytes;
        self.bytes.partial_read += done.partial_read_bytes;
        self.bytes.written += done.written_bytes;
        if let Some(plan) = &self.plan {
            let input_bytes = plan.estimate.input_bytes;
            self.bytes.read_twice = self.bytes.input_read.saturating_sub(input_bytes);
            let columns = plan.segment_columns.min(self.columns.unwrap_or(plan.segment_columns));
            self.bytes.reused += done.segments_reused * columns * plan.partial_column_bytes;
        }
        self.meter.note(now, self.bytes.input_read);
    }

    /// Changes a live attempt's state to one that is not live, and counts it out.
    pub(crate) fn close(
        &mut self,
        key: TaskKey,
        number: u32,
        now: Timestamp,
        change: impl FnOnce(&mut Attempt),
    ) -> Option<Closed> {
        if !self.live.remove(&(key, number)) {
            return None;
        }
        let attempt = self.task(key).attempt(number)?;
        let was_published = attempt.started_at.is_none();
        let was_beside = attempt.beside;
        attempt.ended_at = Some(now);
        change(attempt);
        debug_assert!(!attempt.state.is_live());
        let closed =
            Closed { was_published, speculative: attempt.speculative, ran_ms: attempt.ran_ms(now) };
        if was_published {
            self.published -= 1;
        } else {
            self.attempts.running -= 1;
        }
        if closed.speculative {
            self.attempts.speculative_ms += closed.ran_ms;
        }
        if was_beside {
            self.speculative -= 1;
        } else if let Some(other) = self.task(key).attempts.iter_mut().find(|a| a.state.is_live()) {
            // The second goes on alone, as if it had been the first.
            other.beside = false;
            self.speculative -= 1;
        }
        Some(closed)
    }
}

/// What an attempt was when it ended.
pub(crate) struct Closed {
    /// Whether no worker had taken it.
    pub(crate) was_published: bool,
    /// Whether it had begun beside a live one.
    pub(crate) speculative: bool,
    /// How long it had run.
    pub(crate) ran_ms: u64,
}
