//! A job request: its fields, their bounds and texts, and the validation.
//!
//! This module is the only definition of a request. Each part has a module with
//! its type, its names and texts ([`Field`]), and its bounds ([`Number`]). The
//! command line, the form, the JSON API and its OpenAPI description use them,
//! and [`JobRequest::validate`] is the only validation.

mod choice;
mod fan_in;
mod field;
mod generate;
mod missing;
mod object;
mod other_files;
mod output;
mod pace;
mod priority;
mod raw;
mod reading;
#[cfg(feature = "schema")]
mod schema;
mod shortened;
mod speculation;
mod statistic;
mod webhook;
mod weights;

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::Problem;
use crate::problem::ProblemKind;

pub use choice::{Choice, Described};
pub use fan_in::{FAN_IN, FanIn};
pub use field::{Field, Number, Numeric};
pub use generate::{COUNT, FILES, FORMAT, Generate, GeneratedFormat, SEED};
pub use missing::{MISSING, Missing};
pub use other_files::{OTHER_FILES, OtherFiles};
pub use output::{DTYPE, Dtype, FORMATS, FileFormat, LOCATION, Output};
pub use pace::{PACED, PACED_FILES_MAX, pace_ms, paced_duration_ms};
pub use priority::{PRIORITY, Priority};
pub use raw::{RAW, RawNumbers};
pub use reading::{HEADER, Header, KEY, ReadOptions, SELECT};
pub use shortened::Shortened;
pub use speculation::{
    MIN_MS, MODE, MULTIPLIER, QUANTILE, SHARE, Speculation, SpeculationMode, SpeculationPolicy,
};
pub use statistic::{Kept, STATISTICS, SUM_COLUMN_BYTES, Statistic};
pub use webhook::{WEBHOOK, WEBHOOK_BYTES_MAX, Webhook};
pub use weights::{WEIGHTS, Weights, check_weight};

/// The field of [`JobRequest::name`].
pub const NAME: Field = Field {
    name: "name",
    symbol: None,
    title: "Name",
    hint: "Optional",
    description: "A display name for the job; free text of at most 200 bytes",
};

/// The maximum length of a name in bytes. Lists, pages and events carry the names of
/// many jobs.
pub const NAME_BYTES_MAX: usize = 200;

/// The maximum length of a prefix or of the location of an object, in bytes: that of
/// a path on Linux. Keys in S3 have at most 1,024.
pub const LOCATION_BYTES_MAX: usize = 4096;

/// W, from 1.
pub const WORKERS: Number<u32> = Number {
    field: Field {
        name: "workers",
        symbol: Some("W"),
        title: "Workers",
        hint: "Maximum concurrent tasks",
        description: "W, the number of workers: the maximum number of attempts in flight",
    },
    least: 1,
    most: None,
};

/// The field of [`Inputs::Prefix`].
pub const PREFIX: Field = Field {
    name: "inputs.prefix",
    symbol: None,
    title: "Prefix",
    hint: "Folder in the store, or an allowed s3:// or file:/// location; text, .npy, .npz, safetensors, NetCDF or raw, gzip or zstd",
    description: "The prefix of the objects to average",
};

/// The field of [`Inputs::Manifest`].
pub const MANIFEST: Field = Field {
    name: "inputs.manifest",
    symbol: None,
    title: "Manifest",
    hint: "",
    description: "The object that lists the objects to average: a name on each line, or a JSON \
                  array of names",
};

/// The maximum number of objects that a list shows before it is shortened.
pub const OBJECTS_SHOWN: usize = 16;
/// The maximum size of generated test data in bytes: about the free space on a
/// developer's disk. The command line has no such limit, because its user
/// chooses the folder.
const GENERATED_BYTES_MAX: u64 = 64 << 30;

/// A request for the mean of a set of objects.
// Browsers neither show nor send most of it: code that reads it is left out of their bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct JobRequest {
    /// The objects to average.
    pub inputs: Inputs,
    /// A display name for the job; free text of at most 200 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(schema_with = schema::job_name))]
    pub name: Option<String>,
    /// W, the maximum number of attempts in flight, from 1; the server's default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(schema_with = workers))]
    pub workers: Option<u32>,
    /// P, the maximum number of inputs of a node of the sum tree.
    #[serde(default)]
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    pub fan_in: FanIn,
    /// When the task of a straggler gets a speculative attempt.
    #[serde(default)]
    pub speculation: Speculation,
    /// Whether the job gets more or fewer workers than others, and starts before them.
    #[serde(default, skip_serializing_if = "Priority::is_default")]
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    pub priority: Priority,
    /// Statistics that are computed in addition to the mean, in the same pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    pub statistics: Vec<Statistic>,
    /// What to do with missing values; absent for the default: in tables they are an error,
    /// elsewhere NaN is propagated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    pub missing: Option<Missing>,
    /// The weights of the objects, for the weighted mean; absent if all count the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    pub weights: Option<Weights>,
    /// Whether the first line of a text file names its columns; absent for automatic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    pub header: Option<Header>,
    /// The columns of a table, the tensors of model weights, or the variables of NetCDF files,
    /// to average: names, numbers
    /// from 1, patterns with `*` and `?`, and with `!` those to leave out; all if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schema(schema_with = reading::described::entries))]
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    pub select: Vec<String>,
    /// The column of a table that is not averaged but carried over, such as a station or a
    /// date. It must be the same in all files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(schema_with = reading::described::column))]
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    pub key: Option<String>,
    /// The type of raw little-endian numbers in objects without a header; absent if
    /// the format is detected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    pub raw: Option<RawNumbers>,
    /// How results are written, beside the forms that every job has.
    #[cfg_attr(not(target_arch = "wasm32"), serde(deserialize_with = "object::object"))]
    #[serde(default, skip_serializing_if = "Output::is_default")]
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    pub output: Output,
    /// What happens to files below a prefix that are not data.
    #[serde(default, skip_serializing_if = "OtherFiles::is_default")]
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    pub other_files: OtherFiles,
    /// Whether every task lasts for a while on purpose, and one of them much longer than the
    /// others, so that a demonstration can be watched. Only for at most 100 generated files.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    pub paced: bool,
    /// Who is told that the job has ended; absent for the default of the server, which may be
    /// nobody.
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    #[cfg_attr(not(target_arch = "wasm32"), serde(deserialize_with = "object::optional"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
}

#[cfg(feature = "schema")]
fn workers() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
    schema::optional(&WORKERS)
}

/// The objects to average, given in one of four ways. In responses there is a
/// fifth: a long list is [`Inputs::Shortened`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Inputs {
    /// Every object below a prefix that may be data: see `other_files`.
    Prefix(String),
    /// The listed objects.
    Objects(Vec<String>),
    /// The objects that another object lists: a name on each line, or a JSON array of names.
    Manifest(String),
    /// Test data that the server generates first.
    Generate(Generate),
    /// Only in responses: a list of more than 16 objects, or of more than 4,096 bytes.
    /// A request with it is rejected; to submit the whole list again, rerun the job.
    Shortened(Shortened),
}

impl JobRequest {
    /// A request with default settings.
    #[must_use]
    pub fn new(inputs: Inputs) -> JobRequest {
        JobRequest {
            inputs,
            name: None,
            workers: None,
            fan_in: FanIn::default(),
            speculation: Speculation::default(),
            priority: Priority::default(),
            statistics: Vec::new(),
            missing: None,
            weights: None,
            header: None,
            select: Vec::new(),
            key: None,
            raw: None,
            output: Output::default(),
            other_files: OtherFiles::default(),
            paced: false,
            webhook: None,
        }
    }

    /// How the objects are to be read.
    #[must_use]
    pub fn read_options(&self) -> ReadOptions {
        ReadOptions {
            raw: self.raw,
            missing: self.missing,
            header: self.header,
            select: self.select.clone(),
            key: self.key.clone(),
        }
    }

    /// Validates every value against its bounds.
    ///
    /// # Errors
    ///
    /// A [`Problem`] that names the first invalid field.
    pub fn validate(self) -> Result<ValidRequest, Problem> {
        self.inputs.validate()?;
        if let Some(name) = &self.name {
            check_length(|| NAME.name.to_owned(), "the name", name, NAME_BYTES_MAX)?;
            check_printable(name)?;
        }
        if let Some(workers) = self.workers {
            WORKERS.check(workers)?;
        }
        self.fan_in.validate()?;
        self.speculation.validate()?;
        reading::validate(&self.select, self.key.as_deref())?;
        if self.output.dtype == Some(Dtype::Bf16) && matches!(self.inputs, Inputs::Generate(_)) {
            let detail = "generated test data has results as .npy, which has no bf16";
            return Err(Problem::new(ProblemKind::Unsupported, detail)
                .field(DTYPE.name)
                .remedy("choose f64, f32 or f16"));
        }
        self.output.validate()?;
        weights::validate(&self)?;
        self.webhook.as_ref().map_or(Ok(()), Webhook::validate)?;
        if self.paced {
            pace::check_paced(&self.inputs)?;
        }
        Ok(ValidRequest(self))
    }
}

impl Inputs {
    fn validate(&self) -> Result<(), Problem> {
        match self {
            Inputs::Generate(data) => {
                data.validate()?;
                let bytes = data.bytes();
                if bytes > GENERATED_BYTES_MAX {
                    let detail = format!(
                        "the generated files would take about {} GiB; the limit is {} GiB",
                        bytes >> 30,
                        GENERATED_BYTES_MAX >> 30
                    );
                    return Err(
                        Problem::new(ProblemKind::LimitExceeded, detail).field("inputs.generate")
                    );
                }
                Ok(())
            }
            Inputs::Prefix(prefix) => {
                let field = || PREFIX.name.to_owned();
                check_location(field, "the prefix", prefix)
            }
            Inputs::Objects(locations) if locations.is_empty() => {
                Err(Problem::new(ProblemKind::InvalidRequest, "the list of objects is empty")
                    .field("inputs.objects")
                    .remedy("name at least one object, or a prefix"))
            }
            Inputs::Objects(locations) => {
                locations.iter().enumerate().try_for_each(|(index, location)| {
                    check_object(location)
                        .map_err(|problem| problem.field(format!("inputs.objects[{index}]")))
                })
            }
            Inputs::Manifest(manifest) => {
                check_object(manifest).map_err(|problem| problem.field(MANIFEST.name))
            }
            Inputs::Shortened(_) => {
                let detail = "a shortened list of objects stands for objects that it does not name";
                Err(Problem::new(ProblemKind::InvalidRequest, detail)
                    .field("inputs.shortened")
                    .remedy("list all objects, or run the job again: POST /api/jobs/{id}/rerun"))
            }
        }
    }
}

/// Checks the form of the location of an object that somebody has named.
///
/// # Errors
///
/// If it is empty, too long, or has characters that no key has.
pub fn check_object(location: &str) -> Result<(), Problem> {
    if location.is_empty() {
        return Err(Problem::new(ProblemKind::InvalidRequest, "the location is empty"));
    }
    let checked = check_location(String::new, "the location", location);
    checked.map_err(|problem| Problem { field: None, ..problem })
}

/// Checks that a location is not too long, and has only characters that keys have.
fn check_location(field: impl Fn() -> String, what: &str, location: &str) -> Result<(), Problem> {
    check_length(&field, what, location, LOCATION_BYTES_MAX)?;
    if location.chars().any(|character| character.is_control() || character == '\\') {
        let detail = format!("{what} contains a control character or a backslash");
        return Err(Problem::new(ProblemKind::InvalidRequest, detail).field(field()));
    }
    Ok(())
}

/// Checks that a text has at most `most` bytes.
fn check_length(
    field: impl FnOnce() -> String,
    what: &str,
    text: &str,
    most: usize,
) -> Result<(), Problem> {
    if text.len() <= most {
        return Ok(());
    }
    let detail = format!("{what} has {} bytes; the limit is {most} bytes", text.len());
    Err(Problem::new(ProblemKind::InvalidRequest, detail)
        .field(field())
        .remedy("choose a shorter one"))
}

/// Refuses a name that would not be shown as it is.
fn check_printable(name: &str) -> Result<(), Problem> {
    let Some(odd) = name.chars().find(|&letter| is_unprintable(letter)) else {
        return Ok(());
    };
    let detail = format!("the name contains the control character U+{:04X}", u32::from(odd));
    Err(Problem::new(ProblemKind::InvalidRequest, detail)
        .field(NAME.name)
        .remedy("leave it out, or choose another name"))
}

/// Whether a character has no shape of its own and changes how others are shown: controls,
/// and marks of the direction of writing.
fn is_unprintable(letter: char) -> bool {
    let is_direction = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    letter.is_control() || is_direction
}

/// A validated request. Only [`JobRequest::validate`] constructs it, also when it
/// is deserialised from a record. A name in a record that is longer than
/// [`NAME_BYTES_MAX`], as earlier versions allowed, is cut, and loses its control
/// characters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "JobRequest")]
pub struct ValidRequest(JobRequest);

impl ValidRequest {
    /// The inner request.
    #[must_use]
    pub fn into_request(self) -> JobRequest {
        self.0
    }
}

impl Deref for ValidRequest {
    type Target = JobRequest;

    fn deref(&self) -> &JobRequest {
        &self.0
    }
}

impl TryFrom<JobRequest> for ValidRequest {
    type Error = Problem;

    fn try_from(request: JobRequest) -> Result<ValidRequest, Problem> {
        request.with_short_name().validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generated(files: u64, count: u64) -> JobRequest {
        let format = GeneratedFormat::Csv;
        JobRequest::new(Inputs::Generate(Generate { files, count, format, seed: 0 }))
    }

    #[test]
    fn the_documented_request_is_valid() {
        let request: JobRequest = serde_json::from_str(
            r#"{"inputs": {"generate": {"files": 40, "count": 10000, "format": "npy", "seed": 7}},
                "workers": 2, "fan_in": 5, "speculation": {"enabled": false}}"#,
        )
        .unwrap();
        assert_eq!(request.fan_in, FanIn::Fixed(5));
        assert!(!request.speculation.enabled);
        assert_eq!(request.speculation.multiplier, 1.2);
        assert!(request.validate().is_ok());
    }

    #[test]
    fn exactly_one_kind_of_inputs_is_accepted() {
        let both = r#"{"prefix": "a/", "objects": ["b"]}"#;
        assert!(serde_json::from_str::<Inputs>(both).is_err());
    }

    #[test]
    fn an_error_names_the_field_that_is_out_of_bounds() {
        let rejected_field = |change: fn(&mut JobRequest)| {
            let mut request = generated(2, 3);
            change(&mut request);
            request.validate().unwrap_err().field.unwrap()
        };
        assert_eq!(rejected_field(|r| r.inputs = generated(0, 3).inputs), "inputs.generate.files");
        assert_eq!(rejected_field(|r| r.inputs = generated(2, 0).inputs), "inputs.generate.count");
        let most = "inputs.generate.files";
        assert_eq!(rejected_field(|r| r.inputs = generated(1_000_001, 1).inputs), most);
        assert_eq!(rejected_field(|r| r.inputs = generated(2, u64::MAX).inputs), "inputs.generate");
        assert_eq!(rejected_field(|r| r.workers = Some(0)), "workers");
        assert_eq!(rejected_field(|r| r.fan_in = FanIn::Fixed(1)), "fan_in");
        assert_eq!(
            rejected_field(|r| {
                r.inputs = generated(101, 1).inputs;
                r.paced = true;
            }),
            "paced"
        );
        assert_eq!(rejected_field(|r| r.speculation.quantile = 1.1), "speculation.quantile");
        assert_eq!(rejected_field(|r| r.speculation.quantile = f64::NAN), "speculation.quantile");
        assert_eq!(rejected_field(|r| r.speculation.multiplier = 0.9), "speculation.multiplier");
        assert_eq!(
            rejected_field(|r| r.speculation.multiplier = f64::INFINITY),
            "speculation.multiplier"
        );
        assert_eq!(rejected_field(|r| r.speculation.share = -0.1), "speculation.share");
    }

    #[test]
    fn a_list_of_objects_names_some() {
        let field = |locations: &[&str]| {
            let locations = locations.iter().map(|&it| it.to_owned()).collect();
            JobRequest::new(Inputs::Objects(locations)).validate().unwrap_err().field.unwrap()
        };
        assert_eq!(field(&[]), "inputs.objects");
        assert_eq!(field(&["a", ""]), "inputs.objects[1]");
        assert_eq!(field(&["a\n"]), "inputs.objects[0]");
        let prefix = JobRequest::new(Inputs::Prefix("a\\b".to_owned())).validate();
        assert_eq!(prefix.unwrap_err().field.as_deref(), Some("inputs.prefix"));
    }

    #[test]
    fn texts_are_bounded_and_the_error_names_the_limit() {
        let rejection = |change: fn(&mut JobRequest)| {
            let mut request = generated(2, 3);
            change(&mut request);
            request.validate().unwrap_err()
        };
        let name = rejection(|r| r.name = Some("é".repeat(101)));
        assert_eq!(name.field.as_deref(), Some("name"));
        assert_eq!(name.detail, "the name has 202 bytes; the limit is 200 bytes");
        let prefix = rejection(|r| r.inputs = Inputs::Prefix("a".repeat(4097)));
        assert_eq!(prefix.field.as_deref(), Some("inputs.prefix"));
        let objects = vec!["a".to_owned(), "b".repeat(4097)];
        let objects = JobRequest::new(Inputs::Objects(objects)).validate().unwrap_err();
        assert_eq!(objects.field.as_deref(), Some("inputs.objects[1]"));
        let mut longest = generated(2, 3);
        longest.name = Some("é".repeat(100));
        assert!(longest.validate().is_ok());
    }

    #[test]
    fn a_long_name_in_a_record_of_an_earlier_version_is_cut() {
        let mut request = generated(2, 3);
        request.name = Some("é".repeat(1_000_000));
        let record = serde_json::to_string(&request).unwrap();
        let read: ValidRequest = serde_json::from_str(&record).unwrap();
        assert_eq!(read.name.as_deref().map(str::len), Some(200));
    }

    #[test]
    fn a_name_is_shown_as_it_is() {
        for name in ["two\nlines", "\u{0}", "report\u{202e}ypn.exe", "\u{2066}x"] {
            let mut request = generated(2, 3);
            request.name = Some(name.to_owned());
            let record = serde_json::to_string(&request).unwrap();
            let problem = request.validate().unwrap_err();
            assert_eq!(problem.field.as_deref(), Some("name"), "{name:?}");
            let read: ValidRequest = serde_json::from_str(&record).unwrap();
            assert!(!read.name.as_deref().unwrap().contains(is_unprintable), "{name:?}");
        }
    }

    #[test]
    fn a_recorded_request_is_validated_when_it_is_read() {
        let sound = serde_json::to_string(&generated(2, 3).validate().unwrap()).unwrap();
        assert_eq!(sound, serde_json::to_string(&generated(2, 3)).unwrap());
        let read: ValidRequest = serde_json::from_str(&sound).unwrap();
        assert_eq!(read.into_request(), generated(2, 3));
        let unsound = sound.replacen("\"files\":2", "\"files\":0", 1);
        let error = serde_json::from_str::<ValidRequest>(&unsound).unwrap_err();
        assert!(error.to_string().contains("files must be"), "{error}");
    }
}
