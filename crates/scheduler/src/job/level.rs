//! One level of a job's sum tree: its tasks, and which of them are ready.

use std::collections::BTreeSet;
use std::ops::Range;

use protocol::detail::TaskState;
use protocol::{Plan, PlanLevel};

use crate::durations::Durations;
use crate::task::Task;

/// One level of a job's sum tree.
#[derive(Debug)]
pub(crate) struct Level {
    /// What the plan says of it.
    pub(crate) shape: PlanLevel,
    /// Its tasks: node by node, of each node range by range.
    pub(crate) tasks: Vec<Task>,
    /// Tasks from here on were ready from the start and have not been taken:
    /// a million leaf tasks need no queue.
    untouched: u32,
    /// The other ready tasks.
    queued: BTreeSet<u32>,
    /// How many tasks are ready.
    ready: u64,
    /// How many tasks are complete.
    pub(crate) completed: u64,
    /// How long its completed attempts took, of those that had the whole task to do.
    pub(crate) durations: Durations,
}

impl Level {
    /// The tasks of one level of a plan. The leaf tasks are ready.
    pub(crate) fn new(number: u8, shape: PlanLevel, plan: &Plan) -> Level {
        let count = usize::try_from(shape.tasks()).unwrap_or(usize::MAX);
        let mut tasks = Vec::with_capacity(count);
        for node in 0..shape.nodes {
            let missing = if number == 0 {
                0
            } else {
                let inputs = plan.node_inputs(number, node);
                u32::try_from(inputs.end - inputs.start).unwrap_or(u32::MAX)
            };
            tasks.extend((0..shape.ranges).map(|_| Task::new(missing)));
        }
        Level {
            ready: if number == 0 { shape.tasks() } else { 0 },
            untouched: if number == 0 { 0 } else { u32::try_from(count).unwrap_or(u32::MAX) },
            shape,
            tasks,
            queued: BTreeSet::new(),
            completed: 0,
            durations: Durations::default(),
        }
    }

    /// How many tasks are ready.
    pub(crate) fn ready(&self) -> u64 {
        self.ready
    }

    /// Whether every task is complete.
    pub(crate) fn is_complete(&self) -> bool {
        self.completed == self.shape.tasks()
    }

    /// Where the task of a node and a range is, if there is such a task.
    pub(crate) fn index(&self, node: u32, range: u32) -> Option<u32> {
        (node < self.shape.nodes && range < self.shape.ranges)
            .then(|| node * self.shape.ranges + range)
    }

    /// The node and the range of the task at an index.
    pub(crate) fn node_and_range(&self, index: u32) -> (u32, u32) {
        (index / self.shape.ranges, index % self.shape.ranges)
    }

    /// The ranges of the level above that lie in a range of this one.
    pub(crate) fn ranges_above(&self, range: u32, above: &Level) -> Range<u32> {
        let each = self.shape.range_segments / above.shape.range_segments.max(1);
        let each = u32::try_from(each.max(1)).unwrap_or(u32::MAX);
        let start = range.saturating_mul(each).min(above.shape.ranges);
        // The last range goes on to the end, and so do those above it.
        let end = if range + 1 == self.shape.ranges {
            above.shape.ranges
        } else {
            start.saturating_add(each).min(above.shape.ranges)
        };
        start..end
    }

    /// Takes the first ready task; it is underway from now on.
    pub(crate) fn take_ready(&mut self) -> Option<u32> {
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
            // One may have been completed, or begun, by an attempt of an
            // earlier life of the server.
            if task.state == TaskState::Ready {
                return Some(index);
            }
        }
    }

    /// Makes a task ready that is neither ready nor complete.
    pub(crate) fn make_ready(&mut self, index: u32) {
        let task = &mut self.tasks[index as usize];
        debug_assert!(!matches!(task.state, TaskState::Ready | TaskState::Complete));
        task.state = TaskState::Ready;
        self.ready += 1;
        if index < self.untouched {
            self.queued.insert(index);
        }
    }

    /// Takes a certain task if it is ready: it is underway from now on.
    pub(crate) fn take(&mut self, index: u32) -> bool {
        let task = &mut self.tasks[index as usize];
        if task.state != TaskState::Ready {
            return false;
        }
        task.state = TaskState::Underway;
        self.ready -= 1;
        self.queued.remove(&index);
        true
    }

    /// Notes that a task is complete; whether that is news.
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
        true
    }

    /// Notes that an input of a task is complete.
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

    /// Completes every range that begins at this segment or beyond, but never
    /// the first range.
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
