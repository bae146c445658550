//! Detects the format of an object in a store.

use platform::{ObjectStore, StoreError};
use protocol::request::RawNumbers;
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

/// Detects the format of an object of `object_bytes` bytes; returns it with the
/// first bytes of the object, which were read for that. `first_bytes` are read at
/// first, and more only if they are needed.
///
/// # Errors
///
/// If the object cannot be read, or is of no format known here.
pub async fn detect(
    store: &dyn ObjectStore,
    key: &str,
    object_bytes: u64,
    raw: Option<RawNumbers>,
    first_bytes: usize,
) -> Result<(Format, Vec<u8>), DetectError> {
    let mut head = store.read(key, 0, first_bytes, Vec::new()).await?;
    loop {
        match Format::detect(&head, object_bytes, raw).map_err(DetectError::Input)? {
            Detection::Format(format) => return Ok((format, head)),
            Detection::Needs(bytes) => {
                let missing = bytes.saturating_sub(head.len());
                let more = store.read(key, head.len() as u64, missing, Vec::new()).await?;
                if more.is_empty() {
                    let source = "it is shorter than when it was listed".into();
                    return Err(StoreError::Unavailable { key: key.to_owned(), source }.into());
                }
                head.extend(more);
            }
        }
    }
}
