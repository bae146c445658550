//! A result as the table that its inputs are.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use platform::store::read_all;
use platform::{ObjectStore, StoreError};
use protocol::JobId;
use protocol::task::KEY_FIELDS;
use summation::output;

use crate::keys;

/// The numbers as rows of `width`, each behind its key if the inputs are `keyed`, below the
/// line that names the columns, if the inputs have one.
pub(super) fn written(
    store: Arc<dyn ObjectStore>,
    job: JobId,
    width: u64,
    keyed: bool,
    numbers: impl Stream<Item = Result<Vec<f64>, StoreError>> + Send + 'static,
) -> BoxStream<'static, Result<Bytes, StoreError>> {
    let header_store = store.clone();
    let header = stream::once(async move {
        match read_all(&*header_store, &keys::header(job)).await {
            Ok(header) => Ok(Bytes::from(header)),
            Err(StoreError::NotFound { .. }) => Ok(Bytes::new()),
            Err(error) => Err(error),
        }
    });
    if !keyed {
        let mut index = 0;
        let rows = numbers.map_ok(move |numbers| {
            let mut text = Vec::new();
            output::put_rows(index, width, &numbers, &mut text);
            index += numbers.len() as u64;
            Bytes::from(text)
        });
        return header.chain(rows).boxed();
    }
    let lines = Lines::new(store, format!("{}{KEY_FIELDS}", keys::keys(job)));
    let rows = stream::try_unfold(
        (Box::pin(numbers), lines, 0_u64),
        move |(mut numbers, mut lines, mut index)| async move {
            let Some(numbers_now) = numbers.try_next().await? else {
                return Ok(None);
            };
            let mut text = Vec::new();
            let mut rest = numbers_now.as_slice();
            while !rest.is_empty() {
                if index.is_multiple_of(width) {
                    lines.put_next(&mut text).await?;
                    text.push(b',');
                }
                let in_row = usize::try_from(width - index % width).unwrap_or(usize::MAX);
                let (now, behind) = rest.split_at(in_row.min(rest.len()));
                output::put_rows(index, width, now, &mut text);
                index += now.len() as u64;
                rest = behind;
            }
            Ok(Some((Bytes::from(text), (numbers, lines, index))))
        },
    );
    header.chain(rows).boxed()
}

/// The fields of the key column, which are lines of CSV, one after the other.
struct Lines {
    store: Arc<dyn ObjectStore>,
    key: String,
    /// Where the piece behind the present one begins.
    offset: u64,
    piece: Vec<u8>,
    used: usize,
}

/// How much of the fields is read at a time.
const PIECE_BYTES: usize = 1 << 20;

impl Lines {
    const fn new(store: Arc<dyn ObjectStore>, key: String) -> Lines {
        Lines { store, key, offset: 0, piece: Vec::new(), used: 0 }
    }

    /// Appends the next line, without its end; nothing once there is none.
    async fn put_next(&mut self, text: &mut Vec<u8>) -> Result<(), StoreError> {
        let mut is_quoted = false;
        loop {
            if self.used == self.piece.len() {
                let memory = std::mem::take(&mut self.piece);
                self.piece = self.store.read(&self.key, self.offset, PIECE_BYTES, memory).await?;
                (self.offset, self.used) = (self.offset + self.piece.len() as u64, 0);
                if self.piece.is_empty() {
                    return Ok(());
                }
            }
            for &byte in &self.piece[self.used..] {
                self.used += 1;
                is_quoted ^= byte == b'"';
                if byte == b'\n' && !is_quoted {
                    return Ok(());
                }
                text.push(byte);
            }
        }
    }
}
