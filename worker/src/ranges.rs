//! Reads an object range by range.
//!
//! Where the store takes long to answer, the next range is on its way while one
//! is used. A file is read where it is used, in ranges so small that they stay
//! in the processor's cache: the system reads ahead by itself.

use std::error::Error;
use std::sync::Arc;

use platform::store::ObjectReader;
use platform::{ObjectStore, StoreError};
use tokio::task::spawn_blocking;
use tokio_util::task::AbortOnDropHandle;

use crate::buffers::Buffers;

/// How much of a file is read at a time, at most.
pub(crate) const FILE_RANGE_BYTES: usize = 256 << 10;
/// The least that is asked for behind the expected end.
const STEP_BYTES_MIN: u64 = 4 << 10;
/// Behind the expected end, a range has this part of what was read up to there:
/// few more answers to wait for, and little read in vain.
const STEP_PART: u64 = 64;

/// Reads the bytes of one object from a position to an end, in order.
///
/// It holds at most two ranges: the one it has handed out and the next.
pub(crate) struct Ranges {
    store: Arc<dyn ObjectStore>,
    key: String,
    /// Where the next range to be asked for begins.
    position: u64,
    end: u64,
    /// Up to where bytes are likely to be wanted.
    expected_end: u64,
    /// How many bytes are asked for at a time behind that.
    step_bytes: u64,
    range_bytes: usize,
    /// Set if the object is a file, but for while it is read elsewhere.
    reader: Option<Box<dyn ObjectReader>>,
    coming: Option<AbortOnDropHandle<Result<Vec<u8>, StoreError>>>,
    buffers: Arc<Buffers>,
    /// Whether a file may be waited for on this thread.
    owns_thread: bool,
}

impl Ranges {
    /// Of an object that has so many bytes, from its beginning.
    pub(crate) fn new(
        (store, key): (Arc<dyn ObjectStore>, String),
        bytes: u64,
        range_bytes: usize,
        buffers: Arc<Buffers>,
        owns_thread: bool,
    ) -> Ranges {
        let reader = store.reader(&key);
        let most = if reader.is_some() { FILE_RANGE_BYTES } else { usize::MAX };
        Ranges {
            store,
            key,
            position: 0,
            end: bytes,
            expected_end: bytes,
            step_bytes: STEP_BYTES_MIN,
            range_bytes: range_bytes.min(most),
            reader,
            coming: None,
            buffers,
            owns_thread,
        }
    }

    /// Goes on at another position, and to another end.
    pub(crate) fn seek(&mut self, bytes: std::ops::Range<u64>) {
        self.position = bytes.start;
        self.end = bytes.end;
        self.expected_end = bytes.end;
    }

    /// Says up to where bytes are likely to be wanted: not much more is read.
    pub(crate) fn expect_end(&mut self, end: u64) {
        self.expected_end = end.min(self.end);
        let step = self.expected_end.saturating_sub(self.position) / STEP_PART;
        self.step_bytes = self.step_bytes.max(step);
    }

    /// Whether every byte has been handed out.
    pub(crate) const fn is_over(&self) -> bool {
        self.coming.is_none() && self.position >= self.end
    }

    /// Whether [`Ranges::next_here`] can be used.
    pub(crate) const fn is_file(&self) -> bool {
        self.reader.is_some()
    }

    /// Asks for the next range, if one is likely to be wanted.
    pub(crate) fn ask_ahead(&mut self) {
        if self.is_file() || self.coming.is_some() || self.position >= self.expected_end {
            return;
        }
        let (offset, length) = self.take_length(self.range_bytes);
        let (store, key, buffer) = (self.store.clone(), self.key.clone(), self.buffers.take());
        let coming = tokio::spawn(async move {
            let range = store.read(&key, offset, length, buffer).await?;
            check_length(&key, offset, length, range.len())?;
            Ok(range)
        });
        self.coming = Some(AbortOnDropHandle::new(coming));
    }

    /// The next range, and the one after that on its way; empty at the end.
    pub(crate) async fn next(&mut self) -> Result<Vec<u8>, StoreError> {
        let range = match self.coming.take() {
            Some(coming) => coming.await.unwrap_or_else(|stopped| Err(self.broken(stopped)))?,
            None => self.take(self.range_bytes).await?,
        };
        self.ask_ahead();
        Ok(range)
    }

    /// The next range, of so many bytes at most and without another one on its way.
    pub(crate) async fn take(&mut self, most: usize) -> Result<Vec<u8>, StoreError> {
        let (offset, length) = self.take_length(most);
        if length == 0 {
            return Ok(Vec::new());
        }
        let buffer = self.buffers.take();
        let Some(mut reader) = self.reader.take() else {
            let range = self.store.read(&self.key, offset, length, buffer).await?;
            check_length(&self.key, offset, length, range.len())?;
            return Ok(range);
        };
        if self.owns_thread {
            let mut buffer = buffer;
            let range = read_file(&mut *reader, &self.key, offset, length, &mut buffer);
            self.reader = Some(reader);
            buffer.truncate(length);
            return range.map(|_| buffer);
        }
        let key = self.key.clone();
        let work = move || {
            let (mut reader, mut buffer) = (reader, buffer);
            let range = read_file(&mut *reader, &key, offset, length, &mut buffer);
            buffer.truncate(length);
            (reader, range.map(|_| buffer))
        };
        let (reader, range) = spawn_blocking(work).await.map_err(|stopped| self.broken(stopped))?;
        self.reader = Some(reader);
        range
    }

    /// Reads the next range of a file into the beginning of `buffer`, on this
    /// thread; how many bytes it has, or `None` if it is no file.
    pub(crate) fn next_here(&mut self, buffer: &mut Vec<u8>) -> Option<Result<usize, StoreError>> {
        let (offset, length) = self.reader.is_some().then(|| self.take_length(self.range_bytes))?;
        let reader = self.reader.as_mut()?;
        Some(read_file(&mut **reader, &self.key, offset, length, buffer))
    }

    /// Where the next range begins and how long it is; moves the position behind it.
    fn take_length(&mut self, most: usize) -> (u64, usize) {
        let offset = self.position;
        let end = if offset < self.expected_end {
            self.expected_end
        } else {
            self.end.min(offset + self.step_bytes)
        };
        let rest = end.saturating_sub(offset);
        let most = most.min(self.range_bytes);
        let length = usize::try_from(rest).unwrap_or(usize::MAX).min(most);
        self.position += length as u64;
        (offset, length)
    }

    fn broken(&self, source: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
        StoreError::Unavailable { key: self.key.clone(), source: source.into() }
    }
}

fn read_file(
    reader: &mut dyn ObjectReader,
    key: &str,
    offset: u64,
    length: usize,
    buffer: &mut Vec<u8>,
) -> Result<usize, StoreError> {
    // Never made shorter: it need not be filled with noughts when it grows again.
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
    let filled = reader.read_at(offset, &mut buffer[..length])?;
    check_length(key, offset, length, filled)?;
    Ok(length)
}

/// A range must be there, as the object was longer when it was listed.
fn check_length(key: &str, offset: u64, length: usize, found: usize) -> Result<(), StoreError> {
    if found >= length {
        return Ok(());
    }
    let end = offset + found as u64;
    Err(StoreError::Unavailable {
        key: key.to_owned(),
        source: format!("it ends at byte {end}, but was longer when it was listed").into(),
    })
}
