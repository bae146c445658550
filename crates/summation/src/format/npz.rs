//! One array of NumPy's .npz files: ZIP archives of .npy files, stored or deflated.
//!
//! An object of a job is one array. If a file has several, `select` names one of them. The
//! central directory of the archive is read first, then the beginning of the member; from
//! there on only the member's bytes are read. One that is stored can be read from any column
//! on, one that is deflated from its beginning alone. The CRC-32 of the archive is verified
//! whenever an array is read from its first number to its last.

mod member;

use flate2::write::DeflateDecoder;

use self::member::{Checksum, Deflated, Stored};
use super::head::{HEAD_BYTES_MAX, Head, Told};
use super::npy;
use super::zip::{DEFLATED, Directory, MAGIC, Member, STORED, Stop};
use super::{Format, selection};
use crate::InputError;

/// Whether the object is a ZIP archive; then its array is told.
pub(super) fn tell(head: &Head<'_>) -> Result<Told, InputError> {
    let is_zip = head.bytes.starts_with(MAGIC) || head.bytes.starts_with(b"PK\x05\x06");
    match head.object_bytes {
        Some(object_bytes) if is_zip => read(head, object_bytes).or_else(Stop::told),
        None if is_zip => Err(InputError::new("a compressed zip archive, such as .npz.gz")
            .remedy("decompress it: the arrays in an .npz are compressed by savez_compressed")),
        _ => Ok(Told::Other),
    }
}

fn read(head: &Head<'_>, object_bytes: u64) -> Result<Told, Stop> {
    let directory = Directory::read(head, object_bytes)?;
    let (name, member) = select(&directory, head)?;
    let of_array = |error: InputError| InputError {
        what: format!("the array {name:?}: {}", error.what).into(),
        ..error
    };
    check(member).map_err(of_array)?;
    let data = directory.data_of(head, member).map_err(|stop| match stop {
        Stop::Error(error) => Stop::Error(of_array(error)),
        needs @ Stop::Needs(_) => needs,
    })?;
    let packed = head.from(data.start);
    let packed = &packed[..packed.len().min(length(member.packed_bytes))];
    let is_whole = packed.len() as u64 == member.packed_bytes;
    let bytes = match member.method {
        STORED => packed.to_vec(),
        _ => inflate_beginning(packed).map_err(|error| of_array(error.at_byte(data.start)))?,
    };
    let is_all = is_whole || packed.len() >= HEAD_BYTES_MAX;
    let beginning =
        Head { bytes: &bytes, others: &[], is_all, object_bytes: Some(member.bytes), ..*head };
    let header = match npy::read(&beginning).map_err(of_array)? {
        npy::Read::Header(header) => header,
        npy::Read::Needs(wanted) => {
            // A header that is compressed takes no more than it would otherwise.
            let wanted = (wanted as u64).max(2 * packed.len() as u64);
            let end = data.end.min(data.start + wanted);
            return Err(Stop::Needs(data.start..end));
        }
        npy::Read::Other => {
            return Err(of_array(InputError::new("no .npy file").at_byte(data.start)).into());
        }
    };
    let header_bytes = &bytes[..length(header.data_start()).min(bytes.len())];
    let checksum = Checksum::new(name, member, header_bytes);
    Ok(Told::Is(match member.method {
        STORED => Format::new(Stored::new(header, data, checksum)),
        _ => Format::new(Deflated { header, data, checksum }),
    }))
}

/// The member that the request selects, and the name of its array.
fn select<'a>(
    directory: &'a Directory,
    head: &Head<'_>,
) -> Result<(&'a str, &'a Member), InputError> {
    let arrays: Vec<(&str, &Member)> = directory
        .members
        .iter()
        .filter_map(|member| Some((member.name.strip_suffix(".npy")?, member)))
        .collect();
    let names: Vec<String> = arrays.iter().map(|(name, _)| (*name).to_owned()).collect();
    if names.is_empty() {
        return Err(InputError::new("a zip archive without .npy files, such as .xlsx")
            .remedy("extract its files, and save arrays as .npy or .npz, tables as .csv"));
    }
    match selection::select(&names, &head.options.select, "array")?[..] {
        [index] => Ok(arrays[index]),
        ref selected => {
            let (count, list) = (selected.len(), selection::list(&names));
            let what = match head.options.select.is_empty() {
                true => format!("has {count} arrays: {list}"),
                false => format!("has {count} arrays that are selected, of {list}"),
            };
            Err(InputError::new(what).remedy("select one of them by its name"))
        }
    }
}

/// Refuses what cannot be read.
fn check(member: &Member) -> Result<(), InputError> {
    let refused = |what: String| {
        Err(InputError::new(what).remedy("save it by NumPy's savez or savez_compressed"))
    };
    match member.method {
        _ if member.is_encrypted => refused("it is encrypted".to_owned()),
        STORED if member.packed_bytes != member.bytes => {
            refused(format!("{} bytes, stored as {}", member.bytes, member.packed_bytes))
        }
        STORED | DEFLATED => Ok(()),
        method => refused(format!("it is compressed by method {method} of zip")),
    }
}

/// Decompresses what can be told from the beginning of a member.
fn inflate_beginning(packed: &[u8]) -> Result<Vec<u8>, InputError> {
    use std::io::Write as _;

    /// How much is decompressed at a time: what comes out is bounded.
    const PIECE_BYTES: usize = 1024;

    let mut decoder = DeflateDecoder::new(Vec::new());
    for piece in packed.chunks(PIECE_BYTES) {
        let mut piece = piece;
        while !piece.is_empty() && decoder.get_ref().len() < super::HEAD_BYTES {
            match decoder.write(piece) {
                Ok(0) => break,
                Ok(used) => piece = &piece[used..],
                Err(error) => return Err(member::damaged(&error)),
            }
        }
    }
    decoder.flush().map_err(|error| member::damaged(&error))?;
    let mut bytes = std::mem::take(decoder.get_mut());
    bytes.truncate(super::HEAD_BYTES);
    Ok(bytes)
}

/// A number of bytes as a length in memory.
fn length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
