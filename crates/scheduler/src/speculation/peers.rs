//! The rules of others, as their sources state them, to compare ours with.

use super::{Going, Runner, by_urgency};

/// LATE's SpeculativeCap: the part of the slots that second attempts may use.
pub(super) const LATE_SHARE: f64 = 0.1;
/// LATE's SlowTaskThreshold: one attempt in so many is slow, the 25th percentile.
const LATE_SLOW_PARTS: usize = 4;
/// LATE looks only at attempts that have run for a while; Hadoop waits for a
/// minute, where tasks take some. Ours wait as long as Spark's.
const RAN_MS_MIN: f64 = 100.0;

/// Spark 4.0, `TaskSetManager.checkSpeculatableTasks`: `quantile` 0.9,
/// `multiplier` 3, `minTaskRuntime` 100 ms.
pub(super) fn spark(runner: &Runner) -> Option<f64> {
    let ran_ms = runner.alone()?.ran_ms;
    let is_straggler = runner.level_completed as f64 >= (0.9 * runner.level_tasks as f64).floor()
        && ran_ms > (3.0 * runner.median_ms?).max(RAN_MS_MIN);
    is_straggler.then_some(ran_ms)
}

/// Cubed, `cubed/runtime/backup.py`, `should_launch_backup`: at least ten
/// tasks, half of them complete, three times the median.
pub(super) fn cubed(runner: &Runner) -> Option<f64> {
    let ran_ms = runner.alone()?.ran_ms;
    let is_straggler = runner.level_tasks >= 10
        && runner.level_completed as f64 >= runner.level_tasks as f64 * 0.5
        && ran_ms > 3.0 * runner.median_ms?;
    is_straggler.then_some(ran_ms)
}

/// LATE: of the attempts whose rate lies in the slowest quarter, the one that
/// would end last first. Its third rule, not to launch on slow nodes, needs to
/// choose the worker, which a shared queue does not allow.
pub(super) fn late(runners: &[Runner]) -> Vec<usize> {
    let rate = |going: &Going| {
        (going.ran_ms >= RAN_MS_MIN && going.fraction > 0.0).then(|| going.fraction / going.ran_ms)
    };
    let mut rates: Vec<f64> = runners.iter().filter_map(|runner| rate(&runner.first)).collect();
    rates.sort_by(f64::total_cmp);
    let slow = rates.len().div_ceil(LATE_SLOW_PARTS);
    let Some(&threshold) = rates.get(slow.saturating_sub(1)) else {
        return Vec::new();
    };
    by_urgency(runners, |runner| {
        let going = runner.alone()?;
        let rate = rate(going)?;
        (rate <= threshold).then(|| (1.0 - going.fraction) / rate)
    })
}
