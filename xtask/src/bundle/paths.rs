//! The paths of inputs and outputs.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The folders that a bundle is made from and in.
pub(crate) struct Paths {
    checkout: PathBuf,
    target: PathBuf,
    cache: PathBuf,
}

impl Paths {
    /// Derived from the working directory and the environment.
    ///
    /// # Errors
    /// If the working directory is not in a checkout, or there is no home directory for the
    /// cache.
    pub(crate) fn find() -> Result<Paths> {
        let here = env::current_dir()?;
        let is_checkout = |folder: &&Path| folder.join("xtask/Cargo.toml").is_file();
        let checkout = here.ancestors().find(is_checkout).context("run it in a checkout")?;
        let checkout = checkout.to_owned();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            // Cargo resolves a relative path from its working directory.
            Some(target) => env::current_dir()?.join(target),
            None => checkout.join("target"),
        };
        let cache = match env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()) {
            Some(cache) => PathBuf::from(cache),
            None => PathBuf::from(env::var_os("HOME").context("HOME is not set")?).join(".cache"),
        }
        .join("distributed-average");
        Ok(Paths { checkout, target, cache })
    }

    /// The root of the checkout.
    pub(crate) fn checkout(&self) -> &Path {
        &self.checkout
    }

    /// The cache of downloaded tools, which outlives a checkout.
    pub(crate) fn cache(&self) -> &Path {
        &self.cache
    }

    /// The style sheets.
    pub(crate) fn styles(&self) -> PathBuf {
        self.checkout.join("style")
    }

    /// The crate `app` as cargo builds it for the browser.
    pub(crate) fn module(&self) -> PathBuf {
        self.target.join("wasm32-unknown-unknown/browser/app.wasm")
    }

    /// The bundle.
    pub(crate) fn site(&self) -> PathBuf {
        self.target.join("site")
    }

    /// The fingerprint of the bundle's inputs.
    pub(crate) fn stamp(&self) -> PathBuf {
        self.site().join("stamp.txt")
    }

    /// The sizes of the bundle's files, printed when the bundle is up to date.
    pub(crate) fn sizes(&self) -> PathBuf {
        self.site().join("sizes.txt")
    }
}
