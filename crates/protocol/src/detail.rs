//! Tasks and attempts as they look from outside: the detail below a job's
//! summary, asked for page by page.

use serde::{Deserialize, Serialize};

use crate::{TaskId, Timestamp, WorkerId};

/// One page of the tasks of one level of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TaskPage {
    /// In the order of their ids.
    pub tasks: Vec<TaskSnapshot>,
    /// How many tasks the level has.
    pub total: u64,
    /// What to pass as `cursor` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<u64>,
}

/// One task at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TaskSnapshot {
    /// Which.
    pub id: TaskId,
    /// Where it is.
    pub state: TaskState,
    /// Every attempt at it, from the first; of very many, the last.
    #[serde(default)]
    pub attempts: Vec<AttemptSnapshot>,
}

/// Where a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// Its inputs are not all there.
    Waiting,
    /// It could be attempted at once.
    Ready,
    /// It failed, and is not attempted again before a while has passed.
    Delayed,
    /// An attempt at it is in the queue or under way.
    Underway,
    /// All its segments are there.
    Complete,
}

/// One attempt at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AttemptSnapshot {
    /// Which attempt at its task this is, from 1.
    pub number: u32,
    /// Whether it began beside a live one.
    pub speculative: bool,
    /// Where it is.
    pub state: AttemptState,
    /// Who has it, or had it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerId>,
    /// When it was put into the queue.
    pub published_at: Timestamp,
    /// When a worker took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended, one way or another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The part of the task that is done as far as it knows, 0 to 1.
    pub fraction: f64,
    /// Segments that it computed.
    #[serde(default)]
    pub segments_written: u64,
    /// Segments that it found there and did not compute again.
    #[serde(default)]
    pub segments_reused: u64,
    /// Why it ended as it did, where that needs saying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Where an attempt is.
///
/// ```text
/// Published ─► Running ─► Completed | Failed | Stopped
///     └───────────┴─────► Lost | Superseded | Stopped
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum AttemptState {
    /// It lies in the queue.
    Published,
    /// A worker has it.
    Running,
    /// It completed its task.
    Completed,
    /// It ended with an error.
    Failed,
    /// Its lease ran out, or its worker went without handing it back.
    Lost,
    /// Another attempt completed its task.
    Superseded,
    /// It was handed back or withdrawn, or its job was over.
    Stopped,
}

impl AttemptState {
    /// Whether it may still complete its task.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, AttemptState::Published | AttemptState::Running)
    }
}
