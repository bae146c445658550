//! The header of NumPy's .npy files, versions 1 to 3.

use std::fmt::Write as _;

use crate::InputError;

use super::NumberType;

/// What .npy files begin with.
pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";

/// The longest header that NumPy itself reads unless told otherwise.
const HEADER_BYTES_MAX: usize = 10_000;

/// The header of a .npy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NpyHeader {
    number_type: NumberType,
    big_endian: bool,
    fortran_order: bool,
    shape: Vec<u64>,
    columns: u64,
    /// Where the numbers begin.
    data_start: u64,
}

impl NpyHeader {
    /// Reads the header from the beginning of a file.
    pub(crate) fn read(head: &[u8]) -> Result<NpyHeader, InputError> {
        let too_short = || InputError::new("a .npy file that ends within its header");
        let [major, _minor] = *head[MAGIC.len()..].first_chunk().ok_or_else(too_short)?;
        let rest = &head[MAGIC.len() + 2..];
        let (length, start) = match major {
            1 => {
                let length = rest.first_chunk().ok_or_else(too_short)?;
                (usize::from(u16::from_le_bytes(*length)), 10)
            }
            2 | 3 => {
                let length = rest.first_chunk().ok_or_else(too_short)?;
                (usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX), 12)
            }
            _ => {
                let what = format!("version {major} of the .npy format");
                return Err(InputError::new(what).remedy("versions 1 to 3 can be read"));
            }
        };
        if length > HEADER_BYTES_MAX {
            let what = format!("a .npy header of {length} bytes");
            return Err(
                InputError::new(what).remedy("NumPy writes no such header for an array of numbers")
            );
        }
        let text = head.get(start..start + length).ok_or_else(too_short)?;
        let text = std::str::from_utf8(text)
            .map_err(|_| InputError::new("a .npy header that is no text"))?;
        let dictionary = Dictionary::parse(text).ok_or_else(|| not_understood(text))?;
        dictionary.into_header(start as u64 + length as u64)
    }

    /// The product of the shape.
    #[must_use]
    pub const fn columns(&self) -> u64 {
        self.columns
    }

    /// The lengths along each index; empty for a single number.
    #[must_use]
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// Whether the first index runs fastest.
    #[must_use]
    pub const fn fortran_order(&self) -> bool {
        self.fortran_order
    }

    /// The type of the numbers.
    #[must_use]
    pub const fn number_type(&self) -> NumberType {
        self.number_type
    }

    /// Whether numbers begin with their most significant byte.
    #[must_use]
    pub const fn big_endian(&self) -> bool {
        self.big_endian
    }

    /// Where a column begins.
    pub(crate) const fn offset_of(&self, column: u64) -> u64 {
        self.data_start + column * self.number_type.bytes()
    }

    /// How long the whole file is.
    pub(crate) const fn file_bytes(&self) -> u64 {
        self.offset_of(self.columns)
    }

    pub(crate) fn describe(&self) -> String {
        let mut text = format!("npy {}", self.number_type.describe());
        if self.big_endian && self.number_type.bytes() > 1 {
            text.push_str(" big-endian");
        }
        if self.fortran_order && self.shape.len() > 1 {
            text.push_str(" Fortran order");
        }
        text
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
            number_type,
            big_endian: descr.starts_with('>'),
            fortran_order,
            shape,
            columns,
            data_start,
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

    #[test]
    fn the_header_that_numpy_writes() {
        let text = "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }     \n";
        for version in 1..=3 {
            let header = NpyHeader::read(&file(version, text)).unwrap();
            assert_eq!(header.shape(), [3, 4]);
            assert_eq!(header.columns(), 12);
            assert_eq!(header.describe(), "npy f8");
            let start = if version == 1 { 10 } else { 12 };
            assert_eq!(header.offset_of(1), start + text.len() as u64 + 8);
        }
    }

    #[test]
    fn other_orders_of_keys_and_bytes() {
        let text = r#"{"shape":(5,),"fortran_order":True,"descr":">i2"}"#;
        let header = NpyHeader::read(&file(1, text)).unwrap();
        assert_eq!(header.describe(), "npy i2 big-endian");
        assert!(header.fortran_order());
        let text = "{'descr': '|b1', 'fortran_order': True, 'shape': (), }";
        let header = NpyHeader::read(&file(1, text)).unwrap();
        assert_eq!((header.columns(), header.describe().as_str()), (1, "npy bool"));
        let text = "{'descr': '<u4', 'fortran_order': True, 'shape': (2L, 3L), }";
        let header = NpyHeader::read(&file(1, text)).unwrap();
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
            let error = NpyHeader::read(&file(1, &text)).unwrap_err();
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
            assert!(NpyHeader::read(&file(1, text)).is_err(), "{text}");
        }
        assert!(NpyHeader::read(&file(9, "{}")).is_err());
        assert!(NpyHeader::read(MAGIC).is_err());
    }
}
