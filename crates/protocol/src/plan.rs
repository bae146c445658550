//! The sum tree that a job is computed by.

use serde::{Deserialize, Serialize};

use crate::TaskId;
use crate::request::SUM_COLUMN_BYTES;

/// The sum tree of a job: fixed before its first task starts, stored beside its
/// result, and all that the keys of its partial sums follow from.
///
/// Level 0 has `ceil(objects / fan_in)` nodes; node `n` sums the objects
/// `n * fan_in .. (n + 1) * fan_in` in the order of the list. A node of level
/// `k` adds the nodes `n * fan_in .. (n + 1) * fan_in` of level `k - 1`. The
/// last level has one node, the root.
///
/// Columns are cut into segments of `segment_columns`, the last one as short as
/// it comes out, and a level's nodes into ranges of whole segments, each range
/// one task. Ranges nest: `range_segments` of a level is that of the level above
/// it or a whole multiple, so a task depends on exactly one range of each of
/// its node's children.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Plan {
    /// F, how many objects there are.
    pub objects: u64,
    /// C, if the format tells it before a whole object has been read.
    pub columns: Option<u64>,
    /// P, the most inputs of a node.
    pub fan_in: u32,
    /// How many columns one segment has, but for the last.
    pub segment_columns: u64,
    /// Bytes that one column of a partial sum takes, statistics included.
    /// Records from before this was remembered count the sums alone.
    #[serde(default = "sum_column_bytes")]
    pub partial_column_bytes: u64,
    /// From level 0 to the root's.
    pub levels: Vec<PlanLevel>,
    /// What the plan is expected to cost.
    pub estimate: Estimate,
}

/// One level of the sum tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PlanLevel {
    /// How many nodes it has.
    pub nodes: u32,
    /// How many ranges of columns each node is cut into.
    pub ranges: u32,
    /// How many segments a range has; the last range goes on to the end,
    /// wherever that is.
    pub range_segments: u64,
    /// The most inputs that a node of this level adds up. It is the plan's
    /// fan-in but where inputs that cannot be read twice or sought keep it
    /// lower, or where a planner that was free to choose gave merge tasks less.
    pub fan_in: u32,
}

/// What a plan is expected to cost.
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
    /// The most memory that one worker holds for one task.
    pub worker_memory_bytes: u64,
    /// How long the job takes with all its workers, if that can be told.
    pub duration_ms: Option<u64>,
}

const fn sum_column_bytes() -> u64 {
    SUM_COLUMN_BYTES
}

impl Plan {
    /// How many tasks there are in all levels together.
    #[must_use]
    pub fn tasks(&self) -> u64 {
        self.levels.iter().map(PlanLevel::tasks).sum()
    }

    /// The level of the root.
    #[must_use]
    pub fn root_level(&self) -> u8 {
        u8::try_from(self.levels.len().saturating_sub(1)).unwrap_or(u8::MAX)
    }

    /// Which inputs a node adds up: indices of objects at level 0, of the
    /// level below's nodes above it.
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

    /// Which segments a task computes: its first, and one past its last unless
    /// it goes on to the end, wherever that is.
    #[must_use]
    pub fn task_segments(&self, task: TaskId) -> (u64, Option<u64>) {
        let level = &self.levels[usize::from(task.level)];
        let first = u64::from(task.range) * level.range_segments;
        let is_last = task.range + 1 >= level.ranges;
        (first, (!is_last).then(|| first + level.range_segments))
    }
}

impl PlanLevel {
    /// How many tasks the level has.
    #[must_use]
    pub const fn tasks(&self) -> u64 {
        self.nodes as u64 * self.ranges as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_of_before_columns_had_a_size_reads_back() {
        let plan = r#"{"objects": 2, "columns": 3, "fan_in": 2, "segment_columns": 1024,
            "levels": [{"nodes": 1, "ranges": 1, "range_segments": 1, "fan_in": 2}],
            "estimate": {"input_bytes": 48}}"#;
        let plan: Plan = serde_json::from_str(plan).unwrap();
        assert_eq!(plan.partial_column_bytes, 16);
        assert_eq!(plan.tasks(), 1);
    }
}
