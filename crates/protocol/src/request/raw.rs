//! Objects of raw numbers.

use serde::{Deserialize, Serialize};

use super::{Choice, Described, Field};

/// The field of [`super::JobRequest::raw`].
pub const RAW: Field = Field {
    name: "raw",
    symbol: None,
    title: "File format",
    hint: "",
    description: "The type of raw little-endian numbers; the format is detected by default",
};

/// The type of raw little-endian numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RawNumbers {
    /// 2-byte floating-point numbers: IEEE 754 half precision.
    F16,
    /// 2-byte floating-point numbers: the upper half of single precision (bfloat16).
    Bf16,
    /// 4-byte floating-point numbers.
    F32,
    /// 8-byte floating-point numbers.
    F64,
}

impl Choice for RawNumbers {
    const ALL: &'static [RawNumbers] =
        &[RawNumbers::F64, RawNumbers::F32, RawNumbers::F16, RawNumbers::Bf16];

    const FIELD: Field = RAW;

    fn described(self) -> Described {
        match self {
            RawNumbers::F16 => Described {
                word: "f16",
                title: "raw f16",
                description: "Little-endian 2-byte floating-point numbers (half precision)",
            },
            RawNumbers::Bf16 => Described {
                word: "bf16",
                title: "raw bf16",
                description: "Little-endian 2-byte floating-point numbers (bfloat16)",
            },
            RawNumbers::F32 => Described {
                word: "f32",
                title: "raw f32",
                description: "Little-endian 4-byte floating-point numbers",
            },
            RawNumbers::F64 => Described {
                word: "f64",
                title: "raw f64",
                description: "Little-endian 8-byte floating-point numbers",
            },
        }
    }
}

#[cfg(feature = "schema")]
super::schema::choices!(RawNumbers);
