//! Decodes the numbers of some variables, one variable after the other.

use std::sync::Arc;

use super::super::Checkpoint;
use super::super::decoder::Decode;
use super::dataset::Storage;
use super::hdf5::Chunks;
use super::parts::{GAP_BYTES, Part, Parts};
use super::quoted;
use crate::{Block, InputError};

/// A row of chunks while it is read.
#[derive(Debug)]
struct Row {
    number: u64,
    /// The chunk that comes next.
    chunk: usize,
    /// The bytes of it that are there.
    held: Vec<u8>,
    /// The numbers of the row.
    bytes: Vec<u8>,
}

/// Decodes the bytes of [`Parts::extents`], or of the whole object.
#[derive(Debug)]
pub(super) struct VariableDecoder {
    parts: Arc<Parts>,
    /// Whether a missing value is an error.
    refuses_missing: bool,
    /// The variable of the next number.
    part: usize,
    /// How many numbers were decoded.
    column: u64,
    /// The place in the object of the byte that comes next; unknown before the first number.
    byte: Option<u64>,
    /// The row of chunks of the next number.
    row: Option<Row>,
    /// Whether all bytes of the object come, however far apart numbers lie.
    is_whole: bool,
    /// The beginning of a number that was cut.
    held: [u8; 8],
    held_bytes: usize,
}

impl VariableDecoder {
    /// From a checkpoint on; from the object's first byte if that is where it is.
    pub(super) fn new(parts: Arc<Parts>, refuses_missing: bool, at: Checkpoint) -> VariableDecoder {
        VariableDecoder {
            refuses_missing,
            part: parts.part_of(at.column),
            column: at.column,
            byte: (at.byte == 0).then_some(0),
            row: None,
            parts,
            is_whole: at.byte == 0,
            held: [0; 8],
            held_bytes: 0,
        }
    }

    /// Skips what lies before the next number, as far as it comes.
    fn skip(&mut self, part: &Part, rest: &mut &[u8]) -> Result<(), InputError> {
        let expected = part.offset_of(self.column) + self.held_bytes as u64;
        let Some(byte) = self.byte else {
            self.byte = Some(expected);
            return Ok(());
        };
        match expected.checked_sub(byte) {
            Some(gap) if gap <= GAP_BYTES || self.is_whole => {
                let skipped = usize::try_from(gap).unwrap_or(usize::MAX).min(rest.len());
                *rest = &rest[skipped..];
                self.byte = Some(byte + skipped as u64);
            }
            None if self.is_whole => {
                let error = InputError::new("variables in another order than numbers are wanted");
                return Err(error.at_byte(byte));
            }
            // It is where another extent begins.
            _ => self.byte = Some(expected),
        }
        Ok(())
    }

    /// Notes that so many bytes were used.
    fn pass(&mut self, bytes: usize) {
        if let Some(byte) = &mut self.byte {
            *byte += bytes as u64;
        }
    }

    /// Decodes at most `limit` numbers of a variable in chunks, as far as their bytes are
    /// there. Returns whether there are none any more.
    fn decode_chunks(
        &mut self,
        part: &Part,
        chunks: &Chunks,
        rest: &mut &[u8],
        limit: usize,
        block: &mut Block,
    ) -> Result<bool, InputError> {
        if self.is_whole {
            return Err(InputError::new("chunks cannot be read one byte after the other"));
        }
        let number = self.column - part.columns.start;
        let wanted = chunks.row_of(number);
        let mut row = match self.row.take() {
            Some(row) if row.number == wanted => row,
            _ => {
                let bytes = chunks.empty_row(wanted);
                Row { number: wanted, chunk: 0, held: Vec::new(), bytes }
            }
        };
        let all = chunks.chunks_of(wanted);
        while let Some(chunk) = all.get(row.chunk) {
            if let Some(range) = chunk.range() {
                let bytes = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
                let (now, after) = rest.split_at(rest.len().min(bytes - row.held.len()));
                row.held.extend_from_slice(now);
                *rest = after;
                if row.held.len() < bytes {
                    self.row = Some(row);
                    return Ok(true);
                }
                self.byte = Some(range.end);
                let held = std::mem::take(&mut row.held);
                chunks
                    .put(wanted, row.chunk, held, &mut row.bytes)
                    .map_err(|error| of_part(part, error))?;
            }
            row.chunk += 1;
        }
        let numbers = chunks.numbers_of(wanted);
        let behind = usize::try_from(number - numbers.start).unwrap_or(usize::MAX);
        let size = usize::try_from(part.number_type.bytes()).unwrap_or(8);
        let left = (row.bytes.len() / size).saturating_sub(behind);
        let some = &row.bytes[behind * size..(behind + left.min(limit)) * size];
        part.number_type.decode(some, part.big_endian, block);
        self.row = (left > limit).then_some(row);
        Ok(false)
    }

    /// Makes values of the numbers of a block from one on.
    fn unpack(&self, part: &Part, block: &mut Block, start: usize) -> Result<(), InputError> {
        if self.refuses_missing
            && let Some(index) = part.unpacking.first_missing(block, start)
        {
            let column = self.column + index as u64;
            let (name, place) = (quoted(&part.name), part.place_of(column));
            let what = format!("the variable {name} has no value at {place:?}: it is missing");
            let error = InputError { column: Some(column), ..InputError::new(what) };
            return Err(error.at_byte(part.offset_of(column)).remedy(
                "add the value, or choose what to do with missing values: \"missing\" is \
                 propagate or skip",
            ));
        }
        part.unpacking.apply(block, start);
        Ok(())
    }
}

/// An error that names the variable.
fn of_part(part: &Part, error: InputError) -> InputError {
    let what = format!("the variable {}: {}", quoted(&part.name), error.what);
    InputError { what: what.into(), ..error }
}

impl Decode for VariableDecoder {
    fn decode(
        &mut self,
        bytes: &[u8],
        last: bool,
        limit: usize,
        block: &mut Block,
    ) -> Result<usize, InputError> {
        let before = block.len();
        let mut rest = bytes;
        let parts = self.parts.clone();
        while let Some(part) = parts.list.get(self.part) {
            if self.column == part.columns.end {
                self.part += 1;
                continue;
            }
            let room = limit - (block.len() - before);
            if let Storage::Chunks(chunks) = &part.storage
                && room > 0
            {
                let start = block.len();
                if self.decode_chunks(part, chunks, &mut rest, room, block)? {
                    break;
                }
                self.unpack(part, block, start)?;
                self.column += (block.len() - start) as u64;
                continue;
            }
            if room == 0 || rest.is_empty() {
                break;
            }
            self.skip(part, &mut rest)?;
            if rest.is_empty() {
                break;
            }
            let slab = usize::try_from(part.rest_of_slab(self.column)).unwrap_or(usize::MAX);
            let size = usize::try_from(part.number_type.bytes()).unwrap_or(8);
            let start = block.len();
            if self.held_bytes > 0 || rest.len() < size {
                // A number that is cut.
                let (now, after) = rest.split_at(rest.len().min(size - self.held_bytes));
                self.held[self.held_bytes..self.held_bytes + now.len()].copy_from_slice(now);
                self.held_bytes += now.len();
                self.pass(now.len());
                rest = after;
                if self.held_bytes < size {
                    break;
                }
                part.number_type.decode(&self.held[..size], part.big_endian, block);
                self.held_bytes = 0;
            } else {
                let whole = slab.min(room).min(rest.len() / size);
                let (numbers, after) = rest.split_at(whole * size);
                part.number_type.decode(numbers, part.big_endian, block);
                self.pass(numbers.len());
                rest = after;
            }
            self.unpack(part, block, start)?;
            self.column += (block.len() - start) as u64;
        }
        if self.has_ended() {
            // What follows are variables that are not read.
            rest = &[];
        }
        if last && rest.is_empty() && !self.has_ended() && block.len() - before < limit {
            let error = InputError::new("ends before the last number of its variables");
            return Err(error.remedy("copy the file again, or write it again"));
        }
        Ok(bytes.len() - rest.len())
    }

    fn checkpoint(&self) -> Checkpoint {
        let byte = self.parts.offset_of(self.column);
        Checkpoint { byte, column: self.column, ..Checkpoint::default() }
    }

    fn has_ended(&self) -> bool {
        self.column == self.parts.columns
    }
}
