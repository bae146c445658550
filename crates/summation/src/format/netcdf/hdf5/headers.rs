//! Object headers: what is said of a group or a variable, as a list of messages.

use super::source::{Cursor, Source, Stop};

/// The most blocks and messages of one header: what is broken may lead in circles.
const BLOCKS_MAX: usize = 4096;
const MESSAGES_MAX: usize = 65_536;

/// Continues the header elsewhere.
const CONTINUATION: u64 = 0x10;

/// A message of an object header.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) kind: u64,
    /// Whether what it says is elsewhere.
    pub(super) is_shared: bool,
    pub(super) data: &'a [u8],
    /// Where `data` begins.
    pub(super) begin: u64,
}

impl<'a> Message<'a> {
    pub(super) const fn cursor(&self) -> Cursor<'a> {
        Cursor::new(self.data, self.begin)
    }
}

/// All messages of the header at an address.
pub(super) fn messages<'a>(source: &Source<'a>, address: u64) -> Result<Vec<Message<'a>>, Stop> {
    let first = source.get(address, 16)?;
    match first.starts_with(b"OHDR") {
        true => second_version(source, address),
        false => first_version(source, address, first),
    }
}

fn first_version<'a>(
    source: &Source<'a>,
    address: u64,
    first: &'a [u8],
) -> Result<Vec<Message<'a>>, Stop> {
    let mut cursor = Cursor::new(first, address);
    if cursor.byte_value()? != 1 {
        return Err(cursor.wrong("no object header where one was expected").into());
    }
    cursor.skip(7)?;
    let bytes = cursor.word()?;
    let mut blocks = vec![(address + 16, bytes)];
    let (mut messages, mut done, mut missing) = (Vec::new(), 0, false);
    while let Some(&(begin, bytes)) = blocks.get(done) {
        done += 1;
        let Some(block) = there(source.get(begin, bytes), &mut missing)? else {
            continue;
        };
        let mut cursor = Cursor::new(block, begin);
        while cursor.rest() >= 8 {
            let (kind, length) = (cursor.short()?, cursor.length(2)?);
            let flags = cursor.byte_value()?;
            cursor.skip(3)?;
            let begin = cursor.byte();
            let data = cursor.take(length)?;
            push(
                &mut messages,
                &mut blocks,
                Message { kind, is_shared: flags & 2 != 0, data, begin },
            )?;
        }
    }
    if missing { Err(Stop::Missing) } else { Ok(messages) }
}

/// What was read, if it is there; otherwise that something is missing is noted.
fn there<'a>(read: Result<&'a [u8], Stop>, missing: &mut bool) -> Result<Option<&'a [u8]>, Stop> {
    match read {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Stop::Missing) => {
            *missing = true;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn second_version<'a>(source: &Source<'a>, address: u64) -> Result<Vec<Message<'a>>, Stop> {
    let prefix = source.get(address, 16)?;
    let mut cursor = Cursor::new(prefix, address);
    cursor.skip(4)?;
    let (version, flags) = (cursor.byte_value()?, cursor.byte_value()?);
    if version != 2 {
        return Err(cursor.wrong("an object header of an unknown version").into());
    }
    let size_bytes = 1_u64 << (flags & 3);
    let before = if flags & 0x20 != 0 { 16 } else { 0 } + if flags & 0x10 != 0 { 4 } else { 0 };
    let mut cursor = Cursor::new(source.get(address, 6 + before + size_bytes)?, address);
    cursor.skip(usize::try_from(6 + before).unwrap_or_default())?;
    let bytes = cursor.number(usize::try_from(size_bytes).unwrap_or(8))?;
    source.verified(address, (cursor.byte() - address).saturating_add(bytes).saturating_add(4))?;
    let order_bytes = if flags & 4 != 0 { 2 } else { 0 };
    let mut blocks = vec![(cursor.byte(), bytes)];
    let (mut messages, mut done, mut missing) = (Vec::new(), 0, false);
    while let Some(&(begin, bytes)) = blocks.get(done) {
        let read = match done {
            0 => source.get(begin, bytes),
            _ => source.verified(begin, bytes),
        };
        done += 1;
        let Some(block) = there(read, &mut missing)? else {
            continue;
        };
        let mut cursor = Cursor::new(block, begin);
        if done > 1 {
            cursor.expect(b"OCHK")?;
            cursor = cursor.without_checksum();
        }
        while cursor.rest() >= 4 + order_bytes {
            let (kind, length) = (cursor.number(1)?, cursor.length(2)?);
            let flags = cursor.byte_value()?;
            cursor.skip(order_bytes)?;
            let begin = cursor.byte();
            let data = cursor.take(length)?;
            push(
                &mut messages,
                &mut blocks,
                Message { kind, is_shared: flags & 2 != 0, data, begin },
            )?;
        }
    }
    if missing { Err(Stop::Missing) } else { Ok(messages) }
}

/// Keeps a message, or what it continues with.
fn push<'a>(
    messages: &mut Vec<Message<'a>>,
    blocks: &mut Vec<(u64, u64)>,
    message: Message<'a>,
) -> Result<(), Stop> {
    let mut cursor = message.cursor();
    if message.kind == CONTINUATION {
        blocks.push((cursor.long()?, cursor.long()?));
    } else if message.kind != 0 {
        messages.push(message);
    }
    match blocks.len() > BLOCKS_MAX || messages.len() > MESSAGES_MAX {
        true => Err(cursor.wrong("an object header that does not end").into()),
        false => Ok(()),
    }
}
