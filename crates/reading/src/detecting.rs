//! Detects the format of an object in a store.

use platform::{ObjectStore, Pin, StoreError};
use protocol::request::ReadOptions;
use summation::{Detection, Format, InputError};

/// The format of an object could not be detected.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The object could not be read.
    #[error("it cannot be read")]
    Store(#[from] StoreError),
    /// It contains no numbers in a known format.
    #[error("{0}")]
    Input(InputError),
}

/// Detects the format of an object of `object_bytes` bytes, which is to be read as the
/// options say; returns it with the
/// first bytes of the object, which were read for that. `first_bytes` are read at
/// first, and more only if they are needed. Every read is held to `pin`.
///
/// # Errors
///
/// If the object cannot be read, is not what it is pinned to, or is of no format known
/// here.
pub async fn detect(
    store: &dyn ObjectStore,
    key: &str,
    pin: Option<&Pin>,
    object_bytes: u64,
    options: &ReadOptions,
    first_bytes: usize,
) -> Result<(Format, Vec<u8>), DetectError> {
    let mut head = store.read_pinned(key, pin, 0, first_bytes, Vec::new()).await?;
    loop {
        match Format::detect_with(&head, object_bytes, options).map_err(DetectError::Input)? {
            Detection::Format(format) => return Ok((format, head)),
            Detection::Needs(bytes) => {
                let missing = bytes.saturating_sub(head.len());
                let from = head.len() as u64;
                let more = store.read_pinned(key, pin, from, missing, Vec::new()).await?;
                if more.is_empty() {
                    let source = "it is shorter than when it was listed".into();
                    return Err(StoreError::Unavailable { key: key.to_owned(), source }.into());
                }
                head.extend(more);
            }
        }
    }
}
