//! What messages say: shapes, types, where numbers lie, and how they are compressed.

use super::headers::Message;
use super::source::{Cursor, Stop};

/// What stands for no address.
pub(super) const NOWHERE: u64 = u64::MAX;

/// What stands for an unlimited length.
pub(in super::super) const UNLIMITED: u64 = u64::MAX;

/// The most dimensions, and the most filters, as the library of the format has it.
const RANK_MAX: usize = 32;
const FILTERS_MAX: u8 = 32;

/// A shape.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct Space {
    pub(in super::super) shape: Vec<u64>,
    /// How long each dimension may become; [`UNLIMITED`] without a bound.
    pub(in super::super) lengths_max: Vec<u64>,
    /// Whether there are no numbers at all.
    pub(in super::super) is_null: bool,
}

/// A type of numbers or texts.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Type {
    Integer {
        bytes: u64,
        signed: bool,
        big_endian: bool,
    },
    Float {
        bytes: u64,
        big_endian: bool,
    },
    /// Characters of a fixed number.
    Text {
        bytes: u64,
    },
    /// A text in a heap.
    TextInHeap,
    /// A sequence in a heap.
    Sequence {
        element: Box<Type>,
    },
    Reference,
    /// One that is not read.
    Other {
        bytes: u64,
    },
}

/// Where the numbers of a variable lie.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Place {
    /// One after the other from a byte on; nowhere if none was written.
    Contiguous { begin: Option<u64>, bytes: u64 },
    Chunked {
        chunk: Vec<u64>,
        index: Index,
        /// Whether chunks that reach beyond the shape were filtered too.
        filters_partial: bool,
    },
}

/// How chunks are found.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Index {
    /// There are none.
    Nothing,
    Tree {
        address: u64,
    },
    /// One chunk, of so many bytes and with these filters left out, if it is filtered.
    Single {
        address: u64,
        filtered: Option<(u64, u32)>,
    },
    /// One after the other.
    Implicit {
        address: u64,
    },
    FixedArray {
        address: u64,
    },
    ExtensibleArray {
        address: u64,
    },
    /// A tree of version 2.
    SecondTree {
        address: u64,
    },
}

/// What was done with the bytes of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Filter {
    Deflate,
    /// With the size of an element.
    Shuffle(usize),
    Fletcher32,
    Zstd,
    Unknown(u64),
}

impl Type {
    /// How many bytes an element takes.
    pub(in super::super) const fn bytes(&self) -> u64 {
        match self {
            Type::Integer { bytes, .. }
            | Type::Float { bytes, .. }
            | Type::Text { bytes }
            | Type::Other { bytes } => *bytes,
            Type::TextInHeap | Type::Sequence { .. } => 16,
            Type::Reference => 8,
        }
    }
}

pub(super) fn space(mut cursor: Cursor<'_>) -> Result<Space, Stop> {
    let (version, rank, flags) =
        (cursor.byte_value()?, usize::from(cursor.byte_value()?), cursor.byte_value()?);
    if rank > RANK_MAX || !(1..=2).contains(&version) {
        return Err(cursor.wrong("a shape of an unknown form").into());
    }
    let kind = cursor.byte_value()?;
    if version == 1 {
        cursor.skip(4)?;
    }
    let mut space = Space { is_null: version == 2 && kind == 2, ..Space::default() };
    for _ in 0..rank {
        space.shape.push(cursor.long()?);
    }
    space.lengths_max = space.shape.clone();
    if flags & 1 != 0 {
        for (most, length) in space.lengths_max.iter_mut().zip(&space.shape) {
            *most = cursor.long()?;
            if *most < *length {
                return Err(cursor.wrong("a shape that is larger than it may become").into());
            }
        }
    }
    Ok(space)
}

pub(super) fn datatype(message: &Message<'_>) -> Result<Type, Stop> {
    match message.is_shared {
        // A type with a name: none of numbers.
        true => Ok(Type::Other { bytes: 0 }),
        false => type_at(&mut message.cursor(), 0),
    }
}

pub(super) fn type_at(cursor: &mut Cursor<'_>, depth: usize) -> Result<Type, Stop> {
    if depth > 4 {
        return Ok(Type::Other { bytes: 0 });
    }
    let class = cursor.byte_value()? & 15;
    let bits = cursor.number(3)?;
    let bytes = cursor.word()?;
    let big_endian = bits & 1 != 0;
    Ok(match class {
        0 => {
            let (offset, precision) = (cursor.short()?, cursor.short()?);
            match bytes {
                1 | 2 | 4 | 8 if offset == 0 && precision == 8 * bytes => {
                    Type::Integer { bytes, signed: bits & 8 != 0, big_endian }
                }
                _ => Type::Other { bytes },
            }
        }
        1 => {
            let (offset, precision) = (cursor.short()?, cursor.short()?);
            let form = (
                cursor.byte_value()?,
                cursor.byte_value()?,
                cursor.byte_value()?,
                cursor.byte_value()?,
            );
            let bias = cursor.word()?;
            let is_usual = offset == 0 && precision == 8 * bytes && bits & 0x40 == 0;
            match (bytes, form, bias) {
                (4, (23, 8, 0, 23), 127) | (8, (52, 11, 0, 52), 1023) if is_usual => {
                    Type::Float { bytes, big_endian }
                }
                _ => Type::Other { bytes },
            }
        }
        3 => Type::Text { bytes },
        7 if bytes == 8 => Type::Reference,
        9 if bits & 15 == 1 => Type::TextInHeap,
        9 => Type::Sequence { element: Box::new(type_at(cursor, depth + 1)?) },
        _ => Type::Other { bytes },
    })
}

pub(super) fn layout(message: &Message<'_>, space: &Space) -> Result<Place, Stop> {
    let mut cursor = message.cursor();
    let version = cursor.byte_value()?;
    if !(3..=5).contains(&version) {
        return Err(cursor.wrong("a layout of an unknown version").into());
    }
    let somewhere = |address: u64| (address != NOWHERE).then_some(address);
    match cursor.byte_value()? {
        0 => {
            let bytes = cursor.short()?;
            let begin = Some(cursor.byte());
            cursor.skip(usize::try_from(bytes).unwrap_or(usize::MAX))?;
            Ok(Place::Contiguous { begin, bytes })
        }
        1 => {
            let begin = somewhere(cursor.long()?);
            Ok(Place::Contiguous { begin, bytes: cursor.long()? })
        }
        2 if version == 3 => {
            let rank = usize::from(cursor.byte_value()?);
            let address = cursor.long()?;
            let chunk = chunk(&mut cursor, rank, 4, space)?;
            let index =
                somewhere(address).map_or(Index::Nothing, |address| Index::Tree { address });
            Ok(Place::Chunked { chunk, index, filters_partial: true })
        }
        2 => {
            let (flags, rank) = (cursor.byte_value()?, usize::from(cursor.byte_value()?));
            let bytes = usize::from(cursor.byte_value()?);
            let chunk = chunk(&mut cursor, rank, bytes, space)?;
            let kind = cursor.byte_value()?;
            let mut filtered = None;
            match kind {
                1 if flags & 2 != 0 => {
                    let bytes = cursor.long()?;
                    filtered = Some((bytes, u32::try_from(cursor.word()?).unwrap_or_default()));
                }
                3 => cursor.skip(1)?,
                4 => cursor.skip(5)?,
                5 => cursor.skip(6)?,
                _ => {}
            }
            let address = cursor.long()?;
            let index = match (kind, address) {
                (_, NOWHERE) => Index::Nothing,
                (1, address) => Index::Single { address, filtered },
                (2, address) => Index::Implicit { address },
                (3, address) => Index::FixedArray { address },
                (4, address) => Index::ExtensibleArray { address },
                (5, address) => Index::SecondTree { address },
                _ => return Err(cursor.wrong("an unknown index of chunks").into()),
            };
            Ok(Place::Chunked { chunk, index, filters_partial: flags & 1 == 0 })
        }
        _ => Err(cursor.wrong("a layout of an unknown class").into()),
    }
}

/// The lengths of a chunk; the last of those that are stored is the size of an element.
fn chunk(
    cursor: &mut Cursor<'_>,
    rank: usize,
    bytes: usize,
    space: &Space,
) -> Result<Vec<u64>, Stop> {
    if rank != space.shape.len() + 1 {
        return Err(cursor.wrong("chunks with another number of dimensions").into());
    }
    let mut chunk = Vec::new();
    for _ in 1..rank {
        let length = cursor.number(bytes)?;
        if length == 0 {
            return Err(cursor.wrong("chunks of no length").into());
        }
        chunk.push(length);
    }
    cursor.skip(bytes)?;
    Ok(chunk)
}

pub(super) fn filters(message: &Message<'_>, element: u64) -> Result<Vec<Filter>, Stop> {
    let mut cursor = message.cursor();
    let (version, count) = (cursor.byte_value()?, cursor.byte_value()?);
    if !(1..=2).contains(&version) {
        return Err(cursor.wrong("filters of an unknown version").into());
    }
    if count > FILTERS_MAX {
        return Err(cursor.wrong(&format!("{count} filters")).into());
    }
    if version == 1 {
        cursor.skip(6)?;
    }
    let mut filters = Vec::new();
    for _ in 0..count {
        let id = cursor.short()?;
        let name = if version == 1 || id >= 256 { cursor.length(2)? } else { 0 };
        cursor.short()?;
        let values = cursor.length(2)?;
        cursor.skip(if version == 1 { name.next_multiple_of(8) } else { name })?;
        let mut first = None;
        for _ in 0..values {
            first = first.or(Some(cursor.word()?));
        }
        if version == 1 && values % 2 == 1 {
            cursor.skip(4)?;
        }
        filters.push(match id {
            1 => Filter::Deflate,
            2 => {
                let bytes = first.unwrap_or(element);
                Filter::Shuffle(usize::try_from(bytes).unwrap_or(1).max(1))
            }
            3 => Filter::Fletcher32,
            32_015 => Filter::Zstd,
            id => Filter::Unknown(id),
        });
    }
    Ok(filters)
}

/// What numbers are that were never written, as bytes of one.
pub(super) fn fill(message: &Message<'_>) -> Result<Option<Vec<u8>>, Stop> {
    let mut cursor = message.cursor();
    let version = cursor.byte_value()?;
    let is_there = match version {
        1 | 2 => {
            cursor.skip(2)?;
            version == 1 || cursor.byte_value()? != 0
        }
        3 => cursor.byte_value()? & 0x20 != 0,
        _ => return Err(cursor.wrong("a fill value of an unknown version").into()),
    };
    if version == 1 {
        cursor.skip(1)?;
    }
    match is_there {
        true => {
            let bytes = cursor.length(4)?;
            let value = cursor.take(bytes)?.to_vec();
            Ok((!value.is_empty()).then_some(value))
        }
        false => Ok(None),
    }
}
