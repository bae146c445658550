//! Snapshots and server-sent events for the pages.
//!
//! Every event but [`LiveEvent::Tasks`] holds the whole state of its subject. A reader
//! that missed some events is up to date after the next one.

use serde::{Deserialize, Serialize};

use crate::states::StateChange;
use crate::worker::PoolSnapshot;
use crate::{JobId, JobSnapshot};

/// A server-sent event. Its name is [`LiveEvent::name`], its data the variant's
/// content as JSON.
#[derive(Clone, Debug, PartialEq)]
pub enum LiveEvent {
    /// The whole state: the first event of a stream that cannot be resumed.
    Snapshot(Box<Overview>),
    /// A new or changed job.
    Job(Box<JobSnapshot>),
    /// A deleted job.
    JobDeleted(JobId),
    /// The changed worker pool.
    Workers(Box<PoolSnapshot>),
    /// The states of a job's tasks; only in the stream of a job that asks for them.
    Tasks(Box<StateChange>),
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
    /// The name of [`LiveEvent::Tasks`] on the wire.
    pub const TASKS: &'static str = "tasks";
    /// The name of the keep-alive event, sent only in streams that request it.
    pub const ALIVE: &'static str = "alive";
    /// The names of all events with a state on the wire.
    pub const NAMES: [&'static str; 5] = [
        LiveEvent::SNAPSHOT,
        LiveEvent::JOB,
        LiveEvent::JOB_DELETED,
        LiveEvent::WORKERS,
        LiveEvent::TASKS,
    ];

    /// The wire name of the event.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            LiveEvent::Snapshot(_) => LiveEvent::SNAPSHOT,
            LiveEvent::Job(_) => LiveEvent::JOB,
            LiveEvent::JobDeleted(_) => LiveEvent::JOB_DELETED,
            LiveEvent::Workers(_) => LiveEvent::WORKERS,
            LiveEvent::Tasks(_) => LiveEvent::TASKS,
        }
    }
}

/// The state that the home page shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Overview {
    /// The newest jobs, newest first; at most one page of the list.
    pub jobs: Vec<JobSnapshot>,
    /// The worker pool.
    pub workers: PoolSnapshot,
}

/// One page of the list of jobs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct JobPage {
    /// The jobs, newest first.
    pub jobs: Vec<JobSnapshot>,
    /// The `cursor` of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<JobId>,
}
