//! Detects the format of an input.

use futures::{StreamExt, stream};
use platform::{InputStores, StoreError};
use protocol::request::ReadOptions;
use protocol::task::InputObject;
use summation::{Detection, Format, InputError, Piece};

use crate::StoredInput;

/// So many ranges of an object are asked for at the same time.
const RANGES_AT_ONCE: usize = 8;

/// How often more of an object is asked for. What describes its numbers may lead from one place
/// to the next; no usual file needs a tenth of this.
const ROUNDS_MAX: usize = 250;

/// The format of an input could not be detected.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The object could not be read.
    #[error("it cannot be read")]
    Store(#[from] StoreError),
    /// It contains no numbers in a known format.
    #[error("{0}")]
    Input(InputError),
}

/// Detects the format of an input, which is to be read as the options say; returns it with the
/// first bytes of the input, which were read for that. `first_bytes` are read at first, and more
/// only if they are needed. Every read is held to the versions of `object`.
///
/// # Errors
///
/// If the input cannot be read, is not what it is pinned to, or is of no format known here.
pub async fn detect(
    stores: &InputStores,
    object: &InputObject,
    options: &ReadOptions,
    first_bytes: usize,
) -> Result<(Format, Vec<u8>), DetectError> {
    let input = &StoredInput::find(object, stores)?;
    let mut head = input.read(0, first_bytes).await?;
    let mut others = Vec::new();
    let shorter = || {
        let source = "it is shorter than when it was listed".into();
        StoreError::Unavailable { key: object.location.clone(), source }
    };
    for _ in 0..ROUNDS_MAX {
        let detection = Format::detect_in(&head, &others, object.bytes, options, &object.parts);
        match detection.map_err(DetectError::Input)? {
            Detection::Format(format) => return Ok((format, head)),
            Detection::Needs(bytes) => {
                let missing = bytes.saturating_sub(head.len());
                let more = input.read(head.len() as u64, missing).await?;
                if more.is_empty() {
                    return Err(shorter().into());
                }
                head.extend(more);
            }
            Detection::NeedsRanges(ranges) => {
                let reads = stream::iter(ranges).map(|range| async move {
                    let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
                    let read = input.read(range.start, length);
                    Ok::<_, StoreError>((Piece { start: range.start, bytes: read.await? }, length))
                });
                let mut reads = reads.buffered(RANGES_AT_ONCE);
                while let Some(read) = reads.next().await {
                    let (piece, length) = read.map_err(DetectError::Store)?;
                    if piece.bytes.len() < length {
                        return Err(shorter().into());
                    }
                    others.push(piece);
                }
            }
        }
    }
    let what = format!("what describes the numbers lies in more than {ROUNDS_MAX} places in turn");
    let remedy = "write the file again".into();
    Err(DetectError::Input(InputError { what: what.into(), remedy, ..InputError::default() }))
}
