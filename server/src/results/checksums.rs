//! The checksums of results, by which damage is noticed when they are read.
//!
//! There is one for each block of a result, so that any range of it is verified by reading
//! little more than the range. They are stored before the result.

use std::collections::BTreeMap;

use bytes::Bytes;
use platform::problems::internal;
use platform::store::read_all;
use platform::{ObjectStore, StoreError};
use protocol::{JobId, Problem};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::keys;

/// The size of a block in bytes, except the last; a multiple of the 8 bytes of a number.
pub const BLOCK_BYTES: u64 = 1 << 20;

/// `checksums.json`: the checksums of the results of a job, by the name of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultChecksums {
    results: BTreeMap<String, Checksums>,
}

/// The size and the checksums of one result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksums {
    /// The size of the result in bytes.
    pub bytes: u64,
    /// XXH3 of each block.
    blocks: Vec<u64>,
}

/// Computes the checksums of bytes as they are written.
#[derive(Default)]
pub struct Checksumming {
    checksums: Checksums,
    hasher: Xxh3,
    in_block: u64,
}

impl ResultChecksums {
    /// Loads the checksums of the results of a job. `None` if an earlier version of the
    /// program has written the results.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub async fn load(store: &dyn ObjectStore, job: JobId) -> Result<Option<Self>, Problem> {
        let doing = "reading the checksums of the result";
        match read_all(store, &keys::checksums(job)).await {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map(Some).map_err(|error| internal(doing, &error))
            }
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.problem(doing)),
        }
    }

    /// Stores the checksums of the results of a job.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn store(&self, store: &dyn ObjectStore, job: JobId) -> Result<(), Problem> {
        let doing = "storing the checksums of the result";
        let bytes = serde_json::to_vec(self).map_err(|error| internal(doing, &error))?;
        let put = store.put(&keys::checksums(job), Bytes::from(bytes)).await;
        put.map_err(|error| error.problem(doing))
    }

    /// Adds those of a result.
    pub fn add(&mut self, name: &str, checksums: Checksums) {
        self.results.insert(name.to_owned(), checksums);
    }

    /// Those of a result; `None` if there is none of the name.
    #[must_use]
    pub fn take(mut self, name: &str) -> Option<Checksums> {
        self.results.remove(name)
    }
}

impl Checksums {
    /// The range of bytes of a block.
    fn block(&self, index: u64) -> std::ops::Range<u64> {
        let start = index * BLOCK_BYTES;
        start..self.bytes.min(start + BLOCK_BYTES)
    }

    /// Reads a block of the result and verifies it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] with [`Damaged`] as its source if it is damaged.
    pub async fn read(
        &self,
        store: &dyn ObjectStore,
        key: &str,
        index: u64,
    ) -> Result<Bytes, StoreError> {
        let range = self.block(index);
        let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        let bytes = store.read(key, range.start, length, Vec::new()).await?;
        let expected = usize::try_from(index).ok().and_then(|index| self.blocks.get(index));
        if bytes.len() == length && expected == Some(&xxh3_64(&bytes)) {
            return Ok(Bytes::from(bytes));
        }
        let damaged = Damaged { start: range.start, end: range.end };
        tracing::error!(key, %damaged, "result damaged");
        Err(StoreError::Unavailable { key: key.to_owned(), source: Box::new(damaged) })
    }
}

/// Bytes of a result are not those that were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bytes {start} to {end} are damaged")]
pub struct Damaged {
    start: u64,
    end: u64,
}

impl Checksumming {
    /// Takes the next bytes.
    pub fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = usize::try_from(BLOCK_BYTES - self.in_block).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.hasher.update(now);
            self.in_block += now.len() as u64;
            self.checksums.bytes += now.len() as u64;
            if self.in_block == BLOCK_BYTES {
                self.end_block();
            }
            bytes = later;
        }
    }

    /// The checksums of all bytes.
    #[must_use]
    pub fn finish(mut self) -> Checksums {
        if self.in_block > 0 {
            self.end_block();
        }
        self.checksums
    }

    fn end_block(&mut self) {
        self.checksums.blocks.push(self.hasher.digest());
        self.hasher.reset();
        self.in_block = 0;
    }
}

#[cfg(test)]
mod tests {
    use platform::backends;

    use super::*;

    fn bytes(length: u64) -> Vec<u8> {
        (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect()
    }

    #[tokio::test]
    async fn every_block_is_verified_and_damage_of_any_byte_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let store = backends::scratch(folder.path()).open().await.unwrap();
        for length in [1, BLOCK_BYTES, BLOCK_BYTES + 1, 2 * BLOCK_BYTES + 9] {
            let whole = bytes(length);
            let mut checksumming = Checksumming::default();
            whole.chunks(99_991).for_each(|piece| checksumming.add(piece));
            let checksums = checksumming.finish();
            assert_eq!(checksums.bytes, length);
            store.put("a", Bytes::from(whole.clone())).await.unwrap();
            let mut read = Vec::new();
            for index in 0..length.div_ceil(BLOCK_BYTES) {
                read.extend(checksums.read(&*store, "a", index).await.unwrap());
            }
            assert_eq!(read, whole);
            for damaged in [0, length / 2, length - 1] {
                let mut bytes = whole.clone();
                bytes[usize::try_from(damaged).unwrap()] ^= 1;
                store.put("a", Bytes::from(bytes)).await.unwrap();
                let error = checksums.read(&*store, "a", damaged / BLOCK_BYTES).await.unwrap_err();
                assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
            }
            store.put("a", Bytes::from(whole[1..].to_vec())).await.unwrap();
            checksums.read(&*store, "a", (length - 1) / BLOCK_BYTES).await.unwrap_err();
        }
    }
}
