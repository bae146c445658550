//! Build steps that cargo has no command for.
//!
//! `cargo xtask bundle` builds the browser bundle, in
//! `$CARGO_TARGET_DIR/site`, where the server looks for it:
//!
//! ```text
//! site/hash.txt                           js: HASH, wasm: HASH and css: HASH, one per line
//! site/pkg/distributed-average.HASH.js    the output of wasm-bindgen
//! site/pkg/distributed-average.HASH.wasm  the crate `app`, with its feature `hydrate`
//! site/pkg/distributed-average.HASH.css   style/*.css in the order of their names
//! site/pkg/*.br, site/pkg/*.gz            the same files, compressed
//! ```
//!
//! These are the names that Leptos's `HydrationScripts` and `HashedStylesheet`
//! expect with `hash_files` set and `hash_file` the absolute path of
//! `hash.txt`. A file never changes under its name, so a browser may keep it
//! for ever.

mod bundle;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask bundle

  bundle   build what the browser downloads, into $CARGO_TARGET_DIR/site";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["bundle"] => bundle::bundle(),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(anyhow::anyhow!("{USAGE}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The chain of causes on one line; a backtrace would add nothing.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
