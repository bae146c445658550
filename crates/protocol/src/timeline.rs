//! The attempts of a job over time.
//!
//! The size of a [`Timeline`] does not depend on the number of tasks: where attempts are
//! many, only those that matter one by one are listed, and of all others each worker's
//! busy share is told.

use serde::{Deserialize, Serialize};

use crate::detail::{AttemptSnapshot, AttemptState};
use crate::{TaskId, Timestamp, WorkerId};

/// The most attempts that a timeline lists one by one.
pub const ATTEMPTS_LISTED: usize = 2_000;
/// The most workers of a timeline.
pub const LANES_LISTED: usize = 64;
/// The number of equal parts of the time in [`Lane::busy`].
pub const LANE_PARTS: usize = 240;
/// The number of equal parts of the time in [`Timeline::moments`].
pub const MOMENTS: usize = 120;
/// The most tasks in [`Timeline::slowest`] and [`Timeline::rescues`].
pub const TASKS_LISTED: usize = 5;
/// The most numbers in [`LevelTimes::cells`]; in a level with more tasks each stands for
/// several.
pub const TIME_CELLS: u64 = 120;

/// The attempts of a job in a span of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Timeline {
    /// The start of the span.
    pub start: Timestamp,
    /// The end of the span: that of the job, or now.
    pub end: Timestamp,
    /// The start of the job.
    pub job_start: Timestamp,
    /// The end of the job, or now.
    pub job_end: Timestamp,
    /// Whether the job is over.
    pub is_over: bool,
    /// Attempts that ended before are not known: the server has restarted since. Absent if
    /// all are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_from: Option<Timestamp>,
    /// The number of attempts in the span, listed or not.
    pub attempts: u64,
    /// The workers, sorted naturally: `worker-2` before `worker-10`. Attempts that no worker
    /// has started are in a last lane without a worker.
    pub lanes: Vec<Lane>,
    /// The number of workers that are left out, those with the least to show first.
    #[serde(default)]
    pub lanes_left_out: u64,
    /// What all attempts did, in equal parts of the span.
    pub moments: Vec<Moment>,
    /// The memory in bytes that the process of a worker is expected to hold at most, if it has
    /// one slot; absent if workers run inside the server, or before the job is planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bound_bytes: Option<u64>,
    /// The durations of the tasks of each level, from level 0; of the whole job.
    pub levels: Vec<LevelTimes>,
    /// The slowest tasks of the whole job, slowest first.
    pub slowest: Vec<SlowTask>,
    /// The tasks of stragglers that speculative attempts completed first, the most time
    /// saved first; of the whole job.
    pub rescues: Vec<Rescue>,
}

/// The attempts of one worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Lane {
    /// The worker; absent for attempts that no worker has started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerId>,
    /// The number of its attempts in the span.
    pub total: u64,
    /// The time that it executed attempts in the span, in milliseconds.
    pub busy_ms: u64,
    /// How these attempts ended, and what they read and wrote, listed or not. Records of
    /// older versions lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<LaneCounts>,
    /// Its attempts, oldest first. If the attempts of the span are too many, only those
    /// that run, did not complete their task, or are not the only one at their task.
    pub attempts: Vec<TimedAttempt>,
    /// The busy share in thousandths, in 240 equal parts of the span; empty if all attempts
    /// are listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub busy: Vec<u16>,
}

/// How the attempts of one worker ended, and what they read and wrote. Those that are in no
/// count run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LaneCounts {
    /// The number that completed their task.
    pub completed: u64,
    /// The number whose task another attempt completed.
    pub superseded: u64,
    /// The number that ended with an error.
    pub failed: u64,
    /// The number whose lease expired.
    pub lost: u64,
    /// The number that were handed back or withdrawn.
    pub stopped: u64,
    /// Bytes read from inputs and partial sums, by all of each attempt, also where only a
    /// part of it is in the span.
    pub read_bytes: u64,
    /// Bytes written as partial sums.
    pub written_bytes: u64,
}

impl LaneCounts {
    /// Adds an attempt.
    pub fn add(&mut self, attempt: &AttemptSnapshot) {
        match attempt.state {
            AttemptState::Published | AttemptState::Running => {}
            AttemptState::Completed => self.completed += 1,
            AttemptState::Superseded => self.superseded += 1,
            AttemptState::Failed => self.failed += 1,
            AttemptState::Lost => self.lost += 1,
            AttemptState::Stopped => self.stopped += 1,
        }
        self.read_bytes += attempt.read_bytes;
        self.written_bytes += attempt.written_bytes;
    }

    /// Adds the counts of another job.
    pub fn add_all(&mut self, other: &LaneCounts) {
        self.completed += other.completed;
        self.superseded += other.superseded;
        self.failed += other.failed;
        self.lost += other.lost;
        self.stopped += other.stopped;
        self.read_bytes += other.read_bytes;
        self.written_bytes += other.written_bytes;
    }
}

/// An attempt and its task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TimedAttempt {
    /// The task.
    pub task: TaskId,
    /// The number of the attempt that a speculative one was started beside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<u32>,
    /// The attempt.
    #[serde(flatten)]
    pub attempt: AttemptSnapshot,
}

/// What the attempts of a job did in one part of the span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Moment {
    /// The mean number of attempts that ran.
    pub running: f64,
    /// The mean number of attempts in the queue.
    pub queued: f64,
    /// Bytes read from inputs and partial sums per second. What an attempt read counts
    /// evenly over its time.
    pub bytes_per_sec: f64,
    /// The memory in bytes that the process of one worker held at most: what was reported
    /// last of each attempt that ran. 0 if no attempt did; records of older versions lack it.
    #[serde(default)]
    pub memory_bytes: u64,
}

/// The durations of the tasks of one level that were completed, each by one attempt alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LevelTimes {
    /// The number of these tasks.
    pub tasks: u64,
    /// Their median duration in milliseconds; 0 if there is none.
    pub median_ms: u64,
    /// The duration in milliseconds that 95 % of them did not exceed.
    pub p95_ms: u64,
    /// The longest time from the start to the end of a task in milliseconds, by task, or in
    /// a level with more than 120 tasks by 120 equal ranges of them; absent if none of them
    /// is complete.
    pub cells: Vec<Option<u64>>,
}

/// A task that took long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SlowTask {
    /// The task.
    pub task: TaskId,
    /// The time from the start of its first attempt until it was complete, in milliseconds.
    pub took_ms: u64,
    /// The number of its attempts that workers started.
    pub attempts: u64,
    /// The worker that completed it.
    pub worker: WorkerId,
}

/// A task of a straggler that a speculative attempt completed first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Rescue {
    /// The task.
    pub task: TaskId,
    /// The worker of the superseded attempt.
    pub straggler: WorkerId,
    /// The worker that completed the task.
    pub rescuer: WorkerId,
    /// How many times the median duration of its level the superseded attempt would have
    /// taken, by its rate; absent if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times_slower: Option<f64>,
    /// How much longer it would have run, by its rate, in milliseconds; absent if that is
    /// not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved_ms: Option<u64>,
}

impl Timeline {
    /// Whether some attempts of the span are not listed.
    #[must_use]
    pub fn is_shortened(&self) -> bool {
        self.lanes_left_out > 0 || self.lanes.iter().any(|lane| !lane.busy.is_empty())
    }
}
