//! Heaps: texts and messages by a number, and the trees of version 2 that list them.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use super::checksum::lookup3;
use super::source::{Cursor, Source, Stop, damaged};

/// The deepest tree, and the most records of one: what is broken may lead in circles.
const DEPTH_MAX: u64 = 16;
const RECORDS_MAX: usize = 1 << 20;

/// A heap whose blocks grow as it does.
pub(super) struct FractalHeap {
    id_bytes: usize,
    offset_bytes: usize,
    length_bytes: usize,
    width: u64,
    block_bytes: u64,
    direct_bytes_max: u64,
    root: u64,
    /// The rows of the root; 0 if it is a direct block.
    rows: u64,
    /// Whether direct blocks have a checksum.
    has_checksums: bool,
    /// The blocks of which the checksum was verified.
    verified: RefCell<BTreeSet<u64>>,
}

/// How many bytes a number up to `most` takes.
fn size_of_number(most: u64) -> usize {
    usize::try_from(most.max(1).ilog2() / 8 + 1).unwrap_or(8)
}

impl FractalHeap {
    pub(super) fn read(source: &Source<'_>, address: u64) -> Result<FractalHeap, Stop> {
        let mut cursor = Cursor::new(source.verified(address, 146)?, address);
        cursor.expect(b"FRHP")?;
        cursor.skip(1)?;
        let id_bytes = cursor.length(2)?;
        if cursor.short()? != 0 {
            return Err(cursor.wrong("a heap that is compressed").into());
        }
        let has_checksums = cursor.byte_value()? & 2 != 0;
        let object_bytes_max = cursor.word()?;
        cursor.skip(96)?;
        let (width, block_bytes) = (cursor.short()?, cursor.long()?);
        let direct_bytes_max = cursor.long()?;
        let bits = cursor.short()?;
        cursor.skip(2)?;
        let (root, rows) = (cursor.long()?, cursor.short()?);
        if width == 0 || block_bytes == 0 || block_bytes > 1 << 32 || rows > 64 || bits > 64 {
            return Err(cursor.wrong("a heap of an impossible form").into());
        }
        Ok(FractalHeap {
            id_bytes,
            offset_bytes: usize::try_from(bits.div_ceil(8)).unwrap_or(8),
            length_bytes: size_of_number(direct_bytes_max.min(object_bytes_max)),
            width,
            block_bytes,
            direct_bytes_max,
            root,
            rows,
            has_checksums,
            verified: RefCell::default(),
        })
    }

    /// The object of an id, and where it begins.
    pub(super) fn object<'a>(
        &self,
        source: &Source<'a>,
        mut id: Cursor<'_>,
    ) -> Result<Cursor<'a>, Stop> {
        let start = id.byte();
        let kind = id.byte_value()?;
        if kind >> 4 & 3 != 0 || self.id_bytes < 1 + self.offset_bytes + self.length_bytes {
            return Err(super::source::broken("a huge or tiny object in a heap", start).into());
        }
        let (offset, length) = (id.number(self.offset_bytes)?, id.number(self.length_bytes)?);
        let address = self.find(source, (self.root, self.rows), offset, 0)?;
        Ok(Cursor::new(source.get(address, length)?, address))
    }

    /// The bytes of a block of a row.
    fn row_bytes(&self, row: u64) -> u64 {
        let doublings = u32::try_from(row.saturating_sub(1)).unwrap_or(u32::MAX);
        self.block_bytes.checked_shl(doublings).unwrap_or(u64::MAX)
    }

    /// Where the byte `offset` of a block lies, which has these rows of blocks below it.
    fn find(
        &self,
        source: &Source<'_>,
        (block, rows): (u64, u64),
        offset: u64,
        depth: u64,
    ) -> Result<u64, Stop> {
        let wrong = || super::source::broken("an object that is not in its heap", block);
        if rows == 0 {
            self.verify(source, block, self.block_bytes)?;
            return Ok(block.checked_add(offset).ok_or_else(wrong)?);
        }
        if depth > DEPTH_MAX {
            return Err(wrong().into());
        }
        let before = 5 + 8 + self.offset_bytes as u64;
        let mut begin = 0_u64;
        for row in 0..rows {
            let bytes = self.row_bytes(row);
            let end = bytes.checked_mul(self.width).and_then(|all| all.checked_add(begin));
            let end = end.ok_or_else(wrong)?;
            if offset >= end {
                begin = end;
                continue;
            }
            let child = (offset - begin) / bytes;
            let place = block.checked_add(before + 8 * (row * self.width + child));
            let all = rows.checked_mul(self.width).and_then(|all| all.checked_mul(8));
            let all = all.and_then(|all| all.checked_add(before + 4)).ok_or_else(wrong)?;
            if !self.verified.borrow().contains(&block) {
                Cursor::new(source.verified(block, all)?, block).expect(b"FHIB")?;
                self.verified.borrow_mut().insert(block);
            }
            let place = place.ok_or_else(wrong)?;
            let address = Cursor::new(source.get(place, 8)?, place).long()?;
            let rest = offset - begin - child * bytes;
            if bytes <= self.direct_bytes_max {
                self.verify(source, address, bytes)?;
                return Ok(address.checked_add(rest).ok_or_else(wrong)?);
            }
            // As many rows as its bytes take.
            let mut below = 0;
            let mut all = 0_u64;
            while all < bytes {
                all = all.saturating_add(self.row_bytes(below).saturating_mul(self.width));
                below += 1;
            }
            return self.find(source, (address, below), rest, depth + 1);
        }
        Err(wrong().into())
    }

    /// Verifies the checksum of a direct block: that of all its bytes, with 0 in its own place.
    fn verify(&self, source: &Source<'_>, block: u64, bytes: u64) -> Result<(), Stop> {
        if !self.has_checksums || self.verified.borrow().contains(&block) {
            return Ok(());
        }
        let mut all = source.get(block, bytes)?.to_vec();
        let place = 13 + self.offset_bytes;
        let sum = match all.get_mut(place..).and_then(<[u8]>::first_chunk_mut::<4>) {
            Some(sum) => u32::from_le_bytes(std::mem::take(sum)),
            None => return Err(damaged(block, bytes).into()),
        };
        if lookup3(&all) != sum {
            return Err(damaged(block, bytes).into());
        }
        self.verified.borrow_mut().insert(block);
        Ok(())
    }
}

/// All records of a tree of version 2, and the type of the tree. Nodes that are not there are
/// noted together.
pub(super) fn records<'a>(
    source: &Source<'a>,
    address: u64,
) -> Result<(u8, Vec<Cursor<'a>>), Stop> {
    let mut cursor = Cursor::new(source.verified(address, 38)?, address);
    cursor.expect(b"BTHD")?;
    cursor.skip(1)?;
    let kind = cursor.byte_value()?;
    let (node_bytes, record_bytes) = (cursor.word()?, cursor.short()?);
    let depth = cursor.short()?;
    cursor.skip(2)?;
    let (root, count) = (cursor.long()?, cursor.short()?);
    if record_bytes == 0 || node_bytes < 10 + record_bytes || depth > DEPTH_MAX {
        return Err(cursor.wrong("a tree of an impossible form").into());
    }
    let mut tree = Tree { node_bytes, record_bytes, levels: Vec::new(), records: Vec::new() };
    let leaf = (node_bytes - 10) / record_bytes;
    let count_bytes = size_of_number(leaf);
    tree.levels.push((8 + count_bytes, 0));
    let (mut all, mut all_bytes) = (leaf, 0);
    for _ in 0..depth {
        let pointer = (8 + count_bytes + all_bytes) as u64;
        tree.levels.push((count_bytes, all_bytes));
        let most = node_bytes.saturating_sub(10 + pointer) / (record_bytes + pointer);
        all = (most + 1).saturating_mul(all).saturating_add(most);
        all_bytes = size_of_number(all);
    }
    if count > 0 {
        tree.collect(source, (root, count, depth))?;
    }
    Ok((kind, tree.records))
}

struct Tree<'a> {
    node_bytes: u64,
    record_bytes: u64,
    /// By depth, the bytes of the number of records of a child and of all below it.
    levels: Vec<(usize, usize)>,
    records: Vec<Cursor<'a>>,
}

impl<'a> Tree<'a> {
    fn collect(
        &mut self,
        source: &Source<'a>,
        (address, count, depth): (u64, u64, u64),
    ) -> Result<(), Stop> {
        let level = usize::try_from(depth).unwrap_or_default();
        let (count_bytes, all_bytes) = self.levels.get(level).copied().unwrap_or_default();
        let pointer = 8 + (count_bytes + all_bytes) as u64;
        let pointers = if depth == 0 { 0 } else { (count + 1).saturating_mul(pointer) };
        // What is behind the last record is no part of it.
        let bytes = count.saturating_mul(self.record_bytes).saturating_add(pointers);
        if bytes.saturating_add(10) > self.node_bytes {
            return Err(super::source::broken("a node with too many records", address).into());
        }
        let mut cursor = Cursor::new(source.verified(address, 6 + bytes + 4)?, address);
        cursor.expect(if depth == 0 { b"BTLF" } else { b"BTIN" })?;
        cursor.skip(2)?;
        let room = RECORDS_MAX - self.records.len();
        if usize::try_from(count).map_or(true, |count| count > room) {
            return Err(cursor.wrong("a tree that does not end").into());
        }
        let record_bytes = usize::try_from(self.record_bytes).unwrap_or(usize::MAX);
        for _ in 0..count {
            let begin = cursor.byte();
            self.records.push(Cursor::new(cursor.take(record_bytes)?, begin));
        }
        if depth == 0 {
            return Ok(());
        }
        let mut missing = false;
        for _ in 0..=count {
            let (child, count) = (cursor.long()?, cursor.number(count_bytes)?);
            cursor.skip(all_bytes)?;
            match self.collect(source, (child, count, depth - 1)) {
                Err(Stop::Missing) => missing = true,
                collected => collected?,
            }
        }
        if missing { Err(Stop::Missing) } else { Ok(()) }
    }
}

/// The text of a group's heap at an offset.
pub(super) fn local_text<'a>(source: &Source<'a>, heap: u64, offset: u64) -> Result<&'a str, Stop> {
    let mut cursor = Cursor::new(source.get(heap, 32)?, heap);
    cursor.expect(b"HEAP")?;
    cursor.skip(4)?;
    let bytes = cursor.long()?;
    cursor.skip(8)?;
    let data = cursor.long()?;
    // All names of a group are in one heap.
    let all = source.peek(data, bytes)?;
    let text = usize::try_from(offset).ok().and_then(|offset| all.get(offset..));
    let text = text.and_then(|text| text.split(|&byte| byte == 0).next());
    source.visit(data, text.map_or(0, <[u8]>::len) as u64)?;
    match text.and_then(|text| str::from_utf8(text).ok()) {
        Some(text) => Ok(text),
        None => Err(cursor.wrong("a name that is not UTF-8").into()),
    }
}

/// The object of a number in a collection of the heap that all share.
pub(super) fn global_object<'a>(
    source: &Source<'a>,
    address: u64,
    number: u64,
) -> Result<&'a [u8], Stop> {
    let found = source.object_in(address, number, || objects_of(source, address))?;
    let missing = || super::source::broken("an object that is not in its heap", address).into();
    found.ok_or_else(missing)
}

/// The objects of a collection by their numbers.
fn objects_of<'a>(source: &Source<'a>, address: u64) -> Result<HashMap<u64, &'a [u8]>, Stop> {
    let mut cursor = Cursor::new(source.get(address, 16)?, address);
    cursor.expect(b"GCOL")?;
    cursor.skip(4)?;
    let bytes = cursor.long()?;
    let mut cursor = Cursor::new(source.get(address, bytes)?, address);
    cursor.skip(16)?;
    let mut objects = HashMap::new();
    while cursor.rest() >= 16 {
        let found = cursor.short()?;
        cursor.skip(6)?;
        let length = cursor.length(8)?;
        if found == 0 {
            break;
        }
        let object = cursor.take(length)?;
        objects.entry(found).or_insert(object);
        cursor.skip((length.wrapping_neg() % 8).min(cursor.rest()))?;
    }
    Ok(objects)
}
