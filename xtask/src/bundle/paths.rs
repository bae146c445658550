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
    /// Derived from the path of this crate and the environment.
    ///
    /// # Errors
    /// If there is no home directory for the cache.
    pub(crate) fn find() -> Result<Paths> {
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("the crate xtask has left the checkout")?
            .to_owned();
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
