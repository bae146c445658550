//! The crate `app` as WebAssembly, and the JavaScript that loads it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use wasm_bindgen_cli_support::Bindgen;

use super::paths::Paths;

/// Builds the crate `app` for the browser and returns the module's bytes.
///
/// # Errors
/// If it does not compile, or there is no toolchain for the browser.
pub(crate) fn compile(paths: &Paths) -> Result<Vec<u8>> {
    let browser_cargo = paths.checkout().join("scripts/browser-cargo");
    let status = Command::new(&browser_cargo)
        .args(["build", "--package", "app", "--lib", "--features", "hydrate"])
        .args(["--profile", "browser"])
        .current_dir(paths.checkout())
        // Set by the cargo that runs xtask, for its toolchain.
        .env_remove("CARGO")
        .env_remove("RUSTUP_TOOLCHAIN")
        .status()
        .with_context(|| format!("starting {}", browser_cargo.display()))?;
    ensure!(status.success(), "the browser part does not compile");
    let module = paths.module();
    fs::read(&module).with_context(|| format!("reading {}", module.display()))
}

/// The output of wasm-bindgen.
pub(crate) struct Glue {
    /// The module, with the imports that the JavaScript provides.
    pub(crate) wasm: Vec<u8>,
    /// A JavaScript module whose default export loads the WebAssembly.
    pub(crate) js: String,
    /// The JavaScript of crates, imported by relative paths.
    pub(crate) snippets: Snippets,
}

/// The JavaScript of crates.
pub(crate) struct Snippets(BTreeMap<String, String>);

impl Snippets {
    /// Writes the files where the JavaScript in `folder` imports them from.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        for (name, text) in &self.0 {
            let path = folder.join("snippets").join(name);
            let parent = path.parent().context("a snippet without a folder")?;
            fs::create_dir_all(parent)?;
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }
}

/// Generates the JavaScript for `module`, as modules that a browser loads.
///
/// # Errors
/// If the module was built with another version of wasm-bindgen.
pub(crate) fn bind(module: &[u8], name: &str) -> Result<Glue> {
    let mut output = Bindgen::new()
        .input_bytes(name, module.to_vec())
        .web(true)?
        .typescript(false)
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate_output()
        .with_context(|| {
            format!(
                "generating JavaScript; if versions of wasm-bindgen differ, set \
                 wasm-bindgen-cli-support in Cargo.toml to the version of wasm-bindgen in \
                 Cargo.lock (this is {})",
                wasm_bindgen_version()
            )
        })?;
    let mut snippets = BTreeMap::new();
    for (path, text) in output.local_modules() {
        snippets.insert(path.clone(), text.clone());
    }
    for (crate_name, inline) in output.snippets() {
        for (number, text) in inline.iter().enumerate() {
            snippets.insert(format!("{crate_name}/inline{number}.js"), text.clone());
        }
    }
    Ok(Glue {
        js: output.js().to_owned(),
        wasm: output.wasm_mut().emit_wasm(),
        snippets: Snippets(snippets),
    })
}

/// The version of wasm-bindgen that [`bind`] understands.
fn wasm_bindgen_version() -> &'static str {
    include_str!("../../../Cargo.toml")
        .lines()
        .find_map(|line| line.strip_prefix("wasm-bindgen-cli-support = \"="))
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_of_the_version_that_the_app_is_built_with() {
        let locked = include_str!("../../../Cargo.lock")
            .split("[[package]]")
            .find(|package| package.contains("\nname = \"wasm-bindgen\"\n"))
            .unwrap();
        let version = format!("version = \"{}\"", wasm_bindgen_version());
        assert!(
            locked.contains(&version),
            "set wasm-bindgen-cli-support in Cargo.toml to the version of:{locked}"
        );
    }
}
