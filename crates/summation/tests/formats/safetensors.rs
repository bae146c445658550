//! Model weights: tensors of every type, in any order, and files that are broken.

use proptest::prelude::*;
use protocol::request::ReadOptions;
use summation::{Format, InputError};

use crate::reading::{cases, detect_with, read, read_with};

/// A tensor of a file: its name, type and shape, and the bytes of its numbers.
pub(crate) type Written<'a> = (&'a str, &'a str, &'a [u64], Vec<u8>);

/// A file with these tensors, in this order.
pub(crate) fn file(tensors: &[Written<'_>]) -> Vec<u8> {
    let (mut entries, mut data) = (Vec::new(), Vec::new());
    for (name, dtype, shape, bytes) in tensors {
        let begin = data.len();
        data.extend(bytes);
        let end = data.len();
        entries.push(format!(
            r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{begin},{end}]}}"#
        ));
    }
    with_header(&format!("{{{}}}", entries.join(",")), &data)
}

fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

pub(crate) fn singles(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn select(entries: &[&str]) -> ReadOptions {
    let select = entries.iter().map(|&entry| entry.to_owned()).collect();
    ReadOptions { select, ..ReadOptions::default() }
}

fn detect(bytes: &[u8], selection: &[&str]) -> Result<Format, InputError> {
    detect_with(bytes, &select(selection))
}

/// The numbers of some columns, by the extents that hold them, in ranges of so many bytes.
fn columns(format: &Format, bytes: &[u8], from: u64, to: u64, range: usize) -> Vec<f64> {
    let place = |byte: u64| usize::try_from(byte).expect("in memory");
    let extents = format.extents(&(from..to)).expect("tensors have extents");
    let wanted: Vec<u8> =
        extents.iter().flat_map(|e| bytes[place(e.start)..place(e.end)].to_vec()).collect();
    let checkpoint = format.checkpoint_of(from).expect("seekable");
    assert_eq!(checkpoint.byte, format.offset_of(from).expect("seekable"));
    let mut decoder = format.decoder_at(bytes.len() as u64, checkpoint);
    let (mut block, mut used) = (summation::Block::default(), 0);
    while used < wanted.len() {
        let end = wanted.len().min(used.saturating_add(range));
        used += decoder.decode(&wanted[used..end], false, 7, &mut block).expect("numbers");
    }
    assert_eq!(decoder.checkpoint().column, to);
    assert_eq!(decoder.has_ended(), Some(to) == format.columns(0));
    block.values().to_vec()
}

#[test]
fn every_type_is_read_and_the_widest_come_first() {
    let bytes = file(&[
        ("half", "F16", &[2], [0x3c00_u16, 0xfbff].iter().flat_map(|x| x.to_le_bytes()).collect()),
        ("brain", "BF16", &[], 0x4049_u16.to_le_bytes().to_vec()),
        ("u8", "U8", &[1, 2], vec![0, 255]),
        ("i8", "I8", &[1], vec![0x80]),
        ("i16", "I16", &[1], (-2_i16).to_le_bytes().to_vec()),
        ("u16", "U16", &[1], u16::MAX.to_le_bytes().to_vec()),
        ("i32", "I32", &[1], i32::MIN.to_le_bytes().to_vec()),
        ("u32", "U32", &[1], u32::MAX.to_le_bytes().to_vec()),
        ("single", "F32", &[1], singles(&[1.5])),
        ("none", "F32", &[3, 0], Vec::new()),
        ("i64", "I64", &[1], i64::MAX.to_le_bytes().to_vec()),
        ("u64", "U64", &[1], 7_u64.to_le_bytes().to_vec()),
        ("double", "F64", &[1], 0.1_f64.to_le_bytes().to_vec()),
    ]);
    let format = detect(&bytes, &[]).unwrap();
    assert_eq!(format.describe(), "safetensors of several types, 13 tensors");
    let expected = [
        9223372036854775807.0,
        7.0,
        0.1,
        -2147483648.0,
        4294967295.0,
        1.5,
        1.0,
        -65504.0,
        3.140625,
        -2.0,
        65535.0,
        0.0,
        255.0,
        -128.0,
    ];
    assert_eq!(columns(&format, &bytes, 0, 14, usize::MAX), expected);
    assert_eq!(columns(&format, &bytes, 0, 14, 1), expected);
    for from in 0..14 {
        let place = usize::try_from(from).unwrap();
        assert_eq!(columns(&format, &bytes, from, 14, 3), expected[place..]);
        assert_eq!(columns(&format, &bytes, 0, from, 5), expected[..place]);
    }
    let shapes: Vec<_> =
        format.tensors().unwrap().iter().map(|t| (t.name(), t.dtype(), t.shape())).collect();
    assert_eq!(shapes[0], ("i64", "I64", &[1][..]));
    assert_eq!(shapes[6], ("none", "F32", &[3, 0][..]));
    assert_eq!(shapes.len(), 13);
}

#[test]
fn tensors_are_selected_and_one_has_its_shape() {
    let bytes = file(&[
        ("layer.0.weight", "F32", &[2, 3], singles(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
        ("layer.0.mask", "BOOL", &[2], vec![0, 1]),
        ("layer.1.weight", "F32", &[2], singles(&[7.0, 8.0])),
        ("scale", "F8_E4M3", &[1], vec![0]),
    ]);
    let weights = detect(&bytes, &["*.weight"]).unwrap();
    assert_eq!(weights.describe(), "safetensors F32, 2 of 4 tensors");
    assert_eq!(weights.shape(), None);
    let numbers = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
    assert_eq!(columns(&weights, &bytes, 0, 8, 5), numbers);
    // Read as a whole, what lies between is passed over.
    for ranges in [&[usize::MAX][..], &[1], &[7, 3]] {
        assert_eq!(read(&weights, &bytes, ranges, &[3]).values(), numbers);
    }
    let one = detect(&bytes, &["layer.0.weight"]).unwrap();
    assert_eq!(one.shape(), Some(&[2, 3][..]));
    assert_eq!(one.extents(&(2..4)).unwrap().len(), 1);
    let error = detect(&bytes, &[]).unwrap_err().to_string();
    assert!(error.contains("\"layer.0.mask\" has truth values (BOOL)"), "{error}");
    assert!(error.contains("select !layer.0.mask"), "{error}");
    let error = detect(&bytes, &["!*mask"]).unwrap_err().to_string();
    assert!(error.contains("\"scale\" has numbers of type \"F8_E4M3\""), "{error}");
    let error = detect(&bytes, &["bias"]).unwrap_err().to_string();
    assert!(error.contains("has no tensor \"bias\"; it has \"layer.0.weight\""), "{error}");
}

#[test]
fn tensors_are_matched_by_name_and_what_differs_is_named() {
    let tensor = |name, numbers: &[f32]| -> Written<'_> { (name, "F32", &[2], singles(numbers)) };
    let first = file(&[tensor("a", &[1.0, 2.0]), tensor("b", &[3.0, 4.0])]);
    let second = file(&[tensor("b", &[30.0, 40.0]), tensor("a", &[10.0, 20.0])]);
    let first = detect(&first, &[]).unwrap();
    let other = detect(&second, &[]).unwrap();
    assert_ne!(first.parts_hash(), other.parts_hash(), "another order");
    let other = other.aligned(Some(&first), "first").unwrap();
    assert_eq!(first.parts_hash(), other.parts_hash());
    assert_eq!(columns(&other, &second, 0, 4, 3), [10.0, 20.0, 30.0, 40.0]);
    assert_eq!(columns(&other, &second, 1, 3, 1), [20.0, 30.0]);
    assert_eq!(other.extents(&(0..4)).unwrap().len(), 2);
    for (bytes, words) in [
        (file(&[tensor("a", &[1.0, 2.0])]), "has no tensor \"b\", which first has"),
        (
            file(&[tensor("a", &[1.0; 2]), tensor("b", &[1.0; 2]), tensor("c", &[1.0; 2])]),
            "has the tensor \"c\", which first has not",
        ),
        (
            file(&[tensor("a", &[1.0; 2]), ("b", "F32", &[1, 2], singles(&[1.0; 2]))]),
            "the tensor \"b\" has the shape [1, 2], in first it has [2]",
        ),
        (b"a,b\n1,2\n".to_vec(), "has named columns, and first has tensors"),
        (b"1,2\n".to_vec(), "has no named columns, and first has tensors"),
    ] {
        let other = detect(&bytes, &[]).unwrap();
        let error = other.aligned(Some(&first), "first").unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let table = detect(b"a,b\n1,2\n", &[]).unwrap();
    let error = first.aligned(Some(&table), "t.csv").unwrap_err().to_string();
    assert!(error.contains("has tensors, and t.csv has named columns"), "{error}");
    // Other types are no difference.
    let doubles = |numbers: [f64; 2]| numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    let wide = file(&[("b", "F64", &[2], doubles([5.0, 6.0])), tensor("a", &[7.0, 8.0])]);
    let format = detect(&wide, &[]).unwrap().aligned(Some(&first), "first").unwrap();
    assert_eq!(columns(&format, &wide, 0, 4, 6), [7.0, 8.0, 5.0, 6.0]);
    // As a whole, it cannot be read in the order of the first.
    let error = read_with(format.decoder(wide.len() as u64), &wide, &[9], &[2]).error();
    assert!(error.contains("another order"), "{error}");
}

/// Each file, and what the error says.
#[test]
fn broken_files_are_errors_with_a_position() {
    let whole = file(&[("a", "F32", &[2], singles(&[1.0, 2.0]))]);
    let header = whole.len() - 8;
    let long = |length: u64| [&length.to_le_bytes()[..], &whole[8..]].concat();
    for (bytes, words) in [
        (whole[..header - 1].to_vec(), "of which"),
        (whole[..whole.len() - 1].to_vec(), "byte 69: the tensor \"a\" ends at byte 70"),
        ([&whole[..], b"x"].concat(), "byte 70: too long: 70 bytes expected, 71 found"),
        (long(u64::MAX), "a safetensors header of 18446744073709551615 bytes"),
        (long(1 << 40), "of which 62 are there"),
        (long(header as u64 - 8 - 1), "cannot be understood"),
        (with_header("{}", b""), "no numbers"),
        (with_header("{}", b"abc"), "too long"),
        (with_header("{\"a\": NaN}", b""), "byte 14: a safetensors header"),
        (with_header("{\"a\"", b""), "cannot be understood"),
        (file(&[("a", "X9", &[2], singles(&[1.0, 2.0]))]), "numbers of type \"X9\""),
        (file(&[("a", "F32", &[3], singles(&[1.0, 2.0]))]), "of shape [3] and type F32"),
        (
            file(&[("a", "F32", &[1], singles(&[1.0])), ("a", "F32", &[1], singles(&[1.0]))]),
            "\"a\" is there twice",
        ),
    ] {
        let error = detect(&bytes, &[]).unwrap_err();
        assert!(error.to_string().contains(words), "{error}, where {words} was expected");
    }
    let mut not_text = with_header("{\"aa\": 1}", b"");
    not_text[10] = 0xff;
    let error = detect(&not_text, &[]).unwrap_err();
    assert_eq!((error.byte, error.what.contains("not UTF-8")), (Some(10), true), "{error}");
    // However a file is cut or damaged, there is an error or there are numbers.
    for length in 10..whole.len() {
        assert!(detect(&whole[..length], &[]).is_err(), "{length}");
    }
    for place in 0..whole.len() {
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[place] ^= 1 << bit;
            if let Ok(format) = detect(&damaged, &[]) {
                let _ = read(&format, &damaged, &[usize::MAX], &[usize::MAX]);
            }
        }
    }
    let huge = (1_u64 << 23).to_le_bytes().to_vec();
    let mut huge = [&huge[..], b"{\""].concat();
    huge.resize(9 << 20, b'x');
    let error = detect(&huge, &[]).unwrap_err().to_string();
    assert!(error.contains("of which 4 MiB are read"), "{error}");
}

#[test]
fn a_long_header_is_read_as_a_whole_and_no_more() {
    let names: Vec<String> = (0..3000).map(|index| format!("layers.{index}.weight")).collect();
    let tensors: Vec<Written<'_>> =
        names.iter().map(|name| (name.as_str(), "F32", &[1][..], singles(&[2.0]))).collect();
    let bytes = file(&tensors);
    let format = detect(&bytes, &[]).unwrap();
    assert_eq!(format.columns(0), Some(3000));
    assert_eq!(format.extents(&(0..3000)).unwrap().len(), 1, "all of them lie side by side");
    assert!(format.memory_bytes() > 3000 * 20);
}

/// Tensors of several types and lengths, in some order.
fn tensors() -> impl Strategy<Value = Vec<(String, usize, Vec<u8>)>> {
    let tensor = (0_usize..5, proptest::collection::vec(any::<u8>(), 0..20));
    let tensors = proptest::collection::vec(tensor, 1..12);
    tensors.prop_map(|tensors| {
        let named = tensors.into_iter().enumerate();
        named.map(|(index, (dtype, bytes))| (format!("t{index}"), dtype, bytes)).collect()
    })
}

const DTYPES: [(&str, usize); 5] = [("U8", 1), ("BF16", 2), ("F16", 2), ("F32", 4), ("F64", 8)];

fn write(tensors: &[(String, usize, Vec<u8>)]) -> Vec<u8> {
    let shapes: Vec<[u64; 1]> =
        tensors.iter().map(|(_, dtype, bytes)| [(bytes.len() / DTYPES[*dtype].1) as u64]).collect();
    let written: Vec<Written<'_>> = tensors
        .iter()
        .zip(&shapes)
        .map(|((name, dtype, bytes), shape)| {
            let (word, size) = DTYPES[*dtype];
            (name.as_str(), word, &shape[..], bytes[..bytes.len() / size * size].to_vec())
        })
        .collect();
    file(&written)
}

proptest! {
    #![proptest_config(cases(200))]

    /// Whatever the order of the tensors, and wherever reading begins and ranges are cut:
    /// the numbers are those of the first file.
    #[test]
    fn the_same_numbers_come_in_any_order(
        tensors in tensors(),
        seed: u64,
        cuts in (any::<u64>(), any::<u64>()),
        range in 1_usize..40,
    ) {
        let first = write(&tensors);
        let mut shuffled = tensors;
        let mut state = seed;
        for index in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let other = usize::try_from(state >> 33).unwrap() % (index + 1);
            shuffled.swap(index, other);
        }
        let second = write(&shuffled);
        let Ok(format) = detect(&first, &[]) else {
            // No tensor has a number.
            return Ok(());
        };
        let total = format.columns(0).unwrap();
        let all = columns(&format, &first, 0, total, usize::MAX);
        let other = detect(&second, &[]).unwrap().aligned(Some(&format), "first").unwrap();
        let (one, another) = (cuts.0 % (total + 1), cuts.1 % (total + 1));
        let (from, to) = (one.min(another), one.max(another));
        let bits = |numbers: &[f64]| -> Vec<u64> {
            numbers.iter().map(|x| if x.is_nan() { 0 } else { x.to_bits() }).collect()
        };
        let place = |column| usize::try_from(column).unwrap();
        let expected = bits(&all[place(from)..place(to)]);
        for (format, bytes) in [(&format, &first), (&other, &second)] {
            prop_assert_eq!(bits(&columns(format, bytes, from, to, range)), expected.clone());
        }
    }
}
