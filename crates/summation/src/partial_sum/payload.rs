//! The payload of an encoded block: how numbers lie in it.

use super::BLOCK_COLUMNS;
use crate::exact::FixedPoint;

/// The parts of a payload that may be left out.
pub(super) mod part {
    /// The parts of the sums after the first, and of the squares after the first.
    pub(crate) const SUMS: [u32; 3] = [1, 2, 4];
    pub(crate) const SQUARES: [u32; 2] = [16, 32];
    pub(crate) const EXCEPTIONS: u32 = 8;
    pub(crate) const SQUARE_EXCEPTIONS: u32 = 64;
    pub(crate) const ABSENCES: u32 = 128;
    /// Whether there are sums of absent weights, and their parts after the first.
    pub(crate) const ABSENT_WEIGHTS_FIRST: u32 = 256;
    pub(crate) const ABSENT_WEIGHTS: [u32; 3] = [512, 1024, 2048];
    pub(crate) const ABSENT_EXCEPTIONS: u32 = 4096;
}

/// Puts the first part, and of the others those that are not all zeros; tells
/// which these are.
pub(super) fn put_parts(
    bytes: &mut Vec<u8>,
    parts: &[[f64; BLOCK_COLUMNS]],
    length: usize,
    names: &[u32],
) -> u32 {
    let mut put = 0;
    for (index, part) in parts.iter().enumerate() {
        let part = &part[..length];
        let any = part.iter().fold(0, |any, number| any | number.to_bits()) != 0;
        match index.checked_sub(1) {
            Some(index) if any => put |= names[index],
            Some(_) => continue,
            None => {}
        }
        put_numbers(bytes, part);
    }
    put
}

fn put_numbers(bytes: &mut Vec<u8>, numbers: &[f64]) {
    let start = bytes.len();
    bytes.resize(start + 8 * numbers.len(), 0);
    let (chunks, _) = bytes[start..].as_chunks_mut::<8>();
    for (chunk, number) in chunks.iter_mut().zip(numbers) {
        *chunk = number.to_le_bytes();
    }
}

/// Puts exceptions, if there are any; tells whether.
pub(super) fn put_exceptions<const LIMBS: usize, const UNIT: i32>(
    bytes: &mut Vec<u8>,
    exceptions: &[(usize, FixedPoint<LIMBS, UNIT>)],
) -> bool {
    if exceptions.is_empty() {
        return false;
    }
    let count = u32::try_from(exceptions.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&count.to_le_bytes());
    for (column, number) in exceptions {
        let (first, words) = number.words();
        bytes.extend_from_slice(&u16::try_from(*column).unwrap_or(u16::MAX).to_le_bytes());
        let small = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
        bytes.extend([u8::from(number.is_negative()), small(first), small(words.len())]);
        for word in words {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
    }
    true
}

/// What is left to be read of a block's payload. Reading gives `None` where the
/// bytes are not laid out as they should be.
pub(super) struct Payload<'a> {
    bytes: &'a [u8],
    /// What is there, as what precedes the payload says.
    parts: u32,
}

impl<'a> Payload<'a> {
    pub(super) const fn new(bytes: &'a [u8], parts: u32) -> Payload<'a> {
        Payload { bytes, parts }
    }

    /// Whether a part that may be left out is there.
    pub(super) const fn has(&self, part: u32) -> bool {
        self.parts & part != 0
    }

    /// Whether all has been read.
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The next `count` words of 8 bytes.
    pub(super) fn words(&mut self, count: usize) -> Option<&'a [[u8; 8]]> {
        let (words, rest) = self.bytes.split_at_checked(8 * count)?;
        self.bytes = rest;
        Some(words.as_chunks().0)
    }

    pub(super) fn numbers(&mut self, to: &mut [f64]) -> Option<()> {
        let words = self.words(to.len())?;
        for (to, &number) in to.iter_mut().zip(words) {
            *to = f64::from_le_bytes(number);
        }
        Some(())
    }

    pub(super) fn finite_numbers(&mut self, to: &mut [f64]) -> Option<()> {
        self.numbers(to)?;
        to.iter().all(|number| number.is_finite()).then_some(())
    }

    /// Exceptions of a block of `length` columns, each by its column there.
    pub(super) fn exceptions<const LIMBS: usize, const UNIT: i32>(
        &mut self,
        length: usize,
        mut add: impl FnMut(usize, &FixedPoint<LIMBS, UNIT>),
    ) -> Option<()> {
        let (&count, rest) = self.bytes.split_first_chunk::<4>()?;
        self.bytes = rest;
        for _ in 0..u32::from_le_bytes(count) {
            let (&[c0, c1, negative, first, words], rest) = self.bytes.split_first_chunk::<5>()?;
            self.bytes = rest;
            let limbs = self.words(usize::from(words))?;
            let column = usize::from(u16::from_le_bytes([c0, c1]));
            let first = usize::from(first);
            if column >= length || first + usize::from(words) > LIMBS || negative > 1 {
                return None;
            }
            let limbs: Vec<u64> = limbs.iter().map(|&limb| u64::from_le_bytes(limb)).collect();
            let mut number = FixedPoint::ZERO;
            number.add_words(first, &limbs, negative == 1);
            add(column, &number);
        }
        Some(())
    }
}
