//! Results as bytes, in pieces, so that a result of any length streams.
//!
//! Text is one number a line, each the shortest that reads back as the same
//! bits; `nan`, `inf` and `-inf` as Python has them. A [`TypedFile`] has numbers of other
//! types than `f64`, a [`DoublesFile`] the form of files that the inputs are not.

mod doubles;
mod typed_file;

use std::fmt::Write as _;

use zmij::Buffer;

use crate::Order;

pub use doubles::{DoublesFile, ResultPart};
pub use typed_file::{TypedFile, TypedKind};

/// How a result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputFormat {
    /// NumPy's format, f8.
    Npy,
    /// Text, one number a line.
    Csv,
    /// What stands between the brackets of an array of JSON; numbers that JSON
    /// has no word for as the texts `"NaN"`, `"inf"` and `"-inf"`.
    Json,
    /// The numbers alone, 8 bytes each, little-endian.
    Raw,
}

impl OutputFormat {
    /// Appends numbers, of which the first has the index `start` in the result.
    pub fn put(self, start: u64, numbers: &[f64], to: &mut Vec<u8>) {
        match self {
            OutputFormat::Npy | OutputFormat::Raw => put_binary(numbers, to),
            OutputFormat::Csv => {
                for &number in numbers {
                    put_number(number, to);
                    to.push(b'\n');
                }
            }
            OutputFormat::Json => {
                for (index, &number) in (start..).zip(numbers) {
                    if index > 0 {
                        to.push(b',');
                    }
                    put_json_number(number, to);
                }
            }
        }
    }
}

/// Appends numbers as rows of a table of `width` columns. The first has the index `start` in
/// the result.
pub fn put_rows(start: u64, width: u64, numbers: &[f64], to: &mut Vec<u8>) {
    for (index, &number) in (start..).zip(numbers) {
        put_number(number, to);
        to.push(if (index + 1).is_multiple_of(width) { b'\n' } else { b',' });
    }
}

/// Appends texts as a row of a table, with quotes around those that need them.
pub fn put_fields<'a>(fields: impl Iterator<Item = &'a [u8]>, to: &mut Vec<u8>) {
    let start = to.len();
    for (index, field) in fields.enumerate() {
        if index > 0 {
            to.push(b',');
        }
        // Without a name, a single column would make an empty line.
        let is_special = |byte| matches!(byte, b',' | b'"' | b'\n' | b'\r' | b';' | b'\t');
        let is_odd = field.is_empty() && index == 0 || field.iter().copied().any(is_special);
        if !is_odd {
            to.extend_from_slice(field);
            continue;
        }
        to.push(b'"');
        for &byte in field {
            to.push(byte);
            if byte == b'"' {
                to.push(byte);
            }
        }
        to.push(b'"');
    }
    debug_assert!(to.len() > start, "a row has a field");
    to.push(b'\n');
}

/// The header of a .npy file of little-endian f8, version 1; a multiple of 64
/// bytes, as NumPy writes it. `shape` names the length along the first index
/// first, in whatever order the numbers are stored; its product is their count.
#[must_use]
pub fn npy_header(shape: &[u64], order: Order) -> Vec<u8> {
    npy_header_of("<f8", shape, order)
}

/// The same, of numbers of the type that NumPy describes so.
fn npy_header_of(descr: &str, shape: &[u64], order: Order) -> Vec<u8> {
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': ");
    text.push_str(if order.is_fortran() { "True" } else { "False" });
    text.push_str(", 'shape': (");
    for (index, length) in shape.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        let _ = write!(text, "{separator}{length}");
    }
    // A tuple of one is written with a comma.
    text.push_str(if shape.len() == 1 { ",), }" } else { "), }" });
    let padding = 63 - (10 + text.len()) % 64;
    text.extend(std::iter::repeat_n(' ', padding));
    text.push('\n');
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
    header.extend(text.bytes());
    header
}

/// Appends the shortest text that reads back as the same bits.
pub fn put_number(number: f64, to: &mut Vec<u8>) {
    if number.is_finite() {
        to.extend_from_slice(Buffer::new().format_finite(number).as_bytes());
    } else if number.is_nan() {
        to.extend_from_slice(b"nan");
    } else {
        to.extend_from_slice(if number > 0.0 { b"inf" } else { b"-inf" });
    }
}

/// A number as text; see [`put_number`].
#[must_use]
pub fn number_text(number: f64) -> String {
    let mut text = Vec::new();
    put_number(number, &mut text);
    text.into_iter().map(char::from).collect()
}

fn put_json_number(number: f64, to: &mut Vec<u8>) {
    if number.is_nan() {
        to.extend_from_slice(b"\"NaN\"");
    } else if number.is_infinite() {
        to.push(b'"');
        put_number(number, to);
        to.push(b'"');
    } else {
        put_number(number, to);
    }
}

fn put_binary(numbers: &[f64], to: &mut Vec<u8>) {
    let start = to.len();
    to.resize(start + 8 * numbers.len(), 0);
    let (chunks, _) = to[start..].as_chunks_mut::<8>();
    for (chunk, number) in chunks.iter_mut().zip(numbers) {
        *chunk = number.to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Detection, Format};

    #[test]
    fn a_header_reads_back() {
        for (shape, text) in [
            (&[][..], "()"),
            (&[7][..], "(7,)"),
            (&[3, 4][..], "(3, 4)"),
            (&[2, 3, 4][..], "(2, 3, 4)"),
        ] {
            for order in [Order::C, Order::Fortran] {
                let header = npy_header(shape, order);
                assert!(header.len().is_multiple_of(64));
                assert!(String::from_utf8_lossy(&header).contains(&format!("'shape': {text}, ")));
                let columns: u64 = shape.iter().product();
                let bytes = header.len() as u64 + 8 * columns;
                let Ok(Detection::Format(format)) = Format::detect(&header, bytes, None) else {
                    panic!("not read back");
                };
                assert_eq!(format.shape(), Some(shape));
                let is_the_same = shape.len() < 2;
                assert_eq!(format.order(), if is_the_same { Order::C } else { order });
            }
        }
    }

    #[test]
    fn numbers_are_written_as_short_as_they_can_be() {
        for (number, text) in [
            (0.1, "0.1"),
            (-0.0, "-0.0"),
            (1.0 / 3.0, "0.3333333333333333"),
            (f64::NAN, "nan"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(number_text(number), text);
        }
        for number in [5e-324, f64::MAX, 1e23, 123456789012345680.0] {
            assert_eq!(number_text(number).parse(), Ok(number));
        }
    }

    #[test]
    fn rows_go_on_from_piece_to_piece() {
        let mut text = Vec::new();
        put_fields(["a", "b, c", "\"d\""].map(str::as_bytes).into_iter(), &mut text);
        put_rows(0, 3, &[1.0, 2.5], &mut text);
        put_rows(2, 3, &[f64::NAN, -0.0], &mut text);
        assert_eq!(text, b"a,\"b, c\",\"\"\"d\"\"\"\n1.0,2.5,nan\n-0.0,");
        text.clear();
        put_fields(["", "a"].map(str::as_bytes).into_iter(), &mut text);
        assert_eq!(text, b"\"\",a\n");
    }

    #[test]
    fn pieces_of_a_json_array_fit_together() {
        let mut text = Vec::new();
        OutputFormat::Json.put(0, &[1.5], &mut text);
        OutputFormat::Json.put(1, &[f64::NAN, -2.0], &mut text);
        assert_eq!(text, b"1.5,\"NaN\",-2.0");
    }
}
