//! Adds partial sums, segment by segment, a few children at a time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use platform::problems::with_sources;
use protocol::Problem;
use protocol::problem::ProblemKind;
use protocol::task::{Failure, Fault, LostSegment, segment_key};
use reading::{Buffers, ReadError, StoredSum};
use summation::{PartialSum, Trailer};

use crate::failure::{self, Interruption};
use crate::meter::Spent;
use crate::segments::Segments;
use crate::settings::Settings;

/// A merge task under way.
pub(crate) struct Merge<'a> {
    /// The prefixes below which the segments of the children lie.
    pub(crate) children: &'a [String],
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) settings: &'a Settings,
}

impl Merge<'_> {
    /// Computes the segments that are missing; gives C.
    pub(crate) async fn run(
        &self,
        segments: &mut Segments<'_>,
        found: &BTreeSet<u64>,
    ) -> Result<u64, Interruption> {
        let Some(total) = segments.columns().total else {
            return Err(columns_unknown().into());
        };
        let order = segments.order(total);
        for (done, &segment) in order.iter().enumerate() {
            if found.contains(&segment) || segments.exists(segment).await? {
                segments.reuse();
            } else {
                let sum = match self.add_children(segments, segment, total).await {
                    Ok(sum) => sum,
                    Err(error) => return Err(self.interruption(segments, segment, error).await?),
                };
                segments.write(segment, sum, Trailer::default()).await?;
                segments.end_if_leaving().await?;
            }
            segments.meter.update(|progress| {
                progress.fraction = (done + 1) as f64 / order.len() as f64;
            });
        }
        Ok(total)
    }

    /// What the attempt ends with if a segment of a child could not be read. A damaged one
    /// is deleted, so that it is computed again.
    async fn interruption(
        &self,
        segments: &mut Segments<'_>,
        segment: u64,
        error: Unread,
    ) -> Result<Interruption, Failure> {
        let error = match error {
            Unread::Failed(failure) => return Ok(failure.into()),
            Unread::Sum(error) => error,
        };
        // What is written so far need not be computed again.
        segments.finish().await?;
        let lost = error.lost().and_then(|key| {
            let is_of = |child: &String| segment_key(child, segment) == key;
            Some((key, u32::try_from(self.children.iter().position(is_of)?).ok()?))
        });
        let Some((key, input)) = lost else {
            return Ok(failure::partial_sum(&error).into());
        };
        segments.delete_lost(key, &with_sources(&error)).await?;
        Ok(Interruption::Lost(LostSegment { input, segment }))
    }

    /// Adds one segment of all children.
    async fn add_children(
        &self,
        segments: &Segments<'_>,
        segment: u64,
        total: u64,
    ) -> Result<PartialSum, Unread> {
        let width = segments.columns().segment_columns;
        let start = segment * width;
        let columns = usize::try_from(total.min(start + width) - start).unwrap_or(usize::MAX);
        let mut sum = segments.sum(columns);
        for group in self.children.chunks(self.settings.max_open_objects) {
            let began = Instant::now();
            let mut parts: Vec<StoredSum> = group
                .iter()
                .map(|child| {
                    let (key, range_bytes) =
                        (segment_key(child, segment), self.settings.range_bytes);
                    StoredSum::open(&segments.store, key, range_bytes, &self.buffers)
                })
                .collect();
            let mut reading = Duration::ZERO;
            while parts.iter().any(|part| !part.is_over()) {
                let waits = Instant::now();
                try_join_all(parts.iter_mut().map(StoredSum::ready)).await?;
                reading += waits.elapsed();
                let add = move || {
                    let read: Result<usize, ReadError> =
                        parts.iter_mut().map(|part| part.add(&mut sum)).sum();
                    (sum, parts, read)
                };
                let read;
                (sum, parts, read) = segments.thread.run("adding partial sums", add).await?;
                reading += parts.iter_mut().map(StoredSum::take_waited).sum::<Duration>();
                let read_bytes = read? as u64;
                segments.meter.update(|progress| progress.partial_read_bytes += read_bytes);
            }
            let worked = began.elapsed();
            let computing = worked.saturating_sub(reading);
            let spent = Spent { reading, computing, ..Spent::default() };
            segments.meter.spend(spent.times(self.settings.faults.factor()));
            self.settings.faults.slow_down(worked).await;
        }
        Ok(sum)
    }
}

/// Why children were not added.
#[derive(Debug)]
enum Unread {
    /// A partial sum could not be read.
    Sum(ReadError),
    Failed(Failure),
}

impl From<ReadError> for Unread {
    fn from(error: ReadError) -> Unread {
        Unread::Sum(error)
    }
}

impl From<Failure> for Unread {
    fn from(failure: Failure) -> Unread {
        Unread::Failed(failure)
    }
}

fn columns_unknown() -> Failure {
    let problem =
        Problem::new(ProblemKind::Internal, "a merge task came without the count of columns");
    Failure { problem, fault: Fault::Program }
}
