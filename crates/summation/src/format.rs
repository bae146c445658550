//! How the numbers of an object are written.

mod binary;
mod compression;
mod decimal;
mod decoder;
mod detect;
mod npy;
mod number_type;
mod powers_of_five;
mod text;

use protocol::request::RawNumbers;

use crate::InputError;

pub use compression::Compression;
pub use decoder::{Checkpoint, Decoder};
pub use detect::HEAD_BYTES;
pub use npy::NpyHeader;
pub use number_type::NumberType;

/// How the numbers of an object are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// Numbers as text, separated by commas, semicolons, white space or lines.
    Text,
    /// NumPy's format. Columns are counted in the order in which the numbers
    /// are stored, which is C order or Fortran order; see [`Format::fortran_order`].
    Npy(NpyHeader),
    /// Bare little-endian numbers.
    Raw(RawNumbers),
    /// One of the others, compressed.
    Compressed(Compression, Box<Format>),
}

impl Format {
    /// C, if the format tells it before the numbers have been read.
    #[must_use]
    pub fn columns(&self, object_bytes: u64) -> Option<u64> {
        match self {
            Format::Text => None,
            Format::Npy(header) => Some(header.columns()),
            Format::Raw(numbers) => Some(object_bytes / NumberType::from(*numbers).bytes()),
            // How long raw numbers are, compressed, shows at their end.
            Format::Compressed(_, inner) => match &**inner {
                Format::Npy(header) => Some(header.columns()),
                _ => None,
            },
        }
    }

    /// The shape of the array, if the format has shapes.
    #[must_use]
    pub fn shape(&self) -> Option<&[u64]> {
        self.npy().map(NpyHeader::shape)
    }

    /// Whether the array is stored with its first index running fastest.
    ///
    /// Columns are then counted in that order, so all inputs of a job must
    /// agree, and the result is to be written in that order too.
    #[must_use]
    pub fn fortran_order(&self) -> bool {
        self.npy().is_some_and(NpyHeader::fortran_order)
    }

    /// The format in words, such as `text`, `npy f8` or `npy i2 big-endian, gzip`.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Format::Text => "text".to_owned(),
            Format::Npy(header) => header.describe(),
            Format::Raw(numbers) => format!("raw {}", NumberType::from(*numbers).describe()),
            Format::Compressed(compression, inner) => {
                format!("{}, {}", inner.describe(), compression.describe())
            }
        }
    }

    /// Whether a column can be found without reading all that comes before it.
    #[must_use]
    pub const fn is_seekable(&self) -> bool {
        matches!(self, Format::Npy(_) | Format::Raw(_))
    }

    /// The byte at which a column begins, if the format is seekable.
    #[must_use]
    pub fn offset_of(&self, column: u64) -> Option<u64> {
        match self {
            Format::Npy(header) => Some(header.offset_of(column)),
            Format::Raw(numbers) => Some(column * NumberType::from(*numbers).bytes()),
            Format::Text | Format::Compressed(..) => None,
        }
    }

    /// The checkpoint of a column, if the format is seekable: any column can be
    /// begun at without a checkpoint having been kept.
    #[must_use]
    pub fn checkpoint_of(&self, column: u64) -> Option<Checkpoint> {
        Some(Checkpoint { byte: self.offset_of(column)?, column, ..Checkpoint::default() })
    }

    /// From which byte of the object a decoder begun at this checkpoint wants
    /// its bytes. Compressed data has to be read from its beginning; what lies
    /// before the checkpoint is decompressed and dropped.
    #[must_use]
    pub const fn resume_byte(&self, checkpoint: &Checkpoint) -> u64 {
        match self {
            Format::Compressed(..) => 0,
            Format::Text | Format::Npy(_) | Format::Raw(_) => checkpoint.byte,
        }
    }

    /// A decoder of an object from its first byte.
    #[must_use]
    pub fn decoder(&self, object_bytes: u64) -> Decoder {
        Decoder::new(self, self.columns(object_bytes), Checkpoint::default())
    }

    /// A decoder from a checkpoint on, of bytes from [`Format::resume_byte`] on.
    #[must_use]
    pub fn decoder_at(&self, object_bytes: u64, checkpoint: Checkpoint) -> Decoder {
        Decoder::new(self, self.columns(object_bytes), checkpoint)
    }

    fn npy(&self) -> Option<&NpyHeader> {
        match self {
            Format::Npy(header) => Some(header),
            Format::Compressed(_, inner) => inner.npy(),
            Format::Text | Format::Raw(_) => None,
        }
    }
}

/// Something that was expected to follow, but did not.
fn truncated(expected: u64, found: u64) -> InputError {
    let error = if found < expected {
        InputError::new(format!("truncated: {expected} bytes expected, {found} found"))
    } else {
        InputError::new(format!("too long: {expected} bytes expected, {found} found"))
    };
    error.remedy("copy the file again, or write it again")
}
