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
//! # The original ([`Rule::Original`])
//!
//! When more than `quantile` of a level is complete, attempts that have run for
//! more than `multiplier` times the average duration; the second starts over.

#[cfg(feature = "sim")]
mod peers;

use protocol::job::{Speculation, SpeculationPolicy};

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

/// An attempt that is alone at its task. Times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Runner {
    /// How long it has run.
    pub(crate) ran_ms: f64,
    /// The part of its task that is probably done, 0 to 1.
    pub(crate) fraction: f64,
    /// How long it takes still, as its heartbeats tell, if they do.
    pub(crate) left_ms: Option<f64>,
    /// How many times the usual duration its worker's attempts take.
    pub(crate) slowness: f64,
    /// How many tasks its level has.
    pub(crate) level_tasks: u64,
    /// How many of them are complete.
    pub(crate) level_completed: u64,
    /// The average duration of its level's attempts, if there is one.
    pub(crate) mean_ms: Option<f64>,
    /// The median of the same.
    pub(crate) median_ms: Option<f64>,
    /// How many segments its task has.
    pub(crate) segments: u64,
    /// Whether a second attempt can begin at the far end.
    pub(crate) seekable: bool,
}

/// The stragglers among these, by their index, the most urgent first.
pub(crate) fn stragglers(rule: Rule, terms: &Speculation, runners: &[Runner]) -> Vec<usize> {
    match rule {
        Rule::Never => Vec::new(),
        Rule::Resume => by_urgency(runners, |runner| would_be_helped(terms, runner)),
        Rule::Original => by_urgency(runners, |runner| {
            let quorum = terms.quantile * runner.level_tasks as f64;
            let limit_ms = (terms.multiplier * runner.mean_ms?).max(terms.min_ms as f64);
            let is_straggler = runner.level_completed as f64 > quorum && runner.ran_ms > limit_ms;
            is_straggler.then_some(runner.ran_ms)
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

/// How long an attempt takes still, if help would shorten that enough.
fn would_be_helped(terms: &Speculation, runner: &Runner) -> Option<f64> {
    let alone_ms = left_alone_ms(runner)?;
    let left = 1.0 - runner.fraction.clamp(0.0, 0.999);
    // What one like the others would take for the whole task. Before any has
    // ended, the attempt itself is the best example there is.
    let usual_ms = runner.median_ms.unwrap_or(alone_ms / left);
    let segment = 1.0 / runner.segments.max(1) as f64;
    let helped_ms = if runner.segments <= 1 {
        usual_ms
    } else if runner.seekable {
        let both = left / alone_ms + 1.0 / usual_ms;
        (left / both + segment * usual_ms).min(alone_ms)
    } else {
        (left + segment) * usual_ms
    };
    let is_worth_it =
        alone_ms > terms.multiplier * helped_ms && alone_ms - helped_ms > terms.min_ms as f64;
    is_worth_it.then_some(alone_ms)
}

/// How long an attempt takes still if it is left alone.
fn left_alone_ms(runner: &Runner) -> Option<f64> {
    if let Some(left_ms) = runner.left_ms {
        return Some(left_ms.max(1.0));
    }
    let expected_ms = runner.median_ms? * runner.slowness;
    // Past what was expected, the longer it has run the longer it will run.
    Some((expected_ms - runner.ran_ms).max(runner.ran_ms / 2.0).max(1.0))
}
