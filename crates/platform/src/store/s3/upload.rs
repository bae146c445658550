//! Uploads: objects that are written piece by piece.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use tokio::task::JoinSet;

use super::{Failure, Shared};
use crate::StoreError;
use crate::store::Upload;

/// The number of parts after which the part size doubles, so that large objects fit
/// into the 10,000 parts that S3 allows: from 8 MiB parts up to 496 GB, with no part
/// larger than 128 MiB.
const PARTS_BEFORE_DOUBLING: u32 = 2000;

/// An object that is being written. In memory are at most the part that is being
/// filled and those in flight. A small object is put in a single request.
pub(super) struct S3Upload {
    shared: Arc<Shared>,
    key: String,
    full_key: String,
    filling: BytesMut,
    parts: Option<MultipartUpload>,
    /// Whether a previous write failed or was cancelled half-way.
    broken: bool,
}

/// The parts of a multipart upload.
struct MultipartUpload {
    upload_id: String,
    begun: u32,
    in_flight: JoinSet<Result<CompletedPart, StoreError>>,
    done: Vec<CompletedPart>,
    bytes: u64,
}

impl S3Upload {
    pub(super) fn begin(shared: &Arc<Shared>, key: &str) -> Result<S3Upload, StoreError> {
        Ok(S3Upload {
            full_key: shared.full_key(key)?,
            shared: shared.clone(),
            key: key.to_owned(),
            filling: BytesMut::new(),
            parts: None,
            broken: false,
        })
    }

    fn part_bytes(&self) -> usize {
        let begun = self.parts.as_ref().map_or(0, |parts| parts.begun);
        self.shared.tuning.part_bytes << (begun / PARTS_BEFORE_DOUBLING)
    }

    /// Sends the filled part, once fewer than the maximum are in flight.
    async fn send_part(&mut self) -> Result<(), StoreError> {
        let parts = match &mut self.parts {
            Some(parts) => parts,
            none => {
                let upload_id = self.shared.begin_upload(&self.key, &self.full_key).await?;
                none.insert(MultipartUpload {
                    upload_id,
                    begun: 0,
                    in_flight: JoinSet::new(),
                    done: Vec::new(),
                    bytes: 0,
                })
            }
        };
        while parts.in_flight.len() >= self.shared.tuning.parts_in_flight {
            parts.finish_part().await?;
        }
        parts.begun += 1;
        let body = self.filling.split().freeze();
        parts.bytes += body.len() as u64;
        let part = Part {
            shared: self.shared.clone(),
            key: self.key.clone(),
            full_key: self.full_key.clone(),
            upload_id: parts.upload_id.clone(),
            number: i32::try_from(parts.begun).unwrap_or(i32::MAX),
            body,
        };
        parts.in_flight.spawn(part.send());
        Ok(())
    }

    async fn add(&mut self, mut bytes: Bytes) -> Result<(), StoreError> {
        while !bytes.is_empty() {
            let room = self.part_bytes() - self.filling.len();
            let taken = bytes.split_to(room.min(bytes.len()));
            self.filling.extend_from_slice(&taken);
            if self.filling.len() >= self.part_bytes() {
                self.send_part().await?;
            }
        }
        Ok(())
    }
}

impl MultipartUpload {
    async fn finish_part(&mut self) -> Result<(), StoreError> {
        match self.in_flight.join_next().await {
            Some(Ok(part)) => self.done.push(part?),
            Some(Err(stopped)) => {
                let source = Box::new(stopped);
                return Err(StoreError::Unavailable { key: String::new(), source });
            }
            None => {}
        }
        Ok(())
    }
}

#[async_trait]
impl Upload for S3Upload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        if self.broken {
            let source = "an earlier write was interrupted".into();
            return Err(StoreError::Unavailable { key: self.key.clone(), source });
        }
        self.broken = true;
        self.add(bytes).await?;
        self.broken = false;
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), StoreError> {
        self.write(Bytes::new()).await?;
        if self.parts.is_none() {
            let bytes = self.filling.split().freeze();
            return self.shared.put(&self.key, bytes).await;
        }
        if !self.filling.is_empty() {
            self.send_part().await?;
        }
        let Some(parts) = &mut self.parts else {
            return Ok(());
        };
        while !parts.in_flight.is_empty() {
            parts.finish_part().await?;
        }
        let mut done = std::mem::take(&mut parts.done);
        done.sort_by_key(CompletedPart::part_number);
        self.shared
            .finish_upload(&self.key, &self.full_key, &parts.upload_id, done, parts.bytes)
            .await?;
        self.parts = None;
        Ok(())
    }
}

impl Drop for S3Upload {
    fn drop(&mut self) {
        // Without a runtime the process is stopping; the next start of a server
        // aborts the upload.
        if let Some(parts) = self.parts.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (shared, full_key) = (self.shared.clone(), std::mem::take(&mut self.full_key));
            runtime.spawn(async move {
                let MultipartUpload { upload_id, mut in_flight, .. } = parts;
                // A part that arrives after the abort would remain.
                in_flight.shutdown().await;
                if let Err(error) = shared.abort_upload(&full_key, &upload_id).await {
                    tracing::warn!(%error, "upload not aborted: it remains until a server starts");
                }
            });
        }
    }
}

/// A part to be sent.
struct Part {
    shared: Arc<Shared>,
    key: String,
    full_key: String,
    upload_id: String,
    number: i32,
    body: Bytes,
}

impl Part {
    async fn send(self) -> Result<CompletedPart, StoreError> {
        self.shared
            .retrying(&self.key, || async {
                let answer = self
                    .shared
                    .client
                    .upload_part()
                    .bucket(&self.shared.bucket)
                    .key(&self.full_key)
                    .upload_id(&self.upload_id)
                    .part_number(self.number)
                    .body(self.body.clone().into())
                    .send()
                    .await
                    .map_err(|error| Failure::of("UploadPart", &error))?;
                Ok(CompletedPart::builder()
                    .part_number(self.number)
                    .set_e_tag(answer.e_tag)
                    .set_checksum_crc32(answer.checksum_crc32)
                    .set_checksum_crc32_c(answer.checksum_crc32_c)
                    .set_checksum_crc64_nvme(answer.checksum_crc64_nvme)
                    .build())
            })
            .await
    }
}

impl Shared {
    /// Begins an upload and aborts it: nothing is left.
    pub(super) async fn check_writable(&self, key: &str) -> Result<(), StoreError> {
        let full_key = self.full_key(key)?;
        let upload_id = self.begin_upload(key, &full_key).await?;
        if let Err(error) = self.abort_upload(&full_key, &upload_id).await {
            // It can be written; the rule of the bucket for incomplete uploads removes it.
            tracing::warn!(%error, key, "upload not aborted");
        }
        Ok(())
    }

    async fn begin_upload(&self, key: &str, full_key: &str) -> Result<String, StoreError> {
        const OPERATION: &str = "CreateMultipartUpload";
        self.retrying(key, || async {
            let begin = self.client.create_multipart_upload().bucket(&self.bucket).key(full_key);
            let answer = begin.send().await.map_err(|error| Failure::of(OPERATION, &error))?;
            answer.upload_id.ok_or_else(|| Failure::unanswered(OPERATION, "no id in the answer"))
        })
        .await
    }

    async fn finish_upload(
        &self,
        key: &str,
        full_key: &str,
        upload_id: &str,
        parts: Vec<CompletedPart>,
        bytes: u64,
    ) -> Result<(), StoreError> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let finished = self.retrying(key, || async {
            self.client
                .complete_multipart_upload()
                .bucket(&self.bucket)
                .key(full_key)
                .upload_id(upload_id)
                .multipart_upload(parts.clone())
                .send()
                .await
                .map(drop)
                .map_err(|error| Failure::of("CompleteMultipartUpload", &error))
        });
        match finished.await {
            // A previous request whose answer was lost may have finished it.
            Err(StoreError::NotFound { .. }) if self.head(key).await?.bytes == bytes => Ok(()),
            finished => finished,
        }
    }

    async fn abort_upload(&self, full_key: &str, upload_id: &str) -> Result<(), StoreError> {
        let aborted = self.retrying(full_key, || async {
            self.client
                .abort_multipart_upload()
                .bucket(&self.bucket)
                .key(full_key)
                .upload_id(upload_id)
                .send()
                .await
                .map(drop)
                .map_err(|error| Failure::of("AbortMultipartUpload", &error))
        });
        match aborted.await {
            Err(StoreError::NotFound { .. }) => Ok(()),
            aborted => aborted,
        }
    }

    /// Aborts unfinished uploads that began longer ago than `older_than`; returns
    /// how many.
    pub(super) async fn abort_uploads(&self, older_than: Duration) -> Result<u64, StoreError> {
        let now = DateTime::from(std::time::SystemTime::now());
        let begun_before = now.secs().saturating_sub_unsigned(older_than.as_secs());
        let (mut aborted, mut key_marker, mut id_marker) = (0, None, None);
        loop {
            let page = self
                .retrying(&self.prefix, || async {
                    self.client
                        .list_multipart_uploads()
                        .bucket(&self.bucket)
                        .prefix(&self.prefix)
                        .set_key_marker(key_marker.clone())
                        .set_upload_id_marker(id_marker.clone())
                        .send()
                        .await
                        .map_err(|error| Failure::of("ListMultipartUploads", &error))
                })
                .await?;
            for upload in page.uploads() {
                let begun = upload.initiated().map_or(i64::MAX, DateTime::secs);
                if let (Some(key), Some(id)) = (upload.key(), upload.upload_id())
                    && key.starts_with(&self.prefix)
                    && begun <= begun_before
                {
                    self.abort_upload(key, id).await?;
                    aborted += 1;
                }
            }
            if page.is_truncated() != Some(true) {
                return Ok(aborted);
            }
            (key_marker, id_marker) = (page.next_key_marker, page.next_upload_id_marker);
        }
    }
}
