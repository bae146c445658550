//! Whatever the header of a NetCDF file holds, reading it ends with numbers or an error; the
//! numbers of any columns are the same however their bytes come, and a result can be written
//! with the same coordinates.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::request::{Dtype, Missing, ReadOptions};
use summation::output::TypedFile;
use summation::{Block, Detection, Format};

/// No more of the numbers is read.
const COLUMNS_MAX: u64 = 10_000;

fuzz_target!(|data: (u8, u16, u16, u16, &str, &[u8])| {
    let (version, range, one, other, entry, rest) = data;
    // It begins as it should, or nothing else would be tried.
    let beginnings: [&[u8]; 4] = [b"CDF\x01", b"CDF\x02", b"CDF\x05", b"\x89HDF\r\n\x1a\n"];
    let mut bytes = beginnings[usize::from(version % 4)].to_vec();
    bytes.extend(rest);
    let select = if entry.is_empty() { Vec::new() } else { vec![entry.to_owned()] };
    let missing = Some(Missing::Propagate);
    let options = ReadOptions { select, missing, ..ReadOptions::default() };
    let format = match Format::detect_with(&bytes, bytes.len() as u64, &options) {
        Ok(Detection::Format(format)) => format,
        Ok(_) => return,
        Err(error) => {
            let _ = error.to_string();
            return;
        }
    };
    let _ = (format.describe(), format.shape(), format.memory_bytes());
    let format = format.aligned(Some(&format), "itself").expect("its own variables");
    let total = format.columns(0).expect("a header tells it");
    let most = total.min(COLUMNS_MAX);
    let (one, other) = (u64::from(one) % (most + 1), u64::from(other) % (most + 1));
    let (from, to) = (one.min(other), one.max(other));
    // Chunks may not be what they should be.
    let Some(whole) = read(&format, &bytes, 0, most, usize::MAX) else {
        return;
    };
    let some = read(&format, &bytes, from, to, usize::from(range) + 1).expect("as before");
    let place = |column| usize::try_from(column).expect("in memory");
    assert_eq!(some, whole[place(from)..place(to)]);
    let template = format.netcdf_template().expect("it is NetCDF");
    let file = TypedFile::netcdf(&template, Dtype::Input, None, "fuzzed").expect("its own");
    assert_eq!(file.columns(), total);
});

fn read(format: &Format, bytes: &[u8], from: u64, to: u64, range: usize) -> Option<Vec<u64>> {
    let place = |byte| usize::try_from(byte).expect("in memory");
    let extents = format.extents(&(from..to)).expect("variables have extents");
    let wanted: Vec<u8> =
        extents.iter().flat_map(|e| bytes[place(e.start)..place(e.end)].to_vec()).collect();
    let mut decoder =
        format.decoder_at(bytes.len() as u64, format.checkpoint_of(from).expect("seekable"));
    let (mut block, mut used) = (Block::default(), 0_usize);
    while decoder.checkpoint().column < to {
        let end = wanted.len().min(used.saturating_add(range));
        let limit = place(to - decoder.checkpoint().column).min(1000);
        let before = (used, block.len());
        used += decoder.decode(&wanted[used..end], false, limit, &mut block).ok()?;
        assert!(before != (used, block.len()), "it goes on");
    }
    Some(block.values().iter().map(|x| if x.is_nan() { 0 } else { x.to_bits() }).collect())
}
