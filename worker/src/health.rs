//! The health file of a worker: rewritten every few seconds, and checked by
//! `--check-health`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::time::sleep;

/// The interval at which the file is rewritten.
const WRITE_INTERVAL: Duration = Duration::from_secs(5);
/// The age at which the file is stale: a worker whose threads have all been busy
/// for that long is stuck.
const AGE_MAX: Duration = Duration::from_secs(30);

/// Rewrites the file until it is dropped, which removes the file.
///
/// # Errors
///
/// If the file cannot be written.
pub async fn keep(path: PathBuf) -> anyhow::Result<()> {
    let file = Removed(path);
    loop {
        fs::write(&file.0, b"")
            .with_context(|| format!("writing the health file {}", file.0.display()))?;
        sleep(WRITE_INTERVAL).await;
    }
}

/// Checks that the worker that writes this file is healthy.
///
/// # Errors
///
/// If the file does not exist, or is older than [`AGE_MAX`].
pub fn check(path: &Path) -> anyhow::Result<()> {
    let written = fs::metadata(path)
        .and_then(|file| file.modified())
        .with_context(|| format!("reading the health file {}", path.display()))?;
    // A clock that was set back does not make a worker unhealthy.
    let age = written.elapsed().unwrap_or_default();
    if age > AGE_MAX {
        bail!("the health file is {} s old", age.as_secs());
    }
    Ok(())
}

struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        // A file that cannot be removed becomes stale.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[tokio::test]
    async fn the_file_is_there_as_long_as_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("health");
        assert!(check(&path).is_err(), "nobody has written yet");
        {
            let mut keeping = std::pin::pin!(keep(path.clone()));
            assert!(futures::poll!(&mut keeping).is_pending());
            check(&path).unwrap();
        }
        assert!(check(&path).is_err(), "it is not kept any more");
    }

    #[test]
    fn a_stale_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("health");
        let file = fs::File::create(&path).unwrap();
        file.set_modified(SystemTime::now() - 2 * AGE_MAX).unwrap();
        let error = check(&path).unwrap_err();
        assert_eq!(error.to_string(), "the health file is 60 s old");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_an_error() {
        let error = keep(PathBuf::from("/nowhere/health")).await.unwrap_err();
        assert_eq!(error.to_string(), "writing the health file /nowhere/health");
    }
}
