//! How long jobs take, compared with what was calculated for them.
//!
//! The cost model was measured on one kind of machine, with an optimized program and
//! nothing else running. The latest jobs of the server tell how far it is off here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::plan::Estimate;
use protocol::{JobSnapshot, Phase};

/// How many jobs are remembered.
const REMEMBERED: usize = 32;
/// How many of them, the most similar ones, an estimate follows.
const SIMILAR: usize = 3;
/// The bounds of a factor: what is outside was not the work of the job.
const FACTOR_MIN: f64 = 0.05;
const FACTOR_MAX: f64 = 1_000.0;

/// How long the latest jobs took, compared with what was calculated for them.
#[derive(Clone, Debug, Default)]
pub struct Pace(Arc<Mutex<VecDeque<Past>>>);

/// A job that is done.
#[derive(Clone, Copy, Debug)]
struct Past {
    calculated_ms: f64,
    factor: f64,
}

impl Pace {
    /// Remembers a job that is over, if its duration says something about others: it is
    /// done, and was neither paced, nor interrupted or resumed.
    pub fn learn(&self, job: &JobSnapshot) {
        let is_plain = job.phase == Phase::Done
            && !job.request.paced
            && job.restarts.is_empty()
            && job.resumes.is_empty();
        let calculated_ms = job.plan.as_ref().and_then(|plan| plan.estimate.calculated_ms());
        let times = job.timings.running_at.zip(job.timings.ended_at);
        let Some((calculated_ms, (running_at, ended_at))) = calculated_ms.zip(times) else {
            return;
        };
        if is_plain {
            let calculated_ms = calculated_ms.max(1.0);
            let took_ms = ended_at.millis_since(running_at).max(1) as f64;
            let factor = (took_ms / calculated_ms).clamp(FACTOR_MIN, FACTOR_MAX);
            let mut past = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            past.truncate(REMEMBERED - 1);
            past.push_front(Past { calculated_ms, factor });
        }
    }

    /// Corrects the duration of an estimate by what similar jobs took.
    pub fn correct(&self, estimate: &mut Estimate) {
        let Some(calculated_ms) = estimate.calculated_ms() else { return };
        let Some(factor) = self.factor(calculated_ms) else { return };
        let duration_ms = (calculated_ms.max(1.0) * factor).ceil();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and too large a number becomes the largest"
        )]
        let duration_ms = duration_ms as u64;
        estimate.duration_ms = Some(duration_ms);
        estimate.learned_factor = Some(factor);
    }

    /// The median factor of the jobs whose calculated duration is most like this one.
    fn factor(&self, calculated_ms: f64) -> Option<f64> {
        let past = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let distance = |it: &Past| (it.calculated_ms / calculated_ms.max(1.0)).ln().abs();
        let mut similar: Vec<Past> = past.iter().copied().collect();
        // Stable: of equally similar jobs, the latest count.
        similar.sort_by(|one, other| distance(one).total_cmp(&distance(other)));
        similar.truncate(SIMILAR);
        similar.sort_by(|one, other| one.factor.total_cmp(&other.factor));
        similar.get(similar.len() / 2).map(|it| it.factor)
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Inputs, JobId, JobRequest, Plan, Timestamp};

    use super::*;

    /// A job for which a duration was calculated, and that took another.
    fn job(calculated_ms: u64, took_ms: u64) -> JobSnapshot {
        let at = Timestamp::from_millis(1);
        let request = JobRequest::new(Inputs::Prefix("in/".to_owned()));
        let mut job = JobSnapshot::submitted(JobId::from_parts(at, 1), request, 1, at);
        let estimate = Estimate { duration_ms: Some(calculated_ms), ..Estimate::default() };
        job.plan = Some(Plan {
            objects: 1,
            columns: Some(1),
            fan_in: 2,
            segment_columns: 1024,
            partial_column_bytes: 16,
            levels: Vec::new(),
            estimate,
        });
        job.phase = Phase::Done;
        job.timings.running_at = Some(at);
        job.timings.ended_at = Some(at.plus_millis(took_ms));
        job
    }

    fn corrected(pace: &Pace, calculated_ms: u64) -> Option<u64> {
        let mut estimate = Estimate { duration_ms: Some(calculated_ms), ..Estimate::default() };
        pace.correct(&mut estimate);
        estimate.duration_ms
    }

    #[test]
    fn an_estimate_follows_the_jobs_that_are_most_like_it() {
        let pace = Pace::default();
        assert_eq!(corrected(&pace, 14), Some(14), "nothing is known yet");
        for took_ms in [540, 560, 9_000] {
            pace.learn(&job(14, took_ms));
        }
        assert_eq!(corrected(&pace, 14), Some(560), "the median");
        for _ in 0..3 {
            pace.learn(&job(60_000, 90_000));
        }
        assert_eq!(corrected(&pace, 14), Some(560));
        assert_eq!(corrected(&pace, 50_000), Some(75_000));
        // A corrected estimate teaches by what was calculated.
        let mut estimate = Estimate { duration_ms: Some(14), ..Estimate::default() };
        pace.correct(&mut estimate);
        let mut next = job(14, 560);
        next.plan.as_mut().unwrap().estimate = estimate;
        pace.learn(&next);
        assert_eq!(corrected(&pace, 14), Some(560));
    }

    #[test]
    fn only_jobs_that_ran_through_teach_and_the_latest_count() {
        let pace = Pace::default();
        let plain = job(10, 1_000);
        let failed = JobSnapshot { phase: Phase::Failed, ..plain.clone() };
        let resumed = JobSnapshot { resumes: vec![Timestamp::from_millis(5)], ..plain.clone() };
        let mut paced = plain.clone();
        paced.request.paced = true;
        let unplanned = JobSnapshot { plan: None, ..plain.clone() };
        for other in [failed, resumed, paced, unplanned] {
            pace.learn(&other);
        }
        assert_eq!(corrected(&pace, 10), Some(10));
        for _ in 0..2 * REMEMBERED {
            pace.learn(&plain);
        }
        for _ in 0..REMEMBERED {
            pace.learn(&job(10, 20));
        }
        assert_eq!(corrected(&pace, 10), Some(20), "the old ones are forgotten");
    }
}
