//! Telling the format of an object from its first bytes.

use protocol::request::RawNumbers;

use crate::InputError;

use super::{Compression, Format, NpyHeader, NumberType, npy, truncated};

/// How many bytes of an object's beginning [`Format::detect`] wants to see (all,
/// if there are fewer): enough for any header that NumPy reads, compressed or not.
pub const HEAD_BYTES: usize = 16 * 1024;

/// What other kinds of files begin with, what they are, and what to do with them.
const OTHERS: &[(&[u8], &str, &str)] = &[
    (b"PK\x03\x04", "a zip archive, such as .npz or .xlsx", "extract its arrays as .npy or text"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 or NetCDF-4 file", "save the array as .npy"),
    (b"CDF\x01", "a NetCDF file", "save the array as .npy"),
    (b"CDF\x02", "a NetCDF file", "save the array as .npy"),
    (b"CDF\x05", "a NetCDF file", "save the array as .npy"),
    (b"PAR1\x15", "a Parquet file", "save the column as .npy or text"),
    (b"ARROW1\0\0", "an Arrow file", "save the column as .npy or text"),
    (b"SIMPLE  =", "a FITS file", "save the image as .npy"),
    (b"\xff\xfe", "text in UTF-16", "save it as UTF-8"),
    (b"\xfe\xff", "text in UTF-16", "save it as UTF-8"),
    (b"BZh", "compressed by bzip2", "decompress it, or compress it by gzip or zstd"),
    (b"\xfd7zXZ\0", "compressed by xz", "decompress it, or compress it by gzip or zstd"),
];

impl Format {
    /// Tells the format of an object of `object_bytes` bytes from its first
    /// [`HEAD_BYTES`] bytes. Nothing in bare numbers would tell their type, so
    /// that has to be said by `raw`.
    ///
    /// # Errors
    ///
    /// If the object is empty, is something else, or is not as long as its
    /// header says.
    pub fn detect(
        head: &[u8],
        object_bytes: u64,
        raw: Option<RawNumbers>,
    ) -> Result<Format, InputError> {
        if let Some(compression) = Compression::detect(head) {
            match compression.decompress_head(head) {
                Ok(inner) => {
                    let inner = Format::detect_plain(&inner, None, raw)?;
                    return Ok(Format::Compressed(compression, Box::new(inner)));
                }
                // Bare numbers may begin with any bytes.
                Err(_) if raw.is_some() => {}
                Err(error) => return Err(error),
            }
        }
        Format::detect_plain(head, Some(object_bytes), raw)
    }

    /// The same of what is not compressed, or not any more; its length is then unknown.
    fn detect_plain(
        head: &[u8],
        object_bytes: Option<u64>,
        raw: Option<RawNumbers>,
    ) -> Result<Format, InputError> {
        if let Some(raw) = raw {
            let size = NumberType::from(raw).bytes();
            return match object_bytes {
                Some(0) => Err(no_numbers()),
                Some(bytes) if !bytes.is_multiple_of(size) => Err(InputError::new(format!(
                    "{bytes} bytes, which is no whole number of {size} bytes each"
                ))),
                _ => Ok(Format::Raw(raw)),
            };
        }
        if head.starts_with(npy::MAGIC) {
            let header = NpyHeader::read(head)?;
            let expected = header.file_bytes();
            return match object_bytes {
                Some(found) if found != expected => Err(truncated(expected, found)),
                _ if header.columns() == 0 => Err(no_numbers()),
                _ => Ok(Format::Npy(header)),
            };
        }
        if object_bytes == Some(0) {
            return Err(no_numbers());
        }
        for (magic, what, remedy) in OTHERS {
            if head.starts_with(magic) {
                return Err(InputError::new(*what).remedy(*remedy));
            }
        }
        if let Some(byte) = head.iter().position(|&byte| is_binary(byte)) {
            return Err(InputError::new("neither text nor any other format known here")
                .at_byte(byte as u64)
                .remedy("text, .npy, and either of them compressed by gzip or zstd can be read; bare numbers if the job says their type"));
        }
        Ok(Format::Text)
    }
}

/// An object without any number.
pub(crate) fn no_numbers() -> InputError {
    InputError::new("no numbers in it")
}

/// Bytes that no text has.
const fn is_binary(byte: u8) -> bool {
    matches!(byte, 0..=8 | 14..=31 | 127)
}
