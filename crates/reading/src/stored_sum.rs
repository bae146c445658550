//! A partial sum in a store.

use std::sync::Arc;
use std::time::Duration;

use platform::{ObjectStore, StoreError};
use summation::{CorruptError, PartialSum, PartialSumReader};

use crate::{Buffers, ObjectRef, Ranges, open};

/// A partial sum could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store could not read it.
    #[error("the store cannot read it")]
    Store(#[from] StoreError),
    /// Its checksum or encoding is wrong.
    #[error("{key} is damaged")]
    Corrupt {
        /// Its key.
        key: String,
        /// The error of the decoder.
        source: CorruptError,
    },
}

impl ReadError {
    /// The key of the partial sum, if it is damaged or gone: then it must be computed
    /// again.
    #[must_use]
    pub fn lost(&self) -> Option<&str> {
        match self {
            ReadError::Corrupt { key, .. } | ReadError::Store(StoreError::NotFound { key }) => {
                Some(key)
            }
            ReadError::Store(_) => None,
        }
    }
}

/// A partial sum in a store, read range by range. Wait with
/// [`ready`](StoredSum::ready), then use the ranges that have arrived, until
/// [`is_over`](StoredSum::is_over).
pub struct StoredSum {
    key: String,
    ranges: Box<dyn Ranges>,
    /// The current range is at its beginning.
    buffer: Vec<u8>,
    buffers: Arc<Buffers>,
    reader: PartialSumReader,
    is_over: bool,
}

impl Drop for StoredSum {
    fn drop(&mut self) {
        self.buffers.give(std::mem::take(&mut self.buffer));
    }
}

impl StoredSum {
    /// At its beginning.
    pub fn open(
        store: &Arc<dyn ObjectStore>,
        key: String,
        range_bytes: usize,
        buffers: &Arc<Buffers>,
    ) -> StoredSum {
        // Two attempts at a segment write the same bytes, so it need not be pinned.
        let object = ObjectRef { key: &key, bytes: None, pin: None };
        StoredSum {
            ranges: open(store, object, range_bytes, buffers),
            key,
            buffer: buffers.take(),
            buffers: buffers.clone(),
            reader: PartialSumReader::new(),
            is_over: false,
        }
    }

    /// Whether all of it has been used.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Waits until a range has arrived.
    ///
    /// # Errors
    ///
    /// If the store cannot read it.
    pub async fn ready(&mut self) -> Result<(), ReadError> {
        if !self.is_over {
            // Another range may now be in memory.
            self.buffers.give(std::mem::take(&mut self.buffer));
            self.ranges.ready().await?;
        }
        Ok(())
    }

    /// Adds the ranges that have arrived to `sum`, whose columns and statistics must
    /// be the same; returns the number of bytes added.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or the partial sum is damaged or of another
    /// shape. `sum` must not be used then.
    pub fn add(&mut self, sum: &mut PartialSum) -> Result<usize, ReadError> {
        self.use_ranges(|reader, bytes, is_last| reader.push(bytes, is_last, sum))
    }

    /// Passes on the ranges that have arrived of this partial sum, piece by piece, each
    /// in `piece`, whose statistics must be the same; returns the number of bytes.
    ///
    /// # Errors
    ///
    /// As [`StoredSum::add`]; earlier pieces must not be used then.
    pub fn show(
        &mut self,
        columns: usize,
        piece: &mut PartialSum,
        mut show: impl FnMut(&PartialSum),
    ) -> Result<usize, ReadError> {
        self.use_ranges(|reader, bytes, is_last| {
            reader.push_pieces(bytes, is_last, columns, piece, &mut show)
        })
    }

    /// How long using its ranges has waited for the disk since the last call.
    pub fn take_waited(&mut self) -> Duration {
        self.ranges.take_waited()
    }

    fn use_ranges(
        &mut self,
        mut push: impl FnMut(&mut PartialSumReader, &[u8], bool) -> Result<(), CorruptError>,
    ) -> Result<usize, ReadError> {
        let mut used = 0;
        while let Some(piece) = self.ranges.next(&mut self.buffer)? {
            used += piece.bytes;
            self.is_over = self.ranges.is_over();
            push(&mut self.reader, &self.buffer[..piece.bytes], self.is_over)
                .map_err(|source| ReadError::Corrupt { key: self.key.clone(), source })?;
        }
        Ok(used)
    }
}

#[cfg(test)]
mod tests {
    use platform::store::local::LocalStore;
    use summation::{Block, Trailer};

    use super::*;

    async fn stored(bytes: Vec<u8>) -> (tempfile::TempDir, Arc<dyn ObjectStore>) {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::open(folder.path()).unwrap();
        store.put("sum", bytes.into()).await.unwrap();
        (folder, Arc::new(store))
    }

    fn sum() -> PartialSum {
        let mut sum = PartialSum::new(5000, &[]);
        sum.add(0, &(0..5000).map(f64::from).collect::<Block>());
        sum.count_objects(1);
        sum
    }

    #[tokio::test]
    async fn ranges_of_any_length_add_up_and_show_the_same() {
        let sum = sum();
        let (_folder, store) = stored(sum.encode(&Trailer::default())).await;
        for range_bytes in [100, 4096, 1 << 20] {
            let buffers = Arc::new(Buffers::new(1));
            let mut added = PartialSum::new(5000, &[]);
            let mut stored = StoredSum::open(&store, "sum".to_owned(), range_bytes, &buffers);
            while !stored.is_over() {
                stored.ready().await.unwrap();
                stored.add(&mut added).unwrap();
            }
            assert_eq!(added.mean(), sum.mean());
            let (mut piece, mut shown) = (PartialSum::new(0, &[]), Vec::new());
            let mut stored = StoredSum::open(&store, "sum".to_owned(), range_bytes, &buffers);
            while !stored.is_over() {
                stored.ready().await.unwrap();
                stored.show(5000, &mut piece, |piece| shown.extend(piece.mean())).unwrap();
            }
            assert_eq!(shown, sum.mean());
        }
    }

    /// As a loss of power may leave it.
    #[tokio::test]
    async fn an_empty_or_missing_sum_is_lost() {
        let (_folder, store) = stored(Vec::new()).await;
        let buffers = Arc::new(Buffers::new(1));
        for key in ["sum", "no sum"] {
            for range_bytes in [1000, 1 << 20] {
                let mut stored = StoredSum::open(&store, key.to_owned(), range_bytes, &buffers);
                let error = match stored.ready().await {
                    Ok(()) => stored.add(&mut PartialSum::new(5000, &[])).unwrap_err(),
                    Err(error) => error,
                };
                assert_eq!(error.lost(), Some(key), "{error}");
            }
        }
    }

    #[tokio::test]
    async fn damage_names_the_object() {
        let mut bytes = sum().encode(&Trailer::default());
        bytes.pop();
        let (_folder, store) = stored(bytes).await;
        let buffers = Arc::new(Buffers::new(1));
        let mut stored = StoredSum::open(&store, "sum".to_owned(), 1000, &buffers);
        stored.ready().await.unwrap();
        let error = stored.add(&mut PartialSum::new(5000, &[])).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.lost()), ("sum is damaged", Some("sum")));
    }
}
