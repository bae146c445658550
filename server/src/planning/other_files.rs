//! Tells files that are not data from those that are, by their names.
//!
//! Only what no format of data is called is told apart. A file with another name that holds
//! no numbers fails its job, by name: to leave out data silently would be worse.

use protocol::Problem;
use protocol::job::SkippedFiles;
use protocol::problem::ProblemKind;

use super::shards::is_index;

/// Extensions of documents, images, programs, settings and checksums.
const EXTENSIONS: [&str; 48] = [
    "adoc", "bak", "bat", "bib", "bmp", "c", "cff", "cfg", "conf", "cpp", "css", "doc", "docx",
    "gif", "h", "htm", "html", "ini", "ipynb", "jl", "jpeg", "jpg", "js", "json", "lock", "m",
    "markdown", "md", "md5", "mp4", "odt", "pdf", "png", "ps1", "py", "rs", "rst", "sh", "sha1",
    "sha256", "sha512", "sig", "svg", "tex", "toml", "xml", "yaml", "yml",
];
/// Names that are documents without an extension, or as text.
const NAMES: [&str; 15] = [
    "authors",
    "changelog",
    "changes",
    "checksums",
    "citation",
    "contributing",
    "copying",
    "dockerfile",
    "licence",
    "license",
    "makefile",
    "manifest",
    "md5sums",
    "notice",
    "readme",
];
/// Files that operating systems leave in folders.
const LEFT_BEHIND: [&str; 3] = ["desktop.ini", "thumbs.db", "icon\r"];

/// Whether a key below a prefix may name data. Names that begin with `.` or `_` are hidden,
/// also those of folders.
pub(crate) fn is_data(key: &str) -> bool {
    if key.split('/').any(|part| part.starts_with(['.', '_'])) {
        return false;
    }
    let name = key.rsplit('/').next().unwrap_or_default().to_lowercase();
    if LEFT_BEHIND.contains(&name.as_str()) || name.ends_with('~') {
        return false;
    }
    let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
    if is_index(&name) {
        return true;
    }
    let is_document = EXTENSIONS.contains(&extension);
    let is_named = matches!(extension, "" | "txt") && NAMES.contains(&stem);
    !is_document && !is_named
}

/// The problem of a job that refuses files which are not data.
pub(super) fn refused(skipped: &SkippedFiles) -> Problem {
    let first = skipped.first.first().map_or("", String::as_str);
    let named = skipped.first.join(", ");
    let detail = match skipped.count - skipped.first.len() as u64 {
        0 => format!("these files are not data: {named}"),
        more => format!("these files are not data: {named} and {more} more"),
    };
    Problem::new(ProblemKind::InvalidInput, detail).object(first).remedy(
        "remove them, name the inputs one by one, or leave them out with \"other_files\": \"skip\"",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_data_is_called_is_told_apart() {
        for key in [
            ".DS_Store",
            "_SUCCESS",
            "a/.git/HEAD",
            "a/_temporary/0/part.csv",
            "README",
            "README.md",
            "readme.txt",
            "LICENSE",
            "a/b/Makefile",
            "paper.pdf",
            "map.PNG",
            "plot.svg",
            "run.py",
            "settings.yaml",
            "metadata.json",
            "data.csv.sha256",
            "Thumbs.db",
            "desktop.ini",
            "data.csv~",
            "MD5SUMS",
        ] {
            assert!(!is_data(key), "{key}");
        }
    }

    #[test]
    fn what_may_be_data_is_left_to_the_formats() {
        for key in [
            "a.csv",
            "a.npy",
            "a.npy.gz",
            "a.csv.zst",
            "a.txt",
            "a.tsv",
            "a.dat",
            "a.f64",
            "a.raw",
            "a.bin",
            "a",
            "0001",
            "part-00000",
            "readme.csv",
            "license.npy",
            "a.md.csv",
            "notes.txt",
            "b_c.csv",
            "manifest.csv",
            "a.log",
            "a.safetensors",
            "model.safetensors.index.json",
            "a.parquet",
            "a.nc",
            "a.fits",
        ] {
            assert!(is_data(key), "{key}");
        }
    }

    #[test]
    fn the_lists_are_sorted_and_small_letters() {
        assert!(EXTENSIONS.is_sorted() && NAMES.is_sorted());
        let all = EXTENSIONS.iter().chain(&NAMES).chain(&LEFT_BEHIND);
        assert!(all.into_iter().all(|name| name.to_lowercase() == *name));
    }
}
