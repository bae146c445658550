//! Kinds of files that hold numbers, or seem to, and cannot be read.

use crate::InputError;

use super::head::{Head, Told};

/// What they begin with, what they are, and what to do with them.
const FOREIGN: &[(&[u8], &str, &str)] = &[
    (b"PAR1\x15", "a Parquet file", "save the column as .npy or text"),
    (b"ARROW1\0\0", "an Arrow file", "save the column as .npy or text"),
    (b"SIMPLE  =", "a FITS file", "save the image as .npy"),
    (b"\xff\xfe", "text in UTF-16", "save it as UTF-8"),
    (b"\xfe\xff", "text in UTF-16", "save it as UTF-8"),
    (b"BZh", "compressed by bzip2", "decompress it, or compress it by gzip or zstd"),
    (b"\xfd7zXZ\0", "compressed by xz", "decompress it, or compress it by gzip or zstd"),
];

/// An error if the object is one of them.
pub(super) fn tell(head: &Head<'_>) -> Result<Told, InputError> {
    match FOREIGN.iter().find(|(magic, ..)| head.bytes.starts_with(magic)) {
        Some((_, what, remedy)) => Err(InputError::new(*what).remedy(*remedy)),
        None => Ok(Told::Other),
    }
}

/// What is of no format at all.
pub(super) fn unknown() -> InputError {
    InputError::new("neither text nor any other format known here").remedy(
        "text and .npy can be read, and either compressed by gzip or zstd; .npz and safetensors; NetCDF; bare numbers if the job says their type",
    )
}
