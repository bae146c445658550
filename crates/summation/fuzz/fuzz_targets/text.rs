//! Text reads the same whole and cut in two, and never panics; its numbers are
//! those that the standard library reads.

#![no_main]

use libfuzzer_sys::fuzz_target;
use summation::{Block, Detection, Format, InputError};

fn read(bytes: &[u8], cut: usize) -> (Vec<u64>, Option<InputError>) {
    let Ok(Detection::Format(text)) = Format::detect(b"1", 1, None) else { panic!("text") };
    let mut decoder = text.decoder(bytes.len() as u64);
    let mut block = Block::default();
    let (first, second) = bytes.split_at(cut.min(bytes.len()));
    let mut error = decoder.decode(first, second.is_empty(), usize::MAX, &mut block).err();
    if error.is_none() && !second.is_empty() {
        error = decoder.decode(second, true, usize::MAX, &mut block).err();
    }
    let bits = |x: &f64| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() };
    (block.values().iter().map(bits).collect(), error)
}

fuzz_target!(|data: (u8, &[u8])| {
    let (cut, bytes) = data;
    let whole = read(bytes, bytes.len());
    assert_eq!(whole, read(bytes, usize::from(cut)));
    if whole.1.is_none()
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let separators = [' ', ',', ';', '\t', '\r', '\n', '\x0b', '\x0c'];
        let words = text.split(separators).filter(|word| !word.is_empty());
        let expected = words.map(|word| word.parse::<f64>().expect("a number"));
        let bits = |x: f64| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() };
        assert_eq!(whole.0, expected.map(bits).collect::<Vec<_>>());
    }
});
