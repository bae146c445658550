//! Model weights: safetensors files.
//!
//! A file consists of tensors with names. The numbers of the selected ones, one tensor after
//! the other, are those of the object. Tensors come in the order of the sizes of their types,
//! the widest first, and then as they lie in the file: so the writers of the format arrange
//! them, and so a result can be written in which every tensor is aligned. Tensors are matched
//! by their names; where another file has them in another order, its bytes are read in
//! several extents.
//!
//! The header is read with `serde_json`: the crate of the format wants the whole file in
//! memory, and takes the last of two tensors with the same name.
//!
//! A model may consist of several files, its shards; `sharded` reads them as one.

mod decoder;
mod header;
mod sharded;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use self::decoder::TensorDecoder;
use self::header::{Entry, HEADER_BYTES_MAX, Header, LENGTH_BYTES, METADATA};
use super::head::{HEAD_BYTES, Head, Told};
use super::text::is_binary;
use super::{
    Access, Checkpoint, Decoder, Format, Layout, NumberType, ResultPart, no_numbers, selection,
};
use crate::InputError;

pub(super) use self::sharded::tell as tell_shards;
pub use self::sharded::{INDEX_BYTES_MAX, shards_of};

/// The most characters of a name that an error quotes.
const NAME_CHARS_QUOTED: usize = 80;

/// A tensor: an array with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    name: String,
    shape: Vec<u64>,
    pub(crate) number_type: NumberType,
    /// The byte of the file at which its numbers begin.
    start: u64,
    /// Its columns: the numbers of tensors before it, and with it.
    columns: Range<u64>,
}

impl Tensor {
    /// The name of the tensor.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The length along each index, in C order; none of a single number.
    #[must_use]
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// The type of its numbers, as the format names it: `F32`, `BF16`, `I64`.
    #[must_use]
    pub fn dtype(&self) -> &'static str {
        self.number_type.safetensors_name()
    }

    /// Behind the last of its columns.
    pub(crate) const fn end_column(&self) -> u64 {
        self.columns.end
    }
}

/// The tensors that are read of a file, in the order of the columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tensors {
    pub(crate) list: Vec<Tensor>,
    pub(crate) metadata: BTreeMap<String, String>,
    /// The sum of their numbers.
    pub(crate) columns: u64,
    /// The number of tensors of the file, also those that are not read.
    all: usize,
}

/// A safetensors file, or several that are one model.
#[derive(Debug)]
struct Model {
    tensors: Arc<Tensors>,
    /// The number of its files, if these are shards; otherwise 0.
    shards: usize,
}

/// Whether the length of a header and the first brace are there; then the header is read.
pub(super) fn tell(head: &Head<'_>) -> Result<Told, InputError> {
    let first = match head.first(HEAD_BYTES) {
        Ok(first) => first,
        Err(needs) => return Ok(needs),
    };
    let Some(length) = header_length(first) else {
        return Ok(Told::Other);
    };
    let Some(object_bytes) = head.object_bytes else {
        let error = InputError::new("a compressed safetensors file");
        return Err(error.remedy("decompress it: tensors are read from where they lie"));
    };
    let end = header_end(length, object_bytes)?;
    match head.bytes.get(LENGTH_BYTES..end) {
        Some(text) => {
            let header = Header::read(text)?;
            header.check(end as u64, object_bytes - end as u64)?;
            let tensors = Tensors::selected(header, end as u64, &head.options.select)?;
            Ok(Told::Is(Format::new(Model { tensors: Arc::new(tensors), shards: 0 })))
        }
        None if head.is_all => {
            let error = InputError::new("a safetensors file that ends within its header");
            Err(error.at_byte(head.bytes.len() as u64))
        }
        None => Ok(Told::Needs(end)),
    }
}

/// The length of the header, if the first bytes are those of a safetensors file. There are
/// no magic ones: a length of 8 bytes that is no text, and the beginning of an object.
fn header_length(first: &[u8]) -> Option<u64> {
    let length: &[u8; LENGTH_BYTES] = first.first_chunk()?;
    let is_no_text = length.iter().any(|&byte| is_binary(byte) || byte >= 0x80);
    let begins = match first.get(LENGTH_BYTES..)? {
        [b'{', next, ..] => matches!(next, b'"' | b'}' | b' ' | b'\t' | b'\r' | b'\n'),
        _ => false,
    };
    (is_no_text && begins).then(|| u64::from_le_bytes(*length))
}

/// The byte at which a header of this length ends, in a file of so many bytes.
///
/// # Errors
///
/// If that is behind the end of the file, or the header is too long to be read.
fn header_end(length: u64, object_bytes: u64) -> Result<usize, InputError> {
    let behind = object_bytes.saturating_sub(LENGTH_BYTES as u64);
    if length > behind {
        let what = format!("a safetensors header of {length} bytes, of which {behind} are there");
        let error = InputError::new(what).remedy("copy the file again, or write it again");
        return Err(error.at_byte(object_bytes));
    }
    match usize::try_from(length) {
        Ok(bytes) if length <= HEADER_BYTES_MAX => Ok(LENGTH_BYTES + bytes),
        _ => {
            let most = HEADER_BYTES_MAX >> 20;
            let what =
                format!("a safetensors header of {length} bytes, of which {most} MiB are read");
            Err(InputError::new(what).at_byte(0).remedy("save it in several files"))
        }
    }
}

impl Tensors {
    /// Reads a header that [`Tensors::header`] has made.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub(crate) fn read(text: &str) -> Result<Tensors, InputError> {
        let data_start = (LENGTH_BYTES + text.len()) as u64;
        let header = Header::read(text.as_bytes())?;
        header.check(data_start, header.entries.last().map_or(0, |entry| entry.end))?;
        Tensors::selected(header, data_start, &[])
    }

    /// The tensors as parts of a result.
    pub(crate) fn parts(&self) -> Vec<ResultPart> {
        let part = |Tensor { name, columns, shape, .. }: &Tensor| ResultPart {
            name: name.clone(),
            columns: columns.clone(),
            shape: shape.clone(),
        };
        self.list.iter().map(part).collect()
    }

    /// Tensors of `f64` for the parts of a result.
    pub(crate) fn of_doubles(parts: &[ResultPart]) -> Tensors {
        let tensor = |ResultPart { name, columns, shape }: &ResultPart| Tensor {
            name: name.clone(),
            shape: shape.clone(),
            number_type: NumberType::F8,
            start: 0,
            columns: columns.clone(),
        };
        Tensors { list: parts.iter().map(tensor).collect(), ..Tensors::default() }
    }

    /// The header with their own types, and with a text about them.
    pub(crate) fn header_about(&self, about: &str) -> String {
        let metadata = [("distributed_average".to_owned(), about.to_owned())];
        self.header(&metadata.into(), |tensor| tensor.number_type)
    }

    /// The header, without its length, of a file that has these tensors in this order, with
    /// numbers of these types.
    pub(crate) fn header(
        &self,
        metadata: &BTreeMap<String, String>,
        number_type: impl Fn(&Tensor) -> NumberType,
    ) -> String {
        // What consists of texts can always be written.
        let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
        let mut text = String::from("{");
        if !metadata.is_empty() {
            let metadata = serde_json::to_string(metadata).unwrap_or_default();
            let _ = write!(text, "{}:{metadata},", quoted(METADATA));
        }
        let mut begin = 0;
        for tensor in &self.list {
            let number_type = number_type(tensor);
            let numbers = tensor.columns.end - tensor.columns.start;
            let end = begin + numbers * number_type.bytes();
            let (name, dtype) = (quoted(&tensor.name), number_type.safetensors_name());
            let shape = &tensor.shape;
            let _ = write!(
                text,
                "{name}:{{\"dtype\":\"{dtype}\",\"shape\":{shape:?},\"data_offsets\":[{begin},{end}]}},"
            );
            begin = end;
        }
        text.pop();
        text.push('}');
        // Numbers begin at a multiple of 8 bytes, as the format's own library has it.
        text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(8) - text.len()));
        text
    }

    /// The tensors that a request selects.
    fn selected(
        header: Header,
        data_start: u64,
        selection: &[String],
    ) -> Result<Tensors, InputError> {
        let Header { mut entries, metadata } = header;
        let size =
            |entry: &Entry| NumberType::from_safetensors(&entry.dtype).map_or(0, NumberType::bytes);
        entries.sort_by_key(|entry| std::cmp::Reverse(size(entry)));
        let names: Vec<String> = entries.iter().map(|entry| entry.name.clone()).collect();
        let selected = selection::select(&names, selection, "tensor")?;
        let mut tensors = Tensors { metadata, all: entries.len(), ..Tensors::default() };
        let mut entries: Vec<Option<Entry>> = entries.into_iter().map(Some).collect();
        for index in selected {
            if let Some(entry) = entries[index].take() {
                let start = data_start + entry.begin;
                let number_type = number_type(&entry).map_err(|error| error.at_byte(start))?;
                let numbers = entry.numbers().unwrap_or_default();
                tensors.push(Tensor {
                    name: entry.name,
                    shape: entry.shape,
                    number_type,
                    start,
                    columns: 0..numbers,
                });
            }
        }
        match tensors.columns {
            0 => Err(no_numbers()),
            _ => Ok(tensors),
        }
    }

    /// Appends a tensor, behind the columns of the others.
    fn push(&mut self, mut tensor: Tensor) {
        let numbers = tensor.columns.end - tensor.columns.start;
        tensor.columns = self.columns..self.columns + numbers;
        self.columns += numbers;
        self.list.push(tensor);
    }

    /// The index of the tensor that a column belongs to; that of the last one for the end.
    fn tensor_of(&self, column: u64) -> usize {
        let index = self.list.partition_point(|tensor| tensor.columns.end <= column);
        index.min(self.list.len().saturating_sub(1))
    }

    /// The byte at which a column begins; for the end, that behind the last one.
    fn offset_of(&self, column: u64) -> u64 {
        let Some(tensor) = self.list.get(self.tensor_of(column)) else {
            return 0;
        };
        tensor.start + (column - tensor.columns.start) * tensor.number_type.bytes()
    }

    /// The bytes of some columns, in the order of the columns.
    fn extents(&self, columns: &Range<u64>) -> Vec<Range<u64>> {
        let mut extents: Vec<Range<u64>> = Vec::new();
        let first = self.tensor_of(columns.start);
        let tensors = self.list[first..].iter();
        for tensor in tensors.take_while(|tensor| tensor.columns.start < columns.end) {
            let some = columns.start.max(tensor.columns.start)..columns.end.min(tensor.columns.end);
            if some.is_empty() {
                continue;
            }
            let byte = |column: u64| {
                tensor.start + (column - tensor.columns.start) * tensor.number_type.bytes()
            };
            let (start, end) = (byte(some.start), byte(some.end));
            match extents.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => extents.push(start..end),
            }
        }
        extents
    }

    /// The same tensors in the order of those of another object, `of`.
    fn aligned(&self, reference: &[Tensor], of: &str) -> Result<Tensors, InputError> {
        let differing = |what: String| {
            Err(InputError::new(what).remedy("select the tensors that all files have"))
        };
        let mut by_name: HashMap<&str, &Tensor> =
            self.list.iter().map(|tensor| (tensor.name(), tensor)).collect();
        let (metadata, all) = (self.metadata.clone(), self.all);
        let mut aligned = Tensors { metadata, all, ..Tensors::default() };
        for other in reference {
            let name = quoted(&other.name);
            let Some(tensor) = by_name.remove(other.name()) else {
                return differing(format!("has no tensor {name}, which {of} has"));
            };
            if tensor.shape != other.shape {
                let (shape, others) = (&tensor.shape, &other.shape);
                return differing(format!(
                    "the tensor {name} has the shape {shape:?}, in {of} it has {others:?}"
                ));
            }
            aligned.push(tensor.clone());
        }
        // The first of those that the other object lacks.
        let lacking = by_name.values().min_by_key(|tensor| tensor.columns.start);
        match lacking {
            Some(tensor) => {
                let name = quoted(&tensor.name);
                differing(format!("has the tensor {name}, which {of} has not"))
            }
            None => Ok(aligned),
        }
    }
}

/// The type of the numbers of a tensor that is read.
fn number_type(entry: &Entry) -> Result<NumberType, InputError> {
    let name = quoted(&entry.name);
    let leave_out = || match entry.name.contains(',') {
        true => "select the other tensors".to_owned(),
        false => format!("leave it out: select !{}", entry.name),
    };
    match NumberType::from_safetensors(&entry.dtype) {
        Some(NumberType::Bool) => {
            let error = InputError::new(format!("the tensor {name} has truth values (BOOL)"));
            Err(error.remedy(leave_out()))
        }
        Some(number_type) => Ok(number_type),
        None => {
            let dtype = quoted(&entry.dtype);
            let error = InputError::new(format!("the tensor {name} has numbers of type {dtype}"));
            Err(error
                .remedy(format!("F16, BF16, F32, F64 and integers can be read; {}", leave_out())))
        }
    }
}

/// A name as errors quote it.
fn quoted(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARS_QUOTED) {
        Some((end, _)) => format!("{:?}…", &name[..end]),
        None => format!("{name:?}"),
    }
}

impl Layout for Model {
    fn describe(&self) -> String {
        let Tensors { list, all, .. } = &*self.tensors;
        let first = list.first().map_or("", Tensor::dtype);
        let dtype = match list.iter().all(|tensor| tensor.dtype() == first) {
            true => first,
            false => "of several types",
        };
        let tensors = if *all == 1 { "tensor" } else { "tensors" };
        let shards = match self.shards {
            0 => String::new(),
            1 => " in 1 shard".to_owned(),
            count => format!(" in {count} shards"),
        };
        match list.len() == *all {
            true => format!("safetensors {dtype}, {all} {tensors}{shards}"),
            false => format!("safetensors {dtype}, {} of {all} {tensors}{shards}", list.len()),
        }
    }

    fn access(&self) -> Access {
        Access::Column
    }

    fn columns(&self, _object_bytes: Option<u64>) -> Option<u64> {
        Some(self.tensors.columns)
    }

    fn shape(&self) -> Option<&[u64]> {
        match &self.tensors.list[..] {
            [only] => Some(&only.shape),
            _ => None,
        }
    }

    fn names(&self) -> Option<Vec<String>> {
        Some(self.tensors.list.iter().map(|tensor| tensor.name.clone()).collect())
    }

    fn tensors(&self) -> Option<&Tensors> {
        Some(&self.tensors)
    }

    fn memory_bytes(&self) -> usize {
        let of = |tensor: &Tensor| {
            size_of::<Tensor>() + tensor.name.len() + tensor.shape.len() * size_of::<u64>() + 32
        };
        let metadata =
            self.tensors.metadata.iter().map(|(key, value)| key.len() + value.len() + 64);
        self.tensors.list.iter().map(of).sum::<usize>() + metadata.sum::<usize>()
    }

    fn parts_hash(&self) -> Option<u64> {
        let mut hasher = Xxh3::new();
        for tensor in &self.tensors.list {
            hasher.update(&(tensor.name.len() as u64).to_le_bytes());
            hasher.update(tensor.name.as_bytes());
            hasher.update(&(tensor.shape.len() as u64).to_le_bytes());
            tensor.shape.iter().for_each(|length| hasher.update(&length.to_le_bytes()));
        }
        Some(hasher.digest())
    }

    fn aligned(&self, reference: &Format, of: &str) -> Result<Option<Format>, InputError> {
        let Some(reference) = reference.tensors() else {
            return Ok(None);
        };
        let tensors = Arc::new(self.tensors.aligned(reference, of)?);
        Ok(Some(Format::new(Model { tensors, shards: self.shards })))
    }

    fn offset_of(&self, column: u64) -> Option<u64> {
        Some(self.tensors.offset_of(column))
    }

    fn extents(&self, columns: &Range<u64>) -> Option<Vec<Range<u64>>> {
        Some(self.tensors.extents(columns))
    }

    fn decoder(&self, _columns: Option<u64>, at: Checkpoint) -> Decoder {
        Decoder::new(TensorDecoder::new(self.tensors.clone(), at))
    }
}
