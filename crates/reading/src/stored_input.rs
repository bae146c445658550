//! An input in its store: an object, or several whose bytes follow one another.

mod part_ranges;

use std::sync::Arc;

use platform::{InputStores, ObjectStore, Pin, StoreError};
use protocol::task::InputObject;

use self::part_ranges::PartRanges;
use crate::{Buffers, ObjectRef, Ranges, open, open_remote};

/// An input in its store. Every read is held to the versions that the job was planned with.
#[derive(Clone)]
pub struct StoredInput {
    /// In the order of their bytes; there is at least one.
    parts: Arc<[StoredPart]>,
}

/// An object of an input.
struct StoredPart {
    store: Arc<dyn ObjectStore>,
    key: String,
    pin: Option<Pin>,
    bytes: u64,
    /// The byte of the input at which it begins.
    start: u64,
}

impl StoredPart {
    const fn end(&self) -> u64 {
        self.start + self.bytes
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        self.store.read_pinned(&self.key, self.pin.as_ref(), offset, length, Vec::new()).await
    }

    /// Opens the object. A file is read on the thread that uses its bytes, if it `may_wait`.
    fn open(&self, range_bytes: usize, buffers: &Arc<Buffers>, may_wait: bool) -> Box<dyn Ranges> {
        let object = ObjectRef { key: &self.key, bytes: Some(self.bytes), pin: self.pin.as_ref() };
        match may_wait {
            true => open(&self.store, object, range_bytes, buffers),
            false => open_remote(&self.store, object, range_bytes, buffers),
        }
    }
}

impl StoredInput {
    /// Finds the store of an input; reads nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Denied`] if it lies in a store that is not allowed.
    pub fn find(object: &InputObject, stores: &InputStores) -> Result<StoredInput, StoreError> {
        let part = |location, bytes, pin, start| {
            let (store, _, key) = stores.resolve(location)?;
            Ok(StoredPart { store: store.clone(), key: key.to_owned(), pin, bytes, start })
        };
        if object.parts.is_empty() {
            let only = part(&object.location, object.bytes, Pin::of(object), 0)?;
            return Ok(StoredInput { parts: Arc::new([only]) });
        }
        let mut start = 0;
        let parts = object.parts.iter().map(|it| {
            let version = it.version.clone();
            let pin = version.map(|version| Pin { bytes: it.bytes, version });
            let part = part(&it.location, it.bytes, pin, start);
            start += it.bytes;
            part
        });
        Ok(StoredInput { parts: parts.collect::<Result<_, StoreError>>()? })
    }

    /// The bytes from one on: so many, or all that are there.
    ///
    /// # Errors
    ///
    /// If an object cannot be read, or is not what it is pinned to.
    pub async fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        if let [only] = &*self.parts {
            return only.read(offset, length).await;
        }
        let mut bytes = Vec::new();
        let first = self.parts.partition_point(|part| part.end() <= offset);
        for part in &self.parts[first..] {
            let from = offset + bytes.len() as u64 - part.start;
            let own = usize::try_from(part.bytes - from).unwrap_or(usize::MAX);
            let wanted = own.min(length - bytes.len());
            if wanted == 0 {
                continue;
            }
            let read = part.read(from, wanted).await.map_err(|error| self.in_part(part, error))?;
            let is_short = read.len() < wanted;
            bytes.extend(read);
            if is_short || bytes.len() == length {
                break;
            }
        }
        Ok(bytes)
    }

    /// Opens the input, to be read from its beginning in ranges of at most `range_bytes`. If
    /// the reader `may_wait`, a file is read in [`Ranges::next`], which then waits for the disk.
    #[must_use]
    pub fn open(
        &self,
        range_bytes: usize,
        buffers: &Arc<Buffers>,
        may_wait: bool,
    ) -> Box<dyn Ranges> {
        match &*self.parts {
            [only] => only.open(range_bytes, buffers, may_wait),
            _ => Box::new(PartRanges::new(self.clone(), range_bytes, buffers.clone(), may_wait)),
        }
    }

    /// An error at one of several objects, which says at which.
    fn in_part(&self, part: &StoredPart, error: StoreError) -> StoreError {
        let name = part.key.rsplit('/').next().unwrap_or_default();
        match error {
            StoreError::Changed { key, change } if self.parts.len() > 1 => {
                StoreError::Changed { key, change: format!("{name}: {change}") }
            }
            error => error,
        }
    }
}
