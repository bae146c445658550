//! gzip and zstd of the other formats.

use std::io::Write as _;

use flate2::write::GzEncoder;
use proptest::prelude::*;
use protocol::request::RawNumbers;
use summation::{HEAD_BYTES, HEAD_BYTES_MAX};

use crate::binary::npy;
use crate::reading::{cases, check, detect, detect_in_steps, limits, ranges, read};

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory can be written to");
    encoder.finish().expect("memory can be written to")
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
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
        let format = detect(&bytes, None).unwrap();
        assert_eq!(read(&format, &bytes, &[1 << 20], &[10]).values(), [7.0]);
    }
}

/// Bytes that no compression makes shorter.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        noise.extend((state ^ (state >> 33)).to_le_bytes());
    }
    noise.truncate(bytes);
    noise
}

/// An array of 300,000 numbers: of noise, of a wave with noise in its last
/// bits, and of zeros.
fn arrays() -> [Vec<u8>; 3] {
    const COLUMNS: usize = 300_000;
    let random = noise(8 * COLUMNS);
    let wave = random.chunks_exact(8).zip(0..).flat_map(|(noise, column)| {
        let noise = f64::from(u32::from(noise[0])) * 1e-9;
        ((f64::from(column) * 1e-4).sin() + noise).to_le_bytes()
    });
    let arrays = [random.clone(), wave.collect(), vec![0; 8 * COLUMNS]];
    arrays.map(|data| npy(1, "<f8", false, &[300, 1000], &data))
}

#[test]
fn arrays_are_told_whatever_level_they_are_compressed_at() {
    for array in arrays() {
        for level in 1..=19 {
            let bytes = zstd::encode_all(&array[..], level).unwrap();
            let (format, shown) = detect_in_steps(&bytes, None).unwrap();
            assert_eq!(format.describe(), "npy f8, zstd", "level {level}");
            assert_eq!(format.shape(), Some(&[300, 1000][..]));
            assert!(shown <= HEAD_BYTES_MAX);
        }
        for level in 0..=9 {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::new(level));
            encoder.write_all(&array).unwrap();
            let bytes = encoder.finish().unwrap();
            assert_eq!(detect(&bytes, None).unwrap().describe(), "npy f8, gzip", "level {level}");
        }
    }
}

#[test]
fn text_is_told_whatever_level_it_is_compressed_at() {
    let numbers = noise(400_000);
    let numbers: Vec<String> = numbers
        .chunks_exact(8)
        .map(|chunk| (chunk.iter().map(|&byte| f64::from(byte)).product::<f64>() / 7.0).to_string())
        .collect();
    let text = numbers.join("\n");
    for level in 1..=19 {
        let bytes = zstd::encode_all(text.as_bytes(), level).unwrap();
        let (format, shown) = detect_in_steps(&bytes, None).unwrap();
        assert_eq!(format.describe(), "text, zstd", "level {level}");
        let estimate = format.estimate_columns(&bytes[..shown], bytes.len() as u64).unwrap();
        let off = estimate as f64 / numbers.len() as f64;
        assert!((0.5..2.0).contains(&off), "level {level}: {estimate} of {}", numbers.len());
    }
}

#[test]
fn frames_without_numbers_may_come_first() {
    let array = &arrays()[0];
    // As parallel compressors write it: a frame to be skipped, which says how
    // long the next one is.
    let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], &[1, 2, 3, 4]].concat();
    let empty = zstd(b"");
    let gzip_empty = gzip(b"");
    for bytes in [
        [&skipped[..], &zstd(array)].concat(),
        [&empty[..], &zstd(array)].concat(),
        [&skipped[..], &empty, &skipped, &zstd(&array[..50]), &zstd(&array[50..])].concat(),
        [&gzip_empty[..], &gzip(&array[..50]), &gzip(&array[50..])].concat(),
    ] {
        let format = detect(&bytes, None).unwrap();
        assert_eq!(format.columns(bytes.len() as u64), Some(300_000));
        assert!(read(&format, &bytes, &[70_000], &[4096]).end.is_ok());
    }
}

#[test]
fn what_is_not_told_within_the_bound_is_refused() {
    // Nothing but frames to be skipped.
    let skipped = [&[0x50, 0x2a, 0x4d, 0x18][..], &1000_u32.to_le_bytes(), &[7; 1000]].concat();
    let bytes = [skipped.repeat(400), zstd(b"1,2")].concat();
    let error = detect_in_steps(&bytes, None).unwrap_err().to_string();
    assert!(error.contains("holds nothing in its first 262144 bytes"), "{error}");
    // Bare numbers may look like it.
    assert_eq!(detect(&bytes[..16], Some(RawNumbers::F64)).unwrap().describe(), "raw f8");
}

#[test]
fn plain_files_are_told_by_the_first_read() {
    for bytes in [npy(1, "<f8", false, &[100_000], &noise(800_000)), b"1.5,".repeat(100_000)] {
        assert_eq!(detect_in_steps(&bytes, None).unwrap().1, HEAD_BYTES);
    }
}
