//! An object as a stream.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, stream};
use platform::{ObjectStore, StoreError};

/// The size of a piece in bytes; a multiple of the 8 bytes of a number.
const PIECE_BYTES: usize = 1 << 20;

/// A part of an object, in pieces of 1 MiB. It ends early if the object does.
pub fn stream(
    store: Arc<dyn ObjectStore>,
    key: String,
    bytes: Range<u64>,
) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + 'static {
    stream::try_unfold(bytes.start, move |offset| {
        let (store, key, end) = (store.clone(), key.clone(), bytes.end);
        async move {
            let left = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
            if left == 0 {
                return Ok(None);
            }
            let piece = store.read(&key, offset, left.min(PIECE_BYTES), Vec::new()).await?;
            let next = offset + piece.len() as u64;
            Ok((!piece.is_empty()).then(|| (Bytes::from(piece), next)))
        }
    })
}
