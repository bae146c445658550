//! What happens next in a world, in order.

use protocol::task::StopReason;
use protocol::{AttemptId, JobId, WorkerId};

use super::machine::Message;
use crate::Event;

/// What happens next, or has been put on its way.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    /// The scheduler hears of something.
    Hear(Event),
    /// An attempt arrives in the queue.
    Deliver(Message),
    /// Every worker is told to stop an attempt.
    Stop(AttemptId, StopReason),
    /// Every worker is told to stop a job's attempts.
    StopJob(JobId),
    /// A worker is told to go.
    Drain(WorkerId),
    /// A worker is through with a segment, if the run is still this.
    SegmentEnds(usize, u32),
    /// A worker speaks, if it still has this life.
    Beat(usize, u32),
    /// A worker dies, if the run is still this.
    Die(usize, u32),
    /// A worker is asked to go by its machine, if the run is still this.
    Leave(usize, u32),
    /// A worker comes to life.
    Appear(usize),
    /// A job is submitted.
    Submit(JobId),
    /// Somebody cancels a job.
    Cancel(JobId),
    /// The server dies and starts anew.
    Restart,
    /// Somebody asks for so many workers.
    ByHand(Option<u32>),
}

/// What lies in the heap: the earliest first, of equals the first put there.
#[derive(Debug)]
pub(super) struct Scheduled {
    pub(super) at: u64,
    pub(super) order: u64,
    pub(super) what: Happening,
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
