//! Resolves paths to modules.

use crate::source::{Id, Module};

/// The most imports that a name may pass through; more are a circle.
const DEPTH_MAX: u32 = 32;

/// The module in which the last thing of `path` is defined, as far as it lies in
/// this crate; a re-export is followed to where it comes from.
pub(crate) fn resolve(modules: &[Module], from: Id, path: &[String]) -> Option<Id> {
    start(modules, from, path, 0)
}

fn start(modules: &[Module], from: Id, path: &[String], depth: u32) -> Option<Id> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => descend(modules, 0, rest, depth),
        "self" => descend(modules, from, rest, depth),
        "super" => {
            let mut above = modules[from].parent?;
            let mut rest = rest;
            while let [next, others @ ..] = rest
                && next == "super"
            {
                above = modules[above].parent?;
                rest = others;
            }
            descend(modules, above, rest, depth)
        }
        _ => named(modules, from, path, depth),
    }
}

/// `path` below the module `at`.
fn descend(modules: &[Module], at: Id, path: &[String], depth: u32) -> Option<Id> {
    if path.is_empty() { Some(at) } else { named(modules, at, path, depth).or(Some(at)) }
}

/// Resolves a path whose first part is a name in the scope of the module `at`.
fn named(modules: &[Module], at: Id, path: &[String], depth: u32) -> Option<Id> {
    if depth > DEPTH_MAX {
        return None;
    }
    let (first, rest) = path.split_first()?;
    let module = &modules[at];
    if let Some(child) = module.children.get(first) {
        return descend(modules, *child, rest, depth);
    }
    if module.items.contains(first) {
        return Some(at);
    }
    if let Some(import) = module.imports.get(first) {
        // `use serde;` names another crate.
        if import.first() == Some(first) {
            return None;
        }
        return start(modules, at, &[import, rest].concat(), depth + 1);
    }
    module.globs.iter().find_map(|glob| {
        let from = start(modules, at, glob, depth + 1)?;
        named(modules, from, path, depth + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circles::tests::crate_of;

    fn leads(files: &[(&str, &str)], from: &[&str], path: &str) -> Option<String> {
        let modules = crate_of(files);
        let from = modules.iter().position(|module| module.path == from).unwrap();
        let path: Vec<String> = path.split("::").map(str::to_owned).collect();
        resolve(&modules, from, &path).map(|id| modules[id].path.join("::"))
    }

    #[test]
    fn a_path_leads_to_the_module_that_defines_its_item() {
        let files = [
            ("lib.rs", "mod a; mod b; pub struct Root; pub use b::c::Deep;"),
            ("a.rs", "use crate::b; use super::b::c::{self, Deep as Renamed};"),
            ("b.rs", "pub mod c; pub use c::*; pub fn own() {}"),
            ("b/c.rs", "pub struct Deep; pub enum Other { One }"),
        ];
        for (path, module) in [
            ("crate::Root", Some("")),
            ("super::Root", Some("")),
            ("b::own", Some("b")),
            ("crate::b::c::Deep::new", Some("b::c")),
            // By names under which they are exported again.
            ("crate::Deep", Some("b::c")),
            ("b::Other::One", Some("b::c")),
            ("Renamed", Some("b::c")),
            ("c::Deep", Some("b::c")),
            // Of other crates.
            ("std::fs::read", None),
            ("serde", None),
        ] {
            assert_eq!(leads(&files, &["a"], path).as_deref(), module, "{path}");
        }
    }

    #[test]
    fn imports_that_lead_to_each_other_lead_nowhere() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "pub use super::b::*;"),
            ("b.rs", "pub use super::a::*;"),
        ];
        assert_eq!(leads(&files, &[], "a::Nothing").as_deref(), Some("a"));
    }
}
