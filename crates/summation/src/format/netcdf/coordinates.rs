//! The coordinates of a file: read as a whole, compared with those of the first file, and
//! carried over to results.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use super::super::head::Head;
use super::conventions::Roles;
use super::dataset::{Dataset, Kind, Slabs, Storage, Variable, numbers_of};
use super::parts::{check_place, push};
use super::quoted;
use crate::InputError;

/// The most bytes of the coordinates of a file. They are in memory: once for each job of a
/// worker, and once for each object while it is compared.
const COORDINATES_BYTES_MAX: u64 = 16 << 20;

/// The most ranges that they are read in.
const RANGES_MAX: usize = 50_000;

/// Bytes between two slabs that are read along.
const GAP_BYTES: u64 = 64;

/// The attributes without which numbers of coordinates mean nothing.
const MEANING: [&str; 4] = ["units", "calendar", "scale_factor", "add_offset"];

/// The coordinates of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Coordinates {
    pub(super) list: Vec<Coordinate>,
}

/// A coordinate, or what belongs to one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Coordinate {
    pub(super) name: String,
    kind: Kind,
    shape: Vec<u64>,
    /// What makes its numbers comparable: names and texts of attributes.
    meaning: Vec<(&'static str, String)>,
    /// All its numbers, big-endian, in C order.
    pub(super) data: Vec<u8>,
}

/// Coordinates that are not all there.
pub(super) enum Gathered {
    All(Coordinates),
    /// These ranges are needed.
    Needs(Vec<Range<u64>>),
}

/// Reads the coordinates from the ranges of the object that are there.
pub(super) fn gather(
    dataset: &Dataset,
    roles: &Roles,
    head: &Head<'_>,
    object_bytes: u64,
) -> Result<Gathered, InputError> {
    let mut ranges = Vec::new();
    let (mut all_bytes, mut spans) = (0_u64, Vec::new());
    for &index in &roles.coordinates {
        let variable = &dataset.variables[index];
        let numbers = check_place(dataset, index, object_bytes)?;
        let size = variable.kind.bytes();
        all_bytes = all_bytes.saturating_add(numbers * size);
        if all_bytes > COORDINATES_BYTES_MAX {
            let (most, name) = (COORDINATES_BYTES_MAX >> 20, quoted(&variable.name));
            let what = format!("coordinates of more than {most} MiB, with {name}");
            let remedy = format!("leave coordinates out: select !{}", variable.name);
            return Err(InputError::new(what).remedy(remedy));
        }
        let first = ranges.len();
        let own = ranges_of(variable, numbers);
        if first + own.len() > RANGES_MAX {
            let name = quoted(&variable.name);
            let what = format!("the coordinate {name} lies in more than {RANGES_MAX} pieces");
            return Err(InputError::new(what).remedy(
                "copy the file to one without an unlimited dimension, or leave the coordinate out",
            ));
        }
        ranges.extend(own);
        spans.push(first..ranges.len());
    }
    let pieces: BTreeMap<u64, &[u8]> =
        head.others.iter().map(|piece| (piece.start, piece.bytes.as_slice())).collect();
    let there = |range: &Range<u64>| -> Option<&[u8]> {
        let length = usize::try_from(range.end - range.start).ok()?;
        let start = usize::try_from(range.start).ok()?;
        let first = start.checked_add(length).and_then(|end| head.bytes.get(start..end));
        first.or_else(|| pieces.get(&range.start)?.get(..length))
    };
    let needed: Vec<Range<u64>> =
        ranges.iter().filter(|range| there(range).is_none()).cloned().collect();
    if !needed.is_empty() {
        return Ok(Gathered::Needs(needed));
    }
    let mut coordinates = Coordinates::default();
    for (&index, span) in roles.coordinates.iter().zip(spans) {
        let variable = &dataset.variables[index];
        let numbers = dataset.numbers(variable)?;
        let own = ranges[span].iter().filter_map(|range| Some((range.clone(), there(range)?)));
        let own: Vec<(Range<u64>, &[u8])> = own.collect();
        let mut data = data_of(variable, numbers, &own)?;
        if !variable.big_endian {
            let size = usize::try_from(variable.kind.bytes()).unwrap_or(8);
            data.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        let meaning = MEANING.map(|name| {
            let text = variable.attribute(name).map(|attribute| match attribute.as_text() {
                Some(text) => text,
                None => attribute.numbers().iter().map(|pair| format!("{:?} ", pair.0)).collect(),
            });
            (name, text.unwrap_or_default())
        });
        coordinates.list.push(Coordinate {
            name: variable.name.clone(),
            kind: variable.kind,
            shape: dataset.shape(variable),
            meaning: meaning.to_vec(),
            data,
        });
    }
    Ok(Gathered::All(coordinates))
}

/// The ranges in which the numbers of a coordinate lie.
fn ranges_of(variable: &Variable, numbers: u64) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    match &variable.storage {
        Storage::Slabs(slabs) => {
            for (start, end) in slabs_of(slabs, numbers, variable.kind.bytes()) {
                push(&mut ranges, start..end, GAP_BYTES);
                if ranges.len() > RANGES_MAX {
                    break;
                }
            }
        }
        Storage::Chunks(chunks) if numbers > 0 => {
            for row in 0..=chunks.row_of(numbers - 1) {
                ranges.extend(chunks.ranges_of(row));
            }
        }
        _ => {}
    }
    ranges
}

/// Where each slab of some numbers begins and ends.
fn slabs_of(slabs: &Slabs, numbers: u64, size: u64) -> impl Iterator<Item = (u64, u64)> {
    let (slabs, each) = (*slabs, slabs.numbers.max(1));
    let count = numbers.div_ceil(each);
    (0..count).map(move |slab| {
        let start = slabs.offset_of(slab * each, size);
        (start, start + (numbers - slab * each).min(each) * size)
    })
}

/// The numbers of a coordinate as they are stored, in C order, from the ranges they lie in.
fn data_of(
    variable: &Variable,
    numbers: u64,
    own: &[(Range<u64>, &[u8])],
) -> Result<Vec<u8>, InputError> {
    let mut data = Vec::new();
    match &variable.storage {
        Storage::Slabs(slabs) => {
            let mut ranges = own.iter().peekable();
            for (start, end) in slabs_of(slabs, numbers, variable.kind.bytes()) {
                while ranges.next_if(|(range, _)| range.end <= start).is_some() {}
                if let Some((range, bytes)) = ranges.peek()
                    && let Ok(from) = usize::try_from(start - range.start)
                    && let Ok(to) = usize::try_from(end - range.start)
                {
                    data.extend_from_slice(&bytes[from..to]);
                }
            }
        }
        Storage::Chunks(chunks) if numbers > 0 => {
            let mut ranges = own.iter();
            for row in 0..=chunks.row_of(numbers - 1) {
                let mut of_row = chunks.empty_row(row);
                for (place, chunk) in chunks.chunks_of(row).iter().enumerate() {
                    if chunk.range().is_some()
                        && let Some((_, bytes)) = ranges.next()
                    {
                        chunks.put(row, place, bytes.to_vec(), &mut of_row).map_err(|error| {
                            let name = quoted(&variable.name);
                            let what = format!("the coordinate {name}: {}", error.what);
                            InputError { what: what.into(), ..error }
                        })?;
                    }
                }
                data.append(&mut of_row);
            }
        }
        _ => {}
    }
    Ok(data)
}

impl Coordinates {
    /// About how many bytes of memory they take.
    pub(super) fn memory_bytes(&self) -> usize {
        let of = |coordinate: &Coordinate| coordinate.data.len() + coordinate.name.len() + 256;
        self.list.iter().map(of).sum()
    }

    /// Checks that the coordinates of the object `of` are there and are the same.
    ///
    /// # Errors
    ///
    /// The first difference: the coordinate, its index and both values.
    pub(super) fn check(&self, reference: &Coordinates, of: &str) -> Result<(), InputError> {
        let by_name: HashMap<&str, &Coordinate> =
            self.list.iter().map(|own| (own.name.as_str(), own)).collect();
        for other in &reference.list {
            let differing = match by_name.get(other.name.as_str()) {
                None => Some(format!("has no coordinate {}, which {of} has", quoted(&other.name))),
                Some(own) => own.difference(other, of),
            };
            if let Some(what) = differing {
                let leave_out = format!(
                    "bring all files to the same grid, or leave the coordinate out: select !{}",
                    other.name
                );
                return Err(InputError::new(what).remedy(leave_out));
            }
        }
        Ok(())
    }
}

impl Coordinate {
    /// What differs from the coordinate of the same name of the object `of`.
    fn difference(&self, other: &Coordinate, of: &str) -> Option<String> {
        let name = quoted(&self.name);
        if self.shape != other.shape {
            let (own, others) = (&self.shape, &other.shape);
            return Some(format!(
                "the coordinate {name} has the shape {own:?}, in {of} it has {others:?}"
            ));
        }
        for ((what, own), (_, others)) in self.meaning.iter().zip(&other.meaning) {
            if own.trim_end() != others.trim_end() {
                let (own, others) = (quoted(own.trim_end()), quoted(others.trim_end()));
                return Some(format!(
                    "the coordinate {name} has the {what} {own}, in {of} {others}"
                ));
            }
        }
        if self.kind == other.kind && self.data == other.data {
            return None;
        }
        if (self.kind == Kind::Char) != (other.kind == Kind::Char) {
            let (own, others) = (self.kind.name(), other.kind.name());
            return Some(format!("the coordinate {name} is of {own}, in {of} of {others}"));
        }
        self.first_difference(other).map(|(index, own, others)| {
            let place = self.place_of(index);
            format!("the coordinate {name} is {own} at {place:?}, in {of} it is {others}")
        })
    }

    /// The first number that differs, and both as texts.
    fn first_difference(&self, other: &Coordinate) -> Option<(usize, String, String)> {
        /// How many numbers are compared at a time.
        const NUMBERS: usize = 1024;

        if self.kind == Kind::Char {
            let mut pairs = self.data.iter().zip(&other.data);
            let index = pairs.position(|(own, other)| own != other)?;
            let text = |data: &[u8]| format!("{:?}", char::from(data[index]));
            return Some((index, text(&self.data), text(&other.data)));
        }
        let bytes = |kind: Kind| usize::try_from(kind.bytes()).unwrap_or(8) * NUMBERS;
        let own = self.data.chunks(bytes(self.kind));
        let others = other.data.chunks(bytes(other.kind));
        for (turn, (own, others)) in own.zip(others).enumerate() {
            let (own, others) = (numbers_of(self.kind, own), numbers_of(other.kind, others));
            let is_same = |(own, other): (&(f64, f64), &(f64, f64))| {
                own == other || (own.0.is_nan() && other.0.is_nan())
            };
            if let Some(index) = own.iter().zip(&others).position(|pair| !is_same(pair)) {
                let text = |(value, low): (f64, f64)| match low == 0.0 {
                    true => format!("{value:?}"),
                    false => format!("{value:?} + {low:?}"),
                };
                return Some((turn * NUMBERS + index, text(own[index]), text(others[index])));
            }
        }
        None
    }

    fn place_of(&self, index: usize) -> Vec<u64> {
        let mut rest = index as u64;
        let mut place = Vec::new();
        for &length in self.shape.iter().rev() {
            place.push(rest % length.max(1));
            rest /= length.max(1);
        }
        place.reverse();
        place
    }
}
