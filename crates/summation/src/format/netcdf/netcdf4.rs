//! NetCDF-4: what of an HDF5 file are dimensions, variables and attributes.
//!
//! A dimension is an array that says it is a scale; unless its name says otherwise, it is the
//! variable of its coordinates too. Variables refer to the scales of their dimensions. Arrays
//! that refer to none, as in HDF5 files that are not NetCDF, get dimensions by their lengths.
//! Variables in groups have the names of these before theirs. Texts of any length
//! (`NC_STRING`) and types that users have defined are not read.

use std::collections::HashMap;
use std::sync::Arc;

use super::dataset::{Attribute, Dataset, Dimension, Kind, Slabs, Storage, Variable};
use super::hdf5::{self, Array, Chunks, Found, Object, Place, Source, Stop, Type, UNLIMITED};
use crate::InputError;

/// What the name of a dimension without coordinates begins with.
const NO_VARIABLE: &[u8] = b"This is a netCDF dimension but not a netCDF variable";

/// What the library puts before the name of a variable that is not the coordinate of the
/// dimension with its name.
const NO_COORDINATE: &str = "_nc4_non_coord_";

/// Attributes that say how the format is stored.
const INTERNAL: [&str; 8] = [
    "CLASS",
    "NAME",
    "REFERENCE_LIST",
    "DIMENSION_LIST",
    "DIMENSION_LABELS",
    "_Netcdf4Dimid",
    "_Netcdf4Coordinates",
    "_nc3_strict",
];

/// Reads what an HDF5 file says of itself. Where bytes are missing, they were noted.
pub(super) fn read(source: &Source<'_>) -> Result<Dataset, Stop> {
    let (root, variables) = hdf5::variables(source, hdf5::root(source)?)?;
    let mut reading = Reading {
        source,
        dataset: Dataset::default(),
        by_address: HashMap::new(),
        nameless: HashMap::new(),
    };
    let mut missing = false;
    for Found { name, address, object } in &variables {
        if let Err(error) = reading.add_scale(name, *address, object) {
            missing |= is_missing(error)?;
        }
    }
    for Found { name, address, object } in &variables {
        if let Err(error) = reading.add_variable(name, *address, object) {
            missing |= is_missing(error)?;
        }
    }
    match reading.attributes(&root) {
        Ok(attributes) => {
            let is_own = |attribute: &Attribute| attribute.name != "_NCProperties";
            reading.dataset.attributes = attributes.into_iter().filter(is_own).collect();
        }
        Err(error) => missing |= is_missing(error)?,
    }
    if missing { Err(Stop::Missing) } else { Ok(reading.dataset) }
}

/// Whether only bytes are missing.
fn is_missing(stop: Stop) -> Result<bool, Stop> {
    match stop {
        Stop::Missing => Ok(true),
        error @ Stop::Error(_) => Err(error),
    }
}

struct Reading<'s, 'a> {
    source: &'s Source<'a>,
    dataset: Dataset,
    /// The dimensions by the addresses of their scales.
    by_address: HashMap<u64, usize>,
    /// The dimensions without names by their lengths.
    nameless: HashMap<u64, Vec<usize>>,
}

impl Reading<'_, '_> {
    /// The texts of an attribute; empty if it has none.
    fn text(&self, object: &Object, name: &str) -> Result<Vec<u8>, Stop> {
        let attribute = object.attributes.iter().find(|attribute| attribute.name == name);
        let texts = attribute.map(|attribute| attribute.texts(self.source)).transpose()?;
        Ok(texts.flatten().unwrap_or_default())
    }

    /// Adds the dimension of a scale.
    fn add_scale(&mut self, name: &str, address: u64, object: &Object) -> Result<(), Stop> {
        let Some(array) = &object.array else {
            return Ok(());
        };
        if self.text(object, "CLASS")? != b"DIMENSION_SCALE" {
            return Ok(());
        }
        self.by_address.insert(address, self.dataset.dimensions.len());
        self.dataset.dimensions.push(Dimension {
            name: plain(name),
            length: array.space.shape.first().copied().unwrap_or(1),
            is_unlimited: array.space.lengths_max.first() == Some(&UNLIMITED),
        });
        Ok(())
    }

    fn add_variable(&mut self, name: &str, address: u64, object: &Object) -> Result<(), Stop> {
        let Some(array) = &object.array else {
            return Ok(());
        };
        let Some((kind, big_endian)) = kind_of(&array.kind) else {
            return Ok(());
        };
        if array.space.is_null || self.text(object, "NAME")?.starts_with(NO_VARIABLE) {
            return Ok(());
        }
        let dimensions = self.dimensions(address, object, array)?;
        let attributes = self.attributes(&object.attributes);
        let storage = self.storage((name, address), kind, array);
        self.dataset.variables.push(Variable {
            name: plain(name),
            dimensions,
            attributes: attributes?,
            kind,
            storage: storage?,
            big_endian,
        });
        Ok(())
    }

    /// The dimensions of a variable.
    fn dimensions(
        &mut self,
        address: u64,
        object: &Object,
        array: &Array,
    ) -> Result<Vec<usize>, Stop> {
        let shape = &array.space.shape;
        let list = object.attributes.iter().find(|attribute| attribute.name == "DIMENSION_LIST");
        let scales = match (list, self.by_address.contains_key(&address)) {
            (Some(list), _) => list.references(self.source)?,
            (None, true) => vec![address],
            (None, false) => Vec::new(),
        };
        let mut dimensions = Vec::new();
        for (index, &length) in shape.iter().enumerate() {
            let named = scales.get(index).and_then(|scale| self.by_address.get(scale)).copied();
            // A variable may be shorter than its unlimited dimension; its shape counts.
            let named = named.filter(|&index| self.dataset.dimensions[index].length == length);
            dimensions.push(named.unwrap_or_else(|| self.nameless(length, &dimensions)));
        }
        Ok(dimensions)
    }

    /// A dimension without a name of this length, which the variable does not have yet.
    fn nameless(&mut self, length: u64, taken: &[usize]) -> usize {
        let dimensions = &mut self.dataset.dimensions;
        let known = self.nameless.entry(length).or_default();
        if let Some(&index) = known.iter().find(|index| !taken.contains(index)) {
            return index;
        }
        known.push(dimensions.len());
        let name = format!("phony_dim_{}", dimensions.len());
        dimensions.push(Dimension { name, length, is_unlimited: false });
        dimensions.len() - 1
    }

    /// Attributes of numbers and texts.
    fn attributes(&self, attributes: &[hdf5::Attribute]) -> Result<Vec<Attribute>, Stop> {
        let mut read = Vec::new();
        let mut missing = false;
        for attribute in attributes {
            let name = attribute.name.clone();
            if INTERNAL.contains(&name.as_str()) || name.is_empty() {
                continue;
            }
            match attribute.texts(self.source) {
                Ok(Some(value)) => read.push(Attribute { name, kind: Kind::Char, value }),
                Ok(None) => {
                    let Some((kind, big_endian)) = kind_of(&attribute.kind) else {
                        continue;
                    };
                    let mut value = attribute.data.clone();
                    if !big_endian {
                        let size = usize::try_from(kind.bytes()).unwrap_or(8);
                        value.chunks_exact_mut(size).for_each(<[u8]>::reverse);
                    }
                    read.push(Attribute { name, kind, value });
                }
                Err(error) => missing |= is_missing(error)?,
            }
        }
        if missing { Err(Stop::Missing) } else { Ok(read) }
    }

    /// Where the numbers of a variable lie, of which this is the name and the address.
    fn storage(
        &self,
        (name, address): (&str, u64),
        kind: Kind,
        array: &Array,
    ) -> Result<Storage, Stop> {
        if let Place::Contiguous { begin: Some(begin), bytes } = array.place {
            let numbers = array.space.shape.iter().try_fold(1_u64, |all, &n| all.checked_mul(n));
            let expected = numbers.and_then(|numbers| numbers.checked_mul(kind.bytes()));
            if expected != Some(bytes) {
                let name = super::quoted(name);
                let what =
                    format!("a variable {name} of {bytes} bytes, which does not fit its shape");
                return Err(hdf5::broken(&what, begin).into());
            }
            let numbers = numbers.unwrap_or(1).max(1);
            return Ok(Storage::Slabs(Slabs { begin, stride: 0, numbers }));
        }
        let chunks = Chunks::read(self.source, array, kind.bytes());
        match chunks {
            Ok(chunks) => Ok(Storage::Chunks(Arc::new(chunks))),
            // What cannot be read is an error only if it is selected.
            Err(Stop::Error(error)) => {
                let error = InputError { byte: error.byte.or(Some(address)), ..error };
                Ok(Storage::Unreadable(of_variable(name, error)))
            }
            Err(Stop::Missing) => Err(Stop::Missing),
        }
    }
}

/// An error that names the variable.
fn of_variable(name: &str, error: InputError) -> InputError {
    let what = format!("the variable {}: {}", super::quoted(name), error.what);
    InputError { what: what.into(), ..error }
}

/// A name without what the library has put before it.
fn plain(name: &str) -> String {
    let (group, own) = name.rsplit_once('/').map_or(("", name), |(group, own)| (group, own));
    let own = own.strip_prefix(NO_COORDINATE).unwrap_or(own);
    if group.is_empty() { own.to_owned() } else { format!("{group}/{own}") }
}

/// The type of numbers or characters, and whether they are big-endian.
fn kind_of(kind: &Type) -> Option<(Kind, bool)> {
    Some(match *kind {
        Type::Integer { bytes, signed, big_endian } => {
            let kind = match (bytes, signed) {
                (1, true) => Kind::Byte,
                (1, false) => Kind::UByte,
                (2, true) => Kind::Short,
                (2, false) => Kind::UShort,
                (4, true) => Kind::Int,
                (4, false) => Kind::UInt,
                (8, true) => Kind::Int64,
                (8, false) => Kind::UInt64,
                _ => return None,
            };
            (kind, big_endian)
        }
        Type::Float { bytes: 4, big_endian } => (Kind::Float, big_endian),
        Type::Float { bytes: 8, big_endian } => (Kind::Double, big_endian),
        Type::Text { bytes: 1 } => (Kind::Char, true),
        _ => return None,
    })
}
