//! Which attempts are stragglers: the rules.
//!
//! # Wanted
//!
//! The last tasks of a job decide when it ends. A worker that has nothing else
//! to do should take over a part of what would end last, if that makes it end
//! sooner; and no work should be done twice for it.
//!
//! # Ours ([`Rule::Resume`])
//!
//! For every attempt that is alone at its task: when will it end by itself,
//! and when with help? By itself, as its heartbeats tell; before they do, as
//! long as the usual attempt takes on so slow a worker. With help, what is left
//! goes at the pace of both, as the second attempt begins at the far end and
//! they meet; at the meeting one segment may be computed twice. Where inputs
//! cannot be sought the second goes on from the last checkpoint, at its own
//! pace; where a task is a single segment, it starts over. Helped are those
//! that end at least `multiplier` times sooner with help and save `min_ms`,
//! the one that would end last first.
//!
//! The queue is shared, so a second attempt may come to a slow worker too. A
//! task with two attempts is looked at in the same way: if it would end so much
//! sooner with another in place of the slower one, that one is stopped. What
//! it has written stays.
//!
//! # The original ([`Rule::Original`])
//!
//! When more than `quantile` of a level is complete, attempts that have run for
//! more than `multiplier` times the average duration; the second starts over.

#[cfg(feature = "sim")]
mod peers;

use protocol::request::{Speculation, SpeculationPolicy};

/// A rule that finds stragglers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// There are none.
    Never,
    /// Ours: who would end sooner with help.
    Resume,
    /// The ancestor's: who runs longer than the average by a factor.
    Original,
    /// Apache Spark 4's.
    #[cfg(feature = "sim")]
    Spark,
    /// Cubed's.
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

    /// Whether the second attempt goes on where the first has not been.
    pub(crate) fn resumes(self) -> bool {
        self == Rule::Resume
    }

    /// The part of a job's workers that second attempts may use.
    pub(crate) fn share(self, speculation: &Speculation) -> f64 {
        match self {
            #[cfg(feature = "sim")]
            Rule::Late => peers::LATE_SHARE,
            // These have no such limit.
            #[cfg(feature = "sim")]
            Rule::Spark | Rule::Cubed => 1.0,
            Rule::Never | Rule::Resume | Rule::Original => speculation.share,
        }
    }
}

/// A task underway, as its first attempt sees it. Times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Runner {
    /// How its first attempt goes.
    pub(crate) first: Going,
    /// How its second goes, if it has one.
    pub(crate) second: Option<Going>,
    /// How many tasks its level has.
    pub(crate) level_tasks: u64,
    /// How many of them are complete.
    pub(crate) level_completed: u64,
    /// The average duration of its level's attempts, if there is one.
    pub(crate) mean_ms: Option<f64>,
    /// The median of the same.
    pub(crate) median_ms: Option<f64>,
    /// How many segments it has.
    pub(crate) segments: u64,
    /// Whether a second attempt can begin at the far end.
    pub(crate) seekable: bool,
}

/// How one attempt goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Going {
    /// How long it has run.
    pub(crate) ran_ms: f64,
    /// The part of its task that is probably done, 0 to 1.
    pub(crate) fraction: f64,
    /// How long it takes still, as its heartbeats tell, if they do.
    pub(crate) left_ms: Option<f64>,
    /// How many times the usual duration its worker's attempts take.
    pub(crate) slowness: f64,
}

/// The stragglers among these, by their index, the most urgent first.
pub(crate) fn stragglers(rule: Rule, terms: &Speculation, runners: &[Runner]) -> Vec<usize> {
    match rule {
        Rule::Never => Vec::new(),
        Rule::Resume => by_urgency(runners, |runner| would_be_helped(terms, runner)),
        Rule::Original => by_urgency(runners, |runner| {
            let quorum = terms.quantile * runner.level_tasks as f64;
            let limit_ms = (terms.multiplier * runner.mean_ms?).max(terms.min_ms as f64);
            let ran_ms = runner.alone()?.ran_ms;
            let is_straggler = runner.level_completed as f64 > quorum && ran_ms > limit_ms;
            is_straggler.then_some(ran_ms)
        }),
        #[cfg(feature = "sim")]
        Rule::Spark => by_urgency(runners, peers::spark),
        #[cfg(feature = "sim")]
        Rule::Cubed => by_urgency(runners, peers::cubed),
        #[cfg(feature = "sim")]
        Rule::Late => peers::late(runners),
    }
}

/// The indices of those with an urgency, the greatest first, equals in order.
fn by_urgency(runners: &[Runner], urgency: impl Fn(&Runner) -> Option<f64>) -> Vec<usize> {
    let mut chosen: Vec<(usize, f64)> = runners
        .iter()
        .enumerate()
        .filter_map(|(index, runner)| Some((index, urgency(runner)?)))
        .collect();
    chosen.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    chosen.into_iter().map(|(index, _)| index).collect()
}

/// How long a task takes still, if help would shorten that enough.
fn would_be_helped(terms: &Speculation, runner: &Runner) -> Option<f64> {
    let now_ms = runner.left_ms()?;
    let helped_ms = runner.helped_ms(now_ms);
    let is_worth_it =
        now_ms > terms.multiplier * helped_ms && now_ms - helped_ms > terms.min_ms as f64;
    is_worth_it.then_some(now_ms)
}

impl Runner {
    /// The first attempt, if there is no second.
    fn alone(&self) -> Option<&Going> {
        self.second.is_none().then_some(&self.first)
    }

    /// Whether the second attempt is slower than the first.
    pub(crate) fn second_is_slower(&self) -> bool {
        let left_ms = |going: &Going| going.left_ms(self.median_ms).unwrap_or(0.0);
        let second = self.second.as_ref();
        second.is_some_and(|second| left_ms(second) >= left_ms(&self.first))
    }

    /// Whether two attempts share the work, as each begins at another end.
    fn is_shared(&self) -> bool {
        self.seekable && self.segments > 1
    }

    /// The part that is not done, as far as anybody knows.
    fn left(&self) -> f64 {
        let second = self.second.map_or(0.0, |second| second.fraction);
        1.0 - self.first.fraction.max(second).clamp(0.0, 0.999)
    }

    /// How long it takes still, with the attempts that it has.
    fn left_ms(&self) -> Option<f64> {
        let first_ms = self.first.left_ms(self.median_ms)?;
        let Some(second) = &self.second else {
            return Some(first_ms);
        };
        let second_ms = second.left_ms(self.median_ms)?;
        Some(if self.is_shared() {
            1.0 / (1.0 / first_ms + 1.0 / second_ms)
        } else {
            first_ms.min(second_ms)
        })
    }

    /// How long it would take still if the one attempt got company, or the
    /// slower of two were replaced, by one of the usual pace.
    fn helped_ms(&self, now_ms: f64) -> f64 {
        let left = self.left();
        let stays_ms = match &self.second {
            None => Some(now_ms),
            Some(second) => {
                let first_ms = self.first.left_ms(self.median_ms);
                let second_ms = second.left_ms(self.median_ms);
                first_ms.zip(second_ms).map(|(first, second)| first.min(second))
            }
        };
        let stays_ms = stays_ms.unwrap_or(now_ms);
        // Before any attempt has ended, this one is the best example there is.
        let usual_ms = self.median_ms.unwrap_or(stays_ms / left);
        let segment_ms = usual_ms / self.segments.max(1) as f64;
        if self.segments <= 1 {
            usual_ms
        } else if self.seekable {
            // At the meeting, one segment may be computed by both.
            left / (left / stays_ms + 1.0 / usual_ms) + segment_ms
        } else {
            left * usual_ms + segment_ms
        }
    }
}

impl Going {
    /// How long it takes still if it is left alone.
    fn left_ms(&self, median_ms: Option<f64>) -> Option<f64> {
        if let Some(left_ms) = self.left_ms {
            return Some(left_ms.max(1.0));
        }
        let expected_ms = median_ms? * self.slowness;
        // Past what was expected, the longer it has run the longer it will run.
        Some((expected_ms - self.ran_ms).max(self.ran_ms / 2.0).max(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn going(ran_ms: f64, fraction: f64) -> Going {
        let left_ms = (fraction > 0.0).then(|| ran_ms * (1.0 - fraction) / fraction);
        Going { ran_ms, fraction, left_ms, slowness: 1.0 }
    }

    fn runner(first: Going) -> Runner {
        Runner {
            first,
            second: None,
            level_tasks: 100,
            level_completed: 90,
            mean_ms: Some(1_000.0),
            median_ms: Some(1_000.0),
            segments: 8,
            seekable: true,
        }
    }

    fn is_helped(runner: Runner) -> bool {
        !stragglers(Rule::Resume, &Speculation::default(), &[runner]).is_empty()
    }

    #[test]
    fn a_slow_rate_is_seen_before_the_time_is_up() {
        assert!(is_helped(runner(going(500.0, 0.05))));
    }

    #[test]
    fn who_is_nearly_done_is_left_alone() {
        assert!(!is_helped(runner(going(7_000.0, 0.98))));
        assert!(!is_helped(runner(going(900.0, 0.9))));
    }

    #[test]
    fn a_worker_known_to_be_slow_is_helped_before_its_first_heartbeat() {
        let unheard = Going { slowness: 8.0, ..going(10.0, 0.0) };
        assert!(is_helped(runner(unheard)));
        assert!(!is_helped(Runner { segments: 1, ..runner(going(10.0, 0.0)) }));
    }

    #[test]
    fn a_task_of_one_segment_is_started_over_only_if_that_is_sooner() {
        let single = |first| Runner { segments: 1, ..runner(first) };
        assert!(is_helped(single(going(1_000.0, 0.125))));
        assert!(!is_helped(single(going(1_000.0, 0.5))));
    }

    #[test]
    fn a_healthy_attempt_is_shared_if_much_is_left_and_it_can_be() {
        let first = || going(100.0, 0.1);
        assert!(is_helped(runner(first())));
        assert!(!is_helped(Runner { seekable: false, ..runner(first()) }));
    }

    #[test]
    fn of_two_slow_attempts_the_slower_is_replaced_but_not_of_two_healthy_ones() {
        let pair = |first, second| Runner { second: Some(second), ..runner(first) };
        let slow = pair(going(2_000.0, 0.1), going(1_000.0, 0.02));
        assert!(is_helped(slow));
        assert!(slow.second_is_slower());
        let healthy = pair(going(200.0, 0.2), going(100.0, 0.2));
        assert!(!is_helped(healthy));
        assert!(!healthy.second_is_slower());
    }

    #[test]
    fn who_ends_last_comes_first() {
        let runners = [0.3, 0.1, 0.2].map(|fraction| runner(going(3_000.0, fraction)));
        assert_eq!(stragglers(Rule::Resume, &Speculation::default(), &runners), [1, 2, 0]);
    }

    #[test]
    fn the_original_rule_asks_for_the_quantile_and_the_multiple_of_the_average() {
        let original = |completed, ran_ms| {
            let runner = Runner { level_completed: completed, ..runner(going(ran_ms, 0.5)) };
            !stragglers(Rule::Original, &Speculation::default(), &[runner]).is_empty()
        };
        assert!(original(76, 1_201.0));
        assert!(!original(75, 1_201.0));
        assert!(!original(76, 1_200.0));
    }
}
