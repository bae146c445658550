//! Writes the mean where the command line says.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use platform::StoreError;
use protocol::JobSnapshot;
use protocol::request::{Choice, Statistic};
use summation::output::OutputFormat;
use tempfile::NamedTempFile;

use crate::engine::Engine;
use crate::results::StoredResult;

/// Where the mean is written, and how.
pub(super) struct Output {
    /// Absent: standard output.
    path: Option<PathBuf>,
    format: OutputFormat,
}

impl Output {
    /// Reads `--output`; finds out before anything is computed whether it can
    /// be written.
    pub(super) fn parse(text: &str) -> anyhow::Result<Output> {
        if text == "-" {
            return Ok(Output { path: None, format: OutputFormat::Csv });
        }
        let path = PathBuf::from(text);
        let format = match path.extension().and_then(|extension| extension.to_str()) {
            Some("npy") => OutputFormat::Npy,
            Some("csv" | "txt") => OutputFormat::Csv,
            Some("json") => OutputFormat::Json,
            Some("raw" | "f64" | "bin") => OutputFormat::Raw,
            _ => bail!("the name of the output, {text}, must end in .npy, .csv, .json or .raw"),
        };
        let folder = folder_of(&path);
        if !folder.is_dir() {
            bail!("there is no folder {} to write the output into", folder.display());
        }
        Ok(Output { path: Some(path), format })
    }

    /// Whether statistics can be written beside the mean.
    pub(super) fn takes_statistics(&self) -> bool {
        self.path.is_some()
    }

    /// Writes the result of a job that is done: the mean, and each statistic
    /// beside it. A file appears when it is whole, the mean last. The engine's
    /// store lies in `scratch`, which loses the results.
    pub(super) async fn write(
        &self,
        engine: &Engine,
        job: &JobSnapshot,
        scratch: &Path,
    ) -> anyhow::Result<()> {
        for statistic in &job.request.statistics {
            self.write_one(engine, job, Some(*statistic), scratch).await?;
        }
        self.write_one(engine, job, None, scratch).await
    }

    async fn write_one(
        &self,
        engine: &Engine,
        job: &JobSnapshot,
        statistic: Option<Statistic>,
        scratch: &Path,
    ) -> anyhow::Result<()> {
        let result = StoredResult::open(engine.store().clone(), job.id, statistic).await?;
        let pieces = result.written(self.format, job, statistic);
        let Some(path) = &self.path else {
            let mut stdout = io::stdout().lock();
            return match copy(pieces, &mut stdout).await {
                // Whoever reads has seen enough, as `head` has.
                Err(Copied::NotWritten(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                    Ok(())
                }
                copied => copied.context("writing to standard output"),
            };
        };
        let path = &path_of(path, statistic);
        let writing = || format!("writing {}", path.display());
        let mut file = tempfile::Builder::new();
        let mut file = file
            .prefix(".distributed-average-")
            .permissions(permissions())
            .tempfile_in(folder_of(path))
            .with_context(writing)?;
        let stored = scratch.join(result.key());
        if self.format == OutputFormat::Npy
            && move_file(&stored, path, &file).with_context(writing)?
        {
            return Ok(());
        }
        copy(pieces, &mut file).await.with_context(writing)?;
        file.persist(path).with_context(writing)?;
        Ok(())
    }
}

/// Where a statistic is written: `mean.std.npy` beside `mean.npy`.
fn path_of(mean: &Path, statistic: Option<Statistic>) -> PathBuf {
    let extension = mean.extension().unwrap_or_default().to_string_lossy();
    match statistic {
        Some(statistic) => mean.with_extension(format!("{}.{extension}", statistic.word())),
        None => mean.to_owned(),
    }
}

/// Why a result was not copied.
#[derive(Debug, thiserror::Error)]
enum Copied {
    #[error("the result cannot be read")]
    NotRead(#[from] StoreError),
    #[error("it cannot be written")]
    NotWritten(#[from] io::Error),
}

async fn copy(
    mut pieces: BoxStream<'static, Result<Bytes, StoreError>>,
    to: &mut impl Write,
) -> Result<(), Copied> {
    while let Some(piece) = pieces.try_next().await? {
        to.write_all(&piece)?;
    }
    Ok(to.flush()?)
}

/// Moves a file to where it has the permissions of another one, if both places
/// are in one file system; whether they are.
fn move_file(from: &Path, to: &Path, permissions: &NamedTempFile) -> io::Result<bool> {
    fs::set_permissions(from, permissions.as_file().metadata()?.permissions())?;
    match fs::rename(from, to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => Ok(false),
        Err(error) => Err(error),
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Those of an ordinary new file; temporary files are private otherwise.
fn permissions() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    std::fs::Permissions::from_mode(0o666)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_written_beside_the_mean() {
        let mean = Path::new("a/mean.of.npy");
        assert_eq!(path_of(mean, None), mean);
        assert_eq!(path_of(mean, Some(Statistic::Std)), Path::new("a/mean.of.std.npy"));
    }

    #[test]
    fn the_format_follows_from_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let format = |name: &str| {
            let path = folder.path().join(name);
            Output::parse(path.to_str().unwrap()).map(|output| output.format)
        };
        assert_eq!(format("a.npy").unwrap(), OutputFormat::Npy);
        assert_eq!(format("a.b.csv").unwrap(), OutputFormat::Csv);
        assert!(format("a").is_err());
        assert!(format("no/such/folder/a.npy").is_err());
        assert_eq!(Output::parse("-").unwrap().format, OutputFormat::Csv);
    }
}
