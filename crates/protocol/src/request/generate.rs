//! Test data that the server generates for a request.

use serde::{Deserialize, Serialize};

use super::{Choice, Described, Field, Number};
use crate::Problem;

/// The maximum number of files that a request may generate. Each takes a call of the
/// file system or a request to the store, so more would take hours, however small they
/// are. The command line has no such limit, because its user chooses the folder.
const GENERATED_FILES_MAX: u64 = 1_000_000;

/// F of a request, from 1 to 1,000,000.
pub const FILES: Number<u64> = Number {
    field: Field {
        name: "inputs.generate.files",
        symbol: Some("F"),
        title: "Files",
        hint: "",
        description: "F, the number of files to generate",
    },
    least: 1,
    most: Some(GENERATED_FILES_MAX),
};

/// C, from 1.
pub const COUNT: Number<u64> = Number {
    field: Field {
        name: "inputs.generate.count",
        symbol: Some("C"),
        title: "Numbers per file",
        hint: "",
        description: "C, the number of values per file",
    },
    least: 1,
    most: None,
};

/// The random seed, any number.
pub const SEED: Number<u64> = Number {
    field: Field {
        name: "inputs.generate.seed",
        symbol: None,
        title: "Seed",
        hint: "",
        description: "The random seed: the same seed gives the same bytes",
    },
    least: 0,
    most: None,
};

/// The field of [`Generate::format`].
pub const FORMAT: Field = Field {
    name: "inputs.generate.format",
    symbol: None,
    title: "Format",
    hint: "",
    description: "The format of the generated files",
};

/// The approximate size of a generated number as text, in bytes.
const TEXT_NUMBER_BYTES: u64 = 20;
/// The size of a generated number as .npy, in bytes.
const NPY_NUMBER_BYTES: u64 = 8;
/// The size of a block of a usual file system, in bytes.
const BLOCK_BYTES: u64 = 4096;

/// Test data: `files` arrays of `count` numbers, the same bytes for the same seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Generate {
    /// F, the number of files, from 1 to 1,000,000.
    #[cfg_attr(feature = "schema", schema(schema_with = files))]
    pub files: u64,
    /// C, the number of values per file, from 1.
    #[cfg_attr(feature = "schema", schema(schema_with = count))]
    pub count: u64,
    /// The format of the files.
    #[serde(default)]
    pub format: GeneratedFormat,
    /// The random seed.
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
    /// Validates the numbers of files and values.
    ///
    /// # Errors
    ///
    /// A [`Problem`] that names the field that is out of bounds.
    pub fn validate(&self) -> Result<(), Problem> {
        FILES.check(self.files)?;
        COUNT.check(self.count)?;
        Ok(())
    }

    /// The approximate total size of the files in bytes. A file counts as at least
    /// one block of a file system.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        let number_bytes = match self.format {
            GeneratedFormat::Csv => TEXT_NUMBER_BYTES,
            GeneratedFormat::Npy => NPY_NUMBER_BYTES,
        };
        let content = self.count.saturating_mul(number_bytes);
        let file = if content < BLOCK_BYTES { BLOCK_BYTES } else { content };
        self.files.saturating_mul(file)
    }
}

/// The formats of generated test data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GeneratedFormat {
    /// Text: numbers separated by commas.
    #[default]
    Csv,
    /// NumPy's format with 8-byte floating-point numbers (`f8`).
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
                description: "Text: numbers separated by commas",
            },
            GeneratedFormat::Npy => Described {
                word: "npy",
                title: "NumPy (.npy)",
                description: "NumPy's format, 8 bytes per number",
            },
        }
    }
}

impl GeneratedFormat {
    /// The file name extension without the dot; also the word in JSON.
    #[must_use]
    pub fn extension(self) -> &'static str {
        self.word()
    }
}

#[cfg(feature = "schema")]
super::schema::choices!(GeneratedFormat);
