//! The rule about modules, and its violations.
//!
//! A module and its children count as one. A parent and its children
//! may use each other: `foo.rs` may call `foo/bar.rs`, and
//! `foo/bar.rs` may use the types of `foo.rs`. An arrow leads from one module to
//! a sibling if the first, or any module below it, names
//! anything that is defined in the second or below. Arrows between siblings must not
//! form a circle.
//!
//! What needs types to be resolved is not seen, such as a method that another
//! module adds to a type.

use std::collections::{BTreeMap, BTreeSet};

use crate::names::resolve;
use crate::source::{Id, Module};

/// The arrows between siblings.
pub(crate) struct Graph<'a> {
    modules: &'a [Module],
    /// For each arrow, one of the modules that names something and the path it names.
    arrows: BTreeMap<(Id, Id), (Id, &'a [String])>,
}

impl<'a> Graph<'a> {
    /// Of all modules of a crate.
    pub(crate) fn of(modules: &'a [Module]) -> Graph<'a> {
        let mut arrows = BTreeMap::new();
        for (from, module) in modules.iter().enumerate() {
            for path in &module.paths {
                let to = resolve(modules, from, path);
                if let Some(arrow) = to.and_then(|to| neighbours(modules, from, to)) {
                    arrows.entry(arrow).or_insert((from, path.as_slice()));
                }
            }
        }
        Graph { modules, arrows }
    }

    /// The number of arrows.
    pub(crate) fn arrows(&self) -> usize {
        self.arrows.len()
    }

    /// Each set of siblings that depend on each other, with the paths between them.
    pub(crate) fn circles(&self) -> Vec<String> {
        let reached: Vec<BTreeSet<Id>> =
            (0..self.modules.len()).map(|from| self.reached(from)).collect();
        let mut circles = BTreeSet::new();
        for from in 0..self.modules.len() {
            let there_and_back: BTreeSet<Id> =
                reached[from].iter().copied().filter(|to| reached[*to].contains(&from)).collect();
            if !there_and_back.is_empty() {
                circles.insert(there_and_back);
            }
        }
        circles.iter().map(|circle| self.describe(circle)).collect()
    }

    fn reached(&self, from: Id) -> BTreeSet<Id> {
        let (mut reached, mut left) = (BTreeSet::new(), vec![from]);
        while let Some(at) = left.pop() {
            for (_, to) in self.arrows.keys().filter(|(arrow_from, _)| *arrow_from == at) {
                if reached.insert(*to) {
                    left.push(*to);
                }
            }
        }
        reached
    }

    fn describe(&self, circle: &BTreeSet<Id>) -> String {
        let name = |id: Id| self.modules[id].path.join("::");
        let mut text = circle.iter().map(|id| name(*id)).collect::<Vec<_>>().join(", ") + "\n";
        for ((from, to), (module, path)) in &self.arrows {
            if circle.contains(from) && circle.contains(to) {
                let (module, path) = (name(*module), path.join("::"));
                text += &format!("  {} -> {}: {module} names {path}\n", name(*from), name(*to));
            }
        }
        text
    }
}

/// The two siblings that contain two modules; `None` if one
/// of them contains the other.
fn neighbours(modules: &[Module], from: Id, to: Id) -> Option<(Id, Id)> {
    let (above, below) = (way(modules, from), way(modules, to));
    let mut steps = above.into_iter().zip(below);
    steps.find(|(a, b)| a != b)
}

/// The modules from the root down to this one.
fn way(modules: &[Module], id: Id) -> Vec<Id> {
    let mut way: Vec<Id> = std::iter::successors(Some(id), |id| modules[*id].parent).collect();
    way.reverse();
    way
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use super::*;
    use crate::source;

    pub(crate) fn crate_of(files: &[(&str, &str)]) -> Vec<Module> {
        let text = |path: &Path| {
            let path = path.strip_prefix("/src").ok()?;
            let (_, text) = files.iter().find(|(name, _)| Path::new(name) == path)?;
            Some((*text).to_owned())
        };
        source::read(Path::new("/src/lib.rs"), text)
    }

    /// The names in each circle.
    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let modules = crate_of(files);
        let circles = Graph::of(&modules).circles().into_iter();
        circles.map(|text| text.lines().next().unwrap().to_owned()).collect()
    }

    const NONE: [&str; 0] = [];

    #[test]
    fn two_neighbours_that_name_each_other_are_a_circle() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b::B; pub struct A;"),
            ("b.rs", "pub struct B; fn f() { let _ = super::a::A; }"),
        ];
        assert_eq!(circles(&files), ["a, b"]);
        let [_, a, _] = files;
        assert_eq!(circles(&[files[0], a, ("b.rs", "pub struct B;")]), NONE);
    }

    #[test]
    fn a_circle_of_three_names_all_of_them_and_no_others() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c; mod d;"),
            ("a.rs", "use crate::b;"),
            ("b.rs", "use crate::{c::C, d::D};"),
            ("c.rs", "pub struct C; use crate::a::*;"),
            ("d.rs", "pub struct D;"),
        ];
        assert_eq!(circles(&files), ["a, b, c"]);
    }

    #[test]
    fn rooms_are_tied_by_what_lies_deep_in_them() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "mod deep; pub mod other;"),
            ("a/deep.rs", "use crate::b::B;"),
            ("a/other.rs", "pub struct Other;"),
            ("b.rs", "mod deep; pub struct B;"),
            ("b/deep.rs", "use super::super::a::other::Other;"),
        ];
        assert_eq!(circles(&files), ["a, b"]);
    }

    #[test]
    fn a_parent_and_its_children_may_need_each_other_but_not_the_children_among_themselves() {
        let files = [
            ("lib.rs", "mod room;"),
            ("room.rs", "mod a; mod b; pub struct Room; pub use a::A; use b::B;"),
            ("room/a.rs", "use super::Room; pub struct A;"),
            ("room/b.rs", "use super::{Room, A}; pub struct B;"),
        ];
        assert_eq!(circles(&files), NONE);
        // A name that the parent re-exports is the sibling's all the same.
        let files = [files[0], files[1], ("room/a.rs", "use super::B; pub struct A;"), files[3]];
        assert_eq!(circles(&files), ["room::a, room::b"]);
    }

    #[test]
    fn tests_may_use_what_they_like() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "pub struct A; #[cfg(test)] mod tests { use crate::b::B; }"),
            ("b.rs", "use crate::a::A; pub struct B; #[cfg(all(test, unix))] use crate::a;"),
        ];
        assert_eq!(circles(&files), NONE);
        let files =
            [files[0], ("a.rs", "pub struct A; #[cfg(not(test))] use crate::b::B;"), files[2]];
        assert_eq!(circles(&files), ["a, b"]);
    }

    #[test]
    fn paths_in_bodies_macros_attributes_and_modules_of_the_same_file_count() {
        for text in [
            "fn f() { crate::b::g(); }",
            "fn f() { use crate::b::g; g(); }",
            "fn f() { assert!(crate::b::g() == 1); }",
            "fn f() -> impl Fn(super::b::B) { |_| () }",
            "#[derive(Serialize)] struct S { #[serde(with = \"crate::b\")] field: u8 }",
            "mod inner { use super::super::b; }",
            "#[path = \"elsewhere.rs\"] mod inner;",
        ] {
            let files = [
                ("lib.rs", "mod a; mod b;"),
                ("a.rs", text),
                ("b.rs", "use crate::a; pub struct B; pub fn g() -> u8 { 1 }"),
                ("elsewhere.rs", "use crate::b::B;"),
            ];
            assert_eq!(circles(&files), ["a, b"], "{text}");
        }
    }
}
