//! A partial sum as bytes, the same for the same sum however it came about.
//!
//! All numbers are little-endian.
//!
//! ```text
//! header   8  "partsum\n"
//!          2  version, 1
//!          2  what is kept beside the sums: 1 squares, 2 minima, 4 maxima,
//!             8 numbers of missing values; 16 if the sums are weighted
//!          4  columns of a block, 1024
//!          8  columns
//!          8  objects
//!          8  bytes of the trailer
//!          8  checksum of the trailer
//!          8  bytes of all
//!          8  checksum of the header up to here
//! weights  1  if the sums are weighted: the first limb of the sum of the weights,
//!          1  its number of limbs, and limbs of 8 bytes; part of the trailer
//! trailer
//! blocks   4  bytes of the payload
//!          4  what is there: 1, 2, 4 the second, third and fourth part of the sums,
//!             8 exceptions; 16, 32 the second and third part of the squares, 64 exceptions;
//!             128 numbers of missing values; 256 sums of absent weights,
//!             512, 1024, 2048 the second, third and fourth part of them, 4096 exceptions
//!          8  checksum of those eight bytes and the payload, seeded with the block's number
//!             the payload
//! ```
//!
//! A payload holds for its columns, one after the other: the four parts of the
//! sums, those after the first unless they are zero for all columns; the
//! exceptions, if any; the minima and the maxima if kept, as keys; and if squares
//! are kept their three parts and exceptions likewise; the numbers of missing values,
//! unless nothing is missing; and if the sums are weighted the sums of the weights of the
//! missing values as those of numbers. A limb of weighted sums is one in units of 2^-2148,
//! of others 2^-1074, and of squares 2^-2148. Exceptions are a count of
//! four bytes, then for each its column in the block (2), sign (1), first limb
//! (1), number of limbs (1), and limbs of 8 bytes. See
//! [`super::expansion::Canonical`] for why there is but one way to write a sum.
//!
//! Checksums are XXH3 of 64 bits: they find what disks and networks do to
//! bytes, and run at the speed of memory.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::exact::ExactSum;

use super::expansion::Canonical;
use super::kept::{EncodeScratch, KeptSet};
use super::payload::{part, put_exceptions, put_parts};
use super::sums::{CanonicalProducts, CanonicalSums};
use super::{BLOCK_COLUMNS, CorruptError, PartialSum, Totals, Trailer, pieces};

/// How many bytes the header of an encoded partial sum has; the trailer follows.
pub const HEADER_BYTES: usize = 64;

const MAGIC: [u8; 8] = *b"partsum\n";
const VERSION: u16 = 1;

/// What precedes a block's payload.
pub(super) const PREFIX_BYTES: usize = 16;

/// What the header of an encoded partial sum says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodedHeader {
    /// How many columns there are.
    pub columns: u64,
    /// How many objects it is the sum of.
    pub objects: u64,
    /// How many bytes the trailer has, which follows the header.
    pub trailer_bytes: u64,
    /// How many bytes there are in all.
    pub total_bytes: u64,
    trailer_checksum: u64,
    kept: KeptSet,
}

impl EncodedHeader {
    /// Reads the header from the first [`HEADER_BYTES`] bytes.
    ///
    /// # Errors
    ///
    /// If there are fewer bytes, or they are not a header of this version, or damaged.
    pub fn read(bytes: &[u8]) -> Result<EncodedHeader, CorruptError> {
        let Some((header, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(CorruptError::new(0, "a partial sum shorter than its header"));
        };
        let (fields, _) = header.as_chunks::<8>();
        if fields[0] != MAGIC {
            return Err(CorruptError::new(0, "not a partial sum"));
        }
        if u64::from_le_bytes(fields[7]) != xxh3_64(&header[..HEADER_BYTES - 8]) {
            return Err(CorruptError::new(0, "a damaged header"));
        }
        let [v0, v1, k0, k1, b0, b1, b2, b3] = fields[1];
        let version = u16::from_le_bytes([v0, v1]);
        if version != VERSION {
            let what = format!("version {version} of the encoding, where {VERSION} was expected");
            return Err(CorruptError::new(8, what));
        }
        let flags = u16::from_le_bytes([k0, k1]);
        let block_columns = u32::from_le_bytes([b0, b1, b2, b3]);
        let is_usual = usize::try_from(block_columns) == Ok(BLOCK_COLUMNS);
        let Some(kept) = KeptSet::from_flags(flags).filter(|_| is_usual) else {
            return Err(CorruptError::new(10, "an unknown layout"));
        };
        let number = |index: usize| u64::from_le_bytes(fields[index]);
        Ok(EncodedHeader {
            columns: number(2),
            objects: number(3),
            trailer_bytes: number(4),
            trailer_checksum: number(5),
            total_bytes: number(6),
            kept,
        })
    }

    /// Reads the trailer from its bytes.
    ///
    /// # Errors
    ///
    /// If they are damaged.
    pub fn read_trailer(&self, bytes: &[u8]) -> Result<Trailer, CorruptError> {
        self.read_weight_and_trailer(bytes).map(|(_, trailer)| trailer)
    }

    /// The sum of the weights, zero if there are none, and the trailer.
    pub(super) fn read_weight_and_trailer(
        &self,
        bytes: &[u8],
    ) -> Result<(ExactSum, Trailer), CorruptError> {
        let byte = HEADER_BYTES as u64;
        if bytes.len() as u64 != self.trailer_bytes || xxh3_64(bytes) != self.trailer_checksum {
            return Err(CorruptError::new(byte, "a damaged trailer"));
        }
        let split = match self.kept.is_weighted() {
            true => split_weight(bytes),
            false => Some((ExactSum::ZERO, bytes)),
        };
        split
            .and_then(|(weight, rest)| Some((weight, Trailer::decode(rest)?)))
            .ok_or_else(|| CorruptError::new(byte, "an unknown trailer"))
    }

    pub(super) const fn kept(&self) -> KeptSet {
        self.kept
    }
}

impl PartialSum {
    /// The canonical bytes: a function of the sum, the number of objects, the
    /// statistics and the trailer alone.
    #[must_use]
    pub fn encode(&self, trailer: &Trailer) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode_into(trailer, &mut bytes);
        bytes
    }

    /// The same into memory that may have held something else.
    pub fn encode_into(&self, trailer: &Trailer, bytes: &mut Vec<u8>) {
        let trailer = match &self.totals {
            Totals::Numbers(_) => trailer.encode(),
            Totals::Weighted(weighted) => {
                [encode_weight(&weighted.total), trailer.encode()].concat()
            }
        };
        let (usual, _) = self.kept().column_bytes();
        bytes.clear();
        bytes.reserve(
            HEADER_BYTES
                + trailer.len()
                + self.columns() * usual
                + self.columns().div_ceil(BLOCK_COLUMNS) * PREFIX_BYTES,
        );
        bytes.resize(HEADER_BYTES, 0);
        bytes.extend_from_slice(&trailer);
        let mut sums = Box::new(CanonicalSums::new());
        let mut products = None;
        let mut scratch = EncodeScratch::default();
        for (number, columns) in pieces(0..self.columns()).enumerate() {
            let start = bytes.len();
            bytes.resize(start + PREFIX_BYTES, 0);
            let length = columns.len();
            let mut parts = match &self.totals {
                Totals::Numbers(_) => {
                    self.canonical_sums(columns.clone(), &mut sums);
                    put_sums(bytes, &sums, length)
                }
                Totals::Weighted(weighted) => {
                    let products =
                        products.get_or_insert_with(|| Box::new(CanonicalProducts::new()));
                    self.canonical_products(weighted, columns.clone(), products);
                    put_sums(bytes, products, length)
                }
            };
            for kernel in &self.kernels {
                parts |= kernel.encode(columns.clone(), &mut scratch, bytes);
            }
            if let Totals::Weighted(weighted) = &self.totals {
                parts |= weighted.encode_absent(columns, bytes);
            }
            seal_block(&mut bytes[start..], number, parts);
        }
        let total = bytes.len() as u64;
        self.write_header(&mut bytes[..HEADER_BYTES], &trailer, total);
    }

    fn write_header(&self, header: &mut [u8], trailer: &[u8], total_bytes: u64) {
        let block_columns = u32::try_from(BLOCK_COLUMNS).unwrap_or(u32::MAX);
        let mut fields = Vec::with_capacity(HEADER_BYTES);
        fields.extend_from_slice(&MAGIC);
        fields.extend_from_slice(&VERSION.to_le_bytes());
        fields.extend_from_slice(&self.kept().flags().to_le_bytes());
        fields.extend_from_slice(&block_columns.to_le_bytes());
        for number in [
            self.columns() as u64,
            self.objects(),
            trailer.len() as u64,
            xxh3_64(trailer),
            total_bytes,
        ] {
            fields.extend_from_slice(&number.to_le_bytes());
        }
        let checksum = xxh3_64(&fields);
        fields.extend_from_slice(&checksum.to_le_bytes());
        header.copy_from_slice(&fields);
    }
}

/// Puts the sums of a block; tells which parts of the payload that are.
fn put_sums<const LIMBS: usize, const UNIT: i32>(
    bytes: &mut Vec<u8>,
    sums: &Canonical<4, LIMBS, UNIT>,
    length: usize,
) -> u32 {
    let parts = put_parts(bytes, &sums.parts, length, &part::SUMS);
    let any = put_exceptions(bytes, &sums.exceptions);
    parts | if any { part::EXCEPTIONS } else { 0 }
}

/// A sum of weights, as it precedes the trailer.
fn encode_weight(weight: &ExactSum) -> Vec<u8> {
    let (first, words) = weight.words();
    let small = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
    let mut bytes = vec![small(first), small(words.len())];
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    bytes
}

/// A sum of weights, and what follows it; `None` if there is none.
fn split_weight(bytes: &[u8]) -> Option<(ExactSum, &[u8])> {
    let (&[first, count], rest) = bytes.split_first_chunk::<2>()?;
    let (words, rest) = rest.split_at_checked(8 * usize::from(count))?;
    let words: Vec<u64> =
        words.as_chunks().0.iter().map(|&word| u64::from_le_bytes(word)).collect();
    let weight = ExactSum::from_words(usize::from(first), &words, false)?;
    Some((weight, rest))
}

/// Puts right the checksums of the header and of the first block, up to the
/// end, so that fuzzing gets past them.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub fn reseal(bytes: &mut [u8]) {
    let Ok(header) = EncodedHeader::read(bytes) else {
        return;
    };
    let start = HEADER_BYTES + usize::try_from(header.trailer_bytes).unwrap_or(usize::MAX);
    let [_, _, _, _, p0, p1, p2, p3, ..] = bytes[start..] else {
        return;
    };
    seal_block(&mut bytes[start..], 0, u32::from_le_bytes([p0, p1, p2, p3]));
}

/// Fills in what precedes a block's payload.
fn seal_block(block: &mut [u8], number: usize, parts: u32) {
    let payload_bytes = u32::try_from(block.len() - PREFIX_BYTES).unwrap_or(u32::MAX);
    block[0..4].copy_from_slice(&payload_bytes.to_le_bytes());
    block[4..8].copy_from_slice(&parts.to_le_bytes());
    let sum = checksum(&block[..8], &block[PREFIX_BYTES..], number as u64);
    block[8..16].copy_from_slice(&sum.to_le_bytes());
}

/// The checksum of a block: of its payload, seeded with that of what precedes
/// it and its number.
pub(super) fn checksum(prefix: &[u8], payload: &[u8], number: u64) -> u64 {
    xxh3_64_with_seed(payload, xxh3_64_with_seed(prefix, number))
}
