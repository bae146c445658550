//! One level of a job's sum tree: its tasks and its ready queue.

use std::collections::BTreeSet;
use std::ops::Range;

use protocol::detail::TaskState;
use protocol::states::{DrawnState, LevelStates};
use protocol::{Plan, PlanLevel};

use crate::durations::Durations;
use crate::task::Task;

/// One level of a job's sum tree.
#[derive(Debug)]
pub(crate) struct Level {
    /// The level's entry in the plan.
    pub(crate) shape: PlanLevel,
    /// Its tasks, ordered by node, then by range.
    pub(crate) tasks: Vec<Task>,
    /// Index of the first leaf task that was never dispatched. Leaf tasks are
    /// ready from the start, so they need no queue.
    untouched: u32,
    /// The ready tasks below `untouched`.
    queued: BTreeSet<u32>,
    /// Number of ready tasks.
    ready: u64,
    /// Number of complete tasks.
    pub(crate) completed: u64,
    /// Durations of completed attempts that reused no segments.
    pub(crate) durations: Durations,
    /// Which tasks are complete, as pages draw them; the others are waiting here.
    pub(crate) drawn: LevelStates,
}

impl Level {
    /// Creates the tasks of a level. Leaf tasks are ready. Attempts are numbered from
    /// after `earlier_attempts`.
    pub(crate) fn new(number: u8, shape: PlanLevel, plan: &Plan, earlier_attempts: u32) -> Level {
        let count = usize::try_from(shape.tasks()).unwrap_or(usize::MAX);
        let mut tasks = Vec::with_capacity(count);
        for node in 0..shape.nodes {
            let missing = if number == 0 {
                0
            } else {
                let inputs = plan.node_inputs(number, node);
                u32::try_from(inputs.end - inputs.start).unwrap_or(u32::MAX)
            };
            tasks.extend((0..shape.ranges).map(|_| Task::new(missing, earlier_attempts)));
        }
        Level {
            ready: if number == 0 { shape.tasks() } else { 0 },
            untouched: if number == 0 { 0 } else { u32::try_from(count).unwrap_or(u32::MAX) },
            shape,
            tasks,
            queued: BTreeSet::new(),
            completed: 0,
            durations: Durations::default(),
            drawn: LevelStates::waiting(shape.tasks()),
        }
    }

    /// Number of ready tasks.
    pub(crate) fn ready(&self) -> u64 {
        self.ready
    }

    /// Whether every task is complete.
    pub(crate) fn is_complete(&self) -> bool {
        self.completed == self.shape.tasks()
    }

    /// The index of the task of a node and a range; `None` if out of bounds.
    pub(crate) fn index(&self, node: u32, range: u32) -> Option<u32> {
        (node < self.shape.nodes && range < self.shape.ranges)
            .then(|| node * self.shape.ranges + range)
    }

    /// The node and the range of the task at an index.
    pub(crate) fn node_and_range(&self, index: u32) -> (u32, u32) {
        (index / self.shape.ranges, index % self.shape.ranges)
    }

    /// The ranges of the level above that a range of this level contains.
    pub(crate) fn ranges_above(&self, range: u32, above: &Level) -> Range<u32> {
        let each = self.shape.range_segments / above.shape.range_segments.max(1);
        let each = u32::try_from(each.max(1)).unwrap_or(u32::MAX);
        let start = range.saturating_mul(each).min(above.shape.ranges);
        // The last range is open-ended, and so are the ranges above it.
        let end = if range + 1 == self.shape.ranges {
            above.shape.ranges
        } else {
            start.saturating_add(each).min(above.shape.ranges)
        };
        start..end
    }

    /// Removes the first ready task and marks it underway.
    pub(crate) fn pop_ready(&mut self) -> Option<u32> {
        let index = match self.queued.pop_first() {
            Some(index) => index,
            None => self.next_untouched()?,
        };
        self.ready -= 1;
        self.tasks[index as usize].state = TaskState::Underway;
        Some(index)
    }

    fn next_untouched(&mut self) -> Option<u32> {
        loop {
            let index = self.untouched;
            let task = self.tasks.get(index as usize)?;
            self.untouched += 1;
            // An attempt from before a server restart may have started or
            // completed the task.
            if task.state == TaskState::Ready {
                return Some(index);
            }
        }
    }

    /// Makes a task ready. It must be neither ready nor complete.
    pub(crate) fn make_ready(&mut self, index: u32) {
        let task = &mut self.tasks[index as usize];
        debug_assert!(!matches!(task.state, TaskState::Ready | TaskState::Complete));
        task.state = TaskState::Ready;
        self.ready += 1;
        self.drawn.set(u64::from(index), DrawnState::Waiting);
        if index < self.untouched {
            self.queued.insert(index);
        }
    }

    /// Marks a given task underway. Returns false if it is not ready.
    pub(crate) fn claim(&mut self, index: u32) -> bool {
        let task = &mut self.tasks[index as usize];
        if task.state != TaskState::Ready {
            return false;
        }
        task.state = TaskState::Underway;
        self.ready -= 1;
        self.queued.remove(&index);
        true
    }

    /// Marks a task complete. Returns false if it already was.
    pub(crate) fn complete(&mut self, index: u32) -> bool {
        let task = &mut self.tasks[index as usize];
        if task.state == TaskState::Complete {
            return false;
        }
        if task.state == TaskState::Ready {
            self.ready -= 1;
            self.queued.remove(&index);
        }
        task.state = TaskState::Complete;
        self.completed += 1;
        self.drawn.set(u64::from(index), DrawnState::Complete);
        true
    }

    /// Records that one input of a task is complete.
    pub(crate) fn input_complete(&mut self, node: u32, range: u32) {
        let Some(index) = self.index(node, range) else {
            return;
        };
        let task = &mut self.tasks[index as usize];
        task.missing = task.missing.saturating_sub(1);
        if task.missing == 0 && task.state == TaskState::Waiting {
            self.make_ready(index);
        }
    }

    /// Makes a complete task incomplete: ready, or waiting if an input is not complete.
    /// Returns false if it is not complete.
    pub(crate) fn reopen(&mut self, index: u32) -> bool {
        let task = &mut self.tasks[index as usize];
        if task.state != TaskState::Complete {
            return false;
        }
        task.state = TaskState::Waiting;
        self.completed -= 1;
        if task.missing == 0 {
            self.make_ready(index);
        }
        true
    }

    /// Records that one input of a task is not complete any more. Returns the index of
    /// the task; an attempt that runs goes on, as it may have read the input.
    pub(crate) fn input_reopened(&mut self, node: u32, range: u32) -> Option<u32> {
        let index = self.index(node, range)?;
        let task = &mut self.tasks[index as usize];
        task.missing += 1;
        match task.state {
            TaskState::Ready => {
                task.state = TaskState::Waiting;
                self.ready -= 1;
                self.queued.remove(&index);
            }
            TaskState::Delayed => task.state = TaskState::Waiting,
            TaskState::Waiting | TaskState::Underway | TaskState::Complete => {}
        }
        Some(index)
    }

    /// Completes the ranges that start at or after a segment, except the first
    /// range.
    pub(crate) fn complete_ranges_from(&mut self, segment: u64) {
        let first = segment.div_ceil(self.shape.range_segments.max(1)).max(1);
        let first = u32::try_from(first).unwrap_or(u32::MAX);
        for range in first..self.shape.ranges {
            for node in 0..self.shape.nodes {
                self.complete(node * self.shape.ranges + range);
            }
        }
    }
}
