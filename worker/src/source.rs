//! An open input object: its bytes, range by range, and the numbers that they hold.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use platform::StoreError;
use reading::{Buffers, Ranges};
use summation::{
    Block, Checkpoint, Decoder, ExpectedKeys, InputError, KeyUse, ObjectEnd, PartialSum,
    check_none_missing,
};

/// An open input object.
pub(crate) struct Source {
    /// The object's index in the task's list.
    pub(crate) index: usize,
    ranges: Box<dyn Ranges>,
    /// Whether it is read to the object's end, not only to the end of a segment.
    to_the_end: bool,
    /// The column at which it will be closed, if the byte of that column is not known in
    /// advance. Little more than up to there is read.
    until: Option<u64>,
    decoder: Decoder,
    /// Whether a missing value is an error.
    refuses_missing: bool,
    /// What its numbers are multiplied by.
    weight: f64,
    /// The current range, from index 0 on.
    buffer: Vec<u8>,
    /// The size of the current range in bytes, and how many of them are decoded.
    range_bytes: usize,
    used: usize,
    buffers: Arc<Buffers>,
    /// The column of the next number.
    pub(crate) column: u64,
    /// Whether all numbers of the object have been decoded.
    pub(crate) is_over: bool,
}

/// Why reading an object failed.
pub(crate) enum SourceError {
    Store(StoreError),
    Input(InputError),
}

/// An object that has just been opened.
pub(crate) struct Opened {
    /// The object's index in the task's list.
    pub(crate) index: usize,
    /// The bytes behind the head.
    pub(crate) ranges: Box<dyn Ranges>,
    /// Decodes from `begin` on.
    pub(crate) decoder: Decoder,
    /// Whether a missing value is an error.
    pub(crate) refuses_missing: bool,
    /// What its numbers are multiplied by; 1 if objects have no weights.
    pub(crate) weight: f64,
    /// The object's first bytes, if they have been read.
    pub(crate) head: Vec<u8>,
    /// The first byte to be read.
    pub(crate) begin: u64,
    /// One past the last byte to be read.
    pub(crate) end: u64,
    /// What is to be read instead of all bytes from `begin` to `end`, if columns do not
    /// simply follow one another.
    pub(crate) extents: Option<Vec<Range<u64>>>,
    /// One past the last byte of its numbers.
    pub(crate) last_byte: u64,
    /// The column at which it will be closed, if its byte is not known in advance.
    pub(crate) until: Option<u64>,
    /// The pool that its buffers return to.
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
        let to_the_end = opened.extents.is_none() && opened.end >= opened.last_byte;
        let is_scattered = opened.extents.is_some();
        let mut extents = opened.extents.unwrap_or_default().into_iter();
        let first = match is_scattered {
            true => extents.next().unwrap_or_default(),
            false => opened.begin..opened.end,
        };
        // Behind a part of the object, the head holds what is not wanted now.
        if is_scattered {
            head.truncate(usize::try_from(first.end).unwrap_or(usize::MAX));
        }
        // What follows in the object are other members of an archive.
        head.truncate(usize::try_from(opened.last_byte).unwrap_or(usize::MAX));
        let head_bytes = head.len() as u64;
        if first.start >= head_bytes {
            buffers.give(std::mem::take(&mut head));
        }
        let behind = std::iter::once(head_bytes.max(first.start)..first.end).chain(extents);
        ranges.seek(Box::new(behind.filter(|extent| !extent.is_empty())));
        let used =
            if head.is_empty() { 0 } else { usize::try_from(first.start).unwrap_or_default() };
        let mut source = Source {
            index,
            ranges,
            to_the_end,
            until,
            column: decoder.checkpoint().column,
            decoder,
            refuses_missing: opened.refuses_missing,
            weight: opened.weight,
            range_bytes: head.len(),
            buffer: head,
            used,
            buffers,
            is_over: false,
        };
        source.expect_end();
        source
    }

    /// Prefetches the range behind the head, if ranges are fetched from a network.
    pub(crate) fn ask_ahead(&mut self) {
        self.ranges.ask_ahead();
    }

    /// Tells the ranges where reading will end, estimated by the average length of the
    /// numbers so far.
    #[expect(clippy::cast_possible_truncation, reason = "an estimate has no fraction to lose")]
    fn expect_end(&mut self) {
        let Some(until) = self.until else {
            return;
        };
        let Checkpoint { byte, column, .. } = self.decoder.checkpoint();
        let missing = until.saturating_sub(column) as f64;
        // Before the first number there is no average.
        let each = if column == 0 { 0.0 } else { byte as f64 / column as f64 };
        self.ranges.expect_end(byte + (missing * each) as u64);
    }

    /// Has the keys of the rows that follow compared with these.
    pub(crate) fn expect_keys(&mut self, keys: Arc<ExpectedKeys>) {
        self.decoder.use_keys(KeyUse::Expect(keys));
    }

    /// The position, for an attempt that continues later.
    pub(crate) fn end(&self) -> ObjectEnd {
        ObjectEnd { checkpoint: self.decoder.checkpoint(), ended: self.is_over }
    }

    /// Whether its next range is needed before it can give another number.
    pub(crate) fn needs_range(&self) -> bool {
        !self.is_over && self.used == self.range_bytes && !self.ranges.is_over()
    }

    /// Waits until the next range can be taken, and returns the memory of the current
    /// one, which must be decoded, to the pool.
    pub(crate) async fn ready(&mut self) -> Result<(), StoreError> {
        self.expect_end();
        self.buffers.give(std::mem::take(&mut self.buffer));
        (self.used, self.range_bytes) = (0, 0);
        self.ranges.ready().await
    }

    /// How long taking its ranges has waited for the disk since the last call.
    pub(crate) fn take_waited(&mut self) -> Duration {
        self.ranges.take_waited()
    }

    /// Takes the next range if it has arrived. Returns its size in bytes. The current one
    /// must be decoded.
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

    /// Adds its next numbers, of the columns from `start` to `end`, to a sum.
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
            if self.refuses_missing {
                check_none_missing(self.column, numbers)?;
            }
            sum.add_weighted_numbers(offset, numbers, self.weight);
            self.used += size_of_val(numbers);
            self.column += numbers.len() as u64;
            self.is_over = self.decoder.has_ended();
            return Ok(());
        }
        let column = self.column;
        self.decode(limit, block)?;
        if self.refuses_missing {
            check_none_missing(column, block.values())?;
        }
        if !block.is_empty() {
            sum.add_weighted(offset, block, self.weight);
        }
        Ok(())
    }

    /// Whether the current range is the object's last.
    fn is_last_range(&self) -> bool {
        self.ranges.is_over() && self.to_the_end
    }

    /// Decodes at most `limit` numbers into `block`; fewer if the range ends.
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

    /// Skips separators in the current range, to find out whether another number
    /// follows.
    pub(crate) fn look_ahead(&mut self) -> Result<(), InputError> {
        if self.is_over {
            return Ok(());
        }
        self.decode(0, &mut Block::default())
    }

    /// Skips numbers of the current range up to `column`.
    pub(crate) fn skip(&mut self, column: u64, block: &mut Block) -> Result<(), InputError> {
        let limit = usize::try_from(column - self.column).unwrap_or(usize::MAX);
        self.decode(limit.min(BLOCK_NUMBERS), block)
    }
}

/// The number of values that are decoded and added at a time. They and the accumulators
/// of their columns fit into the first-level cache.
pub(crate) const BLOCK_NUMBERS: usize = 1024;

/// Adds the numbers that have arrived to the columns from `start` to `end` of a sum. The
/// source that is furthest behind goes first, so that a block of columns is summed while
/// it is in the cache. Takes ranges that have arrived, up to about `read_bytes_max`, and
/// returns their bytes once a source has to be waited for, that many bytes were taken, or
/// all sources have reached `end` or their own end.
///
/// # Errors
///
/// The index of the object, and what is wrong with it.
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

/// Reads an object to its end. Returns the number of its values.
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
