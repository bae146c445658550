//! The public state of tasks and attempts: the detail below a job's summary,
//! queried page by page.

use serde::{Deserialize, Serialize};

use crate::task::PhaseTimes;
use crate::{TaskId, Timestamp, WorkerId};

/// One page of the tasks of one level of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TaskPage {
    /// The tasks, sorted by id.
    pub tasks: Vec<TaskSnapshot>,
    /// The number of tasks in the level.
    pub total: u64,
    /// The `cursor` of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<u64>,
}

/// One page of the input objects of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct InputPage {
    /// The objects, in the order in which the leaves of the sum tree sum them.
    pub inputs: Vec<InputFile>,
    /// The number of all input objects.
    pub total: u64,
    /// The `cursor` of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<u64>,
}

/// One input object of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct InputFile {
    /// Its key in the store, or its location elsewhere.
    pub location: String,
    /// The size in bytes.
    pub bytes: u64,
    /// The version to which every read was held: `etag:…` or `file:…`. Absent if the store
    /// has no versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The weight; absent if all objects count the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// The objects of which it consists, if there are several: the index of a model, then its
    /// shards. Absent if it is one object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<InputPart>,
}

/// One of several objects of which an input consists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct InputPart {
    /// Its key in the store, or its location elsewhere.
    pub location: String,
    /// The size in bytes.
    pub bytes: u64,
    /// The version to which every read was held, if the store has versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// One task at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TaskSnapshot {
    /// The id of the task.
    pub id: TaskId,
    /// The current state of the task.
    pub state: TaskState,
    /// The attempts at the task, oldest first. If there are too many, only the
    /// newest are listed.
    #[serde(default)]
    pub attempts: Vec<AttemptSnapshot>,
}

/// The state of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// Some of its inputs are not complete.
    Waiting,
    /// Its inputs are complete, and no attempt is queued or running.
    Ready,
    /// An attempt failed, and the task waits for its retry back-off.
    Delayed,
    /// An attempt is queued or running.
    Underway,
    /// All its segments are stored.
    Complete,
}

impl TaskState {
    /// The name of the state, shown on the pages and used in `data-state`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            TaskState::Waiting => "waiting",
            TaskState::Ready => "ready",
            TaskState::Delayed => "delayed",
            TaskState::Underway => "underway",
            TaskState::Complete => "complete",
        }
    }
}

/// One attempt at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AttemptSnapshot {
    /// The number of the attempt within its task, from 1.
    pub number: u32,
    /// Whether it was started while another attempt at the task was live.
    pub speculative: bool,
    /// The current state of the attempt.
    pub state: AttemptState,
    /// The worker that runs it, or ran it last; absent while it is queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerId>,
    /// When it was published to the queue.
    pub published_at: Timestamp,
    /// When a worker started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended, in whatever state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The completed fraction of the task at the last report, 0 to 1.
    pub fraction: f64,
    /// The number of segments that it computed.
    #[serde(default)]
    pub segments_written: u64,
    /// The number of segments that earlier attempts had computed and it reused.
    #[serde(default)]
    pub segments_reused: u64,
    /// Bytes read from input objects and partial sums.
    #[serde(default)]
    pub read_bytes: u64,
    /// Bytes written as partial sums.
    #[serde(default)]
    pub written_bytes: u64,
    /// The memory of its worker's process at the last report, in bytes; 0 before.
    #[serde(default)]
    pub resident_bytes: u64,
    /// What it spent its time on; absent as long as its worker has not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phases: Option<PhaseTimes>,
    /// How much longer it would have run, by its rate, when another attempt completed its
    /// task, in milliseconds; absent if that is not known, or did not happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_ms: Option<u64>,
    /// Why it ended; absent if the state says enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The state of an attempt.
///
/// ```text
/// Published ─► Running ─► Completed | Failed | Stopped
///     └───────────┴─────► Lost | Superseded | Stopped
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum AttemptState {
    /// It waits in the queue.
    Published,
    /// A worker runs it.
    Running,
    /// It completed its task.
    Completed,
    /// It ended with an error.
    Failed,
    /// Its lease expired, or its worker left without handing it back.
    Lost,
    /// Another attempt completed its task.
    Superseded,
    /// It was handed back or withdrawn, or its job ended.
    Stopped,
}

impl AttemptState {
    /// Whether it may still complete its task.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, AttemptState::Published | AttemptState::Running)
    }

    /// The name of the state, shown on the pages and used in `data-state`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            AttemptState::Published => "published",
            AttemptState::Running => "running",
            AttemptState::Completed => "completed",
            AttemptState::Failed => "failed",
            AttemptState::Lost => "lost",
            AttemptState::Superseded => "superseded",
            AttemptState::Stopped => "stopped",
        }
    }
}
