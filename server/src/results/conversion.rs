//! A result in a format that the inputs do not have, made from its numbers as it is read.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use platform::{ObjectStore, StoreError};
use protocol::problem::ProblemKind;
use protocol::request::{Choice, Statistic};
use protocol::{JobSnapshot, Problem};
use summation::output::{DoublesFile, ResultPart, TypedKind};

use super::slice::parts_of;
use super::{MEAN, StoredResult};

/// A result as a file of another kind than the inputs, of `f64`: its tensors or variables with
/// their names, or all of it as one array with the name of the result.
pub struct Converted {
    /// The size of the file in bytes.
    pub bytes: u64,
    /// The file, piece by piece. Each is verified before it is passed on.
    pub pieces: BoxStream<'static, Result<Bytes, StoreError>>,
}

/// The result of a job in such a format, which has names for its arrays.
///
/// # Errors
///
/// If it is an array in Fortran order, which the format has not, or cannot be read.
pub async fn converted(
    store: &Arc<dyn ObjectStore>,
    job: &JobSnapshot,
    statistic: Option<Statistic>,
    kind: TypedKind,
) -> Result<Converted, Problem> {
    check_order(job.inputs.fortran_order, kind)?;
    let word = statistic.map_or(MEAN, Statistic::word);
    let result = StoredResult::open(store.clone(), job.id, statistic).await?;
    let mut parts = parts_of(&**store, job).await?;
    if parts.is_empty() {
        let columns = 0..result.columns();
        let shape = job.result.as_ref().and_then(|result| result.shape.clone());
        let shape = shape.unwrap_or_else(|| vec![columns.end]);
        parts.push(ResultPart { name: word.to_owned(), columns, shape });
    }
    let (version, at) = (env!("CARGO_PKG_VERSION"), job.id.submitted_at().rfc3339());
    let files = job.result.as_ref().map_or(0, |result| result.objects);
    let about =
        format!("{at}: distributed-average {version}: {word} of {files} files (job {})", job.id);
    let internal = |detail: String| Problem::new(ProblemKind::Internal, detail);
    let file = DoublesFile::new(kind, &parts, &about)
        .map_err(|error| internal(format!("writing the result: {error}")))?
        .ok_or_else(|| internal("a format without names for its arrays".to_owned()))?;
    let (bytes, header) = (file.bytes(), Bytes::copy_from_slice(file.header()));
    let numbers = result.numbers().map_ok(move |numbers| {
        let mut bytes = Vec::with_capacity(8 * numbers.len());
        file.put(&numbers, &mut bytes);
        Bytes::from(bytes)
    });
    Ok(Converted { bytes, pieces: stream::iter([Ok(header)]).chain(numbers).boxed() })
}

/// Checks that an array in this order can be written in a format.
///
/// # Errors
///
/// If it is in Fortran order, which only .npy has.
pub fn check_order(is_fortran: bool, kind: TypedKind) -> Result<(), Problem> {
    if !is_fortran {
        return Ok(());
    }
    let ending = kind.extension();
    let detail = format!("the inputs are in Fortran order, which .{ending} files have not");
    Err(Problem::new(ProblemKind::Unsupported, detail)
        .field("format")
        .remedy("choose npy, which has it"))
}
