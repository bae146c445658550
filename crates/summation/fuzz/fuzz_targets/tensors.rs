//! Whatever the header of a safetensors file holds, reading it ends with numbers or an
//! error; the numbers of any columns are the same however their bytes come, and a result can
//! be written with the same tensors.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::request::{Dtype, ReadOptions};
use summation::output::TypedFile;
use summation::{Block, Detection, Format};

fuzz_target!(|data: (u16, u16, u16, &str, &str, &[u8])| {
    let (range, one, other, entry, header, numbers) = data;
    // The length is right, or nothing else would be tried.
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend(numbers);
    let select = if entry.is_empty() { Vec::new() } else { vec![entry.to_owned()] };
    let options = ReadOptions { select, ..ReadOptions::default() };
    let format = match Format::detect_with(&bytes, bytes.len() as u64, &options) {
        Ok(Detection::Format(format)) if format.tensors().is_some() => format,
        Ok(_) => return,
        Err(error) => {
            let _ = error.to_string();
            return;
        }
    };
    let _ = (format.describe(), format.shape(), format.memory_bytes());
    let format = format.aligned(Some(&format), "itself").expect("its own tensors");
    let total = format.columns(0).expect("a header tells it");
    let (one, other) = (u64::from(one) % (total + 1), u64::from(other) % (total + 1));
    let (from, to) = (one.min(other), one.max(other));
    let whole = read(&format, &bytes, 0, total, usize::MAX);
    let some = read(&format, &bytes, from, to, usize::from(range) + 1);
    let place = |column| usize::try_from(column).expect("in memory");
    assert_eq!(some, whole[place(from)..place(to)]);
    let stored = format.tensors_header().expect("it has tensors");
    let file = TypedFile::safetensors(&stored, Dtype::Input, None, &[]).expect("its own header");
    assert_eq!(file.columns(), total);
    let mut written = file.header().to_vec();
    written.resize(place(file.bytes()), 0);
    let again = Format::detect(&written, file.bytes(), None);
    assert!(matches!(again, Ok(Detection::Format(_))), "{again:?}");
});

fn read(format: &Format, bytes: &[u8], from: u64, to: u64, range: usize) -> Vec<u64> {
    let place = |byte| usize::try_from(byte).expect("in memory");
    let extents = format.extents(&(from..to)).expect("tensors have extents");
    let wanted: Vec<u8> =
        extents.iter().flat_map(|e| bytes[place(e.start)..place(e.end)].to_vec()).collect();
    let mut decoder =
        format.decoder_at(bytes.len() as u64, format.checkpoint_of(from).expect("seekable"));
    let (mut block, mut used) = (Block::default(), 0);
    while used < wanted.len() {
        let end = wanted.len().min(used.saturating_add(range));
        used += decoder.decode(&wanted[used..end], false, 1000, &mut block).expect("numbers");
    }
    assert_eq!(decoder.checkpoint().column, to);
    block.values().iter().map(|x| if x.is_nan() { 0 } else { x.to_bits() }).collect()
}
