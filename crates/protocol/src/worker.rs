//! The public state of the worker pool.

use serde::{Deserialize, Serialize};

use crate::{AttemptId, Outage, Timestamp, WorkerId};

/// The worker pool at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PoolSnapshot {
    /// The kind of the pool, such as `embedded` or `external`.
    pub kind: String,
    /// The location of the pool; absent if the workers run on the server's machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The desired number of workers.
    pub desired: u32,
    /// The number of workers set manually; absent if it follows from the jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<u32>,
    /// The number of workers that can run attempts.
    pub ready: u32,
    /// The number of ready workers that run an attempt.
    pub busy: u32,
    /// The minimum number of workers.
    pub min_workers: u32,
    /// The maximum number of workers.
    pub max_workers: u32,
    /// The number of ready tasks without a live attempt.
    pub backlog: u64,
    /// The state of the queue; absent before the first query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueSnapshot>,
    /// The workers, sorted naturally: `worker-2` before `worker-10`. At most
    /// [`SHOWN_WORKERS`].
    pub workers: Vec<WorkerSnapshot>,
    /// The parts of the installation that are away at the moment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outages: Vec<Outage>,
    /// A warning for the operator, such as an error of the pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
}

/// The state of the queue at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct QueueSnapshot {
    /// The product name of the queue.
    #[serde(default)]
    pub name: String,
    /// The location without credentials; absent if the queue is inside the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The number of assignments that no worker has received.
    pub assignments: u64,
    /// The number of reports that the server has not received.
    pub reports: u64,
    /// The number of messages that could not be decoded or were delivered too often.
    /// An operator should look at them.
    pub dead_letters: u64,
    /// Whether the queue does not respond; the numbers are then its last ones.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
    /// The URL of the queue's management pages, if configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management_url: Option<String>,
}

/// The maximum number of workers in a [`PoolSnapshot`]; nobody reads more.
pub const SHOWN_WORKERS: usize = 64;

/// One worker at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct WorkerSnapshot {
    /// The id of the worker.
    pub id: WorkerId,
    /// The current state of the worker.
    pub state: WorkerState,
    /// The node that it runs on, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The attempt that it runs; absent if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<RunningAttempt>,
    /// The number of completed attempts.
    pub completed: u64,
    /// The resident memory of its process, in bytes.
    pub resident_bytes: u64,
    /// The current throughput in bytes per second.
    pub bytes_per_sec: f64,
    /// A description of injected faults; absent if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faults: Option<String>,
    /// Why it is in its state; absent if the state says enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The instance that it runs in; absent if the pool knows no more than the worker
    /// reports itself. Its name in the JSON API is `pod`.
    #[serde(default, rename = "pod", skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceStatus>,
}

/// The state of the instance that a worker runs in, as its pool reports it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = PodStatus))]
pub struct InstanceStatus {
    /// The phase of its life cycle, in the pool's own terms.
    pub phase: String,
    /// The number of restarts.
    pub restarts: u32,
}

/// A running attempt.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RunningAttempt {
    /// The id of the attempt.
    pub id: AttemptId,
    /// Whether it was started while another attempt at the task was live.
    pub speculative: bool,
    /// When it started.
    pub started_at: Timestamp,
    /// The completed fraction of the task, 0 to 1.
    pub fraction: f64,
}

/// The state of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum WorkerState {
    /// The pool starts it; it has not reported yet.
    Starting,
    /// It waits for an attempt.
    Idle,
    /// It runs an attempt.
    Busy,
    /// It accepts no more attempts, and exits once idle.
    Draining,
    /// It gets no attempts, because too many failed, or for a time because of an error
    /// of its own.
    Aside,
    /// It has sent no report for too long.
    Lost,
}

impl WorkerState {
    /// The name of the state, shown on the pages and used in `data-state`.
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
    fn an_instance_is_a_pod_in_json() {
        let written = r#"{"id":"w","state":"idle","completed":0,"resident_bytes":0,
            "bytes_per_sec":0.0,"pod":{"phase":"Running","restarts":2}}"#;
        let worker: WorkerSnapshot = serde_json::from_str(written).unwrap();
        let instance = InstanceStatus { phase: "Running".to_owned(), restarts: 2 };
        assert_eq!(worker.instance, Some(instance));
        let json = serde_json::to_value(&worker).unwrap();
        assert_eq!(json["pod"]["restarts"], 2);
    }

    #[test]
    fn a_queue_of_an_older_server_has_no_name() {
        let written = r#"{"assignments":1,"reports":2,"dead_letters":3}"#;
        let queue: QueueSnapshot = serde_json::from_str(written).unwrap();
        assert_eq!((queue.name.as_str(), queue.location, queue.dead_letters), ("", None, 3));
    }
}
