//! Arrays whose numbers are stored in the other order than the job's columns, such as
//! Fortran order in a job of C order.

use std::ops::Range;

use protocol::task::Failure;
use reading::{Extents, Ranges};
use summation::{Block, Checkpoint, Decoder, Format, Transposition};

use super::objects::Objects;
use crate::source::{BLOCK_NUMBERS, SourceError};

/// An open array in the other order: the numbers of a segment are spread over the
/// whole object and are gathered from there.
pub(super) struct Transposed {
    /// Which of the task's objects it is.
    pub(super) index: usize,
    ranges: Box<dyn Ranges>,
    format: Format,
    transposition: Transposition,
    object_bytes: u64,
    /// All bytes of the object, if detecting its format has read them.
    whole: Option<Vec<u8>>,
}

impl Transposed {
    /// Wraps an object that was opened; `head` holds the bytes read so far.
    pub(super) fn new(
        (index, ranges): (usize, Box<dyn Ranges>),
        format: Format,
        transposition: Transposition,
        object_bytes: u64,
        head: Vec<u8>,
    ) -> Transposed {
        let is_member = format.resume_byte(&Checkpoint::default()) > 0
            || format.end_byte(object_bytes) < object_bytes;
        let whole = (head.len() as u64 == object_bytes && !is_member).then_some(head);
        Transposed { index, ranges, format, transposition, object_bytes, whole }
    }

    /// Reads these columns into `to`, which is memory to reuse.
    pub(super) async fn gather(
        mut self,
        objects: &Objects<'_>,
        columns: Range<u64>,
        mut to: Block,
    ) -> Result<Block, Failure> {
        to.resize(usize::try_from(columns.end - columns.start).unwrap_or(usize::MAX));
        let index = self.index;
        let whole = self.whole.take();
        let is_whole = whole.is_some();
        if !is_whole {
            let extents = self.extents(columns.clone());
            self.ranges.seek(extents);
        }
        let mut gathering = Gathering {
            object: self,
            columns,
            decoder: None,
            next_byte: 0,
            position: 0,
            buffer: whole.unwrap_or_else(|| objects.buffers.take()),
            block: Block::with_capacity(BLOCK_NUMBERS),
            to,
        };
        if is_whole {
            let work = move || {
                let gathered = gathering.put(0, gathering.buffer.len(), true);
                (gathering, gathered)
            };
            let gathered;
            (gathering, gathered) = objects.thread.run("gathering numbers", work).await?;
            gathered.map_err(|error| objects.failure(index, &error))?;
        }
        while !is_whole && !gathering.object.ranges.is_over() {
            gathering
                .object
                .ranges
                .ready()
                .await
                .map_err(|error| objects.unreadable(index, &error))?;
            let most = objects.settings.range_bytes;
            let work = move || {
                let read = gathering.advance(most);
                (gathering, read)
            };
            let read;
            (gathering, read) = objects.thread.run("gathering numbers", work).await?;
            objects.count_read(read.map_err(|error| objects.failure(index, &error))?);
        }
        objects.buffers.give(gathering.buffer);
        Ok(gathering.to)
    }

    /// The bytes to read for these columns.
    fn extents(&self, columns: Range<u64>) -> Extents {
        let (Some(start), Some(size)) = (self.format.offset_of(0), self.format.number_bytes())
        else {
            // Compressed: read as a stream.
            let first = self.format.resume_byte(&Checkpoint::default());
            let end = self.format.end_byte(self.object_bytes);
            return Box::new(std::iter::once(first..end));
        };
        let spans = self.transposition.spans(columns, self.ranges.gap_bytes() / size);
        Box::new(spans.map(move |span| start + size * span.start..start + size * span.end))
    }
}

/// The state of gathering one segment.
struct Gathering {
    object: Transposed,
    columns: Range<u64>,
    /// Decodes the bytes from `next_byte` on.
    decoder: Option<Decoder>,
    next_byte: u64,
    /// The index of the next number in the order in which they are stored.
    position: u64,
    buffer: Vec<u8>,
    block: Block,
    to: Block,
}

impl Gathering {
    /// Scatters the numbers of the ranges that have arrived, until about `most` bytes
    /// are read. Returns the number of bytes.
    fn advance(&mut self, most: usize) -> Result<usize, SourceError> {
        let mut read_bytes = 0;
        while read_bytes < most {
            let range = self.object.ranges.next(&mut self.buffer).map_err(SourceError::Store)?;
            let Some(range) = range else { break };
            let is_last = !self.object.format.is_seekable() && self.object.ranges.is_over();
            self.put(range.offset, range.bytes, is_last)?;
            read_bytes += range.bytes;
        }
        Ok(read_bytes)
    }

    /// Scatters the numbers of the range that is at the start of the buffer.
    fn put(&mut self, offset: u64, bytes: usize, is_last: bool) -> Result<(), SourceError> {
        if self.decoder.is_none() || offset != self.next_byte {
            self.begin(offset);
        }
        self.next_byte = offset + bytes as u64;
        let Some(decoder) = &mut self.decoder else { return Ok(()) };
        let mut used = 0;
        loop {
            self.block.clear();
            let bytes = &self.buffer[used..bytes];
            used += decoder
                .decode(bytes, is_last, BLOCK_NUMBERS, &mut self.block)
                .map_err(SourceError::Input)?;
            if self.block.is_empty() {
                return Ok(());
            }
            let transposition = &self.object.transposition;
            transposition.put(self.position, &self.block, &self.columns, &mut self.to);
            self.position += self.block.len() as u64;
        }
    }

    /// Continues at another byte, which must be the first of a number.
    fn begin(&mut self, offset: u64) {
        let format = &self.object.format;
        let place = format.offset_of(0).zip(format.number_bytes());
        self.position = place.map_or(0, |(start, size)| offset.saturating_sub(start) / size);
        let first = format.resume_byte(&Checkpoint::default());
        let checkpoint = match offset {
            _ if offset == first => None,
            _ => format.checkpoint_of(self.position),
        };
        let checkpoint = checkpoint.unwrap_or_default();
        self.decoder = Some(format.decoder_at(self.object.object_bytes, checkpoint));
    }
}
