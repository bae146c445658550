//! Test data that a request can have made.

use serde::{Deserialize, Serialize};

use super::{Choice, Described, Field, Number};
use crate::Problem;

/// F. A mean is of something.
pub const FILES: Number<u64> = Number {
    field: Field {
        name: "inputs.generate.files",
        symbol: Some("F"),
        title: "Files",
        hint: "",
        description: "F, how many files to generate",
    },
    least: 1,
    most: None,
};

/// C. A file without numbers has no mean.
pub const COUNT: Number<u64> = Number {
    field: Field {
        name: "inputs.generate.count",
        symbol: Some("C"),
        title: "Numbers in each",
        hint: "",
        description: "C, how many numbers each file has",
    },
    least: 1,
    most: None,
};

/// The seed of the numbers; any will do.
pub const SEED: Number<u64> = Number {
    field: Field {
        name: "inputs.generate.seed",
        symbol: None,
        title: "Seed",
        hint: "",
        description: "The seed of the random numbers: the same seed gives the same bytes",
    },
    least: 0,
    most: None,
};

/// What [`Generate::format`] is.
pub const FORMAT: Field = Field {
    name: "inputs.generate.format",
    symbol: None,
    title: "Format",
    hint: "",
    description: "The format of the files",
};

/// About how many bytes a generated number takes, as text.
const NUMBER_BYTES: u64 = 20;

/// Test data: `files` arrays of `count` numbers, the same bytes for the same seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Generate {
    /// F, how many objects to make.
    #[cfg_attr(feature = "schema", schema(schema_with = files))]
    pub files: u64,
    /// C, how many numbers in each.
    #[cfg_attr(feature = "schema", schema(schema_with = count))]
    pub count: u64,
    /// The format that they are written in.
    #[serde(default)]
    pub format: GeneratedFormat,
    /// The seed of the random numbers.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(schema_with = seed))]
    pub seed: u64,
}

#[cfg(feature = "schema")]
super::schema::numbers! {
    files: FILES;
    count: COUNT;
    seed: SEED;
}

impl Generate {
    /// Checks the counts.
    ///
    /// # Errors
    ///
    /// A problem that names the count that is out of bounds.
    pub fn validate(&self) -> Result<(), Problem> {
        FILES.check(self.files)?;
        COUNT.check(self.count)?;
        Ok(())
    }

    /// About how many bytes all files take together.
    pub(super) const fn bytes(&self) -> u64 {
        self.files.saturating_mul(self.count).saturating_mul(NUMBER_BYTES)
    }
}

/// The formats that test data can be generated in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GeneratedFormat {
    /// Text, numbers separated by commas.
    #[default]
    Csv,
    /// NumPy's format, f8.
    Npy,
}

impl Choice for GeneratedFormat {
    const ALL: &'static [GeneratedFormat] = &[GeneratedFormat::Csv, GeneratedFormat::Npy];

    const FIELD: Field = FORMAT;

    fn described(self) -> Described {
        match self {
            GeneratedFormat::Csv => Described {
                word: "csv",
                title: "text (.csv)",
                description: "Text, numbers separated by commas",
            },
            GeneratedFormat::Npy => Described {
                word: "npy",
                title: "NumPy (.npy)",
                description: "NumPy's format, 8 bytes a number",
            },
        }
    }
}

impl GeneratedFormat {
    /// The ending of a file's name, without the dot; also the word in JSON.
    #[must_use]
    pub fn extension(self) -> &'static str {
        self.word()
    }
}

#[cfg(feature = "schema")]
super::schema::choices!(GeneratedFormat);
