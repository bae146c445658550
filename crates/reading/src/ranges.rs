//! The bytes of one object, range by range.

mod cursor;
mod file;
mod remote;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use platform::{ObjectStore, Pin, StoreError};

use self::cursor::Cursor;
use self::file::FileRanges;
use self::remote::RemoteRanges;
use crate::Buffers;

/// The maximum size of a range of a file; it fits the processor's cache.
pub const FILE_RANGE_BYTES: usize = file::RANGE_BYTES;

/// The parts of an object to read, in this order; none of them is empty.
pub type Extents = Box<dyn Iterator<Item = std::ops::Range<u64>> + Send>;

/// The bytes of one object, range by range, from one extent after another.
///
/// A reader waits with [`ready`](Ranges::ready), and then calls
/// [`next`](Ranges::next), on a thread that may block, until it returns `None`. So a
/// file can be read on the thread that uses its bytes, and an object of a network
/// store can be read ahead; the reader need not distinguish them.
#[async_trait]
pub trait Ranges: Send {
    /// Continues with other extents, and discards the earlier ones.
    fn seek(&mut self, extents: Extents);

    /// Sets the byte of the current extent up to which the reader is likely to read.
    /// Little more is read ahead until it is requested.
    fn expect_end(&mut self, end: u64);

    /// Whether all bytes have been returned.
    fn is_over(&self) -> bool;

    /// Starts to read the next range, if it is likely to be needed.
    fn ask_ahead(&mut self);

    /// Waits until [`next`](Ranges::next) can return a range, or none is left.
    ///
    /// # Errors
    ///
    /// If the store cannot read the object, it is shorter than expected, or it is not
    /// what it is pinned to.
    async fn ready(&mut self) -> Result<(), StoreError>;

    /// Puts the next range at the beginning of `buffer`, and may replace the content,
    /// length and memory of `buffer`. `None` if no range is ready, or none is left.
    ///
    /// # Errors
    ///
    /// As [`ready`](Ranges::ready).
    fn next(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Piece>, StoreError>;

    /// How long [`next`](Ranges::next) has waited for the disk since the last call. Zero
    /// where it never waits.
    fn take_waited(&mut self) -> Duration {
        Duration::ZERO
    }

    /// The longest gap, in bytes, that is cheaper to read than to skip with a new
    /// request.
    fn gap_bytes(&self) -> u64;
}

/// A range that has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its first byte in the object.
    pub offset: u64,
    /// Its length in bytes.
    pub bytes: usize,
}

/// An object to be read.
#[derive(Clone, Copy, Debug)]
pub struct ObjectRef<'a> {
    /// The key of the object.
    pub key: &'a str,
    /// The size in bytes, if it is known.
    pub bytes: Option<u64>,
    /// What the object must be; every range is held to it.
    pub pin: Option<&'a Pin>,
}

/// Opens an object, to be read from its beginning in ranges of at most `range_bytes`.
/// A file is read in [`Ranges::next`], which then waits for the disk.
pub fn open(
    store: &Arc<dyn ObjectStore>,
    object: ObjectRef<'_>,
    range_bytes: usize,
    buffers: &Arc<Buffers>,
) -> Box<dyn Ranges> {
    match store.reader(object.key, object.pin) {
        Some(reader) => {
            let range_bytes = range_bytes.min(FILE_RANGE_BYTES);
            let cursor = Cursor::new(object.key, object.bytes, range_bytes);
            Box::new(FileRanges::new(reader, cursor))
        }
        None => open_remote(store, object, range_bytes, buffers),
    }
}

/// Opens an object in the same way, but [`Ranges::next`] never waits, whatever the
/// store is.
pub fn open_remote(
    store: &Arc<dyn ObjectStore>,
    object: ObjectRef<'_>,
    range_bytes: usize,
    buffers: &Arc<Buffers>,
) -> Box<dyn Ranges> {
    let cursor = Cursor::new(object.key, object.bytes, range_bytes);
    let pin = object.pin.cloned();
    Box::new(RemoteRanges::new(store.clone(), cursor, pin, buffers.clone()))
}

#[cfg(test)]
mod tests;
