//! What the driver receives.

use app::lately::Lately;
use protocol::detail::TaskPage;
use protocol::job::Counted;
use protocol::result::ResultSummary;
use protocol::timeline::Timeline;
use protocol::worker::QueueSnapshot;
use protocol::{JobId, JobSnapshot, TaskId};
use scheduler::Event;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::finishing::Total;
use crate::pool::Observed;
use crate::records::{Checkpoint, PlanRecord, RequestSummary};
use crate::timeline::Span;

/// A message to the driver: an event of the scheduler, the outcome of an effect,
/// or a request of the engine.
pub enum DriverMessage {
    /// An event that goes to the scheduler as it is.
    Event(Event),
    /// What a worker has reported in one message.
    Reported {
        /// The events of the scheduler, oldest first.
        events: Vec<Event>,
    },
    /// A job was submitted, and its request is in the store.
    Submitted {
        /// The new job.
        job: JobId,
        /// Its request.
        request: Box<RequestSummary>,
        /// Its place among the jobs that wait to run; `None` after a restart with less
        /// places.
        place: Option<OwnedSemaphorePermit>,
        /// Whether it has just been submitted, and not to an earlier run of the server.
        is_new: bool,
        /// Signalled once the job is on the board.
        published: oneshot::Sender<()>,
    },
    /// A planned job of an earlier run of the server continues.
    Restored {
        /// The job.
        job: JobId,
        /// Its request.
        request: Box<RequestSummary>,
        /// Its plan.
        plan: Box<PlanRecord>,
        /// C, if it was known or learned.
        columns: Option<u64>,
        /// The tasks whose segments are all in the store.
        completed: Vec<TaskId>,
        /// Its times and counts before.
        checkpoint: Box<Checkpoint>,
    },
    /// A user has resumed a job that had failed or been cancelled, and the store says so.
    Resumed {
        /// The job.
        job: JobId,
        /// Its request.
        request: Box<RequestSummary>,
        /// Its place, as of a submitted job.
        place: Option<OwnedSemaphorePermit>,
        /// How it had ended, if that is still known.
        report: Option<Box<JobSnapshot>>,
        /// Signalled once the job is on the board.
        published: oneshot::Sender<()>,
    },
    /// The sender waits until all messages before this one are on the board.
    Flush {
        /// Signalled once they are.
        published: oneshot::Sender<()>,
    },
    /// Another object of generated test data is in the store.
    Generated {
        /// The job that the data belongs to.
        job: JobId,
        /// How many objects are stored, of how many.
        counted: Counted,
    },
    /// A job begins to wait for other jobs before it is planned, or has waited.
    Waiting {
        /// The job.
        job: JobId,
        /// Whether it waits now.
        is_waiting: bool,
    },
    /// A store that a job needs has begun to be away from the server, or is back.
    Held {
        /// The job.
        job: JobId,
        /// The error; `None` once the store has answered.
        reason: Option<String>,
    },
    /// A job's plan is in the store.
    Planned {
        /// The job.
        job: JobId,
        /// Its plan.
        record: Box<PlanRecord>,
        /// The room of the plan in memory.
        room: OwnedSemaphorePermit,
    },
    /// A resumed job's new plan is in the store, and its report is deleted.
    Replanned {
        /// The job.
        job: JobId,
        /// Its plan.
        record: Box<PlanRecord>,
        /// The room of the plan in memory.
        room: OwnedSemaphorePermit,
        /// C, if it was known or learned.
        columns: Option<u64>,
        /// The tasks whose segments are all in the store.
        completed: Vec<TaskId>,
    },
    /// A job's result is in the store.
    Finished {
        /// The job.
        job: JobId,
        /// The plot and the figures of the result that pages show.
        summary: Box<ResultSummary>,
    },
    /// A job's report is in the store.
    Recorded {
        /// The report: the job's last snapshot.
        snapshot: Box<JobSnapshot>,
    },
    /// The pool has answered a call.
    PoolAnswered {
        /// What went wrong and what to do, if the call failed.
        notice: Option<String>,
    },
    /// The depths of the queue have changed, or whether it answers.
    QueueChanged {
        /// The queue as it is now.
        queue: QueueSnapshot,
        /// Why the queue is missed; `None` if it answers.
        missed: Option<String>,
    },
    /// The store has begun to be missed, answers again, or is missed for another reason.
    StoreWatched {
        /// Why the store is missed; `None` if it answers.
        missed: Option<String>,
    },
    /// The pool's view of its workers has changed.
    PoolObserved {
        /// The view as it is now.
        observed: Observed,
    },
    /// The engine wants the timeline of a job.
    TimelineRequested {
        /// The job.
        job: JobId,
        /// The span to be told, by the machine's clock; `None` for the whole job.
        span: Option<Span>,
        /// The most attempts that are listed one by one.
        attempts_listed: usize,
        /// Receives the timeline; `None` if the job's tasks are not in memory.
        reply: oneshot::Sender<Option<Box<Timeline>>>,
    },
    /// The engine wants to know where the total of a running job is written.
    TotalRequested {
        /// The job.
        job: JobId,
        /// Receives it; `None` if the job does not run, or its number of columns is not known
        /// yet.
        reply: oneshot::Sender<Option<Box<Total>>>,
    },
    /// The engine wants to know what the workers have done lately.
    LatelyRequested {
        /// Receives it.
        reply: oneshot::Sender<Box<Lately>>,
    },
    /// The engine wants a page of tasks.
    TasksRequested {
        /// The job.
        job: JobId,
        /// The level of the sum tree.
        level: u8,
        /// The index within the level of the first task of the page.
        start: u64,
        /// The most tasks on the page.
        limit: usize,
        /// Receives the page; `None` if the job or the level is not in memory.
        reply: oneshot::Sender<Option<TaskPage>>,
    },
}
