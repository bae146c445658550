//! The phases of a job as steps of a timeline.

use protocol::job::Timings;
use protocol::{Phase, Timestamp};

/// The phases of a successful job.
pub const STEPS: [Phase; 5] =
    [Phase::Listing, Phase::Planning, Phase::Running, Phase::Finishing, Phase::Done];

/// The state of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepState {
    /// The job has left the phase.
    Past,
    /// The job is in the phase.
    Now,
    /// The job failed or was cancelled in the phase; it holds which.
    Ended(Phase),
    /// The job has not reached the phase, or never did.
    Ahead,
}

impl StepState {
    /// The name of the state in `data-state`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            StepState::Past => "past",
            StepState::Now => "now",
            StepState::Ended(phase) => phase.word(),
            StepState::Ahead => "ahead",
        }
    }
}

/// A step of the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The state of the step.
    pub state: StepState,
    /// The duration of the phase in milliseconds, so far or in total; for
    /// [`Phase::Done`], the duration of the whole job. `None` if not reached.
    pub took_ms: Option<u64>,
}

/// The step of `phase`, for a job that is in the phase `is_in`.
#[must_use]
pub fn step(phase: Phase, is_in: Phase, timings: &Timings, now: Timestamp) -> Step {
    let entered = [
        Some(timings.submitted_at),
        timings.planning_at,
        timings.running_at,
        timings.finishing_at,
        timings.ended_at.filter(|_| is_in == Phase::Done),
    ];
    let index = STEPS.iter().position(|step| *step == phase).unwrap_or(0);
    let last_entered = entered.iter().rposition(Option::is_some).unwrap_or(0);
    let state = if is_in == Phase::Done || index < last_entered {
        StepState::Past
    } else if index > last_entered {
        StepState::Ahead
    } else if is_in.is_over() {
        StepState::Ended(is_in)
    } else {
        StepState::Now
    };
    let took_ms = match (phase, entered[index]) {
        (_, None) => None,
        (Phase::Done, Some(ended_at)) => Some(ended_at.millis_since(timings.submitted_at)),
        (_, Some(start)) => {
            let next = entered[index + 1..].iter().find_map(|entered| *entered);
            let running = || now.millis_since(start) / 1000 * 1000;
            Some(next.or(timings.ended_at).map_or_else(running, |end| end.millis_since(start)))
        }
    };
    Step { state, took_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn states(is_in: Phase, timings: &Timings) -> [&'static str; 5] {
        STEPS.map(|phase| step(phase, is_in, timings, at(60_500)).state.word())
    }

    #[test]
    fn a_running_job_has_left_the_phases_before() {
        let timings = Timings {
            submitted_at: at(1_000),
            planning_at: Some(at(1_200)),
            running_at: Some(at(2_000)),
            ..Timings::default()
        };
        assert_eq!(states(Phase::Running, &timings), ["past", "past", "now", "ahead", "ahead"]);
        let took = STEPS.map(|phase| step(phase, Phase::Running, &timings, at(60_500)).took_ms);
        assert_eq!(took, [Some(200), Some(800), Some(58_000), None, None]);
    }

    #[test]
    fn a_done_job_has_left_all_phases_and_shows_its_duration() {
        let timings = Timings {
            submitted_at: at(1_000),
            planning_at: Some(at(1_200)),
            running_at: Some(at(2_000)),
            finishing_at: Some(at(5_000)),
            ended_at: Some(at(5_500)),
        };
        assert_eq!(states(Phase::Done, &timings), ["past"; 5]);
        let took = |phase| step(phase, Phase::Done, &timings, at(60_500)).took_ms;
        assert_eq!(took(Phase::Finishing), Some(500));
        assert_eq!(took(Phase::Done), Some(4_500));
    }

    #[test]
    fn a_failed_job_shows_the_phase_in_which_it_failed() {
        let timings = Timings {
            submitted_at: at(1_000),
            planning_at: Some(at(1_200)),
            ended_at: Some(at(1_700)),
            ..Timings::default()
        };
        assert_eq!(states(Phase::Failed, &timings), ["past", "failed", "ahead", "ahead", "ahead"]);
        let planning = step(Phase::Planning, Phase::Failed, &timings, at(60_500));
        assert_eq!(planning.took_ms, Some(500));
    }

    #[test]
    fn a_job_cancelled_at_once_was_cancelled_while_listing() {
        let timings =
            Timings { submitted_at: at(1_000), ended_at: Some(at(1_001)), ..Timings::default() };
        assert_eq!(states(Phase::Cancelled, &timings)[0], "cancelled");
    }
}
