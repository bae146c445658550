//! Generates test data into the store.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use platform::{ObjectStore, StoreError};
use protocol::Problem;
use protocol::job::Counted;
use protocol::request::Generate;
use summation::generate::Generator;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

/// How many bytes of an object are generated at a time.
const PIECE_BYTES: usize = 1 << 20;
/// How many numbers are generated to estimate the size of an object.
const SAMPLE_NUMBERS: u64 = 10_000;
/// How many objects are generated at the same time.
const AT_ONCE: usize = 4;

/// Generates the objects below `prefix`, and calls `progress` after each. Once
/// `stop` is cancelled, nothing more is written.
pub async fn generate(
    store: &Arc<dyn ObjectStore>,
    prefix: &str,
    data: Generate,
    progress: impl Fn(Counted),
    stop: &CancellationToken,
) -> Result<(), Problem> {
    progress(Counted { done: 0, total: data.files });
    let made = stream::iter(0..data.files).map(|index| {
        let key = format!("{prefix}{}", file_name(data, index));
        make(store.clone(), key, data, index, stop)
    });
    let mut made = made.buffer_unordered(AT_ONCE);
    let mut done = 0;
    while let Some(()) =
        made.try_next().await.map_err(|error| error.problem("generating test data"))?
    {
        done += 1;
        progress(Counted { done, total: data.files });
    }
    Ok(())
}

/// The name of a generated file: its index, padded to the digits of the last.
#[must_use]
pub fn file_name(data: Generate, index: u64) -> String {
    let digits = data.files.saturating_sub(1).to_string().len();
    format!("{index:0digits$}.{}", data.format.extension())
}

/// The estimated size of a generated file in bytes, from the beginning of the first.
#[must_use]
pub fn object_bytes(data: Generate) -> u64 {
    let sample = Generate { count: data.count.min(SAMPLE_NUMBERS), ..data };
    let mut bytes = Vec::new();
    let mut generator = Generator::new(&sample, 0);
    while generator.fill(PIECE_BYTES, &mut bytes) {}
    let bytes = bytes.len() as u64;
    bytes + bytes * (data.count - sample.count) / sample.count.max(1)
}

async fn make(
    store: Arc<dyn ObjectStore>,
    key: String,
    data: Generate,
    index: u64,
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    if stop.is_cancelled() {
        return Ok(());
    }
    let mut upload = store.upload(&key).await?;
    let mut generator = Generator::new(&data, index);
    let mut has_more = true;
    while has_more {
        if stop.is_cancelled() {
            return Ok(());
        }
        let made = spawn_blocking(move || {
            let mut piece = Vec::new();
            let has_more = generator.fill(PIECE_BYTES, &mut piece);
            (generator, piece, has_more)
        });
        let piece;
        (generator, piece, has_more) = made
            .await
            .map_err(|error| StoreError::Unavailable { key: key.clone(), source: error.into() })?;
        upload.write(Bytes::from(piece)).await?;
    }
    upload.finish().await
}
