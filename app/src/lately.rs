//! What the workers have done lately, for all jobs.

use protocol::timeline::TimedAttempt;
use protocol::{JobId, Timestamp, WorkerId};
use serde::{Deserialize, Serialize};

/// The most parts of [`Lately::bytes_per_sec`]; of a server that began less than ten minutes ago
/// there are fewer.
pub const PACE_PARTS: usize = 60;

/// What the workers have done lately, for all jobs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lately {
    /// The start of the span.
    pub start: Timestamp,
    /// The end of the span: now.
    pub end: Timestamp,
    /// The bytes that all jobs read per second, in equal parts of the last ten minutes, oldest
    /// first.
    pub bytes_per_sec: Vec<f64>,
    /// The number of jobs that are not over.
    pub running: u64,
    /// The number of jobs that were done in the last 24 hours …
    pub done: u64,
    /// … and of those that failed, as far as they are in memory.
    pub failed: u64,
    /// The memory of the server, if the workers run inside it and share it.
    pub shared_memory_bytes: Option<u64>,
    /// The workers with attempts in the span, sorted naturally.
    pub lanes: Vec<LatelyLane>,
}

/// What one worker has done lately.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatelyLane {
    /// The worker.
    pub worker: WorkerId,
    /// Its attempts, each with its job, oldest first. Of jobs with too many, only those that
    /// run, did not complete their task, or are not the only one at their task.
    pub attempts: Vec<(JobId, TimedAttempt)>,
    /// Of jobs with too many attempts, the busy share in thousandths, in equal parts of the
    /// span.
    pub busy: Vec<(JobId, Vec<u16>)>,
}
