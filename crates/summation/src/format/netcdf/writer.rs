//! A result as a classic NetCDF file, written from its beginning to its end: version 2 (64-bit
//! offset), or version 5 (CDF-5) where a size or a type needs it.
//!
//! The header and all coordinates without records come first, then the averaged variables in
//! the order of their columns. Along an unlimited dimension, records hold a slab of every
//! variable: so it stays unlimited only if the columns have that order, and has a fixed
//! length otherwise.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use protocol::request::{Dtype, Statistic};

use super::super::{NumberType, ResultPart};
use super::classic::{ATTRIBUTES, DIMENSIONS, MAGIC, VARIABLES};
use super::conventions::{PACKING, unpacking};
use super::coordinates::Coordinates;
use super::dataset::{Attribute, Dataset, Dimension, Kind, Storage, Variable};
use super::template::Template;
use crate::InputError;

/// From here on, sizes and lengths need version 5.
const SMALL: u64 = (1 << 31) - 4;

/// How a result is written as a NetCDF file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    /// What the file begins with: the header, and coordinates without records.
    pub(crate) header: Vec<u8>,
    /// The variables that are averaged.
    runs: Vec<Run>,
    /// The numbers of coordinates with records: all of one, and the bytes of a slab.
    of_records: Vec<(Vec<u8>, usize)>,
    /// The size of the file in bytes.
    pub(crate) bytes: u64,
}

/// The columns of a variable.
#[derive(Clone, Debug)]
struct Run {
    columns: Range<u64>,
    number_type: NumberType,
    /// The columns of a slab, at least one.
    slab: u64,
    /// The bytes that fill the last 4 behind a slab.
    padding: usize,
    /// Whether the coordinates of a record come before each of its slabs.
    begins_record: bool,
}

/// The header of a file while its size is being found out.
struct Header<'a> {
    dataset: &'a Dataset,
    version: u8,
    records: u64,
    /// The bytes of each variable, or of its slab, padded.
    sizes: &'a [u64],
}

impl Written {
    /// The variables that are averaged as parts of a result, by what [`Template::encode`] has
    /// made.
    ///
    /// # Errors
    ///
    /// If it is no template.
    pub(crate) fn parts(template: &[u8]) -> Result<Vec<ResultPart>, InputError> {
        let (Template { dataset, coordinates }, _) = Template::decode(template)?;
        let (mut parts, mut start) = (Vec::new(), 0);
        for variable in &dataset.variables[coordinates..] {
            let end = start + dataset.numbers(variable)?;
            let (name, shape) = (variable.name.clone(), dataset.shape(variable));
            parts.push(ResultPart { name, columns: start..end, shape });
            start = end;
        }
        Ok(parts)
    }

    /// A file of variables of `f64` for the parts of a result, without those that have no
    /// numbers: a length of 0 would be that of records. Names get `_` for what classic files
    /// have not, and at their end where there are two of them.
    ///
    /// # Errors
    ///
    /// If their sizes are no 64-bit integers.
    pub(crate) fn of_doubles(parts: &[ResultPart], history: &str) -> Result<Written, InputError> {
        let mut dataset = Dataset::default();
        let mut names = HashSet::new();
        // The dimensions by their lengths.
        let mut by_length: HashMap<u64, Vec<usize>> = HashMap::new();
        for part in parts.iter().filter(|part| !part.columns.is_empty()) {
            let mut name = part.name.replace('/', "_");
            while name.is_empty() || !names.insert(name.clone()) {
                name.push('_');
            }
            let mut indices: Vec<usize> = Vec::new();
            for &length in &part.shape {
                let known = by_length.entry(length).or_default();
                let known_one = known.iter().copied().find(|index| !indices.contains(index));
                let index = known_one.unwrap_or_else(|| {
                    let index = dataset.dimensions.len();
                    let name = format!("dim_{index}");
                    dataset.dimensions.push(Dimension { name, length, is_unlimited: false });
                    known.push(index);
                    index
                });
                indices.push(index);
            }
            dataset.variables.push(Variable {
                name,
                dimensions: indices,
                attributes: Vec::new(),
                kind: Kind::Double,
                storage: Storage::default(),
                big_endian: true,
            });
        }
        let template = Template { dataset, coordinates: 0 }.encode(&Coordinates::default());
        Written::new(&template, Dtype::F64, None, history)
    }

    /// The file of the mean or a statistic, by what [`Template::encode`] has made.
    /// `history` is put before the history of the first file.
    ///
    /// # Errors
    ///
    /// If it is no template.
    pub(crate) fn new(
        template: &[u8],
        dtype: Dtype,
        statistic: Option<Statistic>,
        history: &str,
    ) -> Result<Written, InputError> {
        let (Template { mut dataset, coordinates }, numbers) = Template::decode(template)?;
        add_history(&mut dataset.attributes, history);
        // Classic files have no groups.
        let dimensions = dataset.dimensions.iter_mut().map(|dimension| &mut dimension.name);
        let variables = dataset.variables.iter_mut().map(|variable| &mut variable.name);
        dimensions.chain(variables).for_each(|name| *name = name.replace('/', "_"));
        for variable in &mut dataset.variables[coordinates..] {
            describe(variable, dtype, statistic);
        }
        if !keeps_records(&dataset, coordinates)? {
            dataset.dimensions.iter_mut().for_each(|dimension| dimension.is_unlimited = false);
        }
        // Those without records lie before the others, each in the order of the header.
        let mut order: Vec<usize> = (0..dataset.variables.len()).collect();
        order.sort_by_key(|&index| dataset.has_records(&dataset.variables[index]));
        dataset.variables = order.iter().map(|&index| dataset.variables[index].clone()).collect();
        let unlimited = dataset.dimensions.iter().find(|dimension| dimension.is_unlimited);
        let records = unlimited.map_or(0, |dimension| dimension.length);

        let with_records =
            dataset.variables.iter().filter(|variable| dataset.has_records(variable)).count();
        let mut sizes = Vec::new();
        let mut written = Written::default();
        let mut leads = true;
        let mut fixed: Vec<(&[u8], usize)> = Vec::new();
        let mut column = 0;
        for (variable, &index) in dataset.variables.iter().zip(&order) {
            let has_records = dataset.has_records(variable);
            let slab = dataset.numbers_of(variable, usize::from(has_records))?;
            let bytes = slab * variable.kind.bytes();
            // The slabs of a single variable are not padded.
            let is_padded = !(has_records && with_records == 1);
            let size = if is_padded { bytes.next_multiple_of(4) } else { bytes };
            let padding = usize::try_from(size - bytes).unwrap_or_default();
            sizes.push(size);
            if let Some(data) = numbers.get(index) {
                match has_records {
                    true => {
                        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
                        written.of_records.push((data.to_vec(), bytes));
                    }
                    false => fixed.push((data, padding)),
                }
                continue;
            }
            let end = column + dataset.numbers(variable)?;
            if end > column {
                written.runs.push(Run {
                    columns: column..end,
                    number_type: variable.kind.number_type().unwrap_or(NumberType::F8),
                    slab: slab.max(1),
                    padding,
                    begins_record: has_records && leads,
                });
                leads &= !has_records;
            }
            column = end;
        }
        let is_large = sizes.iter().any(|&size| size >= SMALL)
            || dataset.dimensions.iter().any(|dimension| dimension.length >= SMALL);
        let attributes = dataset.variables.iter().map(|variable| &variable.attributes);
        let attributes = attributes.chain([&dataset.attributes]).flatten();
        let mut kinds =
            attributes.map(|one| one.kind).chain(dataset.variables.iter().map(|one| one.kind));
        let version =
            if is_large || kinds.any(|kind| kind.code() > Kind::Double.code()) { 5 } else { 2 };
        let header = Header { dataset: &dataset, version, records, sizes: &sizes };
        (written.header, written.bytes) = header.write();
        for (data, padding) in fixed {
            written.header.extend_from_slice(data);
            written.header.resize(written.header.len() + padding, 0);
        }
        Ok(written)
    }

    /// The number of its columns.
    pub(crate) fn columns(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.columns.end)
    }

    /// Appends so many columns, the first of which is `start` in the result, with what lies
    /// between them. `put_numbers` appends some of them as little-endian numbers of a type.
    pub(crate) fn put(
        &self,
        start: u64,
        columns: usize,
        put_numbers: impl Fn(Range<usize>, NumberType, &mut Vec<u8>),
        to: &mut Vec<u8>,
    ) {
        let mut done = 0;
        while done < columns {
            let column = start + done as u64;
            let index = self.runs.partition_point(|run| run.columns.end <= column);
            let Some(run) = self.runs.get(index) else {
                return;
            };
            let behind = (column - run.columns.start) % run.slab;
            if behind == 0 && run.begins_record {
                self.put_coordinates((column - run.columns.start) / run.slab, to);
            }
            let rest = usize::try_from(run.slab - behind).unwrap_or(usize::MAX);
            let some = done..done + rest.min(columns - done);
            let before = to.len();
            put_numbers(some.clone(), run.number_type, to);
            let size = usize::try_from(run.number_type.bytes()).unwrap_or(8);
            to[before..].chunks_exact_mut(size).for_each(<[u8]>::reverse);
            if some.len() == rest {
                to.resize(to.len() + run.padding, 0);
            }
            done = some.end;
        }
    }

    /// Appends the slabs of all coordinates of a record.
    fn put_coordinates(&self, record: u64, to: &mut Vec<u8>) {
        for (data, slab) in &self.of_records {
            let from = usize::try_from(record).unwrap_or(usize::MAX).saturating_mul(*slab);
            if let Some(bytes) = data.get(from..from.saturating_add(*slab)) {
                to.extend_from_slice(bytes);
                to.resize(to.len() + slab.wrapping_neg() % 4, 0);
            }
        }
    }
}

/// Whether the columns have the order of records: variables without records first, and a
/// single variable with them unless there is but one record.
fn keeps_records(dataset: &Dataset, coordinates: usize) -> Result<bool, InputError> {
    let is_unlimited = |index: &usize| dataset.dimensions[*index].is_unlimited;
    let inner = |variable: &Variable| variable.dimensions.iter().skip(1).any(is_unlimited);
    let unlimited = dataset.dimensions.iter().filter(|dimension| dimension.is_unlimited);
    // Classic files have but one unlimited dimension, which comes first.
    if unlimited.count() > 1 || dataset.variables.iter().any(inner) {
        return Ok(false);
    }
    let data = &dataset.variables[coordinates..];
    let first = data.iter().position(|variable| dataset.has_records(variable));
    let Some(first) = first else {
        return Ok(false);
    };
    let with_records = &data[first..];
    let records = dataset.shape(&with_records[0])[0];
    let mut all = true;
    for variable in with_records {
        all &= dataset.has_records(variable) && dataset.numbers(variable)? > 0;
    }
    Ok(all && (with_records.len() == 1 || records == 1))
}

/// Puts a line before the history of a file.
fn add_history(attributes: &mut Vec<Attribute>, line: &str) {
    match attributes.iter_mut().find(|attribute| attribute.name == "history") {
        Some(attribute) if attribute.kind == Kind::Char => {
            let mut text = format!("{line}\n").into_bytes();
            text.append(&mut attribute.value);
            attribute.value = text;
        }
        _ => {
            attributes.retain(|attribute| attribute.name != "history");
            attributes.push(Attribute::text("history", line));
        }
    }
}

/// Gives a variable the type and the attributes that it has in a result.
fn describe(variable: &mut Variable, dtype: Dtype, statistic: Option<Statistic>) {
    let is_packed = unpacking(variable).is_some_and(|(_, unpacking)| unpacking.is_packed());
    let is_marked = unpacking(variable).is_some_and(|(_, unpacking)| unpacking.is_marked);
    let is_single = match dtype {
        Dtype::F32 => true,
        Dtype::Input => variable.kind == Kind::Float && !is_packed,
        _ => false,
    };
    variable.kind = if is_single { Kind::Float } else { Kind::Double };
    variable.attributes.retain(|attribute| !PACKING.contains(&attribute.name.as_str()));
    if is_marked {
        let value = match is_single {
            true => f32::NAN.to_be_bytes().to_vec(),
            false => f64::NAN.to_be_bytes().to_vec(),
        };
        variable.attributes.push(Attribute {
            name: "_FillValue".to_owned(),
            kind: variable.kind,
            value,
        });
    }
    let Some(units) = variable.attributes.iter_mut().find(|one| one.name == "units") else {
        return;
    };
    let text = units.as_text().unwrap_or_default();
    match statistic {
        Some(Statistic::Count) => *units = Attribute::text("units", "1"),
        Some(Statistic::Variance | Statistic::Variance1) if text != "1" => {
            *units = Attribute::text("units", &format!("({text})2"));
        }
        _ => {}
    }
}

impl Header<'_> {
    /// The header, and the size of the whole file.
    fn write(&self) -> (Vec<u8>, u64) {
        let mut begins = vec![0; self.sizes.len()];
        let mut header = self.write_with(&begins);
        let mut offset = header.len() as u64;
        let is_of_records: Vec<bool> =
            self.dataset.variables.iter().map(|one| self.dataset.has_records(one)).collect();
        let mut record_bytes = 0;
        for ((begin, size), is_of_records) in begins.iter_mut().zip(self.sizes).zip(is_of_records) {
            *begin = offset;
            offset += size;
            if is_of_records {
                record_bytes += size;
            }
        }
        header = self.write_with(&begins);
        // The first record is counted.
        let bytes = offset - record_bytes + record_bytes * self.records;
        (header, bytes)
    }

    fn write_with(&self, begins: &[u64]) -> Vec<u8> {
        let mut to = MAGIC.to_vec();
        to.push(self.version);
        self.count(self.records, &mut to);
        self.list(DIMENSIONS, self.dataset.dimensions.len(), &mut to);
        for dimension in &self.dataset.dimensions {
            self.name(&dimension.name, &mut to);
            let length = if dimension.is_unlimited { 0 } else { dimension.length };
            self.count(length, &mut to);
        }
        self.attributes(&self.dataset.attributes, &mut to);
        self.list(VARIABLES, self.dataset.variables.len(), &mut to);
        for ((variable, begin), size) in self.dataset.variables.iter().zip(begins).zip(self.sizes) {
            self.name(&variable.name, &mut to);
            self.count(variable.dimensions.len() as u64, &mut to);
            variable.dimensions.iter().for_each(|&index| self.count(index as u64, &mut to));
            self.attributes(&variable.attributes, &mut to);
            to.extend(variable.kind.code().to_be_bytes());
            self.count(size.next_multiple_of(4), &mut to);
            to.extend(begin.to_be_bytes());
        }
        to
    }

    fn count(&self, count: u64, to: &mut Vec<u8>) {
        match self.version {
            5 => to.extend(count.to_be_bytes()),
            _ => to.extend(u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes()),
        }
    }

    fn list(&self, tag: u32, count: usize, to: &mut Vec<u8>) {
        let tag = if count == 0 { 0 } else { tag };
        to.extend(tag.to_be_bytes());
        self.count(count as u64, to);
    }

    fn name(&self, name: &str, to: &mut Vec<u8>) {
        self.count(name.len() as u64, to);
        padded(name.as_bytes(), to);
    }

    fn attributes(&self, attributes: &[Attribute], to: &mut Vec<u8>) {
        self.list(ATTRIBUTES, attributes.len(), to);
        for attribute in attributes {
            self.name(&attribute.name, to);
            to.extend(attribute.kind.code().to_be_bytes());
            self.count(attribute.value.len() as u64 / attribute.kind.bytes(), to);
            padded(&attribute.value, to);
        }
    }
}

/// Appends bytes, and those that fill the last 4.
fn padded(bytes: &[u8], to: &mut Vec<u8>) {
    to.extend_from_slice(bytes);
    to.resize(to.len() + bytes.len().wrapping_neg() % 4, 0);
}
