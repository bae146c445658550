//! Which range of an object comes next.

use std::ops::Range;

use platform::StoreError;

use super::Extents;

/// The least that is asked for behind the expected end.
const STEP_BYTES_MIN: u64 = 4 << 10;
/// Behind the expected end, a range has one part in so many of what was read up
/// to there: few more answers to wait for, and little read in vain.
const STEP_FRACTION: u64 = 64;

/// Where reading an object stands.
pub(super) struct Cursor {
    pub(super) key: String,
    /// What is left of the present extent; empty only at the end.
    extent: Range<u64>,
    later: Extents,
    /// Up to where bytes are likely to be wanted.
    expected_end: u64,
    /// How many bytes are asked for at a time behind that.
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

    /// Whether the next range is likely to be wanted.
    pub(super) fn is_expected(&self) -> bool {
        !self.is_over() && self.extent.start < self.expected_end
    }

    /// Where the next range begins and how long it is; moves behind it.
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

    /// Holds a range against what was asked for. It must be whole, as the
    /// object was longer when it was listed; if nobody knows how long the object
    /// is, a range that is not whole is the last.
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
