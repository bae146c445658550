//! Decodes the rows of a table.

use std::sync::Arc;

use csv_core::{ReadFieldResult, Reader, ReaderBuilder};

use super::super::decimal::{self, Prefix};
use super::super::decoder::Decode;
use super::super::{Checkpoint, no_numbers};
use super::Columns;
use crate::{Block, InputError, KeyUse, key_hash};

/// A field of so many bytes is too long to be read.
const FIELD_BYTES_MAX: usize = 4096;

/// About the longest field that is passed over, in bytes: where a quotation mark is missing,
/// the rest of the file is one field.
const SKIPPED_BYTES_MAX: usize = 1 << 20;

/// What a field of a row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// It is this number of the row.
    Number(usize),
    /// It is the key of the row.
    Key,
    /// Nothing.
    Skip,
}

/// Whether a field stands for a missing value.
pub(super) fn is_missing(field: &[u8]) -> bool {
    field.is_empty() || field.eq_ignore_ascii_case(b"na") || field.eq_ignore_ascii_case(b"nan")
}

/// Decodes rows, each as a whole: the order of its fields may differ from that of its numbers.
///
/// A checkpoint is at the beginning of the row of the last number that was given.
#[derive(Debug)]
pub(super) struct RowDecoder {
    columns: Arc<Columns>,
    /// Reads fields that are quoted, or cut by the end of a range.
    reader: Reader,
    /// The byte that comes next.
    at: Place,
    /// The bytes before the first row that are still to be dropped.
    before: u64,
    state: State,
    /// The numbers of the row, of which the first `given` were given.
    row: Vec<f64>,
    given: usize,
    /// How many numbers of the row were given before it was read.
    given_before: usize,
    row_start: Place,
    /// The index of the present field in the row, and where it begins.
    field: usize,
    field_start: Place,
    /// What the reader has made of a field.
    held: Vec<u8>,
    held_bytes: usize,
    passed_bytes: usize,
    /// The index of the row in the table.
    row_index: u64,
    keys: KeyUse,
    collected: Vec<Box<[u8]>>,
    checkpoint: Checkpoint,
    ended: bool,
}

/// A place in the object.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    byte: u64,
    /// How many lines end before it.
    line: u64,
    /// Where its line begins.
    line_start: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between two rows.
    RowStart,
    FieldStart,
    /// Within a field that the reader reads.
    InField,
}

impl RowDecoder {
    pub(super) fn new(columns: Arc<Columns>, at: Checkpoint) -> RowDecoder {
        let numbers = columns.selected.len();
        let (place, before, given_before) = if at.column == 0 {
            (Place::default(), columns.data_start, 0)
        } else {
            let place = Place { byte: at.byte, line: at.line, line_start: at.line_start };
            let last = usize::try_from((at.column - 1) % numbers as u64).unwrap_or_default();
            (place, 0, last + 1)
        };
        let mut reader = ReaderBuilder::new().delimiter(columns.delimiter).build();
        // A reader that has read something looks for no byte order mark.
        reader.read_field(&[columns.delimiter], &mut [0]);
        RowDecoder {
            reader,
            at: place,
            before,
            state: State::RowStart,
            row: vec![0.0; numbers],
            given: numbers,
            given_before,
            row_start: place,
            field: 0,
            field_start: place,
            held: Vec::new(),
            held_bytes: 0,
            passed_bytes: 0,
            row_index: at.column.saturating_sub(1) / numbers as u64,
            keys: KeyUse::Ignore,
            collected: Vec::new(),
            checkpoint: at,
            ended: false,
            columns,
        }
    }
}

impl Decode for RowDecoder {
    fn decode(
        &mut self,
        bytes: &[u8],
        last: bool,
        limit: usize,
        block: &mut Block,
    ) -> Result<usize, InputError> {
        let full = block.len().saturating_add(limit);
        let mut used = self.drop_first_line(bytes);
        loop {
            self.give(full, block);
            if self.given < self.row.len() {
                return Ok(used);
            }
            if self.state == State::RowStart {
                used += self.pass_line_ends(&bytes[used..]);
                if used == bytes.len() {
                    if last {
                        self.end()?;
                    }
                    return Ok(used);
                }
                if block.len() == full {
                    return Ok(used);
                }
                self.row_start = self.at;
                self.field = 0;
                self.state = State::FieldStart;
            }
            used += self.read_row(&bytes[used..], last)?;
            if self.state != State::RowStart {
                return Ok(used);
            }
        }
    }

    fn checkpoint(&self) -> Checkpoint {
        self.checkpoint
    }

    fn has_ended(&self) -> bool {
        self.ended
    }

    fn use_keys(&mut self, keys: KeyUse) {
        self.keys = keys;
    }

    fn take_keys(&mut self) -> Vec<Box<[u8]>> {
        std::mem::take(&mut self.collected)
    }
}

impl RowDecoder {
    /// Drops what precedes the first row; returns how many bytes of these that are.
    fn drop_first_line(&mut self, bytes: &[u8]) -> usize {
        if self.before == 0 {
            return 0;
        }
        let dropped = usize::try_from(self.before).unwrap_or(usize::MAX).min(bytes.len());
        self.before -= dropped as u64;
        self.at.byte += dropped as u64;
        if self.before == 0 {
            self.at.line = self.columns.data_line;
            self.at.line_start = self.at.byte;
        }
        dropped
    }

    /// Appends numbers of the row that was read, until the block is full.
    fn give(&mut self, full: usize, block: &mut Block) {
        let now = (self.row.len() - self.given).min(full - block.len());
        if now == 0 {
            return;
        }
        block.extend(self.row[self.given..self.given + now].iter().copied());
        self.given += now;
        self.checkpoint = Checkpoint {
            byte: self.row_start.byte,
            column: self.checkpoint.column + now as u64,
            line: self.row_start.line,
            line_start: self.row_start.line_start,
        };
    }

    /// Passes the ends of lines; returns their length.
    fn pass_line_ends(&mut self, bytes: &[u8]) -> usize {
        let mut passed = 0;
        while let Some(&byte) = bytes.get(passed)
            && matches!(byte, b'\r' | b'\n')
        {
            passed += 1;
            self.pass(1, byte == b'\n');
        }
        passed
    }

    /// Moves on by some bytes, of which the last may end a line.
    fn pass(&mut self, bytes: usize, ends_line: bool) {
        self.at.byte += bytes as u64;
        if ends_line {
            self.at.line += 1;
            self.at.line_start = self.at.byte;
        }
    }

    fn end(&mut self) -> Result<(), InputError> {
        if self.checkpoint.column == 0 {
            return Err(no_numbers().remedy("a table needs a row behind its header"));
        }
        self.ended = true;
        Ok(())
    }

    /// Reads on in a row, to its end or that of the bytes; returns how many were used.
    fn read_row(&mut self, bytes: &[u8], last: bool) -> Result<usize, InputError> {
        let mut used = 0;
        while self.state != State::RowStart {
            let rest = &bytes[used..];
            if rest.is_empty() && !last {
                return Ok(used);
            }
            if self.state == State::InField {
                used += self.read_field(rest)?;
                continue;
            }
            self.field_start = self.at;
            let Some(&first) = rest.first() else {
                // The file ends behind a delimiter: with an empty field.
                self.take(&[])?;
                self.end_field(b'\n')?;
                continue;
            };
            if let Some(length) = self.quick_number(rest) {
                used += length;
            } else if first != b'"'
                && let Some(length) = rest.iter().position(|&byte| self.is_end(byte))
            {
                // As where the field is read in pieces.
                let most = match self.columns.uses[self.field] {
                    Use::Skip => SKIPPED_BYTES_MAX + FIELD_BYTES_MAX,
                    Use::Number(_) | Use::Key => FIELD_BYTES_MAX,
                };
                if length >= most {
                    return Err(self.place(self.columns.too_long(self.field)));
                }
                self.take(&rest[..length])?;
                self.pass(length + 1, rest[length] == b'\n');
                self.end_field(rest[length])?;
                used += length + 1;
            } else {
                self.held.resize(FIELD_BYTES_MAX, 0);
                (self.held_bytes, self.passed_bytes) = (0, 0);
                self.state = State::InField;
            }
            if self.state == State::FieldStart && self.field >= self.columns.uses.len() {
                return Err(self.place(self.columns.wrong_fields(self.field + 1)));
            }
        }
        Ok(used)
    }

    /// Takes a usual number with what ends it; returns how many bytes these are.
    #[inline]
    fn quick_number(&mut self, rest: &[u8]) -> Option<usize> {
        let Use::Number(place) = self.columns.uses[self.field] else {
            return None;
        };
        let Prefix { number, length } = decimal::parse_prefix(rest)?;
        let end = *rest.get(length)?;
        let is_last = self.field + 1 == self.columns.uses.len();
        // A row with too few or too many fields takes the other way.
        let is_expected =
            if is_last { matches!(end, b'\n' | b'\r') } else { end == self.columns.delimiter };
        if !is_expected {
            return None;
        }
        self.row[place] = number;
        self.pass(length + 1, end == b'\n');
        if is_last {
            self.end_row();
        } else {
            self.field += 1;
        }
        Some(length + 1)
    }

    /// Reads on in a field that is quoted or was cut; returns how many bytes were used. No
    /// bytes end it.
    fn read_field(&mut self, bytes: &[u8]) -> Result<usize, InputError> {
        let (result, read, written) =
            self.reader.read_field(bytes, &mut self.held[self.held_bytes..]);
        let lines = bytes[..read].iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        for (index, _) in lines {
            self.at.line += 1;
            self.at.line_start = self.at.byte + index as u64 + 1;
        }
        self.at.byte += read as u64;
        self.held_bytes += written;
        match result {
            ReadFieldResult::InputEmpty => {}
            ReadFieldResult::OutputFull => {
                self.passed_bytes += self.held_bytes;
                let is_skipped = self.columns.uses[self.field] == Use::Skip;
                if !is_skipped || self.passed_bytes > SKIPPED_BYTES_MAX {
                    return Err(self.place(self.columns.too_long(self.field)));
                }
                self.held_bytes = 0;
            }
            ReadFieldResult::Field { .. } | ReadFieldResult::End => {
                let held = std::mem::take(&mut self.held);
                self.take(&held[..self.held_bytes])?;
                self.held = held;
                let is_last = !matches!(result, ReadFieldResult::Field { record_end: false });
                self.end_field(if is_last { b'\n' } else { self.columns.delimiter })?;
                if self.state == State::FieldStart && self.field >= self.columns.uses.len() {
                    return Err(self.place(self.columns.wrong_fields(self.field + 1)));
                }
            }
        }
        Ok(read)
    }

    fn is_end(&self, byte: u8) -> bool {
        byte == self.columns.delimiter || matches!(byte, b'\n' | b'\r')
    }

    /// Goes on behind a field that was ended by a delimiter or the end of a line.
    fn end_field(&mut self, end: u8) -> Result<(), InputError> {
        self.field += 1;
        if end == self.columns.delimiter {
            self.state = State::FieldStart;
            return Ok(());
        }
        if self.field != self.columns.uses.len() {
            return Err(self.place(self.columns.wrong_fields(self.field)));
        }
        self.end_row();
        Ok(())
    }

    fn end_row(&mut self) {
        self.state = State::RowStart;
        self.row_index += 1;
        self.given = std::mem::take(&mut self.given_before);
    }

    /// Takes the text of the present field.
    fn take(&mut self, field: &[u8]) -> Result<(), InputError> {
        let place = match self.columns.uses[self.field] {
            Use::Number(place) => place,
            Use::Key => return self.take_key(field),
            Use::Skip => return Ok(()),
        };
        let field = field.trim_ascii();
        let number = if is_missing(field) { Some(f64::NAN) } else { decimal::parse(field) };
        match number {
            Some(number) if number.is_nan() && self.columns.missing_is_error => {
                Err(self.place(self.columns.missing(self.field)))
            }
            Some(number) => {
                self.row[place] = number;
                Ok(())
            }
            None => Err(self.place(self.columns.not_a_number(self.field, field))),
        }
    }

    /// Takes the key of the row.
    fn take_key(&mut self, key: &[u8]) -> Result<(), InputError> {
        match &self.keys {
            KeyUse::Ignore => {}
            KeyUse::Collect => self.collected.push(key.into()),
            KeyUse::Expect(expected) => {
                let row = self.row_index;
                if expected.of_row(row).is_some_and(|hash| hash != key_hash(key)) {
                    return Err(self.place(self.columns.other_key(self.field, key, row)));
                }
            }
        }
        Ok(())
    }

    /// Adds where the present field begins.
    fn place(&self, error: InputError) -> InputError {
        let Place { byte, line, line_start } = self.field_start;
        let mut error = error.at_byte(byte);
        error.line = Some(line + 1);
        error.position = Some(byte - line_start + 1);
        error.column = Some(self.checkpoint.column);
        error
    }
}
