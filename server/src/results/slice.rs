//! A part of a result as a download: some columns, or those of a tensor or a variable.

use std::ops::Range;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use platform::store::read_all;
use platform::{ObjectStore, StoreError};
use protocol::problem::ProblemKind;
use protocol::{JobId, JobSnapshot, Problem};
use summation::Order;
use summation::output::{OutputFormat, ResultPart, TypedKind, npy_header};

use super::{StoredResult, typed_kind};
use crate::keys;

/// Some columns of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Which they are.
    pub columns: Range<u64>,
    /// The length along each index of the array that they are, in C order.
    pub shape: Vec<u64>,
}

impl Slice {
    /// Columns that follow one another.
    #[must_use]
    pub fn of_columns(columns: Range<u64>) -> Slice {
        let shape = vec![columns.end.saturating_sub(columns.start)];
        Slice { columns, shape }
    }

    /// The columns of the tensor or variable of this name, by what was stored of the inputs
    /// when the job was planned.
    ///
    /// # Errors
    ///
    /// If the inputs have no such part, or the store does not answer.
    pub async fn of_part(
        store: &dyn ObjectStore,
        job: &JobSnapshot,
        name: &str,
    ) -> Result<Slice, Problem> {
        let parts = parts_of(store, job).await?;
        let detail = match typed_kind(&job.inputs) {
            Some(TypedKind::Safetensors) => format!("the result has no tensor {name:?}"),
            Some(TypedKind::Netcdf) => format!("the result has no variable {name:?}"),
            Some(TypedKind::Npy) | None => {
                "the inputs of the job have no parts with names".to_owned()
            }
        };
        let missing = || {
            Problem::new(ProblemKind::NotFound, detail)
                .field("part")
                .remedy("name a tensor or a variable that is averaged, as the files name it")
        };
        let part = parts.into_iter().find(|part| part.name == name).ok_or_else(missing)?;
        Ok(Slice { columns: part.columns, shape: part.shape })
    }
}

/// The tensors or variables of the result of a job, by what was stored of its inputs when it was
/// planned; none if they have no names.
pub(super) async fn parts_of(
    store: &dyn ObjectStore,
    job: &JobSnapshot,
) -> Result<Vec<ResultPart>, Problem> {
    let (kind, key) = match typed_kind(&job.inputs) {
        Some(kind @ TypedKind::Safetensors) => (kind, keys::tensors(job.id)),
        Some(kind @ TypedKind::Netcdf) => (kind, keys::netcdf(job.id)),
        Some(TypedKind::Npy) | None => return Ok(Vec::new()),
    };
    let doing = "reading the names of the parts";
    let described = read_all(store, &key).await.map_err(|error| error.problem(doing))?;
    kind.parts(&described).map_err(|error| {
        Problem::new(ProblemKind::Internal, format!("{doing}: {error}")).object(key)
    })
}

impl StoredResult {
    /// Some of its columns as an array of `f64` in a format; with `word` for what they are.
    ///
    /// # Errors
    ///
    /// If it has no such columns.
    pub fn slice(
        &self,
        format: OutputFormat,
        Slice { columns, shape }: &Slice,
        (job, word): (JobId, &str),
    ) -> Result<BoxStream<'static, Result<Bytes, StoreError>>, Problem> {
        self.check_columns(columns)?;
        let (opening, closing) = match format {
            OutputFormat::Npy => (npy_header(shape, Order::C), ""),
            OutputFormat::Csv | OutputFormat::Raw => (Vec::new(), ""),
            OutputFormat::Json => {
                let Range { start, end } = columns;
                let about = serde_json::json!({
                    "id": job, "start": start, "end": end, "shape": shape,
                });
                let mut opening = about.to_string();
                opening.pop();
                opening.push_str(&format!(",\"{word}\":["));
                (opening.into_bytes(), "]}\n")
            }
        };
        let mut index = 0;
        let numbers = self.numbers_of(columns.clone()).map_ok(move |numbers| {
            let mut bytes = Vec::new();
            format.put(index, &numbers, &mut bytes);
            index += numbers.len() as u64;
            Bytes::from(bytes)
        });
        let [opening, closing] =
            [opening.into(), Bytes::from(closing)].map(|bytes| stream::iter([Ok(bytes)]));
        Ok(opening.chain(numbers).chain(closing).boxed())
    }
}
