//! The rules of other systems, implemented from their sources, for comparison.

use super::{AttemptEstimate, RunningTask, by_urgency};

/// LATE's SpeculativeCap: the fraction of the slots for speculative attempts.
pub(super) const LATE_SPECULATIVE_FRACTION: f64 = 0.1;
/// LATE's SlowTaskThreshold, the 25th percentile of the rates: one attempt in
/// four is slow.
const LATE_SLOW_DIVISOR: usize = 4;
/// Minimum run time of a straggler. Spark uses 100 ms. Hadoop's LATE uses a
/// minute, which is too long for short tasks.
const RUNNING_MS_MIN: f64 = 100.0;

/// Spark 4.0, `TaskSetManager.checkSpeculatableTasks`: `quantile` 0.9,
/// `multiplier` 3, `minTaskRuntime` 100 ms; with the efficiency check, which is on by
/// default since 3.4: `processRateMultiplier` 0.75, `longRunTaskFactor` 2. An attempt at a
/// task processes at the rate of its completed fraction. Of one that has reported none yet
/// the rate is 0.
pub(super) fn spark(task: &RunningTask) -> Option<f64> {
    let attempt = task.only_attempt()?;
    let ran_ms = attempt.ran_ms;
    let threshold_ms = (3.0 * task.median_ms?).max(RUNNING_MS_MIN);
    let is_long = ran_ms > 2.0 * threshold_ms;
    let is_inefficient = attempt.fraction / ran_ms < 0.75 * task.mean_rate?;
    let is_straggler = task.level_completed as f64 >= (0.9 * task.level_tasks as f64).floor()
        && ran_ms > threshold_ms
        && (is_long || is_inefficient);
    is_straggler.then_some(ran_ms)
}

/// Cubed, `cubed/runtime/backup.py`, `should_launch_backup`: at least ten
/// tasks, half of them complete, three times the median.
pub(super) fn cubed(task: &RunningTask) -> Option<f64> {
    let ran_ms = task.only_attempt()?.ran_ms;
    let is_straggler = task.level_tasks >= 10
        && task.level_completed as f64 >= task.level_tasks as f64 * 0.5
        && ran_ms > 3.0 * task.median_ms?;
    is_straggler.then_some(ran_ms)
}

/// LATE: among the attempts whose rate is in the slowest quarter, the one with the
/// longest remaining time comes first. The rule not to launch on slow nodes is left
/// out, because a shared queue cannot choose the worker.
pub(super) fn late(tasks: &[RunningTask]) -> Vec<usize> {
    let rate = |estimate: &AttemptEstimate| {
        (estimate.ran_ms >= RUNNING_MS_MIN && estimate.fraction > 0.0)
            .then(|| estimate.fraction / estimate.ran_ms)
    };
    let mut rates: Vec<f64> = tasks.iter().filter_map(|task| rate(&task.first)).collect();
    rates.sort_by(f64::total_cmp);
    let slow = rates.len().div_ceil(LATE_SLOW_DIVISOR);
    let Some(&threshold) = rates.get(slow.saturating_sub(1)) else {
        return Vec::new();
    };
    by_urgency(tasks, |task| {
        let estimate = task.only_attempt()?;
        let rate = rate(estimate)?;
        (rate <= threshold).then(|| (1.0 - estimate.fraction) / rate)
    })
}
