//! The commands that the scheduler returns.

use protocol::task::{Direction, StopReason};
use protocol::{AttemptId, JobId, Phase, Problem, WorkerId};

/// A command, in the imperative. Execution may be late or may fail. The
/// scheduler learns the outcome only from an [`crate::Event`].
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// List the job's objects, generate them first if requested, and plan the
    /// sum tree. The outcome is `JobPlanned` or `JobBroken`.
    PlanJob {
        /// The id of the job.
        job: JobId,
    },
    /// Publish an attempt to the queue. `AttemptStarted` follows once a worker
    /// starts it.
    PublishAttempt {
        /// The id of the attempt.
        attempt: AttemptId,
        /// Whether another attempt at the task is running.
        speculative: bool,
        /// The end of the task's columns at which the attempt starts.
        direction: Direction,
        /// Whether segments of the task may already be in the store.
        resume: bool,
        /// The worker that runs the other attempt and must not run this one;
        /// `None` if every worker may run it.
        not_on: Option<WorkerId>,
        /// The node that runs the other attempt and must not run this one; `None`
        /// if every node may run it.
        not_on_node: Option<String>,
        /// C; `None` if not known yet.
        columns: Option<u64>,
        /// Whether the attempt goes into the message of the one that was published just
        /// before it: a worker executes them one after the other.
        carried: bool,
    },
    /// Tell the worker that executes an attempt to stop it. `AttemptStopped`
    /// follows if a worker was executing it.
    StopAttempt {
        /// The id of the attempt.
        attempt: AttemptId,
        /// Why the attempt is stopped.
        reason: StopReason,
        /// The worker that executes it; `None` if any may.
        worker: Option<WorkerId>,
    },
    /// Divide the total by F and write the result. The outcome is
    /// `ResultWritten`, `JobBroken` or `TotalDamaged`.
    WriteResult {
        /// The id of the job.
        job: JobId,
        /// C, the number of columns of the result.
        columns: u64,
    },
    /// End a job: record its report, stop its attempts, clean up. No event
    /// follows. This is the last command for the job.
    EndJob {
        /// The id of the job.
        job: JobId,
        /// Done, Failed or Cancelled.
        phase: Phase,
        /// The error; `Some` only for Failed.
        problem: Option<Problem>,
    },
    /// Set the size of the worker pool. `WorkerJoined` and `WorkerLeft` follow
    /// as workers come and go. The number is reduced only after the surplus
    /// was drained, so a pool never has to stop a worker itself.
    ScaleWorkers {
        /// The number of workers, not counting draining ones.
        desired: u32,
    },
    /// Tell a worker to accept no attempts for a time, because of errors of its own. No
    /// event follows.
    RestWorker {
        /// The name of the worker.
        worker: WorkerId,
        /// The time in milliseconds; 0 ends an earlier one.
        rest_ms: u64,
    },
    /// Tell a worker to accept no more attempts and to leave. `WorkerLeft`
    /// follows. A `ScaleWorkers` that no longer counts the worker comes after
    /// this command.
    DrainWorker {
        /// The name of the worker.
        worker: WorkerId,
    },
    /// Let the pool stop the instance of a worker: it has left, or it was told to drain
    /// and is lost. Before that it may run an attempt that it accepted before it heard.
    /// No event follows.
    ReleaseWorker {
        /// The name of the worker.
        worker: WorkerId,
    },
    /// Take a release back: the worker, or another process of that name, is at work
    /// again. No event follows.
    RetainWorker {
        /// The name of the worker.
        worker: WorkerId,
    },
}
