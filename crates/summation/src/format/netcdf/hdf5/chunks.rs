//! Chunks: where those of a variable lie, and their numbers once they are decompressed.

mod index;
mod unpack;

use std::ops::Range;

use self::index::Grid;
use self::unpack::unpack;
use super::messages::{Filter, Index, NOWHERE, Place};
use super::objects::Array;
use super::source::{Source, Stop, broken};
use crate::InputError;

/// The most chunks of a variable; each takes 24 bytes of memory.
pub(super) const CHUNKS_MAX: u64 = 1 << 20;

/// The most bytes of a row, and of a chunk. Both are in memory once for each open object.
const ROW_BYTES_MAX: u64 = 64 << 20;

/// How many bytes a chunk may take more as it is stored: what cannot be compressed grows a
/// little.
const STORED_BYTES_MORE: u64 = 1 << 20;

/// The chunks of a variable, which are read row by row: the numbers of a row follow one
/// another, and those of one row at a time are in memory. Usually a row is what the chunks hold
/// that have the same index along the first dimension. If that is too much, a row has fewer
/// indices along that dimension, or one, and not all of the next; then a chunk is read again
/// for each row that has numbers of it.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Chunks {
    shape: Vec<u64>,
    chunk: Vec<u64>,
    /// The numbers of chunks along each dimension.
    sides: Vec<u64>,
    /// The dimension along which a row has several indices, all of those behind it, and one of
    /// each before it; and how many.
    dimension: usize,
    thickness: u64,
    /// The bytes of a number.
    size: usize,
    filters: Vec<Filter>,
    /// A number that was never written.
    fill: Vec<u8>,
    /// In C order.
    list: Vec<Chunk>,
}

/// Where a chunk lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) struct Chunk {
    address: u64,
    bytes: u64,
    /// The filters that were left out.
    mask: u32,
}

const ABSENT: Chunk = Chunk { address: NOWHERE, bytes: 0, mask: 0 };

impl Chunk {
    /// Its bytes in the object; `None` if it was never written.
    pub(in super::super) fn range(&self) -> Option<Range<u64>> {
        (self.address != NOWHERE).then(|| self.address..self.address + self.bytes)
    }
}

/// Where a row lies.
struct Row {
    /// The index along each dimension before that of the rows.
    outer: Vec<u64>,
    /// The indices along that dimension.
    indices: Range<u64>,
}

/// Numbers that cannot be read in pieces.
fn too_large(what: String) -> InputError {
    InputError::new(what).remedy("write the file with other chunks, such as by nccopy -c")
}

impl Chunks {
    /// The chunks of an array of numbers of so many bytes.
    pub(in super::super) fn read(
        source: &Source<'_>,
        array: &Array,
        size: u64,
    ) -> Result<Chunks, Stop> {
        // A single number is an array of one.
        let (shape, lengths_max) = match array.space.shape[..] {
            [] => (vec![1], vec![1]),
            _ => (array.space.shape.clone(), array.space.lengths_max.clone()),
        };
        let (chunk, index, filters_partial) = match &array.place {
            Place::Chunked { chunk, index, filters_partial } => {
                (chunk.clone(), index.clone(), *filters_partial)
            }
            Place::Contiguous { .. } => (shape.clone(), Index::Nothing, true),
        };
        // Of no numbers there are no chunks.
        let chunk: Vec<u64> = chunk.into_iter().map(|length| length.max(1)).collect();
        let fill = match &array.fill {
            Some(fill) if fill.len() as u64 == size => fill.clone(),
            _ => vec![0; usize::try_from(size).unwrap_or(8)],
        };
        let sides: Vec<u64> =
            shape.iter().zip(&chunk).map(|(length, chunk)| length.div_ceil(*chunk)).collect();
        let count = sides.iter().try_fold(1_u64, |all, side| all.checked_mul(*side));
        let Some(count) = count.filter(|&count| count <= CHUNKS_MAX) else {
            return Err(too_large(format!("more than {CHUNKS_MAX} chunks")).into());
        };
        let mut chunks = Chunks {
            shape,
            chunk,
            sides,
            dimension: 0,
            thickness: 1,
            size: fill.len(),
            filters: array.filters.clone(),
            fill,
            list: Vec::new(),
        };
        if index != Index::Nothing && chunks.chunk_bytes() > ROW_BYTES_MAX {
            let (chunk, most) = (&chunks.chunk, ROW_BYTES_MAX >> 20);
            let what = format!("chunks of shape {chunk:?}, which take more than {most} MiB each");
            return Err(too_large(what).into());
        }
        let visits = chunks.choose_rows();
        if visits.saturating_mul(count) > CHUNKS_MAX {
            let chunk = &chunks.chunk;
            let what = format!(
                "chunks of shape {chunk:?}, each of which would have to be read {visits} times"
            );
            return Err(too_large(what).into());
        }
        source.take_chunks(count)?;
        let mut grid = Grid {
            sides: &chunks.sides,
            chunk: &chunks.chunk,
            lengths_max: &lengths_max,
            chunk_bytes: chunks.chunk_bytes(),
            list: vec![ABSENT; usize::try_from(count).unwrap_or_default()],
        };
        grid.find(source, &index)?;
        let list = grid.list;
        chunks.list = list;
        if !filters_partial {
            chunks.leave_out_filters_at_the_end();
        }
        for chunk in &chunks.list {
            let end = chunk.address.checked_add(chunk.bytes);
            if chunk.bytes > ROW_BYTES_MAX + STORED_BYTES_MORE {
                let what = format!("a chunk of {} bytes", chunk.bytes);
                return Err(broken(&what, chunk.address).into());
            }
            if chunk.address != NOWHERE && end.is_none_or(|end| end > source.object_bytes) {
                let bytes = source.object_bytes;
                let what =
                    format!("a chunk at byte {}, but the file has {bytes} bytes", chunk.address);
                return Err(broken(&what, bytes.min(chunk.address)).into());
            }
        }
        Ok(chunks)
    }

    /// Chooses rows that are not too long. Returns how often a chunk is read.
    fn choose_rows(&mut self) -> u64 {
        let mut visits = 1_u64;
        for dimension in 0..self.shape.len() {
            let behind = self.shape[dimension + 1..].iter();
            let index_bytes = behind.fold(self.size as u64, |all, &side| all.saturating_mul(side));
            let length = self.chunk[dimension].min(self.shape[dimension]).max(1);
            self.dimension = dimension;
            self.thickness = (ROW_BYTES_MAX / index_bytes.max(1)).clamp(1, length);
            if index_bytes <= ROW_BYTES_MAX {
                return visits.saturating_mul(length.div_ceil(self.thickness));
            }
            visits = visits.saturating_mul(length);
        }
        visits
    }

    /// Chunks that reach beyond the shape were not filtered.
    fn leave_out_filters_at_the_end(&mut self) {
        let mut indices = vec![0_u64; self.shape.len()];
        for chunk in &mut self.list {
            let mut all = indices.iter().zip(&self.chunk).zip(&self.shape);
            if all.any(|((index, side), length)| (index + 1).saturating_mul(*side) > *length) {
                chunk.mask = u32::MAX;
            }
            for at in (0..indices.len()).rev() {
                indices[at] += 1;
                if indices[at] < self.sides[at] {
                    break;
                }
                indices[at] = 0;
            }
        }
    }

    /// The bytes of a chunk that is not compressed.
    fn chunk_bytes(&self) -> u64 {
        let numbers = self.chunk.iter().fold(1_u64, |all, side| all.saturating_mul(*side));
        numbers.saturating_mul(self.size as u64)
    }

    /// About how many bytes of memory they take.
    pub(in super::super) fn memory_bytes(&self) -> usize {
        size_of_val(&self.list[..])
    }

    /// The bytes that are in memory while they are read: a row, and a chunk before, while and
    /// after it is decompressed.
    pub(in super::super) fn reading_bytes(&self) -> u64 {
        let row = self.thickness.saturating_mul(self.inner()).saturating_mul(self.size as u64);
        let largest = self.list.iter().map(|chunk| chunk.bytes).max().unwrap_or_default();
        let decompressed = if largest == 0 { 0 } else { 2 * self.chunk_bytes() };
        row.saturating_add(largest).saturating_add(decompressed)
    }

    /// The numbers of an index along the dimension of the rows.
    fn inner(&self) -> u64 {
        // If another length is 0, the product of these may be larger than any number.
        let behind = self.shape[self.dimension + 1..].iter();
        behind.fold(1_u64, |all, &length| all.saturating_mul(length)).max(1)
    }

    /// The rows in a chunk along their dimension, and in all of it.
    fn rows(&self) -> (u64, u64) {
        let (length, chunk) = (self.shape[self.dimension], self.chunk[self.dimension]);
        let each = chunk.div_ceil(self.thickness);
        (each, length / chunk * each + (length % chunk).div_ceil(self.thickness))
    }

    fn row(&self, row: u64) -> Row {
        let (length, chunk) = (self.shape[self.dimension], self.chunk[self.dimension]);
        let (each, rows) = self.rows();
        let (mut outer, number) = (row / rows.max(1), row % rows.max(1));
        let start = number / each * chunk + number % each * self.thickness;
        let end = (start + self.thickness).min((number / each + 1) * chunk).min(length);
        let mut indices = vec![0; self.dimension];
        for at in (0..self.dimension).rev() {
            let side = self.shape[at].max(1);
            indices[at] = outer % side;
            outer /= side;
        }
        Row { outer: indices, indices: start..end }
    }

    /// The row of a number.
    pub(in super::super) fn row_of(&self, number: u64) -> u64 {
        let (length, chunk) = (self.shape[self.dimension], self.chunk[self.dimension]);
        let (each, rows) = self.rows();
        let index = number / self.inner();
        let (outer, index) = (index / length.max(1), index % length.max(1));
        outer * rows + index / chunk * each + index % chunk / self.thickness
    }

    /// The numbers of a row.
    pub(in super::super) fn numbers_of(&self, row: u64) -> Range<u64> {
        let Row { outer, indices } = self.row(row);
        let before = outer.iter().zip(&self.shape).fold(0, |all, (index, side)| all * side + index);
        let first = before * self.shape[self.dimension];
        (first + indices.start) * self.inner()..(first + indices.end) * self.inner()
    }

    /// The chunks of a row.
    pub(in super::super) fn chunks_of(&self, row: u64) -> &[Chunk] {
        let Row { outer, indices } = self.row(row);
        let along = outer.iter().chain([&indices.start]).zip(self.chunk.iter().zip(&self.sides));
        let number = along.fold(0, |all, (index, (chunk, side))| all * side + index / chunk);
        let each: u64 = self.sides[self.dimension + 1..].iter().product();
        let [first, each] =
            [number * each, each].map(|it| usize::try_from(it).unwrap_or(usize::MAX));
        self.list.get(first..first.saturating_add(each)).unwrap_or_default()
    }

    /// Where the chunks of a row lie that were written.
    pub(in super::super) fn ranges_of(&self, row: u64) -> impl Iterator<Item = Range<u64>> {
        self.chunks_of(row).iter().filter_map(Chunk::range)
    }

    /// The bytes of a row, none of which was written.
    pub(in super::super) fn empty_row(&self, row: u64) -> Vec<u8> {
        let numbers = self.numbers_of(row);
        let count = usize::try_from(numbers.end - numbers.start).unwrap_or_default();
        self.fill.repeat(count)
    }

    /// Puts the numbers of a chunk, of which `packed` are the bytes, in their places in a row.
    pub(in super::super) fn put(
        &self,
        row: u64,
        place: usize,
        packed: Vec<u8>,
        to: &mut [u8],
    ) -> Result<(), InputError> {
        let Some(chunk) = self.chunks_of(row).get(place) else {
            return Ok(());
        };
        let wrong = |what: &str| broken(&format!("a chunk that {what}"), chunk.address);
        let bytes = unpack(packed, &self.filters, chunk.mask, self.chunk_bytes(), &wrong)?;
        let length = |length: u64| usize::try_from(length).unwrap_or_default();
        let Row { outer, indices } = self.row(row);
        // Along each dimension: the first index in the chunk and in the row, how many indices
        // are taken, and how many the row has.
        let mut spans = vec![Span::default(); self.shape.len()];
        for (at, span) in spans.iter_mut().enumerate().take(self.dimension) {
            let from = length(outer[at] % self.chunk[at]);
            *span = Span { from, to: 0, count: 1, side: 1 };
        }
        let count = length(indices.end - indices.start);
        let from = length(indices.start % self.chunk[self.dimension]);
        spans[self.dimension] = Span { from, to: 0, count, side: count };
        let mut rest = place;
        for at in (self.dimension + 1..self.shape.len()).rev() {
            let (sides, side) = (length(self.sides[at]).max(1), length(self.shape[at]));
            let to = rest % sides * length(self.chunk[at]);
            rest /= sides;
            let count = length(self.chunk[at]).min(side - to);
            spans[at] = Span { from: 0, to, count, side };
        }
        // Runs along the last dimension.
        let last = self.shape.len() - 1;
        let run = spans[last].count * self.size;
        let mut index = vec![0; self.shape.len()];
        loop {
            let (mut from, mut target) = (0, 0);
            for (at, span) in spans.iter().enumerate() {
                from = from * length(self.chunk[at]) + span.from + index[at];
                target = target * span.side + span.to + index[at];
            }
            let (from, target) = (from * self.size, target * self.size);
            to[target..target + run].copy_from_slice(&bytes[from..from + run]);
            // The next index along all dimensions but the last.
            let mut at = last;
            loop {
                if at == 0 {
                    return Ok(());
                }
                at -= 1;
                index[at] += 1;
                if index[at] < spans[at].count {
                    break;
                }
                index[at] = 0;
            }
        }
    }
}

/// What of a chunk lies in a row, along a dimension.
#[derive(Clone, Copy, Default)]
struct Span {
    from: usize,
    to: usize,
    count: usize,
    side: usize,
}

#[cfg(test)]
mod tests;
