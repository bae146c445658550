//! Reading a whole object, in one range or in many.

use proptest::prelude::*;
use protocol::request::{RawNumbers, ReadOptions};
use summation::{Block, Checkpoint, Decoder, Detection, Format, HEAD_BYTES, InputError};

/// All that a decoder makes of an object: its numbers with what rounding left
/// of them, and the error or the last checkpoint.
#[derive(Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) numbers: Vec<(u64, u64)>,
    pub(crate) end: Result<Checkpoint, InputError>,
}

impl Reading {
    pub(crate) fn values(&self) -> Vec<f64> {
        self.numbers.iter().map(|&(value, _)| f64::from_bits(value)).collect()
    }

    pub(crate) fn error(&self) -> String {
        match &self.end {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    }
}

/// Tells the format, showing as many bytes as are asked for.
pub(crate) fn detect(bytes: &[u8], raw: Option<RawNumbers>) -> Result<Format, InputError> {
    detect_in_steps(bytes, raw).map(|(format, _)| format)
}

/// The same of an object that is to be read as the options say.
pub(crate) fn detect_with(bytes: &[u8], options: &ReadOptions) -> Result<Format, InputError> {
    detect_with_in_steps(bytes, options).map(|(format, _)| format)
}

/// The same, and how many bytes were shown.
pub(crate) fn detect_in_steps(
    bytes: &[u8],
    raw: Option<RawNumbers>,
) -> Result<(Format, usize), InputError> {
    detect_with_in_steps(bytes, &ReadOptions { raw, ..ReadOptions::default() })
}

fn detect_with_in_steps(
    bytes: &[u8],
    options: &ReadOptions,
) -> Result<(Format, usize), InputError> {
    let total = bytes.len() as u64;
    let mut shown = HEAD_BYTES.min(bytes.len());
    loop {
        match Format::detect_with(&bytes[..shown], total, options)? {
            Detection::Format(format) => return Ok((format, shown)),
            Detection::Needs(needed) => {
                assert!(needed > shown && shown < bytes.len(), "{shown}, then {needed}");
                shown = needed.min(bytes.len());
            }
            Detection::NeedsRanges(ranges) => panic!("{ranges:?} are asked for, as of an archive"),
        }
    }
}

/// Reads with ranges and limits of these lengths, over and over.
pub(crate) fn read(format: &Format, bytes: &[u8], ranges: &[usize], limits: &[usize]) -> Reading {
    let decoder = format.decoder(bytes.len() as u64);
    read_with(decoder, bytes, ranges, limits)
}

pub(crate) fn read_with(
    mut decoder: Decoder,
    bytes: &[u8],
    ranges: &[usize],
    limits: &[usize],
) -> Reading {
    let mut ranges = ranges.iter().copied().cycle();
    let mut limits = limits.iter().copied().cycle();
    let mut numbers = Vec::new();
    let mut block = Block::default();
    let mut at = 0;
    let end = loop {
        let range = ranges.next().unwrap_or(usize::MAX).min(bytes.len() - at);
        let limit = limits.next().unwrap_or(usize::MAX);
        let is_last = at + range == bytes.len();
        block.clear();
        let result = decoder.decode(&bytes[at..at + range], is_last, limit, &mut block);
        assert!(block.len() <= limit, "no more numbers than were asked for");
        let low = block.low().map_or(vec![0.0; block.len()], <[f64]>::to_vec);
        numbers.extend(block.values().iter().zip(low).map(|(&x, low)| (bits(x), bits(low))));
        match result {
            Err(error) => break Err(error),
            Ok(consumed) => {
                assert!(consumed <= range);
                assert!(
                    consumed == range || block.len() == limit,
                    "bytes were left without reason"
                );
                at += consumed;
            }
        }
        if decoder.has_ended() {
            break Ok(decoder.checkpoint());
        }
    };
    Reading { numbers, end }
}

fn bits(x: f64) -> u64 {
    if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() }
}

/// Reads likewise, and takes numbers where they lie wherever it can; also says
/// how many those were.
fn read_lent(
    format: &Format,
    bytes: &[u8],
    ranges: &[usize],
    limits: &[usize],
) -> (Reading, usize) {
    let mut decoder = format.decoder(bytes.len() as u64);
    let mut ranges = ranges.iter().copied().cycle();
    let mut limits = limits.iter().copied().cycle();
    let mut numbers = Vec::new();
    let mut lent_numbers = 0;
    let mut block = Block::default();
    let mut at = 0;
    let end = loop {
        let range = ranges.next().unwrap_or(usize::MAX).min(bytes.len() - at);
        let is_last = at + range == bytes.len();
        // A place of its own, as a buffer that a file is read into.
        let range = bytes[at..at + range].to_vec();
        let mut used = 0;
        let result = loop {
            let limit = limits.next().unwrap_or(usize::MAX);
            block.clear();
            match decoder.lend(&range[used..], is_last, limit) {
                Some(Ok(lent)) => {
                    assert!(!lent.is_empty() && lent.len() <= limit);
                    numbers.extend(lent.iter().map(|&x| (bits(x), 0)));
                    lent_numbers += lent.len();
                    used += size_of_val(lent);
                }
                Some(Err(error)) => break Err(error),
                None => match decoder.decode(&range[used..], is_last, limit, &mut block) {
                    Ok(consumed) => {
                        let low = block.low().map_or(vec![0.0; block.len()], <[f64]>::to_vec);
                        let pairs = block.values().iter().zip(low);
                        numbers.extend(pairs.map(|(&x, low)| (bits(x), bits(low))));
                        used += consumed;
                    }
                    Err(error) => break Err(error),
                },
            }
            if decoder.has_ended() || (used == range.len() && block.len() < limit) {
                break Ok(());
            }
        };
        at += used;
        match result {
            Err(error) => break Err(error),
            Ok(()) if decoder.has_ended() => break Ok(decoder.checkpoint()),
            Ok(()) => {}
        }
    };
    (Reading { numbers, end }, lent_numbers)
}

/// Checks that an object reads the same in these pieces, and that reading can be
/// resumed at any checkpoint; returns the reading.
pub(crate) fn check(
    bytes: &[u8],
    raw: Option<RawNumbers>,
    ranges: &[usize],
    limits: &[usize],
) -> Result<Reading, TestCaseError> {
    check_with(bytes, &ReadOptions { raw, ..ReadOptions::default() }, ranges, limits)
}

/// The same of an object that is to be read as the options say.
pub(crate) fn check_with(
    bytes: &[u8],
    options: &ReadOptions,
    ranges: &[usize],
    limits: &[usize],
) -> Result<Reading, TestCaseError> {
    let format = match detect_with(bytes, options) {
        Ok(format) => format,
        Err(error) => return Ok(Reading { numbers: Vec::new(), end: Err(error) }),
    };
    let whole = read(&format, bytes, &[usize::MAX], &[usize::MAX]);
    prop_assert_eq!(&whole, &read(&format, bytes, ranges, limits));
    prop_assert_eq!(&whole, &read(&format, bytes, &[1], &[1]));
    let (lent, lent_numbers) = read_lent(&format, bytes, ranges, limits);
    prop_assert_eq!(&whole.end, &lent.end);
    if whole.end.is_ok() {
        prop_assert_eq!(&whole.numbers, &lent.numbers);
    }
    let is_lendable = options.raw == Some(RawNumbers::F64) && format.is_seekable();
    let has_whole_range =
        limits.iter().all(|limit| *limit > 0) && ranges.iter().all(|range| *range >= 16);
    prop_assert!(lent_numbers > 0 || !is_lendable || !has_whole_range || bytes.len() < 16);
    // Up to some column, then from its checkpoint on.
    let columns = whole.numbers.len();
    for column in [1, columns / 2, columns] {
        if column == 0 || column > columns {
            continue;
        }
        let (checkpoint, ended) = checkpoint_at(&format, bytes, ranges, column);
        prop_assert_eq!(checkpoint.column, column as u64);
        prop_assert_eq!(ended, column == columns && whole.end.is_ok());
        if let Some(expected) = format.checkpoint_of(column as u64) {
            prop_assert_eq!(checkpoint, expected);
        }
        let decoder = format.decoder_at(bytes.len() as u64, checkpoint);
        let start = usize::try_from(format.resume_byte(&checkpoint)).unwrap_or(usize::MAX);
        let rest = read_with(decoder, &bytes[start..], ranges, limits);
        prop_assert_eq!(&rest.end, &whole.end);
        prop_assert_eq!(&rest.numbers, &whole.numbers[column..]);
    }
    Ok(whole)
}

/// Where a decoder stands after so many numbers, and whether it has ended.
fn checkpoint_at(
    format: &Format,
    bytes: &[u8],
    ranges: &[usize],
    columns: usize,
) -> (Checkpoint, bool) {
    let mut ranges = ranges.iter().copied().cycle();
    let mut decoder = format.decoder(bytes.len() as u64);
    let mut block = Block::default();
    let mut at = 0;
    // Goes on without numbers until it is known whether there are more.
    loop {
        let range = ranges.next().unwrap_or(usize::MAX).min(bytes.len() - at);
        let is_last = at + range == bytes.len();
        let limit = columns - block.len();
        let Ok(consumed) = decoder.decode(&bytes[at..at + range], is_last, limit, &mut block)
        else {
            break;
        };
        at += consumed;
        if decoder.has_ended() || (block.len() == columns && (consumed < range || range == 0)) {
            break;
        }
    }
    assert_eq!(block.len(), columns);
    (decoder.checkpoint(), decoder.has_ended())
}

/// So many cases, or as many as the environment's `PROPTEST_CASES` says.
pub(crate) fn cases(usual: u32) -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = usual;
    }
    // A failure is kept as a test with a name.
    config.failure_persistence = None;
    config
}

/// Lengths of ranges to cut bytes into.
pub(crate) fn ranges() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        proptest::collection::vec(1usize..12, 1..6),
        proptest::collection::vec(1usize..200, 1..6),
    ]
}

/// Limits to decode with; not zero alone, which would not get on.
pub(crate) fn limits() -> impl Strategy<Value = Vec<usize>> {
    (proptest::collection::vec(0usize..7, 0..4), 1usize..50).prop_map(|(mut limits, last)| {
        limits.push(last);
        limits
    })
}
