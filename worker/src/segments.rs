//! Finds and writes the segments of a task.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use platform::{ObjectStore, StoreError};
use protocol::task::{Columns, Failure, segment_key};
use tokio_util::task::AbortOnDropHandle;

use crate::buffers::Buffers;
use crate::failure;
use crate::meter::Meter;

/// The segments of one task: which are there, and how one more is written.
pub(crate) struct Segments {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    meter: Arc<Meter>,
    buffers: Arc<Buffers>,
    /// At most one segment is being written while the next is computed.
    writing: Option<AbortOnDropHandle<Result<(), StoreError>>>,
}

impl Segments {
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        prefix: String,
        meter: Arc<Meter>,
        buffers: Arc<Buffers>,
    ) -> Segments {
        Segments { store, prefix, meter, buffers, writing: None }
    }

    /// The key of a segment.
    pub(crate) fn key(&self, segment: u64) -> String {
        segment_key(&self.prefix, segment)
    }

    /// Which of the task's segments are there.
    pub(crate) async fn find(&self, columns: &Columns) -> Result<BTreeSet<u64>, Failure> {
        let mut found = BTreeSet::new();
        let mut listing = self.store.list(&self.prefix);
        while let Some(object) = listing.next().await {
            let object =
                object.map_err(|error| failure::store("looking for finished segments", &error))?;
            let segment = object.key[self.prefix.len()..].parse();
            let is_ours = |segment: &u64| {
                *segment >= columns.first_segment
                    && columns.end_segment.is_none_or(|end| *segment < end)
            };
            found.extend(segment.ok().filter(is_ours));
        }
        Ok(found)
    }

    /// Whether a segment is there.
    pub(crate) async fn exists(&self, segment: u64) -> Result<bool, Failure> {
        match self.store.head(&self.key(segment)).await {
            Ok(_) => Ok(true),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(failure::store("looking for a finished segment", &error)),
        }
    }

    /// Counts a segment that was there already.
    pub(crate) fn reuse(&self) {
        self.meter.update(|progress| progress.segments_reused += 1);
    }

    /// Begins to write a segment, once the one before is written.
    pub(crate) async fn write(&mut self, segment: u64, bytes: Vec<u8>) -> Result<(), Failure> {
        self.finish().await?;
        let (store, key, meter) = (self.store.clone(), self.key(segment), self.meter.clone());
        let (buffers, bytes) = (self.buffers.clone(), Bytes::from(bytes));
        self.writing = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let length = bytes.len() as u64;
            let created = store.create(&key, bytes.clone()).await;
            buffers.give_encoding(bytes);
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

    /// Waits until everything is written.
    pub(crate) async fn finish(&mut self) -> Result<(), Failure> {
        match self.writing.take() {
            None => Ok(()),
            Some(writing) => match writing.await {
                Ok(outcome) => {
                    outcome.map_err(|error| failure::store("writing a partial sum", &error))
                }
                Err(stopped) => Err(failure::internal("writing a partial sum", &stopped)),
            },
        }
    }
}
