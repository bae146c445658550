//! Facts that enter the scheduler.

use protocol::request::Speculation;
use protocol::task::{Failure, Joined, Outcome, Progress, StopReason};
use protocol::{AttemptId, JobId, Plan, TaskId, WorkerId};

/// A fact that enters the scheduler, in the past tense. What became of a
/// [`crate::Command`] comes back as one of these.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Somebody submitted a job.
    JobSubmitted {
        /// Which.
        job: JobId,
        /// How it is to be run.
        terms: JobTerms,
    },
    /// The job's objects are known and its tree is laid out.
    JobPlanned {
        /// Which.
        job: JobId,
        /// The sum tree.
        plan: Plan,
    },
    /// A job of an earlier life of the server was found in the store, planned
    /// and not over.
    JobRestored {
        /// Which.
        job: JobId,
        /// How it is to be run.
        terms: JobTerms,
        /// The sum tree.
        plan: Plan,
        /// C, if a task had found it out.
        columns: Option<u64>,
        /// The tasks whose segments are all there.
        completed: Vec<TaskId>,
    },
    /// The job cannot go on: its inputs cannot be listed or planned, or its
    /// result cannot be written.
    JobBroken {
        /// Which.
        job: JobId,
        /// Why.
        problem: protocol::Problem,
    },
    /// Somebody wants the job to end.
    CancelRequested {
        /// Which.
        job: JobId,
    },
    /// The result is in the store.
    ResultWritten {
        /// Which.
        job: JobId,
    },
    /// The job is over and nobody will ask for it again.
    JobForgotten {
        /// Which.
        job: JobId,
    },
    /// A worker is there and able to execute one attempt at a time.
    WorkerJoined {
        /// Who.
        worker: WorkerId,
        /// What it says of itself.
        joined: Joined,
    },
    /// A worker without an attempt is still there.
    WorkerSeen {
        /// Who.
        worker: WorkerId,
        /// Memory that its process holds.
        resident_bytes: u64,
    },
    /// A worker has gone; it has handed back what it had.
    WorkerLeft {
        /// Who.
        worker: WorkerId,
        /// Why.
        reason: String,
    },
    /// A worker has taken an attempt. After a redelivery this can happen twice
    /// to one attempt, on two workers; the later one has it.
    AttemptStarted {
        /// Which.
        attempt: AttemptId,
        /// By whom.
        worker: WorkerId,
    },
    /// A heartbeat, which renews the attempt's lease.
    AttemptProgressed {
        /// Which.
        attempt: AttemptId,
        /// By whom.
        worker: WorkerId,
        /// How far it is.
        progress: Progress,
    },
    /// All segments of the attempt's task are there.
    AttemptCompleted {
        /// Which.
        attempt: AttemptId,
        /// By whom.
        worker: WorkerId,
        /// What it found out.
        outcome: Outcome,
    },
    /// The attempt ended with an error.
    AttemptFailed {
        /// Which.
        attempt: AttemptId,
        /// By whom.
        worker: WorkerId,
        /// How.
        failure: Failure,
        /// How far it had come.
        progress: Progress,
    },
    /// The attempt was stopped, or handed back.
    AttemptStopped {
        /// Which.
        attempt: AttemptId,
        /// By whom.
        worker: WorkerId,
        /// Why.
        reason: StopReason,
        /// How far it had come.
        progress: Progress,
    },
    /// Somebody asked for a number of workers by hand, or went back to what
    /// follows from the jobs.
    DesiredWorkersSet {
        /// How many; `None` to let it follow from the jobs.
        by_hand: Option<u32>,
    },
    /// Time has passed, at least to [`crate::Scheduler::next_deadline`].
    TimePassed,
}

/// How a job is to be run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JobTerms {
    /// W, the most attempts that the job has in flight.
    pub workers: u32,
    /// When a straggler's task gets a second attempt.
    pub speculation: Speculation,
}
