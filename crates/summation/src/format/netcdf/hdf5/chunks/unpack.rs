//! Undoes what the filters have done with the bytes of a chunk.

use flate2::{Decompress, FlushDecompress, Status};

use super::super::messages::Filter;
use crate::InputError;

/// Undoes what was done with the bytes of a chunk, which has so many then.
pub(super) fn unpack(
    mut bytes: Vec<u8>,
    filters: &[Filter],
    mask: u32,
    chunk_bytes: u64,
    wrong: &dyn Fn(&str) -> InputError,
) -> Result<Vec<u8>, InputError> {
    /// A checksum may follow.
    const MORE: usize = 4;

    let most = usize::try_from(chunk_bytes).unwrap_or(usize::MAX);
    for (number, filter) in filters.iter().enumerate().rev() {
        if u32::try_from(number).is_ok_and(|number| mask.checked_shr(number).unwrap_or(0) & 1 == 1)
        {
            continue;
        }
        bytes = match *filter {
            Filter::Fletcher32 => {
                let sum = bytes.split_last_chunk::<4>();
                let (data, sum) = sum.ok_or_else(|| wrong("has no checksum"))?;
                let (sum, found) = (u32::from_le_bytes(*sum), fletcher32(data));
                // An old version of the format's library swapped the bytes of each half.
                let swapped = (found & 0x00ff_00ff) << 8 | (found >> 8) & 0x00ff_00ff;
                if sum != found && sum != swapped {
                    return Err(wrong("has another checksum than was written"));
                }
                data.to_vec()
            }
            Filter::Deflate => {
                let mut data = Vec::with_capacity(most + MORE);
                let mut decompress = Decompress::new(true);
                match decompress.decompress_vec(&bytes, &mut data, FlushDecompress::Finish) {
                    Ok(Status::StreamEnd) => data,
                    Ok(_) => {
                        return Err(wrong("is longer than its shape once decompressed, or cut"));
                    }
                    Err(_) => return Err(wrong("cannot be decompressed")),
                }
            }
            Filter::Zstd => zstd::bulk::decompress(&bytes, most + MORE)
                .map_err(|_| wrong("cannot be decompressed"))?,
            Filter::Shuffle(size) => {
                let count = bytes.len() / size;
                let mut data = bytes.clone();
                for (place, plane) in bytes.chunks_exact(count.max(1)).take(size).enumerate() {
                    let to = data.iter_mut().skip(place).step_by(size);
                    to.zip(plane).for_each(|(to, from)| *to = *from);
                }
                data
            }
            Filter::Unknown(id) => {
                let error = wrong(&format!("is compressed by filter {id}"));
                return Err(InputError {
                    remedy: "write it again with deflate, such as by nccopy -d 1".into(),
                    ..error
                });
            }
        };
    }
    match bytes.len() == most {
        true => Ok(bytes),
        false => Err(wrong(&format!("has {} bytes, where {most} were expected", bytes.len()))),
    }
}

/// The checksum of the filter: Fletcher's, of big-endian numbers of 16 bits.
fn fletcher32(data: &[u8]) -> u32 {
    /// So many additions do not overflow.
    const WORDS: usize = 360;

    let fold = |sum: u32| (sum & 0xffff) + (sum >> 16);
    let (mut one, mut two) = (0_u32, 0_u32);
    for block in data.chunks(2 * WORDS) {
        for word in block.chunks(2) {
            let low = word.get(1).copied().unwrap_or_default();
            one += u32::from(word[0]) << 8 | u32::from(low);
            two += one;
        }
        (one, two) = (fold(one), fold(two));
    }
    fold(two) << 16 | fold(one)
}
