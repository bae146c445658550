//! Bytes of an object in, as they come; blocks of numbers out.

use std::fmt;

use crate::{Block, InputError, KeyUse};

/// A place in an object right behind one of its numbers, at which decoding can
/// be resumed.
///
/// It is a function of the object and the column alone: however the bytes came,
/// two decoders that have decoded as many numbers stand at the same checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// The place, in bytes from the beginning of the object, or of its
    /// decompressed data.
    pub byte: u64,
    /// How many numbers come before it.
    pub column: u64,
    /// How many lines end before it, in text.
    pub line: u64,
    /// The byte at which its line begins, in text.
    pub line_start: u64,
}

/// Turns the bytes of one object into numbers, range by range.
///
/// The bytes come in order, in ranges of any length: a number that is cut by the
/// end of a range is completed by the next. Numbers, errors and checkpoints are
/// the same wherever the ranges were cut.
#[derive(Debug)]
pub struct Decoder {
    inner: Box<dyn Decode>,
}

/// What a format decodes its numbers by; its methods are those of [`Decoder`].
pub(super) trait Decode: fmt::Debug + Send {
    fn decode(
        &mut self,
        bytes: &[u8],
        last: bool,
        limit: usize,
        block: &mut Block,
    ) -> Result<usize, InputError>;

    fn lend<'a>(
        &mut self,
        bytes: &'a [u8],
        last: bool,
        limit: usize,
    ) -> Option<Result<&'a [f64], InputError>> {
        let _ = (bytes, last, limit);
        None
    }

    fn checkpoint(&self) -> Checkpoint;

    fn has_ended(&self) -> bool;

    fn use_keys(&mut self, keys: KeyUse) {
        let _ = keys;
    }

    fn take_keys(&mut self) -> Vec<Box<[u8]>> {
        Vec::new()
    }
}

impl Decoder {
    pub(super) fn new(inner: impl Decode + 'static) -> Decoder {
        Decoder { inner: Box::new(inner) }
    }

    /// Consumes bytes that follow those consumed before, and appends at most
    /// `limit` numbers to `block`. `last` says that no bytes follow these.
    ///
    /// Returns how many of the bytes were consumed: all of them, unless the
    /// limit was reached. What separates numbers is consumed even then, up to
    /// the next number, so that [`Decoder::has_ended`] can be asked; a limit of
    /// 0 does nothing else. Bytes not consumed are to be given again.
    ///
    /// A decoder of compressed data may have consumed all bytes and still have
    /// numbers to give: more bytes are needed once fewer numbers come than the
    /// limit and it has not ended. With a limit of 0, a number follows if bytes
    /// are left over, or if it has not ended though it was given none and `last`.
    ///
    /// # Errors
    ///
    /// If there is something else where a number should be, or the object is
    /// shorter or longer than its header says. The numbers before that are in
    /// the block. The decoder is of no use afterwards.
    pub fn decode(
        &mut self,
        bytes: &[u8],
        last: bool,
        limit: usize,
        block: &mut Block,
    ) -> Result<usize, InputError> {
        self.inner.decode(bytes, last, limit, block)
    }

    /// Like [`Decoder::decode`], but hands the numbers out where they lie: that
    /// takes no copy, and can be done only if they lie in `bytes` as this
    /// machine has them in memory. `None` if not; then they are to be decoded.
    ///
    /// What is consumed is 8 bytes a number.
    ///
    /// # Errors
    ///
    /// As [`Decoder::decode`].
    pub fn lend<'a>(
        &mut self,
        bytes: &'a [u8],
        last: bool,
        limit: usize,
    ) -> Option<Result<&'a [f64], InputError>> {
        self.inner.lend(bytes, last, limit)
    }

    /// What to do with the keys of rows from now on, if the object is a table with a key
    /// column.
    pub fn use_keys(&mut self, keys: KeyUse) {
        self.inner.use_keys(keys);
    }

    /// The keys of the rows that were read since keys were taken, if they are collected.
    pub fn take_keys(&mut self) -> Vec<Box<[u8]>> {
        self.inner.take_keys()
    }

    /// Right behind the last number that was decoded.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        self.inner.checkpoint()
    }

    /// Whether the object has no more numbers: known once a call of
    /// [`Decoder::decode`] with `last` has consumed all bytes, or the header's
    /// number of columns is reached.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.inner.has_ended()
    }
}
