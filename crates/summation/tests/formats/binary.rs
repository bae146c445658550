//! Numbers of fixed size.

use proptest::prelude::*;
use protocol::request::RawNumbers;
use summation::Order;

use crate::reading::{cases, check, detect, limits, ranges, read};

/// A .npy file of elements of a type, given as bytes.
pub(crate) fn npy(version: u8, descr: &str, fortran: bool, shape: &[u64], data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let lengths: Vec<String> = shape.iter().map(u64::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    let text = format!(
        "{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({}{comma}), }}\n",
        lengths.join(", ")
    );
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    if version == 1 {
        bytes.extend(length.to_le_bytes());
    } else {
        bytes.extend(u32::from(length).to_le_bytes());
    }
    bytes.extend(text.bytes());
    bytes.extend(data);
    bytes
}

/// A type's name and how to read an element as value and rest, independently.
type Reader = fn(&[u8]) -> (f64, f64);

fn integer(wide: i128) -> (f64, f64) {
    #[expect(clippy::cast_possible_truncation, reason = "an integer of at most 64 bits")]
    fn rest(wide: i128) -> f64 {
        (wide - (wide as f64) as i128) as f64
    }
    (wide as f64, rest(wide))
}

fn element<const N: usize>(bytes: &[u8]) -> [u8; N] {
    std::array::from_fn(|index| bytes[index])
}

const TYPES: [(&str, usize, Reader); 12] = [
    ("b1", 1, |e| (f64::from(e[0].min(1)), 0.0)),
    ("i1", 1, |e| integer(i8::from_le_bytes(element(e)).into())),
    ("i2", 2, |e| integer(i16::from_le_bytes(element(e)).into())),
    ("i4", 4, |e| integer(i32::from_le_bytes(element(e)).into())),
    ("i8", 8, |e| integer(i64::from_le_bytes(element(e)).into())),
    ("u1", 1, |e| integer(u8::from_le_bytes(element(e)).into())),
    ("u2", 2, |e| integer(u16::from_le_bytes(element(e)).into())),
    ("u4", 4, |e| integer(u32::from_le_bytes(element(e)).into())),
    ("u8", 8, |e| integer(u64::from_le_bytes(element(e)).into())),
    ("f2", 2, |e| (half(u16::from_le_bytes(element(e))), 0.0)),
    ("f4", 4, |e| (f32::from_le_bytes(element(e)).into(), 0.0)),
    ("f8", 8, |e| (f64::from_le_bytes(element(e)), 0.0)),
];

fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let fraction = f64::from(bits & 1023);
    sign * match bits >> 10 & 31 {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (1024.0 + fraction) * 2f64.powi(i32::from(exponent) - 25),
    }
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn every_type_in_both_byte_orders(
        kind in 0..TYPES.len(),
        version in 1u8..4,
        big_endian: bool,
        fortran: bool,
        data in proptest::collection::vec(any::<u8>(), 8..400),
        ranges in ranges(),
        limits in limits(),
    ) {
        let (name, size, reader) = TYPES[kind];
        let columns = data.len() / size;
        let data = &data[..columns * size];
        let order = if size == 1 { '|' } else if big_endian { '>' } else { '<' };
        let bytes = npy(version, &format!("{order}{name}"), fortran, &[1, columns as u64], data);
        let reading = check(&bytes, None, &ranges, &limits)?;
        prop_assert!(reading.end.is_ok(), "{}", reading.error());
        let expected: Vec<(u64, u64)> = data
            .chunks_exact(size)
            .map(|element| {
                let mut element = element.to_vec();
                if big_endian {
                    element.reverse();
                }
                let (value, rest) = reader(&element);
                (if value.is_nan() { f64::NAN } else { value }.to_bits(), rest.to_bits())
            })
            .collect();
        prop_assert_eq!(reading.numbers, expected);
    }

    #[test]
    fn raw_numbers(data in proptest::collection::vec(any::<u8>(), 0..200), single: bool, ranges in ranges(), limits in limits()) {
        let (raw, size) = if single { (RawNumbers::F32, 4) } else { (RawNumbers::F64, 8) };
        let reading = check(&data, Some(raw), &ranges, &limits)?;
        let is_whole = !data.is_empty() && data.len().is_multiple_of(size);
        prop_assert_eq!(reading.end.is_ok(), is_whole);
        prop_assert_eq!(reading.numbers.len(), if is_whole { data.len() / size } else { 0 });
    }

    #[test]
    fn damaged_headers_are_errors_or_headers(place: prop::sample::Index, change in 1u8.., ranges in ranges()) {
        let mut bytes = npy(1, "<f8", false, &[2, 3], &[7; 48]);
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        check(&bytes, None, &ranges, &[5])?;
    }
}

#[test]
fn shape_and_order_are_told() {
    let bytes = npy(1, "<f8", true, &[2, 3], &[0; 48]);
    let format = detect(&bytes, None).unwrap();
    assert_eq!(format.shape(), Some(&[2, 3][..]));
    assert!(format.order().is_fortran() && format.is_seekable());
    assert!(format.transposition(Order::Fortran).is_none());
    assert!(format.transposition(Order::C).is_some());
    assert_eq!(format.columns(bytes.len() as u64), Some(6));
    assert_eq!(format.offset_of(6), Some(bytes.len() as u64));
    assert_eq!(format.describe(), "npy f8 Fortran order");
}

#[test]
fn a_truncated_file_is_told_with_both_lengths() {
    let bytes = npy(1, "<f8", false, &[10], &[0; 79]);
    let error = detect(&bytes, None).unwrap_err().to_string();
    let words = format!("truncated: {} bytes expected, {} found", bytes.len() + 1, bytes.len());
    assert!(error.contains(&words), "{error}");
    // Or while it is read, if it changed since.
    let whole = npy(1, "<f8", false, &[10], &[0; 80]);
    let format = detect(&whole, None).unwrap();
    assert!(read(&format, &bytes, &[16], &[100]).error().contains(&words));
    let longer = [&whole[..], &[0]].concat();
    assert!(detect(&longer, None).unwrap_err().to_string().contains("too long"));
}

#[test]
fn arrays_of_one_size_must_have_one_shape() {
    let array = |shape: &[u64]| {
        let count = usize::try_from(shape.iter().product::<u64>()).unwrap();
        detect(&npy(1, "<f8", false, shape, &vec![0; 8 * count]), None).unwrap()
    };
    let reference = array(&[2, 3]);
    let error = array(&[3, 2]).check_shape(&reference, "a.npy").unwrap_err().to_string();
    assert!(error.contains("the shape is 3 × 2, and that of a.npy is 2 × 3"), "{error}");
    assert!(array(&[6]).check_shape(&reference, "a.npy").is_err());
    // Dimensions of length 1 do not count, and different sizes are found by the lengths.
    for shape in [&[2, 3][..], &[1, 2, 1, 3], &[3, 3]] {
        assert!(array(shape).check_shape(&reference, "a.npy").is_ok(), "{shape:?}");
    }
    let text = detect(b"1,2,3,4,5,6", None).unwrap();
    assert!(text.check_shape(&reference, "a.npy").is_ok());
    assert!(reference.check_shape(&text, "a.csv").is_ok());
}

#[test]
fn an_empty_array_has_no_numbers() {
    let bytes = npy(1, "<f8", false, &[3, 0], &[]);
    assert!(detect(&bytes, None).unwrap_err().to_string().contains("no numbers"));
}

#[test]
fn a_single_number_has_an_empty_shape() {
    let bytes = npy(2, "<f4", false, &[], &1.5f32.to_le_bytes());
    let format = detect(&bytes, None).unwrap();
    assert_eq!(format.shape(), Some(&[][..]));
    assert_eq!(read(&format, &bytes, &[3], &[1]).values(), [1.5]);
}

#[test]
fn raw_numbers_do_not_say_their_shape() {
    let format = detect(&[0; 12], Some(RawNumbers::F32)).unwrap();
    assert_eq!((format.shape(), format.columns(12)), (None, Some(3)));
    assert_eq!(format.describe(), "raw f4");
}

#[test]
fn every_raw_half_is_converted_by_its_definition() {
    let data: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    // The bits of the exponent and of the fraction.
    for (raw, words, exponent_bits, fraction_bits) in
        [(RawNumbers::F16, "raw f2", 5, 10), (RawNumbers::Bf16, "raw bf16", 8, 7)]
    {
        let format = detect(&data, Some(raw)).unwrap();
        assert_eq!((format.describe(), format.columns(131_072)), (words.to_owned(), Some(65_536)));
        let found = read(&format, &data, &[999], &[100]).values();
        let most = (1 << exponent_bits) - 1;
        let bias = most / 2;
        for (bits, found) in (0..=u16::MAX).zip(found) {
            let exponent = i32::from(bits >> fraction_bits) & most;
            let fraction = f64::from(bits & ((1 << fraction_bits) - 1)) / 2f64.powi(fraction_bits);
            let magnitude = match exponent {
                0 => fraction * 2f64.powi(1 - bias),
                _ if exponent == most && fraction == 0.0 => f64::INFINITY,
                _ if exponent == most => f64::NAN,
                _ => (1.0 + fraction) * 2f64.powi(exponent - bias),
            };
            let expected = if bits >> 15 == 1 { -magnitude } else { magnitude };
            assert!(found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan());
        }
    }
    let error = detect(&data[..5], Some(RawNumbers::Bf16)).unwrap_err().to_string();
    assert!(error.contains("5 bytes, which is no whole number of 2 bytes each"), "{error}");
}
