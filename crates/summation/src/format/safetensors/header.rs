//! The header of a safetensors file: its length in 8 bytes, then JSON, which names the
//! tensors and says where their numbers lie.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::super::{NumberType, truncated};
use super::quoted;
use crate::InputError;

/// The bytes of the length.
pub(super) const LENGTH_BYTES: usize = 8;

/// The longest header that is read, in bytes. That is enough for some 40,000 tensors; a
/// header is in memory as a whole.
pub(super) const HEADER_BYTES_MAX: u64 = 4 << 20;

/// The key of what is no tensor.
pub(super) const METADATA: &str = "__metadata__";

/// What a header says.
#[derive(Clone, Debug, Default)]
pub(super) struct Header {
    /// The tensors, in the order in which they lie in the file.
    pub(super) entries: Vec<Entry>,
    /// Texts that go with them.
    pub(super) metadata: BTreeMap<String, String>,
}

/// A tensor of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    /// The type of its numbers, as the file names it.
    pub(super) dtype: String,
    pub(super) shape: Vec<u64>,
    /// Where its numbers begin and end, in bytes behind the header.
    pub(super) begin: u64,
    pub(super) end: u64,
}

impl Entry {
    /// The number of its numbers; `None` if that is no 64-bit integer.
    pub(super) fn numbers(&self) -> Option<u64> {
        self.shape.iter().try_fold(1_u64, |product, &length| product.checked_mul(length))
    }
}

impl Header {
    /// Reads the text of a header, which begins at byte 8.
    ///
    /// # Errors
    ///
    /// If it is not JSON of this form.
    pub(super) fn read(text: &[u8]) -> Result<Header, InputError> {
        let text = std::str::from_utf8(text).map_err(|error| {
            let byte = LENGTH_BYTES + error.valid_up_to();
            InputError::new("a safetensors header that is not UTF-8").at_byte(byte as u64)
        })?;
        let Described { mut entries, metadata } =
            serde_json::from_str(text).map_err(|error| not_understood(text, &error))?;
        entries.sort_by(|one, other| {
            (one.begin, one.end, &one.name).cmp(&(other.begin, other.end, &other.name))
        });
        Ok(Header { entries, metadata })
    }

    /// Checks that each of the `data_bytes` bytes from byte `data_start` on belongs to one
    /// tensor, and that each tensor has as many as its shape and its type say.
    ///
    /// # Errors
    ///
    /// If not; the error says where.
    pub(super) fn check(&self, data_start: u64, data_bytes: u64) -> Result<(), InputError> {
        check_places(&self.entries, data_start, data_bytes)
    }
}

fn check_places(entries: &[Entry], data_start: u64, data_bytes: u64) -> Result<(), InputError> {
    let mut before: Option<&Entry> = None;
    for entry in entries {
        let name = quoted(&entry.name);
        let (begin, end) = (entry.begin, entry.end);
        let wrong = |what: String| {
            let error = InputError::new(what).remedy("write the file again");
            Err(error.at_byte(data_start.saturating_add(begin)))
        };
        let expected = before.map_or(0, |before| before.end);
        if end < begin {
            return wrong(format!("the tensor {name} ends before it begins"));
        }
        if begin < expected {
            let other = before.map(|before| quoted(&before.name)).unwrap_or_default();
            return wrong(format!("the tensor {name} overlaps the tensor {other}"));
        }
        if begin > expected {
            let bytes = begin - expected;
            return wrong(format!("{bytes} bytes before the tensor {name} belong to no tensor"));
        }
        if end > data_bytes {
            let (end, bytes) = (data_start.saturating_add(end), data_start + data_bytes);
            let what =
                format!("the tensor {name} ends at byte {end}, but the file has {bytes} bytes");
            let error = InputError::new(what).remedy("copy the file again, or write it again");
            return Err(error.at_byte(bytes));
        }
        if let Some(number_type) = NumberType::from_safetensors(&entry.dtype) {
            let bytes =
                entry.numbers().and_then(|numbers| numbers.checked_mul(number_type.bytes()));
            if bytes != Some(end - begin) {
                let (shape, dtype) = (&entry.shape, &entry.dtype);
                let bytes = end - begin;
                return wrong(format!(
                    "the tensor {name} of shape {shape:?} and type {dtype} has {bytes} bytes"
                ));
            }
        }
        before = Some(entry);
    }
    let end = before.map_or(0, |before| before.end);
    match end == data_bytes {
        true => Ok(()),
        false => {
            let error = truncated(data_start + end, data_start + data_bytes);
            Err(error.at_byte(data_start + end))
        }
    }
}

/// A header that is not JSON, or not of the form that it should have.
fn not_understood(text: &str, error: &serde_json::Error) -> InputError {
    let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
    let before: usize = lines.map(str::len).sum();
    let byte = LENGTH_BYTES + (before + error.column().saturating_sub(1)).min(text.len());
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what);
    InputError::new(format!("a safetensors header that cannot be understood: {message}"))
        .remedy("write the file again")
        .at_byte(byte as u64)
}

/// The header as JSON has it.
struct Described {
    entries: Vec<Entry>,
    metadata: BTreeMap<String, String>,
}

/// A tensor as JSON has it. Unknown fields are ignored, as the format's own library does.
#[derive(Deserialize)]
struct DescribedTensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

impl<'de> Deserialize<'de> for Described {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Described, D::Error> {
        deserializer.deserialize_map(DescribedVisitor)
    }
}

struct DescribedVisitor;

impl<'de> Visitor<'de> for DescribedVisitor {
    type Value = Described;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Described, A::Error> {
        let mut names = HashSet::new();
        let (mut entries, mut metadata) = (Vec::new(), BTreeMap::new());
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name.clone()) {
                let name = quoted(&name);
                return Err(A::Error::custom(format_args!("{name} is there twice")));
            }
            if name == METADATA {
                metadata = map.next_value()?;
                continue;
            }
            let DescribedTensor { dtype, shape, data_offsets: (begin, end) } = map.next_value()?;
            entries.push(Entry { name, dtype, shape, begin, end });
        }
        Ok(Described { entries, metadata })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], data_bytes: u64) -> Result<Header, InputError> {
        let header = Header::read(text)?;
        header.check((LENGTH_BYTES + text.len()) as u64, data_bytes)?;
        Ok(header)
    }

    #[test]
    fn tensors_come_in_the_order_in_which_they_lie() {
        let text = r#"{"__metadata__": {"format": "pt"},
            "b": {"dtype": "F16", "shape": [2, 3], "data_offsets": [4, 16], "more": null},
            "a": {"shape": [], "data_offsets": [0, 4], "dtype": "F32"},
            "none": {"dtype": "I64", "shape": [0, 7], "data_offsets": [16, 16]}}  "#;
        let header = read(text.as_bytes(), 16).unwrap();
        let names: Vec<&str> = header.entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "none"]);
        assert_eq!(header.entries[1].shape, [2, 3]);
        assert_eq!(header.metadata["format"], "pt");
        assert!(read(b"{}", 0).unwrap().entries.is_empty());
    }

    /// Each header, how many bytes follow it, and what the error says.
    #[test]
    fn broken_headers_are_errors_with_a_position() {
        let one = r#""a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}"#;
        let with = |more: &str| format!("{{{one}, {more}}}");
        let tensor = |dtype: &str, shape: &str, offsets: &str| {
            format!(r#""b": {{"dtype": "{dtype}", "shape": {shape}, "data_offsets": {offsets}}}"#)
        };
        for (text, data_bytes, expected) in [
            (with(one), 8, "\"a\" is there twice"),
            (with(&tensor("F32", "[1]", "[4, 8]")), 8, "overlaps the tensor \"a\""),
            (with(&tensor("F32", "[1]", "[12, 16]")), 16, "4 bytes before the tensor \"b\""),
            (with(&tensor("F32", "[1]", "[8, 12]")), 10, "the file has"),
            (with(&tensor("F32", "[1]", "[8, 12]")), 13, "too long"),
            (with(&tensor("F32", "[2]", "[8, 12]")), 12, "of shape [2] and type F32 has 4 bytes"),
            (with(&tensor("F32", "[1]", "[8, 4]")), 8, "ends before it begins"),
            (with(&tensor("F64", "[18446744073709551615, 2]", "[8, 8]")), 8, "has 0 bytes"),
            (with(&tensor("F32", "[1.5]", "[8, 12]")), 12, "cannot be understood"),
            (with(&tensor("F32", "[-1]", "[8, 12]")), 12, "cannot be understood"),
            (with(&tensor("F32", "[1]", "[8, NaN]")), 12, "cannot be understood"),
            (with(r#""b": {"dtype": "F32", "shape": [1]}"#), 12, "missing field"),
            (with(r#""__metadata__": {"a": 1}"#), 8, "cannot be understood"),
            (with("\"b\": 1"), 8, "cannot be understood"),
            ("[]".to_owned(), 0, "cannot be understood"),
            ("{".to_owned(), 0, "cannot be understood"),
            ("{} {}".to_owned(), 0, "cannot be understood"),
            ("{}".to_owned(), 1, "too long"),
            (with(&tensor("F32", "[1]", "[8, 12]")), 0, "the file has"),
        ] {
            let error = read(text.as_bytes(), data_bytes).unwrap_err();
            assert!(error.detail().contains(expected), "{text}: {error}");
            assert!(error.byte.is_some(), "{text}: {error}");
        }
        let error = read(b"{\"a\xff\": 1}", 0).unwrap_err();
        assert_eq!((error.byte, error.detail().contains("not UTF-8")), (Some(11), true));
        let error = read(b"{\n\"a\": x}", 0).unwrap_err();
        assert_eq!(error.byte, Some(8 + 7), "{error}");
    }

    #[test]
    fn a_long_name_is_quoted_in_part() {
        let name = "x".repeat(100_000);
        let text =
            format!(r#"{{"{name}": {{"dtype": "F32", "shape": [], "data_offsets": [1, 2]}}}}"#);
        let error = read(text.as_bytes(), 2).unwrap_err();
        assert!(error.detail().len() < 300, "{error}");
    }
}
