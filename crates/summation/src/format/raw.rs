//! Bare little-endian numbers, of a type that the job says.

use protocol::request::RawNumbers;

use crate::InputError;

use super::binary::Elements;
use super::head::{Head, Told};
use super::{Access, Checkpoint, Decoder, Format, Layout, NumberType, no_numbers};

/// Bare numbers of this type.
#[derive(Debug)]
struct Raw(NumberType);

/// Whether the job says so.
pub(super) fn tell(head: &Head<'_>) -> Result<Told, InputError> {
    let Some(raw) = head.options.raw else {
        return Ok(Told::Other);
    };
    let number_type = NumberType::from(raw);
    let size = number_type.bytes();
    match head.object_bytes {
        Some(0) => Err(no_numbers()),
        Some(bytes) if !bytes.is_multiple_of(size) => Err(InputError::new(format!(
            "{bytes} bytes, which is no whole number of {size} bytes each"
        ))),
        _ => Ok(Told::Is(Format::new(Raw(number_type)))),
    }
}

impl Raw {
    const fn layout(&self) -> Elements {
        Elements { number_type: self.0, big_endian: false, start: 0 }
    }
}

impl Layout for Raw {
    fn describe(&self) -> String {
        format!("raw {}", self.0.describe())
    }

    fn access(&self) -> Access {
        Access::Column
    }

    fn columns(&self, object_bytes: Option<u64>) -> Option<u64> {
        object_bytes.map(|bytes| bytes / self.0.bytes())
    }

    fn elements(&self) -> Option<Elements> {
        Some(self.layout())
    }

    fn decoder(&self, columns: Option<u64>, at: Checkpoint) -> Decoder {
        self.layout().decoder(columns, at)
    }
}

impl From<RawNumbers> for NumberType {
    fn from(numbers: RawNumbers) -> NumberType {
        match numbers {
            RawNumbers::F16 => NumberType::F2,
            RawNumbers::Bf16 => NumberType::Bf16,
            RawNumbers::F32 => NumberType::F4,
            RawNumbers::F64 => NumberType::F8,
        }
    }
}
