//! Numbers of fixed size, one after the other, behind a header.

use crate::{Block, InputError};

use super::decoder::Decode;
use super::{Checkpoint, Decoder, NumberType, no_numbers, truncated};

/// Where numbers of fixed size lie in an object, and what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Elements {
    pub(crate) number_type: NumberType,
    pub(crate) big_endian: bool,
    /// The byte at which the first begins.
    pub(crate) start: u64,
}

impl Elements {
    /// Where a column begins.
    pub(crate) const fn offset_of(&self, column: u64) -> u64 {
        self.start + column * self.number_type.bytes()
    }

    /// A decoder of `columns` numbers, if that is known, from a checkpoint on.
    pub(crate) fn decoder(self, columns: Option<u64>, at: Checkpoint) -> Decoder {
        Decoder::new(BinaryDecoder::new(self, columns, at))
    }
}

/// Decodes numbers of fixed size.
#[derive(Debug)]
struct BinaryDecoder {
    elements: Elements,
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
    fn new(elements: Elements, columns: Option<u64>, at: Checkpoint) -> BinaryDecoder {
        BinaryDecoder {
            elements,
            columns,
            byte: at.byte,
            column: at.column,
            held: [0; 8],
            held_bytes: 0,
            ended: columns == Some(at.column),
        }
    }
}

impl Decode for BinaryDecoder {
    fn decode(
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
        self.elements.number_type.decode(numbers, self.elements.big_endian, block);
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
    fn lend<'a>(
        &mut self,
        bytes: &'a [u8],
        last: bool,
        limit: usize,
    ) -> Option<Result<&'a [f64], InputError>> {
        let is_native = self.elements.number_type == NumberType::F8
            && self.elements.big_endian == cfg!(target_endian = "big")
            && self.held_bytes == 0
            && self.byte >= self.elements.start;
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

    fn checkpoint(&self) -> Checkpoint {
        if self.column == 0 {
            return Checkpoint::default();
        }
        Checkpoint {
            byte: self.elements.offset_of(self.column),
            column: self.column,
            ..Checkpoint::default()
        }
    }

    fn has_ended(&self) -> bool {
        self.ended
    }
}

impl BinaryDecoder {
    fn size(&self) -> usize {
        usize::try_from(self.elements.number_type.bytes()).unwrap_or(8)
    }

    fn skip_header(&self, rest: &mut &[u8]) {
        if self.byte < self.elements.start {
            let header = usize::try_from(self.elements.start - self.byte).unwrap_or(usize::MAX);
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
            self.elements.number_type.decode(&self.held[..size], self.elements.big_endian, block);
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
        let expected = self.elements.offset_of(columns);
        let found = self.byte + rest_bytes;
        if found > expected || (last && found < expected) {
            return Err(truncated(expected, found));
        }
        Ok(())
    }
}
