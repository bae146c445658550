//! What bounds the work and the memory of jobs that are being planned or run.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::Limits;
use crate::records::PlanRecord;

/// The number of tasks and objects of all planned jobs in memory. Each takes 100 to 200
/// bytes. A job that has more of them runs alone.
const ROOM: u32 = 1_000_000;

/// The gates that jobs pass on their way; at each, further jobs wait in the order of
/// their arrival. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Gates {
    /// Jobs whose test data is generated.
    pub(super) generating: Arc<Semaphore>,
    /// Jobs whose inputs are listed. It is apart from `generating`, so that a job with
    /// inputs does not wait for test data, which may take hours.
    pub(super) listing: Arc<Semaphore>,
    /// Tasks and objects in memory.
    pub(super) room: Arc<Semaphore>,
}

impl Gates {
    pub(super) fn new(limits: &Limits) -> Gates {
        Gates {
            generating: Arc::new(Semaphore::new(limits.planning_jobs)),
            listing: Arc::new(Semaphore::new(limits.planning_jobs)),
            room: Arc::new(Semaphore::new(ROOM as usize)),
        }
    }

    /// The room that a planned job takes.
    pub(super) fn room_of(record: &PlanRecord) -> u32 {
        let entries = record.plan.tasks().saturating_add(record.plan.objects);
        u32::try_from(entries).unwrap_or(ROOM).min(ROOM)
    }

    /// The room of a job that an earlier run of the server had planned; `None` if there
    /// is too little, because it cannot wait.
    pub(super) fn room_at_once(&self, record: &PlanRecord) -> Option<OwnedSemaphorePermit> {
        self.room.clone().try_acquire_many_owned(Gates::room_of(record)).ok()
    }
}
