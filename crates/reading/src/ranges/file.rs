//! Ranges of a file.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use platform::StoreError;
use platform::store::ObjectReader;

use super::cursor::Cursor;
use super::{Extents, Piece, Ranges};

/// Small enough for the processor's cache; the system itself reads ahead.
pub(super) const RANGE_BYTES: usize = 256 << 10;
/// Copying this many bytes takes about as long as a system call.
const GAP_BYTES: u64 = 4 << 10;

/// A file, which is read on the thread that uses its bytes: passing them between
/// threads would take longer than reading them.
pub(super) struct FileRanges {
    reader: Box<dyn ObjectReader>,
    cursor: Cursor,
    /// How long reads have taken since that was asked.
    waited: Duration,
}

impl FileRanges {
    pub(super) fn new(reader: Box<dyn ObjectReader>, cursor: Cursor) -> FileRanges {
        FileRanges { reader, cursor, waited: Duration::ZERO }
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
        // The buffer never shrinks, so it is not zeroed again when it grows.
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        let began = Instant::now();
        let read = self.reader.read_at(offset, &mut buffer[..length]);
        self.waited += began.elapsed();
        let bytes = read?;
        self.cursor.check((offset, length), bytes)?;
        Ok(Some(Piece { offset, bytes }))
    }

    fn take_waited(&mut self) -> Duration {
        std::mem::take(&mut self.waited)
    }

    fn gap_bytes(&self) -> u64 {
        GAP_BYTES
    }
}
