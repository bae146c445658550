//! A file of the result while it is written: its upload, its hash and its checksums.

use bytes::Bytes;
use platform::StoreError;
use platform::problems::internal;
use platform::store::Upload;
use protocol::Problem;
use protocol::result::StoredFile;
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use crate::results::checksums::{Checksumming, ResultChecksums};

/// A file of the result while it is written.
pub(super) struct FileUpload {
    name: String,
    upload: Box<dyn Upload>,
    hash: Sha256,
    checksumming: Checksumming,
    bytes: u64,
}

impl FileUpload {
    /// Of a file whose checksums have this name.
    pub(super) fn new(name: String, upload: Box<dyn Upload>) -> FileUpload {
        let (hash, checksumming) = (Sha256::new(), Checksumming::default());
        FileUpload { name, upload, hash, checksumming, bytes: 0 }
    }

    /// Adds the checksums of the whole file to those of the others.
    pub(super) fn add_checksums(&mut self, checksums: &mut ResultChecksums) {
        checksums.add(&self.name, std::mem::take(&mut self.checksumming).finish());
    }

    /// Writes the next bytes of its file, which are hashed meanwhile.
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), Problem> {
        self.bytes += bytes.len() as u64;
        let (mut hash, mut checksumming) =
            (std::mem::take(&mut self.hash), std::mem::take(&mut self.checksumming));
        let hashed = bytes.clone();
        let hashing = spawn_blocking(move || {
            hash.update(&hashed);
            checksumming.add(&hashed);
            (hash, checksumming)
        });
        self.upload.write(bytes).await.map_err(not_written)?;
        let hashed = hashing.await;
        (self.hash, self.checksumming) =
            hashed.map_err(|error| internal("hashing the result", &error))?;
        Ok(())
    }

    /// Ends the file, which appears then.
    pub(super) async fn finish(self) -> Result<StoredFile, Problem> {
        self.upload.finish().await.map_err(not_written)?;
        let sha256 = self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(StoredFile { bytes: self.bytes, sha256 })
    }
}

fn not_written(error: StoreError) -> Problem {
    error.problem("writing the result")
}
