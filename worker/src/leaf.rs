//! Sums input objects, a few at a time, segment by segment.

mod columns;
mod opening;

use std::collections::BTreeSet;
use std::time::Instant;

use futures::future::try_join_all;
use protocol::Problem;
use protocol::request::RawNumbers;
use protocol::task::{Failure, InputObject, Outcome};
use summation::{Block, Format, ObjectEnd, PartialSum, Trailer};

use self::columns::Ends;
use crate::attempt::{Context, Interruption};
use crate::failure;
use crate::segments::Segments;
use crate::source::{Source, SourceError, add_available};

/// What a leaf task sums.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a> {
    /// In the order of the job's list.
    pub(crate) objects: &'a [InputObject],
    /// Set if the objects are bare numbers of this type.
    pub(crate) raw: Option<RawNumbers>,
    /// The order of the arrays of the job, if it has been found out.
    pub(crate) fortran_order: Option<bool>,
}

/// A leaf task under way.
struct Leaf<'a> {
    context: &'a Context,
    objects: &'a [InputObject],
    raw: Option<RawNumbers>,
    fortran_order: Option<bool>,
    /// What is known of each object's format; filled as they are opened.
    formats: Vec<Option<Format>>,
    /// Where reading each object stood at the end of the last segment.
    ends: Vec<Option<ObjectEnd>>,
    /// Whether the first segment is there already.
    resumes: bool,
    /// C, once an object's header has told it.
    total: Option<u64>,
    /// Numbers added so far, of all objects together.
    added: u64,
    /// C, once an object has been read to its end.
    length: Option<u64>,
    /// The bytes that an object has up to the end of its first segment, once
    /// one has been read up to there.
    first_segment_bytes: Option<u64>,
}

/// Computes the segments that are missing.
pub(crate) async fn run(
    context: &Context,
    Inputs { objects, raw, fortran_order }: Inputs<'_>,
    segments: &mut Segments,
    found: &BTreeSet<u64>,
) -> Result<Outcome, Interruption> {
    let mut leaf = Leaf {
        context,
        objects,
        raw,
        fortran_order,
        formats: vec![None; objects.len()],
        ends: vec![None; objects.len()],
        resumes: found.contains(&context.assignment.columns.first_segment),
        total: None,
        added: 0,
        length: None,
        first_segment_bytes: None,
    };
    // The first object tells whether the columns can be sought.
    let first = leaf.open(0, 0).await?;
    if leaf.is_seekable(0) {
        leaf.sum_in_any_order(first, segments, found).await
    } else {
        leaf.sum_forward(first, segments, found).await
    }
}

impl Leaf<'_> {
    /// The columns can be sought: the segments that are missing, from the end
    /// that the assignment says.
    async fn sum_in_any_order(
        &mut self,
        first: Source,
        segments: &mut Segments,
        found: &BTreeSet<u64>,
    ) -> Result<Outcome, Interruption> {
        let total = self.total.unwrap_or_default();
        let mut open = vec![first];
        for segment in self.context.segment_order(total) {
            if found.contains(&segment) || self.context.is_met(segments, segment).await? {
                segments.reuse();
                continue;
            }
            let (bytes, _) = self.sum_segment(segment, &mut open).await?;
            segments.write(segment, bytes).await?;
            self.context.pause_if_leaving(segments).await?;
        }
        self.check_nothing_follows(&mut open, total).await?;
        Ok(self.outcome(total))
    }

    /// The objects must be read from their beginning: the segments that are
    /// missing, in order, from the last checkpoint.
    async fn sum_forward(
        &mut self,
        first: Source,
        segments: &mut Segments,
        found: &BTreeSet<u64>,
    ) -> Result<Outcome, Interruption> {
        let columns = &self.context.assignment.columns;
        let mut open = vec![first];
        let mut segment = columns.first_segment;
        while found.contains(&segment) {
            segments.reuse();
            segment += 1;
        }
        if segment > columns.first_segment {
            let trailer = self.context.read_trailer(segments, segment - 1).await?;
            if let Some(last) = trailer.ends.first().filter(|end| end.ended) {
                return Ok(self.outcome(last.checkpoint.column));
            }
            if trailer.ends.len() == self.objects.len() {
                self.ends = trailer.ends.into_iter().map(Some).collect();
            }
            open.clear();
        }
        loop {
            if columns.end_segment.is_some_and(|end| segment >= end) {
                let total = columns.total.or(self.total).unwrap_or_default();
                return Ok(self.outcome(total));
            }
            let (bytes, end) = self.sum_segment(segment, &mut open).await?;
            if end == Some(0) {
                let problem = Problem::no_numbers(&self.objects[0].location);
                return Err(failure::permanent(problem).into());
            }
            segments.write(segment, bytes).await?;
            if let Some(total) = end {
                return Ok(self.outcome(total));
            }
            self.context.pause_if_leaving(segments).await?;
            segment += 1;
        }
    }

    /// Sums one segment of all objects; gives its bytes, and C if all objects
    /// ended in it. `open` holds the open objects between calls, if they all
    /// can stay open.
    async fn sum_segment(
        &mut self,
        segment: u64,
        open: &mut Vec<Source>,
    ) -> Result<(Vec<u8>, Option<u64>), Failure> {
        let width = self.context.assignment.columns.segment_columns;
        let start = segment * width;
        let end = self.total.map_or(start + width, |total| total.min(start + width));
        let columns = usize::try_from(end - start).unwrap_or(usize::MAX);
        let statistics = &self.context.assignment.statistics;
        let mut sum = self.context.lasting.buffers.take_sum(columns, statistics);
        let mut ends = Ends::default();
        let max_open = self.context.settings.max_open_objects;
        for group in 0..self.objects.len().div_ceil(max_open) {
            let indices = group * max_open..self.objects.len().min((group + 1) * max_open);
            let mut sources = self.open_group(indices, start, open).await?;
            (sum, sources) = self.add_group(sum, sources, (start, end)).await?;
            sum.count_objects(sources.len() as u64);
            for source in &mut sources {
                self.context.settle(source, self.objects).await?;
                self.learn_length(source);
                self.ends[source.index] = Some(source.end());
            }
            let compared = sources.iter().try_for_each(|source| ends.add(source));
            if let Err(differing) = compared {
                drop(sources);
                return Err(self.differ(differing).await);
            }
            *open = sources;
        }
        let total = ends.columns();
        if let Some(total) = total {
            sum.shorten(usize::try_from(total - start).unwrap_or(usize::MAX));
        }
        Ok((self.context.encode(sum, self.trailer()).await?, total))
    }

    /// Adds up a group of open objects over the columns from `start` to `end`.
    async fn add_group(
        &mut self,
        mut sum: PartialSum,
        mut sources: Vec<Source>,
        (start, end): (u64, u64),
    ) -> Result<(PartialSum, Vec<Source>), Failure> {
        let mut block = Block::default();
        // After so much is added, others get a turn: heartbeats tell of it.
        let read_bytes_max = self.context.settings.range_bytes;
        loop {
            let began = Instant::now();
            let wanting = sources
                .iter_mut()
                .filter(|source| source.column < end && source.needs_range() && !source.is_file())
                .map(|source| self.context.fetch(source, self.objects));
            try_join_all(wanting).await?;
            let before: u64 = sources.iter().map(|source| source.column).sum();
            let added = self.context.compute("adding numbers", move || {
                let columns = (start, end);
                let outcome =
                    add_available(&mut sum, &mut sources, columns, read_bytes_max, &mut block);
                (sum, sources, block, outcome)
            });
            let outcome;
            (sum, sources, block, outcome) = added.await?;
            let read_bytes = outcome.map_err(|(index, error)| self.failure(index, error))?;
            self.context.count_read(read_bytes);
            let after: u64 = sources.iter().map(|source| source.column).sum();
            self.added += after - before;
            self.report_progress();
            self.context.be_slow(began.elapsed()).await;
            if sources.iter().all(|source| source.is_over || source.column >= end) {
                return Ok((sum, sources));
            }
        }
    }

    /// What it means that an object could not be read on.
    fn failure(&self, index: usize, error: SourceError) -> Failure {
        let object = &self.objects[index].location;
        match error {
            SourceError::Store(error) => failure::store(&format!("reading {object}"), &error),
            SourceError::Input(error) => failure::invalid_input(object, &error),
        }
    }

    /// What a later attempt needs to go on behind this segment, if the objects
    /// cannot be sought.
    fn trailer(&self) -> Trailer {
        if self.formats.iter().flatten().all(Format::is_seekable) {
            return Trailer::default();
        }
        Trailer { ends: self.ends.iter().flatten().copied().collect() }
    }

    fn report_progress(&self) {
        let columns = &self.context.assignment.columns;
        let objects = self.objects.len() as f64;
        let bytes: u64 = self.objects.iter().map(|object| object.bytes).sum();
        self.context.meter.update(|progress| {
            progress.fraction = match self.total {
                Some(total) => {
                    let reused = progress.segments_reused * columns.segment_columns;
                    let all = columns.width(total) as f64 * objects;
                    (self.added as f64 + reused as f64 * objects) / all.max(1.0)
                }
                None => progress.input_read_bytes as f64 / (bytes as f64).max(1.0),
            }
            .min(1.0);
        });
    }

    fn outcome(&self, columns: u64) -> Outcome {
        let format = self.formats[0].as_ref();
        Outcome {
            columns,
            columns_of: Some(self.objects[0].location.clone()),
            shape: format.and_then(Format::shape).map(<[u64]>::to_vec),
            format: format.map(Format::describe),
            progress: self.context.meter.progress(),
        }
    }
}
