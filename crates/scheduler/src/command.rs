//! Effects that the scheduler asks for.

use protocol::task::{Direction, StopReason};
use protocol::{AttemptId, JobId, Phase, Problem, WorkerId};

/// An effect that the scheduler asks for, in the imperative. Carrying it out
/// may fail or come late; the scheduler hears of it only by an
/// [`crate::Event`].
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Find the job's objects, generate them first if that was asked for, and
    /// plan; answered by `JobPlanned` or `JobBroken`.
    PlanJob {
        /// Which.
        job: JobId,
    },
    /// Put an attempt into the queue; answered by `AttemptStarted` once a
    /// worker takes it.
    PublishAttempt {
        /// Which.
        attempt: AttemptId,
        /// Whether another attempt at the task is under way.
        speculative: bool,
        /// From which end it begins.
        direction: Direction,
        /// Whether segments of the task may be there already.
        resume: bool,
        /// The worker that runs the other attempt, which must not take this one.
        not_on: Option<WorkerId>,
        /// The machine that runs the other attempt, if other machines have
        /// workers to spare.
        not_on_node: Option<String>,
        /// C, if it is known.
        columns: Option<u64>,
    },
    /// Tell whoever has this attempt to stop it; answered by `AttemptStopped`
    /// if somebody had it.
    StopAttempt {
        /// Which.
        attempt: AttemptId,
        /// Why.
        reason: StopReason,
    },
    /// Divide the total by F and store it; answered by `ResultWritten` or
    /// `JobBroken`.
    WriteResult {
        /// Which.
        job: JobId,
        /// C.
        columns: u64,
    },
    /// The job is over: keep its report, stop all its attempts, clean up.
    /// Nothing answers, and nothing else is asked for the job any more.
    EndJob {
        /// Which.
        job: JobId,
        /// How it ended: Done, Failed or Cancelled.
        phase: Phase,
        /// Why it failed, if it did.
        problem: Option<Problem>,
    },
    /// See to it that there are so many workers, not counting those told to
    /// drain; answered by `WorkerJoined` and `WorkerLeft` as they come and go.
    /// Fewer than before are asked for only once the surplus has been drained,
    /// so a pool never has to stop a worker itself.
    ScaleWorkers {
        /// How many.
        desired: u32,
    },
    /// Tell an idle worker to take no more tasks and go; answered by
    /// `WorkerLeft`. It comes before the `ScaleWorkers` that counts on it.
    DrainWorker {
        /// Who.
        worker: WorkerId,
    },
}
