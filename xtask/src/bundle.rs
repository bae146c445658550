//! The browser bundle: compiled, optimised, named by content, compressed.
//!
//! In the order of the steps:
//!
//! - [`paths`]: the paths of inputs and outputs.
//! - [`compile`]: the crate `app` as WebAssembly, and its JavaScript.
//! - [`optimise`]: a smaller module by `wasm-opt`.
//! - [`asset`]: a file's name, and its compressed forms.
//! - [`sizes`]: the table of sizes, and the budget.

mod asset;
mod compile;
mod optimise;
mod paths;
mod sizes;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use asset::{Asset, content_hash};
use optimise::Optimiser;
use paths::Paths;

/// The names of the bundle's files, before their hashes.
const NAME: &str = "distributed-average";

/// Raised when the same inputs produce other outputs, so that a bundle
/// of an older xtask is not considered fresh.
const RECIPE: &str = "2";

/// Brings `$CARGO_TARGET_DIR/site` up to date, and prints its size.
///
/// # Errors
/// If a tool fails, or the bundle is over its budget.
pub(crate) fn bundle() -> Result<()> {
    let paths = Paths::find()?;
    let compiled = compile::compile(&paths)?;
    let styles = styles(&paths.styles())?;
    let optimiser = Optimiser::find(&paths)?;

    let inputs = [RECIPE.as_bytes(), optimiser.version().as_bytes(), &compiled, styles.as_bytes()];
    let stamp = content_hash(&inputs.map(content_hash).concat().into_bytes());
    if fs::read_to_string(paths.stamp()).is_ok_and(|made_from| made_from == stamp) {
        return sizes::report(&fs::read_to_string(paths.sizes())?);
    }

    let glue = compile::bind(&compiled, NAME)?;
    let optimised = optimiser.optimise(&glue.wasm, &paths)?;
    let assets = [
        Asset::new("js", glue.js.into_bytes(), None),
        Asset::new("wasm", optimised, Some(glue.wasm.len())),
        Asset::new("css", styles.into_bytes(), None),
    ];

    // A new folder replaces the old one: a running server always sees
    // a whole bundle, and files of older bundles do not pile up.
    let site = paths.site();
    let fresh = site.with_extension("new");
    remove_folder(&fresh)?;
    let pkg = fresh.join("pkg");
    fs::create_dir_all(&pkg).with_context(|| format!("creating {}", pkg.display()))?;
    glue.snippets.write(&pkg)?;
    let mut hashes = String::new();
    let mut table = sizes::Table::default();
    for asset in &assets {
        let compressed = asset.write(&pkg, NAME)?;
        hashes.push_str(&format!("{}: {}\n", asset.extension(), asset.hash()));
        table.add(asset, compressed);
    }
    fs::write(fresh.join("hash.txt"), hashes)?;
    fs::write(fresh.join("sizes.txt"), table.to_text())?;
    fs::write(fresh.join("stamp.txt"), &stamp)?;
    remove_folder(&site)?;
    fs::rename(&fresh, &site).with_context(|| format!("placing {}", site.display()))?;
    sizes::report(&table.to_text())
}

/// The style sheets in `folder` as one, in the order of their names.
fn styles(folder: &Path) -> Result<String> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .with_context(|| format!("listing {}", folder.display()))?
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "css"))
        .collect();
    files.sort();
    let mut all = String::new();
    for file in files {
        all.push_str(
            &fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?,
        );
        all.push('\n');
    }
    Ok(all)
}

fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_sheets_are_joined_in_the_order_of_their_names() {
        let folder = std::env::temp_dir().join(format!("styles-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("20-page.css"), "p {}").unwrap();
        fs::write(folder.join("10-tokens.css"), ":root {}").unwrap();
        fs::write(folder.join("notes.md"), "not a style sheet").unwrap();
        let all = styles(&folder);
        remove_folder(&folder).unwrap();
        assert_eq!(all.unwrap(), ":root {}\np {}\n");
    }
}
