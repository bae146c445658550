//! Adding an encoded partial sum to another, block by block as its bytes come.

use crate::exact::ExactSum;

use super::encoding::{HEADER_BYTES, PREFIX_BYTES, checksum};
use super::kept::KeptSet;
use super::payload::{Payload, part};
use super::sums::Sums;
use super::{BLOCK_COLUMNS, CorruptError, EncodedHeader, PartialSum, Totals, Trailer};

/// The longest trailer that is believed: of half a million objects.
const TRAILER_BYTES_MAX: u64 = 16 << 20;

/// The longest payload: every column with every part and two exceptions of
/// full length.
const PAYLOAD_BYTES_MAX: usize = BLOCK_COLUMNS * (8 * 10 + 2 * 5 + 8 * (34 + 67)) + 8;

/// How many columns [`PartialSumReader::push_pieces`] has in a piece: enough to
/// be worth a call, and few enough for the processor's cache.
const PIECE_COLUMNS: usize = 8 * BLOCK_COLUMNS;

/// Adds an encoded partial sum to another, from ranges of bytes of any length
/// in order; it holds at most one block of bytes.
#[derive(Clone, Debug, Default)]
pub struct PartialSumReader {
    header: Option<EncodedHeader>,
    trailer: Option<Trailer>,
    /// The sum of the weights, once the trailer has been read, if objects have weights.
    weight: Option<Box<ExactSum>>,
    /// Where what is not yet used begins, in the encoded partial sum.
    byte: u64,
    /// The beginning of what is to be used next.
    held: Vec<u8>,
    /// The first column of the next block.
    column: usize,
    scratch: Vec<f64>,
}

impl PartialSumReader {
    /// At the beginning of an encoded partial sum.
    #[must_use]
    pub fn new() -> PartialSumReader {
        PartialSumReader::default()
    }

    /// What the header says, once it has been read.
    #[must_use]
    pub const fn header(&self) -> Option<&EncodedHeader> {
        self.header.as_ref()
    }

    /// The trailer, once it has been read.
    #[must_use]
    pub const fn trailer(&self) -> Option<&Trailer> {
        self.trailer.as_ref()
    }

    /// Takes the next bytes and adds what they complete to `sum`, whose columns
    /// and statistics must be those of the encoded one. With `last`, no more
    /// bytes follow, and the encoded objects are counted.
    ///
    /// # Errors
    ///
    /// If the bytes are damaged, or too few or too many, or of another shape
    /// than `sum`, which is of no use then.
    pub fn push(
        &mut self,
        bytes: &[u8],
        last: bool,
        sum: &mut PartialSum,
    ) -> Result<(), CorruptError> {
        let shape = Shape { columns: sum.columns(), kept: sum.kept() };
        self.read(bytes, last, shape, |_, block, scratch| {
            add_block(block.payload, block.parts, block.start, block.length, sum, scratch)
        })?;
        if last && let Some(header) = &self.header {
            Counted { objects: header.objects, weight: self.weight.as_deref() }.add_to(sum);
        }
        Ok(())
    }

    /// Takes the next bytes of an encoded partial sum of so many columns, and
    /// shows it in pieces, one after the other: each is put into `sum`, whose
    /// statistics must be those of the encoded one, in the place of the one
    /// before.
    ///
    /// # Errors
    ///
    /// If the bytes are damaged, or too few or too many, or of another shape;
    /// pieces that were shown are of no use then.
    pub fn push_pieces(
        &mut self,
        bytes: &[u8],
        last: bool,
        columns: usize,
        sum: &mut PartialSum,
        mut show: impl FnMut(&PartialSum),
    ) -> Result<(), CorruptError> {
        let shape = Shape { columns, kept: sum.kept() };
        self.read(bytes, last, shape, |counted, block, scratch| {
            let start = block.start % PIECE_COLUMNS;
            if start == 0 {
                sum.reset(PIECE_COLUMNS.min(columns - block.start));
                counted.add_to(sum);
            }
            add_block(block.payload, block.parts, start, block.length, sum, scratch)?;
            if start + block.length == sum.columns() {
                show(sum);
            }
            Some(())
        })
    }

    /// Takes the next bytes, and has the blocks used that they complete.
    fn read(
        &mut self,
        bytes: &[u8],
        last: bool,
        shape: Shape,
        mut add: impl FnMut(Counted<'_>, EncodedBlock<'_>, &mut Vec<f64>) -> Option<()>,
    ) -> Result<(), CorruptError> {
        let mut bytes = bytes;
        loop {
            let wanted = self.wanted(shape.columns)?;
            if wanted == 0 {
                break;
            }
            let missing = wanted.saturating_sub(self.held.len());
            if bytes.len() < missing {
                self.held.extend_from_slice(bytes);
                return if last { Err(self.error("the end")) } else { Ok(()) };
            }
            let (now, rest) = bytes.split_at(missing);
            bytes = rest;
            if self.held.is_empty() {
                self.take(now, shape, &mut add)?;
            } else {
                let mut held = std::mem::take(&mut self.held);
                held.extend_from_slice(now);
                // What precedes a block stays until the whole block is there.
                if self.take(&held, shape, &mut add)? {
                    held.clear();
                }
                self.held = held;
                continue;
            }
        }
        if !bytes.is_empty() {
            return Err(self.error("more bytes than it should have"));
        }
        if last && self.header.as_ref().is_some_and(|header| self.byte != header.total_bytes) {
            return Err(self.error("the end"));
        }
        Ok(())
    }

    fn error(&self, what: &str) -> CorruptError {
        CorruptError::new(self.byte, what)
    }

    /// How many bytes are needed to go on; none at the end.
    fn wanted(&self, columns: usize) -> Result<usize, CorruptError> {
        let Some(header) = &self.header else {
            return Ok(HEADER_BYTES);
        };
        if self.trailer.is_none() && header.trailer_bytes > 0 {
            return usize::try_from(header.trailer_bytes)
                .map_err(|_| self.error("an endless trailer"));
        }
        if self.column >= columns {
            return Ok(0);
        }
        let Some((length, _)) = self.held.split_first_chunk::<4>() else {
            return Ok(PREFIX_BYTES);
        };
        if self.held.len() < PREFIX_BYTES {
            return Ok(PREFIX_BYTES);
        }
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        if length == 0 || length > PAYLOAD_BYTES_MAX {
            return Err(self.error("a block of impossible length"));
        }
        Ok(PREFIX_BYTES + length)
    }

    /// Uses what was wanted; false if it must be kept and more added to it.
    fn take(
        &mut self,
        bytes: &[u8],
        shape: Shape,
        add: &mut impl FnMut(Counted<'_>, EncodedBlock<'_>, &mut Vec<f64>) -> Option<()>,
    ) -> Result<bool, CorruptError> {
        let Some(header) = &self.header else {
            let header = EncodedHeader::read(bytes)?;
            shape.check(&header)?;
            if header.trailer_bytes == 0 {
                self.take_trailer(&header, &[])?;
            }
            self.header = Some(header);
            self.byte += bytes.len() as u64;
            return Ok(true);
        };
        if self.trailer.is_none() {
            let header = *header;
            self.take_trailer(&header, bytes)?;
            self.byte += bytes.len() as u64;
            return Ok(true);
        }
        if bytes.len() == PREFIX_BYTES {
            self.held.extend_from_slice(bytes);
            return Ok(false);
        }
        let (prefix, payload) = bytes.split_at(PREFIX_BYTES);
        let (fields, _) = prefix.as_chunks::<8>();
        let number = self.column / BLOCK_COLUMNS;
        if checksum(&prefix[..8], payload, number as u64) != u64::from_le_bytes(fields[1]) {
            return Err(self.error("a damaged block"));
        }
        let [_, _, _, _, p0, p1, p2, p3] = fields[0];
        let length = BLOCK_COLUMNS.min(shape.columns - self.column);
        let parts = u32::from_le_bytes([p0, p1, p2, p3]);
        let block = EncodedBlock { payload, parts, start: self.column, length };
        let counted = Counted { objects: header.objects, weight: self.weight.as_deref() };
        if add(counted, block, &mut self.scratch).is_none() {
            return Err(self.error("a block of another layout"));
        }
        self.column += length;
        self.byte += bytes.len() as u64;
        Ok(true)
    }

    /// Takes in the trailer, and the sum of the weights before it.
    fn take_trailer(&mut self, header: &EncodedHeader, bytes: &[u8]) -> Result<(), CorruptError> {
        let (weight, trailer) = header.read_weight_and_trailer(bytes)?;
        self.weight = header.kept().is_weighted().then(|| Box::new(weight));
        self.trailer = Some(trailer);
        Ok(())
    }
}

/// The objects of an encoded partial sum.
#[derive(Clone, Copy)]
struct Counted<'a> {
    objects: u64,
    /// The sum of their weights, if they have weights.
    weight: Option<&'a ExactSum>,
}

impl Counted<'_> {
    fn add_to(self, sum: &mut PartialSum) {
        sum.count_objects(self.objects);
        if let Some(weight) = self.weight {
            sum.count_weight(weight);
        }
    }
}

/// A block of columns, all of whose bytes are there.
struct EncodedBlock<'a> {
    payload: &'a [u8],
    parts: u32,
    /// Its first column.
    start: usize,
    /// How many columns it has.
    length: usize,
}

/// What an encoded partial sum must be like.
#[derive(Clone, Copy)]
struct Shape {
    columns: usize,
    kept: KeptSet,
}

impl Shape {
    fn check(self, header: &EncodedHeader) -> Result<(), CorruptError> {
        if header.columns != self.columns as u64 {
            let (found, expected) = (header.columns, self.columns);
            let what = format!("{found} columns, where {expected} were expected");
            return Err(CorruptError::new(16, what));
        }
        if header.kept() != self.kept {
            return Err(CorruptError::new(10, "other statistics than were expected"));
        }
        if header.trailer_bytes > TRAILER_BYTES_MAX {
            return Err(CorruptError::new(32, "an endless trailer"));
        }
        Ok(())
    }
}

impl PartialSum {
    /// The partial sum and the trailer that were encoded.
    ///
    /// # Errors
    ///
    /// If the bytes are not those of an encoded partial sum.
    pub fn decode(bytes: &[u8]) -> Result<(PartialSum, Trailer), CorruptError> {
        let header = EncodedHeader::read(bytes)?;
        // Each block of columns takes at least what precedes it, so this
        // bounds what is allocated by what is there.
        let columns = usize::try_from(header.columns)
            .ok()
            .filter(|columns| columns.div_ceil(BLOCK_COLUMNS) <= bytes.len() / PREFIX_BYTES)
            .ok_or_else(|| CorruptError::new(16, "more columns than bytes"))?;
        let mut sum = PartialSum::with(columns, header.kept());
        let mut reader = PartialSumReader::new();
        reader.push(bytes, true, &mut sum)?;
        Ok((sum, reader.trailer.unwrap_or_default()))
    }
}

/// Adds a block's payload; `None` if it is not laid out as it says.
fn add_block(
    payload: &[u8],
    parts: u32,
    start: usize,
    length: usize,
    sum: &mut PartialSum,
    scratch: &mut Vec<f64>,
) -> Option<()> {
    let mut payload = Payload::new(payload, parts);
    scratch.clear();
    scratch.resize(3 * length, 0.0);
    let (a, rest) = scratch.split_at_mut(length);
    let (b, _) = rest.split_at_mut(length);
    payload.numbers(a)?;
    let [second, others @ ..] = part::SUMS;
    if payload.has(second) {
        payload.finite_numbers(b)?;
        sum.add_sums(start, a, Some(b), None);
    } else {
        sum.add_sums(start, a, None, None);
    }
    match &mut sum.totals {
        Totals::Numbers(sums) => add_others(sums, start, &mut payload, others, b)?,
        Totals::Weighted(weighted) => {
            add_others(&mut weighted.sums, start, &mut payload, others, b)?;
        }
    }
    for kernel in &mut sum.kernels {
        kernel.decode(start, &mut payload, scratch)?;
    }
    if let Totals::Weighted(weighted) = &mut sum.totals {
        weighted.decode_absent(start, &mut payload, scratch)?;
    }
    payload.is_empty().then_some(())
}

/// Adds the parts of the sums of a block after the second, and its exceptions; `numbers`
/// holds one for each of its columns.
fn add_others<const LIMBS: usize, const UNIT: i32>(
    sums: &mut Sums<LIMBS, UNIT>,
    start: usize,
    payload: &mut Payload<'_>,
    parts: [u32; 2],
    numbers: &mut [f64],
) -> Option<()> {
    for part in parts {
        if payload.has(part) {
            payload.finite_numbers(numbers)?;
            sums.add_parts(start, numbers);
        }
    }
    if payload.has(part::EXCEPTIONS) {
        let length = numbers.len();
        payload.exceptions(length, |column, number| sums.add_exact(start + column, number))?;
    }
    Some(())
}
