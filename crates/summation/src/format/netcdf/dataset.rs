//! What a NetCDF file says of itself: dimensions, attributes and variables.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::NumberType;
use super::hdf5::Chunks;
use super::quoted;
use crate::InputError;

/// A NetCDF file, or what a result has of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Dataset {
    pub(super) dimensions: Vec<Dimension>,
    /// Those of the file itself.
    pub(super) attributes: Vec<Attribute>,
    pub(super) variables: Vec<Variable>,
}

/// A name for the length along an index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Dimension {
    pub(super) name: String,
    pub(super) length: u64,
    /// Whether it grows with every record that is appended.
    pub(super) is_unlimited: bool,
}

/// What is said of a variable or of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Attribute {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Numbers are big-endian.
    pub(super) value: Vec<u8>,
}

/// An array with a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Variable {
    pub(super) name: String,
    /// Indices of dimensions.
    pub(super) dimensions: Vec<usize>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) kind: Kind,
    /// Where its numbers lie; unknown in what a result has.
    #[serde(skip)]
    pub(super) storage: Storage,
    #[serde(skip)]
    pub(super) big_endian: bool,
}

/// The types of NetCDF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    Byte,
    Char,
    Short,
    Int,
    Float,
    Double,
    UByte,
    UShort,
    UInt,
    Int64,
    UInt64,
}

/// How the numbers of a variable are stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Storage {
    Slabs(Slabs),
    Chunks(Arc<Chunks>),
    /// In a way that is not read: an error once they are selected.
    Unreadable(InputError),
}

impl Default for Storage {
    fn default() -> Storage {
        Storage::Slabs(Slabs::default())
    }
}

/// Where the numbers of a variable lie: in slabs, a constant number of bytes apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slabs {
    /// Where the first begins, in bytes.
    pub(super) begin: u64,
    /// How many bytes lie between the beginnings of two.
    pub(super) stride: u64,
    /// How many numbers each has, at least one.
    pub(super) numbers: u64,
}

impl Kind {
    /// The kinds by their numbers in classic files, from 1 on.
    const ALL: [Kind; 11] = [
        Kind::Byte,
        Kind::Char,
        Kind::Short,
        Kind::Int,
        Kind::Float,
        Kind::Double,
        Kind::UByte,
        Kind::UShort,
        Kind::UInt,
        Kind::Int64,
        Kind::UInt64,
    ];

    /// The kind of this number in classic files.
    pub(super) fn from_code(code: u32) -> Option<Kind> {
        let index = usize::try_from(code.checked_sub(1)?).ok()?;
        Kind::ALL.get(index).copied()
    }

    /// Its number in classic files.
    pub(super) fn code(self) -> u32 {
        (1_u32..).zip(Kind::ALL).find(|(_, kind)| *kind == self).map_or(0, |(code, _)| code)
    }

    /// The type of its numbers; `None` for characters.
    pub(super) const fn number_type(self) -> Option<NumberType> {
        Some(match self {
            Kind::Char => return None,
            Kind::Byte => NumberType::I1,
            Kind::Short => NumberType::I2,
            Kind::Int => NumberType::I4,
            Kind::Float => NumberType::F4,
            Kind::Double => NumberType::F8,
            Kind::UByte => NumberType::U1,
            Kind::UShort => NumberType::U2,
            Kind::UInt => NumberType::U4,
            Kind::Int64 => NumberType::I8,
            Kind::UInt64 => NumberType::U8,
        })
    }

    /// How many bytes a number or character takes.
    pub(super) const fn bytes(self) -> u64 {
        match self.number_type() {
            Some(number_type) => number_type.bytes(),
            None => 1,
        }
    }

    /// NetCDF's name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Kind::Byte => "byte",
            Kind::Char => "char",
            Kind::Short => "short",
            Kind::Int => "int",
            Kind::Float => "float",
            Kind::Double => "double",
            Kind::UByte => "ubyte",
            Kind::UShort => "ushort",
            Kind::UInt => "uint",
            Kind::Int64 => "int64",
            Kind::UInt64 => "uint64",
        }
    }
}

impl Attribute {
    pub(super) fn text(name: &str, text: &str) -> Attribute {
        Attribute { name: name.to_owned(), kind: Kind::Char, value: text.as_bytes().to_vec() }
    }

    /// Its numbers, as pairs whose sum each is; none of a text.
    pub(super) fn numbers(&self) -> Vec<(f64, f64)> {
        numbers_of(self.kind, &self.value)
    }

    /// Its text, if it is one, without what C ends texts by.
    pub(super) fn as_text(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.value);
        (self.kind == Kind::Char).then(|| text.trim_end_matches('\0').to_owned())
    }
}

/// Big-endian numbers, as pairs whose sum each is; none of characters.
pub(super) fn numbers_of(kind: Kind, bytes: &[u8]) -> Vec<(f64, f64)> {
    let Some(number_type) = kind.number_type() else {
        return Vec::new();
    };
    let mut block = crate::Block::default();
    number_type.decode(bytes, true, &mut block);
    let low = |index| block.low().map_or(0.0, |low: &[f64]| low[index]);
    block.values().iter().enumerate().map(|(index, &value)| (value, low(index))).collect()
}

/// The attribute of a name.
pub(super) fn find<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes.iter().find(|attribute| attribute.name == name)
}

impl Variable {
    /// The attribute of a name.
    pub(super) fn attribute(&self, name: &str) -> Option<&Attribute> {
        find(&self.attributes, name)
    }

    /// The text of an attribute; empty if there is none.
    pub(super) fn text(&self, name: &str) -> String {
        self.attribute(name).and_then(Attribute::as_text).unwrap_or_default()
    }
}

impl Dataset {
    /// The length along each index of a variable.
    pub(super) fn shape(&self, variable: &Variable) -> Vec<u64> {
        variable.dimensions.iter().map(|&index| self.dimensions[index].length).collect()
    }

    /// Whether a variable has one slab for each record.
    pub(super) fn has_records(&self, variable: &Variable) -> bool {
        variable.dimensions.first().is_some_and(|&index| self.dimensions[index].is_unlimited)
    }

    /// The number of numbers of a variable.
    ///
    /// # Errors
    ///
    /// If it, or that of their bytes, is no 64-bit integer.
    pub(super) fn numbers(&self, variable: &Variable) -> Result<u64, InputError> {
        self.numbers_of(variable, 0)
    }

    /// The same along its dimensions from `first` on.
    pub(super) fn numbers_of(&self, variable: &Variable, first: usize) -> Result<u64, InputError> {
        let lengths = variable.dimensions[first..].iter();
        let numbers = lengths
            .map(|&index| self.dimensions[index].length)
            .try_fold(1_u64, u64::checked_mul)
            .filter(|&numbers| numbers < 1 << 59);
        numbers.ok_or_else(|| {
            let (name, shape) = (quoted(&variable.name), self.shape(variable));
            InputError::new(format!("the variable {name} has the impossible shape {shape:?}"))
                .remedy("write the file again")
        })
    }
}

impl Slabs {
    /// The byte at which a number of so many bytes begins.
    pub(super) const fn offset_of(&self, number: u64, bytes: u64) -> u64 {
        let numbers = if self.numbers == 0 { 1 } else { self.numbers };
        self.begin + number / numbers * self.stride + number % numbers * bytes
    }
}
