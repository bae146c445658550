//! Assignments and controls from the server to workers, and their reports.

use serde::{Deserialize, Serialize};

use crate::request::{Header, Missing, RawNumbers, Statistic};
use crate::trace_context::{self, TraceContext};
use crate::{AttemptId, JobId, ObjectVersion, Problem, Timestamp, Weight, WorkerId};

/// One attempt at one task, in a message of the queue, which may contain several. It has
/// everything that a worker needs to run it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// [`crate::VERSION`] of the sender.
    pub version: u32,
    /// The id of the attempt.
    pub attempt: AttemptId,
    /// Whether another attempt at the task is live.
    #[serde(default)]
    pub speculative: bool,
    /// The order in which to compute the segments.
    #[serde(default)]
    pub direction: Direction,
    /// Whether segments of the task may be stored already, so that the worker looks
    /// for them.
    #[serde(default)]
    pub resume: bool,
    /// A worker that must not run the attempt, because it runs the other one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_on: Option<WorkerId>,
    /// A node whose workers must not run the attempt, because one of them runs the
    /// other one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_on_node: Option<String>,
    /// The work to do.
    pub work: Work,
    /// The columns to compute.
    pub columns: Columns,
    /// The statistics to compute in addition to the mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statistics: Vec<Statistic>,
    /// What to do with missing values; absent for the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
    /// Whether the objects have weights.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub weighted: bool,
    /// The prefix of the segments, which are written to [`segment_key`].
    pub output: String,
    /// The interval of heartbeats in milliseconds.
    pub heartbeat_ms: u64,
    /// How long the attempt lasts at least, in milliseconds, on purpose; absent but in
    /// demonstrations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace_ms: Option<u64>,
    /// The span of the publication, under which the attempt is recorded; absent unless the
    /// trace of the job is.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "trace_context::lenient"
    )]
    pub traceparent: Option<TraceContext>,
}

/// The key of a segment below its node's prefix. It has ten digits, so that keys
/// sort by segment.
#[must_use]
pub fn segment_key(prefix: &str, segment: u64) -> String {
    format!("{prefix}{segment:010}")
}

/// The name of the object with the fields of the key column, each a line of CSV.
pub const KEY_FIELDS: &str = "keys.csv";

/// The name of the object with the hashes of the fields of the key column, 8 bytes each,
/// little-endian.
pub const KEY_HASHES: &str = "keys.xxh3";

/// The work of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// A leaf task: reads input objects.
    Sum {
        /// The objects, in the order of the job's list.
        objects: Vec<InputObject>,
        /// The type of the numbers, if the objects are raw numbers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        raw: Option<RawNumbers>,
        /// Whether the first line of a text file names its columns; absent for automatic.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        header: Option<Header>,
        /// What to read of objects that name their parts; empty for everything.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        select: Vec<String>,
        /// The column of a table whose fields must be the same in all objects.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// The prefix of the keys of the job's first object: its fields of the key column in
        /// [`KEY_FIELDS`], their hashes in [`KEY_HASHES`]. Absent if there is no key column.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        keys: Option<String>,
        /// The object whose parts, such as columns of a table, all others must have, in
        /// whatever order, and whose shape; absent if it has neither parts with names nor
        /// a shape of several dimensions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<InputObject>,
        /// Whether columns are counted with the first index of an array running
        /// fastest (Fortran order) instead of the last (C order). Arrays stored in
        /// the other order are read accordingly.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        fortran_order: bool,
    },
    /// A merge task: adds partial sums.
    Merge {
        /// The prefixes of the segments of the node's children.
        partial_sums: Vec<String>,
    },
}

/// An input: an object, or several that count as one, such as the shards of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputObject {
    /// A key of the store, or a location such as `s3://bucket/key`.
    pub location: String,
    /// The size in bytes; of several objects, of all together.
    pub bytes: u64,
    /// The version that was there when the job was planned. Every read is held to it.
    /// Absent from plans of earlier versions, and if the store has no versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<ObjectVersion>,
    /// The weight; absent if all objects count the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<Weight>,
    /// The objects of which the input consists, if there are several, in the order in which
    /// their bytes follow one another. The first is at `location` and has `version`.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub parts: Box<[ObjectPart]>,
}

/// One of several objects of which an input consists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectPart {
    /// A key of the store, or a location such as `s3://bucket/key`.
    pub location: String,
    /// The size in bytes.
    pub bytes: u64,
    /// The version that was there when the job was planned, if the store has versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<ObjectVersion>,
}

impl ObjectPart {
    /// The last part of its location.
    #[must_use]
    pub fn name(&self) -> &str {
        self.location.rsplit('/').next().unwrap_or_default()
    }
}

fn is_empty(parts: &[ObjectPart]) -> bool {
    parts.is_empty()
}

/// A range of columns in whole segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    /// The number of columns in every segment except the last.
    pub segment_columns: u64,
    /// The index of the first segment.
    pub first_segment: u64,
    /// The index after the last segment; absent if the range extends to the last
    /// segment of the array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_segment: Option<u64>,
    /// C, the number of columns of the array; absent if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

impl Columns {
    /// The index of the first column.
    #[must_use]
    pub const fn start(&self) -> u64 {
        self.first_segment * self.segment_columns
    }

    /// The index after the last column, in an array of `total` columns.
    #[must_use]
    pub fn end(&self, total: u64) -> u64 {
        match self.end_segment {
            Some(end) => total.min(end * self.segment_columns),
            None => total,
        }
    }

    /// The number of columns in the range, in an array of `total` columns.
    #[must_use]
    pub fn width(&self, total: u64) -> u64 {
        self.end(total).saturating_sub(self.start())
    }

    /// The segments of the range, in an array of `total` columns.
    #[must_use]
    pub fn segments(&self, total: u64) -> std::ops::Range<u64> {
        self.first_segment..self.end(total).div_ceil(self.segment_columns).max(self.first_segment)
    }
}

/// The order in which an attempt computes its segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the first segment to the last.
    #[default]
    Forward,
    /// From the last segment to the first, to meet the attempt that started at the
    /// first. Inputs that cannot be sought are read forward in any case.
    Backward,
}

/// What a worker tells the server. Several may share a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`crate::VERSION`] of the sender.
    pub version: u32,
    /// The sender.
    pub worker: WorkerId,
    /// When it was sent, by the worker's clock.
    pub at: Timestamp,
    /// The content.
    pub body: ReportBody,
}

/// The content of a [`Report`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportBody {
    /// The worker has started and accepts attempts.
    Joined(Joined),
    /// The worker is alive. Sent when it has sent no other report for a while.
    Alive {
        /// The resident memory of the process, in bytes.
        resident_bytes: u64,
    },
    /// The worker accepts no more attempts and exits.
    Left {
        /// The reason, for people.
        reason: String,
    },
    /// The worker has started an attempt.
    Started {
        /// The id of the attempt.
        attempt: AttemptId,
    },
    /// A heartbeat of a running attempt.
    Progressed {
        /// The id of the attempt.
        attempt: AttemptId,
        /// The progress since the start of the attempt.
        progress: Progress,
    },
    /// All segments of the task are stored.
    Completed {
        /// The id of the attempt.
        attempt: AttemptId,
        /// What the attempt found about its inputs.
        outcome: Outcome,
    },
    /// The attempt ended with an error.
    Failed {
        /// The id of the attempt.
        attempt: AttemptId,
        /// The error.
        failure: Failure,
        /// The progress at its end.
        progress: Progress,
    },
    /// The attempt was stopped, or handed back by a worker that exits. Its finished
    /// segments remain stored.
    Stopped {
        /// The id of the attempt.
        attempt: AttemptId,
        /// The reason.
        reason: StopReason,
        /// The progress at its end.
        progress: Progress,
    },
}

/// A worker that has started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Joined {
    /// The node that it runs on, if known.
    pub node: Option<String>,
    /// Distinguishes successive processes of one name; 0 if unknown. It is not
    /// the process id, although it is called so in messages.
    #[serde(rename = "process_id")]
    pub incarnation: u32,
    /// The resident memory of the process, in bytes.
    pub resident_bytes: u64,
    /// A description of the faults injected for tests and demonstrations.
    pub faults: Option<String>,
    /// Where the queue takes messages for this worker alone, if it has such a place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// The progress of an attempt since its start. Other attempts do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// The completed fraction of the task, 0 to 1, reused segments included.
    pub fraction: f64,
    /// Bytes read from input objects.
    pub input_read_bytes: u64,
    /// Bytes read from partial sums.
    pub partial_read_bytes: u64,
    /// Bytes written as segments.
    pub written_bytes: u64,
    /// The number of segments computed.
    pub segments_written: u64,
    /// The number of segments that were stored already.
    pub segments_reused: u64,
    /// The maximum number of input objects open at the same time.
    pub open_objects_max: u32,
    /// The resident memory of the process, in bytes.
    pub resident_bytes: u64,
    /// What the time was spent on. Absent from workers of earlier versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phases: Option<PhaseTimes>,
}

/// What an attempt has spent its time on. The phases alternate for every range of its
/// inputs, so these are sums. What is left of its time went into everything else, such as
/// looking for finished segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct PhaseTimes {
    /// Opening inputs and waiting for their bytes, in milliseconds.
    pub reading_ms: u32,
    /// Decoding, adding and encoding numbers, in milliseconds.
    pub computing_ms: u32,
    /// Waiting until segments were written, in milliseconds.
    pub writing_ms: u32,
}

impl PhaseTimes {
    /// The larger of each of two times.
    #[must_use]
    pub fn max(self, other: PhaseTimes) -> PhaseTimes {
        PhaseTimes {
            reading_ms: self.reading_ms.max(other.reading_ms),
            computing_ms: self.computing_ms.max(other.computing_ms),
            writing_ms: self.writing_ms.max(other.writing_ms),
        }
    }
}

/// What a completed attempt found about its inputs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// C, the number of values in each of its inputs.
    pub columns: u64,
    /// One of the objects with that many values, for error messages.
    pub columns_of: Option<String>,
    /// The shape of the arrays; absent if the format has no shapes.
    pub shape: Option<Vec<u64>>,
    /// The format of the objects, such as `text` or `npy f8`.
    pub format: Option<String>,
    /// The progress at its end.
    pub progress: Progress,
    /// How long the attempt took, in milliseconds. Absent from workers of earlier versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u32>,
}

/// An attempt that ended with an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "FailureMessage", into = "FailureMessage")]
pub struct Failure {
    /// The error.
    pub problem: Problem,
    /// What is to blame.
    pub fault: Fault,
}

/// What is to blame for an error, and so what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// An input of the job. Every attempt would meet the error, so the job fails.
    Input,
    /// The worker or its node: its credentials, clock, disk or memory. The task is
    /// retried elsewhere, and the worker gets no attempts for a time.
    Worker,
    /// The store does not answer or limits requests. The job waits.
    Store,
    /// An unexpected error, which another attempt may not meet. The task is retried a
    /// limited number of times.
    Program,
}

/// A [`Failure`] as a message. Older servers and workers know only `retryable`.
#[derive(Serialize, Deserialize)]
struct FailureMessage {
    problem: Problem,
    retryable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fault: Option<Fault>,
}

impl From<FailureMessage> for Failure {
    fn from(message: FailureMessage) -> Failure {
        let assumed = if message.retryable { Fault::Program } else { Fault::Input };
        Failure { problem: message.problem, fault: message.fault.unwrap_or(assumed) }
    }
}

impl From<Failure> for FailureMessage {
    fn from(failure: Failure) -> FailureMessage {
        let Failure { problem, fault } = failure;
        FailureMessage { problem, retryable: fault != Fault::Input, fault: Some(fault) }
    }
}

/// Why an attempt was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// Another attempt completed the task.
    Superseded,
    /// The job was cancelled or failed.
    JobOver,
    /// The worker exits and hands the task back.
    WorkerLeaves,
    /// The lease of the attempt expired.
    LeaseLost,
    /// The worker, or its node, runs the other attempt at the task.
    NotHere,
    /// A segment that the attempt needed is damaged and was deleted, or is gone. It must
    /// be computed again first.
    SegmentLost(LostSegment),
}

/// A segment of a partial sum that a merge task needed and that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostSegment {
    /// The index of the partial sum among those of [`Work::Merge`].
    pub input: u32,
    /// The index of the segment in it.
    pub segment: u64,
}

/// A message from the server to all workers, or to one whose [address](Joined::address) is
/// known. Each worker ignores messages for others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// Stop an attempt.
    StopAttempt {
        /// The id of the attempt.
        attempt: AttemptId,
        /// The reason.
        reason: StopReason,
    },
    /// Stop all attempts of a job.
    StopJob {
        /// The id of the job.
        job: JobId,
    },
    /// Accept no more attempts, and exit once idle.
    Drain {
        /// The id of the worker.
        worker: WorkerId,
    },
    /// Accept no attempts for a time, because of an error of the worker or its node.
    Rest {
        /// The id of the worker.
        worker: WorkerId,
        /// The time in milliseconds.
        rest_ms: u64,
    },
    /// Every worker sends [`ReportBody::Joined`] again, because the server has just
    /// started.
    RollCall,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_of_earlier_plans_have_no_version() {
        let earlier: InputObject = serde_json::from_str(r#"{"location":"a","bytes":3}"#).unwrap();
        assert_eq!(earlier.version, None);
        assert_eq!(serde_json::to_string(&earlier).unwrap(), r#"{"location":"a","bytes":3}"#);
        let version = Some(ObjectVersion::of_etag("\"x\""));
        let now = serde_json::to_string(&InputObject { version, ..earlier }).unwrap();
        assert_eq!(now, r#"{"location":"a","bytes":3,"version":"etag:x"}"#);
    }

    #[test]
    fn assignments_carry_the_span_of_their_publication_if_there_is_one() {
        let job = JobId::from_parts(Timestamp::from_millis(1), 2);
        let task = crate::TaskId { level: 1, node: 0, range: 0 };
        let untraced = Assignment {
            version: crate::VERSION,
            attempt: AttemptId { job, task, number: 1 },
            speculative: false,
            direction: Direction::Forward,
            resume: false,
            not_on: None,
            not_on_node: None,
            work: Work::Merge { partial_sums: Vec::new() },
            columns: Columns {
                segment_columns: 1,
                first_segment: 0,
                end_segment: None,
                total: None,
            },
            statistics: Vec::new(),
            missing: None,
            weighted: false,
            output: "a/".to_owned(),
            heartbeat_ms: 1,
            pace_ms: None,
            traceparent: None,
        };
        // As earlier servers write it, and no byte more.
        let mut message = serde_json::to_value(&untraced).unwrap();
        assert_eq!(message.get("traceparent"), None);
        assert_eq!(serde_json::from_value::<Assignment>(message.clone()).unwrap(), untraced);
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let traced = Assignment { traceparent: text.parse().ok(), ..untraced.clone() };
        message["traceparent"] = text.into();
        assert_eq!(serde_json::to_value(&traced).unwrap(), message);
        assert_eq!(serde_json::from_value::<Assignment>(message.clone()).unwrap(), traced);
        // The work is done, whatever a trace looks like.
        message["traceparent"] = "01-new".into();
        assert_eq!(serde_json::from_value::<Assignment>(message).unwrap(), untraced);
    }

    /// A plan may have a million of them.
    #[test]
    fn an_object_takes_88_bytes_beside_its_location() {
        assert_eq!(size_of::<InputObject>(), 88);
    }

    #[test]
    fn the_parts_of_an_input_are_kept_in_order() {
        let text = r#"{"location":"m/a.json","bytes":5,"parts":[{"location":"m/a.json","bytes":2},{"location":"m/b","bytes":3,"version":"etag:x"}]}"#;
        let input: InputObject = serde_json::from_str(text).unwrap();
        assert_eq!(input.parts.iter().map(ObjectPart::name).collect::<Vec<_>>(), ["a.json", "b"]);
        assert_eq!(serde_json::to_string(&input).unwrap(), text);
    }

    #[test]
    fn failures_of_earlier_workers_can_be_read_and_earlier_servers_can_read_ours() {
        let problem = Problem::no_numbers("a");
        for (fault, retryable, assumed) in [
            (Fault::Input, false, Fault::Input),
            (Fault::Worker, true, Fault::Program),
            (Fault::Store, true, Fault::Program),
            (Fault::Program, true, Fault::Program),
        ] {
            let failure = Failure { problem: problem.clone(), fault };
            let mut message = serde_json::to_value(&failure).unwrap();
            assert_eq!(message["retryable"], retryable, "{fault:?}");
            assert_eq!(serde_json::from_value::<Failure>(message.clone()).unwrap(), failure);
            message.as_object_mut().unwrap().remove("fault");
            let earlier: Failure = serde_json::from_value(message).unwrap();
            assert_eq!(earlier.fault, assumed, "{fault:?}");
        }
    }

    /// The order was optional once.
    #[test]
    fn work_that_earlier_servers_sent_can_be_read() {
        for (text, expected) in [
            (r#"{"sum":{"objects":[]}}"#, false),
            (r#"{"sum":{"objects":[],"fortran_order":false}}"#, false),
            (r#"{"sum":{"objects":[],"fortran_order":true}}"#, true),
        ] {
            let Work::Sum { fortran_order, .. } = serde_json::from_str(text).unwrap() else {
                panic!("{text}");
            };
            assert_eq!(fortran_order, expected, "{text}");
        }
    }
}
