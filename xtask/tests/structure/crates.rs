//! The arrows between crates, against the table in ARCHITECTURE.md.
//!
//! Each line of the table names a crate and, after an arrow, its dependencies;
//! these are on lines further down. Tests may depend on any crate further down.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;

/// The line of ARCHITECTURE.md before the table.
const HEADING: &str = "Each crate depends on exactly the crates in its line";

/// A package of the workspace, as `cargo metadata` shows it.
#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) targets: Vec<Target>,
    dependencies: Vec<Dependency>,
}

/// A library, a program, a test or a benchmark of a package.
#[derive(Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) src_path: PathBuf,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `None` for a dependency of the package itself.
    kind: Option<String>,
    /// Of those in the workspace.
    path: Option<PathBuf>,
}

/// The packages of the workspace.
pub(crate) fn workspace() -> Vec<Package> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    // Tests run in the folder of their package.
    let arguments =
        ["metadata", "--format-version=1", "--no-deps", "--manifest-path", "../Cargo.toml"];
    let output =
        Command::new(env!("CARGO")).args(arguments).output().expect("cargo can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice::<Metadata>(&output.stdout).expect("cargo metadata").packages
}

/// A crate and its dependencies, in the order of the table.
pub(crate) type Table = Vec<(String, BTreeSet<String>)>;

/// The dependencies of all crates.
#[derive(Default)]
pub(crate) struct Needs {
    pub(crate) always: BTreeSet<String>,
    pub(crate) for_tests: BTreeSet<String>,
}

/// The table: the first fenced block after its heading.
pub(crate) fn allowed(architecture: &str) -> Table {
    let (_, after) = architecture.split_once(HEADING).expect("the heading of the table");
    let block = after.split("```").nth(1).expect("a table");
    let line = |line: &str| {
        let (name, needs) = line.split_once('→').unwrap_or((line, ""));
        (name.trim().to_owned(), needs.split_whitespace().map(str::to_owned).collect())
    };
    // The first line says what kind of block it is.
    block.lines().skip(1).map(line).collect()
}

/// The dependencies in the manifests.
pub(crate) fn needed(packages: &[Package]) -> BTreeMap<String, Needs> {
    let mut needed = BTreeMap::new();
    for package in packages {
        let needs: &mut Needs = needed.entry(package.name.clone()).or_default();
        // A crate may depend on itself with other features, for its tests.
        let ours = package.dependencies.iter().filter(|it| it.path.is_some());
        for other in ours.filter(|it| it.name != package.name) {
            let is_for_tests = other.kind.as_deref() == Some("dev");
            let kind = if is_for_tests { &mut needs.for_tests } else { &mut needs.always };
            kind.insert(other.name.clone());
        }
    }
    needed
}

/// The differences from the table.
pub(crate) fn violations(table: &Table, needed: &BTreeMap<String, Needs>) -> Vec<String> {
    let mut found = Vec::new();
    for (line, (name, allowed)) in table.iter().enumerate() {
        let below: BTreeSet<&String> = table[line + 1..].iter().map(|(name, _)| name).collect();
        for other in allowed.iter().filter(|other| !below.contains(other)) {
            found.push(format!("the table leads up, or nowhere: {name} → {other}"));
        }
        let Some(needs) = needed.get(name) else {
            found.push(format!("there is no crate {name}"));
            continue;
        };
        for other in needs.always.difference(allowed) {
            found.push(format!("{name} needs {other}, which its line does not name"));
        }
        for other in allowed.difference(&needs.always) {
            found.push(format!("{name} does not need {other}, which its line names"));
        }
        for other in needs.for_tests.iter().filter(|other| !below.contains(other)) {
            found.push(format!("the tests of {name} need {other}, which is not further down"));
        }
    }
    let listed: BTreeSet<&String> = table.iter().map(|(name, _)| name).collect();
    for name in needed.keys().filter(|name| !listed.contains(name)) {
        found.push(format!("the crate {name} has no line"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Map\n\nEach crate depends on exactly the crates in its line:\n\n```text\ntop → middle bottom\nmiddle → bottom\nbottom\n```\n";

    fn needs(always: &[&str], for_tests: &[&str]) -> Needs {
        let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Needs { always: set(always), for_tests: set(for_tests) }
    }

    fn found(text: &str, change: impl FnOnce(&mut BTreeMap<String, Needs>)) -> Vec<String> {
        let mut needed = BTreeMap::from([
            ("top".to_owned(), needs(&["middle", "bottom"], &[])),
            ("middle".to_owned(), needs(&["bottom"], &[])),
            ("bottom".to_owned(), needs(&[], &[])),
        ]);
        change(&mut needed);
        violations(&allowed(text), &needed)
    }

    #[test]
    fn what_the_table_says_is_allowed() {
        assert_eq!(found(TEXT, |_| ()), Vec::<String>::new());
        let more_for_tests = |needed: &mut BTreeMap<_, _>| {
            needed.insert("middle".to_owned(), needs(&["bottom"], &["bottom"]));
        };
        assert_eq!(found(TEXT, more_for_tests), Vec::<String>::new());
    }

    #[test]
    fn whatever_is_otherwise_is_found() {
        let change = |name: &'static str, always: &'static [&str], for_tests: &'static [&str]| {
            found(TEXT, move |needed| {
                needed.insert(name.to_owned(), needs(always, for_tests));
            })
        };
        assert_eq!(
            change("bottom", &["top"], &[]),
            ["bottom needs top, which its line does not name"]
        );
        assert_eq!(
            change("middle", &[], &[]),
            ["middle does not need bottom, which its line names"]
        );
        let up = ["the tests of middle need top, which is not further down"];
        assert_eq!(change("middle", &["bottom"], &["top"]), up);
        assert_eq!(change("new", &[], &[]), ["the crate new has no line"]);
        let gone = found(TEXT, |needed| {
            needed.remove("bottom");
        });
        assert_eq!(gone, ["there is no crate bottom"]);
        let leads_up = found(&TEXT.replace("\nbottom\n", "\nbottom → top\n"), |needed| {
            needed.insert("bottom".to_owned(), needs(&["top"], &[]));
        });
        assert_eq!(leads_up, ["the table leads up, or nowhere: bottom → top"]);
    }
}
