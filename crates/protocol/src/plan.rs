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
    /// The duration of the job with all its workers, in milliseconds; absent if unknown.
    pub duration_ms: Option<u64>,
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
