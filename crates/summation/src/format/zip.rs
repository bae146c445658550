//! The members of a ZIP archive, by its central directory.
//!
//! As the specification of PKWARE has it (APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3),
//! ZIP64 included: the directory lies at the end of the archive, and what it says of a
//! member counts. The archive is read by ranges, so its length does not matter.

use std::ops::Range;

use super::head::{Head, Told};
use crate::InputError;

/// A member of an archive, as the central directory describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: String,
    /// How it is compressed: [`STORED`], [`DEFLATED`] or something else.
    pub(super) method: u16,
    pub(super) is_encrypted: bool,
    /// The CRC-32 of its bytes, decompressed.
    pub(super) crc: u32,
    /// Its length in the archive, and decompressed.
    pub(super) packed_bytes: u64,
    pub(super) bytes: u64,
    /// The byte at which its local header begins.
    header: u64,
}

/// The members of an archive.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) members: Vec<Member>,
    /// The byte at which the central directory begins: members lie before it.
    start: u64,
}

/// Not compressed.
pub(super) const STORED: u16 = 0;
/// Compressed by deflate.
pub(super) const DEFLATED: u16 = 8;

/// What a member begins with.
pub(super) const MAGIC: &[u8] = b"PK\x03\x04";
const DIRECTORY_MAGIC: &[u8] = b"PK\x01\x02";
const END_MAGIC: &[u8] = b"PK\x05\x06";
const END64_MAGIC: &[u8] = b"PK\x06\x06";
const LOCATOR_MAGIC: &[u8] = b"PK\x06\x07";

/// The lengths of records without what varies.
const HEADER_BYTES: usize = 30;
const ENTRY_BYTES: usize = 46;
const END_BYTES: usize = 22;
const END64_BYTES: usize = 56;
const LOCATOR_BYTES: usize = 20;

/// How many last bytes are looked through for the end of the directory: at first, and if
/// there is a comment.
const TAIL_BYTES: u64 = 4096;
const TAIL_BYTES_MAX: u64 = END_BYTES as u64 + u16::MAX as u64;

/// The longest directory that is read: of some 10,000 arrays.
const DIRECTORY_BYTES_MAX: u64 = 1 << 20;

/// How much of a member is read with its local header.
const BEGINNING_BYTES: u64 = 4096;

/// Why something was not read.
pub(super) enum Stop {
    /// These bytes of the object are needed.
    Needs(Range<u64>),
    Error(InputError),
}

impl From<InputError> for Stop {
    fn from(error: InputError) -> Stop {
        Stop::Error(error)
    }
}

impl Stop {
    pub(super) fn told(self) -> Result<Told, InputError> {
        match self {
            Stop::Needs(range) => Ok(Told::NeedsRanges(vec![range])),
            Stop::Error(error) => Err(error),
        }
    }
}

impl Directory {
    /// Reads the central directory of an object of so many bytes.
    pub(super) fn read(head: &Head<'_>, object_bytes: u64) -> Result<Directory, Stop> {
        let end = End::find(head, object_bytes)?;
        let bytes = range(head, end.start..end.start + end.bytes)?;
        let mut fields = Fields { bytes, start: end.start };
        let mut members = Vec::new();
        for _ in 0..end.count {
            members.push(fields.member()?);
        }
        if !fields.bytes.is_empty() {
            return Err(damaged("bytes behind its last member", fields.start).into());
        }
        Ok(Directory { members, start: end.start })
    }

    /// Where the data of a member lies: its local header is read and compared.
    pub(super) fn data_of(&self, head: &Head<'_>, member: &Member) -> Result<Range<u64>, Stop> {
        let name_bytes = member.name.len() as u64;
        let outside = || damaged("a member that lies behind the directory", member.header);
        let names_end = member.header.checked_add(HEADER_BYTES as u64 + name_bytes);
        let Some(names_end) = names_end.filter(|&end| end <= self.start) else {
            return Err(outside().into());
        };
        let wanted = member.header..self.start.min(names_end + BEGINNING_BYTES);
        let bytes = range_of(head, member.header..names_end, wanted)?;
        let (fixed, name) = bytes.split_at(HEADER_BYTES);
        let is_same = fixed.starts_with(MAGIC)
            && u16_at(fixed, 8) == member.method
            && u64::from(u16_at(fixed, 26)) == name_bytes
            && name == member.name.as_bytes();
        if !is_same {
            let what = "a local header that differs from the directory";
            return Err(damaged(what, member.header).into());
        }
        let start = names_end + u64::from(u16_at(fixed, 28));
        match start.checked_add(member.packed_bytes) {
            Some(end) if end <= self.start => Ok(start..end),
            _ => Err(outside().into()),
        }
    }
}

/// Where the central directory is.
struct End {
    start: u64,
    bytes: u64,
    count: u64,
}

impl End {
    fn find(head: &Head<'_>, object_bytes: u64) -> Result<End, Stop> {
        let tail_start = object_bytes.saturating_sub(TAIL_BYTES);
        let mut tail = (range(head, tail_start..object_bytes)?, tail_start);
        let mut place = find_end(tail.0);
        if place.is_none() && tail_start > 0 {
            let start = object_bytes.saturating_sub(TAIL_BYTES_MAX);
            tail = (range(head, start..object_bytes)?, start);
            place = find_end(tail.0);
        }
        let Some(place) = place else {
            let error = InputError::new("a zip archive without the end of its directory");
            return Err(error.at_byte(object_bytes).remedy(REMEDY).into());
        };
        let at = tail.1 + place as u64;
        let fixed = &tail.0[place..];
        let [disk, directory_disk, here, all] = [4, 6, 8, 10].map(|place| u16_at(fixed, place));
        let (bytes, start) = (u32_at(fixed, 12), u32_at(fixed, 16));
        let is_64 = here == u16::MAX || all == u16::MAX || bytes == u32::MAX || start == u32::MAX;
        let (end, before, is_one) = if is_64 && at >= LOCATOR_BYTES as u64 {
            End::find_64(head, at - LOCATOR_BYTES as u64)?
        } else {
            let is_one = disk == 0 && directory_disk == 0 && here == all;
            let end = End { start: start.into(), bytes: bytes.into(), count: all.into() };
            (end, at, is_one)
        };
        if !is_one {
            return Err(InputError::new("one of several parts of a zip archive")
                .at_byte(at)
                .remedy("join the parts")
                .into());
        }
        if end.start.checked_add(end.bytes).is_none_or(|end| end > before) {
            return Err(damaged("a directory that reaches beyond its end", at).into());
        }
        if end.bytes > DIRECTORY_BYTES_MAX {
            let what = format!("a zip archive with a directory of {} bytes", end.bytes);
            let remedy = format!("the limit is {DIRECTORY_BYTES_MAX} bytes");
            return Err(InputError::new(what).at_byte(end.start).remedy(remedy).into());
        }
        Ok(end)
    }

    /// The same by the ZIP64 record to which the locator points; and where that begins, and
    /// whether the archive consists of one part.
    fn find_64(head: &Head<'_>, locator: u64) -> Result<(End, u64, bool), Stop> {
        let fixed = range(head, locator..locator + LOCATOR_BYTES as u64)?;
        let (start, parts) = (u64_at(fixed, 8), u32_at(fixed, 16));
        let end = start.checked_add(END64_BYTES as u64).filter(|&end| end <= locator);
        let (true, Some(end)) = (fixed.starts_with(LOCATOR_MAGIC), end) else {
            return Err(damaged("no record of ZIP64 where one should be", locator).into());
        };
        let fixed = range(head, start..end)?;
        if !fixed.starts_with(END64_MAGIC) {
            return Err(damaged("no record of ZIP64 where one should be", start).into());
        }
        let (here, all) = (u64_at(fixed, 24), u64_at(fixed, 32));
        let is_one = parts <= 1 && u32_at(fixed, 16) == 0 && u32_at(fixed, 20) == 0 && here == all;
        let found = End { start: u64_at(fixed, 48), bytes: u64_at(fixed, 40), count: all };
        Ok((found, start, is_one))
    }
}

/// The last place at which the end of the directory fits, with its comment.
fn find_end(tail: &[u8]) -> Option<usize> {
    let last = tail.len().checked_sub(END_BYTES)?;
    (0..=last).rev().find(|&place| {
        let end = &tail[place..];
        end.starts_with(END_MAGIC) && usize::from(u16_at(end, 20)) == end.len() - END_BYTES
    })
}

/// What is left of the directory.
struct Fields<'a> {
    bytes: &'a [u8],
    /// Where that begins.
    start: u64,
}

impl<'a> Fields<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], InputError> {
        let Some((taken, rest)) = self.bytes.split_at_checked(bytes) else {
            return Err(damaged("fewer members than it says", self.start));
        };
        self.bytes = rest;
        self.start += bytes as u64;
        Ok(taken)
    }

    fn member(&mut self) -> Result<Member, InputError> {
        let at = self.start;
        let fixed = self.take(ENTRY_BYTES)?;
        if !fixed.starts_with(DIRECTORY_MAGIC) {
            return Err(damaged("something else than a member", at));
        }
        let name = self.take(u16_at(fixed, 28).into())?;
        let extra = self.take(u16_at(fixed, 30).into())?;
        self.take(u16_at(fixed, 32).into())?;
        let Ok(name) = std::str::from_utf8(name) else {
            return Err(damaged("a name that is not UTF-8", at));
        };
        let mut wide = wide_fields(extra);
        let mut number = |place: usize| match u32_at(fixed, place) {
            u32::MAX => wide.next().ok_or_else(|| damaged("a member without its size", at)),
            number => Ok(u64::from(number)),
        };
        let (bytes, packed_bytes, header) = (number(24)?, number(20)?, number(42)?);
        Ok(Member {
            name: name.to_owned(),
            method: u16_at(fixed, 10),
            is_encrypted: u16_at(fixed, 8) & 1 != 0,
            crc: u32_at(fixed, 16),
            packed_bytes,
            bytes,
            header,
        })
    }
}

/// The numbers of the extra field of ZIP64.
fn wide_fields(extra: &[u8]) -> impl Iterator<Item = u64> {
    let mut rest = extra;
    let mut found: &[u8] = &[];
    while let Some((fixed, after)) = rest.split_first_chunk::<4>() {
        let Some((field, after)) = after.split_at_checked(u16_at(fixed, 2).into()) else {
            break;
        };
        if u16_at(fixed, 0) == 1 {
            found = field;
        }
        rest = after;
    }
    found.as_chunks().0.iter().map(|&number| u64::from_le_bytes(number))
}

/// Bytes of the object.
fn range<'a>(head: &Head<'a>, range: Range<u64>) -> Result<&'a [u8], Stop> {
    range_of(head, range.clone(), range)
}

/// The same; if they are not there, the wanted ones are asked for.
fn range_of<'a>(head: &Head<'a>, needed: Range<u64>, wanted: Range<u64>) -> Result<&'a [u8], Stop> {
    head.range(needed).ok_or(Stop::Needs(wanted))
}

fn u16_at(bytes: &[u8], place: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, place))
}

fn u32_at(bytes: &[u8], place: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, place))
}

fn u64_at(bytes: &[u8], place: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, place))
}

/// Bytes of a record that is as long as it should be; zero beyond its end.
fn array_at<const N: usize>(bytes: &[u8], place: usize) -> [u8; N] {
    bytes.get(place..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}

const REMEDY: &str = "copy the file again, or write it again";

fn damaged(what: &str, byte: u64) -> InputError {
    InputError::new(format!("a zip archive whose directory has {what}"))
        .at_byte(byte)
        .remedy(REMEDY)
}
