//! The modules of a crate, and the paths that each of them names.
//!
//! Code for tests (`#[cfg(test)]`, `#[test]`) is left out: a test may use everything
//! in its crate.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Meta, UseTree};

/// The index of a module among those of its crate; the root is the first.
pub(crate) type Id = usize;

/// A module, and the paths that it names.
#[derive(Default)]
pub(crate) struct Module {
    /// From the crate's root: `["queue", "amqp"]`.
    pub(crate) path: Vec<String>,
    /// `None` for the root.
    pub(crate) parent: Option<Id>,
    pub(crate) children: BTreeMap<String, Id>,
    /// Its own items, by their names.
    pub(crate) items: HashSet<String>,
    /// Names that `use` brings in, and the paths behind them.
    pub(crate) imports: HashMap<String, Vec<String>>,
    /// What `use path::*` brings in.
    pub(crate) globs: Vec<Vec<String>>,
    /// Every path that it names, those of `use` included.
    pub(crate) paths: Vec<Vec<String>>,
}

/// Reads a crate from its root file; `text` gives the text of a file that exists.
pub(crate) fn read(root: &Path, text: impl Fn(&Path) -> Option<String>) -> Vec<Module> {
    let mut reader = Reader { text: &text, modules: vec![Module::default()] };
    let folder = root.parent().expect("a folder").to_owned();
    let content = text(root).unwrap_or_else(|| panic!("cannot read {}", root.display()));
    reader.file(0, root, &content, folder);
    reader.modules
}

struct Reader<'a> {
    text: &'a dyn Fn(&Path) -> Option<String>,
    modules: Vec<Module>,
}

impl Reader<'_> {
    /// `folder` is where the files of the module's children lie.
    fn file(&mut self, id: Id, path: &Path, content: &str, folder: PathBuf) {
        let file = syn::parse_file(content)
            .unwrap_or_else(|error| panic!("cannot parse {}: {error}", path.display()));
        let beside = path.parent().expect("a folder").to_owned();
        self.items(id, &file.items, &folder, &beside);
    }

    /// `beside` is what a `#[path]` is relative to.
    fn items(&mut self, id: Id, items: &[Item], folder: &Path, beside: &Path) {
        let mut visitor = Visitor { module: std::mem::take(&mut self.modules[id]), inner: vec![] };
        for item in items {
            visitor.module.items.extend(name(item));
            visitor.visit_item(item);
        }
        self.modules[id] = visitor.module;
        for inner in visitor.inner {
            let name = inner.ident.to_string();
            let child = self.modules.len();
            let mut path = self.modules[id].path.clone();
            path.push(name.clone());
            self.modules.push(Module { path, parent: Some(id), ..Module::default() });
            self.modules[id].children.insert(name.clone(), child);
            if let Some((_, items)) = &inner.content {
                self.items(child, items, &folder.join(&name), &folder.join(&name));
                continue;
            }
            let files = match path_attribute(&inner.attrs) {
                Some(file) => vec![(beside.join(&file), beside.to_owned())],
                None => vec![
                    (folder.join(format!("{name}.rs")), folder.join(&name)),
                    (folder.join(&name).join("mod.rs"), folder.join(&name)),
                ],
            };
            let found = files.into_iter().find_map(|(file, below)| {
                let content = (self.text)(&file)?;
                Some((file, content, below))
            });
            let (file, content, below) = found
                .unwrap_or_else(|| panic!("no file of the module {name} in {}", folder.display()));
            self.file(child, &file, &content, below);
        }
    }
}

/// Collects the paths of one module, without the modules inside it.
struct Visitor {
    module: Module,
    inner: Vec<ItemMod>,
}

impl<'ast> Visit<'ast> for Visitor {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.inner.push(item.clone());
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.import(&mut Vec::new(), &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter().map(|segment| segment.ident.to_string());
        self.module.paths.push(segments.collect());
        visit::visit_path(self, path);
    }

    /// Scanned as tokens: macros have a syntax of their own.
    fn visit_macro(&mut self, macro_: &'ast syn::Macro) {
        self.module.paths.extend(paths_in(macro_.tokens.clone()));
        visit::visit_macro(self, macro_);
    }

    /// Serde and others name functions in texts: `with = "crate::number"`.
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.module.paths.extend(paths_in(list.tokens.clone()));
            self.module.paths.extend(paths_in_texts(list.tokens.clone()));
        }
    }
}

impl Visitor {
    fn import(&mut self, prefix: &mut Vec<String>, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.import(prefix, &path.tree);
                prefix.pop();
            }
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                // `a::{self}` is `a`.
                let alias =
                    if name == "self" { prefix.last().cloned() } else { Some(name.clone()) };
                let path = [&prefix[..], &[name][..]].concat();
                self.named(alias, path);
            }
            UseTree::Rename(rename) => {
                let path = [&prefix[..], &[rename.ident.to_string()][..]].concat();
                self.named(Some(rename.rename.to_string()), path);
            }
            UseTree::Glob(_) => {
                self.module.paths.push(prefix.clone());
                self.module.globs.push(prefix.clone());
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(prefix, tree);
                }
            }
        }
    }

    fn named(&mut self, alias: Option<String>, mut path: Vec<String>) {
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        self.module.paths.push(path.clone());
        if let Some(alias) = alias {
            self.module.imports.insert(alias, path);
        }
    }
}

/// The token sequences that look like paths of more than one part.
fn paths_in(tokens: TokenStream) -> Vec<Vec<String>> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is_colon =
        |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(it)) if it.as_char() == ':');
    let (mut paths, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) => paths.extend(paths_in(group.stream())),
            TokenTree::Ident(first) => {
                let mut path = vec![first.to_string()];
                while is_colon(at + 1) && is_colon(at + 2) {
                    let Some(TokenTree::Ident(next)) = tokens.get(at + 3) else { break };
                    path.push(next.to_string());
                    at += 3;
                }
                paths.push(path);
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        at += 1;
    }
    paths
}

fn paths_in_texts(tokens: TokenStream) -> Vec<Vec<String>> {
    let path = |token: TokenTree| match token {
        TokenTree::Group(group) => paths_in_texts(group.stream()),
        TokenTree::Literal(literal) => {
            let text = syn::parse_str::<syn::LitStr>(&literal.to_string());
            let path = text.ok().and_then(|text| text.parse::<syn::Path>().ok());
            path.map(|path| path.segments.iter().map(|it| it.ident.to_string()).collect())
                .into_iter()
                .collect()
        }
        TokenTree::Ident(_) | TokenTree::Punct(_) => vec![],
    };
    tokens.into_iter().flat_map(path).collect()
}

/// Whether something is compiled for tests only.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute.parse_args::<Meta>().is_ok_and(|meta| needs_test(&meta))
    })
}

/// `test`, or `all(...)` with it.
fn needs_test(meta: &Meta) -> bool {
    let Meta::List(list) = meta else { return meta.path().is_ident("test") };
    let parts = syn::punctuated::Punctuated::<Meta, syn::Token![,]>::parse_terminated;
    list.path.is_ident("all")
        && list.parse_args_with(parts).is_ok_and(|parts| parts.iter().any(needs_test))
}

fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.path().is_ident("path"))?;
    let Meta::NameValue(pair) = &attribute.meta else { return None };
    let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &pair.value else {
        return None;
    };
    Some(text.value())
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(it) => &it.attrs,
        Item::Enum(it) => &it.attrs,
        Item::Fn(it) => &it.attrs,
        Item::Impl(it) => &it.attrs,
        Item::Macro(it) => &it.attrs,
        Item::Mod(it) => &it.attrs,
        Item::Static(it) => &it.attrs,
        Item::Struct(it) => &it.attrs,
        Item::Trait(it) => &it.attrs,
        Item::Type(it) => &it.attrs,
        Item::Use(it) => &it.attrs,
        _ => &[],
    }
}

fn name(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(it) => &it.ident,
        Item::Enum(it) => &it.ident,
        Item::Fn(it) => &it.sig.ident,
        Item::Macro(it) => it.ident.as_ref()?,
        Item::Static(it) => &it.ident,
        Item::Struct(it) => &it.ident,
        Item::Trait(it) => &it.ident,
        Item::Type(it) => &it.ident,
        Item::Union(it) => &it.ident,
        _ => return None,
    };
    Some(name.to_string())
}
