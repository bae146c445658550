//! The bytes of an object, of which some are there.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use super::super::super::head::Head;
use super::checksum::lookup3;
use crate::InputError;

/// How much is read where something small is: what follows is often wanted next.
const READ_BYTES: u64 = 4096;

/// The most bytes of what describes the numbers; they are in memory until the format is told.
const METADATA_BYTES_MAX: u64 = 64 << 20;

/// How often each byte that is there may be visited, on average, and how many bytes may be
/// visited besides. Structures of a broken file may share their parts, so that each of many is
/// as large as the file.
const VISITS_MAX: u64 = 4;
const VISITED_BYTES_MIN: u64 = 16 << 20;

/// The most chunks of all variables, which take 96 MiB of memory: a variable may have many
/// without one of them being stored.
const CHUNKS_MAX: u64 = 1 << 22;

/// How many collections of the heap that all share are kept with the places of their objects.
const COLLECTIONS_KEPT: usize = 16;

/// Why something was not read.
#[derive(Debug)]
pub(in super::super) enum Stop {
    /// Bytes are needed, which were noted.
    Missing,
    Error(InputError),
}

impl From<InputError> for Stop {
    fn from(error: InputError) -> Stop {
        Stop::Error(error)
    }
}

/// The bytes of an object that are there, and those that were missed.
pub(in super::super) struct Source<'a> {
    head: &'a [u8],
    pieces: BTreeMap<u64, &'a [u8]>,
    pub(in super::super) object_bytes: u64,
    needs: RefCell<Vec<Range<u64>>>,
    needed_bytes: Cell<u64>,
    /// How many bytes may still be visited, and how many may still be kept of them.
    visits_left: Cell<u64>,
    keeps_left: Cell<u64>,
    chunks_left: Cell<u64>,
    /// The objects of collections by their numbers, by the addresses of the collections.
    collections: RefCell<HashMap<u64, HashMap<u64, &'a [u8]>>>,
}

impl<'a> Source<'a> {
    pub(in super::super) fn new(head: &Head<'a>, object_bytes: u64) -> Source<'a> {
        let mut pieces: BTreeMap<u64, &'a [u8]> = BTreeMap::new();
        let mut there = 0;
        for piece in head.others {
            there += piece.bytes.len() as u64;
            let known = pieces.entry(piece.start).or_default();
            if known.len() < piece.bytes.len() {
                *known = &piece.bytes;
            }
        }
        let all = VISITS_MAX * (there + head.bytes.len() as u64);
        Source {
            head: head.bytes,
            pieces,
            object_bytes,
            needs: RefCell::default(),
            needed_bytes: Cell::new(there),
            visits_left: Cell::new(VISITED_BYTES_MIN + all),
            keeps_left: Cell::new(METADATA_BYTES_MAX),
            chunks_left: Cell::new(CHUNKS_MAX),
            collections: RefCell::default(),
        }
    }

    /// Some bytes, which are visited. Those that are not there are noted.
    pub(in super::super) fn get(&self, start: u64, bytes: u64) -> Result<&'a [u8], Stop> {
        let found = self.peek(start, bytes)?;
        self.visit(start, bytes)?;
        Ok(found)
    }

    /// Counts bytes that are visited, of something that begins at a byte.
    ///
    /// # Errors
    ///
    /// If there are more than any file needs.
    pub(super) fn visit(&self, start: u64, bytes: u64) -> Result<(), Stop> {
        let left = self.visits_left.get().checked_sub(bytes);
        let left = left.ok_or_else(|| broken("structures that share their parts", start))?;
        self.visits_left.set(left);
        Ok(())
    }

    /// Counts bytes of memory that are taken by what is kept of something that begins at a byte.
    ///
    /// # Errors
    ///
    /// If they are more than are taken at most.
    pub(super) fn keep(&self, start: u64, bytes: usize) -> Result<(), Stop> {
        let left = self.keeps_left.get().checked_sub(bytes as u64);
        self.keeps_left.set(left.ok_or_else(|| too_much(start))?);
        Ok(())
    }

    /// Counts chunks of a variable.
    ///
    /// # Errors
    ///
    /// If all variables have more than are kept in memory.
    pub(super) fn take_chunks(&self, count: u64) -> Result<(), InputError> {
        let left = self.chunks_left.get().checked_sub(count);
        self.chunks_left.set(left.ok_or_else(|| {
            let what = format!("its chunks and those before it are more than {CHUNKS_MAX}");
            InputError::new(what).remedy("write the file with larger chunks, or several files")
        })?);
        Ok(())
    }

    /// Some bytes. Those that are not there are noted.
    pub(super) fn peek(&self, start: u64, bytes: u64) -> Result<&'a [u8], Stop> {
        let end = start.checked_add(bytes).filter(|&end| end <= self.object_bytes);
        let Some(end) = end else {
            let what = format!(
                "something of {bytes} bytes at byte {start}, but the file has {} bytes",
                self.object_bytes
            );
            return Err(broken(&what, self.object_bytes.min(start)).into());
        };
        if let Some(found) = self.find(start, bytes) {
            return Ok(found);
        }
        let wanted = start..end.max(self.object_bytes.min(start.saturating_add(READ_BYTES)));
        let needed = self.needed_bytes.get() + (wanted.end - wanted.start);
        if needed > METADATA_BYTES_MAX {
            return Err(too_much(start).into());
        }
        let mut needs = self.needs.borrow_mut();
        if !needs.iter().any(|need| need.start <= start && end <= need.end) {
            self.needed_bytes.set(needed);
            needs.push(wanted);
        }
        Err(Stop::Missing)
    }

    /// Some bytes, of which the last four are the checksum of all before them.
    pub(in super::super) fn verified(&self, start: u64, bytes: u64) -> Result<&'a [u8], Stop> {
        let all = self.get(start, bytes)?;
        // What is made up for fuzzing would hardly ever get further.
        if cfg!(feature = "fuzzing") {
            return Ok(all);
        }
        match all.split_last_chunk::<4>() {
            Some((data, sum)) if lookup3(data) == u32::from_le_bytes(*sum) => Ok(all),
            _ => Err(damaged(start, bytes).into()),
        }
    }

    fn find(&self, start: u64, bytes: u64) -> Option<&'a [u8]> {
        /// A longer piece may begin before a shorter one.
        const PIECES: usize = 16;

        let within = |(begin, all): (u64, &'a [u8])| {
            let from = usize::try_from(start - begin).ok()?;
            all.get(from..from.checked_add(usize::try_from(bytes).ok()?)?)
        };
        let before = self.pieces.range(..=start).rev().take(PIECES);
        within((0, self.head))
            .or_else(|| before.map(|(&begin, &all)| (begin, all)).find_map(within))
    }

    /// The object of a number in a collection; `index` finds the objects of a collection.
    pub(super) fn object_in(
        &self,
        collection: u64,
        number: u64,
        index: impl FnOnce() -> Result<HashMap<u64, &'a [u8]>, Stop>,
    ) -> Result<Option<&'a [u8]>, Stop> {
        if let Some(objects) = self.collections.borrow().get(&collection) {
            return Ok(objects.get(&number).copied());
        }
        let objects = index()?;
        let found = objects.get(&number).copied();
        let mut collections = self.collections.borrow_mut();
        if collections.len() >= COLLECTIONS_KEPT {
            collections.clear();
        }
        collections.insert(collection, objects);
        Ok(found)
    }

    /// The ranges that were missed.
    pub(in super::super) fn needs(&self) -> Vec<Range<u64>> {
        self.needs.take()
    }
}

/// More that describes the numbers than is kept in memory.
fn too_much(byte: u64) -> InputError {
    let most = METADATA_BYTES_MAX >> 20;
    let error = InputError::new(format!("more than {most} MiB that describe the numbers"));
    error.at_byte(byte).remedy("write its variables to several files")
}

/// Something that does not have its checksum.
pub(super) fn damaged(start: u64, bytes: u64) -> InputError {
    broken(&format!("damage: {bytes} bytes have another checksum than was written"), start)
}

/// What is not as the format has it.
pub(in super::super) fn broken(what: &str, byte: u64) -> InputError {
    InputError::new(format!("an HDF5 file with {what}"))
        .at_byte(byte)
        .remedy("copy the file again, or write it again")
}

/// Little-endian numbers, one after the other, of something that begins at a byte.
#[derive(Clone, Copy)]
pub(in super::super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    begin: u64,
}

impl<'a> Cursor<'a> {
    pub(in super::super) const fn new(bytes: &'a [u8], begin: u64) -> Cursor<'a> {
        Cursor { bytes, at: 0, begin }
    }

    /// Its place in the object.
    pub(in super::super) const fn byte(&self) -> u64 {
        self.begin + self.at as u64
    }

    pub(in super::super) const fn rest(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(in super::super) fn take(&mut self, bytes: usize) -> Result<&'a [u8], Stop> {
        let end = self.at.checked_add(bytes);
        match end.and_then(|end| self.bytes.get(self.at..end)) {
            Some(taken) => {
                self.at += bytes;
                Ok(taken)
            }
            None => Err(self.wrong("something that ends too early").into()),
        }
    }

    pub(in super::super) fn skip(&mut self, bytes: usize) -> Result<(), Stop> {
        self.take(bytes).map(|_| ())
    }

    /// The next bytes, to be read on their own.
    pub(in super::super) fn part(&mut self, bytes: u64) -> Result<Cursor<'a>, Stop> {
        let begin = self.byte();
        let taken = self.take(usize::try_from(bytes).unwrap_or(usize::MAX))?;
        Ok(Cursor::new(taken, begin))
    }

    /// The same without the last four bytes, which were verified.
    pub(in super::super) fn without_checksum(self) -> Cursor<'a> {
        let end = self.bytes.len().saturating_sub(4).max(self.at);
        Cursor { bytes: &self.bytes[..end], ..self }
    }

    /// A number of 1 to 8 bytes.
    pub(in super::super) fn number(&mut self, bytes: usize) -> Result<u64, Stop> {
        let taken = self.take(bytes)?;
        let mut word = [0; 8];
        match word.get_mut(..bytes) {
            Some(part) => part.copy_from_slice(taken),
            None => return Err(self.wrong("a number of more than 8 bytes").into()),
        }
        Ok(u64::from_le_bytes(word))
    }

    pub(in super::super) fn byte_value(&mut self) -> Result<u8, Stop> {
        Ok(self.take(1)?[0])
    }

    pub(in super::super) fn short(&mut self) -> Result<u64, Stop> {
        self.number(2)
    }

    pub(in super::super) fn word(&mut self) -> Result<u64, Stop> {
        self.number(4)
    }

    pub(in super::super) fn long(&mut self) -> Result<u64, Stop> {
        self.number(8)
    }

    /// A count as a length in memory.
    pub(in super::super) fn length(&mut self, bytes: usize) -> Result<usize, Stop> {
        Ok(usize::try_from(self.number(bytes)?).unwrap_or(usize::MAX))
    }

    /// Expects a signature.
    pub(in super::super) fn expect(&mut self, signature: &[u8]) -> Result<(), Stop> {
        let found = self.take(signature.len())?;
        match found == signature {
            true => Ok(()),
            false => {
                let name = String::from_utf8_lossy(signature).into_owned();
                let what = format!("something else where {name} was expected");
                Err(broken(&what, self.byte() - signature.len() as u64).into())
            }
        }
    }

    pub(in super::super) fn wrong(&self, what: &str) -> InputError {
        broken(what, self.byte())
    }
}
