//! How long the tasks of a level took, as colours of its cells.

use protocol::timeline::LevelTimes;

/// The upper bounds of the steps, as multiples of the median; the last step has none.
pub const BOUNDS: [f64; 4] = [0.75, 1.5, 3.0, 6.0];

/// The steps of the cells of a level, 0 to 4 from fast to slow; `None` of a cell of which
/// no task is complete.
#[must_use]
pub fn steps(level: &LevelTimes) -> Vec<Option<u8>> {
    let median_ms = level.median_ms.max(1) as f64;
    let step = |ms: u64| {
        let times = ms as f64 / median_ms;
        BOUNDS.iter().zip(0..).find(|(bound, _)| times < **bound).map_or(4, |(_, step)| step)
    };
    level.cells.iter().map(|cell| cell.map(step)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_tells_how_many_times_the_median_a_task_took() {
        let level = LevelTimes {
            tasks: 5,
            median_ms: 100,
            p95_ms: 900,
            cells: vec![Some(10), Some(100), None, Some(200), Some(300), Some(900)],
        };
        assert_eq!(steps(&level), [Some(0), Some(1), None, Some(2), Some(3), Some(4)]);
    }

    #[test]
    fn tasks_of_no_time_have_a_step() {
        let level = LevelTimes { cells: vec![Some(0)], ..LevelTimes::default() };
        assert_eq!(steps(&level), [Some(0)]);
    }
}
