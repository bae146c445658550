//! The header of a classic NetCDF file: `CDF` and the version, the number of records, then
//! lists of dimensions, attributes and variables, big-endian and aligned to 4 bytes.
//!
//! Version 1 has offsets of 32 bits, version 2 of 64 bits, version 5 has counts of 64 bits
//! too, and more types. Numbers of records are interleaved: each record has a slab of every
//! variable along the unlimited dimension.
//!
//! Source: "The NetCDF Classic Format Specification", Unidata, and "CDF-5", PnetCDF.

use std::collections::HashSet;

use super::dataset::{Attribute, Dataset, Dimension, Kind, Slabs, Storage, Variable};
use super::quoted;
use crate::InputError;

/// What classic files begin with, before the version.
pub(super) const MAGIC: &[u8] = b"CDF";
/// The versions.
pub(super) const VERSIONS: [u8; 3] = [1, 2, 5];

/// What lists begin with.
pub(super) const DIMENSIONS: u32 = 10;
pub(super) const VARIABLES: u32 = 11;
pub(super) const ATTRIBUTES: u32 = 12;

/// The most dimensions of a variable, as the library of the format has it.
const VARIABLE_DIMENSIONS_MAX: u64 = 1024;

/// The longest name, in bytes; the library of the format has 256.
const NAME_BYTES_MAX: u64 = 1024;

/// Why a header was not read.
#[derive(Debug)]
pub(super) enum Stop {
    /// It goes on behind the bytes that are there.
    Needs,
    Error(InputError),
}

impl From<InputError> for Stop {
    fn from(error: InputError) -> Stop {
        Stop::Error(error)
    }
}

/// Reads a header from the first bytes of an object of `object_bytes` bytes.
pub(super) fn read(bytes: &[u8], object_bytes: u64) -> Result<Dataset, Stop> {
    let version = bytes.get(MAGIC.len()).copied().ok_or(Stop::Needs)?;
    let mut header = Cursor { bytes, at: MAGIC.len() + 1, version };
    let records = header.count()?;
    let is_streaming = records == if version == 5 { u64::MAX } else { u64::from(u32::MAX) };
    let mut dataset = Dataset::default();
    for _ in 0..header.list(DIMENSIONS)? {
        let name = header.name()?;
        let length = header.count()?;
        let is_unlimited = length == 0;
        if is_unlimited && dataset.dimensions.iter().any(|dimension| dimension.is_unlimited) {
            return Err(header.wrong("a second unlimited dimension").into());
        }
        let length = if is_unlimited && !is_streaming { records } else { length };
        dataset.dimensions.push(Dimension { name, length, is_unlimited });
    }
    dataset.attributes = header.attributes()?;
    let mut names = HashSet::new();
    for _ in 0..header.list(VARIABLES)? {
        let variable = header.variable(&dataset)?;
        if !names.insert(variable.name.clone()) {
            let name = quoted(&variable.name);
            return Err(header.wrong(&format!("two variables {name}")).into());
        }
        dataset.variables.push(variable);
    }
    let header_bytes = header.at as u64;
    let record_bytes = lay_out(&mut dataset)?;
    if is_streaming {
        let first = dataset.variables.iter().filter(|variable| dataset.has_records(variable));
        let first = first.filter_map(begin_of).min().unwrap_or_default();
        let records = object_bytes.saturating_sub(first).checked_div(record_bytes);
        let unlimited = dataset.dimensions.iter_mut().find(|dimension| dimension.is_unlimited);
        if let Some(unlimited) = unlimited {
            unlimited.length = records.unwrap_or_default();
        }
    }
    for variable in &dataset.variables {
        let begin = begin_of(variable).unwrap_or_default();
        if begin < header_bytes && dataset.numbers(variable)? > 0 {
            let name = quoted(&variable.name);
            let error = InputError::new(format!("the variable {name} begins within the header"));
            return Err(error.at_byte(begin).remedy("write the file again").into());
        }
    }
    Ok(dataset)
}

/// Where a variable begins.
const fn begin_of(variable: &Variable) -> Option<u64> {
    match &variable.storage {
        Storage::Slabs(slabs) => Some(slabs.begin),
        _ => None,
    }
}

/// Tells where the slabs of all variables lie; returns the bytes of a record.
fn lay_out(dataset: &mut Dataset) -> Result<u64, InputError> {
    let too_large = || InputError::new("records of an impossible size");
    // Slabs are those of one record; the lengths of the other dimensions are known.
    let mut slabs = Vec::new();
    for variable in &dataset.variables {
        let has_records = dataset.has_records(variable);
        let numbers = dataset.numbers_of(variable, usize::from(has_records))?;
        slabs.push((has_records, numbers, numbers * variable.kind.bytes()));
    }
    let of_records: Vec<u64> =
        slabs.iter().filter(|slab| slab.0).map(|&(_, _, bytes)| bytes).collect();
    // The slabs of a single variable are not padded.
    let record_bytes = match of_records[..] {
        [only] => only,
        _ => of_records
            .iter()
            .try_fold(0_u64, |sum, bytes| sum.checked_add(bytes.next_multiple_of(4)))
            .ok_or_else(too_large)?,
    };
    for (variable, (has_records, numbers, _)) in dataset.variables.iter_mut().zip(slabs) {
        if let Storage::Slabs(slabs) = &mut variable.storage {
            slabs.numbers = numbers.max(1);
            slabs.stride = if has_records { record_bytes } else { 0 };
        }
    }
    Ok(record_bytes)
}

/// The bytes of a header, one thing after the other.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    version: u8,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Stop> {
        let end = self.at.checked_add(bytes).ok_or(Stop::Needs)?;
        let taken = self.bytes.get(self.at..end).ok_or(Stop::Needs)?;
        self.at = end;
        Ok(taken)
    }

    fn word(&mut self) -> Result<u32, Stop> {
        let bytes = self.take(4)?;
        Ok(bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes)))
    }

    fn long(&mut self) -> Result<u64, Stop> {
        let bytes = self.take(8)?;
        Ok(bytes.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes)))
    }

    /// A count, a length or an index.
    fn count(&mut self) -> Result<u64, Stop> {
        match self.version {
            5 => self.long(),
            _ => self.word().map(u64::from),
        }
    }

    /// How many elements a list has.
    fn list(&mut self, expected: u32) -> Result<u64, Stop> {
        let tag = self.word()?;
        let count = self.count()?;
        match (tag, count) {
            (0, 0) => Ok(0),
            (tag, count) if tag == expected => Ok(count),
            (tag, _) => Err(self
                .wrong(&format!("a list that begins with {tag}, where {expected} was expected"))
                .into()),
        }
    }

    /// Bytes, with those that fill the last 4.
    fn padded(&mut self, bytes: u64) -> Result<&'a [u8], Stop> {
        let bytes = usize::try_from(bytes).map_err(|_| Stop::Needs)?;
        let taken = self.take(bytes)?;
        self.take(bytes.wrapping_neg() % 4)?;
        Ok(taken)
    }

    fn name(&mut self) -> Result<String, Stop> {
        let length = self.count()?;
        if length > NAME_BYTES_MAX {
            return Err(self.wrong(&format!("a name of more than {NAME_BYTES_MAX} bytes")).into());
        }
        let begin = self.at;
        let name = self.padded(length)?;
        match std::str::from_utf8(name) {
            Ok(name) if !name.is_empty() => Ok(name.to_owned()),
            _ => {
                self.at = begin;
                Err(self.wrong("a name that is not UTF-8 or empty").into())
            }
        }
    }

    fn kind(&mut self) -> Result<Kind, Stop> {
        let code = self.word()?;
        let kind = Kind::from_code(code);
        kind.ok_or_else(|| self.wrong(&format!("numbers of the unknown type {code}")).into())
    }

    fn attributes(&mut self) -> Result<Vec<Attribute>, Stop> {
        let mut attributes = Vec::new();
        for _ in 0..self.list(ATTRIBUTES)? {
            let name = self.name()?;
            let kind = self.kind()?;
            let bytes = self.count()?.checked_mul(kind.bytes()).ok_or(Stop::Needs)?;
            let value = self.padded(bytes)?.to_vec();
            attributes.push(Attribute { name, kind, value });
        }
        Ok(attributes)
    }

    /// A variable; only where it begins is known of its slabs.
    fn variable(&mut self, dataset: &Dataset) -> Result<Variable, Stop> {
        let name = self.name()?;
        let rank = self.count()?;
        if rank > VARIABLE_DIMENSIONS_MAX {
            return Err(self.wrong(&format!("a variable of {rank} dimensions")).into());
        }
        let mut dimensions = Vec::new();
        for index in 0..rank {
            let number = self.count()?;
            let dimension = usize::try_from(number).unwrap_or(usize::MAX);
            match dataset.dimensions.get(dimension) {
                Some(known) if !known.is_unlimited || index == 0 => dimensions.push(dimension),
                Some(_) => return Err(self.wrong("an unlimited dimension that is inner").into()),
                None => {
                    return Err(self.wrong(&format!("an unknown dimension, {number}")).into());
                }
            }
        }
        let attributes = self.attributes()?;
        let kind = self.kind()?;
        // Its size follows from its shape, and is not always written.
        self.count()?;
        let begin = match self.version {
            1 => u64::from(self.word()?),
            _ => self.long()?,
        };
        let storage = Storage::Slabs(Slabs { begin, ..Slabs::default() });
        Ok(Variable { name, dimensions, attributes, kind, storage, big_endian: true })
    }

    /// Something that the header should not have before where it stands.
    fn wrong(&self, what: &str) -> InputError {
        InputError::new(format!("a NetCDF header with {what}"))
            .at_byte(self.at as u64)
            .remedy("copy the file again, or write it again")
    }
}
