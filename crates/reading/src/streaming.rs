//! An object as a stream.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, stream};
use platform::{ObjectStore, StoreError};

/// How many bytes come at a time: whole numbers of 8 bytes.
const PIECE_BYTES: usize = 1 << 20;

/// These bytes of an object, in pieces of a mebibyte; fewer if the object ends
/// before.
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
