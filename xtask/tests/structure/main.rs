//! The structure of the workspace: modules do not depend on each other in a circle,
//! and crates depend only on those that ARCHITECTURE.md lists.
//!
//! In reading order:
//!
//! - [`source`]: the modules of a crate, and the paths that each of them names.
//! - [`names`]: which module a path leads to.
//! - [`circles`]: the rule, and its violations.
//! - [`crates`]: the arrows between crates.

mod circles;
mod crates;
mod names;
mod source;

use std::path::Path;

#[test]
fn no_modules_need_each_other_in_a_circle() {
    let (mut modules, mut arrows, mut found) = (0, 0, Vec::new());
    for package in crates::workspace() {
        for target in package.targets {
            let read = |path: &Path| std::fs::read_to_string(path).ok();
            let source = source::read(&target.src_path, read);
            let graph = circles::Graph::of(&source);
            modules += source.len();
            arrows += graph.arrows();
            let circles = graph.circles().into_iter();
            found.extend(
                circles.map(|circle| format!("{} {}: {circle}", package.name, target.name)),
            );
        }
    }
    println!("{modules} modules, {arrows} arrows between neighbours");
    // Otherwise the test would show nothing.
    assert!(modules > 200 && arrows > 300, "{modules} modules, {arrows} arrows");
    assert!(found.is_empty(), "modules need each other in a circle:\n\n{}", found.join("\n"));
}

#[test]
fn crates_need_only_those_that_the_architecture_says() {
    let architecture = std::fs::read_to_string("../ARCHITECTURE.md").expect("ARCHITECTURE.md");
    let allowed = crates::allowed(&architecture);
    let found = crates::violations(&allowed, &crates::needed(&crates::workspace()));
    assert!(found.is_empty(), "ARCHITECTURE.md says otherwise:\n{}", found.join("\n"));
}
