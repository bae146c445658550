//! Ranges of a file.

use async_trait::async_trait;
use platform::StoreError;
use platform::store::ObjectReader;

use super::cursor::Cursor;
use super::{Extents, Piece, Ranges};

/// So small that it stays in the processor's cache; the system reads ahead by itself.
pub(super) const RANGE_BYTES: usize = 256 << 10;
/// Copying so much takes about as long as a call of the system.
const GAP_BYTES: u64 = 4 << 10;

/// A file, which is read where its bytes are used: handing them from thread to
/// thread would take longer than reading them.
pub(super) struct FileRanges {
    reader: Box<dyn ObjectReader>,
    cursor: Cursor,
}

impl FileRanges {
    pub(super) fn new(reader: Box<dyn ObjectReader>, cursor: Cursor) -> FileRanges {
        FileRanges { reader, cursor }
    }
}

#[async_trait]
impl Ranges for FileRanges {
    fn seek(&mut self, extents: Extents) {
        self.cursor.seek(extents);
    }

    fn expect_end(&mut self, end: u64) {
        self.cursor.expect_end(end);
    }

    fn is_over(&self) -> bool {
        self.cursor.is_over()
    }

    fn ask_ahead(&mut self) {}

    async fn ready(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn next(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Piece>, StoreError> {
        let Some((offset, length)) = self.cursor.take() else {
            return Ok(None);
        };
        // Never made shorter: it need not be filled with zeros when it grows again.
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        let bytes = self.reader.read_at(offset, &mut buffer[..length])?;
        self.cursor.check((offset, length), bytes)?;
        Ok(Some(Piece { offset, bytes }))
    }

    fn gap_bytes(&self) -> u64 {
        GAP_BYTES
    }
}
