//! What a user asks for.
//!
//! This is the one place that knows what a request may look like. Each part has
//! a module with its type, its names and texts ([`Field`]), and its bounds
//! ([`Number`]). The command line, the form, the JSON API and its description
//! take them from here, and [`JobRequest::validate`] is the only check.

mod choice;
mod fan_in;
mod field;
mod generate;
mod raw;
#[cfg(feature = "schema")]
mod schema;
mod speculation;
mod statistic;

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::Problem;
use crate::problem::ProblemKind;

pub use choice::{Choice, Described};
pub use fan_in::{FAN_IN, FanIn};
pub use field::{Field, Number, Numeric};
pub use generate::{COUNT, FILES, FORMAT, Generate, GeneratedFormat, SEED};
pub use raw::{RAW, RawNumbers};
pub use speculation::{
    MIN_MS, MODE, MULTIPLIER, QUANTILE, SHARE, Speculation, SpeculationMode, SpeculationPolicy,
};
pub use statistic::{Kept, STATISTICS, SUM_COLUMN_BYTES, Statistic};

/// What [`JobRequest::name`] is.
pub const NAME: Field = Field {
    name: "name",
    symbol: None,
    title: "Name",
    hint: "To recognise it by; optional",
    description: "A name to recognise the job by; free text",
};

/// W. One worker is the least that gets a job done.
pub const WORKERS: Number<u32> = Number {
    field: Field {
        name: "workers",
        symbol: Some("W"),
        title: "Workers",
        hint: "The most tasks at once",
        description: "W, how many workers compute the job: the most attempts in flight",
    },
    least: 1,
    most: None,
};

/// The prefix of [`Inputs::Prefix`].
pub const PREFIX: Field = Field {
    name: "inputs.prefix",
    symbol: None,
    title: "Prefix",
    hint: "A folder of the store, or s3://bucket/prefix; text, .npy, gzip or zstd",
    description: "The prefix of the objects to average",
};

/// The most bytes of test data that a request may have generated: about what a
/// developer's disk has to spare. The command line writes into a folder that
/// its user has chosen, and knows no such limit.
const GENERATED_BYTES_MAX: u64 = 64 << 30;

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
    #[cfg_attr(feature = "schema", schema(schema_with = workers))]
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

#[cfg(feature = "schema")]
fn workers() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
    schema::optional(&WORKERS)
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

    /// The request, if every value of it lies within its bounds.
    ///
    /// # Errors
    ///
    /// A problem that names the first field that does not.
    pub fn validate(self) -> Result<ValidRequest, Problem> {
        match &self.inputs {
            Inputs::Generate(data) => {
                data.validate()?;
                let bytes = data.bytes();
                if bytes > GENERATED_BYTES_MAX {
                    let detail = format!(
                        "{} files of {} numbers take about {} GB; at most {} GB are generated",
                        data.files,
                        data.count,
                        bytes / 1_000_000_000,
                        GENERATED_BYTES_MAX / 1_000_000_000
                    );
                    return Err(
                        Problem::new(ProblemKind::InvalidRequest, detail).field("inputs.generate")
                    );
                }
            }
            Inputs::Objects(_) | Inputs::Prefix(_) => {}
        }
        if let Some(workers) = self.workers {
            WORKERS.check(workers)?;
        }
        self.fan_in.validate()?;
        self.speculation.validate()?;
        Ok(ValidRequest(self))
    }
}

/// A request whose values all lie within their bounds. Only
/// [`JobRequest::validate`] makes one, also where one is read from a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "JobRequest")]
pub struct ValidRequest(JobRequest);

impl ValidRequest {
    /// The request itself.
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
        request.validate()
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
    fn the_request_of_the_documentation_is_understood() {
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
    fn exactly_one_kind_of_inputs_is_taken() {
        let both = r#"{"prefix": "a/", "objects": ["b"]}"#;
        assert!(serde_json::from_str::<Inputs>(both).is_err());
    }

    #[test]
    fn a_value_out_of_bounds_is_refused_by_the_name_of_its_field() {
        let refused_field = |change: fn(&mut JobRequest)| {
            let mut request = generated(2, 3);
            change(&mut request);
            request.validate().unwrap_err().field.unwrap()
        };
        assert_eq!(refused_field(|r| r.inputs = generated(0, 3).inputs), "inputs.generate.files");
        assert_eq!(refused_field(|r| r.inputs = generated(2, 0).inputs), "inputs.generate.count");
        assert_eq!(refused_field(|r| r.inputs = generated(u64::MAX, 3).inputs), "inputs.generate");
        assert_eq!(refused_field(|r| r.workers = Some(0)), "workers");
        assert_eq!(refused_field(|r| r.fan_in = FanIn::Fixed(1)), "fan_in");
        assert_eq!(refused_field(|r| r.speculation.quantile = 1.1), "speculation.quantile");
        assert_eq!(refused_field(|r| r.speculation.quantile = f64::NAN), "speculation.quantile");
        assert_eq!(refused_field(|r| r.speculation.multiplier = 0.9), "speculation.multiplier");
        assert_eq!(
            refused_field(|r| r.speculation.multiplier = f64::INFINITY),
            "speculation.multiplier"
        );
        assert_eq!(refused_field(|r| r.speculation.share = -0.1), "speculation.share");
    }

    #[test]
    fn a_record_of_a_request_is_validated_when_it_is_read() {
        let sound = serde_json::to_string(&generated(2, 3).validate().unwrap()).unwrap();
        assert_eq!(sound, serde_json::to_string(&generated(2, 3)).unwrap());
        let read: ValidRequest = serde_json::from_str(&sound).unwrap();
        assert_eq!(read.into_request(), generated(2, 3));
        let unsound = sound.replacen("\"files\":2", "\"files\":0", 1);
        let error = serde_json::from_str::<ValidRequest>(&unsound).unwrap_err();
        assert!(error.to_string().contains("files must be"), "{error}");
    }
}
