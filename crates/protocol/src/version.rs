//! The version of an object, which shows whether it has changed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::Rfc3339;

/// The version of an object, as its store tells it: an ETag, or what identifies the
/// content of a file. Different content has a different version.
///
/// It takes 32 bytes in memory, because a plan holds one for each of perhaps a million
/// objects. In messages and records it is text: `etag:…` or `file:…`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectVersion(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// An ETag of 32 hexadecimal digits, with the number of parts of a multipart
    /// upload behind it, or 0: `0123…cdef-5`.
    Digest {
        digest: [u8; 16],
        parts: u32,
    },
    /// Any other ETag, without its quotation marks.
    Etag(Box<str>),
    File(FileVersion),
}

/// What identifies the content of a file.
///
/// A file that is replaced has another inode. One that is changed in place has
/// another modification time, as precisely as the file system keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileVersion {
    /// The modification time in nanoseconds since 1970-01-01 00:00 UTC.
    pub modified_ns: i64,
    /// The number of the file within its device.
    pub inode: u64,
    /// A hash of the number of the device.
    pub device: u32,
    /// A hash of the boot ID of the machine; 0 if unknown. Numbers of devices are
    /// comparable only within one boot of one machine.
    pub boot: u32,
}

impl ObjectVersion {
    /// The version that an ETag tells, with or without its quotation marks.
    #[must_use]
    pub fn of_etag(etag: &str) -> ObjectVersion {
        let etag = etag.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or(etag);
        ObjectVersion(digest(etag).unwrap_or_else(|| Kind::Etag(etag.into())))
    }

    /// The version of a file.
    #[must_use]
    pub const fn of_file(file: FileVersion) -> ObjectVersion {
        ObjectVersion(Kind::File(file))
    }

    /// The ETag without its quotation marks; `None` of a file.
    #[must_use]
    pub fn etag(&self) -> Option<String> {
        match &self.0 {
            Kind::Digest { digest, parts } => {
                let mut text: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                if *parts > 0 {
                    text = format!("{text}-{parts}");
                }
                Some(text)
            }
            Kind::Etag(etag) => Some(etag.to_string()),
            Kind::File(_) => None,
        }
    }

    /// What distinguishes the version `found` from this one, as a clause for users;
    /// `None` if they are the same.
    #[must_use]
    pub fn difference(&self, found: &ObjectVersion) -> Option<String> {
        match (&self.0, &found.0) {
            (Kind::File(was), Kind::File(is)) => was.difference(is),
            _ if self == found => None,
            _ => match (self.etag(), found.etag()) {
                (Some(was), Some(is)) => Some(format!("its ETag was {was:?} and is {is:?}")),
                _ => Some("it is in another kind of store".to_owned()),
            },
        }
    }
}

impl FileVersion {
    fn difference(&self, found: &FileVersion) -> Option<String> {
        let is_same_boot = self.boot != 0 && self.boot == found.boot;
        if self.modified_ns != found.modified_ns {
            let (was, is) = (Rfc3339(self.modified_ns), Rfc3339(found.modified_ns));
            Some(format!("it was modified at {is} (before: {was})"))
        } else if self.inode != found.inode {
            Some("another file has taken its place, with the same modification time".to_owned())
        } else if is_same_boot && self.device != found.device {
            Some("it is on another device".to_owned())
        } else {
            None
        }
    }
}

/// An ETag that is a digest, in its short form. Capital digits stay as they are.
fn digest(etag: &str) -> Option<Kind> {
    let (hex, parts) = match etag.split_once('-') {
        Some((hex, parts)) => (hex, parts.parse().ok().filter(|parts| *parts > 0)?),
        None => (etag, 0),
    };
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if hex.len() != 32 || !hex.as_bytes().iter().all(is_hex) {
        return None;
    }
    let digest = u128::from_str_radix(hex, 16).ok()?.to_be_bytes();
    let kind = Kind::Digest { digest, parts };
    // Not `-05`, which would not be printed as it came.
    (ObjectVersion(kind.clone()).etag()? == etag).then_some(kind)
}

const ETAG: &str = "etag:";
const FILE: &str = "file:";

impl fmt::Display for ObjectVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::File(FileVersion { modified_ns, inode, device, boot }) => {
                write!(f, "{FILE}{boot:x}.{device:x}.{inode:x}.{modified_ns}")
            }
            Kind::Digest { .. } | Kind::Etag(_) => {
                write!(f, "{ETAG}{}", self.etag().unwrap_or_default())
            }
        }
    }
}

impl FromStr for ObjectVersion {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<ObjectVersion, InvalidVersion> {
        if let Some(etag) = text.strip_prefix(ETAG) {
            return Ok(ObjectVersion(digest(etag).unwrap_or_else(|| Kind::Etag(etag.into()))));
        }
        let file = text.strip_prefix(FILE).and_then(|text| {
            let mut parts = text.splitn(4, '.');
            Some(FileVersion {
                boot: u32::from_str_radix(parts.next()?, 16).ok()?,
                device: u32::from_str_radix(parts.next()?, 16).ok()?,
                inode: u64::from_str_radix(parts.next()?, 16).ok()?,
                modified_ns: parts.next()?.parse().ok()?,
            })
        });
        file.map(ObjectVersion::of_file).ok_or(InvalidVersion)
    }
}

impl TryFrom<String> for ObjectVersion {
    type Error = InvalidVersion;

    fn try_from(text: String) -> Result<ObjectVersion, InvalidVersion> {
        text.parse()
    }
}

impl From<ObjectVersion> for String {
    fn from(version: ObjectVersion) -> String {
        version.to_string()
    }
}

/// A text that is not the version of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidVersion;

impl fmt::Display for InvalidVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the version of an object: expected etag:… or file:…")
    }
}

impl std::error::Error for InvalidVersion {}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: FileVersion = FileVersion {
        modified_ns: 1_764_144_324_123_456_789,
        inode: u64::MAX,
        device: 0xfd01,
        boot: 7,
    };

    #[test]
    fn a_version_takes_32_bytes() {
        assert_eq!(size_of::<ObjectVersion>(), 32);
        assert_eq!(size_of::<Option<ObjectVersion>>(), 32);
    }

    #[test]
    fn every_etag_is_printed_as_it_came() {
        let digest = "0123456789abcdef0123456789abcdef";
        let capital = digest.to_uppercase();
        let parts = ["-5", "-0", "-05", "-", "-4294967296"].map(|end| format!("{digest}{end}"));
        let odd = ["", "v1", "W/\"weak\"", "\"", "ä-1", "+123456789abcdef0123456789abcdef"];
        let all = parts.iter().map(String::as_str).chain(odd).chain([digest, &capital]);
        for etag in all {
            let version = ObjectVersion::of_etag(etag);
            assert_eq!(version.etag().as_deref(), Some(etag));
            assert_eq!(version, ObjectVersion::of_etag(&format!("\"{etag}\"")));
            let json = serde_json::to_string(&version).unwrap();
            assert_eq!(serde_json::from_str::<ObjectVersion>(&json).unwrap(), version, "{json}");
        }
        assert!(matches!(ObjectVersion::of_etag(digest).0, Kind::Digest { parts: 0, .. }));
        assert!(matches!(ObjectVersion::of_etag(&parts[0]).0, Kind::Digest { parts: 5, .. }));
    }

    #[test]
    fn the_version_of_a_file_is_read_back() {
        for modified_ns in [FILE.modified_ns, -1, i64::MIN] {
            let version = ObjectVersion::of_file(FileVersion { modified_ns, ..FILE });
            assert_eq!(version.to_string().parse(), Ok(version));
        }
        for wrong in ["", "file:", "file:1.2.3", "file:1.2.3.x", "inode:1"] {
            assert_eq!(wrong.parse::<ObjectVersion>(), Err(InvalidVersion), "{wrong}");
        }
    }

    #[test]
    fn what_has_changed_is_said() {
        let said = |is| ObjectVersion::of_file(FILE).difference(&ObjectVersion::of_file(is));
        assert_eq!(said(FILE), None);
        let touched = said(FileVersion { modified_ns: FILE.modified_ns + 1, ..FILE }).unwrap();
        assert_eq!(
            touched,
            "it was modified at 2025-11-26T08:05:24.12345679Z (before: \
             2025-11-26T08:05:24.123456789Z)"
        );
        assert!(said(FileVersion { inode: 1, ..FILE }).unwrap().contains("another file"));
        assert!(said(FileVersion { device: 1, ..FILE }).unwrap().contains("another device"));
        let etag = ObjectVersion::of_etag("\"a\"");
        let said = etag.difference(&ObjectVersion::of_etag("b")).unwrap();
        assert_eq!(said, r#"its ETag was "a" and is "b""#);
        assert!(etag.difference(&ObjectVersion::of_file(FILE)).is_some());
    }

    /// Machines that share a folder, and one that was restarted.
    #[test]
    fn another_number_of_the_device_after_a_restart_is_no_change() {
        for boot in [0, 8] {
            let elsewhere = FileVersion { device: 1, boot, ..FILE };
            assert_eq!(FILE.difference(&elsewhere), None);
            assert_eq!(elsewhere.difference(&FILE), None);
        }
    }
}
