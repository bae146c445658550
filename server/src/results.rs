//! Results as they lie in the store, read piece by piece and verified by their checksums.

pub mod checksums;
pub mod comparison;
mod conversion;
pub mod envelope;
pub mod image;
mod slice;
mod table;
pub mod views;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use platform::problems::with_sources;
use platform::{InputStores, ObjectStore, StoreError};
use protocol::job::InputSummary;
use protocol::problem::ProblemKind;
use protocol::request::{Choice, ReadOptions, Statistic};
use protocol::task::InputObject;
use protocol::{JobId, JobSnapshot, Phase, Problem};
use reading::{DetectError, detect};
use summation::HEAD_BYTES;
use summation::output::{OutputFormat, TypedKind};

use self::checksums::{BLOCK_BYTES, Checksums, Damaged, ResultChecksums};
pub use self::conversion::{Converted, check_order, converted};
pub use self::slice::Slice;
use crate::keys;

/// The name of the mean among the results of a job.
pub const MEAN: &str = "mean";

/// The name of the file of the mean or of a statistic whose numbers have types of their own,
/// among the results of a job.
#[must_use]
pub fn typed_name(statistic: Option<Statistic>, kind: TypedKind) -> String {
    keys::typed_name(statistic, kind)
}

/// The format in which results are written too, with numbers of types of their own, if there is
/// one: that of the inputs, or .npy of a type that was asked for.
#[must_use]
pub const fn typed_kind(inputs: &InputSummary) -> Option<TypedKind> {
    match (&inputs.tensors, &inputs.variables, &inputs.result_dtype) {
        (Some(_), ..) => Some(TypedKind::Safetensors),
        (None, Some(_), _) => Some(TypedKind::Netcdf),
        (None, None, Some(_)) => Some(TypedKind::Npy),
        (None, None, None) => None,
    }
}

/// The size of a number in bytes.
const NUMBER_BYTES: u64 = 8;

/// A result in the store.
pub struct StoredResult {
    store: Arc<dyn ObjectStore>,
    key: String,
    /// How many bytes it has, header included.
    pub bytes: u64,
    /// Where its numbers begin.
    data: u64,
    /// `None` of results that an earlier version of the program has written.
    checksums: Option<Arc<Checksums>>,
}

impl StoredResult {
    /// The mean of a job that is done, or a statistic that it was asked for.
    ///
    /// # Errors
    ///
    /// If the store does not answer, or the result is not what was written: its size
    /// differs, or its first block is damaged.
    pub async fn open(
        store: Arc<dyn ObjectStore>,
        job: JobId,
        statistic: Option<Statistic>,
    ) -> Result<StoredResult, Problem> {
        let key = statistic.map_or_else(|| keys::mean(job), |s| keys::statistic(job, s));
        let name = statistic.map_or(MEAN, Statistic::word);
        let (bytes, checksums) = verified(&*store, job, &key, name).await?;
        let options = ReadOptions::default();
        let (location, parts) = (key.clone(), Box::default());
        let object = InputObject { location, bytes, version: None, weight: None, parts };
        let stores = InputStores::new(store.clone());
        let detected = detect(&stores, &object, &options, HEAD_BYTES).await;
        let (format, _) = detected.map_err(|error| match error {
            DetectError::Store(error) => unreadable(&key, &error),
            DetectError::Input(error) => damaged(&key, &error.to_string()),
        })?;
        let data = format.offset_of(0).unwrap_or_default();
        let numbers = format.columns(bytes).unwrap_or_default();
        let expected = numbers.checked_mul(8).and_then(|numbers| numbers.checked_add(data));
        if expected != Some(bytes) {
            return Err(damaged(&key, &format!("it has {bytes} bytes for {numbers} numbers")));
        }
        Ok(StoredResult { store, key, bytes, data, checksums: checksums.map(Arc::new) })
    }

    /// The same in the format of the inputs of the job. Only its bytes can be had.
    ///
    /// # Errors
    ///
    /// As [`StoredResult::open`].
    pub async fn open_typed(
        store: Arc<dyn ObjectStore>,
        job: JobId,
        statistic: Option<Statistic>,
        kind: TypedKind,
    ) -> Result<StoredResult, Problem> {
        let key = keys::typed(job, statistic, kind);
        let name = typed_name(statistic, kind);
        let (bytes, checksums) = verified(&*store, job, &key, &name).await?;
        Ok(StoredResult { store, key, bytes, data: 0, checksums: checksums.map(Arc::new) })
    }

    /// Its key in the store, under which it lies as a .npy file, or in the format of the inputs.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The bytes from `start` to `end`, piece by piece. Each is verified before it is passed
    /// on; damage ends the stream with an error.
    pub fn pieces(&self, start: u64, end: u64) -> BoxStream<'static, Result<Bytes, StoreError>> {
        let (store, key) = (self.store.clone(), self.key.clone());
        let Some(checksums) = self.checksums.clone() else {
            return reading::stream(store, key, start..end).boxed();
        };
        let pieces = stream::try_unfold(start, move |at| {
            let (store, key, checksums) = (store.clone(), key.clone(), checksums.clone());
            async move {
                if at >= end {
                    return Ok(None);
                }
                let block = checksums.read(&*store, &key, at / BLOCK_BYTES).await?;
                let block_start = at - at % BLOCK_BYTES;
                let place = |byte: u64| usize::try_from(byte - block_start).unwrap_or(usize::MAX);
                let piece = block.slice(place(at).min(block.len())..place(end).min(block.len()));
                Ok((!piece.is_empty()).then_some((piece, block_start + BLOCK_BYTES)))
            }
        });
        pieces.boxed()
    }

    /// C, how many numbers it has.
    pub fn columns(&self) -> u64 {
        (self.bytes - self.data) / NUMBER_BYTES
    }

    /// The numbers, some at a time.
    pub fn numbers(
        &self,
    ) -> impl Stream<Item = Result<Vec<f64>, StoreError>> + Send + 'static + use<> {
        self.numbers_of(0..self.columns())
    }

    /// The numbers of some columns, which it has, some at a time.
    pub fn numbers_of(
        &self,
        columns: Range<u64>,
    ) -> impl Stream<Item = Result<Vec<f64>, StoreError>> + Send + 'static + use<> {
        let byte = |column: u64| self.data + NUMBER_BYTES * column;
        self.pieces(byte(columns.start), byte(columns.end)).map_ok(|piece| {
            let (numbers, _) = piece.as_chunks::<8>();
            numbers.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
        })
    }

    /// The result in a format, and for JSON with what is known about it.
    pub fn written(
        &self,
        format: OutputFormat,
        job: &JobSnapshot,
        statistic: Option<Statistic>,
    ) -> BoxStream<'static, Result<Bytes, StoreError>> {
        match format {
            OutputFormat::Npy => self.pieces(0, self.bytes).boxed(),
            OutputFormat::Raw => self.pieces(self.data, self.bytes).boxed(),
            OutputFormat::Json => self.json(job, statistic).boxed(),
            OutputFormat::Csv => match job.row_numbers() {
                Some(width) => {
                    let keyed = job.inputs.keyed;
                    table::written(self.store.clone(), job.id, width, keyed, self.numbers())
                }
                None => self
                    .numbers()
                    .map_ok(|numbers| {
                        let mut text = Vec::new();
                        OutputFormat::Csv.put(0, &numbers, &mut text);
                        Bytes::from(text)
                    })
                    .boxed(),
            },
        }
    }

    /// An object of the numbers and what they are. NaN and infinities, which
    /// JSON has no numbers for, are texts.
    fn json(
        &self,
        job: &JobSnapshot,
        statistic: Option<Statistic>,
    ) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + 'static + use<> {
        let word = statistic.map_or("mean", Statistic::word);
        let result = job.result.as_ref();
        let shape = result.and_then(|result| result.shape.clone());
        let about = serde_json::json!({
            "id": job.id,
            "objects": result.map(|result| result.objects),
            "columns": result.map(|result| result.columns),
            "shape": shape,
            "fortran_order": job.inputs.fortran_order,
        });
        let mut opening = about.to_string();
        opening.pop();
        opening.push_str(&format!(",\"{word}\":["));
        let mut index = 0;
        let numbers = self.numbers().map_ok(move |numbers| {
            let mut text = Vec::new();
            OutputFormat::Json.put(index, &numbers, &mut text);
            index += numbers.len() as u64;
            Bytes::from(text)
        });
        let closing = stream::iter([Ok(Bytes::from_static(b"]}\n"))]);
        stream::iter([Ok(Bytes::from(opening))]).chain(numbers).chain(closing)
    }
}

/// The size and the checksums of a file of the result, whose size and first block are as they
/// were written.
async fn verified(
    store: &dyn ObjectStore,
    job: JobId,
    key: &str,
    name: &str,
) -> Result<(u64, Option<Checksums>), Problem> {
    let reading = |error: StoreError| unreadable(key, &error);
    let bytes = store.head(key).await.map_err(reading)?.bytes;
    let checksums = ResultChecksums::load(store, job).await?.and_then(|all| all.take(name));
    if let Some(checksums) = &checksums {
        if checksums.bytes != bytes {
            let change = format!("it has {bytes} bytes instead of {}", checksums.bytes);
            return Err(damaged(key, &change));
        }
        checksums.read(store, key, 0).await.map_err(reading)?;
    }
    Ok((bytes, checksums))
}

/// A result that cannot be read.
fn unreadable(key: &str, error: &StoreError) -> Problem {
    match error {
        StoreError::NotFound { .. } => damaged(key, "it is gone"),
        StoreError::Unavailable { source, .. } if source.is::<Damaged>() => {
            damaged(key, &with_sources(&**source))
        }
        _ => error.own_problem("reading the result"),
    }
}

/// Whether the job has what is asked for: the mean, or a statistic.
///
/// # Errors
///
/// If it is not done, or was not asked for the statistic.
pub fn check_there(job: &JobSnapshot, statistic: Option<Statistic>) -> Result<(), Problem> {
    if job.phase != Phase::Done {
        let detail = format!("the job is {}, so it has no result", job.phase.word());
        let remedy = match job.phase.is_over() {
            true => "run it again: POST /api/jobs/{id}/rerun",
            false => "wait until it is done: GET /api/jobs/{id}/events tells",
        };
        return Err(Problem::new(ProblemKind::Conflict, detail).remedy(remedy));
    }
    if let Some(statistic) = statistic
        && !job.request.statistics.contains(&statistic)
    {
        let detail = format!("the job was not asked for its {}", statistic.word());
        return Err(Problem::new(ProblemKind::NotFound, detail)
            .field("statistic")
            .remedy("name it in \"statistics\" when the job is submitted"));
    }
    Ok(())
}

/// A result is not what was written.
fn damaged(key: &str, damage: &str) -> Problem {
    Problem::new(ProblemKind::Internal, format!("the result {key} is damaged: {damage}"))
        .object(key)
        .remedy(
            "run the job again: POST /api/jobs/{id}/rerun; and check that the store keeps what is \
             written to it",
        )
}
