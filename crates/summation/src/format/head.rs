//! The first bytes of an object, and what they tell about its format.

use std::ops::Range;

use protocol::request::ReadOptions;
use protocol::task::ObjectPart;

use crate::InputError;

use super::Format;

/// How many first bytes of an object to read before anything is known of it:
/// enough for the header of any .npy that NumPy reads.
pub const HEAD_BYTES: usize = 16 * 1024;

/// The most first bytes that [`Format::detect`] asks for, but of a safetensors or NetCDF file, which
/// may have a header of 4 MiB. A block of zstd has up to 128 KiB and is decompressed as a
/// whole; before the first come small ones at most, if a writer flushed what it had.
pub const HEAD_BYTES_MAX: usize = 256 * 1024;

/// Tells whether an object is of one format. An error says that it is, and
/// cannot be read.
pub(super) type Tell = fn(&Head<'_>) -> Result<Told, InputError>;

/// What a format makes of the beginning of an object.
pub(super) enum Told {
    /// It is of this format.
    Is(Format),
    /// It is of another one.
    Other,
    /// It cannot be told before there are so many first bytes.
    Needs(usize),
    /// Nor before these bytes are there too.
    NeedsRanges(Vec<Range<u64>>),
}

/// A range of an object that was asked for.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Where in the object it begins, in bytes.
    pub start: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The beginning of an object, of which the format is to be told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    pub(super) bytes: &'a [u8],
    /// Other ranges of the object, which were asked for.
    pub(super) others: &'a [Piece],
    /// Whether nothing follows, or nothing that can be had.
    pub(super) is_all: bool,
    /// How many bytes the object has; not known of what is compressed.
    pub(super) object_bytes: Option<u64>,
    /// What the request says: nothing in bare numbers would tell their type.
    pub(super) options: &'a ReadOptions,
    /// The formats that are looked for, in this order.
    pub(super) formats: &'static [Tell],
    /// The objects of which it consists, if there are several.
    pub(super) parts: &'a [ObjectPart],
}

impl<'a> Head<'a> {
    /// Bytes of the object, if all of them are there.
    pub(super) fn range(&self, range: Range<u64>) -> Option<&'a [u8]> {
        let length = usize::try_from(range.end - range.start).ok()?;
        self.from(range.start).get(..length)
    }

    /// All bytes that are there from one on, without a gap.
    pub(super) fn from(&self, start: u64) -> &'a [u8] {
        let first = (0, self.bytes);
        let others = self.others.iter().map(|piece| (piece.start, piece.bytes.as_slice()));
        let from = |(begin, bytes): (u64, &'a [u8])| {
            let place = usize::try_from(start.checked_sub(begin)?).ok()?;
            bytes.get(place..)
        };
        let found = std::iter::once(first).chain(others).filter_map(from);
        found.max_by_key(|bytes| bytes.len()).unwrap_or_default()
    }

    /// Asks one format after another.
    pub(super) fn tell(&self) -> Result<Told, InputError> {
        for tell in self.formats {
            match tell(self)? {
                Told::Other => {}
                told => return Ok(told),
            }
        }
        Ok(Told::Other)
    }

    /// The first so many bytes, or all; what to answer if there are too few.
    pub(super) fn first(&self, bytes: usize) -> Result<&[u8], Told> {
        match self.bytes.get(..bytes) {
            Some(first) => Ok(first),
            None if self.is_all => Ok(self.bytes),
            None => Err(Told::Needs(bytes)),
        }
    }
}
