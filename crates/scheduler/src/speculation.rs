//! Speculation: the rules that detect stragglers.
//!
//! # Goals
//!
//! The slowest tasks determine when a job ends. An idle worker should take over
//! part of such a task if the task then ends sooner. No work should be duplicated.
//!
//! # Resume ([`Rule::Resume`])
//!
//! For every task with one attempt, the rule estimates two remaining times:
//!
//! - Without a speculative attempt: from the rate of the heartbeats. Before the
//!   first heartbeats: the median duration times the slowness of the worker.
//! - With a speculative attempt: the remaining fraction at the combined rate of
//!   both attempts. The speculative attempt starts at the other end of the
//!   columns, and the two meet; one segment may be computed twice. If the inputs
//!   are not seekable, the speculative attempt resumes from the last finished
//!   segment at its own rate. If the task has one segment, it starts over.
//!
//! A task is a straggler if a speculative attempt ends it at least `multiplier`
//! times sooner and saves at least `min_ms`. The task with the longest remaining
//! time is served first.
//!
//! The queue is shared, so a speculative attempt may be delivered to a slow worker
//! too. A task with two attempts is judged by the same criterion: if replacing the
//! slower attempt ends the task enough sooner, that attempt is stopped. Its
//! segments stay in the store.
//!
//! # Original ([`Rule::Original`])
//!
//! Once more than `quantile` of a level is complete, an attempt is a straggler if
//! it has run for more than `multiplier` times the mean duration and at least
//! `min_ms`. The speculative attempt starts over.

#[cfg(feature = "sim")]
mod peers;

use protocol::request::{Speculation, SpeculationPolicy};

/// A rule that detects stragglers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// No speculation.
    Never,
    /// Tasks that a speculative attempt would end sooner. The default.
    Resume,
    /// Attempts that run longer than a multiple of the mean duration.
    Original,
    /// The rule of Apache Spark 4.
    #[cfg(feature = "sim")]
    Spark,
    /// The rule of Cubed.
    #[cfg(feature = "sim")]
    Cubed,
    /// LATE, "longest approximate time to end" (Zaharia et al., OSDI 2008).
    #[cfg(feature = "sim")]
    Late,
}

impl Rule {
    /// The rule that a job has chosen.
    #[must_use]
    pub fn of(speculation: &Speculation) -> Rule {
        match speculation.policy {
            _ if !speculation.enabled => Rule::Never,
            SpeculationPolicy::Resume => Rule::Resume,
            SpeculationPolicy::Original => Rule::Original,
        }
    }

    /// Whether a speculative attempt reuses the segments of the first one.
    pub(crate) fn resumes(self) -> bool {
        self == Rule::Resume
    }

    /// Maximum fraction of a job's W used by speculative attempts, 0 to 1.
    pub(crate) fn speculative_fraction(self, speculation: &Speculation) -> f64 {
        match self {
            #[cfg(feature = "sim")]
            Rule::Late => peers::LATE_SPECULATIVE_FRACTION,
            // These rules have no limit.
            #[cfg(feature = "sim")]
            Rule::Spark | Rule::Cubed => 1.0,
            Rule::Never | Rule::Resume | Rule::Original => speculation.share,
        }
    }
}

/// A task whose live attempts are all running. Times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunningTask {
    /// The older attempt.
    pub(crate) first: AttemptEstimate,
    /// The newer attempt; `None` if there is one attempt.
    pub(crate) second: Option<AttemptEstimate>,
    /// Number of tasks of its level.
    pub(crate) level_tasks: u64,
    /// Number of complete tasks of its level.
    pub(crate) level_completed: u64,
    /// Mean duration of its level's completed attempts; `None` if there are none.
    pub(crate) mean_ms: Option<f64>,
    /// Median duration of its level's completed attempts; `None` if there are none.
    pub(crate) median_ms: Option<f64>,
    /// Mean rate of its level's completed attempts, in tasks per millisecond; `None` if there
    /// are none.
    #[cfg(feature = "sim")]
    pub(crate) mean_rate: Option<f64>,
    /// Number of segments; 1 if unknown.
    pub(crate) segments: u64,
    /// Whether a speculative attempt can start at the other end of the columns.
    pub(crate) seekable: bool,
}

/// The progress of a running attempt, as far as the heartbeats show it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttemptEstimate {
    /// Run time so far.
    pub(crate) ran_ms: f64,
    /// Estimated completed fraction of its task, 0 to 1.
    pub(crate) fraction: f64,
    /// Remaining time by the rate of its heartbeats; `None` if the rate is unknown.
    pub(crate) remaining_ms: Option<f64>,
    /// Duration of its worker's attempts relative to the median; 1 is the median.
    pub(crate) slowness: f64,
}

/// The indices of the stragglers, the most urgent first.
pub(crate) fn stragglers(rule: Rule, terms: &Speculation, tasks: &[RunningTask]) -> Vec<usize> {
    match rule {
        Rule::Never => Vec::new(),
        Rule::Resume => by_urgency(tasks, |task| resume_urgency(terms, task)),
        Rule::Original => by_urgency(tasks, |task| {
            let quorum = terms.quantile * task.level_tasks as f64;
            let limit_ms = (terms.multiplier * task.mean_ms?).max(terms.min_ms as f64);
            let ran_ms = task.only_attempt()?.ran_ms;
            let is_straggler = task.level_completed as f64 > quorum && ran_ms > limit_ms;
            is_straggler.then_some(ran_ms)
        }),
        #[cfg(feature = "sim")]
        Rule::Spark => by_urgency(tasks, peers::spark),
        #[cfg(feature = "sim")]
        Rule::Cubed => by_urgency(tasks, peers::cubed),
        #[cfg(feature = "sim")]
        Rule::Late => peers::late(tasks),
    }
}

/// The indices of the tasks with an urgency, in descending order of urgency. The
/// sort is stable.
fn by_urgency(tasks: &[RunningTask], urgency: impl Fn(&RunningTask) -> Option<f64>) -> Vec<usize> {
    let mut chosen: Vec<(usize, f64)> = tasks
        .iter()
        .enumerate()
        .filter_map(|(index, task)| Some((index, urgency(task)?)))
        .collect();
    chosen.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    chosen.into_iter().map(|(index, _)| index).collect()
}

/// The remaining time of a task; `None` if a speculative attempt does not shorten
/// it enough.
fn resume_urgency(terms: &Speculation, task: &RunningTask) -> Option<f64> {
    let now_ms = task.remaining_ms()?;
    let remaining_with_speculation_ms = task.remaining_with_speculation_ms(now_ms);
    let is_worthwhile = now_ms > terms.multiplier * remaining_with_speculation_ms
        && now_ms - remaining_with_speculation_ms > terms.min_ms as f64;
    is_worthwhile.then_some(now_ms)
}

impl RunningTask {
    /// The attempt of a task that has only one.
    fn only_attempt(&self) -> Option<&AttemptEstimate> {
        self.second.is_none().then_some(&self.first)
    }

    /// Whether the second attempt is at least as slow as the first.
    pub(crate) fn second_is_slower(&self) -> bool {
        let remaining_ms =
            |estimate: &AttemptEstimate| estimate.remaining_ms(self.median_ms).unwrap_or(0.0);
        let second = self.second.as_ref();
        second.is_some_and(|second| remaining_ms(second) >= remaining_ms(&self.first))
    }

    /// Whether two attempts split the task by starting at opposite ends.
    fn is_split(&self) -> bool {
        self.seekable && self.segments > 1
    }

    /// The remaining fraction, above 0 and up to 1.
    fn remaining_fraction(&self) -> f64 {
        let second = self.second.map_or(0.0, |second| second.fraction);
        1.0 - self.first.fraction.max(second).clamp(0.0, 0.999)
    }

    /// The remaining time with the current attempts; `None` if unknown.
    fn remaining_ms(&self) -> Option<f64> {
        let first_ms = self.first.remaining_ms(self.median_ms)?;
        let Some(second) = &self.second else {
            return Some(first_ms);
        };
        let second_ms = second.remaining_ms(self.median_ms)?;
        Some(if self.is_split() {
            1.0 / (1.0 / first_ms + 1.0 / second_ms)
        } else {
            first_ms.min(second_ms)
        })
    }

    /// The remaining time if an attempt of median speed were added, or if it
    /// replaced the slower of two attempts.
    fn remaining_with_speculation_ms(&self, now_ms: f64) -> f64 {
        let remaining = self.remaining_fraction();
        let faster_ms = match &self.second {
            None => Some(now_ms),
            Some(second) => {
                let first_ms = self.first.remaining_ms(self.median_ms);
                let second_ms = second.remaining_ms(self.median_ms);
                first_ms.zip(second_ms).map(|(first, second)| first.min(second))
            }
        };
        let faster_ms = faster_ms.unwrap_or(now_ms);
        // Without completed attempts, assume that this one is typical.
        let median_ms = self.median_ms.unwrap_or(faster_ms / remaining);
        let segment_ms = median_ms / self.segments.max(1) as f64;
        if self.segments <= 1 {
            median_ms
        } else if self.seekable {
            // Both attempts may compute the segment where they meet.
            remaining / (remaining / faster_ms + 1.0 / median_ms) + segment_ms
        } else {
            remaining * median_ms + segment_ms
        }
    }
}

impl AttemptEstimate {
    /// The remaining time of this attempt alone; `None` if unknown.
    fn remaining_ms(&self, median_ms: Option<f64>) -> Option<f64> {
        if let Some(remaining_ms) = self.remaining_ms {
            return Some(remaining_ms.max(1.0));
        }
        let expected_ms = median_ms? * self.slowness;
        // Past the expected duration, the remaining time grows with the run time.
        Some((expected_ms - self.ran_ms).max(self.ran_ms / 2.0).max(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(ran_ms: f64, fraction: f64) -> AttemptEstimate {
        let remaining_ms = (fraction > 0.0).then(|| ran_ms * (1.0 - fraction) / fraction);
        AttemptEstimate { ran_ms, fraction, remaining_ms, slowness: 1.0 }
    }

    fn task(first: AttemptEstimate) -> RunningTask {
        RunningTask {
            first,
            second: None,
            level_tasks: 100,
            level_completed: 90,
            mean_ms: Some(1_000.0),
            median_ms: Some(1_000.0),
            #[cfg(feature = "sim")]
            mean_rate: Some(0.001),
            segments: 8,
            seekable: true,
        }
    }

    fn is_straggler(task: RunningTask) -> bool {
        !stragglers(Rule::Resume, &Speculation::default(), &[task]).is_empty()
    }

    #[test]
    fn a_slow_rate_is_detected_before_the_median_duration_has_passed() {
        assert!(is_straggler(task(estimate(500.0, 0.05))));
    }

    #[test]
    fn a_nearly_complete_attempt_is_no_straggler() {
        assert!(!is_straggler(task(estimate(7_000.0, 0.98))));
        assert!(!is_straggler(task(estimate(900.0, 0.9))));
    }

    #[test]
    fn an_attempt_on_a_slow_worker_is_a_straggler_before_its_first_heartbeat() {
        let no_heartbeat = AttemptEstimate { slowness: 8.0, ..estimate(10.0, 0.0) };
        assert!(is_straggler(task(no_heartbeat)));
        assert!(!is_straggler(RunningTask { segments: 1, ..task(estimate(10.0, 0.0)) }));
    }

    #[test]
    fn a_task_of_one_segment_starts_over_only_if_that_is_sooner() {
        let single = |first| RunningTask { segments: 1, ..task(first) };
        assert!(is_straggler(single(estimate(1_000.0, 0.125))));
        assert!(!is_straggler(single(estimate(1_000.0, 0.5))));
    }

    #[test]
    fn a_healthy_attempt_is_split_if_it_is_seekable_and_much_remains() {
        let first = || estimate(100.0, 0.1);
        assert!(is_straggler(task(first())));
        assert!(!is_straggler(RunningTask { seekable: false, ..task(first()) }));
    }

    #[test]
    fn the_slower_of_two_slow_attempts_is_replaced_but_not_of_two_healthy_ones() {
        let pair = |first, second| RunningTask { second: Some(second), ..task(first) };
        let slow = pair(estimate(2_000.0, 0.1), estimate(1_000.0, 0.02));
        assert!(is_straggler(slow));
        assert!(slow.second_is_slower());
        let healthy = pair(estimate(200.0, 0.2), estimate(100.0, 0.2));
        assert!(!is_straggler(healthy));
        assert!(!healthy.second_is_slower());
    }

    #[test]
    fn the_longest_remaining_time_comes_first() {
        let tasks = [0.3, 0.1, 0.2].map(|fraction| task(estimate(3_000.0, fraction)));
        assert_eq!(stragglers(Rule::Resume, &Speculation::default(), &tasks), [1, 2, 0]);
    }

    #[cfg(feature = "sim")]
    #[test]
    fn sparks_rule_spares_an_attempt_that_is_long_but_efficient() {
        let spark = |ran_ms, fraction| {
            let task = task(AttemptEstimate { fraction, ..estimate(ran_ms, 0.5) });
            !stragglers(Rule::Spark, &Speculation::default(), &[task]).is_empty()
        };
        assert!(!spark(2_900.0, 0.1), "not long enough");
        assert!(spark(3_100.0, 0.1));
        assert!(!spark(3_100.0, 2.4), "it does more than others in the same time");
        assert!(spark(6_100.0, 4.9), "far too long");
    }

    #[test]
    fn the_original_rule_requires_the_quantile_and_the_multiple_of_the_mean() {
        let original = |completed, ran_ms| {
            let task = RunningTask { level_completed: completed, ..task(estimate(ran_ms, 0.5)) };
            !stragglers(Rule::Original, &Speculation::default(), &[task]).is_empty()
        };
        assert!(original(76, 1_201.0));
        assert!(!original(75, 1_201.0));
        assert!(!original(76, 1_200.0));
    }
}
