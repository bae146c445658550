//! How the numbers of an object are written.
//!
//! A format is a file below `format/`: a type that implements [`Layout`], a
//! function that tells it from the first bytes of an object, and a line for
//! that function in `detect.rs`. What others need to know of it, they ask
//! [`Format`].

mod binary;
mod compression;
mod decimal;
mod decoder;
mod detect;
mod foreign;
mod head;
mod npy;
mod number_type;
mod powers_of_five;
mod raw;
mod selection;
mod table;
mod text;

use std::fmt;
use std::sync::Arc;

use crate::order::{Order, Transposition};
use crate::{Block, InputError};

use binary::Elements;
use number_type::NumberType;

pub use decoder::{Checkpoint, Decoder};
pub use detect::Detection;
pub use head::{HEAD_BYTES, HEAD_BYTES_MAX};

/// How the numbers of an object are written.
#[derive(Clone)]
pub struct Format {
    layout: Arc<dyn Layout>,
}

/// Where in an object reading can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// At any column.
    Column,
    /// At its beginning, and wherever an earlier reading has left a
    /// [`Checkpoint`].
    Checkpoint,
    /// At its beginning alone.
    Beginning,
}

/// What a format says of itself. The defaults are those of a stream of numbers
/// whose count shows at its end.
pub(crate) trait Layout: fmt::Debug + Send + Sync {
    /// The format in words; see [`Format::describe`].
    fn describe(&self) -> String;

    /// Where reading can begin.
    fn access(&self) -> Access;

    /// C, if it is known before the numbers have been read. The length of the
    /// object is not known where it is compressed.
    fn columns(&self, object_bytes: Option<u64>) -> Option<u64> {
        let _ = object_bytes;
        None
    }

    /// The shape of the array, if the format has shapes.
    fn shape(&self) -> Option<&[u64]> {
        None
    }

    /// The shape of an array of so many columns, also where it shows only at the end.
    fn shape_of(&self, columns: u64) -> Option<Vec<u64>> {
        let _ = columns;
        self.shape().map(<[u64]>::to_vec)
    }

    /// The names of what is read of the object, in the order in which it is read, if it
    /// consists of parts with names.
    fn names(&self) -> Option<Vec<String>> {
        None
    }

    /// Whether the object has a line that names its columns.
    fn has_header(&self) -> bool {
        false
    }

    /// The name of the key column, if the object has one.
    fn key_name(&self) -> Option<&str> {
        None
    }

    /// About how much memory it takes, in bytes, in addition to some constant.
    fn memory_bytes(&self) -> usize {
        0
    }

    /// The format that reads the parts of these names in this order, which are those of the
    /// object `of`; `None` if parts have no names.
    fn aligned(&self, names: &[String], of: &str) -> Result<Option<Format>, InputError> {
        let _ = (names, of);
        Ok(None)
    }

    /// The order in which the numbers are stored.
    fn order(&self) -> Order {
        Order::C
    }

    /// Where each number lies, if all take as many bytes and none is compressed.
    fn elements(&self) -> Option<Elements> {
        None
    }

    /// A decoder of `columns` numbers, if that is known, from a checkpoint on.
    fn decoder(&self, columns: Option<u64>, at: Checkpoint) -> Decoder;
}

impl Format {
    pub(crate) fn new(layout: impl Layout + 'static) -> Format {
        Format { layout: Arc::new(layout) }
    }

    /// C, if the format tells it before the numbers have been read.
    #[must_use]
    pub fn columns(&self, object_bytes: u64) -> Option<u64> {
        self.layout.columns(Some(object_bytes))
    }

    /// The shape of the array, if the format has shapes.
    #[must_use]
    pub fn shape(&self) -> Option<&[u64]> {
        self.layout.shape()
    }

    /// The shape of an array of so many columns, which its format may not tell before it
    /// has been read.
    #[must_use]
    pub fn shape_of(&self, columns: u64) -> Option<Vec<u64>> {
        self.layout.shape_of(columns)
    }

    /// The names of what is read of the object, such as columns of a table, in the order in
    /// which it is read; `None` if its parts have no names.
    #[must_use]
    pub fn names(&self) -> Option<Vec<String>> {
        self.layout.names()
    }

    /// Whether the object has a line that names its columns.
    #[must_use]
    pub fn has_header(&self) -> bool {
        self.layout.has_header()
    }

    /// About how much memory the format takes, in bytes, in addition to some constant.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.layout.memory_bytes()
    }

    /// The name of the column that is carried over, if the object is a table with one.
    #[must_use]
    pub fn key_name(&self) -> Option<&str> {
        self.layout.key_name()
    }

    /// The format that reads the parts in the order in which the object `of` has them, whose
    /// format has these names.
    ///
    /// # Errors
    ///
    /// If one of the two objects lacks a part that the other has, or only one has names.
    pub fn aligned(&self, names: Option<&[String]>, of: &str) -> Result<Format, InputError> {
        let only_one = |this: &str, other: &str| {
            let what = format!("has {this}, and {of} has {other}");
            let error = InputError::new(what);
            error.remedy("give all files the same form, or say whether they have a header line")
        };
        match names {
            None if self.names().is_some() => Err(only_one("named columns", "none")),
            None => Ok(self.clone()),
            Some(names) => {
                let aligned = self.layout.aligned(names, of)?;
                aligned.ok_or_else(|| only_one("no named columns", "them"))
            }
        }
    }

    /// The order in which the numbers are stored, and in which a [`Decoder`]
    /// gives them.
    #[must_use]
    pub fn order(&self) -> Order {
        // Where both orders are the same, it makes no difference.
        match self.shape().and_then(|shape| Transposition::new(shape, Order::Fortran)) {
            Some(_) => self.layout.order(),
            None => Order::C,
        }
    }

    /// How to read the numbers in this order, if it is not the one in which
    /// they are stored.
    #[must_use]
    pub fn transposition(&self, order: Order) -> Option<Transposition> {
        let stored = self.order();
        self.shape().filter(|_| stored != order).and_then(|shape| Transposition::new(shape, stored))
    }

    /// The format in words, such as `text`, `npy f8` or `npy i2 big-endian, gzip`.
    #[must_use]
    pub fn describe(&self) -> String {
        self.layout.describe()
    }

    /// Where reading can begin.
    #[must_use]
    pub fn access(&self) -> Access {
        self.layout.access()
    }

    /// Whether reading can begin at any column.
    #[must_use]
    pub fn is_seekable(&self) -> bool {
        self.access() == Access::Column
    }

    /// How many bytes each number takes, if the format is seekable.
    #[must_use]
    pub fn number_bytes(&self) -> Option<u64> {
        self.layout.elements().map(|elements| elements.number_type.bytes())
    }

    /// The byte at which a column begins, if the format is seekable. The
    /// column is one of those that are stored: see [`Format::order`].
    #[must_use]
    pub fn offset_of(&self, column: u64) -> Option<u64> {
        self.layout.elements().map(|elements| elements.offset_of(column))
    }

    /// The checkpoint of a column, if the format is seekable: any column can be
    /// begun at without a checkpoint having been kept.
    #[must_use]
    pub fn checkpoint_of(&self, column: u64) -> Option<Checkpoint> {
        Some(Checkpoint { byte: self.offset_of(column)?, column, ..Checkpoint::default() })
    }

    /// From which byte of the object a decoder begun at this checkpoint wants
    /// its bytes. Where reading can begin at the beginning alone, what lies
    /// before the checkpoint is decoded and dropped.
    #[must_use]
    pub fn resume_byte(&self, checkpoint: &Checkpoint) -> u64 {
        match self.access() {
            Access::Beginning => 0,
            Access::Column | Access::Checkpoint => checkpoint.byte,
        }
    }

    /// A decoder of an object from its first byte.
    #[must_use]
    pub fn decoder(&self, object_bytes: u64) -> Decoder {
        self.decoder_at(object_bytes, Checkpoint::default())
    }

    /// A decoder from a checkpoint on, of bytes from [`Format::resume_byte`] on.
    #[must_use]
    pub fn decoder_at(&self, object_bytes: u64, checkpoint: Checkpoint) -> Decoder {
        self.layout.decoder(self.columns(object_bytes), checkpoint)
    }

    /// C, or about how many numbers the object has, by its first bytes.
    ///
    /// # Errors
    ///
    /// If there is something among these bytes that is not a number, such as a
    /// header line.
    #[expect(clippy::cast_possible_truncation, reason = "an estimate has no fraction to lose")]
    pub fn estimate_columns(&self, head: &[u8], object_bytes: u64) -> Result<u64, InputError> {
        if let Some(columns) = self.columns(object_bytes) {
            return Ok(columns);
        }
        let mut decoder = self.decoder(object_bytes);
        let mut block = Block::default();
        let is_whole = head.len() as u64 == object_bytes;
        let mut used = 0;
        let mut numbers = 0_u64;
        loop {
            block.clear();
            used += decoder.decode(&head[used..], is_whole, 4096, &mut block)?;
            if block.is_empty() {
                break;
            }
            numbers += block.len() as u64;
        }
        let times = object_bytes as f64 / (head.len() as f64).max(1.0);
        // A number that is cut by the end of the head is one that is there.
        Ok(((numbers as f64 * times) as u64).max(u64::from(!is_whole)))
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.layout.fmt(f)
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

/// An object without any number.
fn no_numbers() -> InputError {
    InputError::new("no numbers in it").remedy("leave it out, or write it again")
}
