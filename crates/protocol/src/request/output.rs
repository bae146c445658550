//! How results are written.

use serde::{Deserialize, Serialize};

use super::{Choice, Described, Field, check_location};
use crate::Problem;
use crate::problem::ProblemKind;

/// The field of [`Output::dtype`].
pub const DTYPE: Field = Field {
    name: "output.dtype",
    symbol: None,
    title: "Type of the result",
    hint: "Of .npy, model weights and NetCDF",
    description: "The type of the numbers of an .npy, safetensors or NetCDF result, each rounded \
                  once from the exact one, to nearest, ties to even",
};

/// The field of [`Output::location`].
pub const LOCATION: Field = Field {
    name: "output.location",
    symbol: None,
    title: "Also write to",
    hint: "An allowed s3:// or file:/// location; .npy",
    description: "The folder that the results are also written to, such as s3://bucket/means/",
};

/// The field of [`Output::formats`].
pub const FORMATS: Field = Field {
    name: "output.formats",
    symbol: None,
    title: "Formats",
    hint: "",
    description: "The formats in which results are written to the location",
};

/// How results are written, beside the forms that every job has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default, expecting = "an object, such as {\"dtype\": \"f32\"}")]
pub struct Output {
    /// The type of the numbers of an .npy, safetensors or NetCDF result; if absent, that of the
    /// inputs of a safetensors result, and f64 of all others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<Dtype>,
    /// The folder that the results are also written to before the job is done, such as
    /// `s3://bucket/means/` or `file:///data/means/`. It must be allowed by `--allow-outputs`.
    // Browsers neither show nor send it, nor what belongs to it.
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(schema_with = described::location))]
    pub location: Option<String>,
    /// The formats in which they are written there; if empty as `npy`, and as `safetensors`
    /// or `netcdf` too where the inputs are such files. Those of other inputs have f64.
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub formats: Vec<FileFormat>,
    /// Whether objects that are there are replaced; otherwise they fail the job before it
    /// begins.
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub overwrite: bool,
}

impl Output {
    /// Whether nothing was asked for.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Output::default()
    }

    /// Checks the form of the location. Whether it is allowed, the server knows.
    pub(super) fn validate(&self) -> Result<(), Problem> {
        let Some(location) = &self.location else {
            if self.formats.is_empty() && !self.overwrite {
                return Ok(());
            }
            let detail = "formats and overwrite are of results at a location, and there is none";
            return Err(Problem::new(ProblemKind::Unsupported, detail)
                .field(LOCATION.name)
                .remedy("name the folder that the results are to be written to, too"));
        };
        check_location(|| LOCATION.name.to_owned(), "the location", location)?;
        let scheme = location.split_once("://").map(|(scheme, _)| scheme);
        let is_scheme = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        if scheme.is_some_and(is_scheme) {
            return Ok(());
        }
        Err(LOCATION.rejection("a location such as s3://bucket/means/", location))
    }
}

/// A format of a result that is written as an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileFormat {
    /// A NumPy array.
    Npy,
    /// Text.
    Csv,
    /// An object with the numbers and what they are.
    Json,
    /// Bare numbers.
    Raw,
    /// Model weights.
    Safetensors,
    /// Variables with their dimensions and coordinates.
    Netcdf,
}

impl FileFormat {
    /// How the names of such objects end.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            FileFormat::Npy => "npy",
            FileFormat::Csv => "csv",
            FileFormat::Json => "json",
            FileFormat::Raw => "f64",
            FileFormat::Safetensors => "safetensors",
            FileFormat::Netcdf => "nc",
        }
    }
}

impl Choice for FileFormat {
    const ALL: &'static [FileFormat] = &[
        FileFormat::Npy,
        FileFormat::Csv,
        FileFormat::Json,
        FileFormat::Raw,
        FileFormat::Safetensors,
        FileFormat::Netcdf,
    ];

    const FIELD: Field = FORMATS;

    fn described(self) -> Described {
        match self {
            FileFormat::Npy => {
                Described { word: "npy", title: ".npy", description: "An array of NumPy, of f64" }
            }
            FileFormat::Csv => Described { word: "csv", title: ".csv", description: "Text" },
            FileFormat::Json => Described {
                word: "json",
                title: ".json",
                description: "An object with the numbers and what they are",
            },
            FileFormat::Raw => {
                Described { word: "raw", title: ".f64", description: "Bare little-endian f64" }
            }
            FileFormat::Safetensors => Described {
                word: "safetensors",
                title: ".safetensors",
                description: "Tensors as the inputs have them, only of such inputs",
            },
            FileFormat::Netcdf => Described {
                word: "netcdf",
                title: ".nc",
                description: "NetCDF with the variables of the inputs, only of such inputs",
            },
        }
    }
}

/// The type of the numbers of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// That of the inputs.
    #[default]
    Input,
    /// Double precision.
    F64,
    /// Single precision.
    F32,
    /// Half precision.
    F16,
    /// The upper half of single precision.
    Bf16,
}

impl Choice for Dtype {
    const ALL: &'static [Dtype] = &[Dtype::Input, Dtype::F64, Dtype::F32, Dtype::F16, Dtype::Bf16];

    const FIELD: Field = DTYPE;

    fn described(self) -> Described {
        match self {
            Dtype::Input => Described {
                word: "input",
                title: "that of the files",
                description: "That of the first file, for each tensor its own; integers are \
                              rounded to the nearest one, and text has f64",
            },
            Dtype::F64 => Described { word: "f64", title: "f64", description: "Double precision" },
            Dtype::F32 => Described { word: "f32", title: "f32", description: "Single precision" },
            Dtype::F16 => Described {
                word: "f16",
                title: "f16",
                description: "Half precision; beyond its range, infinite",
            },
            Dtype::Bf16 => Described {
                word: "bf16",
                title: "bf16",
                description: "bfloat16, the upper half of single precision",
            },
        }
    }
}

#[cfg(feature = "schema")]
super::schema::choices!(Dtype, FileFormat);

#[cfg(feature = "schema")]
mod described {
    use utoipa::openapi::RefOr;
    use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};

    use super::super::LOCATION_BYTES_MAX;
    use super::LOCATION;

    /// The schema of the location.
    pub(super) fn location() -> RefOr<Schema> {
        const FORM: &str = r"^[a-z0-9]+://[^\u0000-\u001f\u007f-\u009f\\]*$";
        ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .max_length(Some(LOCATION_BYTES_MAX))
            .pattern(Some(FORM))
            .description(Some(format!(
                "{}. It must be allowed by `--allow-outputs`.",
                LOCATION.description
            )))
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Inputs, JobRequest};

    #[test]
    fn a_location_has_a_scheme_and_formats_have_a_location() {
        let with = |output: Output| {
            JobRequest { output, ..JobRequest::new(Inputs::Prefix("a/".to_owned())) }.validate()
        };
        let at =
            |location: &str| Output { location: Some(location.to_owned()), ..Output::default() };
        for location in ["s3://bucket/means", "file:///data/means/", "s3://b/a b/é"] {
            assert!(with(at(location)).is_ok(), "{location}");
        }
        for location in ["", "means/", "://a", "S3://a/b", "s3://a/\n", "s3://a\\b"] {
            let problem = with(at(location)).unwrap_err();
            assert_eq!(problem.field.as_deref(), Some("output.location"), "{location:?}");
        }
        assert_eq!(with(Output { overwrite: true, ..Output::default() }).unwrap_err().status, 422);
        let formats = vec![FileFormat::Csv];
        assert!(with(Output { formats: formats.clone(), ..at("s3://a/b") }).is_ok());
        assert_eq!(with(Output { formats, ..Output::default() }).unwrap_err().status, 422);
    }
}
