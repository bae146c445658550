//! The indexes of chunks: where each chunk of an array lies.
//!
//! Source: "HDF5 File Format Specification Version 3.0", The HDF Group, sections III.A.1 and
//! VII; in what it leaves open, the library that it describes.

use super::super::heaps::records;
use super::super::messages::{Index, NOWHERE};
use super::super::source::{Cursor, Source, Stop, broken};
use super::Chunk;
use crate::InputError;

/// The deepest tree, and the most nodes of one: what is broken may lead in circles.
const DEPTH_MAX: u8 = 16;
const NODES_MAX: usize = 1 << 20;

/// The most elements of an array, which may be larger than the variable is now.
const ELEMENT_BITS_MAX: u8 = 40;
const ELEMENTS_MAX: u64 = 1 << ELEMENT_BITS_MAX;

/// The chunks of an array, in C order, while they are looked for.
pub(super) struct Grid<'g> {
    /// The numbers of chunks along each dimension, and how long these may become at most.
    pub(super) sides: &'g [u64],
    pub(super) chunk: &'g [u64],
    pub(super) lengths_max: &'g [u64],
    /// The bytes of a chunk that is not compressed.
    pub(super) chunk_bytes: u64,
    pub(super) list: Vec<Chunk>,
}

/// The chunks by their numbers in an array, which leaves room for what a variable may become.
struct Numbered {
    /// The number of each chunk, and its place in the list, in the order of the numbers.
    places: Vec<(u64, usize)>,
}

/// How an array keeps a chunk.
#[derive(Clone, Copy)]
struct Element {
    bytes: u64,
    is_filtered: bool,
}

impl Grid<'_> {
    /// Finds them all.
    pub(super) fn find(&mut self, source: &Source<'_>, index: &Index) -> Result<(), Stop> {
        match *index {
            Index::Nothing => Ok(()),
            Index::Tree { address } => self.walk(source, address, (None, &mut 0)),
            Index::Single { address, filtered } => {
                let (bytes, mask) = filtered.unwrap_or((self.chunk_bytes, 0));
                if let [only] = &mut self.list[..] {
                    *only = Chunk { address, bytes, mask };
                }
                Ok(())
            }
            Index::Implicit { address } => {
                let bytes = self.chunk_bytes;
                for (number, place) in self.numbered(None)?.places {
                    let address = address.saturating_add(bytes.saturating_mul(number));
                    self.list[place] = Chunk { address, bytes, mask: 0 };
                }
                Ok(())
            }
            Index::FixedArray { address } => self.fixed_array(source, address),
            Index::ExtensibleArray { address } => self.extensible_array(source, address),
            Index::SecondTree { address } => self.second_tree(source, address),
        }
    }

    /// The place in the list of the chunk with these indices; `None` beyond the shape, where
    /// chunks are left over from when it was larger.
    fn place(&self, indices: impl Iterator<Item = Option<u64>>) -> Option<usize> {
        let mut place = Some(0_u64);
        for (index, side) in indices.zip(self.sides) {
            let index = index.filter(|index| index < side);
            place = place.zip(index).and_then(|(place, index)| {
                place.checked_mul(*side).and_then(|place| place.checked_add(index))
            });
        }
        place.and_then(|place| usize::try_from(place).ok()).filter(|&at| at < self.list.len())
    }

    /// A tree of version 1. Its nodes that are not there are noted together.
    fn walk(
        &mut self,
        source: &Source<'_>,
        address: u64,
        (above, nodes): (Option<u8>, &mut usize),
    ) -> Result<(), Stop> {
        let mut cursor = Cursor::new(source.get(address, 8)?, address);
        *nodes += 1;
        if *nodes > NODES_MAX {
            return Err(cursor.wrong("a tree that does not end").into());
        }
        cursor.expect(b"TREE")?;
        let (kind, level) = (cursor.byte_value()?, cursor.byte_value()?);
        let count = cursor.short()?;
        let is_below = above.map_or(level <= DEPTH_MAX, |above| level < above);
        if kind != 1 || !is_below {
            return Err(cursor.wrong("a tree of chunks of an impossible form").into());
        }
        let rank = self.sides.len();
        let key = 8 + 8 * (rank as u64 + 1);
        let mut cursor = Cursor::new(source.get(address, 24 + count * (key + 8))?, address);
        cursor.skip(24)?;
        let mut missing = false;
        for _ in 0..count {
            let (bytes, mask) = (cursor.word()?, cursor.word()?);
            let mut indices = Vec::with_capacity(rank);
            for chunk in self.chunk {
                let offset = cursor.long()?;
                indices.push((offset % chunk == 0).then_some(offset / chunk));
            }
            cursor.skip(8)?;
            let child = cursor.long()?;
            if level > 0 {
                match self.walk(source, child, (Some(level), nodes)) {
                    Err(Stop::Missing) => missing = true,
                    done => done?,
                }
                continue;
            }
            if let Some(place) = self.place(indices.into_iter()) {
                let mask = u32::try_from(mask).unwrap_or_default();
                self.list[place] = Chunk { address: child, bytes, mask };
            }
        }
        if missing { Err(Stop::Missing) } else { Ok(()) }
    }

    /// A tree of version 2, whose records are the chunks.
    fn second_tree(&mut self, source: &Source<'_>, address: u64) -> Result<(), Stop> {
        /// The types of trees of chunks without and with filters.
        const PLAIN: u8 = 10;
        const FILTERED: u8 = 11;

        let (kind, records) = records(source, address)?;
        if !matches!(kind, PLAIN | FILTERED) {
            return Err(broken("a tree of another type", address).into());
        }
        let rank = self.sides.len();
        for mut record in records {
            let begin = record;
            let address = record.long()?;
            let (mut bytes, mut mask) = (self.chunk_bytes, 0);
            if kind == FILTERED {
                let size_bytes = record.rest().checked_sub(4 + 8 * rank);
                let size_bytes = size_bytes.filter(|bytes| (1..=8).contains(bytes));
                let size_bytes =
                    size_bytes.ok_or_else(|| begin.wrong("a chunk of an impossible form"))?;
                bytes = record.number(size_bytes)?;
                mask = u32::try_from(record.word()?).unwrap_or_default();
            }
            let mut indices = Vec::with_capacity(rank);
            for _ in 0..rank {
                indices.push(Some(record.long()?));
            }
            if let Some(place) = self.place(indices.into_iter())
                && address != NOWHERE
            {
                self.list[place] = Chunk { address, bytes, mask };
            }
        }
        Ok(())
    }

    /// The numbers of the chunks in an array. It has them in C order of the largest shape, but
    /// for an unlimited dimension, which comes first then.
    fn numbered(&self, unlimited: Option<usize>) -> Result<Numbered, Stop> {
        let rank = self.sides.len();
        let mut order: Vec<usize> = (0..rank).collect();
        if let Some(unlimited) = unlimited {
            order.remove(unlimited);
            order.insert(0, unlimited);
        }
        let mut strides = vec![Some(1_u64); rank];
        let mut stride = Some(1_u64);
        for &at in order.iter().rev() {
            strides[at] = stride;
            let most = self.lengths_max[at];
            let count = if most == u64::MAX { None } else { Some(most.div_ceil(self.chunk[at])) };
            stride = stride.zip(count).and_then(|(stride, count)| stride.checked_mul(count));
        }
        let mut places = Vec::with_capacity(self.list.len());
        let mut indices = vec![0_u64; rank];
        for place in 0..self.list.len() {
            let mut number = Some(0_u64);
            for (index, stride) in indices.iter().zip(&strides) {
                let offset = match index {
                    0 => Some(0),
                    index => stride.and_then(|stride| stride.checked_mul(*index)),
                };
                number = number.zip(offset).and_then(|(number, offset)| number.checked_add(offset));
            }
            let number = number.filter(|&number| number < ELEMENTS_MAX).ok_or_else(|| {
                InputError::new("chunks of a variable that may become larger than can be numbered")
            })?;
            places.push((number, place));
            for at in (0..rank).rev() {
                indices[at] += 1;
                if indices[at] < self.sides[at] {
                    break;
                }
                indices[at] = 0;
            }
        }
        places.sort_unstable();
        Ok(Numbered { places })
    }

    /// Takes the chunks with the numbers from `first` on from as many elements as there are
    /// bytes.
    fn take(
        &mut self,
        numbered: &Numbered,
        (first, element): (u64, Element),
        mut cursor: Cursor<'_>,
    ) -> Result<(), Stop> {
        let count = cursor.rest() as u64 / element.bytes;
        let bytes = usize::try_from(element.bytes).unwrap_or(usize::MAX);
        let mut next = first;
        for &(number, place) in numbered.between(first, first + count) {
            let before = usize::try_from(number - next).unwrap_or(usize::MAX);
            cursor.skip(before.saturating_mul(bytes))?;
            let address = cursor.long()?;
            let (size, mask) = match element.is_filtered {
                true => (cursor.number(bytes - 12)?, cursor.word()?),
                false => (self.chunk_bytes, 0),
            };
            if address != NOWHERE {
                let mask = u32::try_from(mask).unwrap_or_default();
                self.list[place] = Chunk { address, bytes: size, mask };
            }
            next = number + 1;
        }
        Ok(())
    }

    /// The chunks of a variable that cannot grow without bound: a block of elements, or of
    /// pages of these.
    fn fixed_array(&mut self, source: &Source<'_>, address: u64) -> Result<(), Stop> {
        let mut cursor = Cursor::new(source.verified(address, 28)?, address);
        cursor.expect(b"FAHD")?;
        cursor.skip(1)?;
        let element = Element::read(&mut cursor)?;
        let page_bits = cursor.byte_value()?;
        let (count, block) = (cursor.long()?, cursor.long()?);
        let numbered = self.numbered(None)?;
        if page_bits > 32 || count <= numbered.last() || count > ELEMENTS_MAX {
            return Err(cursor.wrong("an array of chunks of an impossible form").into());
        }
        if block == NOWHERE {
            return Ok(());
        }
        let page = 1_u64 << page_bits;
        if count <= page {
            let all = source.verified(block, 14 + count * element.bytes + 4)?;
            let mut cursor = Cursor::new(all, block);
            cursor.expect(b"FADB")?;
            cursor.skip(10)?;
            return self.take(&numbered, (0, element), cursor.without_checksum());
        }
        // Pages that were never written have a bit that is 0.
        let bits = count.div_ceil(page).div_ceil(8);
        let written = source.verified(block, 14 + bits + 4)?;
        let mut cursor = Cursor::new(written, block);
        cursor.expect(b"FADB")?;
        let begin = block + 14 + bits + 4;
        let pages = Pages { begin, written: &written[14..], first_bit: 0, page, count, element };
        self.take_pages(source, &numbered, 0, &pages)
    }

    /// The chunks in pages; the first element of all has the number `first`.
    fn take_pages(
        &mut self,
        source: &Source<'_>,
        numbered: &Numbered,
        first: u64,
        pages: &Pages<'_>,
    ) -> Result<(), Stop> {
        let page_bytes = pages.page * pages.element.bytes + 4;
        let mut missing = false;
        // Only pages with chunks of the variable: an array may have many more.
        let mut rest = numbered.between(first, first.saturating_add(pages.count));
        while let Some(&(wanted, _)) = rest.first() {
            let number = (wanted - first) / pages.page;
            let start = first + number * pages.page;
            let some = pages.page.min(pages.count - number * pages.page);
            rest = &rest[rest.partition_point(|(wanted, _)| *wanted < start + some)..];
            if !pages.is_written(number) {
                continue;
            }
            let begin = pages.begin.saturating_add(number.saturating_mul(page_bytes));
            match source.verified(begin, some * pages.element.bytes + 4) {
                Ok(all) => {
                    let cursor = Cursor::new(all, begin).without_checksum();
                    self.take(numbered, (start, pages.element), cursor)?;
                }
                Err(Stop::Missing) => missing = true,
                Err(error) => return Err(error),
            }
        }
        if missing { Err(Stop::Missing) } else { Ok(()) }
    }

    /// The chunks of a variable that grows along one dimension: elements in an index, and in
    /// blocks that grow, the later ones listed by blocks of blocks.
    fn extensible_array(&mut self, source: &Source<'_>, address: u64) -> Result<(), Stop> {
        let mut cursor = Cursor::new(source.verified(address, 72)?, address);
        cursor.expect(b"EAHD")?;
        cursor.skip(1)?;
        let element = Element::read(&mut cursor)?;
        let (bits, own) = (cursor.byte_value()?, u64::from(cursor.byte_value()?));
        let (block_min, pointers_min) = (cursor.byte_value()?, cursor.byte_value()?);
        let page_bits = cursor.byte_value()?;
        cursor.skip(48)?;
        let index = cursor.long()?;
        let is_power = block_min.is_power_of_two() && pointers_min.is_power_of_two();
        if bits > ELEMENT_BITS_MAX
            || page_bits > 32
            || !is_power
            || u32::from(bits) < block_min.ilog2()
        {
            return Err(cursor.wrong("an array of chunks of an impossible form").into());
        }
        let unlimited = self.lengths_max.iter().position(|&most| most == u64::MAX);
        let numbered = self.numbered(unlimited)?;
        if index == NOWHERE {
            return Ok(());
        }
        let array = Extensible {
            element,
            offset_bytes: u64::from(bits).div_ceil(8),
            block_min: u64::from(block_min),
            page: 1 << page_bits,
        };
        let groups = u32::from(bits) - block_min.ilog2() + 1;
        // So many groups of blocks are listed by the index itself.
        let direct = 2 * pointers_min.ilog2();
        let blocks = 2 * (u64::from(pointers_min) - 1);
        let lists = u64::from(groups.saturating_sub(direct));
        let bytes = 14 + own * element.bytes + 8 * (blocks + lists) + 4;
        let mut cursor = Cursor::new(source.verified(index, bytes)?, index);
        cursor.expect(b"EAIB")?;
        cursor.skip(10)?;
        let elements = cursor.part(own * element.bytes)?;
        self.take(&numbered, (0, element), elements)?;
        let mut first = own;
        let mut missing = false;
        for group in 0..groups {
            let (count, each) = array.group(group);
            let all = count.saturating_mul(each);
            let is_wanted = !numbered.between(first, first.saturating_add(all)).is_empty();
            if group < direct {
                for number in 0..count {
                    let block = cursor.long()?;
                    let first = first + number * each;
                    let taken = self.take_block(source, &numbered, &array, (block, first, each));
                    missing |= is_missing(taken)?;
                }
            } else {
                let list = cursor.long()?;
                if is_wanted && list != NOWHERE {
                    let taken = self.take_list(source, &numbered, &array, (list, first, group));
                    missing |= is_missing(taken)?;
                }
            }
            first = first.saturating_add(all);
            if first > numbered.last() {
                break;
            }
        }
        if missing { Err(Stop::Missing) } else { Ok(()) }
    }

    /// The elements of a block, which has so many.
    fn take_block(
        &mut self,
        source: &Source<'_>,
        numbered: &Numbered,
        array: &Extensible,
        (block, first, each): (u64, u64, u64),
    ) -> Result<(), Stop> {
        if block == NOWHERE || numbered.between(first, first + each).is_empty() {
            return Ok(());
        }
        if each > array.page {
            return Err(broken("an array of chunks of an impossible form", block).into());
        }
        let before = 14 + array.offset_bytes;
        let bytes = before + each * array.element.bytes + 4;
        let mut cursor = Cursor::new(source.verified(block, bytes)?, block);
        cursor.expect(b"EADB")?;
        cursor.skip(usize::try_from(before - 4).unwrap_or_default())?;
        self.take(numbered, (first, array.element), cursor.without_checksum())
    }

    /// The elements of the blocks of a group that a block lists.
    fn take_list(
        &mut self,
        source: &Source<'_>,
        numbered: &Numbered,
        array: &Extensible,
        (list, first, group): (u64, u64, u32),
    ) -> Result<(), Stop> {
        let (count, each) = array.group(group);
        let pages = if each > array.page { each / array.page } else { 0 };
        let bits = count * pages.div_ceil(8);
        let before = 14 + array.offset_bytes;
        let all = source.verified(list, before + bits + 8 * count + 4)?;
        let mut cursor = Cursor::new(all, list);
        cursor.expect(b"EASB")?;
        cursor.skip(usize::try_from(before - 4).unwrap_or_default())?;
        let written = cursor.take(usize::try_from(bits).unwrap_or(usize::MAX))?;
        let mut missing = false;
        for number in 0..count {
            let block = cursor.long()?;
            let first = first + number * each;
            if block == NOWHERE || numbered.between(first, first + each).is_empty() {
                continue;
            }
            if pages == 0 {
                let taken = self.take_block(source, numbered, array, (block, first, each));
                missing |= is_missing(taken)?;
                continue;
            }
            let Extensible { element, page, .. } = *array;
            let (begin, first_bit) = (block.saturating_add(before + 4), number * pages);
            let pages = Pages { begin, written, first_bit, page, count: each, element };
            let taken = source.verified(block, before + 4).and_then(|prefix| {
                Cursor::new(prefix, block).expect(b"EADB")?;
                self.take_pages(source, numbered, first, &pages)
            });
            missing |= is_missing(taken)?;
        }
        if missing { Err(Stop::Missing) } else { Ok(()) }
    }
}

impl Numbered {
    /// The chunks with numbers from `first` to `end`.
    fn between(&self, first: u64, end: u64) -> &[(u64, usize)] {
        let from = self.places.partition_point(|(number, _)| *number < first);
        let to = self.places.partition_point(|(number, _)| *number < end);
        &self.places[from..to.max(from)]
    }

    /// The largest number.
    fn last(&self) -> u64 {
        self.places.last().map_or(0, |(number, _)| *number)
    }
}

impl Element {
    /// What the header of an array says of its elements.
    fn read(cursor: &mut Cursor<'_>) -> Result<Element, Stop> {
        let is_filtered = cursor.byte_value()? == 1;
        let bytes = u64::from(cursor.byte_value()?);
        // An address; with filters, the size in bytes and which were left out, too.
        let is_right = if is_filtered { (13..=20).contains(&bytes) } else { bytes == 8 };
        match is_right {
            true => Ok(Element { bytes, is_filtered }),
            false => Err(cursor.wrong("an array of chunks of an impossible form").into()),
        }
    }
}

/// Elements in pages, each with a checksum.
struct Pages<'p> {
    /// Where the first page lies.
    begin: u64,
    /// A bit for each page, from `first_bit` on: whether it was written.
    written: &'p [u8],
    first_bit: u64,
    /// The elements of a page, and of all pages.
    page: u64,
    count: u64,
    element: Element,
}

impl Pages<'_> {
    fn is_written(&self, number: u64) -> bool {
        let bit = self.first_bit + number;
        let byte = usize::try_from(bit / 8).ok().and_then(|byte| self.written.get(byte));
        byte.is_some_and(|byte| byte >> (7 - bit % 8) & 1 == 1)
    }
}

/// How an extensible array is laid out.
struct Extensible {
    element: Element,
    /// The bytes of the place of a block.
    offset_bytes: u64,
    /// The elements of the first blocks.
    block_min: u64,
    /// The elements of a page; blocks with more have pages.
    page: u64,
}

impl Extensible {
    /// The number of blocks of a group, and of the elements of each. Every second group has
    /// twice the blocks, and every other one twice the elements.
    fn group(&self, group: u32) -> (u64, u64) {
        let power = |exponent: u32| 1_u64.checked_shl(exponent).unwrap_or(u64::MAX);
        (power(group / 2), power(group.div_ceil(2)).saturating_mul(self.block_min))
    }
}

/// Whether only bytes are missing.
fn is_missing(done: Result<(), Stop>) -> Result<bool, Stop> {
    match done {
        Ok(()) => Ok(false),
        Err(Stop::Missing) => Ok(true),
        Err(error) => Err(error),
    }
}
