//! Objects that are bare numbers.

use serde::{Deserialize, Serialize};

use super::{Choice, Described, Field};

/// What [`super::JobRequest::raw`] is.
pub const RAW: Field = Field {
    name: "raw",
    symbol: None,
    title: "Read as",
    hint: "",
    description: "Reads the objects as bare little-endian numbers of this type",
};

/// Bare little-endian numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RawNumbers {
    /// 4 bytes each.
    F32,
    /// 8 bytes each.
    F64,
}

impl Choice for RawNumbers {
    const ALL: &'static [RawNumbers] = &[RawNumbers::F64, RawNumbers::F32];

    const FIELD: Field = RAW;

    fn described(self) -> Described {
        match self {
            RawNumbers::F32 => Described {
                word: "f32",
                title: "bare 4-byte numbers",
                description: "Little-endian floating-point numbers of 4 bytes each",
            },
            RawNumbers::F64 => Described {
                word: "f64",
                title: "bare 8-byte numbers",
                description: "Little-endian floating-point numbers of 8 bytes each",
            },
        }
    }
}

#[cfg(feature = "schema")]
super::schema::choices!(RawNumbers);
