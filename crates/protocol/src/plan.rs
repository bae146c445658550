//! The sum tree of a job.

use serde::{Deserialize, Serialize};

use crate::TaskId;
use crate::request::SUM_COLUMN_BYTES;

/// The sum tree of a job. It is fixed before the first task starts and stored
/// with the result. The keys of the partial sums follow from it alone.
///
/// Level 0 has `ceil(objects / fan_in)` nodes; node `n` sums the objects
/// `n * fan_in .. (n + 1) * fan_in` in list order. A node of level
/// `k` adds the nodes `n * fan_in .. (n + 1) * fan_in` of level `k - 1`. The
/// last level has one node, the root.
///
/// Columns are split into segments of `segment_columns`; the last segment may be
/// shorter. The nodes of a level are split into ranges of whole segments; each
/// range is one task. Ranges nest: `range_segments` of a level is that of the level above
/// it or a whole multiple, so a task depends on exactly one range of each of
/// its node's children.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Plan {
    /// F, the number of objects.
    pub objects: u64,
    /// C, the number of columns; absent if it is unknown before an object has been read.
    pub columns: Option<u64>,
    /// P, the maximum number of inputs of a node.
    pub fan_in: u32,
    /// The number of columns in every segment except the last.
    pub segment_columns: u64,
    /// The size of one column of a partial sum in bytes, statistics included.
    /// Records of older versions lack it; then only the sums are counted.
    #[serde(default = "sum_column_bytes")]
    pub partial_column_bytes: u64,
    /// The levels, from level 0 to the root.
    pub levels: Vec<PlanLevel>,
    /// The estimated cost of the plan.
    pub estimate: Estimate,
}

/// One level of the sum tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PlanLevel {
    /// The number of nodes.
    pub nodes: u32,
    /// The number of ranges of columns per node.
    pub ranges: u32,
    /// The number of segments in a range. The last range extends to the last
    /// segment, whose index may not be known yet.
    pub range_segments: u64,
    /// The maximum number of inputs of a node of this level. It is lower than the
    /// plan's fan-in if the inputs can be neither read twice nor sought, or if the
    /// planner was free to choose a lower one for merge tasks.
    pub fan_in: u32,
}

/// The estimated cost of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Estimate {
    /// Bytes read from input objects.
    pub input_bytes: u64,
    /// Bytes read back from partial sums.
    pub partial_read_bytes: u64,
    /// Bytes written as partial sums.
    pub written_bytes: u64,
    /// The upper bound of the memory that one worker holds for one task, in bytes.
    pub worker_memory_bytes: u64,
    /// The duration of the job with all its workers, from the plan to the result, in
    /// milliseconds; absent if unknown.
    pub duration_ms: Option<u64>,
    /// The factor by which the calculated duration was multiplied, because similar jobs of
    /// this server took longer or shorter than calculated; absent if none has run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learned_factor: Option<f64>,
}

impl Estimate {
    /// The duration that was calculated, before the server's experience with similar jobs,
    /// in milliseconds.
    #[must_use]
    pub fn calculated_ms(&self) -> Option<f64> {
        let factor = self.learned_factor.filter(|factor| *factor > 0.0).unwrap_or(1.0);
        self.duration_ms.map(|ms| ms as f64 / factor)
    }
}

const fn sum_column_bytes() -> u64 {
    SUM_COLUMN_BYTES
}

impl Plan {
    /// The number of tasks in all levels.
    #[must_use]
    pub fn tasks(&self) -> u64 {
        self.levels.iter().map(PlanLevel::tasks).sum()
    }

    /// The level of the root.
    #[must_use]
    pub fn root_level(&self) -> u8 {
        u8::try_from(self.levels.len().saturating_sub(1)).unwrap_or(u8::MAX)
    }

    /// The indices of a node's inputs: of objects at level 0, of nodes of the level
    /// below at other levels.
    #[must_use]
    pub fn node_inputs(&self, level: u8, node: u32) -> std::ops::Range<u64> {
        let below = match level.checked_sub(1) {
            None => self.objects,
            Some(below) => u64::from(self.levels[usize::from(below)].nodes),
        };
        let fan_in = u64::from(self.levels[usize::from(level)].fan_in);
        let start = u64::from(node) * fan_in;
        start..below.min(start + fan_in)
    }

    /// The indices of the leaf tasks that read an object: one for each range of columns.
    #[must_use]
    pub fn tasks_of_input(&self, object: u64) -> std::ops::Range<u64> {
        let (fan_in, ranges) = self
            .levels
            .first()
            .map_or((1, 0), |leaves| (u64::from(leaves.fan_in.max(1)), u64::from(leaves.ranges)));
        let first = object / fan_in * ranges;
        first..first + ranges
    }

    /// The index of a task in its level: by node and then by range. `None` if the plan has
    /// no such task.
    #[must_use]
    pub fn task_index(&self, task: TaskId) -> Option<u64> {
        let level = self.levels.get(usize::from(task.level))?;
        let is_there = task.node < level.nodes && task.range < level.ranges;
        is_there.then(|| u64::from(task.node) * u64::from(level.ranges) + u64::from(task.range))
    }

    /// The task at an index of a level; `None` if the plan has none.
    #[must_use]
    pub fn task_at(&self, level: u8, index: u64) -> Option<TaskId> {
        let ranges = u64::from(self.levels.get(usize::from(level))?.ranges);
        let node = u32::try_from(index.checked_div(ranges)?).ok()?;
        let range = u32::try_from(index % ranges).ok()?;
        let task = TaskId { level, node, range };
        self.task_index(task).map(|_| task)
    }

    /// The tasks whose partial sums a task adds: one of each child of its node. Empty at
    /// level 0, and for a task that the plan does not have.
    #[must_use]
    pub fn task_children(&self, task: TaskId) -> Vec<TaskId> {
        let below = task.level.checked_sub(1);
        let Some(level) = below.filter(|_| self.task_index(task).is_some()) else {
            return Vec::new();
        };
        let range = self.range_of(level, self.task_segments(task).0);
        let nodes = self.node_inputs(task.level, task.node);
        let nodes = nodes.filter_map(|node| u32::try_from(node).ok());
        nodes.map(|node| TaskId { level, node, range }).collect()
    }

    /// The tasks that add the partial sum of a task: of one node, one or more ranges. Empty
    /// for the root, and for a task that the plan does not have.
    #[must_use]
    pub fn task_parents(&self, task: TaskId) -> Vec<TaskId> {
        let above = task.level.checked_add(1);
        let found = above.and_then(|level| Some((level, self.levels.get(usize::from(level))?)));
        let Some((level, of_level)) = found.filter(|_| self.task_index(task).is_some()) else {
            return Vec::new();
        };
        let (first, end) = self.task_segments(task);
        let node = task.node / of_level.fan_in.max(1);
        let first = self.range_of(level, first);
        let last = end.map_or(of_level.ranges.saturating_sub(1), |end| {
            self.range_of(level, end.saturating_sub(1))
        });
        (first..=last).map(|range| TaskId { level, node, range }).collect()
    }

    /// The range of a level that a segment lies in.
    fn range_of(&self, level: u8, segment: u64) -> u32 {
        let level = &self.levels[usize::from(level)];
        let range = segment / level.range_segments.max(1);
        u32::try_from(range).unwrap_or(u32::MAX).min(level.ranges.saturating_sub(1))
    }

    /// The segments of a task: the first, and one past the last. The latter is
    /// `None` for the last range, which extends to the last segment.
    #[must_use]
    pub fn task_segments(&self, task: TaskId) -> (u64, Option<u64>) {
        let level = &self.levels[usize::from(task.level)];
        let first = u64::from(task.range) * level.range_segments;
        let is_last = task.range + 1 >= level.ranges;
        (first, (!is_last).then(|| first + level.range_segments))
    }
}

impl PlanLevel {
    /// The number of tasks in the level.
    #[must_use]
    pub const fn tasks(&self) -> u64 {
        self.nodes as u64 * self.ranges as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten objects of seven segments: at level 0 four nodes in two ranges of four and three
    /// segments, then two nodes in four ranges of at most two, then the root in four.
    fn plan() -> Plan {
        let level = |nodes, ranges, range_segments| PlanLevel {
            nodes,
            ranges,
            range_segments,
            fan_in: if nodes == 4 { 3 } else { 2 },
        };
        Plan {
            objects: 10,
            columns: Some(7 * 1024),
            fan_in: 3,
            segment_columns: 1024,
            partial_column_bytes: 16,
            levels: vec![level(4, 2, 4), level(2, 4, 2), level(1, 4, 2)],
            estimate: Estimate::default(),
        }
    }

    #[test]
    fn the_tasks_of_a_level_are_counted_by_node_and_range() {
        let plan = plan();
        for level in 0..3 {
            for index in 0..plan.levels[usize::from(level)].tasks() {
                let task = plan.task_at(level, index).unwrap();
                assert_eq!(plan.task_index(task), Some(index), "{task}");
            }
        }
        assert_eq!(plan.task_at(0, 3), Some(TaskId { level: 0, node: 1, range: 1 }));
        assert_eq!((plan.task_at(0, 8), plan.task_at(3, 0)), (None, None));
        assert_eq!(plan.task_index(TaskId { level: 1, node: 0, range: 4 }), None);
    }

    #[test]
    fn a_task_is_a_child_of_its_parents_and_of_no_other() {
        let plan = plan();
        let tasks = |level: u8| {
            let plan = plan.clone();
            (0..plan.levels[usize::from(level)].tasks())
                .map(move |index| plan.task_at(level, index).unwrap())
        };
        for task in tasks(0).chain(tasks(1)) {
            let parents = plan.task_parents(task);
            assert!(!parents.is_empty(), "{task}");
            for above in tasks(task.level + 1) {
                let is_child = plan.task_children(above).contains(&task);
                assert_eq!(is_child, parents.contains(&above), "{task} of {above}");
            }
        }
        let root = TaskId { level: 2, node: 0, range: 3 };
        assert!(plan.task_parents(root).is_empty());
        let children = [0, 1].map(|node| TaskId { level: 1, node, range: 3 });
        assert_eq!(plan.task_children(root), children);
        // A range of four segments is two of two segments in the level above.
        let leaf = TaskId { level: 0, node: 3, range: 1 };
        let parents = [2, 3].map(|range| TaskId { level: 1, node: 1, range });
        assert_eq!(plan.task_parents(leaf), parents);
        assert!(plan.task_children(leaf).is_empty());
        assert!(plan.task_parents(TaskId { level: 0, node: 9, range: 0 }).is_empty());
    }

    #[test]
    fn a_plan_without_a_column_size_can_be_read() {
        let plan = r#"{"objects": 2, "columns": 3, "fan_in": 2, "segment_columns": 1024,
            "levels": [{"nodes": 1, "ranges": 1, "range_segments": 1, "fan_in": 2}],
            "estimate": {"input_bytes": 48}}"#;
        let plan: Plan = serde_json::from_str(plan).unwrap();
        assert_eq!(plan.partial_column_bytes, 16);
        assert_eq!(plan.tasks(), 1);
    }
}
