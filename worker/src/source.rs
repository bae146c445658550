//! One open input object: its bytes, range by range, and the numbers in them.

use std::sync::Arc;

use platform::{ObjectStore, StoreError};
use summation::{Block, Decoder, InputError, ObjectEnd, PartialSum};

use crate::ranges::Ranges;

/// One open input object, somewhere in the middle.
pub(crate) struct Source {
    /// Which of the task's objects it is.
    pub(crate) index: usize,
    ranges: Ranges,
    /// Whether the last byte that is read is the object's last.
    to_the_end: bool,
    decoder: Decoder,
    range: Vec<u8>,
    used: usize,
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
    /// The store that it lies in, and its key there.
    pub(crate) place: (Arc<dyn ObjectStore>, String),
    /// Stands where the numbers are to be read from.
    pub(crate) decoder: Decoder,
    /// The object's first bytes, if they have been read and are wanted.
    pub(crate) head: Vec<u8>,
    /// The first byte to be read.
    pub(crate) begin: u64,
    /// One past the last byte to be read.
    pub(crate) end: u64,
    /// How many bytes the object has.
    pub(crate) object_bytes: u64,
    /// How many bytes to read at a time.
    pub(crate) range_bytes: usize,
}

impl Source {
    pub(crate) fn open(opened: Opened) -> Source {
        let Opened { index, place, decoder, head, begin, end, object_bytes, range_bytes } = opened;
        let (store, key) = place;
        let used = if head.is_empty() { 0 } else { begin };
        let next = (head.len() as u64).max(begin);
        Source {
            index,
            ranges: Ranges::new(store, key, next..end, range_bytes),
            to_the_end: end >= object_bytes,
            column: decoder.checkpoint().column,
            decoder,
            used: usize::try_from(used).unwrap_or(head.len()).min(head.len()),
            range: head,
            is_over: false,
        }
    }

    /// Where reading it stands, for whoever goes on later.
    pub(crate) fn end(&self) -> ObjectEnd {
        ObjectEnd { checkpoint: self.decoder.checkpoint(), ended: self.is_over }
    }

    /// Whether it has nothing more to give before its next range is there.
    pub(crate) fn needs_range(&self) -> bool {
        !self.is_over && self.used == self.range.len() && !self.ranges.is_over()
    }

    /// Waits for the next range; says how many bytes it has.
    pub(crate) async fn fetch(&mut self) -> Result<usize, StoreError> {
        let used = std::mem::take(&mut self.range);
        self.range = self.ranges.next(used).await?;
        self.used = 0;
        Ok(self.range.len())
    }

    /// Decodes at most `limit` numbers into `block`, fewer where the range ends.
    fn decode(&mut self, limit: usize, block: &mut Block) -> Result<(), InputError> {
        block.clear();
        let is_last = self.ranges.is_over() && self.to_the_end;
        let used = self.decoder.decode(&self.range[self.used..], is_last, limit, block)?;
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
/// accumulators stay in the processor's second-level cache.
const BLOCK_NUMBERS: usize = 4096;

/// Adds what the sources have in memory to the columns from `start` to `end`
/// of a sum, whichever source is behind going first, so that a block of columns
/// is added up while it is in the cache. Returns once a source has to fetch, or
/// all have reached `end` or their own. An error says which source it lies in.
pub(crate) fn add_available(
    sum: &mut PartialSum,
    sources: &mut [Source],
    (start, end): (u64, u64),
    block: &mut Block,
) -> Result<(), (usize, InputError)> {
    while let Some(source) = sources
        .iter_mut()
        .filter(|source| !source.is_over && source.column < end)
        .min_by_key(|source| source.column)
    {
        if source.needs_range() {
            return Ok(());
        }
        let column = source.column;
        let limit = usize::try_from(end - column).unwrap_or(usize::MAX).min(BLOCK_NUMBERS);
        source.decode(limit, block).map_err(|error| (source.index, error))?;
        if !block.is_empty() {
            let offset = usize::try_from(column - start).unwrap_or(usize::MAX);
            sum.add(offset, block);
        }
    }
    Ok(())
}

/// Counts the numbers of an object from where it is to its end.
pub(crate) async fn count_to_end(
    source: &mut Source,
    block: &mut Block,
) -> Result<u64, SourceError> {
    while !source.is_over {
        if source.needs_range() {
            source.fetch().await.map_err(SourceError::Store)?;
        }
        source.decode(BLOCK_NUMBERS, block).map_err(SourceError::Input)?;
    }
    Ok(source.column)
}
