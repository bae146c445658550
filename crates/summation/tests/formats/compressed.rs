//! gzip and zstd of the other formats.

use std::io::Write as _;

use flate2::write::GzEncoder;
use proptest::prelude::*;
use protocol::request::RawNumbers;
use summation::Format;

use crate::binary::npy;
use crate::reading::{cases, check, detect, limits, ranges, read};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory can be written to");
    encoder.finish().expect("memory can be written to")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).expect("memory can be written to")
}

/// Both compressions, each also in two parts, one after the other.
fn compressions(bytes: &[u8]) -> [Vec<u8>; 4] {
    let (first, second) = bytes.split_at(bytes.len() / 3);
    [
        gzip(bytes),
        [gzip(first), gzip(second)].concat(),
        zstd(bytes),
        [zstd(first), zstd(second)].concat(),
    ]
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn text_reads_as_it_would_uncompressed(
        numbers in proptest::collection::vec(any::<f64>(), 1..200),
        ranges in ranges(),
        limits in limits(),
    ) {
        let text: Vec<String> = numbers.iter().map(f64::to_string).collect();
        let text = text.join(",");
        let plain = check(text.as_bytes(), None, &ranges, &limits)?;
        for bytes in compressions(text.as_bytes()) {
            prop_assert_eq!(&check(&bytes, None, &ranges, &limits)?, &plain);
        }
    }

    #[test]
    fn so_do_arrays_and_raw_numbers(
        data in proptest::collection::vec(any::<[u8; 8]>(), 1..200),
        ranges in ranges(),
        limits in limits(),
    ) {
        let data = data.concat();
        let array = npy(1, ">i8", true, &[2, data.len() as u64 / 16, 1], &data[..data.len() / 16 * 16]);
        for (plain, raw) in [(array, None), (data, Some(RawNumbers::F64))] {
            let reading = check(&plain, raw, &ranges, &limits)?;
            if reading.end.is_ok() {
                for bytes in compressions(&plain) {
                    prop_assert_eq!(&check(&bytes, raw, &ranges, &limits)?, &reading);
                }
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
        let text = "0.125,3.5\n".repeat(500);
        for mut bytes in [gzip(text.as_bytes()), zstd(text.as_bytes())] {
            let cut = cut.index(bytes.len());
            let place = place.index(bytes.len());
            let short = bytes[..cut].to_vec();
            bytes[place] ^= change;
            for (bytes, is_short) in [(short, true), (bytes, false)] {
                let Ok(format) = detect(&bytes, None) else { continue };
                let whole = read(&format, &bytes, &[usize::MAX], &[usize::MAX]);
                let pieces = read(&format, &bytes, &ranges, &[1000]);
                // How many numbers come before the damage is found may differ.
                prop_assert_eq!(whole.end.is_ok(), pieces.end.is_ok());
                prop_assert!(whole.end.is_err() || (!is_short && whole == pieces));
            }
        }
    }
}

#[test]
fn the_compression_is_told() {
    let array = npy(1, "<f4", false, &[3], &[0; 12]);
    let format = detect(&gzip(&array), None).unwrap();
    assert_eq!(format.describe(), "npy f4, gzip");
    assert_eq!((format.shape(), format.is_seekable()), (Some(&[3][..]), false));
    assert_eq!(detect(&zstd(b"1,2"), None).unwrap().describe(), "text, zstd");
}

#[test]
fn an_error_counts_decompressed_bytes() {
    let bytes = zstd(b"1,2\n3,x");
    let format = detect(&bytes, None).unwrap();
    let error = read(&format, &bytes, &[3], &[9]).error();
    assert!(
        error.contains("line 2, position 3 (byte 6 of the decompressed data): found \"x\""),
        "{error}"
    );
}

#[test]
fn a_short_array_is_an_error_at_its_end() {
    let array = npy(1, "<f8", false, &[3], &[0; 16]);
    for bytes in [gzip(&array), zstd(&array)] {
        let format = detect(&bytes, None).unwrap();
        let error = read(&format, &bytes, &[100], &[9]).error();
        assert!(error.contains("truncated"), "{error}");
    }
}

#[test]
fn data_that_swells_is_read_in_little_memory() {
    // 64 MiB of blanks, then a number.
    let mut text = vec![b' '; 64 << 20];
    text.push(b'7');
    for bytes in [gzip(&text), zstd(&text)] {
        assert!(bytes.len() < text.len() / 100);
        let format = Format::detect(&bytes, bytes.len() as u64, None).unwrap();
        assert_eq!(read(&format, &bytes, &[1 << 20], &[10]).values(), [7.0]);
    }
}
