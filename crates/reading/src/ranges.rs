//! The bytes of one object, range by range.

mod cursor;
mod file;
mod remote;

use std::sync::Arc;

use async_trait::async_trait;
use platform::{ObjectStore, StoreError};

use self::cursor::Cursor;
use self::file::FileRanges;
use self::remote::RemoteRanges;
use crate::Buffers;

/// How much of a file is read at a time, at most: it stays in the processor's cache.
pub const FILE_RANGE_BYTES: usize = file::RANGE_BYTES;

/// Which bytes of an object are read, in this order; none of them is empty.
pub type Extents = Box<dyn Iterator<Item = std::ops::Range<u64>> + Send>;

/// The bytes of one object, range by range, from one extent after another.
///
/// Whoever reads waits by [`ready`](Ranges::ready) and then takes by
/// [`next`](Ranges::next) what there is, on a thread that may be kept busy, until
/// that gives nothing more. So a file can be read on the thread that uses its
/// bytes, and what is far away ahead of its use, and the reader need not know
/// which it is.
#[async_trait]
pub trait Ranges: Send {
    /// Goes on with other extents; those before are forgotten.
    fn seek(&mut self, extents: Extents);

    /// Says up to which byte of the present extent bytes are likely to be
    /// wanted: little more is read unless it is asked for.
    fn expect_end(&mut self, end: u64);

    /// Whether every byte has been handed out.
    fn is_over(&self) -> bool;

    /// Has the next range come, if one is likely to be wanted.
    fn ask_ahead(&mut self);

    /// Waits until [`next`](Ranges::next) has a range to give, or there is none.
    ///
    /// # Errors
    ///
    /// If the store cannot read the object, or it is shorter than was said.
    async fn ready(&mut self) -> Result<(), StoreError>;

    /// Puts the next range at the beginning of `buffer`, whose content, length
    /// and memory are of no further use. `None` if there is no range just now,
    /// or none any more.
    ///
    /// # Errors
    ///
    /// As [`ready`](Ranges::ready).
    fn next(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Piece>, StoreError>;

    /// How many bytes it is better to read in vain than to ask anew for those
    /// that follow.
    fn gap_bytes(&self) -> u64;
}

/// A range that has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins in the object.
    pub offset: u64,
    /// How many bytes it has.
    pub bytes: usize,
}

/// Opens an object of so many bytes, or of an unknown number of them, to be read
/// from its beginning in ranges of at most `range_bytes`. A file is read in
/// [`Ranges::next`], which then waits for the disk.
pub fn open(
    store: &Arc<dyn ObjectStore>,
    key: &str,
    object_bytes: Option<u64>,
    range_bytes: usize,
    buffers: &Arc<Buffers>,
) -> Box<dyn Ranges> {
    match store.reader(key) {
        Some(reader) => {
            let cursor = Cursor::new(key, object_bytes, range_bytes.min(FILE_RANGE_BYTES));
            Box::new(FileRanges::new(reader, cursor))
        }
        None => open_remote(store, key, object_bytes, range_bytes, buffers),
    }
}

/// Opens an object likewise, and never waits in [`Ranges::next`], whatever the
/// store.
pub fn open_remote(
    store: &Arc<dyn ObjectStore>,
    key: &str,
    object_bytes: Option<u64>,
    range_bytes: usize,
    buffers: &Arc<Buffers>,
) -> Box<dyn Ranges> {
    let cursor = Cursor::new(key, object_bytes, range_bytes);
    Box::new(RemoteRanges::new(store.clone(), cursor, buffers.clone()))
}

#[cfg(test)]
mod tests;
