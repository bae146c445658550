//! When the checkpoint of a job is written.

use protocol::{JobSnapshot, Phase, Timestamp};

use super::effects::Writing;
use crate::records::Checkpoint;

/// How old the checkpoint of a running job may become, in milliseconds: so much of its
/// counts is lost with the server.
const INTERVAL_MS: u64 = 2_000;
/// The age from which jobs have checkpoints, in milliseconds. Most jobs are over before.
const FROM_AGE_MS: u64 = 1_000;

/// The checkpoints of one job.
#[derive(Default)]
pub(super) struct Checkpoints {
    /// The latest checkpoint that was written, and when.
    latest: Option<(Checkpoint, Timestamp)>,
    /// The task that writes it.
    writing: Option<Writing>,
}

impl Checkpoints {
    /// The checkpoint of a job that is to be written now, if one is.
    pub(super) fn due(&mut self, job: &JobSnapshot, now: Timestamp) -> Option<Checkpoint> {
        let is_planned = job.plan.is_some() && !job.phase.is_over() && job.phase != Phase::Listing;
        let is_young = now.millis_since(job.timings.submitted_at) < FROM_AGE_MS;
        let is_writing = self.writing.as_ref().is_some_and(|writing| !writing.is_over());
        if !is_planned || is_young || is_writing {
            return None;
        }
        let checkpoint = Checkpoint::of(job);
        if let Some((latest, at)) = &self.latest {
            let is_same_phase = latest.timings == checkpoint.timings;
            if *latest == checkpoint || is_same_phase && now.millis_since(*at) < INTERVAL_MS {
                return None;
            }
        }
        self.latest = Some((checkpoint.clone(), now));
        Some(checkpoint)
    }

    /// Keeps the task that writes the checkpoint that was due.
    pub(super) fn written_by(&mut self, writing: Writing) {
        self.writing = Some(writing);
    }

    /// The task that writes the latest checkpoint; `None` if there is no checkpoint.
    pub(super) fn take(&mut self) -> Option<Writing> {
        self.writing.take()
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Inputs, JobId, JobRequest, Plan};

    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn job(completed: u64) -> JobSnapshot {
        let request = JobRequest::new(Inputs::Prefix("in/".to_owned()));
        let mut job = JobSnapshot::submitted(JobId::from_parts(at(0), 1), request, 2, at(0));
        job.phase = Phase::Running;
        job.timings.running_at = Some(at(500));
        job.attempts.completed = completed;
        let plan = r#"{"objects": 4, "columns": 2, "fan_in": 2, "segment_columns": 1024,
            "levels": [], "estimate": {}}"#;
        job.plan = Some(serde_json::from_str::<Plan>(plan).unwrap());
        job
    }

    #[test]
    fn a_checkpoint_is_due_after_a_while_and_with_every_phase() {
        let mut checkpoints = Checkpoints::default();
        let mut due = |job: &JobSnapshot, ms| checkpoints.due(job, at(ms)).is_some();
        assert!(!due(&job(1), 999), "a young job");
        assert!(!due(&JobSnapshot { plan: None, ..job(1) }, 1_000), "not planned");
        assert!(due(&job(1), 1_000));
        assert!(!due(&job(2), 1_100));
        assert!(!due(&job(1), 9_000), "nothing has changed");
        assert!(due(&job(2), 9_100));
        let mut finishing = job(2);
        finishing.phase = Phase::Finishing;
        finishing.timings.finishing_at = Some(at(9_150));
        assert!(due(&finishing, 9_200));
        assert!(!due(&JobSnapshot { phase: Phase::Failed, ..job(3) }, 20_000), "it has a report");
    }
}
