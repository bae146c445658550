//! NetCDF-4 files, which are HDF5: `files/netcdf4.nc` is written by netCDF4-python, with
//! groups, many attributes, and numbers in chunks of several forms; `files/latest.h5` by h5py
//! with `libver="latest"`, with an index of chunks of every form that this has.

use protocol::request::{Dtype, Missing};
use summation::output::TypedFile;
use summation::{Block, Format, InputError, PartialSum};

use crate::netcdf::{detect_with, options};

const FILE: &[u8] = include_bytes!("files/netcdf4.nc");
const LATEST: &[u8] = include_bytes!("files/latest.h5");

/// The variables of `LATEST`, with their lengths: those of `ea` are in an extensible array, of
/// `bt2` in a tree of version 2, of `fa` in a fixed array. All may become larger.
const VARIABLES: [(&str, u64); 5] =
    [("ea", 600), ("ea_inner", 360), ("bt2", 600), ("fa", 30), ("fa_pages", 900)];

fn detect(bytes: &[u8], entries: &[&str]) -> Result<Format, InputError> {
    detect_with(bytes, &options(entries, None))
}

/// The values of some columns, by the extents that hold them, in ranges of so many bytes.
fn columns(
    format: &Format,
    bytes: &[u8],
    (from, to): (u64, u64),
    range: usize,
) -> Result<Vec<f64>, InputError> {
    let place = |byte: u64| usize::try_from(byte).expect("in memory");
    let extents = format.extents(&(from..to)).expect("variables have extents");
    let wanted: Vec<u8> =
        extents.iter().flat_map(|e| bytes[place(e.start)..place(e.end)].to_vec()).collect();
    let checkpoint = format.checkpoint_of(from).expect("seekable");
    let mut decoder = format.decoder_at(bytes.len() as u64, checkpoint);
    let (mut block, mut used) = (Block::default(), 0_usize);
    while decoder.checkpoint().column < to {
        let before = (used, block.len());
        let end = wanted.len().min(used.saturating_add(range));
        let limit = place(to - decoder.checkpoint().column).min(7);
        used += decoder.decode(&wanted[used..end], false, limit, &mut block)?;
        assert!(before != (used, block.len()) || used < end, "it goes on");
    }
    Ok(block.values().to_vec())
}

fn numbers(count: u8, value: impl Fn(f64) -> f64) -> Vec<f64> {
    (0..count).map(|number| value(f64::from(number))).collect()
}

#[test]
fn variables_are_read_whatever_their_form() {
    let format = detect(FILE, &[]).unwrap();
    let scalars: Vec<String> = (0..9).map(|index| format!("s{index}")).collect();
    let mut names = vec!["plain".to_owned()];
    names.extend(scalars);
    names.extend(["g/inner", "tas", "pr"].map(str::to_owned));
    assert_eq!(format.names().unwrap(), names);
    assert_eq!(format.describe(), "netcdf-4 of several types, 13 of 16 variables");
    let expected = [
        numbers(20, |x| x),
        numbers(9, |x| x),
        numbers(4, |x| x + 1.0),
        numbers(60, |x| x),
        numbers(60, |x| x * 0.5 + 1.0),
    ]
    .concat();
    let total = format.columns(0).unwrap();
    for range in [1, 50, usize::MAX] {
        assert_eq!(columns(&format, FILE, (0, total), range).unwrap(), expected);
    }
    for from in (0..total).step_by(7) {
        for to in (from..=total).step_by(11) {
            let place = |column| usize::try_from(column).unwrap();
            let some = columns(&format, FILE, (from, to), 64).unwrap();
            assert_eq!(some, expected[place(from)..place(to)], "{from} to {to}");
        }
    }
    let one = detect(FILE, &["g/*"]).unwrap();
    assert_eq!(columns(&one, FILE, (0, 4), 9).unwrap(), [1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn a_result_has_the_coordinates_and_attributes() {
    let format = detect(FILE, &["tas", "pr"]).unwrap();
    let total = format.columns(0).unwrap();
    let values = columns(&format, FILE, (0, total), usize::MAX).unwrap();
    let mut sum = PartialSum::with_missing(values.len(), &[], Missing::Propagate);
    sum.add_numbers(0, &values);
    sum.count_objects(1);
    let template = format.netcdf_template().unwrap();
    let file = TypedFile::netcdf(&template, Dtype::F64, None, "averaged").unwrap();
    let mut bytes = file.header().to_vec();
    file.put(0, &sum, &sum.mean(), &mut bytes);
    assert_eq!(bytes.len() as u64, file.bytes());
    let result = detect(&bytes, &["tas", "pr"]).unwrap();
    // Its coordinates are the same, or this would fail.
    let result = result.aligned(Some(&format), "first").unwrap();
    assert_eq!(columns(&result, &bytes, (0, total), 100).unwrap(), values);
    assert!(String::from_utf8_lossy(&bytes).contains("averaged\nmade for a test"));
}

#[test]
fn broken_files_are_errors() {
    for length in (8..FILE.len()).step_by(13) {
        let Err(error) = detect(&FILE[..length], &[]) else {
            continue;
        };
        assert!(error.byte.is_some(), "{length}: {error}");
    }
    let mut refused = 0;
    for place in (0..FILE.len()).step_by(3) {
        let mut damaged = FILE.to_vec();
        damaged[place] ^= 1 << (place % 8);
        match detect(&damaged, &[]) {
            Ok(format) => {
                let total = format.columns(0).unwrap().min(1000);
                if columns(&format, &damaged, (0, total), usize::MAX).is_err() {
                    refused += 1;
                }
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 100, "{refused}");
    // The checksum of each chunk of temperatures is verified.
    let format = detect(FILE, &["tas"]).unwrap();
    for extent in format.extents(&(0..60)).unwrap() {
        let place = usize::try_from(extent.start + 3).unwrap();
        let mut damaged = FILE.to_vec();
        damaged[place] ^= 4;
        let format = detect(&damaged, &["tas"]).unwrap();
        let error = columns(&format, &damaged, (0, 60), usize::MAX).unwrap_err();
        assert!(error.to_string().contains("\"tas\": an HDF5 file with a chunk that"), "{error}");
        assert!(error.byte.is_some());
    }
}

#[test]
fn chunks_are_found_by_every_index() {
    for (name, length) in VARIABLES {
        let format = detect(LATEST, &[name]).unwrap();
        assert_eq!(format.columns(0), Some(length), "{name}");
        let place = |number: u32| f64::from(number % 1000);
        let expected: Vec<f64> = (0..u32::try_from(length).unwrap()).map(place).collect();
        for range in [40, usize::MAX] {
            let found = columns(&format, LATEST, (0, length), range).unwrap();
            assert!(found == expected, "{name}: {found:?}");
        }
        let some = columns(&format, LATEST, (length / 2, length / 2 + 9), 50).unwrap();
        let from = usize::try_from(length / 2).unwrap();
        assert_eq!(some, expected[from..from + 9], "{name}");
    }
}

#[test]
fn texts_of_any_length_are_kept_in_attributes() {
    let format = detect(LATEST, &["fa"]).unwrap();
    let template = format.netcdf_template().unwrap();
    let file = TypedFile::netcdf(&template, Dtype::F64, None, "averaged").unwrap();
    let header = String::from_utf8_lossy(file.header()).into_owned();
    for text in ["Wärme, of any length", "a b c"] {
        assert!(header.contains(text), "{header}");
    }
    assert_eq!(format.variables().unwrap()[0].name(), "fa");
}

/// Bytes that describe the numbers are damaged in turn: what is read then is the same, or it is
/// an error with a position.
#[test]
fn damage_is_noticed_by_checksums() {
    let mut seen = 0;
    for (name, length) in VARIABLES {
        let format = detect(LATEST, &[name]).unwrap();
        let expected = columns(&format, LATEST, (0, length), usize::MAX).unwrap();
        let data: Vec<std::ops::Range<u64>> = format.extents(&(0..length)).unwrap();
        for place in (0..LATEST.len()).step_by(397) {
            if data.iter().any(|extent| extent.contains(&(place as u64))) {
                continue;
            }
            let mut damaged = LATEST.to_vec();
            damaged[place] ^= 1 << (place % 8);
            let read = detect(&damaged, &[name])
                .and_then(|format| columns(&format, &damaged, (0, length), usize::MAX));
            match read {
                Ok(found) => assert!(found == expected, "{name}: byte {place}"),
                Err(error) => {
                    assert!(error.byte.is_some(), "{name}: byte {place}: {error}");
                    seen += usize::from(error.to_string().contains("another checksum"));
                }
            }
        }
    }
    assert!(seen > 20, "{seen}");
}
