//! How objects are read: what a request says of their format, and what of them it wants.

use serde::{Deserialize, Serialize};

use super::{Choice, Described, Field, Missing, RawNumbers};
use crate::Problem;
use crate::problem::ProblemKind;

/// The field of [`super::JobRequest::header`].
pub const HEADER: Field = Field {
    name: "header",
    symbol: None,
    title: "Header line",
    hint: "Of CSV and TSV files",
    description: "Whether the first line of a text file names its columns",
};

/// The field of [`super::JobRequest::select`].
pub const SELECT: Field = Field {
    name: "select",
    symbol: None,
    title: "Columns, tensors, variables",
    hint: "Names, numbers or patterns, separated by commas; !name leaves one out",
    description: "The columns of a table, the tensors of model weights, or the variables of \
                  NetCDF files, to average: names, numbers from 1, patterns with * and ?, and with ! those to leave out",
};

/// The field of [`super::JobRequest::key`].
pub const KEY: Field = Field {
    name: "key",
    symbol: None,
    title: "Key column",
    hint: "Carried over, such as a date; the same in all files",
    description: "The column of a table that is not averaged but carried over, such as a station \
                  or a date; it must be the same in all files",
};

/// The maximum number of entries of a selection.
const ENTRIES_MAX: usize = 500;

/// The maximum length of all entries of a selection together, in bytes. Snapshots and
/// assignments carry them.
const SELECTION_BYTES_MAX: usize = 8 << 10;

/// Whether a table has a line with the names of its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Header {
    /// If no field of the first line is a number.
    Auto,
    /// The first line names the columns.
    Yes,
    /// The first line is data.
    No,
}

impl Choice for Header {
    const ALL: &'static [Header] = &[Header::Auto, Header::Yes, Header::No];

    const FIELD: Field = HEADER;

    fn described(self) -> Described {
        match self {
            Header::Auto => Described {
                word: "auto",
                title: "automatic",
                description: "It does if none of its fields is a number",
            },
            Header::Yes => Described {
                word: "yes",
                title: "yes",
                description: "The first line names the columns, and the file is a table",
            },
            Header::No => Described {
                word: "no",
                title: "no",
                description: "The first line is data, and the file is a table",
            },
        }
    }
}

#[cfg(feature = "schema")]
super::schema::choices!(Header);

/// The maximum length of the name of the key column, in bytes.
const KEY_BYTES_MAX: usize = 1024;

/// What a request says about how its objects are to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReadOptions {
    /// The type of the numbers, if the objects are raw numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<RawNumbers>,
    /// What to do with missing values; `None` for the default of the format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
    /// Whether a table has a header; `None` for automatic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<Header>,
    /// What to read of an object that names its parts; empty for everything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub select: Vec<String>,
    /// The column of a table that is carried over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Checks the entries of a selection and the name of the key column.
pub(super) fn validate(select: &[String], key: Option<&str>) -> Result<(), Problem> {
    if key.is_some_and(|key| key.is_empty() || key.len() > KEY_BYTES_MAX) {
        return Err(KEY.rejection(format_args!("a name of at most {KEY_BYTES_MAX} bytes"), ""));
    }
    let rejected =
        |detail: String| Err(Problem::new(ProblemKind::InvalidRequest, detail).field(SELECT.name));
    if select.len() > ENTRIES_MAX {
        return rejected(format!(
            "select has {} entries; the limit is {ENTRIES_MAX}",
            select.len()
        ));
    }
    let bytes: usize = select.iter().map(String::len).sum();
    if bytes > SELECTION_BYTES_MAX {
        return rejected(format!("select has {bytes} bytes; the limit is {SELECTION_BYTES_MAX}"));
    }
    if select.iter().any(|entry| entry.trim_start_matches('!').is_empty()) {
        return rejected("select has an empty entry".to_owned());
    }
    Ok(())
}

/// OpenAPI schemas of the fields.
#[cfg(feature = "schema")]
pub(super) mod described {
    use utoipa::openapi::RefOr;
    use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};

    use super::{ENTRIES_MAX, KEY, KEY_BYTES_MAX, SELECT};

    /// The schema of the name of a column.
    pub(in crate::request) fn column() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .min_length(Some(1))
            .max_length(Some(KEY_BYTES_MAX))
            .description(Some(KEY.description))
            .into()
    }

    /// The schema of a list of names and patterns of columns.
    pub(in crate::request) fn entries() -> RefOr<Schema> {
        // One of nothing but exclamation marks selects nothing.
        let entry = ObjectBuilder::new().schema_type(Type::String).pattern(Some("[^!]"));
        ArrayBuilder::new()
            .items(entry)
            .max_items(Some(ENTRIES_MAX))
            .description(Some(SELECT.description))
            .into()
    }
}
