//! Numbers of fixed size, one after the other, behind a header.

use crate::{Block, InputError};

use super::detect::no_numbers;
use super::{Checkpoint, NumberType, truncated};

/// Decodes numbers of fixed size.
#[derive(Debug)]
pub(crate) struct BinaryDecoder {
    number_type: NumberType,
    big_endian: bool,
    /// Where the numbers begin.
    data_start: u64,
    /// C, if it is known.
    columns: Option<u64>,
    /// The byte that comes next.
    byte: u64,
    /// How many numbers were decoded.
    column: u64,
    /// The beginning of a number that was cut.
    held: [u8; 8],
    held_bytes: usize,
    ended: bool,
}

impl BinaryDecoder {
    pub(crate) fn new(
        number_type: NumberType,
        big_endian: bool,
        data_start: u64,
        columns: Option<u64>,
        at: Checkpoint,
    ) -> BinaryDecoder {
        BinaryDecoder {
            number_type,
            big_endian,
            data_start,
            columns,
            byte: at.byte,
            column: at.column,
            held: [0; 8],
            held_bytes: 0,
            ended: columns == Some(at.column),
        }
    }

    pub(crate) fn decode(
        &mut self,
        bytes: &[u8],
        last: bool,
        limit: usize,
        block: &mut Block,
    ) -> Result<usize, InputError> {
        let before = block.len();
        let mut rest = bytes;
        self.skip_header(&mut rest);
        self.complete(&mut rest, limit, block);
        let missing = self.columns.map_or(u64::MAX, |columns| columns - self.column);
        let wanted =
            usize::try_from(missing).unwrap_or(usize::MAX).min(limit - (block.len() - before));
        let whole = wanted.min(rest.len() / self.size());
        let (numbers, after) = rest.split_at(whole * self.size());
        self.number_type.decode(numbers, self.big_endian, block);
        self.column += whole as u64;
        rest = after;
        if rest.len() < self.size() && whole < wanted && self.held_bytes == 0 {
            self.held[..rest.len()].copy_from_slice(rest);
            self.held_bytes = rest.len();
            rest = &[];
        }
        let consumed = bytes.len() - rest.len();
        self.byte += consumed as u64;
        self.check_end(rest.len() as u64, last)?;
        Ok(consumed)
    }

    /// The numbers that come next, at most `limit`, where they lie in `bytes`.
    /// `None` if they do not lie there as this machine has them in memory.
    pub(crate) fn lend<'a>(
        &mut self,
        bytes: &'a [u8],
        last: bool,
        limit: usize,
    ) -> Option<Result<&'a [f64], InputError>> {
        let is_native = self.number_type == NumberType::F8
            && self.big_endian == cfg!(target_endian = "big")
            && self.held_bytes == 0
            && self.byte >= self.data_start;
        if !is_native {
            return None;
        }
        let missing = self.columns.map_or(u64::MAX, |columns| columns - self.column);
        let wanted = usize::try_from(missing).unwrap_or(usize::MAX).min(limit);
        let (numbers, rest) = bytes.split_at(wanted.min(bytes.len() / 8) * 8);
        let numbers: &[f64] = bytemuck::try_cast_slice(numbers).ok()?;
        if numbers.is_empty() {
            return None;
        }
        self.column += numbers.len() as u64;
        self.byte += 8 * numbers.len() as u64;
        Some(self.check_end(rest.len() as u64, last).map(|()| numbers))
    }

    fn size(&self) -> usize {
        usize::try_from(self.number_type.bytes()).unwrap_or(8)
    }

    fn skip_header(&self, rest: &mut &[u8]) {
        if self.byte < self.data_start {
            let header = usize::try_from(self.data_start - self.byte).unwrap_or(usize::MAX);
            *rest = &rest[header.min(rest.len())..];
        }
    }

    /// Completes a number that was cut.
    fn complete(&mut self, rest: &mut &[u8], limit: usize, block: &mut Block) {
        if self.held_bytes == 0 || limit == 0 {
            return;
        }
        let size = self.size();
        let (now, after) = rest.split_at(rest.len().min(size - self.held_bytes));
        self.held[self.held_bytes..self.held_bytes + now.len()].copy_from_slice(now);
        self.held_bytes += now.len();
        *rest = after;
        if self.held_bytes == size {
            self.number_type.decode(&self.held[..size], self.big_endian, block);
            self.column += 1;
            self.held_bytes = 0;
        }
    }

    /// Looks whether the end has come, where it should be, and no sooner or later.
    fn check_end(&mut self, rest_bytes: u64, last: bool) -> Result<(), InputError> {
        let Some(columns) = self.columns else {
            if last && rest_bytes == 0 {
                if self.held_bytes > 0 {
                    let what = format!("ends within a number of {} bytes", self.size());
                    return Err(InputError::new(what).at_byte(self.byte));
                }
                if self.column == 0 {
                    return Err(no_numbers());
                }
                self.ended = true;
            }
            return Ok(());
        };
        self.ended = self.column == columns;
        let expected = self.data_start + columns * self.number_type.bytes();
        let found = self.byte + rest_bytes;
        if found > expected || (last && found < expected) {
            return Err(truncated(expected, found));
        }
        Ok(())
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        if self.column == 0 {
            return Checkpoint::default();
        }
        Checkpoint {
            byte: self.data_start + self.column * self.number_type.bytes(),
            column: self.column,
            ..Checkpoint::default()
        }
    }

    pub(crate) const fn has_ended(&self) -> bool {
        self.ended
    }
}
