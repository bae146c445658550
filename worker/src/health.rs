//! A sign of life for whoever asks: a file that is written anew every few
//! seconds.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::time::sleep;

/// How often the file is written.
const WRITTEN_EVERY: Duration = Duration::from_secs(5);
/// How old the file may be: a worker whose threads are all taken up for so long
/// is stuck.
const OLDEST: Duration = Duration::from_secs(30);

/// Writes the file again and again; it is gone once this is dropped.
pub async fn keep(path: PathBuf) -> anyhow::Result<()> {
    let file = Removed(path);
    loop {
        fs::write(&file.0, b"")
            .with_context(|| format!("writing the health file {}", file.0.display()))?;
        sleep(WRITTEN_EVERY).await;
    }
}

/// Says whether the worker that writes this file is well.
///
/// # Errors
/// If the file is not there, or too old.
pub fn check(path: &Path) -> anyhow::Result<()> {
    let written = fs::metadata(path)
        .and_then(|file| file.modified())
        .with_context(|| format!("no sign of life in {}", path.display()))?;
    // A clock that was set back is no sign of trouble.
    let age = written.elapsed().unwrap_or_default();
    if age > OLDEST {
        bail!("the last sign of life is {} s old", age.as_secs());
    }
    Ok(())
}

struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        // If it cannot be removed it grows old instead.
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
    fn an_old_file_is_no_sign_of_life() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("health");
        let file = fs::File::create(&path).unwrap();
        file.set_modified(SystemTime::now() - 2 * OLDEST).unwrap();
        let error = check(&path).unwrap_err();
        assert_eq!(error.to_string(), "the last sign of life is 60 s old");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_told() {
        let error = keep(PathBuf::from("/nowhere/health")).await.unwrap_err();
        assert_eq!(error.to_string(), "writing the health file /nowhere/health");
    }
}
