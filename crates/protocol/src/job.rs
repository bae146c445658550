//! The public state of a job.

use serde::{Deserialize, Serialize};

use crate::delivery::WebhookDelivery;
use crate::detail::AttemptState;
use crate::plan::Plan;
use crate::request::{Inputs, JobRequest};
use crate::result::ResultSummary;
use crate::{JobId, Outage, Problem, Timestamp};

/// The phase of a job.
///
/// ```text
/// Listing ─► Planning ─► Running ─► Finishing ─► Done
///    └───────────┴──────────┴───────────┴──────► Failed | Cancelled
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The input objects are being generated or listed, and their headers read.
    Listing,
    /// The sum tree is being planned, or the job waits for other jobs.
    Planning,
    /// Tasks are being computed.
    Running,
    /// The total is being divided and stored as the result.
    Finishing,
    /// The result is stored.
    Done,
    /// The job ended with an error, which is in `error`.
    Failed,
    /// A user cancelled the job.
    Cancelled,
}

impl Phase {
    /// Whether the job has ended: done, failed or cancelled.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Phase::Done | Phase::Failed | Phase::Cancelled)
    }

    /// The name of the phase, shown on the pages and used in `data-state`.
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

/// A summary of a job at one moment. Its size does not depend on F, C or W, nor on the
/// size of the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct JobSnapshot {
    /// The id of the job.
    pub id: JobId,
    /// The current phase.
    pub phase: Phase,
    /// The request as submitted. A long list of objects is shortened to its length and
    /// its first objects.
    pub request: JobRequest,
    /// Whether the job waits for other jobs: to be listed, or to run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waiting: bool,
    /// W, the number of workers in use: the requested one or the server's default.
    pub workers: u32,
    /// The name of who submitted it; absent where nobody signs in.
    // Browsers do not show it.
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_by: Option<String>,
    /// When the job entered each phase.
    pub timings: Timings,
    /// The properties of the inputs that are known so far.
    #[serde(default)]
    pub inputs: InputSummary,
    /// Generated files, while test data is being generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<Counted>,
    /// The plan; absent before the job is planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// The progress of each level of the sum tree, from level 0.
    #[serde(default)]
    pub progress: Vec<LevelProgress>,
    /// The number of attempts by outcome.
    #[serde(default)]
    pub attempts: AttemptCounts,
    /// Bytes read and written so far.
    #[serde(default)]
    pub bytes: ByteCounts,
    /// The fraction of the whole job that is behind it, 0 to 1, over all phases. It never
    /// decreases, also when work is lost. Records of older versions lack it.
    #[serde(default)]
    pub overall: f64,
    /// The restarts of the server while the job was planned or ran, oldest first; only the
    /// latest of many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restarts: Vec<Restart>,
    /// When the job was resumed after it had failed or been cancelled, oldest first; only
    /// the latest of many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resumes: Vec<Timestamp>,
    /// The current input throughput in bytes per second; 0 while nothing runs.
    #[serde(default)]
    pub bytes_per_sec: f64,
    /// The estimated remaining time in milliseconds; absent while unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_ms: Option<u64>,
    /// The time in milliseconds that the job will probably still take at least; absent while
    /// unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_least_ms: Option<u64>,
    /// The time in milliseconds that it will probably still take at most; absent while unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_most_ms: Option<u64>,
    /// A summary of the result; absent before the job is done.
    // Pages have the server render it.
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<ResultSummary>,
    /// The outage that the job waits for; absent if it waits for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outage: Option<Outage>,
    /// The error of a failed job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    /// The delivery of the message that the job has ended, if somebody is told.
    // Browsers do not show it.
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookDelivery>,
}

impl JobSnapshot {
    /// Whether segments of the total may be stored while the job runs.
    #[must_use]
    pub fn is_total_begun(&self) -> bool {
        let is_begun = |root: &LevelProgress| root.running > 0 || root.completed > 0;
        !self.phase.is_over() && self.progress.last().is_some_and(is_begun)
    }

    /// The name of a phase, as pages show it for this job: files that are generated are not
    /// listed before they are.
    #[must_use]
    pub const fn phase_title(&self, phase: Phase) -> &'static str {
        match (phase, &self.request.inputs) {
            (Phase::Listing, Inputs::Generate(_)) => "generating",
            (phase, _) => phase.word(),
        }
    }

    /// The number of columns of the table that the result is; `None` if it is none.
    #[must_use]
    pub fn row_numbers(&self) -> Option<u64> {
        match self.result.as_ref()?.shape.as_deref() {
            Some(&[_, width]) if self.inputs.named && width > 0 => Some(width),
            _ => None,
        }
    }

    /// The state of a job that has just been submitted. The request is shortened.
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
            request: request.shortened(),
            waiting: false,
            workers,
            submitted_by: None,
            timings: Timings { submitted_at, ..Timings::default() },
            inputs: InputSummary::default(),
            generated: None,
            plan: None,
            progress: Vec::new(),
            attempts: AttemptCounts::default(),
            bytes: ByteCounts::default(),
            overall: 0.0,
            restarts: Vec::new(),
            resumes: Vec::new(),
            bytes_per_sec: 0.0,
            remaining_ms: None,
            remaining_least_ms: None,
            remaining_most_ms: None,
            result: None,
            outage: None,
            error: None,
            webhook: None,
        }
    }

    /// The completed fraction of the job's tasks, 0 to 1. Running attempts count
    /// by their progress.
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

    /// The fraction of the whole job as pages show it: [`JobSnapshot::overall`], or of
    /// records that lack it what their state tells.
    #[must_use]
    pub fn whole(&self) -> f64 {
        self.overall.max(self.overall_now())
    }

    /// The fraction of the whole job that its present state tells, 0 to 1, over all
    /// phases. It decreases when work is lost, unlike [`JobSnapshot::overall`].
    #[must_use]
    pub fn overall_now(&self) -> f64 {
        /// The part of generating test data.
        const GENERATED: f64 = 0.2;
        /// The part of listing and planning.
        const PLANNED: f64 = 0.02;
        /// The part of dividing the total.
        const FINISHING: f64 = 0.03;
        let generates = matches!(self.request.inputs, Inputs::Generate(_));
        let generated = if generates { GENERATED } else { 0.0 };
        let running = 1.0 - generated - PLANNED - FINISHING;
        match self.phase {
            Phase::Done => 1.0,
            Phase::Listing => self.generated.map_or(0.0, |counted| {
                generated * counted.done as f64 / counted.total.max(1) as f64
            }),
            Phase::Planning => generated + PLANNED,
            Phase::Running | Phase::Finishing | Phase::Failed | Phase::Cancelled => {
                match self.plan {
                    Some(_) => generated + PLANNED + running * self.fraction(),
                    None => 0.0,
                }
            }
        }
    }
}

/// A restart of the server during a job.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Restart {
    /// When the server had started again.
    pub at: Timestamp,
    /// [`JobSnapshot::overall`] then.
    pub overall: f64,
}

/// The most restarts in a snapshot; nobody reads more.
pub const RESTARTS_SHOWN: usize = 16;

/// The properties of a job's inputs that are known so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct InputSummary {
    /// F, the number of objects.
    pub objects: Option<u64>,
    /// The total size of the objects in bytes.
    pub bytes: Option<u64>,
    /// C, the number of values per object. For text it is known once an object has
    /// been read.
    pub columns: Option<u64>,
    /// The shape of each array, if the format has shapes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<u64>>,
    /// Whether the columns run along the first index of the shape, not the last.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fortran_order: bool,
    /// The format of the objects, such as `text` or `npy f8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The type of the numbers of the first object as NumPy names it, such as `f4` or `i2`, if
    /// all have one that the object tells.
    // Browsers do not show it.
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// The type of the numbers of the results as .npy, as NumPy names it, where it was asked for
    /// and is not `f8`.
    // Browsers do not show it.
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_dtype: Option<String>,
    /// The files below the prefix that were left out because they are not data.
    #[serde(skip_serializing_if = "SkippedFiles::is_empty")]
    pub skipped: SkippedFiles,
    /// Whether the objects name their parts, such as the columns of a table. A result as CSV
    /// then has the rows, and the header, of the table.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub named: bool,
    /// Whether the objects are tables with a key column, which the result has too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keyed: bool,
    /// The tensors that are averaged, in the order of their columns, if the objects are
    /// model weights (safetensors). The result can then be had as safetensors, too.
    // Browsers do not show it.
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensors: Option<TensorsSummary>,
    /// The variables that are averaged, in the order of their columns, if the objects are
    /// NetCDF files. The result can then be had as NetCDF, too.
    // Browsers do not show it.
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variables: Option<TensorsSummary>,
    /// The columns that are averaged, in their order, if the objects are tables with a header.
    // Browsers do not show it.
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderSummary>,
    /// The weights of the objects; absent if all count the same.
    // Browsers do not show it.
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightSummary>,
}

/// The columns of tables that are averaged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct HeaderSummary {
    /// The number of the columns.
    pub count: u64,
    /// The names of the first of them, at most 64 and 8,192 bytes.
    pub first: Vec<String>,
}

impl HeaderSummary {
    /// Of columns with these names.
    #[must_use]
    pub fn of(names: Vec<String>) -> HeaderSummary {
        let (count, mut bytes) = (names.len() as u64, 0);
        let has_room = |name: &String| {
            bytes += name.len();
            bytes <= TensorsSummary::NAMED_BYTES
        };
        let first = names.into_iter().take(TensorsSummary::NAMED).take_while(has_room);
        HeaderSummary { count, first: first.collect() }
    }
}

/// The tensors of model weights, or the variables of NetCDF files, that are averaged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct TensorsSummary {
    /// The number of the tensors.
    pub count: u64,
    /// The first of them, at most 64 and 8,192 bytes.
    pub first: Vec<TensorSummary>,
}

/// A tensor: an array with a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TensorSummary {
    /// The name of the tensor.
    pub name: String,
    /// The type of its numbers in the first file, as the format names it: `F32`, `BF16`,
    /// `float`.
    pub dtype: String,
    /// The length along each index, in C order.
    pub shape: Vec<u64>,
}

impl TensorsSummary {
    /// The most tensors that are named.
    pub const NAMED: usize = 64;
    /// The most bytes that they take together.
    pub const NAMED_BYTES: usize = 8192;

    /// Adds a tensor, by its name if there is room.
    pub fn add(&mut self, name: &str, dtype: &str, shape: &[u64]) {
        self.count += 1;
        let bytes = |name: &str, shape: &[u64]| name.len() + size_of_val(shape);
        let taken: usize = self.first.iter().map(|one| bytes(&one.name, &one.shape)).sum();
        let has_room = self.first.len() < TensorsSummary::NAMED
            && taken + bytes(name, shape) <= TensorsSummary::NAMED_BYTES;
        // The first ones, without gaps.
        if has_room && self.first.len() as u64 + 1 == self.count {
            let (name, dtype, shape) = (name.to_owned(), dtype.to_owned(), shape.to_vec());
            self.first.push(TensorSummary { name, dtype, shape });
        }
    }
}

/// The weights of the objects of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct WeightSummary {
    /// The least weight of the objects that are averaged.
    pub min: f64,
    /// The greatest weight.
    pub max: f64,
    /// The number of objects that are left out because their weight is 0.
    pub left_out: u64,
}

impl InputSummary {
    /// Whether the result is also written with numbers of types of their own: in the format of
    /// the objects, or as .npy of a type that was asked for.
    #[must_use]
    pub const fn is_typed(&self) -> bool {
        self.tensors.is_some() || self.variables.is_some() || self.result_dtype.is_some()
    }

    /// Whether each object must be compared with the first one: its parts have names, or it
    /// is an array of several dimensions.
    #[must_use]
    pub fn has_reference(&self) -> bool {
        self.named || self.shape.as_ref().is_some_and(|shape| shape.len() > 1)
    }
}

/// Files that were left out of a job because they are not data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct SkippedFiles {
    /// The number of the files.
    pub count: u64,
    /// The first of them, at most 16 and 4,096 bytes.
    pub first: Vec<String>,
}

impl SkippedFiles {
    /// The most files that are named.
    pub const NAMED: usize = 16;
    /// The most bytes that their names take together.
    pub const NAMED_BYTES: usize = 4096;

    /// Whether none was left out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a file, by its name if there is room.
    pub fn add(&mut self, location: &str) {
        self.count += 1;
        let bytes: usize = self.first.iter().map(String::len).sum();
        let has_room = self.first.len() < SkippedFiles::NAMED
            && bytes + location.len() <= SkippedFiles::NAMED_BYTES;
        // The first ones, without gaps.
        if has_room && self.first.len() as u64 + 1 == self.count {
            self.first.push(location.to_owned());
        }
    }
}

/// A number of finished items out of a total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Counted {
    /// The number of finished items.
    pub done: u64,
    /// The total number of items.
    pub total: u64,
}

/// The progress of one level of the sum tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LevelProgress {
    /// The number of tasks in the level.
    pub tasks: u64,
    /// The number of completed tasks.
    pub completed: u64,
    /// The number of tasks with a running attempt.
    pub running: u64,
    /// The number of tasks with a running speculative attempt.
    #[serde(default)]
    pub speculative: u64,
    /// The work done by running attempts, in tasks: two half-done attempts make 1.0.
    #[serde(default)]
    pub partly: f64,
    /// The mean duration of the completed attempts in milliseconds; 0 if there is none.
    #[serde(default)]
    pub mean_ms: u64,
}

impl LevelProgress {
    /// The number of completed tasks. Running attempts count by their progress.
    #[must_use]
    pub fn complete(&self) -> f64 {
        (self.completed as f64 + self.partly).min(self.tasks as f64)
    }
}

/// The number of a job's attempts by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct AttemptCounts {
    /// Attempts that workers have started: the sum of the following six numbers. An
    /// attempt that ends in the queue counts in none.
    pub started: u64,
    /// Attempts that are running now.
    pub running: u64,
    /// Attempts that completed their task.
    pub completed: u64,
    /// Attempts that ended with an error.
    pub failed: u64,
    /// Attempts whose lease expired.
    pub lost: u64,
    /// Attempts that ended because another attempt completed their task.
    pub superseded: u64,
    /// Attempts that were stopped or handed back: replaced because they were too slow, by
    /// a worker that left, or because the job ended.
    pub stopped: u64,
    /// Speculative attempts that workers have started.
    pub speculative: u64,
    /// Speculative attempts that completed their task before the straggler.
    pub speculative_won: u64,
    /// The total run time of speculative attempts in milliseconds.
    pub speculative_ms: u64,
    /// The estimated time in milliseconds by which speculation brought forward
    /// the completion of tasks, extrapolated from the rate of the first attempts.
    pub saved_ms: u64,
}

/// Bytes that a job's attempts have read and written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ByteCounts {
    /// Bytes read from input objects.
    pub input_read: u64,
    /// Bytes read from partial sums.
    pub partial_read: u64,
    /// Bytes written as partial sums.
    pub written: u64,
    /// Input bytes read in excess of the size of the inputs: by attempts that failed
    /// or were superseded, and headers that several workers read. Bytes that a
    /// worker read and did not report before it died are not counted.
    pub read_twice: u64,
    /// Bytes of finished segments that a later attempt reused.
    pub reused: u64,
}

/// When a job entered each phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Timings {
    /// When the job was submitted, and the phase `listing` began.
    pub submitted_at: Timestamp,
    /// When the objects were listed, and the phase `planning` began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planning_at: Option<Timestamp>,
    /// When the first tasks could be assigned, and the phase `running` began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running_at: Option<Timestamp>,
    /// When the total was stored, and the phase `finishing` began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finishing_at: Option<Timestamp>,
    /// When the job ended, in whatever phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl ByteCounts {
    /// The bytes of two times at the same job, whose input has `input_bytes`.
    #[must_use]
    pub const fn plus(&self, later: &ByteCounts, input_bytes: u64) -> ByteCounts {
        let input_read = self.input_read.saturating_add(later.input_read);
        ByteCounts {
            input_read,
            partial_read: self.partial_read.saturating_add(later.partial_read),
            written: self.written.saturating_add(later.written),
            read_twice: input_read.saturating_sub(input_bytes),
            reused: self.reused.saturating_add(later.reused),
        }
    }
}

impl AttemptCounts {
    /// The attempts of two times.
    #[must_use]
    pub const fn plus(&self, later: &AttemptCounts) -> AttemptCounts {
        AttemptCounts {
            started: self.started + later.started,
            running: self.running + later.running,
            completed: self.completed + later.completed,
            failed: self.failed + later.failed,
            lost: self.lost + later.lost,
            superseded: self.superseded + later.superseded,
            stopped: self.stopped + later.stopped,
            speculative: self.speculative + later.speculative,
            speculative_won: self.speculative_won + later.speculative_won,
            speculative_ms: self.speculative_ms + later.speculative_ms,
            saved_ms: self.saved_ms + later.saved_ms,
        }
    }

    /// The count of the attempts that ended in a state; `None` of a live state.
    pub const fn ended(&mut self, state: AttemptState) -> Option<&mut u64> {
        match state {
            AttemptState::Published | AttemptState::Running => None,
            AttemptState::Completed => Some(&mut self.completed),
            AttemptState::Failed => Some(&mut self.failed),
            AttemptState::Lost => Some(&mut self.lost),
            AttemptState::Superseded => Some(&mut self.superseded),
            AttemptState::Stopped => Some(&mut self.stopped),
        }
    }

    /// The sum of the attempts in every state, which is `started`.
    #[must_use]
    pub const fn in_all_states(&self) -> u64 {
        self.running + self.completed + self.failed + self.lost + self.superseded + self.stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_advances_from_phase_to_phase_and_ends_at_one() {
        let at = Timestamp::from_millis(1);
        for inputs in [
            Inputs::Prefix("in/".to_owned()),
            Inputs::Generate(crate::request::Generate {
                files: 4,
                count: 2,
                format: crate::request::GeneratedFormat::Csv,
                seed: 1,
            }),
        ] {
            let mut job =
                JobSnapshot::submitted(JobId::from_parts(at, 1), JobRequest::new(inputs), 1, at);
            let mut seen = vec![job.overall_now()];
            for done in [1, 2, 4] {
                job.generated = Some(Counted { done, total: 4 });
                seen.push(job.overall_now());
            }
            job.phase = Phase::Planning;
            seen.push(job.overall_now());
            job.phase = Phase::Running;
            job.plan = Some(serde_json::from_str(PLAN).unwrap());
            for completed in 0..=2 {
                job.progress = vec![LevelProgress { tasks: 2, completed, ..Default::default() }];
                seen.push(job.overall_now());
            }
            job.phase = Phase::Finishing;
            seen.push(job.overall_now());
            job.phase = Phase::Done;
            seen.push(job.overall_now());
            assert!(seen.is_sorted(), "{seen:?}");
            assert_eq!((seen[0], seen.pop()), (0.0, Some(1.0)));
            assert!(seen.iter().all(|fraction| *fraction < 1.0), "{seen:?}");
        }
    }

    const PLAN: &str = r#"{"objects": 4, "columns": 2, "fan_in": 2, "segment_columns": 1024,
        "levels": [{"nodes": 2, "ranges": 1, "range_segments": 1, "fan_in": 2}], "estimate": {}}"#;

    #[test]
    fn of_skipped_files_the_first_are_named_and_all_are_counted() {
        let mut skipped = SkippedFiles::default();
        (0..100).for_each(|file| skipped.add(&format!("{file}.md")));
        assert_eq!((skipped.count, skipped.first.len()), (100, SkippedFiles::NAMED));
        assert_eq!(skipped.first[15], "15.md");
        let mut skipped = SkippedFiles::default();
        for length in [4_000, 200, 1] {
            skipped.add(&"x".repeat(length));
        }
        assert_eq!((skipped.count, skipped.first.len()), (3, 1));
    }

    #[test]
    fn half_done_attempts_count_as_half_a_task() {
        let level = LevelProgress { tasks: 4, completed: 1, partly: 1.5, ..Default::default() };
        assert_eq!(level.complete(), 2.5);
    }
}
