//! Opens the objects of a leaf task at a given column, and keeps what reading them
//! has shown: their formats, their lengths, and where each was left.

use std::ops::Range;

use futures::future::try_join_all;
use protocol::Problem;
use protocol::task::{Columns, Failure};
use summation::{Access, Block, Checkpoint, Format, ObjectEnd, Trailer};

use super::lengths::Differing;
use super::objects::Objects;
use super::transposed::Transposed;
use crate::failure;
use crate::source::{Opened, Source, SourceError, count_to_end};

/// The objects of a leaf task, and what is known of them.
pub(super) struct Inputs<'a> {
    pub(super) objects: Objects<'a>,
    columns: Columns,
    /// Whether the attempt starts at column 0, so that the bytes read for detecting
    /// a format are also the first to be summed.
    begins_at_first: bool,
    goes_forward: bool,
    /// The format of each object that has been opened.
    formats: Vec<Option<Format>>,
    /// The position of each object at the end of the last segment.
    ends: Vec<Option<ObjectEnd>>,
    /// The number of columns, once an object's header has given it.
    pub(super) total: Option<u64>,
    /// The number of columns, once an object has been read to its end.
    length: Option<u64>,
    /// The size in bytes of an object's first segment, once one has been read.
    first_segment_bytes: Option<u64>,
}

/// The objects that are open at the same time.
#[derive(Default)]
pub(super) struct Open {
    /// Objects whose numbers are stored in the order of the columns.
    pub(super) sources: Vec<Source>,
    /// Objects whose numbers are stored in the other order.
    pub(super) transposed: Vec<Transposed>,
}

/// An open object of either kind.
enum OpenObject {
    Source(Source),
    Transposed(Transposed),
}

impl Open {
    pub(super) fn len(&self) -> usize {
        self.sources.len() + self.transposed.len()
    }

    fn push(&mut self, object: OpenObject) {
        match object {
            OpenObject::Source(source) => self.sources.push(source),
            OpenObject::Transposed(transposed) => self.transposed.push(transposed),
        }
    }
}

impl<'a> Inputs<'a> {
    /// Inputs of which nothing has been read. `goes_forward` is set if segments are
    /// computed in ascending order, `resumes` if the first one exists already.
    pub(super) fn new(
        objects: Objects<'a>,
        columns: Columns,
        goes_forward: bool,
        resumes: bool,
    ) -> Inputs<'a> {
        Inputs {
            objects,
            columns,
            begins_at_first: columns.first_segment == 0 && goes_forward && !resumes,
            goes_forward,
            formats: vec![None; objects.len()],
            ends: vec![None; objects.len()],
            total: None,
            length: None,
            first_segment_bytes: None,
        }
    }

    /// Opens a group of objects at column `start`. Objects of `open` that are at that
    /// column are used as they are; the others are opened again.
    pub(super) async fn open_group(
        &mut self,
        indices: Range<usize>,
        start: u64,
        open: &mut Open,
    ) -> Result<Open, Failure> {
        let mut group = std::mem::take(open);
        group.sources.retain(|source| indices.contains(&source.index) && source.column == start);
        group.transposed.retain(|transposed| indices.contains(&transposed.index));
        let mut opened = vec![false; indices.len()];
        for source in &group.sources {
            opened[source.index - indices.start] = true;
        }
        for transposed in &group.transposed {
            opened[transposed.index - indices.start] = true;
        }
        let missing = indices.clone().filter(|index| !opened[index - indices.start]);
        let this = &*self;
        let objects = try_join_all(missing.map(|index| this.open_one(index, start))).await?;
        for (index, object, format) in objects {
            self.record_format(index, format)?;
            group.push(object);
        }
        group.sources.sort_unstable_by_key(|source| source.index);
        group.sources.iter_mut().for_each(Source::ask_ahead);
        let count = u32::try_from(group.len()).unwrap_or(u32::MAX);
        self.objects.meter.update(|progress| {
            progress.open_objects_max = progress.open_objects_max.max(count);
        });
        Ok(group)
    }

    /// Opens the first object; its format decides in which order segments can be
    /// computed.
    pub(super) async fn open_first(&mut self) -> Result<Open, Failure> {
        let (index, object, format) = self.open_one(0, 0).await?;
        self.record_format(index, format)?;
        let mut open = Open::default();
        open.push(object);
        Ok(open)
    }

    /// Computes segments in ascending order from now on, whatever the assignment says.
    pub(super) fn go_forward(&mut self) {
        self.goes_forward = true;
    }

    /// Records an object's format.
    ///
    /// # Errors
    ///
    /// If its length differs from that of the others, or is zero.
    fn record_format(&mut self, index: usize, format: Format) -> Result<(), Failure> {
        let columns = format.columns(self.objects.bytes(index));
        self.formats[index] = Some(format);
        let Some(columns) = columns else {
            return Ok(());
        };
        if columns == 0 {
            let problem = Problem::no_numbers(self.objects.location(index));
            return Err(failure::permanent(problem));
        }
        match self.total {
            Some(total) if total != columns => {
                let other = (0..index).find(|&other| self.columns_by_header(other) == Some(total));
                Err(self.lengths_differ((other.unwrap_or_default(), total), (index, columns)))
            }
            _ => {
                self.total = Some(columns);
                Ok(())
            }
        }
    }

    /// Opens one object at a column: by seeking if the format allows it, from its
    /// checkpoint if there is one, and otherwise by reading up to that column.
    async fn open_one(
        &self,
        index: usize,
        start: u64,
    ) -> Result<(usize, OpenObject, Format), Failure> {
        let objects = &self.objects;
        let object_bytes = objects.bytes(index);
        let mut ranges = objects.open(index)?;
        let (format, head) = match self.formats[index].clone() {
            Some(format) => (format, Vec::new()),
            None => objects.detect(index, &mut *ranges, self.first_read(index)).await?,
        };
        if let Some(transposition) = format.transposition(objects.order) {
            let object = (index, ranges);
            let transposed =
                Transposed::new(object, format.clone(), transposition, object_bytes, head);
            return Ok((index, OpenObject::Transposed(transposed), format));
        }
        let from = match self.ends[index] {
            Some(end) if end.checkpoint.column == start => Some(end.checkpoint),
            _ => format.checkpoint_of(start),
        };
        let from = from.unwrap_or_default();
        let mut source = Source::open(Opened {
            index,
            ranges,
            head,
            begin: format.resume_byte(&from),
            end: self.last_byte(index, &format, from.column),
            extents: self.extents(index, &format, from.column),
            last_byte: format.end_byte(object_bytes),
            until: self.closed_at(&format, start),
            decoder: format.decoder_at(object_bytes, from),
            refuses_missing: objects.refuse_missing(),
            weight: objects.weight(index),
            buffers: objects.buffers.clone(),
        });
        let mut block = Block::default();
        while source.column < start && !source.is_over {
            if source.needs_range() {
                objects.fetch(&mut source).await?;
            }
            source
                .skip(start, &mut block)
                .map_err(|error| objects.failure(index, &SourceError::Input(error)))?;
        }
        Ok((index, OpenObject::Source(source), format))
    }

    /// The number of bytes to read for detecting an object's format. If the object is
    /// summed from its start right away, this is a whole range, or what its first
    /// segment is likely to take; otherwise only what detection needs, so that no byte
    /// is read twice.
    fn first_read(&self, index: usize) -> usize {
        if self.begins_at_first && (self.can_stay_open() || self.length.is_some()) {
            let bytes = self.objects.bytes(index).min(self.binary_bytes_max());
            return bounded(bytes).min(self.objects.settings.range_bytes);
        }
        // A number takes at least one byte.
        let segment = self.first_segment_bytes.unwrap_or(self.columns.segment_columns);
        let wanted = if self.begins_at_first { bounded(segment) } else { 0 };
        wanted.max(summation::HEAD_BYTES).min(bounded(self.objects.bytes(index)))
    }

    /// The size of an object up to the task's last column if its numbers are binary: at
    /// most eight bytes each, behind a header. Reading more would take columns of other
    /// tasks along.
    fn binary_bytes_max(&self) -> u64 {
        let columns = self.columns.end_segment.map(|end| end * self.columns.segment_columns);
        columns.map_or(u64::MAX, |columns| 8 * columns + summation::HEAD_BYTES as u64)
    }

    /// Whether few enough objects are summed to keep all of them open between segments.
    fn can_stay_open(&self) -> bool {
        self.objects.len() <= self.objects.settings.max_open_objects
    }

    /// The column at which an object will be closed again, if its byte is not known in
    /// advance and the object goes on behind it.
    fn closed_at(&self, format: &Format, start: u64) -> Option<u64> {
        let width = self.columns.segment_columns;
        let end = start - start % width + width;
        let goes_on = !self.can_stay_open() && self.length.is_none_or(|length| length > end);
        (format.access() == Access::Checkpoint && goes_on).then_some(end)
    }

    /// The end of the bytes to read of an object before it is closed.
    fn last_byte(&self, index: usize, format: &Format, start: u64) -> u64 {
        let last = format.end_byte(self.objects.bytes(index));
        match self.last_column(index, format, start) {
            Some((end, total)) if end < total => format.offset_of(end).unwrap_or(last),
            _ => last,
        }
    }

    /// The bytes to read of an object before it is closed, if its columns do not simply
    /// follow one another.
    fn extents(&self, index: usize, format: &Format, start: u64) -> Option<Vec<Range<u64>>> {
        let (end, _) = self.last_column(index, format, start)?;
        format.extents(&(start..end))
    }

    /// The column up to which an object is read before it is closed, and the number of its
    /// columns, if it is seekable.
    fn last_column(&self, index: usize, format: &Format, start: u64) -> Option<(u64, u64)> {
        let stays_open = self.can_stay_open() && self.goes_forward;
        let total = self.total.or(format.columns(self.objects.bytes(index)));
        let total = total.filter(|_| format.is_seekable())?;
        let width = self.columns.segment_columns;
        let segment_end = start - start % width + width;
        let end = if stays_open { self.columns.end(total) } else { segment_end.min(total) };
        Some((end, total))
    }

    /// Records the position of an object at the end of a segment, its length if it has
    /// ended, and the size of its first segment.
    pub(super) fn record_end(&mut self, source: &Source) {
        let end = source.end();
        if source.is_over {
            self.length.get_or_insert(source.column);
        }
        if source.column == self.columns.segment_columns {
            self.first_segment_bytes.get_or_insert(end.checkpoint.byte);
        }
        self.ends[source.index] = Some(end);
    }

    /// Records the column up to which an object in the other order has been read.
    pub(super) fn record_gathered(&mut self, index: usize, column: u64, ended: bool) {
        let checkpoint = Checkpoint { column, ..Checkpoint::default() };
        self.ends[index] = Some(ObjectEnd { checkpoint, ended });
    }

    /// Continues from the positions that a finished segment has recorded.
    pub(super) fn resume(&mut self, trailer: Trailer) {
        if trailer.ends.len() == self.objects.len() {
            self.ends = trailer.ends.into_iter().map(Some).collect();
        }
    }

    /// The positions that a later attempt needs to continue behind this segment; empty
    /// if all objects are seekable.
    pub(super) fn trailer(&self) -> Trailer {
        if self.formats.iter().flatten().all(Format::is_seekable) {
            return Trailer::default();
        }
        Trailer { ends: self.ends.iter().flatten().copied().collect() }
    }

    /// Checks that no object whose format does not tell its length has more numbers
    /// than the others' headers say.
    ///
    /// # Errors
    ///
    /// If one has.
    pub(super) async fn check_nothing_follows(
        &self,
        open: &mut [Source],
        total: u64,
    ) -> Result<(), Failure> {
        for source in open {
            if source.column == total && !self.is_seekable(source.index) {
                let length = self.length(source).await?;
                if length != total {
                    return Err(self.lengths_differ((0, total), (source.index, length)));
                }
            }
        }
        Ok(())
    }

    /// The failure of two objects of different lengths. The other objects must be
    /// closed, because one of the two may have to be read to its end.
    pub(super) async fn length_failure(&self, Differing { one, other }: Differing) -> Failure {
        let length = match other {
            (_, Some(length)) => Ok(length),
            (index, None) => self.length_of(index).await,
        };
        match length {
            Ok(length) => self.lengths_differ(one, (other.0, length)),
            Err(failure) => failure,
        }
    }

    pub(super) fn format(&self, index: usize) -> Option<&Format> {
        self.formats[index].as_ref()
    }

    pub(super) fn is_seekable(&self, index: usize) -> bool {
        self.format(index).is_some_and(Format::is_seekable)
    }

    fn columns_by_header(&self, index: usize) -> Option<u64> {
        self.format(index)?.columns(self.objects.bytes(index))
    }

    /// The number of values in a closed object.
    async fn length_of(&self, index: usize) -> Result<u64, Failure> {
        if let Some(columns) = self.columns_by_header(index) {
            return Ok(columns);
        }
        match self.open_one(index, 0).await? {
            (_, OpenObject::Source(mut source), _) => self.length(&mut source).await,
            (_, OpenObject::Transposed(_), format) => {
                Ok(format.columns(self.objects.bytes(index)).unwrap_or_default())
            }
        }
    }

    /// The number of values in an open object.
    async fn length(&self, source: &mut Source) -> Result<u64, Failure> {
        if let Some(columns) = self.columns_by_header(source.index) {
            return Ok(columns);
        }
        let index = source.index;
        count_to_end(source, &mut Block::default())
            .await
            .map_err(|error| self.objects.failure(index, &error))
    }

    fn lengths_differ(&self, one: (usize, u64), other: (usize, u64)) -> Failure {
        let named = |(index, columns)| (self.objects.location(index), columns);
        failure::permanent(Problem::lengths_differ(named(one), named(other)))
    }
}

/// A number of bytes as a length in memory.
fn bounded(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
