//! Opens the objects of a leaf task, each at the column that is wanted.

use futures::future::try_join_all;
use protocol::Problem;
use protocol::problem::ProblemKind;
use protocol::task::Failure;
use summation::{Block, Format, HEAD_BYTES};

use super::Leaf;
use crate::failure;
use crate::ranges::Ranges;
use crate::source::{Opened, Source};

impl Leaf<'_> {
    /// The sources of a group, each at column `start`: those of `open` if they
    /// are just that, and opened anew if not.
    pub(super) async fn open_group(
        &mut self,
        indices: std::ops::Range<usize>,
        start: u64,
        open: &mut Vec<Source>,
    ) -> Result<Vec<Source>, Failure> {
        let mut sources = std::mem::take(open);
        sources.retain(|source| indices.contains(&source.index) && source.column == start);
        let missing: Vec<usize> = indices
            .clone()
            .filter(|index| sources.iter().all(|source| source.index != *index))
            .collect();
        let mut opened = Vec::with_capacity(missing.len());
        {
            let leaf = &*self;
            opened.extend(
                try_join_all(missing.iter().map(|&index| leaf.open_source(index, start))).await?,
            );
        }
        for (source, format) in opened {
            self.learn(source.index, format)?;
            sources.push(source);
        }
        sources.sort_unstable_by_key(|source| source.index);
        sources.iter_mut().for_each(Source::ask_ahead);
        let count = u32::try_from(sources.len()).unwrap_or(u32::MAX);
        self.context.meter.update(|progress| {
            progress.open_objects_max = progress.open_objects_max.max(count);
        });
        Ok(sources)
    }

    /// Opens one object and remembers its format.
    pub(super) async fn open(&mut self, index: usize, start: u64) -> Result<Source, Failure> {
        let (source, format) = self.open_source(index, start).await?;
        self.learn(index, format)?;
        Ok(source)
    }

    /// Remembers an object's format, and fails if its length is not the others'.
    fn learn(&mut self, index: usize, format: Format) -> Result<(), Failure> {
        let columns = format.columns(self.objects[index].bytes);
        if format.shape().is_some_and(|shape| shape.len() > 1) {
            let order = format.fortran_order();
            if *self.fortran_order.get_or_insert(order) != order {
                return Err(self.orders_differ(index));
            }
        }
        self.formats[index] = Some(format);
        let Some(columns) = columns else {
            return Ok(());
        };
        if columns == 0 {
            return Err(failure::permanent(Problem::no_numbers(&self.objects[index].location)));
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

    /// Opens one object at a column: sought where the format allows it, from
    /// its checkpoint where there is one, and else read up to there.
    async fn open_source(&self, index: usize, start: u64) -> Result<(Source, Format), Failure> {
        let object = &self.objects[index];
        let (store, _, key) = self
            .context
            .inputs
            .resolve(&object.location)
            .map_err(|error| failure::store(&format!("opening {}", object.location), &error))?;
        let place = (store.clone(), key.to_owned());
        let buffers = self.context.lasting.buffers.clone();
        let range_bytes = self.context.settings.range_bytes;
        let owns_thread = self.context.owns_thread;
        let mut ranges =
            Ranges::new(place, object.bytes, range_bytes, buffers.clone(), owns_thread);
        let job = self.context.assignment.attempt.job;
        let known = self.formats[index].clone();
        let known = known.or_else(|| self.context.lasting.formats.get(job, &object.location));
        let (format, head) = match known {
            Some(format) => (format, Vec::new()),
            None => {
                let head = ranges.take(self.first_read(index)).await.map_err(|error| {
                    failure::store(&format!("reading {}", object.location), &error)
                })?;
                self.context.count_read(head.len());
                let beginning = &head[..head.len().min(HEAD_BYTES)];
                let format = Format::detect(beginning, object.bytes, self.raw)
                    .map_err(|error| failure::invalid_input(&object.location, &error))?;
                self.context.lasting.formats.remember(job, &object.location, &format);
                (format, head)
            }
        };
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
            object_bytes: object.bytes,
            until: self.closed_at(&format, start),
            decoder: format.decoder_at(object.bytes, from),
            buffers,
        });
        let mut block = Block::default();
        while source.column < start && !source.is_over {
            if source.needs_range() {
                self.context.fetch(&mut source, self.objects).await?;
            }
            source
                .skip(start, &mut block)
                .map_err(|error| failure::invalid_input(&object.location, &error))?;
        }
        Ok((source, format))
    }

    /// How much of an object to read to find out its format. Where the object
    /// is gone on with at once that is a whole range, or what its first segment
    /// is likely to take; where it may not be, no more than is needed, as each
    /// byte is to be read once.
    fn first_read(&self, index: usize) -> usize {
        let columns = &self.context.assignment.columns;
        let begins = columns.first_segment == 0 && self.context.goes_forward() && !self.resumes;
        if begins && (self.stay_open() || self.length.is_some()) {
            return self.context.settings.range_bytes;
        }
        // A number takes a byte at least.
        let segment = self.first_segment_bytes.unwrap_or(columns.segment_columns);
        let wanted = if begins { usize::try_from(segment).unwrap_or(usize::MAX) } else { 0 };
        let bytes = usize::try_from(self.objects[index].bytes).unwrap_or(usize::MAX);
        wanted.max(HEAD_BYTES).min(bytes)
    }

    /// Whether all objects can stay open from one segment to the next.
    fn stay_open(&self) -> bool {
        self.objects.len() <= self.context.settings.max_open_objects
    }

    /// The column that an object is closed at again, if the byte of it is not
    /// known and is not the object's last.
    fn closed_at(&self, format: &Format, start: u64) -> Option<u64> {
        let width = self.context.assignment.columns.segment_columns;
        let end = start - start % width + width;
        let goes_on = !self.stay_open() && self.length.is_none_or(|length| length > end);
        (*format == Format::Text && goes_on).then_some(end)
    }

    /// Learns from an object that was read to the end of its first segment, or
    /// to its own, how much there is to be read of the others.
    pub(super) fn learn_length(&mut self, source: &Source) {
        if source.is_over {
            self.length.get_or_insert(source.column);
        }
        if source.column == self.context.assignment.columns.segment_columns {
            self.first_segment_bytes.get_or_insert(source.end().checkpoint.byte);
        }
    }

    /// Up to which byte an object is read before it is opened anew.
    fn last_byte(&self, index: usize, format: &Format, start: u64) -> u64 {
        let bytes = self.objects[index].bytes;
        let columns = &self.context.assignment.columns;
        let stays_open = self.stay_open() && self.context.goes_forward();
        let total = self.total.or(format.columns(bytes));
        let Some(total) = total.filter(|_| format.is_seekable()) else {
            return bytes;
        };
        let segment_end = start - start % columns.segment_columns + columns.segment_columns;
        let end = if stays_open { columns.end(total) } else { segment_end.min(total) };
        if end >= total { bytes } else { format.offset_of(end).unwrap_or(bytes) }
    }

    /// An array whose numbers stand in another order than the others'.
    fn orders_differ(&self, index: usize) -> Failure {
        let object = &self.objects[index].location;
        let problem = Problem::new(
            ProblemKind::InvalidInput,
            format!("{object} is stored in another order (C or Fortran) than the others"),
        )
        .object(object.as_str())
        .remedy("store all arrays in one order: numpy.ascontiguousarray, then numpy.save");
        failure::permanent(problem)
    }

    pub(super) fn is_seekable(&self, index: usize) -> bool {
        self.formats[index].as_ref().is_some_and(Format::is_seekable)
    }

    pub(super) fn columns_by_header(&self, index: usize) -> Option<u64> {
        self.formats[index].as_ref()?.columns(self.objects[index].bytes)
    }
}
