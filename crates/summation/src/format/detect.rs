//! Telling the format of an object from its first bytes.

use std::ops::Range;

use protocol::request::{RawNumbers, ReadOptions};
use protocol::task::ObjectPart;

use crate::InputError;

use super::head::{Head, Piece, Tell, Told};
use super::{Format, compression, foreign, netcdf, npy, npz, raw, safetensors, table, text};

/// Every format, in the order in which they are looked for: those of several objects, those
/// that somebody has named, those that their first bytes tell, and what is left.
const FORMATS: &[Tell] = &[
    safetensors::tell_shards,
    compression::tell,
    raw::tell,
    npy::tell,
    npz::tell,
    safetensors::tell,
    netcdf::tell,
    foreign::tell,
    table::tell,
    text::tell,
];

/// What the first bytes of an object tell about its format.
#[derive(Clone, Debug)]
pub enum Detection {
    /// The format.
    Format(Format),
    /// They are too few. With so many, or all if there are fewer, ask again.
    Needs(usize),
    /// So are they without these ranges. With each as a [`Piece`] among the others, ask again.
    NeedsRanges(Vec<Range<u64>>),
}

impl Format {
    /// Tells the format of an object of `object_bytes` bytes from its first
    /// bytes: begin with [`HEAD_BYTES`](crate::HEAD_BYTES), or all if there are
    /// fewer. More than are needed do no harm, so an object that is in memory
    /// is told at once. Nothing in bare numbers would tell their type, so `raw`
    /// has to say it.
    ///
    /// # Errors
    ///
    /// If the object is empty, is something else, or is not as long as its
    /// header says.
    pub fn detect(
        head: &[u8],
        object_bytes: u64,
        raw: Option<RawNumbers>,
    ) -> Result<Detection, InputError> {
        let options = ReadOptions { raw, ..ReadOptions::default() };
        Format::detect_with(head, object_bytes, &options)
    }

    /// The same, of an object that is to be read as the request says.
    ///
    /// # Errors
    ///
    /// As [`Format::detect`]; or if the object lacks what the request selects.
    pub fn detect_with(
        head: &[u8],
        object_bytes: u64,
        options: &ReadOptions,
    ) -> Result<Detection, InputError> {
        Format::detect_in(head, &[], object_bytes, options, &[])
    }

    /// The same, with other ranges of the object that were asked for, and of an object that
    /// consists of these parts, if there are any.
    ///
    /// # Errors
    ///
    /// As [`Format::detect_with`].
    pub fn detect_in(
        head: &[u8],
        others: &[Piece],
        object_bytes: u64,
        options: &ReadOptions,
        parts: &[ObjectPart],
    ) -> Result<Detection, InputError> {
        let is_all = head.len() as u64 >= object_bytes;
        let (object_bytes, formats) = (Some(object_bytes), FORMATS);
        let head = Head { bytes: head, others, is_all, object_bytes, options, formats, parts };
        match head.tell()? {
            Told::Is(format) => Ok(Detection::Format(format)),
            Told::Needs(bytes) => Ok(Detection::Needs(bytes)),
            Told::NeedsRanges(ranges) => Ok(Detection::NeedsRanges(ranges)),
            Told::Other => Err(foreign::unknown()),
        }
    }
}
