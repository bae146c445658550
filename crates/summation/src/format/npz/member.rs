//! The numbers of a member of a ZIP archive, and its checksum.

use std::fmt;
use std::io::Write as _;
use std::ops::Range;
use std::sync::Arc;

use crc32fast::Hasher;
use flate2::write::DeflateDecoder;

use super::super::binary::Elements;
use super::super::compression::{CompressedDecoder, Decompress};
use super::super::decoder::Decode;
use super::super::npy::NpyHeader;
use super::super::zip::Member;
use super::super::{Access, Checkpoint, Decoder, Layout, NumberType};
use crate::order::Order;
use crate::{Block, InputError};

/// How much compressed data is decompressed at a time; deflate makes at most 1,032 bytes of
/// one.
const PIECE_BYTES: usize = 1024;

/// The checksum of a member, of which a part has been seen.
#[derive(Clone)]
pub(super) struct Checksum {
    array: Arc<str>,
    expected: u32,
    bytes: u64,
    /// Of the header of the .npy file.
    header: Hasher,
}

impl Checksum {
    /// Of a member that begins with these bytes.
    pub(super) fn new(array: &str, member: &Member, header: &[u8]) -> Checksum {
        let mut hasher = Hasher::new();
        hasher.update(header);
        Checksum { array: array.into(), expected: member.crc, bytes: member.bytes, header: hasher }
    }

    fn check(&self, found: Hasher) -> Result<(), InputError> {
        let (found, expected) = (found.finalize(), self.expected);
        if found == expected {
            return Ok(());
        }
        let what = format!("its CRC-32 is {found:08x}, where {expected:08x} was expected");
        Err(self.of_array(InputError::new(what).remedy(REMEDY)))
    }

    fn of_array(&self, error: InputError) -> InputError {
        InputError { what: format!("the array {:?}: {}", self.array, error.what).into(), ..error }
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x} of {:?}", self.expected, self.array)
    }
}

const REMEDY: &str = "copy the file again, or write it again";

/// Compressed data that cannot be decompressed.
pub(super) fn damaged(error: &std::io::Error) -> InputError {
    InputError::new(format!("its compressed data is damaged: {error}")).remedy(REMEDY)
}

/// An array that is stored.
#[derive(Debug)]
pub(super) struct Stored {
    /// With the place of its numbers in the archive.
    header: NpyHeader,
    /// One past its last byte.
    end: u64,
    checksum: Checksum,
}

impl Stored {
    pub(super) fn new(header: NpyHeader, data: Range<u64>, checksum: Checksum) -> Stored {
        Stored { header: header.at(data.start), end: data.end, checksum }
    }
}

impl Layout for Stored {
    fn describe(&self) -> String {
        format!("{}, array {:?} of npz", self.header.describe(), self.checksum.array)
    }

    fn access(&self) -> Access {
        Access::Column
    }

    fn columns(&self, object_bytes: Option<u64>) -> Option<u64> {
        self.header.columns(object_bytes)
    }

    fn shape(&self) -> Option<&[u64]> {
        self.header.shape()
    }

    fn order(&self) -> Order {
        self.header.order()
    }

    fn elements(&self) -> Option<Elements> {
        self.header.elements()
    }

    fn end_byte(&self) -> Option<u64> {
        Some(self.end)
    }

    fn decoder(&self, columns: Option<u64>, at: Checkpoint) -> Decoder {
        let inner = self.header.decoder(columns, at);
        Decoder::new(StoredDecoder {
            inner,
            byte: at.byte,
            numbers: self.header.data_start()..self.end,
            checksum: self.checksum.clone(),
            // Only of all numbers is there a checksum.
            hasher: (at.column == 0).then(|| self.checksum.header.clone()),
        })
    }
}

/// Decodes an array that is stored.
#[derive(Debug)]
struct StoredDecoder {
    inner: Decoder,
    /// The byte that comes next.
    byte: u64,
    /// The bytes of the numbers.
    numbers: Range<u64>,
    checksum: Checksum,
    hasher: Option<Hasher>,
}

impl StoredDecoder {
    /// The first of these bytes up to the end of the member.
    fn own<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let room = self.numbers.end.saturating_sub(self.byte);
        &bytes[..usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len())]
    }

    /// Takes in bytes that were used.
    fn pass(&mut self, used: &[u8]) -> Result<(), InputError> {
        let before = self.numbers.start.saturating_sub(self.byte);
        let before = usize::try_from(before).unwrap_or(usize::MAX).min(used.len());
        self.byte += used.len() as u64;
        let Some(hasher) = &mut self.hasher else {
            return Ok(());
        };
        hasher.update(&used[before..]);
        match self.inner.has_ended() {
            true => self.hasher.take().map_or(Ok(()), |hasher| self.checksum.check(hasher)),
            false => Ok(()),
        }
    }
}

impl Decode for StoredDecoder {
    fn decode(
        &mut self,
        bytes: &[u8],
        last: bool,
        limit: usize,
        block: &mut Block,
    ) -> Result<usize, InputError> {
        let own = self.own(bytes);
        let is_end = self.byte + own.len() as u64 >= self.numbers.end;
        let used = self.inner.decode(own, last || is_end, limit, block);
        let used = used.map_err(|error| self.checksum.of_array(error))?;
        self.pass(&own[..used])?;
        // Other members follow.
        Ok(if self.inner.has_ended() { bytes.len() } else { used })
    }

    fn lend<'a>(
        &mut self,
        bytes: &'a [u8],
        last: bool,
        limit: usize,
    ) -> Option<Result<&'a [f64], InputError>> {
        let own = self.own(bytes);
        let is_end = self.byte + own.len() as u64 >= self.numbers.end;
        let lent = self.inner.lend(own, last || is_end, limit)?;
        Some(lent.and_then(|numbers| {
            self.pass(&own[..size_of_val(numbers)])?;
            Ok(numbers)
        }))
    }

    fn checkpoint(&self) -> Checkpoint {
        self.inner.checkpoint()
    }

    fn has_ended(&self) -> bool {
        self.inner.has_ended()
    }
}

/// An array that is deflated.
#[derive(Debug)]
pub(super) struct Deflated {
    /// With the place of its numbers in the decompressed data.
    pub(super) header: NpyHeader,
    /// The bytes of the compressed data.
    pub(super) data: Range<u64>,
    pub(super) checksum: Checksum,
}

impl Layout for Deflated {
    fn describe(&self) -> String {
        format!("{}, array {:?} of npz, deflate", self.header.describe(), self.checksum.array)
    }

    fn access(&self) -> Access {
        Access::Beginning
    }

    fn columns(&self, object_bytes: Option<u64>) -> Option<u64> {
        self.header.columns(object_bytes)
    }

    fn shape(&self) -> Option<&[u64]> {
        self.header.shape()
    }

    fn order(&self) -> Order {
        self.header.order()
    }

    fn number_type(&self) -> Option<NumberType> {
        self.header.number_type()
    }

    fn first_byte(&self) -> u64 {
        self.data.start
    }

    fn end_byte(&self) -> Option<u64> {
        Some(self.data.end)
    }

    fn decoder(&self, columns: Option<u64>, at: Checkpoint) -> Decoder {
        let inner = self.header.decoder(columns, at);
        let inflater = Inflater {
            decoder: DeflateDecoder::new(Vec::new()),
            bytes: 0,
            hasher: Hasher::new(),
            checksum: self.checksum.clone(),
        };
        Decoder::new(CompressedDecoder::new(Box::new(inflater), inner, at.byte))
    }
}

/// Decompresses a member, and verifies its length and its checksum.
struct Inflater {
    decoder: DeflateDecoder<Vec<u8>>,
    /// How many bytes came out, and their checksum.
    bytes: u64,
    hasher: Hasher,
    checksum: Checksum,
}

impl Inflater {
    /// Moves what came out.
    fn give(&mut self, to: &mut Vec<u8>) -> Result<(), InputError> {
        let bytes = self.decoder.get_mut();
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        to.append(bytes);
        match self.bytes > self.checksum.bytes {
            true => Err(self.wrong_length()),
            false => Ok(()),
        }
    }

    fn wrong_length(&self) -> InputError {
        let (found, expected) = (self.bytes, self.checksum.bytes);
        let what = match found > expected {
            true => format!("it has more than the {expected} bytes of the directory"),
            false => format!("it has {found} bytes, where the directory has {expected}"),
        };
        self.checksum.of_array(InputError::new(what).remedy(REMEDY))
    }
}

impl Decompress for Inflater {
    fn decompress(&mut self, bytes: &[u8], to: &mut Vec<u8>) -> Result<usize, InputError> {
        let piece = &bytes[..bytes.len().min(PIECE_BYTES)];
        let used = self.decoder.write(piece);
        let used = used.map_err(|error| self.checksum.of_array(damaged(&error)))?;
        self.give(to)?;
        if used == 0 && !piece.is_empty() {
            let error = InputError::new("something else follows its compressed data");
            return Err(self.checksum.of_array(error.remedy(REMEDY)));
        }
        Ok(used)
    }

    fn is_read_to_the_end(&self) -> bool {
        true
    }

    fn finish(&mut self, to: &mut Vec<u8>) -> Result<(), InputError> {
        let finished = self.decoder.try_finish();
        finished.map_err(|error| self.checksum.of_array(damaged(&error)))?;
        self.give(to)?;
        if self.bytes != self.checksum.bytes {
            return Err(self.wrong_length());
        }
        self.checksum.check(self.hasher.clone())
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "inflater of {:?}", self.checksum)
    }
}
