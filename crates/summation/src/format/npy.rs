//! The header of NumPy's .npy files, versions 1 to 3.

use std::fmt::Write as _;
use std::ops::Range;

use crate::InputError;
use crate::order::Order;

use super::binary::Elements;
use super::head::{HEAD_BYTES, Head, Told};
use super::{Access, Checkpoint, Decoder, Format, Layout, NumberType, no_numbers, truncated};

/// What .npy files begin with.
const MAGIC: &[u8] = b"\x93NUMPY";

/// The longest header that NumPy itself reads unless told otherwise.
const HEADER_BYTES_MAX: usize = 10_000;

/// The header of a .npy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NpyHeader {
    elements: Elements,
    order: Order,
    shape: Vec<u64>,
    /// The product of the shape.
    columns: u64,
}

/// Whether the magic bytes are there; then the header is read.
pub(super) fn tell(head: &Head<'_>) -> Result<Told, InputError> {
    Ok(match read(head)? {
        Read::Header(header) => Told::Is(Format::new(header)),
        Read::Needs(bytes) => Told::Needs(bytes),
        Read::Other => Told::Other,
    })
}

/// What the first bytes of an object are.
pub(super) enum Read {
    /// The header of a .npy file.
    Header(NpyHeader),
    /// Too few.
    Needs(usize),
    /// Something else.
    Other,
}

/// Reads the header of a .npy file, if the magic bytes are there.
pub(super) fn read(head: &Head<'_>) -> Result<Read, InputError> {
    if !head.bytes.starts_with(MAGIC) {
        let may_begin = !head.is_all && MAGIC.starts_with(head.bytes);
        return Ok(if may_begin { Read::Needs(HEAD_BYTES) } else { Read::Other });
    }
    let needs = |bytes| match head.is_all {
        true => Err(InputError::new("a .npy file that ends within its header")),
        false => Ok(Read::Needs(bytes)),
    };
    let Some(text) = text_range(head.bytes)? else {
        return needs(HEAD_BYTES);
    };
    let data_start = text.end;
    let Some(text) = head.bytes.get(text) else {
        return needs(data_start);
    };
    let header = NpyHeader::read(text, data_start as u64)?;
    let expected = header.elements.offset_of(header.columns);
    match head.object_bytes {
        Some(found) if found != expected => Err(truncated(expected, found)),
        _ if header.columns == 0 => Err(no_numbers()),
        _ => Ok(Read::Header(header)),
    }
}

/// Where the text of the header lies, if the bytes before it are all there.
fn text_range(head: &[u8]) -> Result<Option<Range<usize>>, InputError> {
    let (Some(&major), Some(rest)) = (head.get(MAGIC.len()), head.get(MAGIC.len() + 2..)) else {
        return Ok(None);
    };
    let (length, start) = match major {
        1 => (rest.first_chunk().map(|length| u32::from(u16::from_le_bytes(*length))), 10),
        2 | 3 => (rest.first_chunk().map(|length| u32::from_le_bytes(*length)), 12),
        _ => {
            let what = format!("version {major} of the .npy format");
            return Err(InputError::new(what).remedy("versions 1 to 3 can be read"));
        }
    };
    let Some(length) = length else {
        return Ok(None);
    };
    match usize::try_from(length) {
        Ok(length) if length <= HEADER_BYTES_MAX => Ok(Some(start..start + length)),
        _ => {
            let what = format!("a .npy header of {length} bytes");
            Err(InputError::new(what).remedy("NumPy writes no such header for an array of numbers"))
        }
    }
}

impl NpyHeader {
    /// The header of a file that begins at a byte of another.
    pub(super) const fn at(mut self, start: u64) -> NpyHeader {
        self.elements.start += start;
        self
    }

    /// Where its numbers begin.
    pub(super) const fn data_start(&self) -> u64 {
        self.elements.start
    }

    /// Reads the text of the header of a file whose numbers begin at `data_start`.
    fn read(text: &[u8], data_start: u64) -> Result<NpyHeader, InputError> {
        let text = std::str::from_utf8(text)
            .map_err(|_| InputError::new("a .npy header that is no text"))?;
        let dictionary = Dictionary::parse(text).ok_or_else(|| not_understood(text))?;
        dictionary.into_header(data_start)
    }
}

impl Layout for NpyHeader {
    fn describe(&self) -> String {
        let number_type = self.elements.number_type;
        let mut text = format!("npy {}", number_type.describe());
        if self.elements.big_endian && number_type.bytes() > 1 {
            text.push_str(" big-endian");
        }
        if self.order.is_fortran() && self.shape.len() > 1 {
            text.push_str(" Fortran order");
        }
        text
    }

    fn access(&self) -> Access {
        Access::Column
    }

    fn columns(&self, _object_bytes: Option<u64>) -> Option<u64> {
        Some(self.columns)
    }

    fn shape(&self) -> Option<&[u64]> {
        Some(&self.shape)
    }

    fn order(&self) -> Order {
        self.order
    }

    fn elements(&self) -> Option<Elements> {
        Some(self.elements)
    }

    fn decoder(&self, columns: Option<u64>, at: Checkpoint) -> Decoder {
        self.elements.decoder(columns, at)
    }
}

/// The entries of the header's dictionary, a Python literal.
#[derive(Debug, Default)]
struct Dictionary {
    descr: Option<Descr>,
    fortran_order: Option<bool>,
    shape: Option<Vec<u64>>,
}

#[derive(Debug)]
enum Descr {
    Simple(String),
    /// A list of fields.
    Structured,
}

impl Dictionary {
    /// `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`
    fn parse(text: &str) -> Option<Dictionary> {
        let mut dictionary = Dictionary::default();
        let mut rest = text.trim().strip_prefix('{')?.trim_start();
        while !rest.starts_with('}') {
            let (key, after) = quoted(rest)?;
            rest = after.trim_start().strip_prefix(':')?.trim_start();
            match key {
                "descr" if rest.starts_with('[') => {
                    // Nothing else needs to be understood.
                    dictionary.descr = Some(Descr::Structured);
                    return Some(dictionary);
                }
                "descr" => {
                    let (descr, after) = quoted(rest)?;
                    dictionary.descr = Some(Descr::Simple(descr.to_owned()));
                    rest = after;
                }
                "fortran_order" => {
                    let (value, after) = match rest.strip_prefix("True") {
                        Some(after) => (true, after),
                        None => (false, rest.strip_prefix("False")?),
                    };
                    dictionary.fortran_order = Some(value);
                    rest = after;
                }
                "shape" => {
                    let (inside, after) = rest.strip_prefix('(')?.split_once(')')?;
                    dictionary.shape = Some(lengths(inside)?);
                    rest = after;
                }
                _ => return None,
            }
            rest = rest.trim_start();
            match rest.strip_prefix(',') {
                Some(after) => rest = after.trim_start(),
                None if rest.starts_with('}') => {}
                None => return None,
            }
        }
        Some(dictionary)
    }

    fn into_header(self, data_start: u64) -> Result<NpyHeader, InputError> {
        let incomplete = || InputError::new("a .npy header without a type or a shape");
        let descr = match self.descr.ok_or_else(incomplete)? {
            Descr::Simple(descr) => descr,
            Descr::Structured => {
                return Err(InputError::new("a .npy file of records")
                    .remedy("save one field of the records as an array of its own"));
            }
        };
        let shape = self.shape.ok_or_else(incomplete)?;
        let fortran_order = self.fortran_order.ok_or_else(incomplete)?;
        let name = descr.trim_start_matches(['<', '>', '|', '=']);
        let number_type = NumberType::from_name(name).ok_or_else(|| unsupported(&descr))?;
        let columns = shape
            .iter()
            .try_fold(1u64, |product, &length| product.checked_mul(length))
            .filter(|columns| {
                let bytes = columns.checked_mul(number_type.bytes());
                bytes.and_then(|bytes| bytes.checked_add(data_start)).is_some()
            })
            .ok_or_else(|| InputError::new(describe_shape(&shape)))?;
        Ok(NpyHeader {
            elements: Elements {
                number_type,
                big_endian: descr.starts_with('>'),
                start: data_start,
            },
            order: Order::from_fortran(fortran_order),
            shape,
            columns,
        })
    }
}

/// A quoted word at the beginning, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| ['\'', '"'].contains(c))?;
    text[1..].split_once(quote)
}

/// `3, 4` or `3,` or nothing. Python 2 wrote long integers as `3L`.
fn lengths(text: &str) -> Option<Vec<u64>> {
    let text = text.trim();
    let text = text.strip_suffix(',').unwrap_or(text);
    if text.is_empty() {
        return Some(Vec::new());
    }
    let length = |length: &str| length.trim().trim_end_matches('L').parse().ok();
    text.split(',').map(length).collect()
}

fn unsupported(descr: &str) -> InputError {
    let name = descr.trim_start_matches(['<', '>', '|', '=']);
    let kind = match name.chars().next() {
        Some('c') => "complex numbers",
        Some('O') => "Python objects",
        Some('S' | 'U' | 'a') => "text",
        Some('M' | 'm') => "times",
        Some('f') => "numbers of extended precision",
        _ => "what is no number",
    };
    let mut what = String::from("a .npy file of ");
    let _ = write!(what, "{kind} ({descr})");
    InputError::new(what).remedy("save it as f8, f4, f2, an integer type or bool")
}

fn describe_shape(shape: &[u64]) -> String {
    format!("a .npy file of the impossible shape {shape:?}")
}

fn not_understood(text: &str) -> InputError {
    let quoted: String = text.trim().chars().take(80).collect();
    InputError::new(format!("a .npy header that cannot be understood: {quoted}"))
}

#[cfg(test)]
mod tests {
    use protocol::request::ReadOptions;

    use super::*;

    fn file(version: u8, dictionary: &str) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([version, 0]);
        if version == 1 {
            bytes.extend(u16::try_from(dictionary.len()).unwrap().to_le_bytes());
        } else {
            bytes.extend(u32::try_from(dictionary.len()).unwrap().to_le_bytes());
        }
        bytes.extend(dictionary.as_bytes());
        bytes
    }

    /// Tells the header of a file of which nothing but the header is there.
    fn read(bytes: &[u8]) -> Result<NpyHeader, InputError> {
        let text = text_range(bytes)?.ok_or_else(|| InputError::new("too short"))?;
        NpyHeader::read(&bytes[text.clone()], text.end as u64)
    }

    #[test]
    fn the_header_that_numpy_writes() {
        let text = "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }     \n";
        for version in 1..=3 {
            let header = read(&file(version, text)).unwrap();
            assert_eq!(header.shape, [3, 4]);
            assert_eq!(header.columns, 12);
            assert_eq!(header.describe(), "npy f8");
            let start = if version == 1 { 10 } else { 12 };
            assert_eq!(header.elements.offset_of(1), start + text.len() as u64 + 8);
        }
    }

    #[test]
    fn other_orders_of_keys_and_bytes() {
        let text = r#"{"shape":(5,),"fortran_order":True,"descr":">i2"}"#;
        let header = read(&file(1, text)).unwrap();
        assert_eq!(header.describe(), "npy i2 big-endian");
        assert!(header.order.is_fortran());
        let text = "{'descr': '|b1', 'fortran_order': True, 'shape': (), }";
        let header = read(&file(1, text)).unwrap();
        assert_eq!((header.columns, header.describe().as_str()), (1, "npy bool"));
        let text = "{'descr': '<u4', 'fortran_order': True, 'shape': (2L, 3L), }";
        let header = read(&file(1, text)).unwrap();
        assert_eq!(header.describe(), "npy u4 Fortran order");
    }

    #[test]
    fn what_cannot_be_averaged_is_named() {
        for (descr, kind) in [
            ("'<c16'", "complex numbers (<c16)"),
            ("'|O'", "Python objects (|O)"),
            ("'<U5'", "text (<U5)"),
            ("'<M8[ns]'", "times (<M8[ns])"),
            ("'<f16'", "extended precision (<f16)"),
            ("[('a', '<f8')]", "records"),
        ] {
            let text = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (3,), }}");
            let error = read(&file(1, &text)).unwrap_err();
            assert!(error.to_string().contains(kind), "{error}");
        }
    }

    #[test]
    fn broken_headers_are_errors() {
        for text in [
            "",
            "{",
            "{'descr'",
            "{'descr': '<f8'}",
            "{'descr': '<f8', 'fortran_order': Maybe, 'shape': ()}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (18446744073709551615, 2)}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904,)}",
        ] {
            assert!(read(&file(1, text)).is_err(), "{text}");
        }
        assert!(read(&file(9, "{}")).is_err());
        assert!(read(MAGIC).is_err());
    }

    #[test]
    fn a_header_that_is_not_all_there_says_how_long_it_is() {
        let text = "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }";
        let bytes = file(1, &format!("{text:5000}"));
        let tell = |bytes: &[u8], is_all| {
            let options = &ReadOptions::default();
            let (formats, others, parts) = (&[], &[], &[]);
            tell(&Head { bytes, is_all, object_bytes: None, options, formats, others, parts })
        };
        for (head, needed) in [(0, HEAD_BYTES), (3, HEAD_BYTES), (9, HEAD_BYTES), (100, 5010)] {
            assert!(
                matches!(tell(&bytes[..head], false), Ok(Told::Needs(bytes)) if bytes == needed)
            );
        }
        assert!(matches!(tell(&bytes[..5010], false), Ok(Told::Is(_))));
        let error = tell(&bytes[..5009], true).err().unwrap().to_string();
        assert!(error.contains("ends within its header"), "{error}");
    }
}
