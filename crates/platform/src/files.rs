//! Files on this machine as locations of inputs, such as `file:///data/a.csv`.

use std::path::Path;

/// The scheme of the locations of files; an absolute path follows.
pub(crate) const SCHEME: &str = "file://";
/// The location of the root folder.
const ROOT: &str = "file:///";

/// The location of the file at an absolute path; `None` if the path is not UTF-8.
#[must_use]
pub fn location(path: &Path) -> Option<String> {
    let path = path.to_str()?;
    Some(format!("{ROOT}{}", path.trim_start_matches('/')))
}

/// Replaces the locations of files in a text by their paths.
#[must_use]
pub fn as_paths(text: &str) -> String {
    text.replace(ROOT, "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_reads_as_a_path_again() {
        let location = location(Path::new("/data/a b.csv")).unwrap();
        assert_eq!(location, "file:///data/a b.csv");
        assert_eq!(as_paths(&format!("reading {location}")), "reading /data/a b.csv");
    }
}
