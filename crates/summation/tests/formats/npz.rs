//! Arrays of .npz files: ZIP archives of .npy files.

use std::io::Write as _;
use std::ops::Range;

use crc32fast::hash;
use flate2::write::DeflateEncoder;
use proptest::prelude::*;
use protocol::request::ReadOptions;
use summation::{Access, Checkpoint, Detection, Format, HEAD_BYTES, InputError, Order, Piece};

use crate::binary::npy;
use crate::reading::{Reading, cases, limits, ranges, read, read_with};

/// How a member is written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Form {
    pub(crate) deflated: bool,
    /// Its sizes are in the extra field of ZIP64, as for members beyond 4 GiB.
    pub(crate) wide: bool,
    /// Its sizes follow it, as in an archive that is written as a stream.
    pub(crate) streamed: bool,
}

/// A ZIP archive of members.
pub(crate) fn zip(members: &[(&str, Form, Vec<u8>)], comment: &[u8], wide: bool) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, form, data) in members {
        let packed = if form.deflated { deflate(data) } else { data.clone() };
        let (method, flags) = (u16::from(form.deflated) * 8, u16::from(form.streamed) * 8);
        let (crc, start) = (hash(data), bytes.len() as u64);
        let sizes = [data.len() as u64, packed.len() as u64];
        let fixed = |wide: bool, unknown: bool| {
            let mut fixed = Vec::new();
            fixed.extend([20u16, flags, method, 0, 0].iter().flat_map(|it| it.to_le_bytes()));
            fixed.extend(if unknown { 0 } else { crc }.to_le_bytes());
            for size in [sizes[1], sizes[0]] {
                let size = if unknown { 0 } else { u32::try_from(size).expect("small") };
                fixed.extend(if wide { u32::MAX } else { size }.to_le_bytes());
            }
            fixed.extend(u16::try_from(name.len()).expect("short").to_le_bytes());
            fixed
        };
        let mut extra = Vec::new();
        if form.wide {
            extra.extend([9u16, 2, 7].iter().flat_map(|it| it.to_le_bytes()));
            extra.extend([1u16, 24].iter().flat_map(|it| it.to_le_bytes()));
            extra.extend([sizes[0], sizes[1], start].iter().flat_map(|it| it.to_le_bytes()));
        }
        bytes.extend(b"PK\x03\x04");
        bytes.extend(fixed(form.wide, form.streamed));
        // NumPy has an extra field here and none in the directory.
        bytes.extend(20u16.to_le_bytes());
        bytes.extend(name.bytes());
        bytes.extend([1, 0, 16, 0]);
        bytes.extend([0; 16]);
        bytes.extend(&packed);
        if form.streamed {
            bytes.extend(b"PK\x07\x08");
            bytes.extend([crc, 1, 1].iter().flat_map(|it| it.to_le_bytes()));
        }
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(fixed(form.wide, false));
        directory.extend(u16::try_from(extra.len()).expect("short").to_le_bytes());
        directory.extend([0; 10]);
        let start = u32::try_from(start).expect("small");
        directory.extend(if form.wide { u32::MAX } else { start }.to_le_bytes());
        directory.extend(name.bytes());
        directory.extend(extra);
    }
    let (start, length) = (bytes.len() as u64, directory.len() as u64);
    let count = members.len() as u64;
    bytes.extend(directory);
    if wide {
        let at = bytes.len() as u64;
        bytes.extend(b"PK\x06\x06");
        bytes.extend(44u64.to_le_bytes());
        bytes.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([count, count, length, start].iter().flat_map(|it| it.to_le_bytes()));
        bytes.extend(b"PK\x06\x07\0\0\0\0");
        bytes.extend(at.to_le_bytes());
        bytes.extend(1u32.to_le_bytes());
    }
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    let short = |number: u64| if wide { u16::MAX } else { u16::try_from(number).expect("few") };
    let small = |number: u64| if wide { u32::MAX } else { u32::try_from(number).expect("small") };
    bytes.extend([short(count), short(count)].iter().flat_map(|it| it.to_le_bytes()));
    bytes.extend([small(length), small(start)].iter().flat_map(|it| it.to_le_bytes()));
    bytes.extend(u16::try_from(comment.len()).expect("short").to_le_bytes());
    bytes.extend(comment);
    bytes
}

fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).expect("memory can be written to");
    encoder.finish().expect("memory can be written to")
}

/// Tells the format of an object, showing what is asked for and no more. Also returns how
/// many bytes were shown.
fn detect(bytes: &[u8], select: &[&str]) -> Result<(Format, usize), InputError> {
    let select = select.iter().map(|&name| name.to_owned()).collect();
    let options = ReadOptions { select, ..ReadOptions::default() };
    let total = bytes.len() as u64;
    let (mut shown, mut others) = (HEAD_BYTES.min(bytes.len()), Vec::new());
    for _ in 0..20 {
        match Format::detect_in(&bytes[..shown], &others, total, &options, &[])? {
            Detection::Format(format) => {
                let more: usize = others.iter().map(|piece: &Piece| piece.bytes.len()).sum();
                return Ok((format, shown + more));
            }
            Detection::Needs(needed) => {
                assert!(needed > shown && shown < bytes.len());
                shown = needed.min(bytes.len());
            }
            Detection::NeedsRanges(ranges) => {
                for Range { start, end } in ranges {
                    assert!(start < end && end <= total, "{start} to {end} of {total}");
                    let place = |byte: u64| usize::try_from(byte).expect("small");
                    others.push(Piece { start, bytes: bytes[place(start)..place(end)].to_vec() });
                }
            }
        }
    }
    panic!("more and more is asked for");
}

/// Reads the bytes that belong to the array.
fn read_own(format: &Format, bytes: &[u8], ranges: &[usize], limits: &[usize]) -> Reading {
    let total = bytes.len() as u64;
    let first = match format.access() {
        Access::Column => format.checkpoint_of(0).expect("it has every column's"),
        Access::Checkpoint | Access::Beginning => Checkpoint::default(),
    };
    let place = |byte: u64| usize::try_from(byte).expect("small");
    let own = place(format.resume_byte(&first))..place(format.end_byte(total));
    let decoder = format.decoder_at(total, first);
    read_with(decoder, &bytes[own], ranges, limits)
}

fn array(numbers: &[f64]) -> Vec<u8> {
    let data: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    npy(1, "<f8", false, &[numbers.len() as u64], &data)
}

fn forms() -> impl Iterator<Item = Form> {
    (0..8).map(|bits| Form {
        deflated: bits & 1 != 0,
        wide: bits & 2 != 0,
        streamed: bits & 4 != 0,
    })
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn arrays_read_as_they_would_alone(
        numbers in proptest::collection::vec(any::<f64>(), 1..3000),
        others in proptest::collection::vec(0usize..9000, 0..3),
        place in 0usize..3,
        comment in 0usize..5000,
        wide: bool,
        ranges in ranges(),
        limits in limits(),
    ) {
        let alone = array(&numbers);
        let plain = Format::detect(&alone, alone.len() as u64, None);
        let Ok(Detection::Format(plain)) = plain else { panic!("an array") };
        let expected = read(&plain, &alone, &[usize::MAX], &[usize::MAX]).values();
        for form in forms() {
            let mut members: Vec<(String, Form, Vec<u8>)> = others
                .iter()
                .enumerate()
                .map(|(index, &length)| (format!("{index}.npy"), form, array(&vec![0.5; length + 1])))
                .collect();
            members.insert(place.min(members.len()), ("x.npy".to_owned(), form, alone.clone()));
            let members: Vec<_> =
                members.iter().map(|(name, form, data)| (&**name, *form, data.clone())).collect();
            let bytes = zip(&members, &vec![b'!'; comment], wide);
            let (format, shown) = detect(&bytes, &["x"]).expect("an array");
            prop_assert!(shown <= 100 << 10, "{} bytes were shown", shown);
            prop_assert_eq!(format.columns(bytes.len() as u64), Some(numbers.len() as u64));
            prop_assert_eq!(format.is_seekable(), !form.deflated);
            let found = read_own(&format, &bytes, &ranges, &limits);
            prop_assert!(found.end.is_ok(), "{:?}", found.end);
            let bits = |numbers: &[f64]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&found.values()), bits(&expected));
            if !form.deflated {
                // From the middle on, and from the first byte of the object.
                let middle = numbers.len() as u64 / 2;
                let checkpoint = format.checkpoint_of(middle).expect("seekable");
                let start = usize::try_from(checkpoint.byte).expect("small");
                let decoder = format.decoder_at(bytes.len() as u64, checkpoint);
                let end = usize::try_from(format.end_byte(bytes.len() as u64)).expect("small");
                let found = read_with(decoder, &bytes[start..end], &ranges, &limits);
                let half = &expected[numbers.len() / 2..];
                prop_assert_eq!(bits(&found.values()), bits(half));
                let found = read(&format, &bytes, &ranges, &limits);
                prop_assert_eq!(bits(&found.values()), bits(&expected));
            }
        }
    }

    #[test]
    fn damage_is_an_error_or_does_no_harm(
        place: prop::sample::Index,
        change in 1u8..,
        cut: prop::sample::Index,
        ranges in ranges(),
    ) {
        let numbers: Vec<f64> = (0..700).map(f64::from).collect();
        for form in forms() {
            let sound = zip(&[("x.npy", form, array(&numbers))], b"", form.wide);
            let mut bytes = sound.clone();
            let place = place.index(bytes.len());
            bytes[place] ^= change;
            for bytes in [&bytes[..], &sound[..cut.index(sound.len())]] {
                let Ok((format, _)) = detect(bytes, &[]) else { continue };
                let found = read_own(&format, bytes, &ranges, &[usize::MAX]);
                if found.end.is_ok() {
                    prop_assert_eq!(found.values(), numbers.clone(), "byte {}", place);
                }
            }
        }
    }
}

#[test]
fn shapes_orders_and_types_are_those_of_the_array() {
    let data: Vec<u8> = (0..6_i32).flat_map(i32::to_be_bytes).collect();
    for form in forms() {
        let member = npy(2, ">i4", true, &[2, 3], &data);
        let bytes = zip(&[("a/b.npy", form, member), ("c.txt", form, b"1".to_vec())], b"", false);
        let (format, _) = detect(&bytes, &[]).unwrap();
        assert_eq!(format.shape(), Some(&[2, 3][..]));
        assert_eq!(format.order(), Order::Fortran);
        let words = "npy i4 big-endian Fortran order, array \"a/b\" of npz";
        assert!(format.describe().starts_with(words), "{}", format.describe());
        assert_eq!(format.describe().ends_with("deflate"), form.deflated);
        let found = read_own(&format, &bytes, &[7], &[4]);
        assert_eq!(found.values(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    }
}

#[test]
fn arrays_are_selected_by_name_pattern_or_number() {
    let members = ["first", "second", "third"]
        .map(|name| (name, Form::default(), array(&[name.len() as f64])));
    let names = members.each_ref().map(|(name, ..)| format!("{name}.npy"));
    let members: Vec<_> = members
        .iter()
        .zip(&names)
        .map(|((_, form, data), name)| (&**name, *form, data.clone()))
        .collect();
    let bytes = zip(&members, b"", false);
    for (select, expected) in [("second", 6.0), ("th*", 5.0), ("1", 5.0), ("!*ir*", 6.0)] {
        let (format, _) = detect(&bytes, &[select]).unwrap();
        assert_eq!(read_own(&format, &bytes, &[usize::MAX], &[9]).values(), [expected], "{select}");
    }
    for (select, words) in [
        (&[][..], "has 3 arrays: \"first\", \"second\", \"third\""),
        (&["*ir*"], "has 2 arrays that are selected"),
        (&["fourth"], "has no array \"fourth\"; it has \"first\""),
    ] {
        let error = detect(&bytes, select).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn what_cannot_be_read_is_told_with_the_array_and_the_byte() {
    let numbers: Vec<f64> = (0..2000).map(|x| f64::from(x) * 0.1).collect();
    let member = |form| [("x.npy", form, array(&numbers))];
    let stored = zip(&member(Form::default()), b"", false);
    let deflated = zip(&member(Form { deflated: true, ..Form::default() }), b"", false);
    let directory = stored.windows(4).rposition(|word| word == b"PK\x01\x02").unwrap();
    let changed = |bytes: &[u8], place: usize, to: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[place..place + to.len()].copy_from_slice(to);
        bytes
    };
    let end = stored.len() - 22;
    for (bytes, words) in [
        (stored[..stored.len() - 1].to_vec(), "without the end of its directory"),
        (stored[..100].to_vec(), "byte 100: a zip archive without the end"),
        (changed(&stored, end + 4, &[1]), "one of several parts"),
        (changed(&stored, end + 18, &[1]), "a directory that reaches beyond its end"),
        (changed(&stored, end + 10, &[2, 0]), "one of several parts"),
        (changed(&stored, end + 8, &[2, 0, 2, 0]), "fewer members than it says"),
        (changed(&stored, end + 8, &[0, 0, 0, 0]), "bytes behind its last member"),
        (changed(&stored, directory, b"PK\x01\x03"), "something else than a member"),
        (changed(&stored, directory + 8, &[1]), "the array \"x\": it is encrypted"),
        (changed(&stored, directory + 10, &[12]), "\"x\": it is compressed by method 12"),
        (changed(&stored, directory + 24, &[0]), "\"x\": 15872 bytes, stored as"),
        (changed(&stored, directory + 42, &[9]), "a local header that differs"),
        (changed(&stored, directory + 45, &[9]), "a member that lies behind the directory"),
        (changed(&stored, directory + 46, b"y"), "a local header that differs"),
        (changed(&stored, directory + 46, b"\xff"), "a name that is not UTF-8"),
        (zip(&[("x.npy", Form::default(), b"1,2,3".to_vec())], b"", false), "\"x\": no .npy file"),
        (zip(&[("x.txt", Form::default(), b"1".to_vec())], b"", false), "without .npy files"),
        (zip(&[], b"", false), "without .npy files"),
        (changed(&deflated, 55, &[0xff]), "\"x\": its compressed data is damaged"),
    ] {
        let error = detect(&bytes, &[]).unwrap_err().to_string();
        assert!(error.contains(words), "{error}, where {words} was expected");
    }
    // Bytes of numbers, which only the checksum finds, and the checksum itself.
    for bytes in [
        changed(&stored, 9000, &[7]),
        changed(&stored, directory + 16, &[0, 1, 2, 3]),
        changed(&deflated, deflated.len() - 22 - 51 + 16, &[0, 1, 2, 3]),
    ] {
        let (format, _) = detect(&bytes, &[]).unwrap();
        let error = read_own(&format, &bytes, &[5000], &[1024]).error();
        assert!(error.contains("the array \"x\": its CRC-32 is"), "{error}");
    }
    let error = detect(&gzip(&stored), &[]).unwrap_err().to_string();
    assert!(error.contains("a compressed zip archive"), "{error}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory can be written to");
    encoder.finish().expect("memory can be written to")
}
