//! Tables: CSV and TSV, with a line that names the columns or without.
//!
//! Fields are separated by commas, semicolons or tabs and may be quoted, as RFC 4180 has
//! it; lines end as on any system. A table of R rows, in which K columns of numbers are
//! selected, is an array of R × K numbers. Columns are matched by their names, so files may
//! have them in different orders. An empty field, `NA` and `nan` are missing values; unless
//! the request says what to do with them, they are an error.

mod header;
mod mistakes;
mod rows;

use std::collections::HashMap;
use std::sync::Arc;

use protocol::request::Missing;
use xxhash_rust::xxh3::Xxh3;

use self::header::{FirstLine, Read};
use self::rows::{RowDecoder, Use};
use super::head::{HEAD_BYTES, Head, Told};
use super::text::is_binary;
use super::{Access, Checkpoint, Decoder, Format, Layout, selection};
use crate::InputError;

/// A table.
#[derive(Debug)]
struct Table {
    columns: Arc<Columns>,
}

/// The columns of a table, and what is read of them.
#[derive(Clone, Debug)]
struct Columns {
    delimiter: u8,
    /// The names of all columns: numbers from 1 if there is no header.
    names: Vec<String>,
    has_header: bool,
    /// What each field of a row is for.
    uses: Vec<Use>,
    /// The columns that are averaged, in the order of the numbers of a row.
    selected: Vec<usize>,
    /// The column that is carried over.
    key: Option<usize>,
    /// The first byte behind the header, or behind a byte order mark.
    data_start: u64,
    /// How many lines end before that byte.
    data_line: u64,
    missing_is_error: bool,
}

/// Whether the first line is that of a table.
pub(super) fn tell(head: &Head<'_>) -> Result<Told, InputError> {
    let first = match head.first(HEAD_BYTES) {
        Ok(first) => &first[..first.len().min(HEAD_BYTES)],
        Err(needs) => return Ok(needs),
    };
    if first.is_empty() || first.iter().any(|&byte| is_binary(byte)) {
        return Ok(Told::Other);
    }
    match header::read(head)? {
        Read::Bare => Ok(Told::Other),
        Read::Needs(bytes) => Ok(Told::Needs(bytes)),
        Read::Table(line) => {
            let columns = Arc::new(Columns::new(line, head)?);
            Ok(Told::Is(Format::new(Table { columns })))
        }
    }
}

impl Layout for Table {
    fn describe(&self) -> String {
        let kind = match self.columns.delimiter {
            b'\t' => "tsv",
            _ => "csv",
        };
        let (selected, all) = (self.columns.selected.len(), self.columns.names.len());
        let columns = if all == 1 { "column" } else { "columns" };
        match selected == all {
            true => format!("{kind}, {all} {columns}"),
            false => format!("{kind}, {selected} of {all} {columns}"),
        }
    }

    fn access(&self) -> Access {
        Access::Checkpoint
    }

    fn shape_of(&self, columns: u64) -> Option<Vec<u64>> {
        let width = self.columns.selected.len() as u64;
        columns.is_multiple_of(width).then(|| vec![columns / width, width])
    }

    fn names(&self) -> Option<Vec<String>> {
        Some(self.columns.selected.iter().map(|&c| self.columns.names[c].clone()).collect())
    }

    fn has_header(&self) -> bool {
        self.columns.has_header
    }

    fn memory_bytes(&self) -> usize {
        let names: usize = self.columns.names.iter().map(|name| name.len() + 64).sum();
        names + self.columns.names.len() * size_of::<Use>()
    }

    fn key_name(&self) -> Option<&str> {
        self.columns.key.map(|key| self.columns.names[key].as_str())
    }

    fn parts_hash(&self) -> Option<u64> {
        let key = self.columns.key.iter();
        let names = key.chain(&self.columns.selected).map(|&c| &self.columns.names[c]);
        let mut hasher = Xxh3::new();
        for name in names {
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
        }
        Some(hasher.digest())
    }

    fn aligned(&self, reference: &Format, of: &str) -> Result<Option<Format>, InputError> {
        let Some(names) = reference.names().filter(|_| reference.tensors().is_none()) else {
            return Ok(None);
        };
        let columns = Arc::new(self.columns.aligned(&names, of)?);
        Ok(Some(Format::new(Table { columns })))
    }

    fn decoder(&self, _columns: Option<u64>, at: Checkpoint) -> Decoder {
        Decoder::new(RowDecoder::new(self.columns.clone(), at))
    }
}

/// The one column that a key names.
fn one(found: Vec<usize>, key: &str) -> Result<usize, InputError> {
    match found[..] {
        [column] => Ok(column),
        _ => Err(InputError::new(format!("has {} columns {key:?}", found.len()))
            .remedy("name one key column, by its number if it shares its name")),
    }
}

impl Columns {
    /// The columns that the request selects of a table with this first line.
    fn new(line: FirstLine, head: &Head<'_>) -> Result<Columns, InputError> {
        let FirstLine { delimiter, fields, is_header, start, end, lines } = line;
        let names: Vec<String> = match is_header {
            true => fields,
            false => (1..=fields.len()).map(|number| number.to_string()).collect(),
        };
        let key = match &head.options.key {
            Some(key) => Some(one(selection::find(&names, key, "column")?, key)?),
            None => None,
        };
        let mut selected = selection::select(&names, &head.options.select, "column")?;
        selected.retain(|&column| Some(column) != key);
        if selected.is_empty() {
            return Err(InputError::new("no column is selected").remedy("select at least one"));
        }
        let missing = head.options.missing.unwrap_or(Missing::Error);
        let mut columns = Columns {
            delimiter,
            uses: Vec::new(),
            names,
            has_header: is_header,
            selected: Vec::new(),
            key,
            data_start: if is_header { end } else { start },
            data_line: if is_header { lines } else { 0 },
            missing_is_error: missing == Missing::Error,
        };
        columns.use_these(selected);
        Ok(columns)
    }

    /// Reads these columns, in this order.
    fn use_these(&mut self, selected: Vec<usize>) {
        self.uses = vec![Use::Skip; self.names.len()];
        for (place, &column) in selected.iter().enumerate() {
            self.uses[column] = Use::Number(place);
        }
        if let Some(key) = self.key {
            self.uses[key] = Use::Key;
        }
        self.selected = selected;
    }

    /// The same columns in the order of those of another object, `of`.
    fn aligned(&self, names: &[String], of: &str) -> Result<Columns, InputError> {
        let differing = |what: String| {
            Err(InputError::new(what).remedy("select the columns that all files have"))
        };
        // Of columns with the same name, the first is matched with the first.
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        for &column in self.selected.iter().rev() {
            by_name.entry(&self.names[column]).or_default().push(column);
        }
        let mut selected = Vec::with_capacity(names.len());
        for name in names {
            let Some(column) = by_name.get_mut(name.as_str()).and_then(Vec::pop) else {
                return differing(format!("has no column {name:?}, which {of} has"));
            };
            selected.push(column);
        }
        if let Some(&column) = by_name.values().flatten().min() {
            let name = &self.names[column];
            return differing(format!("has the column {name:?}, which {of} has not"));
        }
        let mut columns = self.clone();
        columns.use_these(selected);
        Ok(columns)
    }
}
