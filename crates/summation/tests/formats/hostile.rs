//! A corpus of hostile objects, and the error that each must give: every format cut at every
//! byte, headers that ask for more memory than there is, and text in other encodings.

use std::collections::BTreeSet;

use protocol::request::ReadOptions;
use summation::{Access, Block, Checkpoint, Format, HEAD_BYTES, InputError};

use crate::binary::npy;
use crate::classic_files::climate;
use crate::compressed::{gzip, zstd};
use crate::netcdf::detect_with;
use crate::npz::{Form, zip};
use crate::reading::read_with;
use crate::safetensors::{file, singles};

/// All numbers of an object, read as workers read it; what lies beyond its end is an error.
fn numbers(bytes: &[u8]) -> Result<usize, InputError> {
    let format = detect_with(bytes, &ReadOptions::default())?;
    let total = bytes.len() as u64;
    let place = |byte: u64| usize::try_from(byte).expect("in memory");
    let columns = format.columns(total);
    let Some(extents) = columns.and_then(|columns| format.extents(&(0..columns))) else {
        return read_own(&format, bytes);
    };
    let mut wanted = Vec::new();
    for extent in extents {
        let own = bytes.get(place(extent.start)..place(extent.end));
        wanted.extend(own.expect("the format was told although numbers are beyond the end"));
    }
    let first = format.checkpoint_of(0).expect("it has every column's");
    let mut decoder = format.decoder_at(total, first);
    let (mut block, mut used) = (Block::default(), 0);
    while !decoder.has_ended() {
        used += decoder.decode(&wanted[used..], true, usize::MAX, &mut block)?;
    }
    Ok(block.len())
}

/// The same of a format that is read from its beginning to its end.
fn read_own(format: &Format, bytes: &[u8]) -> Result<usize, InputError> {
    let total = bytes.len() as u64;
    let first = match format.access() {
        Access::Column => format.checkpoint_of(0).expect("it has every column's"),
        Access::Checkpoint | Access::Beginning => Checkpoint::default(),
    };
    let place = |byte: u64| usize::try_from(byte).expect("in memory");
    let own = place(format.resume_byte(&first))..place(format.end_byte(total));
    let reading =
        read_with(format.decoder_at(total, first), &bytes[own], &[usize::MAX], &[usize::MAX]);
    reading.end.map(|_| reading.numbers.len())
}

fn doubles(count: u8) -> Vec<u8> {
    (0..count).flat_map(|number| f64::from(number).to_le_bytes()).collect()
}

/// What objects say of which nearly nothing is left: they are text without numbers.
const EMPTY: &str = "no numbers in it";
/// What objects say of which less is left than tells a format.
const UNKNOWN: &str = "neither text nor any other format known here";
const GZIP: &str = "the gzip data is damaged or truncated";
const ZSTD: &str = "the zstd data is truncated";
const NPY: [&str; 3] = [EMPTY, "a .npy file that ends within its header", "truncated: "];
const NPZ: [&str; 3] = [EMPTY, UNKNOWN, "a zip archive without the end of its directory"];
const NETCDF: [&str; 3] = [EMPTY, "a NetCDF file that ends within its header", "but the file has"];

/// An object of each format that says how long it is, and what it says wherever it is cut.
fn corpus() -> Vec<(&'static str, Vec<u8>, &'static [&'static str])> {
    let array = |version: u8| npy(version, "<f8", false, &[3, 2], &doubles(6));
    let plain = Form::default();
    let deflated = Form { deflated: true, ..Form::default() };
    let streamed = Form { deflated: true, streamed: true, ..Form::default() };
    let archive = |form: Form, wide: bool| zip(&[("a.npy", form, array(1))], b"", wide);
    let model = file(&[("weights", "F32", &[6], singles(&[1.0; 6]))]);
    vec![
        ("npy 1", array(1), &NPY),
        ("npy 2", array(2), &NPY),
        ("npy 3", array(3), &NPY),
        ("npy in gzip", gzip(&array(1)), &[EMPTY, UNKNOWN, NPY[1], GZIP]),
        ("npy in zstd", zstd(&array(1)), &[EMPTY, ZSTD]),
        ("text in gzip", gzip(b"1,2,3,4,5,6"), &[EMPTY, UNKNOWN, GZIP]),
        ("text in zstd", zstd(b"1,2,3,4,5,6"), &[EMPTY, ZSTD]),
        ("npz", archive(plain, false), &NPZ),
        ("npz, deflated", archive(deflated, false), &NPZ),
        ("npz, streamed", archive(streamed, false), &NPZ),
        ("npz, ZIP64", archive(plain, true), &NPZ),
        ("safetensors", model, &[EMPTY, UNKNOWN, "are there", "ends at byte 93, but the file has"]),
        ("NetCDF 1", climate(1).bytes(), &NETCDF),
        ("NetCDF 2", climate(2).bytes(), &NETCDF),
        ("NetCDF 5", climate(5).bytes(), &NETCDF),
    ]
}

#[test]
fn an_object_that_is_cut_anywhere_is_an_error_that_says_so() {
    for (name, whole, expected) in corpus() {
        assert!(numbers(&whole).is_ok_and(|count| count > 0), "{name}: {:?}", numbers(&whole));
        let mut said = BTreeSet::new();
        for length in 0..whole.len() {
            let error = match numbers(&whole[..length]) {
                Ok(count) => panic!("{name}: {length} of {} bytes give {count}", whole.len()),
                Err(error) => error.to_string(),
            };
            let found = expected.iter().find(|words| error.contains(**words));
            said.insert(*found.unwrap_or_else(|| panic!("{name}, {length} bytes: {error}")));
        }
        assert_eq!(said, expected.iter().copied().collect(), "{name}");
    }
}

#[test]
fn a_header_that_asks_for_memory_gets_none() {
    let many = |count: u64| npy(1, "<f8", false, &[count], &[0; 80]);
    let long = [b"\x93NUMPY\x02\x00", &u32::MAX.to_le_bytes()[..], b"{'descr'"].concat();
    // A frame of one block whose window is as large as a descriptor can say.
    let window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xff, 0x01, 0x00, 0x00];
    for (bytes, words) in [
        (many(1 << 40), "truncated: "),
        (many(u64::MAX), "shape"),
        (long, "a .npy header of 4294967295 bytes"),
        (window.to_vec(), "zstd"),
        ([&u64::MAX.to_le_bytes()[..], b"{\"a\""].concat(), "a safetensors header of"),
    ] {
        let error = numbers(&bytes).expect_err("hostile").to_string();
        assert!(error.contains(words), "{error}, where {words} was expected");
    }
}

/// What lies beyond the first bytes is not looked at, so the object need not be there.
#[test]
fn a_safetensors_header_that_is_there_is_not_read_if_it_is_too_long() {
    let length = 100_u64 << 20;
    let head = [&length.to_le_bytes()[..], b"{\"a\"", &[b' '; HEAD_BYTES - 12]].concat();
    let error = Format::detect(&head, 1 << 40, None).expect_err("hostile").to_string();
    assert!(error.contains("byte 0: a safetensors header of 104857600 bytes"), "{error}");
    assert!(error.contains("save it in several files"), "{error}");
}

#[test]
fn tensors_that_overlap_are_an_error_with_both_and_a_position() {
    let one = |name: &str, from: u8, to: u8| {
        format!(r#""{name}":{{"dtype":"F32","shape":[2],"data_offsets":[{from},{to}]}}"#)
    };
    let header = format!("{{{},{}}}", one("a", 0, 8), one("b", 4, 12));
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend([0; 12]);
    let error = numbers(&bytes).expect_err("hostile").to_string();
    let byte = 8 + header.len() + 4;
    assert!(error.contains(&format!("byte {byte}: the tensor \"b\" overlaps")), "{error}");
}

/// The place of a member was added to without looking whether that has a sum.
#[test]
fn a_member_at_the_end_of_all_places_is_outside_of_its_archive() {
    let array = npy(1, "<f8", false, &[6], &doubles(6));
    let wide = Form { wide: true, ..Form::default() };
    let mut bytes = zip(&[("a.npy", wide, array)], b"", false);
    let extra = [1, 0, 24, 0];
    let place = bytes.windows(4).rposition(|four| four == extra).expect("its extra field");
    bytes[place + 20..place + 28].copy_from_slice(&(u64::MAX - 7).to_le_bytes());
    let error = numbers(&bytes).expect_err("hostile").to_string();
    assert!(error.contains("a member that lies behind the directory"), "{error}");
}

#[test]
fn text_in_another_encoding_is_named_or_refused() {
    let wide = |order: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
        format!("{mark}1,2\n3,4\n").encode_utf16().flat_map(order).collect()
    };
    for (bytes, words) in [
        (wide(u16::to_le_bytes, "\u{feff}"), "UTF-16"),
        (wide(u16::to_be_bytes, "\u{feff}"), "UTF-16"),
        (wide(u16::to_le_bytes, ""), UNKNOWN),
        (wide(u16::to_be_bytes, ""), UNKNOWN),
        (b"1,2\n3,\x80\n".to_vec(), "where a number was expected"),
        ("1,2\n3,\u{663}\n".as_bytes().to_vec(), "where a number was expected"),
    ] {
        let error = numbers(&bytes).expect_err("another encoding").to_string();
        assert!(error.contains(words), "{error}, where {words} was expected");
    }
}
