//! What a user asks for, and what a job looks like from outside.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::plan::Plan;
use crate::result::ResultSummary;
use crate::{JobId, Problem, Timestamp};

/// One user request: the mean of a set of objects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct JobRequest {
    /// The objects to average.
    pub inputs: Inputs,
    /// A name to recognise the job by; free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// W, the most attempts that the job has in flight; the server's default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<u32>,
    /// P, the most inputs that one node of the sum tree adds up.
    #[serde(default)]
    pub fan_in: FanIn,
    /// When a straggler's task gets a second attempt.
    #[serde(default)]
    pub speculation: Speculation,
    /// What is computed beside the mean, in the same pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statistics: Vec<Statistic>,
    /// Reads the objects as bare little-endian numbers of this type, which
    /// nothing in such objects would tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<RawNumbers>,
}

impl JobRequest {
    /// A request with every setting at its default.
    #[must_use]
    pub fn new(inputs: Inputs) -> JobRequest {
        JobRequest {
            inputs,
            name: None,
            workers: None,
            fan_in: FanIn::default(),
            speculation: Speculation::default(),
            statistics: Vec::new(),
            raw: None,
        }
    }
}

/// The objects to average; exactly one of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Inputs {
    /// Every object below a prefix of the store, but for names that start with `.` or `_`.
    Prefix(String),
    /// These objects.
    Objects(Vec<String>),
    /// Test data that the server makes first.
    Generate(Generate),
}

/// Test data: `files` arrays of `count` numbers, the same bytes for the same seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Generate {
    /// F, how many objects to make.
    pub files: u64,
    /// C, how many numbers in each.
    pub count: u64,
    /// Which format they are written in.
    #[serde(default)]
    pub format: GeneratedFormat,
    /// What the numbers follow from.
    #[serde(default)]
    pub seed: u64,
}

/// The formats that test data can be generated in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum GeneratedFormat {
    /// Text, numbers separated by commas.
    #[default]
    Csv,
    /// NumPy's format, f8.
    Npy,
}

impl GeneratedFormat {
    /// The ending of a file's name, without the dot; also the word in JSON.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            GeneratedFormat::Csv => "csv",
            GeneratedFormat::Npy => "npy",
        }
    }
}

/// Bare little-endian numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum RawNumbers {
    /// 4 bytes each.
    F32,
    /// 8 bytes each.
    F64,
}

/// What can be computed beside the mean, index by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Statistic {
    /// The exact sum, rounded once.
    Sum,
    /// The least number.
    Min,
    /// The greatest number.
    Max,
    /// The population variance (divided by F), rounded once.
    Variance,
    /// The population standard deviation, rounded once.
    Std,
}

impl Statistic {
    /// All there are.
    pub const ALL: [Statistic; 5] =
        [Statistic::Sum, Statistic::Min, Statistic::Max, Statistic::Variance, Statistic::Std];

    /// The one word for it, in JSON and in the names of objects.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Statistic::Sum => "sum",
            Statistic::Min => "min",
            Statistic::Max => "max",
            Statistic::Variance => "variance",
            Statistic::Std => "std",
        }
    }
}

/// P, the most inputs that one node of the sum tree adds up; `"auto"` or a number from 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FanIn {
    /// The planner chooses.
    #[default]
    Auto,
    /// This many.
    Fixed(u32),
}

impl fmt::Display for FanIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FanIn::Auto => f.write_str("auto"),
            FanIn::Fixed(fan_in) => write!(f, "{fan_in}"),
        }
    }
}

impl std::str::FromStr for FanIn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "" | "auto" => Ok(FanIn::Auto),
            number => match number.parse() {
                Ok(fan_in) if fan_in >= 2 => Ok(FanIn::Fixed(fan_in)),
                _ => Err(format!("the fan-in is \"auto\" or a number from 2, not {number:?}")),
            },
        }
    }
}

impl Serialize for FanIn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            FanIn::Auto => serializer.serialize_str("auto"),
            FanIn::Fixed(fan_in) => serializer.serialize_u32(*fan_in),
        }
    }
}

impl<'de> Deserialize<'de> for FanIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum NumberOrWord {
            Number(i64),
            Word(String),
        }
        let text = match NumberOrWord::deserialize(deserializer) {
            Ok(NumberOrWord::Number(number)) => number.to_string(),
            Ok(NumberOrWord::Word(word)) => word,
            Err(_) => {
                return Err(serde::de::Error::custom("fan_in is \"auto\" or a number from 2"));
            }
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// When a straggler's task gets a second attempt.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Speculation {
    /// Whether stragglers are given a second attempt at all.
    pub enabled: bool,
    /// Which rule finds the stragglers.
    pub policy: SpeculationPolicy,
    /// The part of a level's tasks that must be complete, 0 to 1.
    pub quantile: f64,
    /// How many times the average duration an attempt must have run for.
    pub multiplier: f64,
    /// No attempt is a straggler before it has run this long.
    pub min_ms: u64,
    /// The part of the job's workers that speculative attempts may use, 0 to 1.
    pub share: f64,
}

impl Default for Speculation {
    fn default() -> Self {
        Speculation {
            enabled: true,
            policy: SpeculationPolicy::default(),
            quantile: 0.75,
            multiplier: 1.2,
            min_ms: 200,
            share: 0.25,
        }
    }
}

impl Speculation {
    /// What can be asked for in one word, on the command line and in the form.
    pub const WORDS: [&str; 3] = ["resume", "original", "off"];

    /// The settings that one of [`Speculation::WORDS`] stands for.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Speculation> {
        let usual = Speculation::default();
        match word {
            "resume" => Some(usual),
            "original" => Some(Speculation { policy: SpeculationPolicy::Original, ..usual }),
            "off" => Some(Speculation { enabled: false, ..usual }),
            _ => None,
        }
    }
}

/// Which rule finds the stragglers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum SpeculationPolicy {
    /// Ours: progress counts, and the second attempt goes on where the first has not been.
    #[default]
    Resume,
    /// The original rule: the level over `quantile` complete, the attempt over
    /// `multiplier` times the average duration, and the second attempt starts over.
    Original,
}

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
    fn the_request_of_the_documentation_is_understood() {
        let request: JobRequest = serde_json::from_str(
            r#"{"inputs": {"generate": {"files": 40, "count": 10000, "format": "npy", "seed": 7}},
                "workers": 2, "fan_in": 5, "speculation": {"enabled": false}}"#,
        )
        .unwrap();
        assert_eq!(request.fan_in, FanIn::Fixed(5));
        assert!(!request.speculation.enabled);
        assert_eq!(request.speculation.multiplier, 1.2);
    }

    #[test]
    fn every_word_of_speculation_stands_for_other_settings() {
        let [resume, original, off] =
            Speculation::WORDS.map(|word| Speculation::from_word(word).unwrap());
        assert_eq!(resume, Speculation::default());
        assert_eq!(original.policy, SpeculationPolicy::Original);
        assert!(original.enabled && !off.enabled);
        assert_eq!(Speculation::from_word("plain"), None);
    }

    #[test]
    fn fan_in_is_auto_or_a_number_from_two() {
        assert_eq!(serde_json::from_str::<FanIn>("\"auto\"").unwrap(), FanIn::Auto);
        assert_eq!(serde_json::from_str::<FanIn>("7").unwrap(), FanIn::Fixed(7));
        assert!(serde_json::from_str::<FanIn>("1").is_err());
        assert!(serde_json::from_str::<FanIn>("-3").is_err());
        assert!(serde_json::from_str::<FanIn>("\"many\"").is_err());
    }

    #[test]
    fn exactly_one_kind_of_inputs_is_taken() {
        let both = r#"{"prefix": "a/", "objects": ["b"]}"#;
        assert!(serde_json::from_str::<Inputs>(both).is_err());
    }

    #[test]
    fn half_done_attempts_count_by_half() {
        let level = LevelProgress { tasks: 4, completed: 1, partly: 1.5, ..Default::default() };
        assert_eq!(level.complete(), 2.5);
    }
}
