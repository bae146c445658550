//! What is known of one worker, of one task, and of the result of a job that runs.

use protocol::detail::TaskState;
use protocol::result::Image;
use protocol::timeline::{Lane, TimedAttempt};
use protocol::view::Envelope;
use protocol::worker::WorkerSnapshot;
use protocol::{JobId, JobSnapshot, TaskId, Timestamp, WorkerId};
use serde::{Deserialize, Serialize};

/// The jobs that are looked at for a page of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LookedAt {
    /// Those that are not over: nothing is read from the store.
    Running,
    /// The latest, or those before a job.
    Latest(Option<JobId>),
}

/// What is known of one worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerHistory {
    /// The worker.
    pub worker: WorkerId,
    /// Its present state; `None` if it is not there, or not among those that are shown.
    pub present: Option<WorkerSnapshot>,
    /// Whether it runs inside the server, whose memory it shares with other workers.
    pub is_inside: bool,
    /// The jobs in which it made attempts, newest first.
    pub jobs: Vec<WorkerJob>,
    /// The job from which on earlier ones are looked up; `None` if there are none.
    pub cursor: Option<JobId>,
}

/// What a worker did in one job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerJob {
    /// The job, without its result.
    pub job: JobSnapshot,
    /// Its attempts. Of jobs with too many, some are not listed.
    pub lane: Lane,
    /// The end of the job, or now.
    pub end: Timestamp,
}

/// What is known of one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskHistory {
    /// The task.
    pub task: TaskId,
    /// Its state; `None` if that is not known any more.
    pub state: Option<TaskState>,
    /// Its attempts, oldest first.
    pub attempts: Vec<TimedAttempt>,
    /// Whether these are all that there were. Records of jobs that left memory do not list
    /// every attempt.
    pub is_whole: bool,
    /// The end of the job, or now.
    pub end: Timestamp,
}

/// The mean of a running job, as far as its final segments are stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartialResult {
    /// The ranges of the means; without a point where they are not known yet.
    pub envelope: Envelope,
    /// The means as a picture, if they have two dimensions, with the values of its first and
    /// last level; level 0 where they are not known yet.
    pub image: Option<(Image, (f64, f64))>,
    /// The number of final segments that are stored.
    pub stored: u64,
    /// The number of final segments.
    pub segments: u64,
}
