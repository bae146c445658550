//! Determines the next range of an object.

use std::ops::Range;

use platform::StoreError;

use super::Extents;

/// The minimum size of a request after the expected end.
const STEP_BYTES_MIN: u64 = 4 << 10;
/// After the expected end, the size of a range is the size up to there divided by
/// this: so there are few more requests, and few bytes are read in vain.
const STEP_FRACTION: u64 = 64;

/// The position of a reader in an object.
pub(super) struct Cursor {
    pub(super) key: String,
    /// The rest of the current extent; empty only at the end.
    extent: Range<u64>,
    later: Extents,
    /// The byte up to which the reader is likely to read.
    expected_end: u64,
    /// The size of a request after that.
    step_bytes: u64,
    range_bytes: usize,
    /// Whether the object's length is known; else a short range is its last.
    is_length_known: bool,
}

impl Cursor {
    pub(super) fn new(key: &str, object_bytes: Option<u64>, range_bytes: usize) -> Cursor {
        let end = object_bytes.unwrap_or(u64::MAX);
        Cursor {
            key: key.to_owned(),
            extent: 0..end,
            later: Box::new(std::iter::empty()),
            expected_end: end,
            step_bytes: STEP_BYTES_MIN,
            range_bytes,
            is_length_known: object_bytes.is_some(),
        }
    }

    pub(super) fn seek(&mut self, extents: Extents) {
        self.later = extents;
        self.next_extent();
    }

    pub(super) fn expect_end(&mut self, end: u64) {
        self.expected_end = end.min(self.extent.end);
        let step = self.expected_end.saturating_sub(self.extent.start) / STEP_FRACTION;
        self.step_bytes = self.step_bytes.max(step);
    }

    /// Whether every range has been taken.
    pub(super) fn is_over(&self) -> bool {
        self.extent.is_empty()
    }

    /// Whether the next range is likely to be needed.
    pub(super) fn is_expected(&self) -> bool {
        !self.is_over() && self.extent.start < self.expected_end
    }

    /// The start and the length of the next range; moves past it.
    pub(super) fn take(&mut self) -> Option<(u64, usize)> {
        if self.is_over() {
            return None;
        }
        let offset = self.extent.start;
        let end = if offset < self.expected_end {
            self.expected_end
        } else {
            self.extent.end.min(offset + self.step_bytes)
        };
        let length = usize::try_from(end - offset).unwrap_or(usize::MAX).min(self.range_bytes);
        self.extent.start += length as u64;
        if self.extent.is_empty() {
            self.next_extent();
        }
        Some((offset, length))
    }

    /// Compares a range with the request. It must be complete if the length of the
    /// object is known; otherwise an incomplete range is the last one.
    pub(super) fn check(
        &mut self,
        (offset, length): (u64, usize),
        found: usize,
    ) -> Result<(), StoreError> {
        if found >= length {
            return Ok(());
        }
        if !self.is_length_known {
            self.seek(Box::new(std::iter::empty()));
            return Ok(());
        }
        let end = offset + found as u64;
        Err(StoreError::Unavailable {
            key: self.key.clone(),
            source: format!("it ends at byte {end}, but was longer when it was listed").into(),
        })
    }

    fn next_extent(&mut self) {
        self.extent = self.later.next().unwrap_or_default();
        self.expected_end = self.extent.end;
    }
}
