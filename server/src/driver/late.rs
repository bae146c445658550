//! Jobs that are over, and that workers have only now stopped working at.
//!
//! A worker that stood still, or did not hear that a job has ended, may have written
//! partial sums after the garbage of the job was collected. Its last report of an attempt
//! says that it writes no more.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::JobId;
use scheduler::Event;
use tokio::time::Instant;

/// The time without such a report after which a job is swept: many workers stop together.
const QUIET_FOR: Duration = Duration::from_secs(1);
/// The most jobs that wait to be swept. Workers may report any job.
const JOBS_MAX: usize = 1024;

/// Jobs that wait to be swept, with the time of the last report.
#[derive(Debug, Default)]
pub(super) struct Late(BTreeMap<JobId, Instant>);

impl Late {
    /// Notes an event, if it says that an attempt at a job has ended that is not open.
    pub(super) fn note(&mut self, event: &Event, is_open: impl FnOnce(JobId) -> bool) {
        let (Event::AttemptCompleted { attempt, .. }
        | Event::AttemptFailed { attempt, .. }
        | Event::AttemptStopped { attempt, .. }) = event
        else {
            return;
        };
        let has_room = self.0.len() < JOBS_MAX || self.0.contains_key(&attempt.job);
        if has_room && !is_open(attempt.job) {
            self.0.insert(attempt.job, Instant::now());
        }
    }

    /// Removes and returns the jobs of which nothing was reported for some time.
    pub(super) fn quiet(&mut self) -> Vec<JobId> {
        let quiet = self.0.extract_if(.., |_, last| last.elapsed() >= QUIET_FOR);
        quiet.map(|(job, _)| job).collect()
    }
}
