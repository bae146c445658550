//! The events that the scheduler handles.

use protocol::request::{Priority, Speculation};
use protocol::task::{Failure, Joined, Outcome, Progress, StopReason};
use protocol::{AttemptId, JobId, Part, Plan, TaskId, WorkerId};

/// An event, in the past tense. The outcome of a [`crate::Command`] is reported
/// as an event too.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A job was submitted.
    JobSubmitted {
        /// The id of the new job.
        job: JobId,
        /// The scheduling parameters of the job.
        terms: JobTerms,
    },
    /// The objects of a job were listed and its sum tree was planned.
    JobPlanned {
        /// A job in phase Listing.
        job: JobId,
        /// The sum tree.
        plan: Plan,
    },
    /// After a restart, the server loaded a planned, unfinished job from the store.
    JobRestored {
        /// The id of the job.
        job: JobId,
        /// The scheduling parameters of the job.
        terms: JobTerms,
        /// The sum tree.
        plan: Plan,
        /// C; `None` if no task has determined it yet.
        columns: Option<u64>,
        /// The tasks whose segments are all in the store.
        completed: Vec<TaskId>,
        /// Attempts up to this number were made before the job was last resumed, and are
        /// ignored: they may have read other versions of its inputs.
        earlier_attempts: u32,
    },
    /// A job that had ended and was submitted again has its plan. It continues.
    JobResumed {
        /// A job in phase Listing.
        job: JobId,
        /// The sum tree.
        plan: Plan,
        /// C; `None` if no task has determined it yet.
        columns: Option<u64>,
        /// The tasks whose segments are all in the store, and still valid.
        completed: Vec<TaskId>,
        /// As in [`Event::JobRestored`].
        earlier_attempts: u32,
    },
    /// The inputs of a job could not be listed or planned, or its result could
    /// not be written. The job fails.
    JobBroken {
        /// The id of the job.
        job: JobId,
        /// The error.
        problem: protocol::Problem,
    },
    /// A user asked to cancel a job.
    CancelRequested {
        /// The id of the job.
        job: JobId,
    },
    /// The result of a job was written to the store.
    ResultWritten {
        /// A job in phase Finishing.
        job: JobId,
    },
    /// A segment of the total of a job could not be read. It is computed again.
    TotalDamaged {
        /// A job in phase Finishing.
        job: JobId,
        /// The index of the segment.
        segment: u64,
    },
    /// An ended job is no longer needed. The scheduler drops its state.
    JobForgotten {
        /// The id of the job; ignored unless the job has ended.
        job: JobId,
    },
    /// A worker joined the pool. It executes one attempt at a time.
    WorkerJoined {
        /// The name of the worker.
        worker: WorkerId,
        /// The node, process and memory of the worker.
        joined: Joined,
    },
    /// An idle worker sent a heartbeat.
    WorkerSeen {
        /// The name of the worker.
        worker: WorkerId,
        /// Resident memory of the worker's process, in bytes.
        resident_bytes: u64,
    },
    /// A worker left the pool, and says so itself. It handed back its attempt before, if it
    /// could; the report of that may come later.
    WorkerLeft {
        /// The name of the worker.
        worker: WorkerId,
        /// The reason, as a clause for users.
        reason: String,
    },
    /// A worker started an attempt. After a redelivery, two workers can start
    /// the same attempt; the later one holds it.
    AttemptStarted {
        /// The id of the attempt.
        attempt: AttemptId,
        /// The worker that executes the attempt.
        worker: WorkerId,
    },
    /// A worker sent a heartbeat for an attempt. It renews the attempt's lease.
    AttemptProgressed {
        /// The id of the attempt.
        attempt: AttemptId,
        /// The worker that executes the attempt.
        worker: WorkerId,
        /// Cumulative progress since the start of the attempt.
        progress: Progress,
    },
    /// An attempt ended because all segments of its task are in the store.
    AttemptCompleted {
        /// The id of the attempt.
        attempt: AttemptId,
        /// The worker that executed the attempt.
        worker: WorkerId,
        /// The properties of the inputs, and the final progress.
        outcome: Outcome,
    },
    /// An attempt ended with an error.
    AttemptFailed {
        /// The id of the attempt.
        attempt: AttemptId,
        /// The worker that executed the attempt.
        worker: WorkerId,
        /// The error, and what is to blame.
        failure: Failure,
        /// Progress at the time of the error.
        progress: Progress,
    },
    /// An attempt was stopped, or handed back by its worker.
    AttemptStopped {
        /// The id of the attempt.
        attempt: AttemptId,
        /// The worker that executed the attempt.
        worker: WorkerId,
        /// Why the attempt was stopped.
        reason: StopReason,
        /// Progress at the time of the stop.
        progress: Progress,
    },
    /// A part of the installation does not answer the server.
    PartMissed {
        /// The part.
        part: Part,
        /// The error, or what was missed.
        reason: String,
    },
    /// A part that was missed answers the server again.
    PartReturned {
        /// The part.
        part: Part,
    },
    /// The queue has lost all its messages.
    QueueLost,
    /// The server itself stood still for seconds, so that it took in no reports.
    ServerResumed,
    /// A user set the number of workers, or returned to automatic scaling.
    DesiredWorkersSet {
        /// The number of workers; `None` for automatic.
        by_hand: Option<u32>,
    },
    /// Time has passed, at least until [`crate::Scheduler::next_deadline`].
    TimePassed,
}

impl Event {
    /// The worker that reported the event; `None` for other events.
    pub(crate) fn worker(&self) -> Option<&WorkerId> {
        match self {
            Event::WorkerJoined { worker, .. }
            | Event::WorkerSeen { worker, .. }
            | Event::WorkerLeft { worker, .. }
            | Event::AttemptStarted { worker, .. }
            | Event::AttemptProgressed { worker, .. }
            | Event::AttemptCompleted { worker, .. }
            | Event::AttemptFailed { worker, .. }
            | Event::AttemptStopped { worker, .. } => Some(worker),
            Event::JobSubmitted { .. }
            | Event::JobPlanned { .. }
            | Event::JobRestored { .. }
            | Event::JobResumed { .. }
            | Event::JobBroken { .. }
            | Event::CancelRequested { .. }
            | Event::ResultWritten { .. }
            | Event::TotalDamaged { .. }
            | Event::JobForgotten { .. }
            | Event::PartMissed { .. }
            | Event::PartReturned { .. }
            | Event::QueueLost
            | Event::ServerResumed
            | Event::DesiredWorkersSet { .. }
            | Event::TimePassed => None,
        }
    }
}

/// The scheduling parameters of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct JobTerms {
    /// W, the maximum number of attempts in flight; 0 counts as 1.
    pub workers: u32,
    /// Whether it gets more or fewer workers than other jobs.
    pub priority: Priority,
    /// When a straggler's task gets a speculative attempt.
    pub speculation: Speculation,
}
