//! Where the programs are that `scripts/setup-real-parts` installs.

use std::env;
use std::path::PathBuf;

/// The path of a program: `installed` below the project's folder in the cache, or `name`
/// on the PATH.
///
/// # Panics
///
/// If it is not installed.
pub(crate) fn find(name: &str, installed: &str) -> PathBuf {
    let cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    let installed = cache.map(|cache| cache.join("distributed-average").join(installed));
    let on_path = env::var_os("PATH").unwrap_or_default();
    installed
        .into_iter()
        .chain(env::split_paths(&on_path).map(|directory| directory.join(name)))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{name} is not installed; run scripts/setup-real-parts"))
}
