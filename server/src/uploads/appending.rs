//! Appends bytes to an upload.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use protocol::Problem;
use protocol::problem::ProblemKind;
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

use super::record::UploadRecord;
use super::{PART_BYTES, SHORT_PARTS_MAX, Upload, UploadState, Uploads};
use crate::keys;
use crate::limits::check_part_reserve;

/// Appends bytes to an upload. What was not flushed when it is dropped is lost.
pub struct Appending {
    uploads: Uploads,
    upload: Arc<Upload>,
    record: OwnedMutexGuard<UploadRecord>,
    replaced: CancellationToken,
    filling: BytesMut,
}

impl Appending {
    pub(super) fn new(
        uploads: Uploads,
        upload: Arc<Upload>,
        record: OwnedMutexGuard<UploadRecord>,
        replaced: CancellationToken,
    ) -> Appending {
        Appending { uploads, upload, record, replaced, filling: BytesMut::new() }
    }

    /// Waits until somebody else wants to append.
    pub fn replaced(&self) -> impl Future<Output = ()> + Send + use<> {
        self.replaced.clone().cancelled_owned()
    }

    /// Appends bytes. They are in the store once they fill a part, or are flushed.
    ///
    /// # Errors
    ///
    /// If the object would be larger than was announced, there is no room, or the store does
    /// not answer.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), Problem> {
        self.check(&bytes)?;
        while !bytes.is_empty() {
            let taken = bytes.split_to(bytes.len().min(PART_BYTES - self.filling.len()));
            self.filling.extend_from_slice(&taken);
            if self.filling.len() >= PART_BYTES {
                self.put_part().await?;
            }
        }
        Ok(())
    }

    /// Appends bytes of which none are in the store before they are flushed: they become one
    /// part.
    ///
    /// # Errors
    ///
    /// If they are more than a part, the object would be larger than was announced, or there
    /// is no room.
    pub fn hold(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        if self.filling.len() + bytes.len() > PART_BYTES {
            let detail = format!("content with a Content-Digest has at most {PART_BYTES} bytes");
            return Err(Problem::new(ProblemKind::TooLarge, detail)
                .field("Content-Digest")
                .remedy(
                    "send less with each request, or the SHA-256 of the whole with the last one",
                ));
        }
        self.check(bytes)?;
        self.filling.extend_from_slice(bytes);
        Ok(())
    }

    /// Checks that bytes may be appended.
    fn check(&self, bytes: &[u8]) -> Result<(), Problem> {
        let more = (self.filling.len() + bytes.len()) as u64;
        let total = self.upload.offset().saturating_add(more);
        if let Some(announced) = self.record.bytes.filter(|announced| total > *announced) {
            let detail = format!("the upload has more than the announced {announced} bytes");
            return Err(Problem::new(ProblemKind::Conflict, detail)
                .remedy("begin another upload, with the right size or without one"));
        }
        self.uploads.check_room(more)
    }

    /// Whether something was appended that is not in the store.
    #[must_use]
    pub fn is_unflushed(&self) -> bool {
        !self.filling.is_empty()
    }

    /// Stores what has been appended. Returns the state of the upload.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn flush(&mut self) -> Result<UploadState, Problem> {
        if !self.filling.is_empty() {
            self.put_part().await?;
        }
        Ok(self.uploads.state(self.upload.id, &self.record, self.upload.offset()))
    }

    async fn put_part(&mut self) -> Result<(), Problem> {
        let is_short = self.filling.len() < PART_BYTES;
        if is_short && self.upload.short_parts.load(Ordering::Acquire) >= SHORT_PARTS_MAX {
            self.filling.clear();
            let detail = format!("the upload has come in {SHORT_PARTS_MAX} short pieces");
            return Err(Problem::new(ProblemKind::LimitExceeded, detail)
                .remedy("send more with each request; begin another upload"));
        }
        let part = self.filling.split().freeze();
        let bytes = part.len() as u64;
        check_part_reserve(&*self.uploads.0.store, bytes).await?;
        let key = keys::upload_part(self.upload.id, self.upload.offset());
        let put = self.uploads.0.store.put(&key, part).await;
        put.map_err(|error| error.own_problem("storing a part of the upload"))?;
        self.upload.received.fetch_add(bytes, Ordering::AcqRel);
        self.upload.short_parts.fetch_add(is_short.into(), Ordering::AcqRel);
        Ok(())
    }
}
