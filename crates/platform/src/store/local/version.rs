//! The version of a file: its inode, its modification time, and its device.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use protocol::ObjectVersion;
use protocol::version::FileVersion;

use super::{Pin, StoreError, explain};

/// A random text that Linux chooses at every start of the machine. Other systems have
/// none, so there the number of the device does not count.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The version of a file.
pub(super) fn of(metadata: &Metadata) -> ObjectVersion {
    // A time that nanoseconds in 64 bits do not reach, after the year 2262, wraps: it
    // still differs from others.
    let seconds_ns = metadata.mtime().wrapping_mul(1_000_000_000);
    ObjectVersion::of_file(FileVersion {
        modified_ns: seconds_ns.wrapping_add(metadata.mtime_nsec()),
        inode: metadata.ino(),
        device: hash(&metadata.dev().to_le_bytes()),
        boot: boot(),
    })
}

/// Holds an open file to a pin. It is called after a read, so that the bytes read
/// since the file was opened are those of the pinned version: a change in between
/// would show now.
///
/// # Errors
///
/// [`StoreError::Changed`] if the file is not what the pin says.
pub(super) fn hold(pin: Option<&Pin>, key: &str, file: &File) -> Result<(), StoreError> {
    let Some(pin) = pin else {
        return Ok(());
    };
    let metadata = file.metadata().map_err(|error| explain(key, error))?;
    pin.hold(key, metadata.len(), Some(&of(&metadata)))
}

/// A hash of what names the machine from its start to its end; 0 if unknown.
fn boot() -> u32 {
    static BOOT: OnceLock<u32> = OnceLock::new();
    *BOOT.get_or_init(|| fs::read(BOOT_ID).map_or(0, |id| hash(&id).max(1)))
}

/// FNV-1a: programs of all versions must compute the same.
fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(hash(b""), 0x811c_9dc5);
        assert_eq!(hash(b"foobar"), 0xbf9c_f968);
    }
}
