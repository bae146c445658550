//! The worker pool as it looks from outside.

use serde::{Deserialize, Serialize};

use crate::{AttemptId, Timestamp, WorkerId};

/// The worker pool at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PoolSnapshot {
    /// What keeps the workers, in one word.
    pub kind: String,
    /// Where that is; absent for workers that live with the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// How many workers are asked for now.
    pub desired: u32,
    /// Set if somebody asked for this number by hand; absent: it follows from the jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<u32>,
    /// How many are able to work.
    pub ready: u32,
    /// How many of those execute an attempt now.
    pub busy: u32,
    /// The fewest that are kept.
    pub min_workers: u32,
    /// The most that are kept.
    pub max_workers: u32,
    /// Tasks that are ready and have no live attempt.
    pub backlog: u64,
    /// What waits in the queue; absent until it has been asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueSnapshot>,
    /// The workers, at most [`SHOWN_WORKERS`] of them, in the order of their names.
    pub workers: Vec<WorkerSnapshot>,
    /// Something about the pool that somebody should know, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
}

/// What waits in the queue at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct QueueSnapshot {
    /// What the queue is, by the name that people know it by.
    #[serde(default)]
    pub name: String,
    /// Where it is, without user and password; absent inside the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Attempts that no worker has taken.
    pub assignments: u64,
    /// Reports of workers that the server has not taken.
    pub reports: u64,
    /// Messages that were put aside because they could not be decoded or were
    /// delivered too often; somebody should look at them.
    pub dead_letters: u64,
    /// Set while the queue does not answer; the numbers are the last it gave.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
    /// Where the queue's own pages are, if the server was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management_url: Option<String>,
}

/// How many workers a [`PoolSnapshot`] names; more would not be read.
pub const SHOWN_WORKERS: usize = 64;

/// One worker at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct WorkerSnapshot {
    /// Who.
    pub id: WorkerId,
    /// What it is doing.
    pub state: WorkerState,
    /// The machine it runs on, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Which attempt it executes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<RunningAttempt>,
    /// How many attempts it has completed.
    pub completed: u64,
    /// Memory that its process holds.
    pub resident_bytes: u64,
    /// Bytes it reads a second, lately.
    pub bytes_per_sec: f64,
    /// What it was told to do wrong on purpose, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faults: Option<String>,
    /// Why it is in its state, where that needs saying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The instance that it runs in, if the pool sees more of it than the worker
    /// says itself. Clients of the JSON API know it as `pod`.
    #[serde(default, rename = "pod", skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceStatus>,
}

/// What a worker runs in, as its pool sees it from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = PodStatus))]
pub struct InstanceStatus {
    /// Where it is in its life, in the pool's own word.
    pub phase: String,
    /// How often it has been started again.
    pub restarts: u32,
}

/// An attempt that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RunningAttempt {
    /// Which.
    pub id: AttemptId,
    /// Whether another attempt at the task is under way, begun before it.
    pub speculative: bool,
    /// When it started.
    pub started_at: Timestamp,
    /// How far it is, 0 to 1.
    pub fraction: f64,
}

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum WorkerState {
    /// It has been asked for and is not there yet.
    Starting,
    /// It waits for a task.
    Idle,
    /// It executes an attempt.
    Busy,
    /// It takes no more tasks.
    Draining,
    /// It has failed too often and is given nothing.
    Aside,
    /// Nothing has been heard of it for too long.
    Lost,
}

impl WorkerState {
    /// The one word for the state, as it is shown and as it stands in `data-state`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            WorkerState::Starting => "starting",
            WorkerState::Idle => "idle",
            WorkerState::Busy => "busy",
            WorkerState::Draining => "draining",
            WorkerState::Aside => "aside",
            WorkerState::Lost => "lost",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_know_an_instance_as_a_pod() {
        let written = r#"{"id":"w","state":"idle","completed":0,"resident_bytes":0,
            "bytes_per_sec":0.0,"pod":{"phase":"Running","restarts":2}}"#;
        let worker: WorkerSnapshot = serde_json::from_str(written).unwrap();
        let instance = InstanceStatus { phase: "Running".to_owned(), restarts: 2 };
        assert_eq!(worker.instance, Some(instance));
        let json = serde_json::to_value(&worker).unwrap();
        assert_eq!(json["pod"]["restarts"], 2);
    }

    #[test]
    fn a_queue_that_an_older_server_tells_of_has_no_name() {
        let written = r#"{"assignments":1,"reports":2,"dead_letters":3}"#;
        let queue: QueueSnapshot = serde_json::from_str(written).unwrap();
        assert_eq!((queue.name.as_str(), queue.location, queue.dead_letters), ("", None, 3));
    }
}
