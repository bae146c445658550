//! NetCDF: classic files of the versions 1, 2 (64-bit offset) and 5 (CDF-5), and NetCDF-4,
//! which is HDF5.
//!
//! A file consists of variables with names. The values of the selected ones, one variable
//! after the other, each in C order, are those of the object. What of a file is data and
//! what are coordinates, and what its numbers mean, the CF conventions say
//! (`conventions.rs`). Variables are matched by their names, and the coordinates of all files
//! must be those of the first. Numbers that are interleaved with those of other variables, as
//! along an unlimited dimension, are read in several extents.
//!
//! Chunks are decompressed a row at a time: those that have the same index along the first
//! dimension.
//!
//! Headers are read by hand (`classic.rs`, `hdf5.rs`): here ranges of a store come when they
//! were asked for, and the libraries that there are fill up what a damaged file lacks.

mod classic;
mod conventions;
mod coordinates;
mod dataset;
mod decoder;
mod hdf5;
mod netcdf4;
mod parts;
mod template;
mod writer;

use std::ops::Range;
use std::sync::Arc;

use protocol::request::Missing;
use xxhash_rust::xxh3::Xxh3;

use self::classic::{MAGIC, Stop, VERSIONS};
use self::conventions::Roles;
use self::coordinates::{Coordinates, Gathered};
use self::dataset::Storage;
use self::decoder::VariableDecoder;
use self::parts::{Part, Parts};
use self::template::Template;
use super::head::{HEAD_BYTES, Head, Told};
use super::{Access, Checkpoint, Decoder, Format, Layout};
use crate::InputError;

pub(crate) use self::writer::Written;

/// The longest header that is read, in bytes; it is in memory as a whole.
const HEADER_BYTES_MAX: usize = 4 << 20;

/// The most bytes of memory that the attributes of what is averaged take; they are stored with
/// the plan of a job.
const ATTRIBUTES_BYTES_MAX: usize = 16 << 20;

/// The most characters of a name that an error quotes.
const NAME_CHARS_QUOTED: usize = 80;

/// A variable of a NetCDF file: an array with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    name: String,
    dtype: &'static str,
    shape: Vec<u64>,
}

impl Variable {
    /// The name of the variable.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type of its numbers as they are stored, as the format names it: `float`, `short`.
    #[must_use]
    pub fn dtype(&self) -> &'static str {
        self.dtype
    }

    /// The length along each dimension; none of a single number.
    #[must_use]
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }
}

/// A NetCDF file.
#[derive(Clone, Debug)]
pub(crate) struct Netcdf {
    form: &'static str,
    parts: Arc<Parts>,
    coordinates: Arc<Coordinates>,
    /// Whether the coordinates are those of the reference, which counts their memory.
    is_aligned: bool,
    /// What a result has of the file.
    template: Arc<Template>,
    /// The variables as others see them.
    variables: Vec<Variable>,
    /// The number of variables with numbers, also those that are not read.
    all: usize,
    /// Whether a missing value is an error.
    refuses_missing: bool,
}

/// Whether the object begins as classic files do; then its header and coordinates are read.
pub(super) fn tell(head: &Head<'_>) -> Result<Told, InputError> {
    let first = match head.first(MAGIC.len() + 1) {
        Ok(first) => first,
        Err(needs) => return Ok(needs),
    };
    let version = match first.strip_prefix(MAGIC) {
        Some(&[version]) if VERSIONS.contains(&version) => Some(version),
        _ if head.bytes.starts_with(hdf5::MAGIC) => None,
        _ => return Ok(Told::Other),
    };
    let Some(object_bytes) = head.object_bytes else {
        let error = InputError::new("a compressed NetCDF file");
        return Err(error.remedy("decompress it: variables are read from where they lie"));
    };
    let (form, dataset) = match version {
        Some(version) => match classic::read(head.bytes, object_bytes) {
            Ok(dataset) => (form_of(version), dataset),
            Err(Stop::Error(error)) => return Err(error),
            Err(Stop::Needs) => return more_header(head, object_bytes),
        },
        None => {
            let source = hdf5::Source::new(head, object_bytes);
            match netcdf4::read(&source) {
                Ok(dataset) => ("netcdf-4", dataset),
                Err(hdf5::Stop::Error(error)) => return Err(error),
                Err(hdf5::Stop::Missing) => return Ok(Told::NeedsRanges(source.needs())),
            }
        }
    };
    let roles = Roles::of(&dataset, &head.options.select)?;
    let parts = Parts::of(&dataset, &roles, object_bytes)?;
    let coordinates = match coordinates::gather(&dataset, &roles, head, object_bytes)? {
        Gathered::All(coordinates) => coordinates,
        Gathered::Needs(ranges) => return Ok(Told::NeedsRanges(ranges)),
    };
    let template = Template::of(&dataset, &roles);
    if template.attribute_bytes() > ATTRIBUTES_BYTES_MAX {
        let most = ATTRIBUTES_BYTES_MAX >> 20;
        let error = InputError::new(format!("attributes of more than {most} MiB"));
        return Err(error.remedy("delete attributes, or select fewer variables"));
    }
    let numeric = dataset.variables.iter().filter(|one| one.kind.number_type().is_some());
    Ok(Told::Is(Format::new(Netcdf {
        form,
        variables: variables_of(&parts),
        all: numeric.count(),
        refuses_missing: matches!(head.options.missing, None | Some(Missing::Error)),
        template: Arc::new(template),
        parts: Arc::new(parts),
        coordinates: Arc::new(coordinates),
        is_aligned: false,
    })))
}

/// The form of classic files of a version.
const fn form_of(version: u8) -> &'static str {
    match version {
        1 => "netcdf classic",
        2 => "netcdf 64-bit offset",
        _ => "netcdf cdf-5",
    }
}

/// What to answer if the header goes on behind the bytes that are there.
fn more_header(head: &Head<'_>, object_bytes: u64) -> Result<Told, InputError> {
    let there = head.bytes.len();
    if head.is_all {
        let error = InputError::new("a NetCDF file that ends within its header");
        return Err(error.at_byte(there as u64).remedy("copy the file again, or write it again"));
    }
    if there >= HEADER_BYTES_MAX {
        let most = HEADER_BYTES_MAX >> 20;
        let error = InputError::new(format!("a NetCDF header of more than {most} MiB"));
        return Err(error.at_byte(0).remedy("write its variables to several files"));
    }
    let all = usize::try_from(object_bytes).unwrap_or(usize::MAX);
    Ok(Told::Needs((2 * there).clamp(HEAD_BYTES, HEADER_BYTES_MAX).min(all)))
}

/// A name as errors quote it.
fn quoted(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARS_QUOTED) {
        Some((end, _)) => format!("{:?}…", &name[..end]),
        None => format!("{name:?}"),
    }
}

/// The variables as others see them.
fn variables_of(parts: &Parts) -> Vec<Variable> {
    let variable = |part: &Part| Variable {
        name: part.name.clone(),
        dtype: part.kind.name(),
        shape: part.shape.clone(),
    };
    parts.list.iter().map(variable).collect()
}

impl Netcdf {
    /// The variables that are read, in the order of their columns.
    pub(crate) fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// What results are written by; see [`Written::new`].
    pub(crate) fn template(&self) -> Vec<u8> {
        self.template.encode(&self.coordinates)
    }
}

impl Layout for Netcdf {
    fn describe(&self) -> String {
        let list = &self.parts.list;
        let first = list.first().map_or("", |part| part.kind.name());
        let kind = match list.iter().all(|part| part.kind.name() == first) {
            true => first,
            false => "of several types",
        };
        let form = self.form;
        let variables = if list.len() == 1 { "variable" } else { "variables" };
        match list.len() == self.all {
            true => format!("{form} {kind}, {} {variables}", list.len()),
            false => format!("{form} {kind}, {} of {} variables", list.len(), self.all),
        }
    }

    fn access(&self) -> Access {
        Access::Column
    }

    fn columns(&self, _object_bytes: Option<u64>) -> Option<u64> {
        Some(self.parts.columns)
    }

    fn shape(&self) -> Option<&[u64]> {
        match &self.parts.list[..] {
            [only] => Some(&only.shape),
            _ => None,
        }
    }

    fn names(&self) -> Option<Vec<String>> {
        Some(self.parts.list.iter().map(|part| part.name.clone()).collect())
    }

    fn netcdf(&self) -> Option<&Netcdf> {
        Some(self)
    }

    fn memory_bytes(&self) -> usize {
        let of = |part: &Part| {
            let chunks = match &part.storage {
                Storage::Chunks(chunks) => chunks.memory_bytes(),
                _ => 0,
            };
            2 * part.name.len() + 8 * part.shape.len() + 512 + chunks
        };
        let shared = match self.is_aligned {
            true => 0,
            false => self.template.memory_bytes() + self.coordinates.memory_bytes(),
        };
        self.parts.list.iter().map(of).sum::<usize>() + shared
    }

    fn reading_bytes(&self) -> u64 {
        let of = |part: &Part| match &part.storage {
            Storage::Chunks(chunks) if !part.columns.is_empty() => chunks.reading_bytes(),
            _ => 0,
        };
        // One variable after the other.
        self.parts.list.iter().map(of).max().unwrap_or_default()
    }

    fn parts_hash(&self) -> Option<u64> {
        let mut hasher = Xxh3::new();
        for part in &self.parts.list {
            hasher.update(&(part.name.len() as u64).to_le_bytes());
            hasher.update(part.name.as_bytes());
            hasher.update(&(part.shape.len() as u64).to_le_bytes());
            part.shape.iter().for_each(|length| hasher.update(&length.to_le_bytes()));
        }
        Some(hasher.digest())
    }

    fn aligned(&self, reference: &Format, of: &str) -> Result<Option<Format>, InputError> {
        let Some(reference) = reference.layout.netcdf() else {
            return Ok(None);
        };
        let parts = self.parts.aligned(&reference.parts, of)?;
        self.coordinates.check(&reference.coordinates, of)?;
        Ok(Some(Format::new(Netcdf {
            variables: variables_of(&parts),
            parts: Arc::new(parts),
            // They are the same, and in memory once.
            coordinates: reference.coordinates.clone(),
            is_aligned: true,
            template: reference.template.clone(),
            ..self.clone()
        })))
    }

    fn offset_of(&self, column: u64) -> Option<u64> {
        Some(self.parts.offset_of(column))
    }

    fn extents(&self, columns: &Range<u64>) -> Option<Vec<Range<u64>>> {
        Some(self.parts.extents(columns))
    }

    fn decoder(&self, _columns: Option<u64>, at: Checkpoint) -> Decoder {
        Decoder::new(VariableDecoder::new(self.parts.clone(), self.refuses_missing, at))
    }
}
