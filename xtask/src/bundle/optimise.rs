//! A smaller module by Binaryen's `wasm-opt`, from the npm package `binaryen`.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::asset::content_hash;
use super::paths::Paths;

/// The passes of `wasm-opt`. Stronger passes make a smaller module that compresses
/// worse, because they make similar functions different, and what counts is the
/// download: with brotli, `-Oz` is 6 % larger, and no passes 2 %.
const PASSES: [&str; 10] = [
    "-O1",
    "--dae-optimizing",
    "--duplicate-function-elimination",
    "--rse",
    "--merge-locals",
    "--vacuum",
    "--remove-unused-brs",
    "--precompute",
    "--strip-debug",
    "--strip-producers",
];

/// `wasm-opt`, if it is available.
pub(crate) struct Optimiser {
    wasm_opt: Option<PathBuf>,
    version: String,
}

impl Optimiser {
    /// The `wasm-opt` that `WASM_OPT` names; else that in the cache, where it
    /// is installed first if need be.
    ///
    /// # Errors
    /// If the lock file cannot be read, or the cache cannot be written. That
    /// npm is missing or fails is no error: the bundle is then larger.
    pub(crate) fn find(paths: &Paths) -> Result<Optimiser> {
        let manifest = paths.checkout().join("xtask/binaryen");
        let lock = fs::read(manifest.join("package-lock.json")).context("reading the lock file")?;
        let version = content_hash(&lock);
        if let Some(wasm_opt) = env::var_os("WASM_OPT") {
            let version = format!("{version} {} {}", wasm_opt.display(), PASSES.join(" "));
            return Ok(Optimiser { wasm_opt: Some(wasm_opt.into()), version });
        }
        let folder = paths.cache().join(format!("binaryen-{version}"));
        let wasm_opt = folder.join("node_modules/.bin/wasm-opt");
        if !wasm_opt.exists() {
            fs::create_dir_all(&folder)
                .with_context(|| format!("creating {}", folder.display()))?;
            for file in ["package.json", "package-lock.json"] {
                fs::copy(manifest.join(file), folder.join(file))?;
            }
            let npm = Command::new("npm")
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                .args(["--loglevel", "error"])
                .current_dir(&folder)
                .status();
            if !npm.is_ok_and(|status| status.success()) {
                eprintln!(
                    "note: npm cannot install wasm-opt here, so the bundle is larger than it \
                     need be; install Node.js with npm to change that"
                );
                return Ok(Optimiser { wasm_opt: None, version: "none".to_owned() });
            }
        }
        Ok(Optimiser {
            wasm_opt: Some(wasm_opt),
            version: format!("{version} {}", PASSES.join(" ")),
        })
    }

    /// Changes when the same module would be optimised differently.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Optimises the module `wasm`; returns it unchanged if there is no `wasm-opt`.
    ///
    /// # Errors
    /// If `wasm-opt` fails.
    pub(crate) fn optimise(&self, wasm: &[u8], paths: &Paths) -> Result<Vec<u8>> {
        let Some(wasm_opt) = &self.wasm_opt else {
            return Ok(wasm.to_vec());
        };
        let input = paths.module().with_file_name("bound.wasm");
        let output = paths.module().with_file_name("optimised.wasm");
        fs::write(&input, wasm).with_context(|| format!("writing {}", input.display()))?;
        let status = Command::new(wasm_opt)
            .args(PASSES)
            .arg(&input)
            .arg("--output")
            .arg(&output)
            .status()
            .with_context(|| format!("starting {}", wasm_opt.display()))?;
        ensure!(status.success(), "wasm-opt does not take the module");
        fs::read(&output).with_context(|| format!("reading {}", output.display()))
    }
}
