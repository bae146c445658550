//! Sums input objects, a few at a time, segment by segment.

mod inputs;
mod lengths;
mod objects;
mod transposed;

use std::collections::BTreeSet;
use std::time::Instant;

use futures::future::try_join_all;
use protocol::Problem;
use protocol::task::{Columns, Failure, Outcome};
use summation::{Block, Format, PartialSum};

use self::inputs::{Inputs, Open};
use self::lengths::Ends;
pub(crate) use self::objects::Objects;
use self::transposed::Transposed;
use crate::failure::{self, Interruption};
use crate::segments::Segments;
use crate::source::{Source, add_available};

/// A leaf task under way.
pub(crate) struct Leaf<'a> {
    inputs: Inputs<'a>,
    columns: Columns,
    /// Numbers added so far, of all objects together.
    added: u64,
}

impl<'a> Leaf<'a> {
    /// `found` are the segments that are there already.
    pub(crate) fn new(
        objects: Objects<'a>,
        segments: &Segments<'_>,
        found: &BTreeSet<u64>,
    ) -> Leaf<'a> {
        let columns = *segments.columns();
        let resumes = found.contains(&columns.first_segment);
        let inputs = Inputs::new(objects, columns, segments.go_forward(), resumes);
        Leaf { inputs, columns, added: 0 }
    }

    /// Computes the segments that are missing.
    pub(crate) async fn run(
        mut self,
        segments: &mut Segments<'_>,
        found: &BTreeSet<u64>,
    ) -> Result<Outcome, Interruption> {
        let first = self.inputs.open_first().await?;
        if self.inputs.is_seekable(0) {
            self.sum_in_any_order(first, segments, found).await
        } else {
            self.sum_forward(first, segments, found).await
        }
    }

    /// The columns can be sought: the segments that are missing, from the end
    /// that the assignment says.
    async fn sum_in_any_order(
        &mut self,
        mut open: Open,
        segments: &mut Segments<'_>,
        found: &BTreeSet<u64>,
    ) -> Result<Outcome, Interruption> {
        let total = self.inputs.total.unwrap_or_default();
        for segment in segments.order(total) {
            if found.contains(&segment) || segments.is_there(segment).await? {
                segments.reuse();
                continue;
            }
            let (sum, _) = self.sum_segment(segments, segment, &mut open).await?;
            segments.write(segment, sum, self.inputs.trailer()).await?;
            segments.pause_if_leaving().await?;
        }
        self.inputs.check_nothing_follows(&mut open.sources, total).await?;
        Ok(self.outcome(total))
    }

    /// The objects must be read from their beginning: the segments that are
    /// missing, in order, from the last checkpoint.
    async fn sum_forward(
        &mut self,
        mut open: Open,
        segments: &mut Segments<'_>,
        found: &BTreeSet<u64>,
    ) -> Result<Outcome, Interruption> {
        // Also where the assignment says otherwise: those that can be sought
        // stay open with the others.
        self.inputs.go_forward();
        let columns = self.columns;
        let mut segment = columns.first_segment;
        while found.contains(&segment) {
            segments.reuse();
            segment += 1;
        }
        if segment > columns.first_segment {
            let trailer = segments.trailer(segment - 1).await?;
            if let Some(last) = trailer.ends.first().filter(|end| end.ended) {
                return Ok(self.outcome(last.checkpoint.column));
            }
            self.inputs.resume(trailer);
            open = Open::default();
        }
        loop {
            if columns.end_segment.is_some_and(|end| segment >= end) {
                let total = columns.total.or(self.inputs.total).unwrap_or_default();
                return Ok(self.outcome(total));
            }
            let (sum, end) = self.sum_segment(segments, segment, &mut open).await?;
            if end == Some(0) {
                let problem = Problem::no_numbers(self.inputs.objects.location(0));
                return Err(failure::permanent(problem).into());
            }
            segments.write(segment, sum, self.inputs.trailer()).await?;
            if let Some(total) = end {
                return Ok(self.outcome(total));
            }
            segments.pause_if_leaving().await?;
            segment += 1;
        }
    }

    /// Sums one segment of all objects; also gives C if all objects ended in it.
    /// `open` holds the open objects between calls, if they all can stay open.
    async fn sum_segment(
        &mut self,
        segments: &Segments<'_>,
        segment: u64,
        open: &mut Open,
    ) -> Result<(PartialSum, Option<u64>), Failure> {
        let width = self.columns.segment_columns;
        let start = segment * width;
        let end = self.inputs.total.map_or(start + width, |total| total.min(start + width));
        let mut sum = segments.sum(place(end - start));
        let mut gathered = None;
        let mut ends = Ends::default();
        let objects = self.inputs.objects.len();
        let max_open = self.inputs.objects.settings.max_open_objects;
        for first in (0..objects).step_by(max_open) {
            let indices = first..objects.min(first + max_open);
            let mut group = self.inputs.open_group(indices, start, open).await?;
            let members = group.len() as u64;
            (sum, group.sources) =
                self.add_group(sum, group.sources, (start, end), segments).await?;
            for source in &mut group.sources {
                self.inputs.objects.settle(source).await?;
                self.inputs.learn_end(source);
            }
            let mut compared = group
                .sources
                .iter()
                .try_for_each(|source| ends.add(source.index, source.column, source.is_over));
            for transposed in std::mem::take(&mut group.transposed) {
                let memory = gathered.take().unwrap_or_else(|| {
                    // It takes the place of the encoding, which comes later.
                    segments.spare.free_encodings();
                    Block::default()
                });
                let index = transposed.index;
                let end = self.inputs.total.map_or(end, |total| total.min(end));
                let numbers;
                (sum, numbers) =
                    self.add_transposed(sum, transposed, (start, end), memory, segments).await?;
                gathered = Some(numbers);
                let is_over = self.inputs.total.is_some_and(|total| end >= total);
                self.inputs.learn_gathered(index, end, is_over);
                compared = compared.and_then(|()| ends.add(index, end, is_over));
            }
            if let Err(differing) = compared {
                drop(group);
                return Err(self.inputs.differ(differing).await);
            }
            sum.count_objects(members);
            *open = group;
        }
        let total = ends.columns();
        if let Some(total) = total {
            sum.shorten(place(total - start));
        }
        Ok((sum, total))
    }

    /// Adds up a group of open objects over the columns from `start` to `end`.
    async fn add_group(
        &mut self,
        mut sum: PartialSum,
        mut sources: Vec<Source>,
        (start, end): (u64, u64),
        segments: &Segments<'_>,
    ) -> Result<(PartialSum, Vec<Source>), Failure> {
        let objects = self.inputs.objects;
        let mut block = Block::default();
        // After so much is added, others get a turn: heartbeats tell of it.
        let read_bytes_max = objects.settings.range_bytes;
        while sources.iter().any(|source| !source.is_over && source.column < end) {
            let began = Instant::now();
            let wanting = sources.iter_mut().filter(|source| source.column < end);
            let wanting = wanting.filter(|source| source.needs_range());
            let objects = &objects;
            let wanting = wanting.map(|source| async move {
                let ready = source.ready().await;
                ready.map_err(|error| objects.unreadable(source.index, &error))
            });
            try_join_all(wanting).await?;
            let before: u64 = sources.iter().map(|source| source.column).sum();
            let add = move || {
                let columns = (start, end);
                let outcome =
                    add_available(&mut sum, &mut sources, columns, read_bytes_max, &mut block);
                (sum, sources, block, outcome)
            };
            let outcome;
            (sum, sources, block, outcome) = objects.thread.run("adding numbers", add).await?;
            let read_bytes = outcome.map_err(|(index, error)| objects.failure(index, &error))?;
            objects.count_read(read_bytes);
            let after: u64 = sources.iter().map(|source| source.column).sum();
            self.count_added(after - before, segments);
            objects.settings.faults.slow_down(began.elapsed()).await;
        }
        Ok((sum, sources))
    }

    /// Adds an object that is stored in another order over the columns from
    /// `start` to `end`. `memory` is used to gather its numbers in.
    async fn add_transposed(
        &mut self,
        mut sum: PartialSum,
        transposed: Transposed,
        (start, end): (u64, u64),
        memory: Block,
        segments: &Segments<'_>,
    ) -> Result<(PartialSum, Block), Failure> {
        let objects = self.inputs.objects;
        let began = Instant::now();
        let numbers = transposed.gather(&objects, start..end, memory).await?;
        let add = move || {
            sum.add(0, &numbers);
            (sum, numbers)
        };
        let added = objects.thread.run("adding numbers", add).await?;
        self.count_added(end - start, segments);
        objects.settings.faults.slow_down(began.elapsed()).await;
        Ok(added)
    }

    /// Counts numbers that were added.
    fn count_added(&mut self, numbers: u64, segments: &Segments<'_>) {
        self.added += numbers;
        let objects = self.inputs.objects.len() as f64;
        let bytes: u64 = self.inputs.objects.objects.iter().map(|object| object.bytes).sum();
        segments.meter.update(|progress| {
            progress.fraction = match self.inputs.total {
                Some(total) => {
                    let reused = progress.segments_reused * self.columns.segment_columns;
                    let all = self.columns.width(total) as f64 * objects;
                    (self.added as f64 + reused as f64 * objects) / all.max(1.0)
                }
                None => progress.input_read_bytes as f64 / (bytes as f64).max(1.0),
            }
            .min(1.0);
        });
    }

    fn outcome(&self, columns: u64) -> Outcome {
        let format = self.inputs.format(0);
        Outcome {
            columns,
            columns_of: Some(self.inputs.objects.location(0).to_owned()),
            shape: format.and_then(Format::shape).map(<[u64]>::to_vec),
            format: format.map(Format::describe),
            ..Outcome::default()
        }
    }
}

/// A count of columns, as memory counts them.
fn place(columns: u64) -> usize {
    usize::try_from(columns).unwrap_or(usize::MAX)
}
