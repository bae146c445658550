//! Ranges of an object in a network store.

use std::sync::Arc;

use async_trait::async_trait;
use platform::{ObjectStore, Pin, StoreError};
use tokio_util::task::AbortOnDropHandle;

use super::cursor::Cursor;
use super::{Extents, Piece, Ranges};
use crate::Buffers;

/// A network store sends about this many bytes within its latency.
const GAP_BYTES: u64 = 1 << 20;

/// An object whose next range is read ahead while one is used.
pub(super) struct RemoteRanges {
    store: Arc<dyn ObjectStore>,
    cursor: Cursor,
    pin: Option<Pin>,
    buffers: Arc<Buffers>,
    /// The range that is being read.
    coming: Option<Coming>,
    /// The range that has arrived and has not been returned.
    arrived: Option<(u64, Vec<u8>)>,
}

struct Coming {
    asked: (u64, usize),
    range: AbortOnDropHandle<Result<Vec<u8>, StoreError>>,
}

impl RemoteRanges {
    pub(super) fn new(
        store: Arc<dyn ObjectStore>,
        cursor: Cursor,
        pin: Option<Pin>,
        buffers: Arc<Buffers>,
    ) -> RemoteRanges {
        RemoteRanges { store, cursor, pin, buffers, coming: None, arrived: None }
    }

    /// Requests the next range, if there is one.
    fn ask(&mut self) -> Option<Coming> {
        let (offset, length) = self.cursor.take()?;
        let (store, key) = (self.store.clone(), self.cursor.key.clone());
        let (pin, buffers) = (self.pin.clone(), self.buffers.clone());
        let range = tokio::spawn(async move {
            let _request = buffers.request().await;
            let buffer = buffers.take();
            store.read_pinned(&key, pin.as_ref(), offset, length, buffer).await
        });
        Some(Coming { asked: (offset, length), range: AbortOnDropHandle::new(range) })
    }
}

#[async_trait]
impl Ranges for RemoteRanges {
    fn seek(&mut self, extents: Extents) {
        (self.coming, self.arrived) = (None, None);
        self.cursor.seek(extents);
    }

    fn expect_end(&mut self, end: u64) {
        self.cursor.expect_end(end);
    }

    fn is_over(&self) -> bool {
        self.coming.is_none() && self.arrived.is_none() && self.cursor.is_over()
    }

    fn ask_ahead(&mut self) {
        if self.coming.is_none() && self.cursor.is_expected() {
            self.coming = self.ask();
        }
    }

    async fn ready(&mut self) -> Result<(), StoreError> {
        if self.arrived.is_some() {
            return Ok(());
        }
        if self.coming.is_none() {
            self.coming = self.ask();
        }
        // It stays here while it is awaited, so that a cancelled wait can be repeated.
        let Some(Coming { asked, range }) = &mut self.coming else {
            return Ok(());
        };
        let asked = *asked;
        let arrived = range.await;
        self.coming = None;
        let range = arrived.unwrap_or_else(|stopped| {
            let key = self.cursor.key.clone();
            Err(StoreError::Unavailable { key, source: stopped.into() })
        })?;
        self.cursor.check(asked, range.len())?;
        self.arrived = Some((asked.0, range));
        self.ask_ahead();
        Ok(())
    }

    fn next(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Piece>, StoreError> {
        let Some((offset, range)) = self.arrived.take() else {
            return Ok(None);
        };
        let bytes = range.len();
        self.buffers.give(std::mem::replace(buffer, range));
        Ok(Some(Piece { offset, bytes }))
    }

    fn gap_bytes(&self) -> u64 {
        GAP_BYTES
    }
}
