//! What a job looks like from outside.

use serde::{Deserialize, Serialize};

use crate::plan::Plan;
use crate::request::JobRequest;
use crate::result::ResultSummary;
use crate::{JobId, Problem, Timestamp};

/// Where a job is.
///
/// ```text
/// Listing ─► Planning ─► Running ─► Finishing ─► Done
///    └───────────┴──────────┴───────────┴──────► Failed | Cancelled
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The objects are being found (or generated) and looked into.
    Listing,
    /// The sum tree is being laid out, or the job waits for its turn.
    Planning,
    /// Tasks are being computed.
    Running,
    /// The total is being divided and stored as the result.
    Finishing,
    /// The result is there.
    Done,
    /// The job ended without a result; `error` says why.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
}

impl Phase {
    /// Whether the job has ended, one way or another.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Phase::Done | Phase::Failed | Phase::Cancelled)
    }

    /// The one word for the phase, as it is shown and as it stands in `data-state`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Phase::Listing => "listing",
            Phase::Planning => "planning",
            Phase::Running => "running",
            Phase::Finishing => "finishing",
            Phase::Done => "done",
            Phase::Failed => "failed",
            Phase::Cancelled => "cancelled",
        }
    }
}

/// A job as it looks from outside at one moment: a summary, whatever its size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct JobSnapshot {
    /// Which job.
    pub id: JobId,
    /// Where it is.
    pub phase: Phase,
    /// What was asked for.
    pub request: JobRequest,
    /// W as it is used, after the server's default.
    pub workers: u32,
    /// When each phase was entered.
    pub timings: Timings,
    /// What has been found out about the inputs.
    #[serde(default)]
    pub inputs: InputSummary,
    /// How far generating test data has come, while it is being generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<Counted>,
    /// The plan, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// How far each level of the sum tree has come, from level 0.
    #[serde(default)]
    pub progress: Vec<LevelProgress>,
    /// What became of the attempts.
    #[serde(default)]
    pub attempts: AttemptCounts,
    /// Bytes moved so far.
    #[serde(default)]
    pub bytes: ByteCounts,
    /// Input bytes read a second, lately; 0 when nothing is running.
    #[serde(default)]
    pub bytes_per_sec: f64,
    /// Milliseconds until the job is done at the present rate, if that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_ms: Option<u64>,
    /// What is known about the result, once it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<ResultSummary>,
    /// Why the job failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

impl JobSnapshot {
    /// A job that has been submitted, and nothing else has become of it yet.
    #[must_use]
    pub fn submitted(
        id: JobId,
        request: JobRequest,
        workers: u32,
        submitted_at: Timestamp,
    ) -> JobSnapshot {
        JobSnapshot {
            id,
            phase: Phase::Listing,
            request,
            workers,
            timings: Timings { submitted_at, ..Timings::default() },
            inputs: InputSummary::default(),
            generated: None,
            plan: None,
            progress: Vec::new(),
            attempts: AttemptCounts::default(),
            bytes: ByteCounts::default(),
            bytes_per_sec: 0.0,
            remaining_ms: None,
            result: None,
            error: None,
        }
    }

    /// The part of the job's tasks that are complete, 0 to 1, running attempts
    /// counted by how far they are.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        if self.phase == Phase::Done {
            return 1.0;
        }
        let total: u64 = self.progress.iter().map(|level| level.tasks).sum();
        if total == 0 {
            return 0.0;
        }
        let complete: f64 = self.progress.iter().map(LevelProgress::complete).sum();
        complete / total as f64
    }
}

/// What has been found out about the inputs of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct InputSummary {
    /// F, how many objects there are.
    pub objects: Option<u64>,
    /// How many bytes they hold together.
    pub bytes: Option<u64>,
    /// C, how many numbers each holds; for text known once one has been read.
    pub columns: Option<u64>,
    /// The shape of each array, if the format has shapes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<u64>>,
    /// Whether the columns run along the first index of the shape, not the last.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fortran_order: bool,
    /// The format of the objects in words, such as `text` or `npy f8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Counted {
    /// How many there are already.
    pub done: u64,
    /// How many there will be.
    pub total: u64,
}

/// How far one level of the sum tree has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LevelProgress {
    /// How many tasks the level has.
    pub tasks: u64,
    /// How many of them are complete.
    pub completed: u64,
    /// How many have an attempt under way.
    pub running: u64,
    /// How many have a speculative attempt under way.
    #[serde(default)]
    pub speculative: u64,
    /// The work done by attempts under way, in tasks: two half-done ones make 1.0.
    #[serde(default)]
    pub partly: f64,
    /// The average duration of a completed attempt, 0 if there is none.
    #[serde(default)]
    pub mean_ms: u64,
}

impl LevelProgress {
    /// Complete tasks, those under way counted by how far they are.
    #[must_use]
    pub fn complete(&self) -> f64 {
        (self.completed as f64 + self.partly).min(self.tasks as f64)
    }
}

/// What became of a job's attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct AttemptCounts {
    /// Given to a worker so far.
    pub started: u64,
    /// Under way now.
    pub running: u64,
    /// Ended with their task complete.
    pub completed: u64,
    /// Ended with an error.
    pub failed: u64,
    /// Ended because their lease ran out.
    pub lost: u64,
    /// Ended because another attempt completed their task.
    pub superseded: u64,
    /// Of those started, how many were speculative.
    pub speculative: u64,
    /// Of the speculative ones, how many completed their task first.
    pub speculative_won: u64,
    /// How long speculative attempts have run, together.
    pub speculative_ms: u64,
    /// How much sooner tasks were complete because a speculative attempt took
    /// part, as estimated from the pace of the first attempt.
    pub saved_ms: u64,
}

/// Bytes that a job's attempts have moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ByteCounts {
    /// Read from input objects.
    pub input_read: u64,
    /// Read from partial sums.
    pub partial_read: u64,
    /// Written as partial sums.
    pub written: u64,
    /// Read from input objects beyond what they hold: by attempts that failed or
    /// were superseded, and headers that several workers look at. What a worker
    /// read that died before it could tell is not known.
    pub read_twice: u64,
    /// Bytes of finished segments that a later attempt found and did not compute again.
    pub reused: u64,
}

/// When each phase was entered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Timings {
    /// When the job was submitted, and Listing began.
    pub submitted_at: Timestamp,
    /// When its objects were listed, and Planning began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planning_at: Option<Timestamp>,
    /// When its tasks could first be given to workers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running_at: Option<Timestamp>,
    /// When the total was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finishing_at: Option<Timestamp>,
    /// When it ended, one way or another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_done_attempts_count_by_half() {
        let level = LevelProgress { tasks: 4, completed: 1, partly: 1.5, ..Default::default() };
        assert_eq!(level.complete(), 2.5);
    }
}
