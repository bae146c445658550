//! What the server asks of a worker, and what the worker answers.

use serde::{Deserialize, Serialize};

use crate::request::{RawNumbers, Statistic};
use crate::{AttemptId, JobId, Problem, Timestamp, WorkerId};

/// One attempt at one task, as it lies in the queue. It says all that a worker
/// needs to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// [`crate::VERSION`] of the sender.
    pub version: u32,
    /// Which attempt this is.
    pub attempt: AttemptId,
    /// Whether another attempt at the task is under way.
    #[serde(default)]
    pub speculative: bool,
    /// From which end to begin.
    #[serde(default)]
    pub direction: Direction,
    /// Whether segments of this task may be there already, so that looking is worth it.
    #[serde(default)]
    pub resume: bool,
    /// A worker that must not take it, because it runs the other attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_on: Option<WorkerId>,
    /// A machine whose workers must not take it, because one of them runs the
    /// other attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_on_node: Option<String>,
    /// What to compute.
    pub work: Work,
    /// Which columns of it.
    pub columns: Columns,
    /// What to compute beside the mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statistics: Vec<Statistic>,
    /// The prefix that the segments are written below, at [`segment_key`].
    pub output: String,
    /// How often to send a heartbeat.
    pub heartbeat_ms: u64,
}

/// The key of a segment below its node's prefix: ten digits, so that listing
/// them gives them in order.
#[must_use]
pub fn segment_key(prefix: &str, segment: u64) -> String {
    format!("{prefix}{segment:010}")
}

/// What a task computes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// A leaf task: reads input objects.
    Sum {
        /// In the order of the job's list.
        objects: Vec<InputObject>,
        /// Set if the objects are bare numbers of this type.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        raw: Option<RawNumbers>,
        /// The order of the arrays of the job, if it has been found out; one
        /// in the other order must not be added to them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fortran_order: Option<bool>,
    },
    /// A merge task: adds partial sums.
    Merge {
        /// The prefixes below which the segments of the children lie.
        partial_sums: Vec<String>,
    },
}

/// An input object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputObject {
    /// Where it is: a key of the store, or a location such as `s3://bucket/key`.
    pub location: String,
    /// How many bytes it holds.
    pub bytes: u64,
}

/// A range of columns, in whole segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    /// How many columns one segment has, but for the last.
    pub segment_columns: u64,
    /// The first segment.
    pub first_segment: u64,
    /// One past the last segment; absent: to the end, wherever that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_segment: Option<u64>,
    /// C, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

impl Columns {
    /// The first column.
    #[must_use]
    pub const fn start(&self) -> u64 {
        self.first_segment * self.segment_columns
    }

    /// One past the last column, of `total` in all.
    #[must_use]
    pub fn end(&self, total: u64) -> u64 {
        match self.end_segment {
            Some(end) => total.min(end * self.segment_columns),
            None => total,
        }
    }

    /// How many columns the range has, of `total` in all.
    #[must_use]
    pub fn width(&self, total: u64) -> u64 {
        self.end(total).saturating_sub(self.start())
    }

    /// The segments of the range, of `total` columns in all.
    #[must_use]
    pub fn segments(&self, total: u64) -> std::ops::Range<u64> {
        self.first_segment..self.end(total).div_ceil(self.segment_columns).max(self.first_segment)
    }
}

/// From which end of its columns an attempt begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the first segment.
    #[default]
    Forward,
    /// From the last segment, to meet the attempt that began at the first.
    /// Inputs that cannot be sought are read forward all the same.
    Backward,
}

/// What a worker tells the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`crate::VERSION`] of the sender.
    pub version: u32,
    /// Who says it.
    pub worker: WorkerId,
    /// When, by the worker's clock.
    pub at: Timestamp,
    /// What.
    pub body: ReportBody,
}

/// What a worker can tell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportBody {
    /// It is there and able to work.
    Joined(Joined),
    /// It is still there; sent when nothing else has been for a while.
    Alive {
        /// Memory that the process holds.
        resident_bytes: u64,
    },
    /// It has stopped taking tasks and is going.
    Left {
        /// Why.
        reason: String,
    },
    /// It has taken an attempt.
    Started {
        /// Which.
        attempt: AttemptId,
    },
    /// A heartbeat: how far an attempt is.
    Progressed {
        /// Which.
        attempt: AttemptId,
        /// How far.
        progress: Progress,
    },
    /// All segments of the task are there.
    Completed {
        /// Which attempt found them so.
        attempt: AttemptId,
        /// What it found out.
        outcome: Outcome,
    },
    /// The attempt ended with an error.
    Failed {
        /// Which.
        attempt: AttemptId,
        /// How.
        failure: Failure,
        /// How far it had come.
        progress: Progress,
    },
    /// The attempt was stopped, or handed back by a worker that is going. What
    /// it had written stays.
    Stopped {
        /// Which.
        attempt: AttemptId,
        /// Why.
        reason: StopReason,
        /// How far it had come.
        progress: Progress,
    },
}

/// A worker that is able to work.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Joined {
    /// The machine it runs on, if it knows.
    pub node: Option<String>,
    /// Distinguishes successive processes of one name; 0 if unknown. It is not
    /// the process id, although it is called so in messages.
    #[serde(rename = "process_id")]
    pub incarnation: u32,
    /// Memory that the process holds.
    pub resident_bytes: u64,
    /// What it was told to do wrong on purpose, in words, for tests and demonstrations.
    pub faults: Option<String>,
}

/// How far an attempt is. Counts are of this attempt alone, from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// The part of the task that is done, 0 to 1, segments found there included.
    pub fraction: f64,
    /// Bytes read from input objects.
    pub input_read_bytes: u64,
    /// Bytes read from partial sums.
    pub partial_read_bytes: u64,
    /// Bytes written as segments.
    pub written_bytes: u64,
    /// Segments computed by this attempt.
    pub segments_written: u64,
    /// Segments that were there already.
    pub segments_reused: u64,
    /// The most input objects that were open at once.
    pub open_objects_max: u32,
    /// Memory that the process holds.
    pub resident_bytes: u64,
}

/// What a completed attempt found out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// C, as this attempt's inputs have it.
    pub columns: u64,
    /// One of the objects that has so many numbers, so that an error can name it.
    pub columns_of: Option<String>,
    /// The shape of the arrays, if the format has shapes.
    pub shape: Option<Vec<u64>>,
    /// The format of the objects in words, such as `text` or `npy f8`.
    pub format: Option<String>,
    /// How far it was at the end.
    pub progress: Progress,
}

/// An attempt that ended with an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What went wrong, where, and what to do.
    pub problem: Problem,
    /// Whether another attempt may succeed.
    pub retryable: bool,
}

/// Why an attempt was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// Another attempt completed the task.
    Superseded,
    /// The job was cancelled or failed.
    JobOver,
    /// The worker is going, and hands the task back.
    WorkerLeaves,
    /// The attempt's lease had run out.
    LeaseLost,
    /// The worker, or its machine, runs the other attempt at this task.
    NotHere,
}

/// What the server tells all workers at once; each heeds what concerns it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// Stop this attempt.
    StopAttempt {
        /// Which.
        attempt: AttemptId,
        /// Why.
        reason: StopReason,
    },
    /// Stop every attempt of this job.
    StopJob {
        /// Which.
        job: JobId,
    },
    /// Take no more tasks and go once idle.
    Drain {
        /// Who.
        worker: WorkerId,
    },
    /// Every worker tells that it is there: the server has just started.
    RollCall,
}
