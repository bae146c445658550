//! Decodes the numbers of some tensors, one tensor after the other.

use std::sync::Arc;

use super::super::decoder::Decode;
use super::{Checkpoint, Tensors};
use crate::{Block, InputError};

/// Decodes the bytes of [`Tensors::extents`], or of the whole object.
#[derive(Debug)]
pub(super) struct TensorDecoder {
    tensors: Arc<Tensors>,
    /// The tensor of the next number.
    tensor: usize,
    /// How many numbers were decoded.
    column: u64,
    /// The byte that comes next, if all bytes of the object come, with those that lie
    /// between the numbers.
    whole_byte: Option<u64>,
    /// The beginning of a number that was cut.
    held: [u8; 8],
    held_bytes: usize,
}

impl TensorDecoder {
    /// From a checkpoint on; from the object's first byte if that is where it is.
    pub(super) fn new(tensors: Arc<Tensors>, at: Checkpoint) -> TensorDecoder {
        TensorDecoder {
            tensor: tensors.tensor_of(at.column),
            tensors,
            column: at.column,
            whole_byte: (at.byte == 0).then_some(0),
            held: [0; 8],
            held_bytes: 0,
        }
    }

    /// Skips what lies before the next number, if all bytes of the object come.
    fn skip(&mut self, rest: &mut &[u8]) -> Result<(), InputError> {
        let Some(byte) = self.whole_byte else {
            return Ok(());
        };
        let expected = self.tensors.offset_of(self.column) + self.held_bytes as u64;
        let Some(gap) = expected.checked_sub(byte) else {
            let error = InputError::new("tensors in another order than the numbers are wanted");
            return Err(error.at_byte(byte));
        };
        let skipped = usize::try_from(gap).unwrap_or(usize::MAX).min(rest.len());
        *rest = &rest[skipped..];
        self.whole_byte = Some(byte + skipped as u64);
        Ok(())
    }

    /// Notes that so many bytes were used.
    fn pass(&mut self, bytes: usize) {
        if let Some(byte) = &mut self.whole_byte {
            *byte += bytes as u64;
        }
    }
}

impl Decode for TensorDecoder {
    fn decode(
        &mut self,
        bytes: &[u8],
        last: bool,
        limit: usize,
        block: &mut Block,
    ) -> Result<usize, InputError> {
        let before = block.len();
        let mut rest = bytes;
        let tensors = self.tensors.clone();
        while let Some(tensor) = tensors.list.get(self.tensor) {
            if self.column == tensor.end_column() {
                self.tensor += 1;
                continue;
            }
            self.skip(&mut rest)?;
            let missing = usize::try_from(tensor.end_column() - self.column);
            let room = limit - (block.len() - before);
            let wanted = missing.unwrap_or(usize::MAX).min(room);
            if wanted == 0 || rest.is_empty() {
                break;
            }
            let size = usize::try_from(tensor.number_type.bytes()).unwrap_or(8);
            if self.held_bytes > 0 || rest.len() < size {
                // A number that is cut.
                let (now, after) = rest.split_at(rest.len().min(size - self.held_bytes));
                self.held[self.held_bytes..self.held_bytes + now.len()].copy_from_slice(now);
                self.held_bytes += now.len();
                self.pass(now.len());
                rest = after;
                if self.held_bytes == size {
                    tensor.number_type.decode(&self.held[..size], false, block);
                    self.column += 1;
                    self.held_bytes = 0;
                }
                continue;
            }
            let whole = wanted.min(rest.len() / size);
            let (numbers, after) = rest.split_at(whole * size);
            tensor.number_type.decode(numbers, false, block);
            self.column += whole as u64;
            self.pass(numbers.len());
            rest = after;
        }
        if self.whole_byte.is_some() && self.has_ended() {
            // What follows are tensors that are not read.
            rest = &[];
        }
        if last && rest.is_empty() && !self.has_ended() && block.len() - before < limit {
            let error = InputError::new("ends before the last number of its tensors");
            return Err(error.remedy("copy the file again, or write it again"));
        }
        Ok(bytes.len() - rest.len())
    }

    fn checkpoint(&self) -> Checkpoint {
        let byte = self.tensors.offset_of(self.column);
        Checkpoint { byte, column: self.column, ..Checkpoint::default() }
    }

    fn has_ended(&self) -> bool {
        self.column == self.tensors.columns
    }
}
