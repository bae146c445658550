//! Stores the key column of the first object: workers compare that of all others with it,
//! and the result has it.

use bytes::Bytes;
use platform::{ObjectStore, Pin, StoreError};
use protocol::request::ReadOptions;
use protocol::task::{InputObject, KEY_FIELDS, KEY_HASHES};
use protocol::{JobId, Problem};
use reading::DetectError;
use summation::{Block, HEAD_BYTES, KeyUse, key_hash, output};

use super::Planner;
use crate::keys;

/// How much of the object is read at a time.
const PIECE_BYTES: usize = 1 << 20;

/// How many of its numbers are decoded at a time.
const NUMBERS_AT_ONCE: usize = 1 << 14;

impl Planner {
    /// Reads a table and stores its key column: each field as a line, and their hashes.
    ///
    /// # Errors
    ///
    /// If the table cannot be read, or the store cannot be written.
    pub async fn store_keys(
        &self,
        job: JobId,
        object: &InputObject,
        options: &ReadOptions,
    ) -> Result<(), Problem> {
        let reading = |error: StoreError| error.input_problem(&object.location);
        let writing = |error: StoreError| error.own_problem("storing the keys of the first file");
        let (store, _, key) = self.inputs.resolve(&object.location).map_err(reading)?;
        let (store, pin): (&dyn ObjectStore, _) = (&**store, Pin::of(object));
        let detected = reading::detect(&self.inputs, object, options, HEAD_BYTES);
        let (format, _) = detected.await.map_err(|error| match error {
            DetectError::Store(error) => reading(error),
            DetectError::Input(error) => error.problem(&object.location),
        })?;
        let prefix = keys::keys(job);
        let mut fields =
            self.store.upload(&format!("{prefix}{KEY_FIELDS}")).await.map_err(writing)?;
        let mut hashes =
            self.store.upload(&format!("{prefix}{KEY_HASHES}")).await.map_err(writing)?;
        let mut decoder = format.decoder(object.bytes);
        decoder.use_keys(KeyUse::Collect);
        let mut block = Block::default();
        let (mut offset, mut piece, mut used) = (0_u64, Vec::new(), 0);
        while !decoder.has_ended() {
            if used == piece.len() && offset < object.bytes {
                piece = store
                    .read_pinned(key, pin.as_ref(), offset, PIECE_BYTES, piece)
                    .await
                    .map_err(reading)?;
                if piece.is_empty() {
                    return Err(Problem::input_changed(&object.location, "it is shorter"));
                }
                (offset, used) = (offset + piece.len() as u64, 0);
            }
            block.clear();
            let is_last = offset == object.bytes;
            let decoded = decoder.decode(&piece[used..], is_last, NUMBERS_AT_ONCE, &mut block);
            used += decoded.map_err(|error| error.problem(&object.location))?;
            let (mut lines, mut sums) = (Vec::new(), Vec::new());
            for key in decoder.take_keys() {
                sums.extend(key_hash(&key).to_le_bytes());
                output::put_fields(std::iter::once(&*key), &mut lines);
            }
            if !sums.is_empty() {
                fields.write(Bytes::from(lines)).await.map_err(writing)?;
                hashes.write(Bytes::from(sums)).await.map_err(writing)?;
            }
        }
        fields.finish().await.map_err(writing)?;
        hashes.finish().await.map_err(writing)
    }
}
