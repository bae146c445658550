//! What a page first shows, and what then changes it.
//!
//! Every event is the whole state of what it names, so it does not matter how
//! many came before it: a reader that missed some takes the last and is right.

use serde::{Deserialize, Serialize};

use crate::worker::PoolSnapshot;
use crate::{JobId, JobSnapshot};

/// A server-sent event. Its name is [`LiveEvent::name`], its data the JSON of
/// what the variant holds.
#[derive(Clone, Debug, PartialEq)]
pub enum LiveEvent {
    /// Everything at once; the first event of a stream that cannot be resumed.
    Snapshot(Box<Overview>),
    /// A job, new or changed.
    Job(Box<JobSnapshot>),
    /// A job is gone.
    JobDeleted(JobId),
    /// The worker pool has changed.
    Workers(Box<PoolSnapshot>),
}

impl LiveEvent {
    /// The name of [`LiveEvent::Snapshot`] on the wire.
    pub const SNAPSHOT: &'static str = "snapshot";
    /// The name of [`LiveEvent::Job`] on the wire.
    pub const JOB: &'static str = "job";
    /// The name of [`LiveEvent::JobDeleted`] on the wire.
    pub const JOB_DELETED: &'static str = "job-deleted";
    /// The name of [`LiveEvent::Workers`] on the wire.
    pub const WORKERS: &'static str = "workers";
    /// The names of all events on the wire.
    pub const NAMES: [&'static str; 4] =
        [LiveEvent::SNAPSHOT, LiveEvent::JOB, LiveEvent::JOB_DELETED, LiveEvent::WORKERS];

    /// The event's name on the wire.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            LiveEvent::Snapshot(_) => LiveEvent::SNAPSHOT,
            LiveEvent::Job(_) => LiveEvent::JOB,
            LiveEvent::JobDeleted(_) => LiveEvent::JOB_DELETED,
            LiveEvent::Workers(_) => LiveEvent::WORKERS,
        }
    }
}

/// What the home page shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Overview {
    /// Jobs, newest first; at most as many as a page of the list.
    pub jobs: Vec<JobSnapshot>,
    /// The worker pool.
    pub workers: PoolSnapshot,
}

/// One page of the list of jobs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct JobPage {
    /// Newest first.
    pub jobs: Vec<JobSnapshot>,
    /// What to pass as `cursor` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<JobId>,
}
