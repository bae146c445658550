//! Generates test data into the store.

use std::sync::Arc;

use bytes::Bytes;
use futures::future;
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
/// `stop` is cancelled, it returns as soon as the pieces under way are written, however
/// many objects are left; objects that are not whole do not appear.
pub async fn generate(
    store: &Arc<dyn ObjectStore>,
    prefix: &str,
    data: Generate,
    progress: impl Fn(Counted),
    stop: &CancellationToken,
) -> Result<(), Problem> {
    progress(Counted { done: 0, total: data.files });
    let not_stopped = |_: &u64| future::ready(!stop.is_cancelled());
    let made = stream::iter(0..data.files).take_while(not_stopped).map(|index| {
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

/// Whether this is the name of one of the generated files.
#[must_use]
pub fn is_file_name(data: Generate, name: &str) -> bool {
    let index = name.split('.').next().and_then(|digits| digits.parse().ok());
    index.is_some_and(|index| index < data.files && file_name(data, index) == name)
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use platform::backends;
    use protocol::request::GeneratedFormat;

    use super::*;

    #[tokio::test]
    async fn what_is_stopped_does_not_go_through_the_files_that_are_left() {
        let folder = tempfile::tempdir().unwrap();
        let store = backends::folder(folder.path()).open().await.unwrap();
        // On one thread, going through them all would take minutes.
        let data = Generate { files: 1 << 40, count: 1, format: GeneratedFormat::Csv, seed: 0 };
        let stop = CancellationToken::new();
        let most = AtomicU64::new(0);
        let progress = |counted: Counted| {
            most.store(counted.done, Ordering::Relaxed);
            if counted.done == 10 {
                stop.cancel();
            }
        };
        generate(&store, "in/", data, progress, &stop).await.unwrap();
        let written = std::fs::read_dir(folder.path().join("in")).unwrap().count() as u64;
        assert!((10..=10 + AT_ONCE as u64).contains(&written), "{written} files");
    }
}
