//! Objects compressed by gzip or zstd.

use std::fmt;
use std::io::Write as _;

use flate2::write::MultiGzDecoder;
use zstd::stream::raw::{DParameter, InBuffer, Operation as _, OutBuffer};

use crate::order::Order;
use crate::{Block, InputError, KeyUse};

use super::decoder::Decode;
use super::head::{HEAD_BYTES, HEAD_BYTES_MAX, Head, Told};
use super::{Access, Checkpoint, Decoder, Format, Layout, NumberType};

/// One of the other formats, compressed.
#[derive(Debug)]
struct Compressed {
    compression: Compression,
    inner: Format,
}

/// How an object is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    /// gzip, of one member or several.
    Gzip,
    /// zstd, of one frame or several.
    Zstd,
}

/// How much compressed data is decompressed at a time. gzip makes at most 1,032
/// bytes of one, so this bounds the memory, whatever the data.
const PIECE_BYTES: usize = 1024;

/// How much decompressed data is held at most, but for what one piece adds.
const HELD_BYTES: usize = 128 * 1024;

/// How far back zstd data may refer: 2^23 bytes, as levels up to 19 do. This is
/// memory that every open object takes.
const WINDOW_LOG_MAX: u32 = 23;

/// Whether the magic bytes are there; then what is compressed is told.
pub(super) fn tell(head: &Head<'_>) -> Result<Told, InputError> {
    // What was decompressed is not decompressed again.
    let is_compressed_twice = head.object_bytes.is_none();
    let compression = Compression::detect(head.bytes).filter(|_| !is_compressed_twice);
    let Some(compression) = compression else {
        return Ok(Told::Other);
    };
    let decompressed = match compression.decompress_head(head.bytes) {
        Ok(decompressed) => decompressed,
        // Bare numbers may begin with any bytes.
        Err(_) if head.options.raw.is_some() => return Ok(Told::Other),
        Err(error) => return Err(error),
    };
    let is_all = head.is_all || head.bytes.len() >= HEAD_BYTES_MAX;
    let has_none = decompressed.is_empty();
    if has_none && !is_all {
        return Ok(Told::Needs(HEAD_BYTES_MAX));
    }
    if has_none && head.options.raw.is_some() {
        return Ok(Told::Other);
    }
    if has_none && !head.is_all {
        return Err(InputError::new(format!(
            "{} data that holds nothing in its first {HEAD_BYTES_MAX} bytes",
            compression.describe()
        )));
    }
    match (Head { bytes: &decompressed, is_all, object_bytes: None, ..*head }).tell()? {
        Told::Is(inner) => Ok(Told::Is(Format::new(Compressed { compression, inner }))),
        Told::Needs(_) => Ok(Told::Needs(HEAD_BYTES_MAX)),
        // What is asked for so lies in no compressed data.
        Told::NeedsRanges(_) => Ok(Told::Other),
        Told::Other => Ok(Told::Other),
    }
}

impl Layout for Compressed {
    fn describe(&self) -> String {
        format!("{}, {}", self.inner.describe(), self.compression.describe())
    }

    fn access(&self) -> Access {
        Access::Beginning
    }

    fn columns(&self, _object_bytes: Option<u64>) -> Option<u64> {
        // How long it is, decompressed, shows at its end.
        self.inner.layout.columns(None)
    }

    fn shape(&self) -> Option<&[u64]> {
        self.inner.shape()
    }

    fn shape_of(&self, columns: u64) -> Option<Vec<u64>> {
        self.inner.shape_of(columns)
    }

    fn names(&self) -> Option<Vec<String>> {
        self.inner.names()
    }

    fn has_header(&self) -> bool {
        self.inner.has_header()
    }

    fn memory_bytes(&self) -> usize {
        self.inner.memory_bytes()
    }

    fn key_name(&self) -> Option<&str> {
        self.inner.key_name()
    }

    fn parts_hash(&self) -> Option<u64> {
        self.inner.parts_hash()
    }

    fn aligned(&self, reference: &Format, of: &str) -> Result<Option<Format>, InputError> {
        let compression = self.compression;
        let inner = self.inner.layout.aligned(reference, of)?;
        Ok(inner.map(|inner| Format::new(Compressed { compression, inner })))
    }

    fn order(&self) -> Order {
        self.inner.order()
    }

    fn number_type(&self) -> Option<NumberType> {
        self.inner.layout.number_type()
    }

    fn decoder(&self, columns: Option<u64>, at: Checkpoint) -> Decoder {
        let inner = self.inner.layout.decoder(columns, at);
        let decompressor = Box::new(Decompressor::new(self.compression));
        Decoder::new(CompressedDecoder::new(decompressor, inner, at.byte))
    }
}

impl Compression {
    /// Tells from the first bytes how an object is compressed, if it is.
    fn detect(head: &[u8]) -> Option<Compression> {
        match head {
            [0x1f, 0x8b, 0x08, ..] => Some(Compression::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Compression::Zstd),
            // A frame to be skipped, as parallel compressors write before others.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Compression::Zstd),
            _ => None,
        }
    }

    /// The name.
    const fn describe(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }

    /// Decompresses what can be told from the beginning, up to [`HEAD_BYTES`].
    fn decompress_head(self, head: &[u8]) -> Result<Vec<u8>, InputError> {
        let mut decompressor = Decompressor::new(self);
        let mut inner = Vec::new();
        let mut rest = head;
        while inner.len() < HEAD_BYTES && (!rest.is_empty() || decompressor.has_more()) {
            let consumed = decompressor.decompress(rest, &mut inner)?;
            rest = &rest[consumed..];
        }
        decompressor.flush(&mut inner)?;
        inner.truncate(HEAD_BYTES);
        Ok(inner)
    }
}

/// Decompresses the bytes of an object, as they come.
pub(super) trait Decompress: fmt::Debug + Send {
    /// Decompresses a piece of the bytes and appends what comes out, at most
    /// about a megabyte. Returns how many bytes it took.
    fn decompress(&mut self, bytes: &[u8], to: &mut Vec<u8>) -> Result<usize, InputError>;

    /// Whether more comes out before more has to go in.
    fn has_more(&self) -> bool {
        false
    }

    /// Checks that the data is complete, and appends what was still to come.
    fn finish(&mut self, to: &mut Vec<u8>) -> Result<(), InputError>;

    /// Whether an object that has given all its numbers is read on to its last byte, for
    /// what follows them verifies them.
    fn is_read_to_the_end(&self) -> bool {
        false
    }
}

/// Decompresses, and gives the bytes to the decoder of what they are.
#[derive(Debug)]
pub(super) struct CompressedDecoder {
    decompressor: Box<dyn Decompress>,
    inner: Decoder,
    /// Decompressed bytes, of which the first `used` are used up.
    held: Vec<u8>,
    used: usize,
    /// How many decompressed bytes are still to be dropped.
    skip: u64,
    /// Whether the compressed data was found complete.
    is_finished: bool,
}

impl CompressedDecoder {
    /// A decoder that drops `skip` decompressed bytes before it begins.
    pub(super) fn new(
        decompressor: Box<dyn Decompress>,
        inner: Decoder,
        skip: u64,
    ) -> CompressedDecoder {
        CompressedDecoder {
            decompressor,
            inner,
            held: Vec::new(),
            used: 0,
            skip,
            is_finished: false,
        }
    }

    fn drop_skipped(&mut self) {
        let here = (self.held.len() - self.used) as u64;
        let dropped = self.skip.min(here);
        self.skip -= dropped;
        self.used += usize::try_from(dropped).unwrap_or(usize::MAX);
    }
}

impl Decode for CompressedDecoder {
    fn decode(
        &mut self,
        bytes: &[u8],
        last: bool,
        limit: usize,
        block: &mut Block,
    ) -> Result<usize, InputError> {
        let full = block.len().saturating_add(limit);
        let mut consumed = 0;
        loop {
            let rest = &bytes[consumed..];
            let has_more = !rest.is_empty() || self.decompressor.has_more();
            let is_complete = last && !has_more;
            if is_complete && !self.is_finished {
                self.decompressor.finish(&mut self.held)?;
                self.is_finished = true;
            }
            self.drop_skipped();
            self.used += self
                .inner
                .decode(&self.held[self.used..], is_complete, full - block.len(), block)
                .map_err(|error| InputError { is_decompressed: error.byte.is_some(), ..error })?;
            if self.used < self.held.len() || !has_more {
                // The limit is reached, or there is nothing more to be had.
                return Ok(consumed);
            }
            self.held.clear();
            self.used = 0;
            while self.held.len() < HELD_BYTES
                && (consumed < bytes.len() || self.decompressor.has_more())
            {
                consumed += self.decompressor.decompress(&bytes[consumed..], &mut self.held)?;
            }
        }
    }

    fn checkpoint(&self) -> Checkpoint {
        self.inner.checkpoint()
    }

    fn has_ended(&self) -> bool {
        self.inner.has_ended() && (self.is_finished || !self.decompressor.is_read_to_the_end())
    }

    fn use_keys(&mut self, keys: KeyUse) {
        self.inner.use_keys(keys);
    }

    fn take_keys(&mut self) -> Vec<Box<[u8]>> {
        self.inner.take_keys()
    }
}

enum Decompressor {
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zstd {
        decoder: Box<zstd::stream::raw::Decoder<'static>>,
        /// Whether a frame has begun and not ended.
        is_within: bool,
        /// Whether more comes out before more has to go in.
        has_more: bool,
    },
    /// zstd could not be set up; said as soon as it is used.
    Broken(String),
}

impl Decompressor {
    fn new(compression: Compression) -> Decompressor {
        match compression {
            Compression::Gzip => Decompressor::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            Compression::Zstd => {
                let decoder = zstd::stream::raw::Decoder::new().and_then(|mut decoder| {
                    decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
                    Ok(Box::new(decoder))
                });
                match decoder {
                    Ok(decoder) => {
                        Decompressor::Zstd { decoder, is_within: false, has_more: false }
                    }
                    Err(error) => Decompressor::Broken(error.to_string()),
                }
            }
        }
    }

    /// Appends what can be told from the bytes that went in.
    fn flush(&mut self, to: &mut Vec<u8>) -> Result<(), InputError> {
        if let Decompressor::Gzip(decoder) = self {
            decoder.flush().map_err(|error| damaged("gzip", &error))?;
            to.append(decoder.get_mut());
        }
        Ok(())
    }
}

impl Decompress for Decompressor {
    fn has_more(&self) -> bool {
        matches!(self, Decompressor::Zstd { has_more: true, .. })
    }

    fn decompress(&mut self, bytes: &[u8], to: &mut Vec<u8>) -> Result<usize, InputError> {
        let piece = &bytes[..bytes.len().min(PIECE_BYTES)];
        match self {
            Decompressor::Gzip(decoder) => {
                let consumed = decoder.write(piece).map_err(|error| damaged("gzip", &error))?;
                to.append(decoder.get_mut());
                if consumed == 0 && !piece.is_empty() {
                    return Err(InputError::new("something else behind the gzip data"));
                }
                Ok(consumed)
            }
            Decompressor::Zstd { decoder, is_within, has_more } => {
                let mut buffer = [0; 16 * 1024];
                let mut input = InBuffer::around(piece);
                let mut output = OutBuffer::around(&mut buffer[..]);
                let hint = decoder
                    .run(&mut input, &mut output)
                    .map_err(|error| damaged("zstd", &error))?;
                *is_within = hint != 0;
                *has_more = *is_within && output.pos() == output.capacity();
                to.extend_from_slice(output.as_slice());
                Ok(input.pos())
            }
            Decompressor::Broken(error) => Err(InputError::new(error.as_str())),
        }
    }

    fn finish(&mut self, to: &mut Vec<u8>) -> Result<(), InputError> {
        match self {
            Decompressor::Gzip(decoder) => {
                decoder.try_finish().map_err(|error| damaged("gzip", &error))?;
                to.append(decoder.get_mut());
                Ok(())
            }
            Decompressor::Zstd { is_within: true, .. } => {
                let error = InputError::new("the zstd data is truncated");
                Err(error.remedy("copy the file again, or write it again"))
            }
            Decompressor::Zstd { .. } => Ok(()),
            Decompressor::Broken(error) => Err(InputError::new(error.as_str())),
        }
    }
}

fn damaged(name: &str, error: &std::io::Error) -> InputError {
    let text = error.to_string();
    if text.contains("too much memory") {
        return InputError::new("zstd data that takes more than 8 MiB of memory to decompress")
            .remedy("compress it at level 19 or below, without --ultra or --long");
    }
    InputError::new(format!("the {name} data is damaged or truncated: {text}"))
        .remedy("copy the file again, or write it again")
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Decompressor::Gzip(_) => "Gzip",
            Decompressor::Zstd { .. } => "Zstd",
            Decompressor::Broken(_) => "Broken",
        })
    }
}
