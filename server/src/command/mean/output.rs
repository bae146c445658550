//! Writes the mean to the file that `--output` names, or to standard output.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use platform::StoreError;
use protocol::JobSnapshot;
use protocol::job::InputSummary;
use protocol::request::{Choice, Dtype, Statistic};
use summation::output::{OutputFormat, TypedKind};
use tempfile::NamedTempFile;

use crate::engine::Engine;
use crate::results::{StoredResult, check_order, converted, typed_kind};

/// The destination of the mean and its format.
pub(super) struct Output {
    /// `None` for standard output.
    path: Option<PathBuf>,
    format: FileFormat,
}

/// What the file of a result is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileFormat {
    /// Numbers.
    Numbers(OutputFormat),
    /// The format of the inputs.
    Typed(TypedKind),
}

impl Output {
    /// Parses `--output`, and checks before anything is computed that the file can
    /// be written.
    ///
    /// # Errors
    ///
    /// If the name has no known ending, or its folder does not exist.
    pub(super) fn parse(text: &str) -> anyhow::Result<Output> {
        if text == "-" {
            return Ok(Output { path: None, format: FileFormat::Numbers(OutputFormat::Csv) });
        }
        let path = PathBuf::from(text);
        let format = match path.extension().and_then(|extension| extension.to_str()) {
            Some("npy") => OutputFormat::Npy,
            Some("csv" | "txt") => OutputFormat::Csv,
            Some("json") => OutputFormat::Json,
            Some("raw" | "f64" | "bin") => OutputFormat::Raw,
            Some("safetensors") => {
                return Output::in_folder(path, FileFormat::Typed(TypedKind::Safetensors));
            }
            Some("nc") => return Output::in_folder(path, FileFormat::Typed(TypedKind::Netcdf)),
            _ => bail!(
                "the output file {text} must end in .npy, .csv, .json, .raw, .safetensors or .nc"
            ),
        };
        Output::in_folder(path, FileFormat::Numbers(format))
    }

    fn in_folder(path: PathBuf, format: FileFormat) -> anyhow::Result<Output> {
        let folder = folder_of(&path);
        if !folder.is_dir() {
            bail!("the folder {} of the output file does not exist", folder.display());
        }
        Ok(Output { path: Some(path), format })
    }

    /// The paths of the mean and of all statistics that can be requested.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let Some(mean) = &self.path else { return Vec::new() };
        let statistics = Statistic::ALL.iter().copied().map(Some);
        [None].into_iter().chain(statistics).map(|one| path_of(mean, one)).collect()
    }

    /// Checks that inputs of this kind have a result of the format.
    ///
    /// # Errors
    ///
    /// If they are in an order that the format has not, or numbers of another type than it has
    /// then were asked for.
    pub(super) fn check_inputs(
        &self,
        inputs: &InputSummary,
        dtype: Option<Dtype>,
    ) -> anyhow::Result<()> {
        let is_npy = self.format == FileFormat::Numbers(OutputFormat::Npy);
        let is_chosen = dtype.is_some_and(|dtype| dtype != Dtype::F64);
        if is_npy
            && is_chosen
            && let Some(kind @ (TypedKind::Safetensors | TypedKind::Netcdf)) = typed_kind(inputs)
        {
            bail!(
                "the type of the numbers can be chosen for an --output that ends in .{}: as .npy \
                 they are f64",
                kind.extension()
            );
        }
        if let FileFormat::Typed(kind) = self.format
            && typed_kind(inputs) != Some(kind)
        {
            let format = inputs.format.as_deref().unwrap_or("of an unknown format");
            let ending = kind.extension();
            if is_chosen {
                bail!(
                    "the numbers of .{ending} files are f64 where the inputs have another format, \
                     and these are {format}; choose an --output that ends in .npy, or --dtype f64"
                );
            }
            if let Err(problem) = check_order(inputs.fortran_order, kind) {
                bail!("{}; choose an --output that ends in .npy", problem.detail);
            }
        }
        Ok(())
    }

    /// Whether the types of its numbers can be chosen.
    pub(super) fn has_types(&self) -> bool {
        matches!(self.format, FileFormat::Typed(_) | FileFormat::Numbers(OutputFormat::Npy))
    }

    /// Whether statistics can be written: each needs a file of its own.
    pub(super) fn takes_statistics(&self) -> bool {
        self.path.is_some()
    }

    /// Writes the statistics of a job that is done, then its mean. A file appears
    /// only when it is whole. The engine's store lies in `scratch`: results in the
    /// formats .npy, .safetensors and .nc are moved out of it.
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
        let store = engine.store().clone();
        let format = match (self.format, typed_kind(&job.inputs)) {
            (FileFormat::Numbers(OutputFormat::Npy), Some(TypedKind::Npy)) => {
                FileFormat::Typed(TypedKind::Npy)
            }
            (format, _) => format,
        };
        // What lies in the store as it is wanted has a key there.
        let (key, pieces) = match format {
            FileFormat::Typed(kind) if typed_kind(&job.inputs) != Some(kind) => {
                (None, converted(&store, job, statistic, kind).await?.pieces)
            }
            FileFormat::Typed(kind) => {
                let result = StoredResult::open_typed(store, job.id, statistic, kind).await?;
                let pieces = result.pieces(0, result.bytes);
                (Some(result.key().to_owned()), pieces)
            }
            FileFormat::Numbers(format) => {
                let result = StoredResult::open(store, job.id, statistic).await?;
                let pieces = result.written(format, job, statistic);
                let key = (format == OutputFormat::Npy).then(|| result.key().to_owned());
                (key, pieces)
            }
        };
        let Some(path) = &self.path else {
            let mut stdout = io::stdout().lock();
            return match copy(pieces, &mut stdout).await {
                // The reader of the pipe has closed it, as `head` does.
                Err(CopyError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
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
        if let Some(key) = key
            && move_file(&scratch.join(key), path, &file).with_context(writing)?
        {
            return Ok(());
        }
        copy(pieces, &mut file).await.with_context(writing)?;
        file.persist(path).with_context(writing)?;
        Ok(())
    }
}

/// The path of a statistic: `mean.std.npy` beside `mean.npy`.
fn path_of(mean: &Path, statistic: Option<Statistic>) -> PathBuf {
    let extension = mean.extension().unwrap_or_default().to_string_lossy();
    match statistic {
        Some(statistic) => mean.with_extension(format!("{}.{extension}", statistic.word())),
        None => mean.to_owned(),
    }
}

/// Why a result was not copied.
#[derive(Debug, thiserror::Error)]
enum CopyError {
    #[error("the result cannot be read from the store")]
    Read(#[from] StoreError),
    #[error("the output cannot be written")]
    Write(#[from] io::Error),
}

async fn copy(
    mut pieces: BoxStream<'static, Result<Bytes, StoreError>>,
    to: &mut impl Write,
) -> Result<(), CopyError> {
    while let Some(piece) = pieces.try_next().await? {
        to.write_all(&piece)?;
    }
    Ok(to.flush()?)
}

/// Moves a file, and gives it the permissions of another. Returns `false` if the
/// two paths are on different file systems, and the file was not moved.
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

/// The permissions of an ordinary new file; by default temporary files are private.
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
        assert_eq!(format("a.npy").unwrap(), FileFormat::Numbers(OutputFormat::Npy));
        assert_eq!(format("a.b.csv").unwrap(), FileFormat::Numbers(OutputFormat::Csv));
        let safetensors = FileFormat::Typed(TypedKind::Safetensors);
        assert_eq!(format("a.safetensors").unwrap(), safetensors);
        assert_eq!(format("a.nc").unwrap(), FileFormat::Typed(TypedKind::Netcdf));
        assert!(format("a").is_err());
        assert!(format("no/such/folder/a.npy").is_err());
        let stdout = Output::parse("-").unwrap();
        assert_eq!(stdout.format, FileFormat::Numbers(OutputFormat::Csv));
    }
}
