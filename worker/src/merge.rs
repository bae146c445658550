//! Adds partial sums, segment by segment, a few children at a time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use futures::future::try_join_all;
use platform::store::ObjectReader;
use protocol::Problem;
use protocol::problem::ProblemKind;
use protocol::task::{Failure, Outcome, segment_key};
use summation::{PartialSum, PartialSumReader, Trailer};

use crate::attempt::{Context, Interruption};
use crate::buffers::Buffers;
use crate::failure;
use crate::meter::Meter;
use crate::ranges::FILE_RANGE_BYTES;
use crate::segments::Segments;

/// Computes the segments that are missing.
pub(crate) async fn run(
    context: &Context,
    children: &[String],
    segments: &mut Segments,
    found: &BTreeSet<u64>,
) -> Result<Outcome, Interruption> {
    let Some(total) = context.assignment.columns.total else {
        return Err(columns_unknown().into());
    };
    let order = context.segment_order(total);
    for (done, &segment) in order.iter().enumerate() {
        if found.contains(&segment) || context.is_met(segments, segment).await? {
            segments.reuse();
        } else {
            let bytes = merge_segment(context, children, segment, total).await?;
            segments.write(segment, bytes).await?;
            context.pause_if_leaving(segments).await?;
        }
        context.meter.update(|progress| {
            progress.fraction = (done + 1) as f64 / order.len() as f64;
        });
    }
    Ok(Outcome { columns: total, ..Outcome::default() })
}

/// Adds one segment of all children.
async fn merge_segment(
    context: &Context,
    children: &[String],
    segment: u64,
    total: u64,
) -> Result<Vec<u8>, Failure> {
    let width = context.assignment.columns.segment_columns;
    let start = segment * width;
    let columns = usize::try_from(total.min(start + width) - start).unwrap_or(usize::MAX);
    let statistics = &context.assignment.statistics;
    let mut sum = context.lasting.buffers.take_sum(columns, statistics);
    for group in children.chunks(context.settings.max_open_objects) {
        let began = Instant::now();
        let mut parts: Vec<Part> =
            group.iter().map(|child| Part::new(context, segment_key(child, segment))).collect();
        while parts.iter().any(|part| !part.is_over) {
            try_join_all(parts.iter_mut().map(|part| part.fetch(context))).await?;
            let added = context.compute("adding partial sums", move || {
                let outcome = parts.iter_mut().try_for_each(|part| part.add(&mut sum));
                (sum, parts, outcome)
            });
            let outcome;
            (sum, parts, outcome) = added.await?;
            outcome?;
        }
        context.be_slow(began.elapsed()).await;
    }
    context.encode(sum, Trailer::default()).await
}

/// One child's segment, somewhere in the middle.
struct Part {
    key: String,
    /// Set if the segment is a file, which is read where it is added.
    file: Option<Box<dyn ObjectReader>>,
    offset: u64,
    /// Holds the present range at its beginning.
    buffer: Vec<u8>,
    range_bytes: usize,
    buffers: Arc<Buffers>,
    meter: Arc<Meter>,
    reader: PartialSumReader,
    /// Whether its last range has been read.
    is_over: bool,
    /// Whether its last range has been added.
    is_added: bool,
}

impl Drop for Part {
    fn drop(&mut self) {
        self.buffers.give(std::mem::take(&mut self.buffer));
    }
}

impl Part {
    fn new(context: &Context, key: String) -> Part {
        Part {
            file: context.store.reader(&key),
            key,
            offset: 0,
            buffer: context.lasting.buffers.take(),
            range_bytes: 0,
            buffers: context.lasting.buffers.clone(),
            meter: context.meter.clone(),
            reader: PartialSumReader::new(),
            is_over: false,
            is_added: false,
        }
    }

    /// Reads the next range, unless it is a file.
    async fn fetch(&mut self, context: &Context) -> Result<(), Failure> {
        if self.is_over || self.file.is_some() {
            return Ok(());
        }
        let length = context.settings.range_bytes;
        let buffer = std::mem::take(&mut self.buffer);
        self.buffer = context
            .store
            .read(&self.key, self.offset, length, buffer)
            .await
            .map_err(|error| failure::store("reading a partial sum", &error))?;
        self.count(self.buffer.len(), length);
        Ok(())
    }

    /// Reads the next range of a file.
    fn read(&mut self, file: &mut dyn ObjectReader) -> Result<(), Failure> {
        if self.buffer.len() < FILE_RANGE_BYTES {
            self.buffer.resize(FILE_RANGE_BYTES, 0);
        }
        let range = &mut self.buffer[..FILE_RANGE_BYTES];
        let filled = file
            .read_at(self.offset, range)
            .map_err(|error| failure::store("reading a partial sum", &error))?;
        self.count(filled, FILE_RANGE_BYTES);
        Ok(())
    }

    /// Counts a range of so many bytes, of so many asked for.
    fn count(&mut self, bytes: usize, asked: usize) {
        self.range_bytes = bytes;
        self.offset += bytes as u64;
        self.is_over = bytes < asked;
        self.meter.update(|progress| progress.partial_read_bytes += bytes as u64);
    }

    /// Adds what has been read, or all of a file.
    fn add(&mut self, sum: &mut PartialSum) -> Result<(), Failure> {
        if let Some(mut file) = self.file.take() {
            while !self.is_over {
                self.read(&mut *file)?;
                self.push(sum)?;
            }
        } else if !self.is_added {
            self.push(sum)?;
        }
        self.is_added = self.is_over;
        Ok(())
    }

    fn push(&mut self, sum: &mut PartialSum) -> Result<(), Failure> {
        self.reader
            .push(&self.buffer[..self.range_bytes], self.is_over, sum)
            .map_err(|error| failure::corrupt(&self.key, &error))
    }
}

fn columns_unknown() -> Failure {
    let problem =
        Problem::new(ProblemKind::Internal, "a merge task came without the count of columns");
    Failure { problem, retryable: false }
}
