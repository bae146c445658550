//! The events of the simulation and their order in the event queue.

use protocol::task::StopReason;
use protocol::{AttemptId, JobId, WorkerId};

use super::worker::Message;
use crate::Event;

/// An event of the simulation. It takes effect at the time of its
/// [`Scheduled`] entry.
///
/// Workers are given by index. An event with an epoch or an incarnation is
/// ignored if the worker has moved on to another one.
#[derive(Clone, Debug)]
pub(super) enum SimEvent {
    /// The server received the events of one message.
    EventsReceived(Vec<Event>),
    /// The server has time for the next message.
    ServerFree,
    /// An attempt arrived in the queue.
    AttemptDelivered(Message),
    /// All workers received the command to stop an attempt.
    AttemptStopReceived(AttemptId, StopReason),
    /// All workers received the command to stop a job's attempts.
    JobStopReceived(JobId),
    /// A worker received the command to drain.
    DrainReceived(WorkerId),
    /// A worker received the command to rest: worker, milliseconds.
    RestReceived(WorkerId, u64),
    /// A worker may accept attempts again.
    RestEnded(usize),
    /// A worker completed a segment: worker, epoch.
    SegmentCompleted(usize, u32),
    /// A worker's next heartbeat is due; ignored unless it is still due then.
    HeartbeatDue(usize),
    /// A worker crashed: worker, epoch.
    WorkerCrashed(usize, u32),
    /// All workers of a node crashed.
    NodeLost(&'static str),
    /// The broker stopped to answer: for how long, in microseconds, and whether it loses what
    /// it has.
    BrokerLeft(u64, bool),
    /// The broker answers again, and whether it has lost what it had.
    BrokerReturned(bool),
    /// The store stopped to answer: for how long, in microseconds.
    StoreLeft(u64),
    /// A worker was evicted by its machine: worker, epoch.
    WorkerEvicted(usize, u32),
    /// A worker started.
    WorkerStarted(usize),
    /// A job was submitted.
    JobSubmitted(JobId),
    /// A job was cancelled.
    JobCancelled(JobId),
    /// The server crashed and restarted.
    ServerRestarted,
    /// The number of workers was set by hand; `None` for automatic.
    DesiredWorkersSet(Option<u32>),
}

/// An entry of the event queue. Entries are ordered by time, then by the order
/// in which they were scheduled.
#[derive(Debug)]
pub(super) struct Scheduled {
    /// Time in microseconds.
    pub(super) at: u64,
    /// Sequence number.
    pub(super) order: u64,
    pub(super) event: SimEvent,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}
impl Eq for Scheduled {}
impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}
