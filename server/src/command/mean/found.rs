//! Finds the files that the command line names.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail};
use platform::files;
use protocol::Problem;

use crate::planning::{ModelFolders, is_data, is_index};

/// The locations of all files that `inputs` name, in order. An input is a file, a
/// directory with all files below it, or a pattern. What a directory or a pattern finds
/// of `results`, the files that the command writes, is left out: it is from an earlier
/// run.
///
/// # Errors
///
/// If an input does not exist, cannot be read, matches no file, or is a result.
pub(super) fn find_inputs(inputs: &[String], results: &[PathBuf]) -> anyhow::Result<Vec<String>> {
    let results: Vec<PathBuf> =
        results.iter().filter_map(|result| result.canonicalize().ok()).collect();
    let is_result = |file: &Path| {
        !results.is_empty() && file.canonicalize().is_ok_and(|file| results.contains(&file))
    };
    let mut files = Vec::new();
    for input in inputs {
        let path = Path::new(input);
        if path.is_dir() {
            let before = files.len();
            walk(path, &mut Vec::new(), &mut files)?;
            leave_out(&mut files, before, is_result);
            leave_out_others(&mut files, before);
            if files.len() == before {
                bail!("the directory {input} contains no files");
            }
        } else if path.exists() {
            if is_result(path) {
                bail!("{input} is an input and would be overwritten: choose another --output");
            }
            files.push(path.to_owned());
        } else if input.contains(['*', '?', '[']) {
            let before = files.len();
            let matches = glob::glob(input).with_context(|| format!("the pattern {input}"))?;
            let mut folder = PathBuf::new();
            for path in matches {
                let path = path.with_context(|| format!("matching {input}"))?;
                if !path.is_file() {
                    continue;
                }
                // Files of one folder come one after the other.
                if let Some(parent) = path.parent().filter(|parent| *parent != folder) {
                    if is_inside_itself(parent) {
                        bail!(
                            "the pattern {input} finds {}, which lies in itself by a symbolic \
                             link: name the folders otherwise",
                            parent.display()
                        );
                    }
                    folder = parent.to_owned();
                }
                files.push(path);
            }
            leave_out(&mut files, before, is_result);
            if files.len() == before {
                bail!("the pattern {input} matches no file");
            }
        } else {
            bail!("there is no file or directory {input}");
        }
    }
    let indexes = files.iter().filter(|file| file.to_str().is_some_and(is_index));
    for index in indexes {
        check_shards(index, &results)?;
    }
    let mut locations = Vec::with_capacity(files.len());
    for file in files {
        locations.push(location(&file)?);
    }
    Ok(locations)
}

/// Checks that no result is a shard of the model that an index describes: the shards are inputs
/// too, although the command line may not name them.
fn check_shards(index: &Path, results: &[PathBuf]) -> anyhow::Result<()> {
    let reading = || format!("reading {}", index.display());
    let folder = index.canonicalize().with_context(reading)?;
    let beside = |result: &&PathBuf| result.parent() == folder.parent();
    for result in results.iter().filter(beside) {
        let text = fs::read(index).with_context(reading)?;
        // What is wrong with an index is told when the job is planned.
        let shards = summation::shards_of(&text).unwrap_or_default();
        if shards.iter().any(|shard| result.ends_with(shard)) {
            bail!(
                "{} belongs to the model {} and would be overwritten: choose another --output",
                result.display(),
                index.display()
            );
        }
    }
    Ok(())
}

/// Takes results out of the files from an index on, and says so.
fn leave_out(files: &mut Vec<PathBuf>, from: usize, is_result: impl Fn(&Path) -> bool) {
    let found = files.split_off(from);
    for file in found {
        if is_result(&file) {
            eprintln!("left out {}: it is the result of an earlier run", file.display());
        } else {
            files.push(file);
        }
    }
}

/// Takes what is not data out of the files from an index on, and says so.
fn leave_out_others(files: &mut Vec<PathBuf>, from: usize) {
    let found = files.split_off(from);
    let models = ModelFolders::of(found.iter().filter_map(|file| file.to_str()));
    let may_be_data = |file: &PathBuf| {
        let is_other = file.to_str().is_some_and(|file| models.accompanies(file));
        !is_other && file.file_name().is_none_or(|it| is_data(&it.to_string_lossy()))
    };
    let (data, others): (Vec<_>, Vec<_>) = found.into_iter().partition(may_be_data);
    files.extend(data);
    if let Some(first) = others.first() {
        let count = others.len();
        eprintln!("left out {count} files that are not data, such as {}", first.display());
    }
}

/// Adds all files below a folder in the order of their paths, except names that
/// begin with `.` or `_`. `inside` are the folders that the walk is in, by device and
/// inode: a symbolic link to one of them is skipped, or the walk would not end.
fn walk(
    folder: &Path,
    inside: &mut Vec<(u64, u64)>,
    files: &mut Vec<PathBuf>,
) -> anyhow::Result<()> {
    let listing = || format!("listing {}", folder.display());
    let metadata = fs::metadata(folder).with_context(listing)?;
    let identity = (metadata.dev(), metadata.ino());
    if inside.contains(&identity) {
        return Ok(());
    }
    inside.push(identity);
    let mut entries = fs::read_dir(folder)
        .with_context(listing)?
        .collect::<Result<Vec<_>, _>>()
        .with_context(listing)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with(['.', '_']) {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            walk(&path, inside, files)?;
        } else {
            files.push(path);
        }
    }
    inside.pop();
    Ok(())
}

/// Whether a path passes through one folder twice. Patterns with `**` follow symbolic
/// links, also those to a folder that they lie in.
fn is_inside_itself(folder: &Path) -> bool {
    if folder.components().any(|part| part == Component::ParentDir) {
        return false;
    }
    let mut passed = BTreeSet::new();
    let mut metadata = folder.ancestors().filter_map(|folder| fs::metadata(folder).ok());
    metadata.any(|folder| !passed.insert((folder.dev(), folder.ino())))
}

/// The location of a file.
///
/// # Errors
///
/// If there is no such file, or its name is not UTF-8.
pub(super) fn location(file: &Path) -> anyhow::Result<String> {
    let path = std::path::absolute(file)
        .with_context(|| format!("resolving the path {}", file.display()))?;
    // Keys must not contain parts such as `..`.
    let path = path.canonicalize().with_context(|| format!("opening {}", file.display()))?;
    files::location(&path)
        .with_context(|| format!("the name of {} is not UTF-8: rename it", path.display()))
}

/// A problem with paths in the place of locations, as the command line named them.
pub(super) fn as_paths(mut problem: Problem) -> Problem {
    problem.detail = files::as_paths(&problem.detail);
    problem.remedy = files::as_paths(&problem.remedy);
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_patterns_and_files_are_found_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.csv", "a.csv", "_SUCCESS", ".hidden", "c.npy", "README.md"] {
            fs::write(folder.path().join(name), "1").unwrap();
        }
        fs::create_dir(folder.path().join("d")).unwrap();
        fs::write(folder.path().join("d/e.csv"), "1").unwrap();
        let root = folder.path().canonicalize().unwrap();
        let names = |input: String| -> Vec<String> {
            let prefix = format!("{}/", files::location(&root).unwrap());
            let found = find_inputs(&[input], &[]).unwrap();
            found.iter().map(|at| at.strip_prefix(&prefix).unwrap().to_owned()).collect()
        };
        let root_text = root.to_str().unwrap();
        assert_eq!(names(root_text.to_owned()), ["a.csv", "b.csv", "c.npy", "d/e.csv"]);
        assert_eq!(names(format!("{root_text}/*.csv")), ["a.csv", "b.csv"]);
        assert_eq!(names(format!("{root_text}/b.csv")), ["b.csv"]);
    }

    #[test]
    fn links_to_the_folder_that_they_lie_in_are_skipped() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("d")).unwrap();
        for name in ["a.csv", "d/b.csv"] {
            fs::write(folder.path().join(name), "1").unwrap();
        }
        for (link, to) in [("one", "."), ("two", "."), ("d/up", "..")] {
            std::os::unix::fs::symlink(to, folder.path().join(link)).unwrap();
        }
        let found = find_inputs(&[folder.path().to_str().unwrap().to_owned()], &[]).unwrap();
        let names: Vec<&str> = found.iter().filter_map(|at| at.rsplit('/').next()).collect();
        assert_eq!(names, ["a.csv", "b.csv"]);
        let pattern = format!("{}/**/*.csv", folder.path().display());
        let error = find_inputs(&[pattern], &[]).unwrap_err();
        assert!(error.to_string().contains("lies in itself"), "{error}");
        let pattern = format!("{}/d/../d/*.csv", folder.path().display());
        assert_eq!(find_inputs(&[pattern], &[]).unwrap().len(), 1);
    }

    #[test]
    fn results_of_an_earlier_run_are_no_inputs() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.npy", "b.npy", "mean.npy", "mean.std.npy"] {
            fs::write(folder.path().join(name), "1").unwrap();
        }
        let results = ["mean.npy", "mean.std.npy", "mean.min.npy"];
        let results = results.map(|name| folder.path().join(name));
        let found = |input: &str| find_inputs(&[input.to_owned()], &results);
        let text = folder.path().to_str().unwrap();
        for input in [text, &format!("{text}/*.npy"), &format!("{text}/../{}/*", name_of(text))] {
            let found = found(input).unwrap();
            let names: Vec<&str> = found.iter().filter_map(|at| at.rsplit('/').next()).collect();
            assert_eq!(names, ["a.npy", "b.npy"], "{input}");
        }
        let error = found(&format!("{text}/mean.npy")).unwrap_err().to_string();
        assert!(error.contains("overwritten"), "{error}");
        let error = found(&format!("{text}/mean*.npy")).unwrap_err().to_string();
        assert!(error.contains("matches no file"), "{error}");
    }

    fn name_of(path: &str) -> &str {
        path.rsplit('/').next().unwrap_or_default()
    }

    #[test]
    fn what_is_not_there_is_named() {
        let error = find_inputs(&["/no/such/file.csv".to_owned()], &[]).unwrap_err();
        assert!(error.to_string().contains("/no/such/file.csv"));
        let error = find_inputs(&["/no/such/*.csv".to_owned()], &[]).unwrap_err();
        assert!(error.to_string().contains("matches no file"));
    }
}
