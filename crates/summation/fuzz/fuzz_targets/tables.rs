//! Whatever a text holds, reading it as a table ends with numbers or an error, the same
//! however its bytes come, and its columns can be matched with themselves.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::request::{Header, Missing, ReadOptions};
use summation::{Block, Detection, Format, InputError};

fuzz_target!(|data: (u8, u16, &str, &[u8])| {
    let (kind, range, entry, bytes) = data;
    let options = ReadOptions {
        header: [None, Some(Header::Auto), Some(Header::Yes), Some(Header::No)]
            [usize::from(kind % 4)],
        missing: [None, Some(Missing::Skip)][usize::from(kind / 4 % 2)],
        select: if entry.is_empty() { Vec::new() } else { vec![entry.to_owned()] },
        ..ReadOptions::default()
    };
    let total = bytes.len() as u64;
    let format = match Format::detect_with(bytes, total, &options) {
        Ok(Detection::Format(format)) => format,
        Ok(Detection::Needs(_) | Detection::NeedsRanges(_)) => panic!("all bytes were shown"),
        Err(error) => {
            let _ = error.to_string();
            return;
        }
    };
    let _ = (format.describe(), format.has_header());
    if let Some(names) = format.names() {
        assert!(!names.is_empty());
        format.aligned(Some(&format), "itself").expect("its own names");
    }
    let whole = read(&format, bytes, usize::MAX);
    assert_eq!(whole, read(&format, bytes, usize::from(range) + 1));
});

fn read(format: &Format, bytes: &[u8], range: usize) -> (Vec<u64>, Result<(), InputError>) {
    let mut decoder = format.decoder(bytes.len() as u64);
    let (mut block, mut numbers, mut rest) = (Block::default(), Vec::new(), bytes);
    while !decoder.has_ended() {
        let now = rest.len().min(range);
        block.clear();
        let decoded = decoder.decode(&rest[..now], now == rest.len(), 1000, &mut block);
        let canonical = |x: &f64| if x.is_nan() { f64::NAN } else { *x };
        numbers.extend(block.values().iter().map(canonical).map(f64::to_bits));
        match decoded {
            Ok(consumed) => rest = &rest[consumed..],
            Err(error) => return (numbers, Err(error)),
        }
    }
    (numbers, Ok(()))
}
