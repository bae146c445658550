//! The first bytes of an object, and what they tell about its format.

use protocol::request::ReadOptions;

use crate::InputError;

use super::Format;

/// How many first bytes of an object to read before anything is known of it:
/// enough for the header of any .npy that NumPy reads.
pub const HEAD_BYTES: usize = 16 * 1024;

/// The most first bytes that [`Format::detect`] asks for. A block of zstd has up
/// to 128 KiB and is decompressed as a whole; before the first come small ones
/// at most, if a writer flushed what it had.
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
}

/// The beginning of an object, of which the format is to be told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    pub(super) bytes: &'a [u8],
    /// Whether nothing follows, or nothing that can be had.
    pub(super) is_all: bool,
    /// How many bytes the object has; not known of what is compressed.
    pub(super) object_bytes: Option<u64>,
    /// What the request says: nothing in bare numbers would tell their type.
    pub(super) options: &'a ReadOptions,
    /// The formats that are looked for, in this order.
    pub(super) formats: &'static [Tell],
}

impl Head<'_> {
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
