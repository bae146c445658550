//! What earlier runs of the server knew of a job: its times and counts go on.

use protocol::job::{RESTARTS_SHOWN, Restart};
use protocol::{JobSnapshot, Timestamp};

use crate::records::Checkpoint;

/// The times and counts of a job before this run of the server.
#[derive(Clone, Debug)]
pub(super) struct Earlier {
    checkpoint: Checkpoint,
    /// How many tasks are complete in the store of which the checkpoint does not know.
    found: u64,
    restarts: Vec<Restart>,
    resumes: Vec<Timestamp>,
}

impl Earlier {
    /// What the checkpoint of a job holds, of which `completed` tasks are complete in the
    /// store when the server starts at `now`.
    pub(super) fn new(checkpoint: Checkpoint, completed: u64, now: Timestamp) -> Earlier {
        let mut restarts = checkpoint.restarts.clone();
        restarts.push(Restart { at: now, overall: checkpoint.overall });
        let surplus = restarts.len().saturating_sub(RESTARTS_SHOWN);
        restarts.drain(..surplus);
        let found = completed.saturating_sub(checkpoint.completed_tasks);
        let resumes = checkpoint.resumes.clone();
        Earlier { checkpoint, found, restarts, resumes }
    }

    /// What the report of a job holds that is resumed at `now`.
    pub(super) fn resumed(report: Option<&JobSnapshot>, now: Timestamp) -> Earlier {
        let nothing = || Checkpoint { resumes: vec![now], ..Checkpoint::default() };
        let checkpoint = report.map_or_else(nothing, |it| Checkpoint::resumed(it, now));
        let (restarts, resumes) = (checkpoint.restarts.clone(), checkpoint.resumes.clone());
        Earlier { checkpoint, found: 0, restarts, resumes }
    }

    /// Adds the times and counts of before to a snapshot of this run, in which `adopted`
    /// attempts of before go on.
    ///
    /// An attempt that ran at the checkpoint goes on, has completed a task whose segments
    /// are in the store, or is lost. Tasks that are complete beyond those were completed by
    /// attempts that started after the checkpoint.
    pub(super) fn add_to(&self, job: &mut JobSnapshot, adopted: u64) {
        let before = &self.checkpoint;
        job.timings.planning_at = before.timings.planning_at.or(job.timings.planning_at);
        if job.timings.running_at.is_some() {
            job.timings.running_at = before.timings.running_at.or(job.timings.running_at);
        }
        let running = before.attempts.running;
        let completed_since = self.found.min(running);
        let adopted = adopted.min(running - completed_since);
        let mut attempts = before.attempts;
        attempts.running = 0;
        attempts.completed += self.found;
        attempts.started += self.found - completed_since;
        // They count among those that this run has started.
        attempts.started -= adopted;
        attempts.lost += running - completed_since - adopted;
        job.attempts = attempts.plus(&job.attempts);
        let input_bytes = job.plan.as_ref().map_or(0, |plan| plan.estimate.input_bytes);
        job.bytes = before.bytes.plus(&job.bytes, input_bytes);
        job.overall = job.overall.max(before.overall);
        job.restarts.clone_from(&self.restarts);
        job.resumes.clone_from(&self.resumes);
    }
}

#[cfg(test)]
mod tests {
    use protocol::job::{AttemptCounts, Timings};
    use protocol::{Inputs, JobId, JobRequest};

    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn job(attempts: AttemptCounts, running_at: Option<u64>) -> JobSnapshot {
        let request = JobRequest::new(Inputs::Prefix("in/".to_owned()));
        let mut job = JobSnapshot::submitted(JobId::from_parts(at(1), 1), request, 2, at(1));
        job.timings.planning_at = Some(at(9_000));
        job.timings.running_at = running_at.map(at);
        job.attempts = attempts;
        job
    }

    /// 20 started: 3 running, 12 completed, 1 each of the others, and 2 stopped.
    const BEFORE: AttemptCounts = AttemptCounts {
        started: 20,
        running: 3,
        completed: 12,
        failed: 1,
        lost: 1,
        superseded: 1,
        stopped: 2,
        speculative: 2,
        speculative_won: 1,
        speculative_ms: 50,
        saved_ms: 70,
    };
    const SINCE: AttemptCounts = AttemptCounts {
        started: 5,
        running: 2,
        completed: 3,
        failed: 0,
        lost: 0,
        superseded: 0,
        stopped: 0,
        speculative: 0,
        speculative_won: 0,
        speculative_ms: 0,
        saved_ms: 0,
    };

    fn before(completed_tasks: u64) -> Checkpoint {
        let timings = Timings {
            submitted_at: at(1),
            planning_at: Some(at(100)),
            running_at: Some(at(200)),
            ..Timings::default()
        };
        let attempts = BEFORE;
        Checkpoint { timings, attempts, completed_tasks, overall: 0.5, ..Checkpoint::default() }
    }

    #[test]
    fn attempts_that_ran_when_the_server_ended_are_lost_complete_or_go_on() {
        for (completed, adopted, expected) in [
            // Nothing was completed since the checkpoint: all three are lost.
            (12, 0, (25, 2, 15, 4)),
            // One was completed, of which nobody has heard, one goes on.
            (13, 1, (24, 2, 16, 2)),
            // All three, and two that nobody knew.
            (17, 0, (27, 2, 20, 1)),
            // More go on than ran: impossible, and harmless.
            (17, 9, (27, 2, 20, 1)),
            // C is not known, so nothing is found.
            (0, 0, (25, 2, 15, 4)),
        ] {
            let mut job = job(SINCE, Some(9_500));
            Earlier::new(before(12), completed, at(9_000)).add_to(&mut job, adopted);
            let all = job.attempts;
            let counted = (all.started, all.running, all.completed, all.lost);
            assert_eq!(counted, expected, "{completed} complete, {adopted} adopted");
            assert_eq!(all.started, all.in_all_states());
        }
    }

    #[test]
    fn phases_began_when_they_began() {
        let earlier = Earlier::new(before(0), 0, at(9_000));
        let mut running = job(SINCE, Some(9_500));
        earlier.add_to(&mut running, 0);
        assert_eq!(running.timings.planning_at, Some(at(100)));
        assert_eq!(running.timings.running_at, Some(at(200)));
        assert_eq!(running.restarts, [Restart { at: at(9_000), overall: 0.5 }]);
        // It waits for other jobs now.
        let mut waiting = job(SINCE, None);
        earlier.add_to(&mut waiting, 0);
        assert_eq!(waiting.timings.running_at, None);
        // Nothing is known of before.
        let mut unknown = job(SINCE, Some(9_500));
        Earlier::new(Checkpoint::default(), 4, at(9_000)).add_to(&mut unknown, 0);
        assert_eq!(unknown.timings.planning_at, Some(at(9_000)));
        assert_eq!((unknown.attempts.started, unknown.attempts.completed), (9, 7));
    }

    #[test]
    fn a_resumed_job_counts_on_and_has_not_ended() {
        let mut ended = job(AttemptCounts { running: 0, lost: 4, ..BEFORE }, Some(200));
        ended.timings.ended_at = Some(at(500));
        ended.resumes = vec![at(100)];
        let mut again = job(SINCE, Some(9_500));
        Earlier::resumed(Some(&ended), at(9_000)).add_to(&mut again, 0);
        assert_eq!((again.attempts.started, again.attempts.completed), (25, 15));
        assert_eq!(again.attempts.started, again.attempts.in_all_states());
        assert_eq!((again.timings.ended_at, again.timings.running_at), (None, Some(at(200))));
        assert_eq!(again.resumes, [at(100), at(9_000)]);
        // Its report is not there any more.
        Earlier::resumed(None, at(9_001)).add_to(&mut again, 0);
        assert_eq!(again.resumes, [at(9_001)]);
    }

    #[test]
    fn only_the_latest_restarts_are_kept() {
        let mut checkpoint = before(0);
        for restart in 0..40 {
            let earlier = Earlier::new(checkpoint.clone(), 0, at(restart));
            checkpoint.restarts = earlier.restarts;
        }
        assert_eq!(checkpoint.restarts.len(), RESTARTS_SHOWN);
        assert_eq!(checkpoint.restarts.last().map(|restart| restart.at), Some(at(39)));
    }
}
