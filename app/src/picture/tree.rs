//! The sum tree as rows of cells. A cell shows the true state of its task. Its width is
//! that of its inputs, so that it lies below the cells that it adds. In a level with many
//! tasks a cell stands for several.

use std::ops::Range;

use protocol::job::LevelProgress;
use protocol::states::{DrawnState, LevelStates};
use protocol::{Plan, PlanLevel};

use crate::format::plural;

/// The maximum number of cells in a row. In a level with more tasks each cell stands for
/// several.
pub const CELLS_MAX: u64 = 120;

/// A cell of a level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The indices of its tasks in the level: by node and then by range.
    pub tasks: Range<u64>,
    /// Its width: of a single task in thousandths of an object.
    pub width: u64,
}

/// The cells of a level, from left to right.
#[must_use]
pub fn cells(plan: &Plan, level: usize) -> Vec<Cell> {
    let Some(shape) = plan.levels.get(level) else {
        return Vec::new();
    };
    let tasks = shape.tasks();
    if tasks > CELLS_MAX {
        let start = |cell: u64| {
            u64::try_from(u128::from(cell) * u128::from(tasks) / u128::from(CELLS_MAX))
                .unwrap_or(tasks)
        };
        let range = |cell| start(cell)..start(cell + 1);
        return (0..CELLS_MAX).map(|cell| Cell { tasks: range(cell), width: 1 }).collect();
    }
    let ranges = u64::from(shape.ranges);
    let of_node = |node: u32| {
        let width = objects_below(plan, level, node).saturating_mul(1000) / ranges;
        let first = u64::from(node) * ranges;
        (first..first + ranges).map(move |task| Cell { tasks: task..task + 1, width })
    };
    (0..shape.nodes).flat_map(of_node).collect()
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

/// What a cell shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The name of its state, used in `data-state`: that of its task. Of several tasks it
    /// is `complete` if all are, else `speculative` or `running` if one is, else `partly`
    /// if some are complete.
    pub word: &'static str,
    /// The percentage of its tasks that are complete, rounded down.
    pub complete: u64,
}

impl Look {
    /// What a cell with these tasks shows.
    #[must_use]
    pub fn of(states: &LevelStates, tasks: Range<u64>) -> Look {
        let [waiting, running, speculative, complete] = states.count(tasks);
        let all = waiting + running + speculative + complete;
        let word = if complete == all {
            DrawnState::Complete.word()
        } else if speculative > 0 {
            DrawnState::Speculative.word()
        } else if running > 0 {
            DrawnState::Running.word()
        } else if complete > 0 {
            PARTLY
        } else {
            DrawnState::Waiting.word()
        };
        Look { word, complete: complete * 100 / all.max(1) }
    }

    /// What every cell of a job that is done shows.
    pub const COMPLETE: Look = Look { word: DrawnState::Complete.word(), complete: 100 };
}

/// The state of a cell with some complete tasks and no running one.
pub const PARTLY: &str = "partly";

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

    fn widths(plan: &Plan, level: usize) -> Vec<u64> {
        cells(plan, level).iter().map(|cell| cell.width).collect()
    }

    #[test]
    fn a_cell_lies_below_the_cells_that_it_adds() {
        let plan = plan(33, 5, &[(7, 1), (2, 1), (1, 1)]);
        assert_eq!(widths(&plan, 0), [5000, 5000, 5000, 5000, 5000, 5000, 3000]);
        assert_eq!(widths(&plan, 1), [25_000, 8000]);
        assert_eq!(widths(&plan, 2), [33_000]);
        assert_eq!(cells(&plan, 9), []);
    }

    #[test]
    fn ranges_share_the_width_of_their_node() {
        let plan = plan(8, 4, &[(2, 4), (1, 1)]);
        assert_eq!(widths(&plan, 0), [1000; 8]);
        let tasks: Vec<u64> = cells(&plan, 0).iter().map(|cell| cell.tasks.start).collect();
        assert_eq!(tasks, [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn the_cells_of_a_level_with_many_tasks_stand_for_each_task_once() {
        for tasks in [121, 239, 50_000, u32::MAX] {
            let plan = plan(u64::from(tasks), 1, &[(tasks, 1)]);
            let cells = cells(&plan, 0);
            assert_eq!(cells.len() as u64, CELLS_MAX);
            let mut next = 0;
            for cell in &cells {
                assert_eq!(cell.tasks.start, next);
                assert!(!cell.tasks.is_empty());
                next = cell.tasks.end;
            }
            assert_eq!(next, u64::from(tasks));
        }
    }

    #[test]
    fn a_cell_shows_what_its_tasks_are() {
        let mut states = LevelStates::waiting(6);
        let look = |states: &LevelStates, tasks| {
            let Look { word, complete } = Look::of(states, tasks);
            (word, complete)
        };
        assert_eq!(look(&states, 0..6), ("waiting", 0));
        states.set(1, DrawnState::Complete);
        states.set(2, DrawnState::Complete);
        assert_eq!(look(&states, 0..6), ("partly", 33));
        states.set(4, DrawnState::Running);
        assert_eq!(look(&states, 0..6), ("running", 33));
        assert_eq!(look(&states, 1..3), ("complete", 100));
        assert_eq!(look(&states, 4..5), ("running", 0));
        states.set(0, DrawnState::Speculative);
        assert_eq!(look(&states, 0..6), ("speculative", 33));
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
