//! Sums input objects, a few at a time, segment by segment.

mod inputs;
mod keys;
mod lengths;
mod objects;
mod transposed;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use protocol::Problem;
use protocol::task::{Columns, Failure, Outcome};
use summation::{Block, ExpectedKeys, Format, PartialSum, Trailer, check_none_missing};

use self::inputs::{Inputs, Open};
pub(crate) use self::keys::StoredKeys;
use self::lengths::Ends;
pub(crate) use self::objects::Objects;
use self::transposed::Transposed;
use crate::failure::{self, Interruption};
use crate::meter::Spent;
use crate::segments::Segments;
use crate::source::{Source, SourceError, add_available};

/// A running leaf task.
pub(crate) struct Leaf<'a> {
    inputs: Inputs<'a>,
    columns: Columns,
    /// The count of numbers added so far, over all objects.
    added: u64,
}

impl<'a> Leaf<'a> {
    /// A task whose segments `found` exist already.
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

    /// Computes the missing segments.
    pub(crate) async fn run(
        mut self,
        segments: &mut Segments<'_>,
        found: &BTreeSet<u64>,
    ) -> Result<Outcome, Interruption> {
        let began = Instant::now();
        let first = self.inputs.open_first().await?;
        self.spend_reading(began.elapsed());
        if self.inputs.is_seekable(0) {
            self.sum_in_any_order(first, segments, found).await
        } else {
            self.sum_forward(first, segments, found).await
        }
    }

    /// Computes the missing segments of seekable objects in the direction that the
    /// assignment gives.
    async fn sum_in_any_order(
        &mut self,
        mut open: Open,
        segments: &mut Segments<'_>,
        found: &BTreeSet<u64>,
    ) -> Result<Outcome, Interruption> {
        let total = self.inputs.total.unwrap_or_default();
        for segment in segments.order(total) {
            if found.contains(&segment) || segments.exists(segment).await? {
                segments.reuse();
                continue;
            }
            let (sum, _) = self.sum_segment(segments, segment, &mut open).await?;
            segments.write(segment, sum, self.inputs.trailer()).await?;
            segments.end_if_leaving().await?;
        }
        self.inputs.check_nothing_follows(&mut open.sources, total).await?;
        Ok(self.outcome(total))
    }

    /// Computes the missing segments of objects that can only be read from their start,
    /// in ascending order from the last checkpoint.
    async fn sum_forward(
        &mut self,
        mut open: Open,
        segments: &mut Segments<'_>,
        found: &BTreeSet<u64>,
    ) -> Result<Outcome, Interruption> {
        // Whatever the assignment says: seekable objects of the group stay open with
        // the others.
        self.inputs.go_forward();
        let columns = self.columns;
        let mut segment = columns.first_segment;
        loop {
            if let Some((last, trailer)) = last_finished(segments, found, segment).await? {
                (segment..=last).for_each(|_| segments.reuse());
                if let Some(last) = trailer.ends.first().filter(|end| end.ended) {
                    return Ok(self.outcome(last.checkpoint.column));
                }
                self.inputs.resume(trailer);
                open = Open::default();
                segment = last + 1;
            }
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
            segments.end_if_leaving().await?;
            segment += 1;
        }
    }

    /// Sums one segment of all objects. Also returns the number of columns if the
    /// objects ended in it. `open` carries the open objects from call to call, if all of
    /// them can stay open.
    async fn sum_segment(
        &mut self,
        segments: &Segments<'_>,
        segment: u64,
        open: &mut Open,
    ) -> Result<(PartialSum, Option<u64>), Failure> {
        let width = self.columns.segment_columns;
        let start = segment * width;
        let end = self.inputs.total.map_or(start + width, |total| total.min(start + width));
        let mut sum = segments.sum(length(end - start));
        let (mut gathered, mut expected) = (None, None);
        let mut ends = Ends::default();
        let objects = self.inputs.objects.len();
        let max_open = self.inputs.objects.settings.max_open_objects;
        for first in (0..objects).step_by(max_open) {
            let indices = first..objects.min(first + max_open);
            let began = Instant::now();
            let mut group = self.inputs.open_group(indices, start, open).await?;
            self.spend_reading(began.elapsed());
            self.expect_keys(&mut group.sources, (start, end), &mut expected).await?;
            let members = group.len() as u64;
            let weights = segments.assignment.weighted.then(|| self.weights(&group));
            (sum, group.sources) =
                self.add_group(sum, group.sources, (start, end), segments).await?;
            for source in &mut group.sources {
                self.inputs.objects.determine_end(source).await?;
                self.inputs.record_end(source);
            }
            let mut compared = group
                .sources
                .iter()
                .try_for_each(|source| ends.add(source.index, source.column, source.is_over));
            for transposed in std::mem::take(&mut group.transposed) {
                let memory = gathered.take().unwrap_or_else(|| {
                    // Within the memory of the encoding, which is needed later.
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
                self.inputs.record_gathered(index, end, is_over);
                compared = compared.and_then(|()| ends.add(index, end, is_over));
            }
            if let Err(differing) = compared {
                drop(group);
                return Err(self.inputs.length_failure(differing).await);
            }
            match weights {
                None => sum.count_objects(members),
                Some(weights) => {
                    weights.into_iter().for_each(|weight| sum.count_weighted_object(weight));
                }
            }
            *open = group;
        }
        let total = ends.columns();
        if let Some(total) = total {
            sum.shorten(length(total - start));
        }
        Ok((sum, total))
    }

    /// Has sources compare the keys of the rows from column `start` to `end`, if there are
    /// keys. They are read once a segment: `expected` holds them.
    async fn expect_keys(
        &self,
        sources: &mut [Source],
        (start, end): (u64, u64),
        expected: &mut Option<Arc<ExpectedKeys>>,
    ) -> Result<(), Failure> {
        let Some(keys) = &self.inputs.objects.keys else {
            return Ok(());
        };
        for source in sources {
            // Of no columns, a table has the shape of its rows.
            let shape = self.inputs.format(source.index).and_then(|format| format.shape_of(0));
            let width = shape.and_then(|shape| shape.last().copied()).unwrap_or(1);
            let expected = match expected {
                Some(expected) => expected.clone(),
                None => {
                    expected.insert(keys.of_rows(start / width..end.div_ceil(width)).await?).clone()
                }
            };
            source.expect_keys(expected);
        }
        Ok(())
    }

    /// Adds the columns from `start` to `end` of a group of open objects to a sum.
    async fn add_group(
        &mut self,
        mut sum: PartialSum,
        mut sources: Vec<Source>,
        (start, end): (u64, u64),
        segments: &Segments<'_>,
    ) -> Result<(PartialSum, Vec<Source>), Failure> {
        let objects = self.inputs.objects;
        let mut block = Block::default();
        // The thread is given up after so many bytes, so that heartbeats show progress.
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
            let ready = began.elapsed();
            let before: u64 = sources.iter().map(|source| source.column).sum();
            let add = move || {
                let columns = (start, end);
                let outcome =
                    add_available(&mut sum, &mut sources, columns, read_bytes_max, &mut block);
                (sum, sources, block, outcome)
            };
            let outcome;
            (sum, sources, block, outcome) = objects.thread.run("adding numbers", add).await?;
            let read_bytes = match outcome {
                Ok(read_bytes) => read_bytes,
                Err((index, error)) => return Err(objects.explained(index, error).await),
            };
            objects.count_read(read_bytes);
            let after: u64 = sources.iter().map(|source| source.column).sum();
            self.count_added(after - before, segments);
            let worked = began.elapsed();
            let reading = ready + sources.iter_mut().map(Source::take_waited).sum::<Duration>();
            let computing = worked.saturating_sub(reading);
            let spent = Spent { reading, computing, ..Spent::default() };
            objects.meter.spend(spent.times(objects.settings.faults.factor()));
            objects.settings.faults.slow_down(worked).await;
        }
        Ok((sum, sources))
    }

    /// Adds the columns from `start` to `end` of an array in the other order to a sum.
    /// Its numbers are gathered in `memory`.
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
        let index = transposed.index;
        let numbers = transposed.gather(&objects, start..end, memory).await?;
        let refuses_missing = objects.refuse_missing();
        let weight = objects.weight(index);
        let add = move || {
            if refuses_missing {
                check_none_missing(start, numbers.values())?;
            }
            sum.add_weighted(0, &numbers, weight);
            Ok((sum, numbers))
        };
        let added = objects.thread.run("adding numbers", add).await?;
        let added = added.map_err(|error| objects.failure(index, &SourceError::Input(error)))?;
        self.count_added(end - start, segments);
        objects.settings.faults.slow_down(began.elapsed()).await;
        Ok(added)
    }

    /// The weights of a group of objects.
    fn weights(&self, group: &Open) -> Vec<f64> {
        let sources = group.sources.iter().map(|source| source.index);
        let indices = sources.chain(group.transposed.iter().map(|transposed| transposed.index));
        indices.map(|index| self.inputs.objects.weight(index)).collect()
    }

    /// Counts time for which inputs were opened.
    fn spend_reading(&self, reading: Duration) {
        self.inputs.objects.meter.spend(Spent { reading, ..Spent::default() });
    }

    /// Updates the progress by numbers that were added.
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
            shape: format.and_then(|format| format.shape_of(columns)),
            format: format.map(Format::describe),
            ..Outcome::default()
        }
    }
}

/// The last of the segments from `segment` on that are there without a gap, and what it
/// says about going on behind it; `None` if `segment` is not there. Damaged ones are
/// deleted, and none that is there from `segment` on is passed over without its trailer.
async fn last_finished(
    segments: &Segments<'_>,
    found: &BTreeSet<u64>,
    segment: u64,
) -> Result<Option<(u64, Trailer)>, Failure> {
    let behind = (segment..).find(|segment| !found.contains(segment)).unwrap_or(segment);
    for last in (segment..behind).rev() {
        if let Some(trailer) = segments.trailer(last).await? {
            return Ok(Some((last, trailer)));
        }
    }
    Ok(None)
}

/// A number of columns as a length in memory.
fn length(columns: u64) -> usize {
    usize::try_from(columns).unwrap_or(usize::MAX)
}
