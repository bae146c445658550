//! The sum tree as rows of cells, one cell per task. The width of a cell is that of
//! its inputs, so that each cell lies below the cells that it adds.

use protocol::job::LevelProgress;
use protocol::{Plan, PlanLevel};

use crate::format::plural;

/// The maximum number of cells in a row. A level with more tasks is drawn as one
/// bar.
pub const CELLS_MAX: u64 = 120;

/// The widths of a level's cells in thousandths of an object, by node and then by
/// range; `None` if the level has no tasks or more than [`CELLS_MAX`].
#[must_use]
pub fn cell_widths(plan: &Plan, level: usize) -> Option<Vec<u64>> {
    let tasks = plan.levels.get(level)?.tasks();
    if tasks == 0 || tasks > CELLS_MAX {
        return None;
    }
    let ranges = u64::from(plan.levels[level].ranges);
    let widths = (0..plan.levels[level].nodes).flat_map(|node| {
        let width = objects_below(plan, level, node).saturating_mul(1000) / ranges;
        (0..ranges).map(move |_| width)
    });
    Some(widths.collect())
}

/// The number of objects in the subtree of a node. Every node in it has the maximum
/// number of inputs, except at the right edge.
fn objects_below(plan: &Plan, level: usize, node: u32) -> u64 {
    let objects_per_node = plan.levels[..=level]
        .iter()
        .fold(1_u64, |product, level| product.saturating_mul(level.fan_in.into()));
    let first = objects_per_node.saturating_mul(node.into());
    plan.objects.saturating_sub(first).clamp(1, objects_per_node.max(1))
}

/// The state of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellState {
    /// The task is complete.
    Complete,
    /// The task has a running attempt.
    Running,
    /// The task has a running speculative attempt.
    Speculative,
    /// The task has no running attempt.
    Waiting,
}

impl CellState {
    /// The name of the state, shown on the pages and used in `data-state`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            CellState::Complete => "complete",
            CellState::Running => "running",
            CellState::Speculative => "speculative",
            CellState::Waiting => "waiting",
        }
    }
}

/// The state of the cell at `index`. The progress holds only the number of tasks in
/// each state, so cells fill up from the left.
#[must_use]
pub fn cell_state(progress: &LevelProgress, index: u64) -> CellState {
    let active = progress.completed + progress.running;
    let speculative = progress.speculative.min(progress.running);
    if index < progress.completed {
        CellState::Complete
    } else if index < active - speculative {
        CellState::Running
    } else if index < active {
        CellState::Speculative
    } else {
        CellState::Waiting
    }
}

/// The complete, partly done and running parts of a bar in thousandths; their sum is
/// at most 1000.
#[must_use]
pub fn bar_parts(progress: &LevelProgress) -> [u32; 3] {
    let of_tasks = |tasks: f64| thousandths(tasks / progress.tasks.max(1) as f64);
    let complete = of_tasks(progress.completed as f64);
    let running = of_tasks(progress.running as f64).min(1000 - complete);
    let partly = of_tasks(progress.partly).min(running);
    [complete, partly, running - partly]
}

/// A fraction from 0 to 1 in thousandths.
#[must_use]
pub fn thousandths(fraction: f64) -> u32 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0..=1000 before"
    )]
    let whole = (fraction * 1000.0).clamp(0.0, 1000.0) as u32;
    whole
}

/// A description of the tasks of a level.
#[must_use]
pub fn level_words(level: usize, plan: &PlanLevel) -> String {
    let (singular, several) =
        if level == 0 { ("file", "files") } else { ("partial sum", "partial sums") };
    let inputs = plural(plan.fan_in.into(), singular, several);
    let ranges = match plan.ranges {
        0 | 1 => String::new(),
        ranges => format!(", split into {ranges} ranges of columns"),
    };
    format!("up to {inputs} per node{ranges}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(objects: u64, fan_in: u32, levels: &[(u32, u32)]) -> Plan {
        Plan {
            objects,
            columns: None,
            fan_in,
            segment_columns: 1,
            partial_column_bytes: 16,
            levels: levels
                .iter()
                .map(|(nodes, ranges)| PlanLevel {
                    nodes: *nodes,
                    ranges: *ranges,
                    range_segments: 1,
                    fan_in,
                })
                .collect(),
            estimate: protocol::plan::Estimate::default(),
        }
    }

    #[test]
    fn a_cell_lies_below_the_cells_that_it_adds() {
        let plan = plan(33, 5, &[(7, 1), (2, 1), (1, 1)]);
        assert_eq!(cell_widths(&plan, 0).unwrap(), [5000, 5000, 5000, 5000, 5000, 5000, 3000]);
        assert_eq!(cell_widths(&plan, 1).unwrap(), [25_000, 8000]);
        assert_eq!(cell_widths(&plan, 2).unwrap(), [33_000]);
    }

    #[test]
    fn ranges_share_the_width_of_their_node() {
        let plan = plan(4, 4, &[(1, 4)]);
        assert_eq!(cell_widths(&plan, 0).unwrap(), [1000; 4]);
    }

    #[test]
    fn a_level_with_many_tasks_has_no_cells() {
        let plan = plan(10_000, 5, &[(2_000, 1), (400, 1), (80, 1), (16, 1)]);
        assert_eq!(cell_widths(&plan, 0), None);
        assert_eq!(cell_widths(&plan, 2).unwrap().len(), 80);
        assert_eq!(cell_widths(&plan, 9), None);
    }

    #[test]
    fn cells_fill_up_from_the_left() {
        let progress = LevelProgress {
            tasks: 5,
            completed: 1,
            running: 3,
            speculative: 1,
            partly: 0.5,
            mean_ms: 0,
        };
        let states: Vec<_> = (0..5).map(|index| cell_state(&progress, index)).collect();
        assert_eq!(
            states,
            [
                CellState::Complete,
                CellState::Running,
                CellState::Running,
                CellState::Speculative,
                CellState::Waiting
            ]
        );
    }

    #[test]
    fn the_parts_of_a_bar_never_exceed_the_bar() {
        let progress = LevelProgress {
            tasks: 4,
            completed: 3,
            running: 2,
            speculative: 0,
            partly: 9.0,
            mean_ms: 0,
        };
        assert_eq!(bar_parts(&progress), [750, 250, 0]);
        assert_eq!(bar_parts(&LevelProgress::default()), [0; 3]);
    }
}
