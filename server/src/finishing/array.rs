//! The mean or a statistic while it is written: as .npy of f8, and if the inputs are model
//! weights or NetCDF in their format too.

use std::sync::Arc;

use bytes::Bytes;
use platform::problems::internal;
use platform::{ObjectStore, StoreError};
use protocol::Problem;
use protocol::request::{Choice, Dtype, Statistic};
use protocol::result::ResultSummary;
use summation::PartialSum;
use summation::output::{OutputFormat, TypedFile, TypedKind};

use super::Total;
use super::stored::FileUpload;
use super::summary::Summary;
use crate::keys;
use crate::results::checksums::ResultChecksums;
use crate::results::{MEAN, typed_name};

/// The mean or a statistic while it is written.
pub(super) struct Array {
    plan: ArrayPlan,
    npy: FileUpload,
    /// The file whose numbers have types of their own.
    typed: Option<(TypedKind, FileUpload)>,
    /// What it looks like.
    summary: Summary,
}

/// What is computed of a sum.
#[derive(Clone, Debug)]
pub(super) struct ArrayPlan {
    /// `None` for the mean.
    statistic: Option<Statistic>,
    typed: Option<Arc<TypedFile>>,
}

/// The numbers of some columns of one array.
#[derive(Default)]
pub(super) struct Numbers {
    numbers: Vec<f64>,
    /// The same, as they lie in the typed file.
    typed: Vec<u8>,
}

impl Array {
    /// Begins to write the mean or a statistic. `described` is what the file in the format of
    /// the inputs is written by.
    pub(super) async fn begin(
        store: &dyn ObjectStore,
        total: &Total,
        statistic: Option<Statistic>,
        described: Option<&[u8]>,
    ) -> Result<Array, Problem> {
        let writing = |error: StoreError| error.problem("writing the result");
        let job = total.job;
        let key = statistic.map_or_else(|| keys::mean(job), |it| keys::statistic(job, it));
        let name = statistic.map_or(MEAN, Statistic::word);
        let npy = FileUpload::new(name.to_owned(), store.upload(&key).await.map_err(writing)?);
        let summary = match statistic {
            None => Summary::new(total),
            Some(_) => Summary::plain(total),
        };
        let plan = ArrayPlan { statistic, typed: None };
        let mut array = Array { plan, npy, typed: None, summary };
        let wanted = total.typed.filter(|(kind, _)| *kind == TypedKind::Npy || described.is_some());
        if let Some((kind, dtype)) = wanted {
            let described = described.unwrap_or_default();
            let typed = typed_file(described, kind, dtype, total, statistic)?;
            let key = keys::typed(job, statistic, kind);
            let upload = store.upload(&key).await.map_err(writing)?;
            let mut upload = FileUpload::new(typed_name(statistic, kind), upload);
            upload.write(Bytes::copy_from_slice(typed.header())).await?;
            array.typed = Some((kind, upload));
            array.plan.typed = Some(Arc::new(typed));
        }
        Ok(array)
    }

    pub(super) fn plan(&self) -> ArrayPlan {
        self.plan.clone()
    }

    /// Writes the header of the .npy file.
    pub(super) async fn write_header(&mut self, header: Bytes) -> Result<(), Problem> {
        self.npy.write(header).await
    }

    /// Writes the next numbers. `piece` is memory to use, which is returned.
    pub(super) async fn write(
        &mut self,
        numbers: &mut Numbers,
        mut piece: Vec<u8>,
    ) -> Result<Vec<u8>, Problem> {
        self.summary.add(&numbers.numbers);
        piece.clear();
        OutputFormat::Npy.put(0, &numbers.numbers, &mut piece);
        // Beside each other: each waits for its hash as much as for the store.
        let npy = write_bytes(&mut self.npy, piece);
        let Some((_, typed)) = &mut self.typed else {
            return npy.await;
        };
        let bytes = std::mem::take(&mut numbers.typed);
        let (piece, typed) = tokio::try_join!(npy, write_bytes(typed, bytes))?;
        numbers.typed = typed;
        Ok(piece)
    }

    /// Adds the checksums of its files to those of the others.
    pub(super) fn add_checksums(&mut self, checksums: &mut ResultChecksums) {
        self.npy.add_checksums(checksums);
        if let Some((_, typed)) = &mut self.typed {
            typed.add_checksums(checksums);
        }
    }

    /// Ends its files, which appear then, the .npy last.
    pub(super) async fn finish(self) -> Result<ResultSummary, Problem> {
        let (mut safetensors, mut netcdf, mut npy) = (None, None, None);
        if let Some((kind, typed)) = self.typed {
            let file = Some(typed.finish().await?);
            match kind {
                TypedKind::Safetensors => safetensors = file,
                TypedKind::Netcdf => netcdf = file,
                TypedKind::Npy => npy = file,
            }
        }
        let file = Some(self.npy.finish().await?);
        Ok(ResultSummary { file, safetensors, netcdf, npy, ..self.summary.finish() })
    }
}

/// Writes bytes, and returns their memory if nobody else holds it.
async fn write_bytes(file: &mut FileUpload, bytes: Vec<u8>) -> Result<Vec<u8>, Problem> {
    let bytes = Bytes::from(bytes);
    file.write(bytes.clone()).await?;
    Ok(if bytes.is_unique() { bytes.into() } else { Vec::new() })
}

/// The file of the mean or a statistic whose numbers have types of their own.
fn typed_file(
    described: &[u8],
    kind: TypedKind,
    dtype: Dtype,
    total: &Total,
    statistic: Option<Statistic>,
) -> Result<TypedFile, Problem> {
    let (version, job) = (env!("CARGO_PKG_VERSION"), total.job);
    let (result, files) = (statistic.map_or(MEAN, Statistic::word), total.plan.objects);
    match kind {
        TypedKind::Npy => {
            let shape = total.shape.clone().unwrap_or_else(|| vec![total.columns]);
            let dtype = total.npy_dtype.as_deref().unwrap_or("f8");
            TypedFile::npy(dtype, statistic, &shape, total.order)
                .map_err(|error| internal("writing the result", &error))
        }
        TypedKind::Safetensors => {
            let header = str::from_utf8(described);
            let header =
                header.map_err(|error| internal("reading the names of the tensors", &error))?;
            let about = [
                ("version", version.to_owned()),
                ("job", job.to_string()),
                ("result", result.to_owned()),
                ("files", files.to_string()),
            ];
            TypedFile::safetensors(header, dtype, statistic, &about)
                .map_err(|error| internal("reading the names of the tensors", &error))
        }
        TypedKind::Netcdf => {
            let at = job.submitted_at().rfc3339();
            let history = format!(
                "{at}: distributed-average {version}: {result} of {files} files (job {job})"
            );
            TypedFile::netcdf(described, dtype, statistic, &history)
                .map_err(|error| internal("reading the coordinates of the inputs", &error))
        }
    }
}

impl ArrayPlan {
    /// The mean alone, as numbers.
    pub(super) const fn mean() -> ArrayPlan {
        ArrayPlan { statistic: None, typed: None }
    }
}

impl Numbers {
    /// The numbers that have been added.
    pub(super) fn all(&self) -> &[f64] {
        &self.numbers
    }

    /// Forgets the numbers, and makes room for so many columns.
    pub(super) fn reset(&mut self, columns: usize, plan: &ArrayPlan) {
        self.numbers.clear();
        self.numbers.reserve_exact(columns);
        self.typed.clear();
        if plan.typed.is_some() {
            self.typed.reserve(columns);
        }
    }

    /// How many columns have been added.
    pub(super) fn columns(&self) -> usize {
        self.numbers.len()
    }

    /// Adds the next columns, which are those of a sum. `start` is the first column of all.
    pub(super) fn put(&mut self, start: u64, sum: &PartialSum, plan: &ArrayPlan) {
        let before = self.numbers.len();
        match plan.statistic {
            None => sum.put_mean(&mut self.numbers),
            Some(statistic) => {
                self.numbers.extend(sum.statistic(statistic).into_iter().flatten());
            }
        }
        if let Some(typed) = &plan.typed {
            let numbers = &self.numbers[before..];
            typed.put(start + before as u64, sum, numbers, &mut self.typed);
        }
    }
}
