//! One open input object: its bytes, range by range, and the numbers in them.

use std::sync::Arc;

use platform::StoreError;
use reading::{Buffers, Ranges};
use summation::{Block, Checkpoint, Decoder, InputError, ObjectEnd, PartialSum};

/// One open input object, somewhere in the middle.
pub(crate) struct Source {
    /// Which of the task's objects it is.
    pub(crate) index: usize,
    ranges: Box<dyn Ranges>,
    /// Whether the last byte that is read is the object's last.
    to_the_end: bool,
    /// Set if it is closed at this column, and where that is cannot be known
    /// before it is read: then little more than up to there is read.
    until: Option<u64>,
    decoder: Decoder,
    /// Holds the present range at its beginning.
    buffer: Vec<u8>,
    /// How many bytes the range has, and how many of them are used.
    range_bytes: usize,
    used: usize,
    buffers: Arc<Buffers>,
    /// How many numbers of the object come before the next one.
    pub(crate) column: u64,
    /// Whether the object's last number has been seen.
    pub(crate) is_over: bool,
}

/// Why an object could not be read on.
pub(crate) enum SourceError {
    Store(StoreError),
    Input(InputError),
}

/// An object that has just been opened.
pub(crate) struct Opened {
    /// Which of the task's objects it is.
    pub(crate) index: usize,
    /// Gives its bytes, from behind the head on.
    pub(crate) ranges: Box<dyn Ranges>,
    /// Stands where the numbers are to be read from.
    pub(crate) decoder: Decoder,
    /// The object's first bytes, if they have been read.
    pub(crate) head: Vec<u8>,
    /// The first byte to be read.
    pub(crate) begin: u64,
    /// One past the last byte to be read.
    pub(crate) end: u64,
    /// How many bytes the object has.
    pub(crate) object_bytes: u64,
    /// The column that it is closed at, if the byte of that is not known.
    pub(crate) until: Option<u64>,
    /// Where its buffers go in the end.
    pub(crate) buffers: Arc<Buffers>,
}

impl Drop for Source {
    fn drop(&mut self) {
        self.buffers.give(std::mem::take(&mut self.buffer));
    }
}

impl Source {
    pub(crate) fn open(opened: Opened) -> Source {
        let Opened { index, mut ranges, decoder, mut head, until, buffers, .. } = opened;
        let (begin, end) = (opened.begin, opened.end);
        let head_bytes = head.len() as u64;
        if begin >= head_bytes {
            buffers.give(std::mem::take(&mut head));
        }
        ranges.seek(Box::new(std::iter::once(head_bytes.max(begin)..end)));
        let used = if head.is_empty() { 0 } else { usize::try_from(begin).unwrap_or_default() };
        let mut source = Source {
            index,
            ranges,
            to_the_end: end >= opened.object_bytes,
            until,
            column: decoder.checkpoint().column,
            decoder,
            range_bytes: head.len(),
            buffer: head,
            used,
            buffers,
            is_over: false,
        };
        source.expect_end();
        source
    }

    /// Asks for the range behind the head, if it is to be asked for.
    pub(crate) fn ask_ahead(&mut self) {
        self.ranges.ask_ahead();
    }

    /// Tells the ranges up to where they will be read, by how long the numbers
    /// before were.
    #[expect(clippy::cast_possible_truncation, reason = "an estimate has no fraction to lose")]
    fn expect_end(&mut self) {
        let Some(until) = self.until else {
            return;
        };
        let Checkpoint { byte, column, .. } = self.decoder.checkpoint();
        let missing = until.saturating_sub(column) as f64;
        // Before the first number nothing can be expected.
        let each = if column == 0 { 0.0 } else { byte as f64 / column as f64 };
        self.ranges.expect_end(byte + (missing * each) as u64);
    }

    /// Where reading it stands, for whoever goes on later.
    pub(crate) fn end(&self) -> ObjectEnd {
        ObjectEnd { checkpoint: self.decoder.checkpoint(), ended: self.is_over }
    }

    /// Whether it has nothing more to give before its next range is there.
    pub(crate) fn needs_range(&self) -> bool {
        !self.is_over && self.used == self.range_bytes && !self.ranges.is_over()
    }

    /// Waits until its next range can be taken; gives back the memory of the
    /// present one, which must be used up.
    pub(crate) async fn ready(&mut self) -> Result<(), StoreError> {
        self.expect_end();
        self.buffers.give(std::mem::take(&mut self.buffer));
        (self.used, self.range_bytes) = (0, 0);
        self.ranges.ready().await
    }

    /// Takes its next range, if it can be had at once; says how many bytes it
    /// has. The present one must be used up.
    pub(crate) fn take_range(&mut self) -> Result<Option<usize>, StoreError> {
        self.expect_end();
        if self.buffer.is_empty() {
            self.buffer = self.buffers.take();
        }
        (self.used, self.range_bytes) = (0, 0);
        let range = self.ranges.next(&mut self.buffer)?;
        Ok(range.map(|range| {
            self.range_bytes = range.bytes;
            range.bytes
        }))
    }

    /// Adds its next numbers to a sum over the columns from `start` to `end`.
    fn add(
        &mut self,
        sum: &mut PartialSum,
        (start, end): (u64, u64),
        block: &mut Block,
    ) -> Result<(), InputError> {
        let offset = usize::try_from(self.column - start).unwrap_or(usize::MAX);
        let limit = usize::try_from(end - self.column).unwrap_or(usize::MAX).min(BLOCK_NUMBERS);
        let is_last = self.is_last_range();
        let bytes = &self.buffer[self.used..self.range_bytes];
        if let Some(numbers) = self.decoder.lend(bytes, is_last, limit) {
            let numbers = numbers?;
            sum.add_numbers(offset, numbers);
            self.used += size_of_val(numbers);
            self.column += numbers.len() as u64;
            self.is_over = self.decoder.has_ended();
            return Ok(());
        }
        self.decode(limit, block)?;
        if !block.is_empty() {
            sum.add(offset, block);
        }
        Ok(())
    }

    /// Whether no bytes of the object follow those in memory.
    fn is_last_range(&self) -> bool {
        self.ranges.is_over() && self.to_the_end
    }

    /// Decodes at most `limit` numbers into `block`, fewer where the range ends.
    fn decode(&mut self, limit: usize, block: &mut Block) -> Result<(), InputError> {
        block.clear();
        let is_last = self.is_last_range();
        let used = self.decoder.decode(
            &self.buffer[self.used..self.range_bytes],
            is_last,
            limit,
            block,
        )?;
        self.used += used;
        self.column += block.len() as u64;
        self.is_over = self.decoder.has_ended();
        let is_stuck = used == 0 && block.is_empty() && !self.is_over && !self.needs_range();
        if is_stuck && limit > 0 {
            let what = "ends before the last of its numbers".into();
            return Err(InputError { what, ..InputError::default() });
        }
        Ok(())
    }

    /// Reads over what separates numbers, as far as it is in memory, to find
    /// out whether there is another one.
    pub(crate) fn look_ahead(&mut self) -> Result<(), InputError> {
        if self.is_over {
            return Ok(());
        }
        self.decode(0, &mut Block::default())
    }

    /// Reads over numbers in memory, until the next one is that of `column`.
    pub(crate) fn skip(&mut self, column: u64, block: &mut Block) -> Result<(), InputError> {
        let limit = usize::try_from(column - self.column).unwrap_or(usize::MAX);
        self.decode(limit.min(BLOCK_NUMBERS), block)
    }
}

/// How many numbers are decoded and added at a time: they and their columns'
/// accumulators stay in the processor's first-level cache.
pub(crate) const BLOCK_NUMBERS: usize = 1024;

/// Adds what the sources have to the columns from `start` to `end` of a sum,
/// whichever source is behind going first, so that a block of columns is added
/// up while it is in the cache. Ranges that can be had at once are taken, up to
/// about `read_bytes_max`; returns how many bytes they have, once a source has to
/// be waited for, or that much was taken, or all have reached `end` or their
/// own. An error says which source it lies in.
pub(crate) fn add_available(
    sum: &mut PartialSum,
    sources: &mut [Source],
    (start, end): (u64, u64),
    read_bytes_max: usize,
    block: &mut Block,
) -> Result<usize, (usize, SourceError)> {
    let mut read_bytes = 0;
    while let Some(source) = sources
        .iter_mut()
        .filter(|source| !source.is_over && source.column < end)
        .min_by_key(|source| source.column)
    {
        if source.needs_range() {
            if read_bytes >= read_bytes_max {
                break;
            }
            let taken =
                source.take_range().map_err(|error| (source.index, SourceError::Store(error)))?;
            let Some(bytes) = taken else { break };
            read_bytes += bytes;
        }
        let added = source.add(sum, (start, end), block);
        added.map_err(|error| (source.index, SourceError::Input(error)))?;
    }
    Ok(read_bytes)
}

/// Counts the numbers of an object from where it is to its end.
pub(crate) async fn count_to_end(
    source: &mut Source,
    block: &mut Block,
) -> Result<u64, SourceError> {
    while !source.is_over {
        if source.needs_range() {
            source.ready().await.map_err(SourceError::Store)?;
            source.take_range().map_err(SourceError::Store)?;
        }
        source.decode(BLOCK_NUMBERS, block).map_err(SourceError::Input)?;
    }
    Ok(source.column)
}
