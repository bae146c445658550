//! Finds and writes the segments of a task.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures::StreamExt;
use platform::store::read_all;
use platform::{ObjectStore, StoreError};
use protocol::task::{Assignment, Columns, Direction, Failure, segment_key};
use summation::{PartialSum, Trailer};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::failure::{self, Interruption};
use crate::meter::{Meter, Spent};
use crate::sums::{SpareSums, SumTerms};
use crate::thread::Thread;

/// The segments of one task: which of them exist, and how another is written.
pub(crate) struct Segments<'a> {
    pub(crate) assignment: &'a Assignment,
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) spare: Arc<SpareSums>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) thread: Thread,
    /// Cancelled when the worker is draining: the current segment is finished, and no
    /// other one started.
    pub(crate) leaving: CancellationToken,
    /// The segment that is written while the next is computed.
    pub(crate) writing: Writing,
}

/// The segment that is being written, if any.
pub(crate) type Writing = Option<AbortOnDropHandle<Result<(), StoreError>>>;

/// What is wrong with a segment that has no bytes, as after a loss of power.
const EMPTY: &str = "it is empty";

impl Segments<'_> {
    /// The columns of the task.
    pub(crate) const fn columns(&self) -> &Columns {
        &self.assignment.columns
    }

    /// Whether segments are computed in ascending order.
    pub(crate) fn go_forward(&self) -> bool {
        self.assignment.direction == Direction::Forward
    }

    /// The segments of the task in a job of `total` columns, in the order in which they
    /// are computed.
    pub(crate) fn order(&self, total: u64) -> Vec<u64> {
        let mut order: Vec<u64> = self.columns().segments(total).collect();
        if !self.go_forward() {
            order.reverse();
        }
        order
    }

    /// The segments that exist in the store.
    pub(crate) async fn find(&self) -> Result<BTreeSet<u64>, Failure> {
        let columns = self.columns();
        let prefix = &self.assignment.output;
        let mut found = BTreeSet::new();
        let mut listing = self.store.list(prefix);
        while let Some(object) = listing.next().await {
            let object =
                object.map_err(|error| failure::store("looking for finished segments", &error))?;
            let segment = object.key[prefix.len()..].parse();
            let is_ours = |segment: &u64| {
                *segment >= columns.first_segment
                    && columns.end_segment.is_none_or(|end| *segment < end)
            };
            let Some(segment) = segment.ok().filter(is_ours) else {
                continue;
            };
            if object.bytes > 0 {
                found.insert(segment);
            } else {
                self.delete_lost(&object.key, EMPTY).await?;
            }
        }
        Ok(found)
    }

    /// Deletes a segment that cannot be used, so that it is computed again. If another
    /// attempt has written it anew meanwhile, that is computed again too.
    pub(crate) async fn delete_lost(&self, key: &str, damage: &str) -> Result<(), Failure> {
        tracing::warn!(key, damage, "partial sum cannot be used: it is computed again");
        let deleted = self.store.delete(key).await;
        deleted.map_err(|error| failure::store("deleting a damaged partial sum", &error))
    }

    /// Whether another attempt has written this segment in the meantime. The store is not
    /// asked before the first segment of an attempt that is not speculative: for small
    /// tasks that would cost more than it saves.
    pub(crate) async fn exists(&self, segment: u64) -> Result<bool, Failure> {
        if self.meter.progress().segments_written == 0 && !self.assignment.speculative {
            return Ok(false);
        }
        match self.store.head(&self.key(segment)).await {
            Ok(object) if object.bytes > 0 => Ok(true),
            Ok(object) => self.delete_lost(&object.key, EMPTY).await.map(|()| false),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(failure::store("looking for a finished segment", &error)),
        }
    }

    /// Counts a segment that existed already.
    pub(crate) fn reuse(&self) {
        self.meter.update(|progress| progress.segments_reused += 1);
    }

    /// The positions of the inputs at the end of a finished segment; `None` if it was
    /// damaged, and is deleted, or is gone.
    pub(crate) async fn trailer(&self, segment: u64) -> Result<Option<Trailer>, Failure> {
        let key = self.key(segment);
        let bytes = match read_all(&*self.store, &key).await {
            Ok(bytes) => bytes,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failure::store("reading a checkpoint", &error)),
        };
        self.meter.update(|progress| progress.partial_read_bytes += bytes.len() as u64);
        match PartialSum::decode(&bytes) {
            Ok((_, trailer)) => Ok(Some(trailer)),
            Err(error) => self.delete_lost(&key, &error.to_string()).await.map(|()| None),
        }
    }

    /// An empty sum for one segment.
    pub(crate) fn sum(&self, columns: usize) -> PartialSum {
        self.spare.take_sum(columns, &self.terms())
    }

    /// Starts writing a segment, once the one before is written.
    pub(crate) async fn write(
        &mut self,
        segment: u64,
        sum: PartialSum,
        trailer: Trailer,
    ) -> Result<(), Failure> {
        let bytes = self.encode(sum, trailer).await?;
        self.finish().await?;
        let (store, key, meter) = (self.store.clone(), self.key(segment), self.meter.clone());
        let (spare, bytes) = (self.spare.clone(), Bytes::from(bytes));
        self.writing = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let length = bytes.len() as u64;
            // Its checksum shows whether it survived a loss of power.
            let created = store.create_unflushed(&key, bytes.clone()).await;
            spare.give_encoding(bytes);
            match created {
                Ok(()) => meter.update(|progress| {
                    progress.segments_written += 1;
                    progress.written_bytes += length;
                }),
                // Another attempt was first; its bytes are the same.
                Err(StoreError::AlreadyExists { .. }) => {
                    meter.update(|progress| progress.segments_reused += 1);
                }
                Err(error) => return Err(error),
            }
            Ok(())
        })));
        Ok(())
    }

    /// Waits until all segments are written.
    pub(crate) async fn finish(&mut self) -> Result<(), Failure> {
        let Some(writing) = self.writing.take() else {
            return Ok(());
        };
        let began = Instant::now();
        let written = writing.await;
        self.meter.spend(Spent { writing: began.elapsed(), ..Spent::default() });
        match written {
            Ok(outcome) => outcome.map_err(|error| failure::store("writing a partial sum", &error)),
            Err(stopped) => Err(failure::internal("writing a partial sum", &stopped)),
        }
    }

    /// Ends the attempt if the worker is draining, once all segments are written.
    pub(crate) async fn end_if_leaving(&mut self) -> Result<(), Interruption> {
        if self.leaving.is_cancelled() {
            self.finish().await?;
            return Err(Interruption::Leaving);
        }
        Ok(())
    }

    /// What sums are made for.
    fn terms(&self) -> SumTerms {
        SumTerms {
            statistics: self.assignment.statistics.clone(),
            missing: self.assignment.missing.unwrap_or_default(),
            weighted: self.assignment.weighted,
        }
    }

    fn key(&self, segment: u64) -> String {
        segment_key(&self.assignment.output, segment)
    }

    /// Encodes a sum, whose memory returns to the pool.
    async fn encode(&self, sum: PartialSum, trailer: Trailer) -> Result<Vec<u8>, Failure> {
        let mut bytes = self.spare.take_encoding();
        let encode = move || {
            sum.encode_into(&trailer, &mut bytes);
            (bytes, sum)
        };
        let began = Instant::now();
        let (bytes, sum) = self.thread.run("encoding a partial sum", encode).await?;
        self.meter.spend(Spent { computing: began.elapsed(), ..Spent::default() });
        self.spare.give_sum(sum, self.terms());
        Ok(bytes)
    }
}
