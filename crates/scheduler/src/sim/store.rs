//! The simulated object store: which segments of which tasks are stored.

use protocol::{Plan, TaskId};

use super::terms::{Load, Truth};
use crate::plan::{PlanInputs, PlanLimits, plan, task_seconds};

/// The plan of a job and its stored segments.
#[derive(Clone, Debug)]
pub(super) struct StoredJob {
    pub(super) plan: Plan,
    inputs: PlanInputs,
    /// What work takes.
    pub(super) truth: Truth,
    limits: PlanLimits,
    /// The true C, which may differ from the estimate.
    pub(super) columns: u64,
    /// By level and task: a bit set of the stored segments.
    levels: Vec<Vec<u64>>,
    /// Whether a started task is checked for incomplete inputs. A check takes time
    /// proportional to the fan-in.
    pub(super) checks: bool,
}

/// Maximum number of simulated segments of a task, the bits of its set. Larger
/// tasks are simulated with this many.
const SEGMENTS_MAX: u64 = 64;

impl StoredJob {
    pub(super) fn new(load: &Load) -> StoredJob {
        let &Load { inputs, columns, fan_in, terms, limits, costs, truth, .. } = load;
        let plan = plan(&inputs, fan_in, terms.workers, &limits, &costs);
        let levels = plan.levels.iter().map(|level| {
            let tasks = usize::try_from(level.tasks()).unwrap_or(usize::MAX);
            vec![0; tasks]
        });
        StoredJob { levels: levels.collect(), plan, inputs, truth, limits, columns, checks: false }
    }

    /// Number of columns of a task's range, up to the true C.
    fn columns_of(&self, task: TaskId) -> u64 {
        let (first, end) = self.plan.task_segments(task);
        let first = first * self.plan.segment_columns;
        let end = end.map_or(self.columns, |end| self.columns.min(end * self.plan.segment_columns));
        end.saturating_sub(first)
    }

    /// Number of segments of a task; a range beyond C has one empty segment.
    pub(super) fn segments(&self, task: TaskId) -> u32 {
        let segments = self.columns_of(task).div_ceil(self.plan.segment_columns);
        u32::try_from(segments.clamp(1, SEGMENTS_MAX)).unwrap_or(1)
    }

    /// The work of a task, in microseconds at speed 1.
    pub(super) fn work(&self, task: TaskId) -> f64 {
        let inputs = self.plan.node_inputs(task.level, task.node);
        let seconds = task_seconds(
            &self.inputs,
            &self.limits,
            &self.truth.costs,
            self.plan.segment_columns,
            task.level == 0,
            inputs.end - inputs.start,
            self.columns_of(task),
        );
        // The dispatch overhead is simulated separately.
        (seconds - self.truth.costs.task_secs).max(1e-5) * 1e6
    }

    /// The work of all tasks, in microseconds at speed 1.
    pub(super) fn all_work(&self) -> f64 {
        let mut work = 0.0;
        for (level, shape) in (0_u8..).zip(&self.plan.levels) {
            for range in 0..shape.ranges {
                let of = |node| {
                    let task = TaskId { level, node, range };
                    if range > 0 && self.columns_of(task) == 0 { 0.0 } else { self.work(task) }
                };
                // All nodes of a level except the last have the same work.
                work += of(0) * f64::from(shape.nodes - 1) + of(shape.nodes - 1);
            }
        }
        work
    }

    fn bits(&mut self, task: TaskId) -> &mut u64 {
        let level = usize::from(task.level);
        let ranges = self.plan.levels[level].ranges;
        &mut self.levels[level][(task.node * ranges + task.range) as usize]
    }

    /// Number of stored segments of a task.
    pub(super) fn segments_stored(&mut self, task: TaskId) -> u32 {
        self.bits(task).count_ones()
    }

    /// Whether a segment of a task is stored.
    pub(super) fn has(&mut self, task: TaskId, segment: u32) -> bool {
        *self.bits(task) >> segment & 1 == 1
    }

    /// Stores a segment of a task. Returns false if it was stored already.
    pub(super) fn write(&mut self, task: TaskId, segment: u32) -> bool {
        let existed = self.has(task, segment);
        *self.bits(task) |= 1 << segment;
        !existed
    }

    /// Whether all segments of a task are stored.
    pub(super) fn is_complete(&mut self, task: TaskId) -> bool {
        self.segments_stored(task) == self.segments(task)
    }

    /// The tasks whose segments are all stored.
    pub(super) fn complete_tasks(&mut self) -> Vec<TaskId> {
        let levels = self.plan.levels.clone();
        let mut complete = Vec::new();
        for (level, shape) in (0_u8..).zip(&levels) {
            for node in 0..shape.nodes {
                for range in 0..shape.ranges {
                    let task = TaskId { level, node, range };
                    if self.is_complete(task) {
                        complete.push(task);
                    }
                }
            }
        }
        complete
    }

    /// Number of tasks whose range is beyond C.
    pub(super) fn empty_tasks(&self) -> u64 {
        let levels = (0_u8..).zip(&self.plan.levels);
        levels
            .map(|(level, shape)| {
                let empty = (1..shape.ranges).filter(|range| {
                    let task = TaskId { level, node: 0, range: *range };
                    self.columns_of(task) == 0
                });
                empty.count() as u64 * u64::from(shape.nodes)
            })
            .sum()
    }

    /// An input of a task that is not complete; `None` if all are.
    pub(super) fn incomplete_input(&mut self, task: TaskId) -> Option<TaskId> {
        let below = task.level.checked_sub(1)?;
        let (first, _) = self.plan.task_segments(task);
        if task.range > 0 && self.columns_of(task) == 0 {
            return None;
        }
        let shape = self.plan.levels[usize::from(below)];
        let range = (first / shape.range_segments).min(u64::from(shape.ranges) - 1);
        let range = u32::try_from(range).unwrap_or(u32::MAX);
        let inputs = self.plan.node_inputs(task.level, task.node);
        let mut inputs = inputs.map(|node| TaskId {
            level: below,
            node: u32::try_from(node).unwrap_or(u32::MAX),
            range,
        });
        inputs.find(|input| !self.is_complete(*input))
    }
}
