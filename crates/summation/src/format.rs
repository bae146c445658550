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
mod netcdf;
mod npy;
mod npz;
mod number_type;
mod powers_of_five;
mod raw;
mod result_part;
mod safetensors;
mod selection;
mod table;
mod text;
mod words;
mod zip;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::order::{Order, Transposition};
use crate::{Block, InputError};

use binary::Elements;

pub(crate) use netcdf::{Netcdf, Written};
pub(crate) use number_type::NumberType;
pub(crate) use safetensors::Tensors;

pub use decoder::{Checkpoint, Decoder};
pub use detect::Detection;
pub use head::{HEAD_BYTES, HEAD_BYTES_MAX, Piece};
pub use netcdf::Variable;
pub use result_part::ResultPart;
pub use safetensors::{INDEX_BYTES_MAX, Tensor, shards_of};

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

    /// What is read of the object, if it consists of tensors.
    fn tensors(&self) -> Option<&Tensors> {
        None
    }

    /// What is read of the object, if it is a NetCDF file.
    fn netcdf(&self) -> Option<&Netcdf> {
        None
    }

    /// A hash of the parts that are read and of their order, if parts have names.
    fn parts_hash(&self) -> Option<u64> {
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

    /// How much memory reading it takes beside its ranges, in bytes.
    fn reading_bytes(&self) -> u64 {
        0
    }

    /// The format that reads the parts in the order in which the object `of` has them, whose
    /// format is `reference`; `None` if parts have no names, or those of the two objects are
    /// of different kinds.
    fn aligned(&self, reference: &Format, of: &str) -> Result<Option<Format>, InputError> {
        let _ = (reference, of);
        Ok(None)
    }

    /// The order in which the numbers are stored.
    fn order(&self) -> Order {
        Order::C
    }

    /// The first byte that a decoder wants which begins at the first number, if reading can
    /// begin at the beginning alone.
    fn first_byte(&self) -> u64 {
        0
    }

    /// One past the last byte of what is read; `None` if that is the end of the object.
    fn end_byte(&self) -> Option<u64> {
        None
    }

    /// Where each number lies, if all take as many bytes and none is compressed.
    fn elements(&self) -> Option<Elements> {
        None
    }

    /// The type of the numbers, if all have one that the object tells.
    fn number_type(&self) -> Option<NumberType> {
        self.elements().map(|elements| elements.number_type)
    }

    /// The byte at which a column begins, if reading can begin at any.
    fn offset_of(&self, column: u64) -> Option<u64> {
        self.elements().map(|elements| elements.offset_of(column))
    }

    /// The bytes of some columns, if columns do not simply follow one another; see
    /// [`Format::extents`].
    fn extents(&self, columns: &Range<u64>) -> Option<Vec<Range<u64>>> {
        let _ = columns;
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

    /// The tensors that are read of the object, in the order of their columns; `None` if it
    /// does not consist of tensors.
    #[must_use]
    pub fn tensors(&self) -> Option<&[Tensor]> {
        self.layout.tensors().map(|tensors| tensors.list.as_slice())
    }

    /// The header of a safetensors file with these tensors, without its length, by which
    /// results are written; `None` if the object does not consist of tensors.
    #[must_use]
    pub fn tensors_header(&self) -> Option<String> {
        let tensors = self.layout.tensors()?;
        Some(tensors.header(&tensors.metadata, |tensor| tensor.number_type))
    }

    /// The variables that are read of the object, in the order of their columns; `None` if it
    /// is no NetCDF file.
    #[must_use]
    pub fn variables(&self) -> Option<&[Variable]> {
        self.layout.netcdf().map(Netcdf::variables)
    }

    /// The dimensions, attributes and coordinates of a NetCDF file, by which results are
    /// written; `None` if the object is none.
    #[must_use]
    pub fn netcdf_template(&self) -> Option<Vec<u8>> {
        self.layout.netcdf().map(Netcdf::template)
    }

    /// A hash of the names of the parts that are read, of their order and, if they have one,
    /// of their shape; `None` if parts have no names. Objects are added up in the order of
    /// the first one: if it has another hash than before, that was another order.
    #[must_use]
    pub fn parts_hash(&self) -> Option<u64> {
        self.layout.parts_hash()
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

    /// How much memory reading the object takes beside its ranges, in bytes: that of a chunk
    /// while it is decompressed, for example.
    #[must_use]
    pub fn reading_bytes(&self) -> u64 {
        self.layout.reading_bytes()
    }

    /// The name of the column that is carried over, if the object is a table with one.
    #[must_use]
    pub fn key_name(&self) -> Option<&str> {
        self.layout.key_name()
    }

    /// The format that reads the parts in the order in which the object `of` has them, whose
    /// format is `reference`; `None` stands for one whose parts have no names.
    ///
    /// # Errors
    ///
    /// If one of the two objects lacks a part that the other has, or has it in another shape,
    /// or only one has names.
    pub fn aligned(&self, reference: Option<&Format>, of: &str) -> Result<Format, InputError> {
        let reference = reference.filter(|reference| reference.names().is_some());
        let aligned = match reference {
            None if self.names().is_none() => Some(self.clone()),
            None => None,
            Some(reference) => self.layout.aligned(reference, of)?,
        };
        aligned.ok_or_else(|| {
            let other = reference.map_or("no named columns", Format::parts);
            let error = InputError::new(format!("has {}, and {of} has {other}", self.parts()));
            error.remedy("give all files the same form, or say whether they have a header line")
        })
    }

    /// What the parts of the object are.
    fn parts(&self) -> &'static str {
        match (self.tensors(), self.variables(), self.names()) {
            (Some(_), ..) => "tensors",
            (_, Some(_), _) => "variables",
            (_, _, Some(_)) => "named columns",
            _ => "no named columns",
        }
    }

    /// Checks that an array has the shape of the object `of`, whose format is given;
    /// dimensions of length 1 do not count. A file without a shape fits any, and arrays of
    /// different sizes pass, because their lengths are compared elsewhere.
    ///
    /// # Errors
    ///
    /// If both are arrays of the same size and of different shapes, as one and its transpose.
    pub fn check_shape(&self, reference: &Format, of: &str) -> Result<(), InputError> {
        let (Some(shape), Some(expected)) = (self.shape(), reference.shape()) else {
            return Ok(());
        };
        let squeezed = |shape: &[u64]| -> Vec<u64> {
            shape.iter().copied().filter(|&length| length != 1).collect()
        };
        let size = |shape: &[u64]| shape.iter().try_fold(1, |size: u64, &n| size.checked_mul(n));
        if size(shape) != size(expected) || squeezed(shape) == squeezed(expected) {
            return Ok(());
        }
        let [shape, expected] = [shape, expected].map(|shape| {
            let lengths: Vec<String> = shape.iter().map(u64::to_string).collect();
            lengths.join(" × ")
        });
        let error =
            InputError::new(format!("the shape is {shape}, and that of {of} is {expected}"));
        Err(error.remedy("transpose or reshape the file, or leave it out"))
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

    /// The type of the numbers as NumPy names it, such as `f4`, or `bf16`, if all have one that
    /// the object tells: text has none.
    #[must_use]
    pub fn dtype(&self) -> Option<&'static str> {
        self.layout.number_type().map(NumberType::describe)
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
        self.layout.offset_of(column)
    }

    /// The bytes that a decoder wants which begins at the first of these columns, in the
    /// order of the columns, up to the last. `None` if these are simply those from the offset
    /// of the first to that of the last.
    #[must_use]
    pub fn extents(&self, columns: &Range<u64>) -> Option<Vec<Range<u64>>> {
        self.layout.extents(columns)
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
            Access::Beginning => self.layout.first_byte(),
            Access::Column | Access::Checkpoint => checkpoint.byte,
        }
    }

    /// One past the last byte that is read of an object of so many bytes.
    #[must_use]
    pub fn end_byte(&self, object_bytes: u64) -> u64 {
        self.layout.end_byte().unwrap_or(object_bytes)
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
