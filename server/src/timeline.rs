//! Makes the timeline of a job from the attempts at its tasks.
//!
//! The attempts are visited twice and never held all at once: the first visit counts, and
//! chooses the workers that are shown; the second collects their attempts.

mod lanes;
mod parts;
mod survey;

use protocol::Timestamp;
use protocol::detail::AttemptSnapshot;
use protocol::timeline::Timeline;
use scheduler::VisitedTask;

use self::lanes::Lanes;
pub(crate) use self::lanes::beside;
pub use self::parts::Span;
use self::survey::Survey;

/// What a timeline is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The time of the whole job, until now if it is not over.
    pub job: Span,
    /// The span to be told, within that of the job.
    pub shown: Span,
    /// Whether the job is over.
    pub is_over: bool,
    /// Attempts that ended before are not known.
    pub known_from: Option<Timestamp>,
    /// The memory that the process of a worker holds at most, in bytes.
    pub memory_bound_bytes: Option<u64>,
    /// The most attempts that are listed one by one.
    pub attempts_listed: usize,
}

/// The timeline of the attempts that `visit_all` visits, which is called twice. They do not
/// change in between.
pub fn timeline(
    frame: Frame,
    mut visit_all: impl FnMut(&mut dyn FnMut(VisitedTask<'_>)),
) -> Timeline {
    let mut survey = Survey::new(frame);
    visit_all(&mut |task| survey.visit(&task));
    survey.compare();
    let mut lanes = Lanes::choose(frame, survey.workers, survey.attempts);
    visit_all(&mut |task| lanes.visit(&task));
    let (lanes, lanes_left_out) = lanes.finish();
    Timeline {
        start: frame.shown.start,
        end: frame.shown.end,
        job_start: frame.job.start,
        job_end: frame.job.end,
        is_over: frame.is_over,
        known_from: frame.known_from,
        attempts: survey.attempts,
        lanes,
        lanes_left_out,
        moments: survey.moments.finish(),
        memory_bound_bytes: frame.memory_bound_bytes,
        levels: survey.levels.into_iter().map(survey::Level::finish).collect(),
        slowest: survey.slowest,
        rescues: survey.rescues.into_iter().map(|(rescue, _)| rescue).collect(),
    }
}

/// When an attempt waited in the queue, within the time until `now`.
fn queued(attempt: &AttemptSnapshot, now: Timestamp) -> Span {
    let end = attempt.started_at.or(attempt.ended_at).unwrap_or(now);
    Span { start: attempt.published_at, end }
}

/// When an attempt ran, within the time until `now`; `None` if no worker has started it.
fn ran(attempt: &AttemptSnapshot, now: Timestamp) -> Option<Span> {
    let start = attempt.started_at?;
    Some(Span { start, end: attempt.ended_at.unwrap_or(now) })
}

/// Whether any of an attempt is in the span that is shown.
fn is_shown(attempt: &AttemptSnapshot, frame: &Frame) -> bool {
    let end = attempt.ended_at.unwrap_or(frame.job.end);
    attempt.published_at <= frame.shown.end && end >= frame.shown.start
}

#[cfg(test)]
mod tests;
