//! An array of the result while it is written: its upload, its hash and what it looks
//! like.

use bytes::Bytes;
use platform::StoreError;
use platform::problems::internal;
use platform::store::Upload;
use protocol::Problem;
use protocol::result::{ResultSummary, StoredFile};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use super::summary::Summary;

/// An array of the result while it is written.
pub(super) struct StoredArray {
    upload: Box<dyn Upload>,
    hash: Sha256,
    bytes: u64,
    /// What it looks like.
    pub(super) summary: Summary,
}

impl StoredArray {
    pub(super) fn new(upload: Box<dyn Upload>, summary: Summary) -> StoredArray {
        StoredArray { upload, hash: Sha256::new(), bytes: 0, summary }
    }

    /// Writes the next bytes of its file, which are hashed meanwhile.
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), Problem> {
        self.bytes += bytes.len() as u64;
        let mut hash = std::mem::take(&mut self.hash);
        let hashed = bytes.clone();
        let hashing = spawn_blocking(move || {
            hash.update(&hashed);
            hash
        });
        self.upload.write(bytes).await.map_err(not_written)?;
        self.hash = hashing.await.map_err(|error| internal("hashing the result", &error))?;
        Ok(())
    }

    /// Ends the file, which appears then.
    pub(super) async fn finish(self) -> Result<(ResultSummary, StoredFile), Problem> {
        self.upload.finish().await.map_err(not_written)?;
        let sha256 = self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((self.summary.finish(), StoredFile { bytes: self.bytes, sha256 }))
    }
}

fn not_written(error: StoreError) -> Problem {
    error.problem("writing the result")
}
