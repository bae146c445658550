//! Timelines of the jobs whose tasks are in memory.

use protocol::timeline::Timeline;
use protocol::{JobId, JobSnapshot};

use super::Driver;
use crate::timeline::{Frame, Span, timeline};

impl Driver {
    /// The timeline of a job in a span, by the machine's clock; of the whole job without
    /// one. At most `listed` attempts are listed. `None` if its tasks are not in memory.
    pub(super) fn timeline(
        &self,
        job: JobId,
        span: Option<Span>,
        listed: usize,
    ) -> Option<Timeline> {
        let snapshot = match self.snapshot(job) {
            Some(snapshot) => snapshot,
            None => JobSnapshot::clone(&*self.board.job(job)?),
        };
        self.scheduler.job(job)?;
        Some(self.timeline_of(&snapshot, span, listed))
    }

    /// The timeline of the job of a snapshot.
    pub(super) fn timeline_of(
        &self,
        job: &JobSnapshot,
        span: Option<Span>,
        listed: usize,
    ) -> Timeline {
        let now = self.time.shown(self.time.now());
        let whole = Span {
            start: job.timings.submitted_at,
            end: job.timings.ended_at.unwrap_or(now).max(job.timings.submitted_at),
        };
        let frame = Frame {
            job: whole,
            shown: span.map_or(whole, |span| span.within(&whole)),
            is_over: job.phase.is_over(),
            known_from: job.restarts.last().map(|restart| restart.at),
            attempts_listed: listed,
        };
        timeline(frame, |visit| {
            self.scheduler.visit_attempts(job.id, &mut |task| {
                self.time.attempts(task.attempts);
                visit(task);
            });
        })
    }
}
