//! The variables that are read of a file: their columns, and where these lie.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::super::{NumberType, no_numbers};
use super::conventions::{Roles, Unpacking, unpacking};
use super::dataset::{Dataset, Kind, Slabs, Storage};
use super::quoted;
use crate::InputError;

/// Bytes between two slabs that are read along rather than asked for apart: a request to a
/// store takes about as long as a few hundred KiB.
pub(super) const GAP_BYTES: u64 = 64 << 10;

/// The byte of a checkpoint of a number in a chunk. It is not 0, where whole objects begin.
const IN_CHUNK: u64 = 8;

/// A variable that is read.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) shape: Vec<u64>,
    /// The names of its dimensions, which many variables share.
    pub(super) dimensions: Vec<Arc<str>>,
    pub(super) units: String,
    pub(super) number_type: NumberType,
    pub(super) unpacking: Unpacking,
    pub(super) storage: Storage,
    pub(super) big_endian: bool,
    /// Its columns, behind those of the variables before it.
    pub(super) columns: Range<u64>,
}

impl Part {
    /// Where a column of the variable begins; what is no byte of numbers if it is in a chunk.
    pub(super) const fn offset_of(&self, column: u64) -> u64 {
        match &self.storage {
            Storage::Slabs(slabs) => {
                slabs.offset_of(column - self.columns.start, self.number_type.bytes())
            }
            _ => IN_CHUNK,
        }
    }

    /// The columns of the slab that a column belongs to, from it on.
    pub(super) fn rest_of_slab(&self, column: u64) -> u64 {
        let all = self.columns.end - column;
        match &self.storage {
            Storage::Slabs(slabs) => {
                let numbers = slabs.numbers.max(1);
                all.min(numbers - (column - self.columns.start) % numbers)
            }
            _ => all,
        }
    }

    /// The index of a column along each dimension.
    pub(super) fn place_of(&self, column: u64) -> Vec<u64> {
        let mut rest = column - self.columns.start;
        let mut place: Vec<u64> = Vec::new();
        for &length in self.shape.iter().rev() {
            place.push(rest % length.max(1));
            rest /= length.max(1);
        }
        place.reverse();
        place
    }
}

/// The variables that are read of a file, in the order of their columns.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    pub(super) list: Vec<Part>,
    pub(super) columns: u64,
}

impl Parts {
    /// The variables that are averaged. All their numbers must lie within the object.
    pub(super) fn of(
        dataset: &Dataset,
        roles: &Roles,
        object_bytes: u64,
    ) -> Result<Parts, InputError> {
        let names: Vec<Arc<str>> =
            dataset.dimensions.iter().map(|dimension| dimension.name.as_str().into()).collect();
        let mut parts = Parts::default();
        for &index in &roles.data {
            let variable = &dataset.variables[index];
            let Some((number_type, unpacking)) = unpacking(variable) else {
                continue;
            };
            unpacking.check(&variable.name)?;
            let numbers = check_place(dataset, index, object_bytes)?;
            parts.push(Part {
                name: variable.name.clone(),
                kind: variable.kind,
                shape: dataset.shape(variable),
                dimensions: variable.dimensions.iter().map(|&it| names[it].clone()).collect(),
                units: variable.text("units"),
                number_type,
                unpacking,
                storage: variable.storage.clone(),
                big_endian: variable.big_endian,
                columns: 0..numbers,
            })?;
        }
        match parts.columns {
            0 => Err(no_numbers()),
            _ => Ok(parts),
        }
    }

    fn push(&mut self, mut part: Part) -> Result<(), InputError> {
        let numbers = part.columns.end - part.columns.start;
        let end = self.columns.checked_add(numbers);
        let end = end.ok_or_else(|| InputError::new("more numbers than can be counted"))?;
        part.columns = self.columns..end;
        self.columns = end;
        self.list.push(part);
        Ok(())
    }

    /// The index of the variable that a column belongs to; that of the last one for the end.
    pub(super) fn part_of(&self, column: u64) -> usize {
        let index = self.list.partition_point(|part| part.columns.end <= column);
        index.min(self.list.len().saturating_sub(1))
    }

    /// The byte at which a column begins; for the end, that behind the last one.
    pub(super) fn offset_of(&self, column: u64) -> u64 {
        let Some(part) = self.list.get(self.part_of(column)) else {
            return 0;
        };
        match column < part.columns.end || part.columns.is_empty() {
            true => part.offset_of(column),
            false => part.offset_of(column - 1) + part.number_type.bytes(),
        }
    }

    /// The bytes of some columns, in the order of the columns, with small gaps.
    pub(super) fn extents(&self, columns: &Range<u64>) -> Vec<Range<u64>> {
        let mut extents: Vec<Range<u64>> = Vec::new();
        let mut column = columns.start;
        for part in &self.list[self.part_of(columns.start).min(self.list.len())..] {
            let end = part.columns.end.min(columns.end);
            if let Storage::Chunks(chunks) = &part.storage
                && column < end
            {
                let last = chunks.row_of(end - 1 - part.columns.start);
                for row in chunks.row_of(column - part.columns.start)..=last {
                    for range in chunks.ranges_of(row) {
                        push(&mut extents, range, 0);
                    }
                }
                column = end;
            }
            while column < end {
                let numbers = part.rest_of_slab(column).min(end - column);
                let start = part.offset_of(column);
                push(&mut extents, start..start + numbers * part.number_type.bytes(), GAP_BYTES);
                column += numbers;
            }
        }
        extents
    }

    /// The same variables in the order of those of another object, `of`.
    pub(super) fn aligned(&self, reference: &Parts, of: &str) -> Result<Parts, InputError> {
        let differing = |what: String, remedy: &str| Err(InputError::new(what).remedy(remedy));
        let select = "select the variables that all files have";
        let mut by_name: HashMap<&str, &Part> =
            self.list.iter().map(|part| (part.name.as_str(), part)).collect();
        let mut aligned = Parts::default();
        for other in &reference.list {
            let name = quoted(&other.name);
            let Some(part) = by_name.remove(other.name.as_str()) else {
                return differing(format!("has no variable {name}, which {of} has"), select);
            };
            let [own, others] = [part, other].map(|part| {
                let lengths = part.dimensions.iter().zip(&part.shape);
                let lengths: Vec<String> =
                    lengths.map(|(name, length)| format!("{name} = {length}")).collect();
                lengths.join(", ")
            });
            if own != others {
                let what = format!("the variable {name} is ({own}), and in {of} it is ({others})");
                return differing(what, "give all files the same dimensions in the same order");
            }
            if part.units != other.units {
                let [own, others] = [part, other].map(|part| quoted(&part.units));
                let what =
                    format!("the variable {name} has the units {own}, and in {of} it has {others}");
                return differing(what, "convert the file to the same units");
            }
            aligned.push(part.clone())?;
        }
        // The first of those that the other object lacks.
        match by_name.values().min_by_key(|part| part.columns.start) {
            Some(part) => {
                let name = quoted(&part.name);
                differing(format!("has the variable {name}, which {of} has not"), select)
            }
            None => Ok(aligned),
        }
    }
}

/// Appends a range; one that follows the last within a gap continues it.
pub(super) fn push(ranges: &mut Vec<Range<u64>>, range: Range<u64>, gap_bytes: u64) {
    match ranges.last_mut() {
        Some(last) if range.start >= last.end && range.start - last.end <= gap_bytes => {
            last.end = range.end;
        }
        _ => ranges.push(range),
    }
}

/// The number of numbers of a variable, all of which lie within the object.
pub(super) fn check_place(
    dataset: &Dataset,
    index: usize,
    object_bytes: u64,
) -> Result<u64, InputError> {
    let variable = &dataset.variables[index];
    let numbers = dataset.numbers(variable)?;
    let Some(last) = numbers.checked_sub(1) else {
        return Ok(0);
    };
    let Slabs { begin, stride, numbers: slab } = match &variable.storage {
        Storage::Slabs(slabs) => *slabs,
        // They were checked when they were found.
        Storage::Chunks(_) => return Ok(numbers),
        Storage::Unreadable(error) => return Err(error.clone()),
    };
    let slab = slab.max(1);
    let end = (last / slab)
        .checked_mul(stride)
        .and_then(|offset| offset.checked_add(begin))
        .and_then(|offset| offset.checked_add((last % slab + 1) * variable.kind.bytes()));
    match end {
        Some(end) if end <= object_bytes => Ok(numbers),
        end => {
            let name = quoted(&variable.name);
            let end =
                end.map_or_else(|| "beyond all bytes".to_owned(), |end| format!("at byte {end}"));
            let what =
                format!("the variable {name} ends {end}, but the file has {object_bytes} bytes");
            let error = InputError::new(what).remedy("copy the file again, or write it again");
            Err(error.at_byte(object_bytes))
        }
    }
}
