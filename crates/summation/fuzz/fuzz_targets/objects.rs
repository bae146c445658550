//! Whatever an object holds, telling its format and reading it ends with
//! numbers or an error, in bounded memory.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::request::RawNumbers;
use summation::{Block, Detection, Format};

fuzz_target!(|data: (u8, u16, &[u8])| {
    let (kind, range, bytes) = data;
    let raw = [None, Some(RawNumbers::F32), Some(RawNumbers::F64), Some(RawNumbers::Bf16)]
        [usize::from(kind % 4)];
    let total = bytes.len() as u64;
    let Ok(Detection::Format(format)) = Format::detect(bytes, total, raw) else {
        return;
    };
    let _ = format.describe();
    // Of a member of an archive, its own bytes.
    let first = format.checkpoint_of(0).unwrap_or_default();
    let place = |byte: u64| usize::try_from(byte).expect("a place in the object");
    let mut rest = &bytes[place(format.resume_byte(&first))..place(format.end_byte(total))];
    let mut decoder = format.decoder_at(total, first);
    let mut block = Block::default();
    while !decoder.has_ended() {
        let now = rest.len().min(usize::from(range) + 1);
        block.clear();
        match decoder.decode(&rest[..now], now == rest.len(), 1000, &mut block) {
            Ok(consumed) => rest = &rest[consumed..],
            Err(error) => {
                let _ = error.to_string();
                return;
            }
        }
        assert!(block.len() <= 1000);
    }
    assert!(decoder.checkpoint().column > 0);
});
