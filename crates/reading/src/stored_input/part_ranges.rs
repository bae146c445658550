//! The bytes of several objects, one after the other.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use platform::StoreError;

use super::StoredInput;
use crate::{Buffers, Extents, Piece, Ranges};

/// So many extents of one object are passed on together at most: they are kept meanwhile.
const EXTENTS_AT_ONCE: usize = 1024;

/// The ranges of an input of several objects, of which one is open at a time.
pub(super) struct PartRanges {
    input: StoredInput,
    range_bytes: usize,
    buffers: Arc<Buffers>,
    may_wait: bool,
    /// The index of the object that is open, and its ranges.
    open: (usize, Box<dyn Ranges>),
    /// The extents that come behind those of the open object, and the first of them, cut off
    /// where the object ends in which it begins.
    later: Extents,
    next: Range<u64>,
    /// How long objects that are closed have waited since that was asked.
    waited: Duration,
}

impl PartRanges {
    /// At the beginning of the first object. There must be several.
    pub(super) fn new(
        input: StoredInput,
        range_bytes: usize,
        buffers: Arc<Buffers>,
        may_wait: bool,
    ) -> PartRanges {
        let all = 0..input.parts.last().map_or(0, super::StoredPart::end);
        let open = (0, input.parts[0].open(range_bytes, &buffers, may_wait));
        let mut ranges = PartRanges {
            input,
            range_bytes,
            buffers,
            may_wait,
            open,
            later: Box::new(std::iter::empty()),
            next: 0..0,
            waited: Duration::ZERO,
        };
        ranges.seek(Box::new(std::iter::once(all)));
        ranges
    }

    /// Opens the object of the next extent, once the open one is over, and passes its extents
    /// on.
    fn advance(&mut self) {
        if !self.open.1.is_over() || self.next.is_empty() {
            return;
        }
        let parts = self.input.parts.clone();
        let index = parts.partition_point(|part| part.end() <= self.next.start);
        let Some(part) = parts.get(index) else {
            // Behind the last one: its ranges say that they are not there.
            self.next = 0..0;
            return;
        };
        if index != self.open.0 {
            self.waited += self.open.1.take_waited();
            self.open = (index, part.open(self.range_bytes, &self.buffers, self.may_wait));
        }
        let mut extents = Vec::new();
        while extents.len() < EXTENTS_AT_ONCE
            && !self.next.is_empty()
            && (part.start..part.end()).contains(&self.next.start)
        {
            let end = self.next.end.min(part.end());
            extents.push(self.next.start - part.start..end - part.start);
            self.next.start = end;
            if self.next.is_empty() {
                self.next = self.later.next().unwrap_or_default();
            }
        }
        self.open.1.seek(Box::new(extents.into_iter()));
    }

    fn start(&self) -> u64 {
        self.input.parts[self.open.0].start
    }

    /// An error at the open object.
    fn explained(&self, error: StoreError) -> StoreError {
        self.input.in_part(&self.input.parts[self.open.0], error)
    }
}

#[async_trait]
impl Ranges for PartRanges {
    fn seek(&mut self, mut extents: Extents) {
        self.next = extents.next().unwrap_or_default();
        self.later = extents;
        self.open.1.seek(Box::new(std::iter::empty()));
        self.advance();
    }

    fn expect_end(&mut self, end: u64) {
        let end = end.saturating_sub(self.start());
        self.open.1.expect_end(end);
    }

    fn is_over(&self) -> bool {
        self.open.1.is_over() && self.next.is_empty()
    }

    fn ask_ahead(&mut self) {
        self.open.1.ask_ahead();
    }

    async fn ready(&mut self) -> Result<(), StoreError> {
        self.advance();
        let ready = self.open.1.ready().await;
        ready.map_err(|error| self.explained(error))
    }

    fn next(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Piece>, StoreError> {
        self.advance();
        let piece = self.open.1.next(buffer).map_err(|error| self.explained(error))?;
        let start = self.start();
        Ok(piece.map(|piece| Piece { offset: piece.offset + start, ..piece }))
    }

    fn take_waited(&mut self) -> Duration {
        std::mem::take(&mut self.waited) + self.open.1.take_waited()
    }

    fn gap_bytes(&self) -> u64 {
        self.open.1.gap_bytes()
    }
}
