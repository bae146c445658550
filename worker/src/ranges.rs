//! Reads an object range by range, the next one on its way while one is used.

use std::error::Error;
use std::sync::Arc;

use platform::{ObjectStore, StoreError};
use tokio_util::task::AbortOnDropHandle;

/// Reads the bytes of one object from a position to an end, in order.
///
/// It holds at most two ranges: the one it has handed out and the next.
pub(crate) struct Ranges {
    store: Arc<dyn ObjectStore>,
    key: String,
    /// Where the next range to be asked for begins.
    position: u64,
    end: u64,
    range_bytes: usize,
    coming: Option<AbortOnDropHandle<Result<Vec<u8>, StoreError>>>,
    /// A buffer that is not in use.
    spare: Vec<u8>,
}

impl Ranges {
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        key: String,
        bytes: std::ops::Range<u64>,
        range_bytes: usize,
    ) -> Ranges {
        Ranges {
            store,
            key,
            position: bytes.start,
            end: bytes.end,
            range_bytes,
            coming: None,
            spare: Vec::new(),
        }
    }

    /// Whether every byte has been handed out.
    pub(crate) fn is_over(&self) -> bool {
        self.coming.is_none() && self.position >= self.end
    }

    /// The next range, and the one after that on its way; empty at the end.
    ///
    /// `used` is the range that was handed out before, or any other buffer.
    pub(crate) async fn next(&mut self, used: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let range = match self.coming.take() {
            Some(coming) => {
                self.spare = used;
                coming.await.unwrap_or_else(|stopped| Err(self.unavailable(stopped)))?
            }
            None => match self.take_length() {
                (_, 0) => return Ok(Vec::new()),
                (offset, length) => read(&*self.store, &self.key, offset, length, used).await?,
            },
        };
        self.fetch();
        Ok(range)
    }

    /// Asks for the next range, if there is one.
    fn fetch(&mut self) {
        let (offset, length) = self.take_length();
        if length == 0 {
            return;
        }
        let (store, key) = (self.store.clone(), self.key.clone());
        let buffer = std::mem::take(&mut self.spare);
        let coming = tokio::spawn(async move { read(&*store, &key, offset, length, buffer).await });
        self.coming = Some(AbortOnDropHandle::new(coming));
    }

    /// Where the next range begins and how long it is; moves the position behind it.
    fn take_length(&mut self) -> (u64, usize) {
        let offset = self.position;
        let rest = self.end.saturating_sub(offset);
        let length = usize::try_from(rest).unwrap_or(usize::MAX).min(self.range_bytes);
        self.position += length as u64;
        (offset, length)
    }

    fn unavailable(&self, source: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
        StoreError::Unavailable { key: self.key.clone(), source: source.into() }
    }
}

/// Reads a range that must be there, as the object was longer when it was listed.
async fn read(
    store: &dyn ObjectStore,
    key: &str,
    offset: u64,
    length: usize,
    buffer: Vec<u8>,
) -> Result<Vec<u8>, StoreError> {
    let range = store.read(key, offset, length, buffer).await?;
    if range.len() < length {
        let source = format!("it ends at byte {}", offset + range.len() as u64);
        return Err(StoreError::Unavailable {
            key: key.to_owned(),
            source: format!("{source}, but was longer when it was listed").into(),
        });
    }
    Ok(range)
}
