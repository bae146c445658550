//! Groups and variables with their attributes.

use super::super::quoted;
use super::headers::{Message, messages};
use super::heaps::{FractalHeap, global_object, local_text, records};
use super::messages::{
    Filter, NOWHERE, Place, Space, Type, datatype, fill, filters, layout, space, type_at,
};
use super::source::{Cursor, Source, Stop};
use crate::InputError;

/// The deepest tree of groups, and the most nodes of one.
const DEPTH_MAX: usize = 16;
const NODES_MAX: usize = 100_000;

/// The longest name, with those of its groups before it, in bytes. NetCDF has 256 for each.
const NAME_BYTES_MAX: usize = 1024;

/// About how much memory a link or an attribute takes beside its name and its value, in bytes.
const LINK_BYTES: usize = 192;
const ATTRIBUTE_BYTES: usize = 256;

/// An attribute with its value as it is stored.
#[derive(Clone, Debug)]
pub(in super::super) struct Attribute {
    pub(in super::super) name: String,
    pub(in super::super) kind: Type,
    pub(in super::super) data: Vec<u8>,
}

/// A group or a variable.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Object {
    pub(in super::super) attributes: Vec<Attribute>,
    /// The names and addresses of what is in a group.
    pub(in super::super) links: Vec<(String, u64)>,
    /// Of a variable.
    pub(in super::super) array: Option<Array>,
}

/// A variable that was found.
#[derive(Clone, Debug)]
pub(in super::super) struct Found {
    /// Its name, with those of its groups before it.
    pub(in super::super) name: String,
    pub(in super::super) address: u64,
    pub(in super::super) object: Object,
}

/// The numbers of a variable.
#[derive(Clone, Debug)]
pub(in super::super) struct Array {
    pub(in super::super) space: Space,
    pub(in super::super) kind: Type,
    pub(in super::super) place: Place,
    pub(in super::super) filters: Vec<Filter>,
    pub(in super::super) fill: Option<Vec<u8>>,
}

/// The object at an address.
pub(in super::super) fn object(source: &Source<'_>, address: u64) -> Result<Object, Stop> {
    let all = messages(source, address)?;
    let mut object = Object::default();
    let of = |kind: u64| all.iter().find(|message| message.kind == kind);
    let mut missing = false;
    let mut note = |done: Result<(), Stop>| match done {
        Err(Stop::Missing) => {
            missing = true;
            Ok(())
        }
        done => done,
    };
    // Creation order where it is known, which is that of the variables of a file.
    let mut links: Vec<(u64, String, u64)> = Vec::new();
    for message in &all {
        match message.kind {
            0x06 => links.extend(link(source, message.cursor())?),
            0x0C => object.attributes.extend(attribute(source, message.cursor())?),
            0x02 => note(dense_links(source, message.cursor(), &mut links))?,
            0x11 => note(old_links(source, message.cursor(), &mut links))?,
            0x15 => note(dense_attributes(source, message.cursor(), &mut object.attributes))?,
            _ => {}
        }
    }
    if missing {
        return Err(Stop::Missing);
    }
    links.sort();
    object.links = links.into_iter().map(|(_, name, address)| (name, address)).collect();
    if let (Some(shape), Some(kind), Some(place)) = (of(0x01), of(0x03), of(0x08)) {
        object.array = Some(array(shape, kind, place, &of)?);
    }
    Ok(object)
}

fn array<'m, 'a: 'm>(
    shape: &Message<'a>,
    kind: &Message<'a>,
    place: &Message<'a>,
    of: &impl Fn(u64) -> Option<&'m Message<'a>>,
) -> Result<Array, Stop> {
    let (space, kind) = (space(shape.cursor())?, datatype(kind)?);
    let place = layout(place, &space)?;
    let element = kind.bytes();
    Ok(Array {
        filters: of(0x0B).map(|message| filters(message, element)).transpose()?.unwrap_or_default(),
        fill: of(0x05).map(fill).transpose()?.flatten(),
        space,
        kind,
        place,
    })
}

/// A link to an object of the file, with its order.
fn link(source: &Source<'_>, mut cursor: Cursor<'_>) -> Result<Option<(u64, String, u64)>, Stop> {
    let begin = cursor.byte();
    cursor.skip(1)?;
    let flags = cursor.byte_value()?;
    let kind = if flags & 8 != 0 { cursor.byte_value()? } else { 0 };
    let order = if flags & 4 != 0 { cursor.long()? } else { 0 };
    if flags & 16 != 0 {
        cursor.skip(1)?;
    }
    let length = cursor.length(1 << (flags & 3))?;
    let name = cursor.take(length)?;
    let Ok(name) = str::from_utf8(name) else {
        return Err(cursor.wrong("a name that is not UTF-8").into());
    };
    let name = kept_name(source, name, begin)?;
    Ok(if kind == 0 { Some((order, name, cursor.long()?)) } else { None })
}

/// The name of a link that begins at a byte.
fn kept_name(source: &Source<'_>, name: &str, begin: u64) -> Result<String, Stop> {
    if name.len() > NAME_BYTES_MAX {
        return Err(name_too_long(begin));
    }
    source.keep(begin, name.len() + LINK_BYTES)?;
    Ok(name.to_owned())
}

fn name_too_long(byte: u64) -> Stop {
    super::source::broken(&format!("a name of more than {NAME_BYTES_MAX} bytes"), byte).into()
}

fn dense_links(
    source: &Source<'_>,
    mut cursor: Cursor<'_>,
    links: &mut Vec<(u64, String, u64)>,
) -> Result<(), Stop> {
    cursor.skip(1)?;
    let flags = cursor.byte_value()?;
    if flags & 1 != 0 {
        cursor.skip(8)?;
    }
    let (heap, names) = (cursor.long()?, cursor.long()?);
    if heap == NOWHERE || names == NOWHERE {
        return Ok(());
    }
    each(source, heap, names, (5, 4), |object| {
        links.extend(link(source, object)?);
        Ok(())
    })
}

fn dense_attributes(
    source: &Source<'_>,
    mut cursor: Cursor<'_>,
    attributes: &mut Vec<Attribute>,
) -> Result<(), Stop> {
    cursor.skip(1)?;
    let flags = cursor.byte_value()?;
    if flags & 1 != 0 {
        cursor.skip(2)?;
    }
    let (heap, names) = (cursor.long()?, cursor.long()?);
    if heap == NOWHERE || names == NOWHERE {
        return Ok(());
    }
    each(source, heap, names, (8, 0), |object| {
        attributes.extend(attribute(source, object)?);
        Ok(())
    })
}

/// Each object of a heap that a tree of this type lists, whose ids come behind so many bytes
/// of a record.
fn each<'a>(
    source: &Source<'a>,
    heap: u64,
    tree: u64,
    (kind, before): (u8, usize),
    mut use_object: impl FnMut(Cursor<'a>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let heap = FractalHeap::read(source, heap);
    let (found, records) = records(source, tree)?;
    let heap = heap?;
    if found != kind {
        return Err(super::source::broken("a tree of another type", tree).into());
    }
    let mut missing = false;
    for mut record in records {
        record.skip(before)?;
        match heap.object(source, record) {
            Ok(object) => use_object(object)?,
            Err(Stop::Missing) => missing = true,
            Err(error) => return Err(error),
        }
    }
    if missing { Err(Stop::Missing) } else { Ok(()) }
}

/// The links of a group of the old form: a tree whose leaves list names and addresses.
fn old_links(
    source: &Source<'_>,
    mut cursor: Cursor<'_>,
    links: &mut Vec<(u64, String, u64)>,
) -> Result<(), Stop> {
    let (tree, heap) = (cursor.long()?, cursor.long()?);
    let mut nodes = vec![tree];
    let (mut missing, mut done) = (false, 0);
    while let Some(&address) = nodes.get(done) {
        done += 1;
        if nodes.len() > NODES_MAX {
            return Err(super::source::broken("a group that does not end", address).into());
        }
        match old_node(source, address, heap, &mut nodes, links) {
            Err(Stop::Missing) => missing = true,
            done => done?,
        }
    }
    if missing { Err(Stop::Missing) } else { Ok(()) }
}

fn old_node(
    source: &Source<'_>,
    address: u64,
    heap: u64,
    nodes: &mut Vec<u64>,
    links: &mut Vec<(u64, String, u64)>,
) -> Result<(), Stop> {
    let mut cursor = Cursor::new(source.get(address, 8)?, address);
    if cursor.take(4)? == b"SNOD" {
        cursor.skip(2)?;
        let count = cursor.short()?;
        let mut cursor = Cursor::new(source.get(address, 8 + 40 * count)?, address);
        cursor.skip(8)?;
        for _ in 0..count {
            let (name, object) = (cursor.long()?, cursor.long()?);
            cursor.skip(24)?;
            // Names come in their own order.
            let name = local_text(source, heap, name)?;
            links.push((0, kept_name(source, name, address)?, object));
        }
        return Ok(());
    }
    let mut cursor = Cursor::new(source.get(address, 8)?, address);
    cursor.expect(b"TREE")?;
    cursor.skip(2)?;
    let count = cursor.short()?;
    let mut cursor = Cursor::new(source.get(address, 24 + 16 * count)?, address);
    cursor.skip(24)?;
    for _ in 0..count {
        cursor.skip(8)?;
        nodes.push(cursor.long()?);
    }
    Ok(())
}

/// An attribute; `None` if its type or shape is elsewhere.
fn attribute(source: &Source<'_>, mut cursor: Cursor<'_>) -> Result<Option<Attribute>, Stop> {
    let begin = cursor.byte();
    let version = cursor.byte_value()?;
    let flags = cursor.byte_value()?;
    if !(1..=3).contains(&version) {
        return Err(cursor.wrong("an attribute of an unknown version").into());
    }
    let (name, kind, shape) = (cursor.length(2)?, cursor.length(2)?, cursor.length(2)?);
    if version == 3 {
        cursor.skip(1)?;
    }
    let mut part = |bytes: usize| -> Result<Cursor<'_>, Stop> {
        let begin = cursor.byte();
        let taken = cursor.take(bytes)?;
        if version == 1 {
            cursor.skip((bytes.wrapping_neg() % 8).min(cursor.rest()))?;
        }
        Ok(Cursor::new(taken, begin))
    };
    let mut text = part(name)?;
    let (mut kind, shape) = (part(kind)?, part(shape)?);
    let name = text.take(name)?;
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    if version > 1 && flags & 3 != 0 {
        return Ok(None);
    }
    let (kind, space) = (type_at(&mut kind, 0)?, space(shape)?);
    let count = space.shape.iter().try_fold(1_u64, |all, &length| all.checked_mul(length));
    let count = if space.is_null { 0 } else { count.unwrap_or(u64::MAX) };
    let bytes = count.saturating_mul(kind.bytes());
    let data = cursor.take(usize::try_from(bytes).unwrap_or(usize::MAX))?;
    // It is kept as it is stored, and as NetCDF has it.
    source.keep(begin, 2 * (name.len() + data.len()) + ATTRIBUTE_BYTES)?;
    let name = String::from_utf8_lossy(name).into_owned();
    Ok(Some(Attribute { name, kind, data: data.to_vec() }))
}

impl Attribute {
    /// Its texts: one, unless it has several elements. `None` if it has none.
    pub(in super::super) fn texts(&self, source: &Source<'_>) -> Result<Option<Vec<u8>>, Stop> {
        let trimmed = |text: &[u8]| {
            let end = text.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            text[..end].to_vec()
        };
        match self.kind {
            Type::Text { .. } => Ok(Some(trimmed(&self.data))),
            Type::TextInHeap => {
                let mut texts = Vec::new();
                for element in self.data.as_chunks::<16>().0 {
                    let text = in_heap(source, element, 1)?;
                    source.keep(0, text.len() + size_of::<Vec<u8>>())?;
                    texts.push(trimmed(text));
                }
                Ok(Some(texts.join(&b' ')))
            }
            _ => Ok(None),
        }
    }

    /// The addresses that its sequences of references name first.
    pub(in super::super) fn references(&self, source: &Source<'_>) -> Result<Vec<u64>, Stop> {
        let mut addresses = Vec::new();
        for element in self.data.as_chunks::<16>().0 {
            let bytes = in_heap(source, element, 8)?;
            addresses.push(bytes.first_chunk().map_or(NOWHERE, |bytes| u64::from_le_bytes(*bytes)));
        }
        Ok(addresses)
    }
}

/// What an element in a heap stands for; each of its parts takes so many bytes.
fn in_heap<'a>(source: &Source<'a>, element: &[u8; 16], bytes: usize) -> Result<&'a [u8], Stop> {
    let mut cursor = Cursor::new(element, 0);
    let (length, address, number) = (cursor.length(4)?, cursor.long()?, cursor.word()?);
    if length == 0 || address == 0 || address == NOWHERE {
        return Ok(&[]);
    }
    let object = global_object(source, address, number)?;
    match length.checked_mul(bytes).and_then(|bytes| object.get(..bytes)) {
        Some(object) => Ok(object),
        None => Err(super::source::broken("a sequence longer than its object", address).into()),
    }
}

/// The attributes of the root, and all variables below it.
pub(in super::super) fn variables(
    source: &Source<'_>,
    root: u64,
) -> Result<(Vec<Attribute>, Vec<Found>), Stop> {
    let first = object(source, root)?;
    let mut found = Vec::new();
    let mut seen = std::collections::HashSet::from([root]);
    let mut missing = false;
    let links = |prefix: &str, object: &Object, depth: usize| {
        let of = |(name, address): &(String, u64)| {
            let name = format!("{prefix}{name}");
            if name.len() > NAME_BYTES_MAX {
                return Err(name_too_long(*address));
            }
            source.keep(*address, prefix.len())?;
            Ok((name, *address, depth))
        };
        object.links.iter().map(of).collect::<Result<Vec<(String, u64, usize)>, Stop>>()
    };
    let mut todo = links("", &first, 0)?;
    todo.reverse();
    while let Some((name, address, depth)) = todo.pop() {
        if !seen.insert(address) {
            continue;
        }
        match object(source, address) {
            Ok(object) if object.array.is_some() => {
                found.push(Found { name, address, object });
            }
            Ok(object) if depth >= DEPTH_MAX && !object.links.is_empty() => {
                let what = format!("groups that are more than {DEPTH_MAX} deep");
                return Err(super::source::broken(&what, address).into());
            }
            Ok(object) => {
                let mut below = links(&format!("{name}/"), &object, depth + 1)?;
                below.reverse();
                todo.extend(below);
            }
            Err(Stop::Missing) => missing = true,
            Err(Stop::Error(error)) => {
                let what = format!("the group or variable {}: {}", quoted(&name), error.what);
                return Err(InputError { what: what.into(), ..error }.into());
            }
        }
    }
    match missing {
        true => Err(Stop::Missing),
        false => Ok((first.attributes, found)),
    }
}

/// The address of the root group.
pub(in super::super) fn root(source: &Source<'_>) -> Result<u64, Stop> {
    let first = source.get(0, 48)?;
    let mut cursor = Cursor::new(first, 0);
    cursor.skip(8)?;
    let version = cursor.byte_value()?;
    let (sizes, place, base) = match version {
        0 => (13, 64, 24),
        1 => (13, 68, 28),
        2 | 3 => {
            source.verified(0, 48)?;
            (9, 36, 12)
        }
        _ => return Err(cursor.wrong("a superblock of an unknown version").into()),
    };
    if first[sizes..sizes + 2] != [8, 8] {
        return Err(cursor.wrong("offsets and lengths that do not take 8 bytes").into());
    }
    let number = |at: u64| -> Result<u64, Stop> { Cursor::new(source.get(at, 8)?, at).long() };
    if number(base)? != 0 {
        return Err(cursor.wrong("addresses that do not begin at byte 0").into());
    }
    number(place)
}
