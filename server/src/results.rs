//! Results as they lie in the store, read piece by piece.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use platform::{ObjectStore, StoreError};
use protocol::request::{Choice, Statistic};
use protocol::{JobId, JobSnapshot, Problem};
use reading::{DetectError, detect};
use summation::HEAD_BYTES;
use summation::output::OutputFormat;

use crate::keys;

/// A result in the store.
pub struct StoredResult {
    store: Arc<dyn ObjectStore>,
    key: String,
    /// How many bytes it has, header included.
    pub bytes: u64,
    /// Where its numbers begin.
    data: u64,
}

impl StoredResult {
    /// The mean of a job that is done, or a statistic that it was asked for.
    pub async fn open(
        store: Arc<dyn ObjectStore>,
        job: JobId,
        statistic: Option<Statistic>,
    ) -> Result<StoredResult, Problem> {
        let key = statistic.map_or_else(|| keys::mean(job), |s| keys::statistic(job, s));
        let reading = |error: StoreError| error.problem("reading the result");
        let bytes = store.head(&key).await.map_err(reading)?.bytes;
        let (format, _) = detect(&*store, &key, None, bytes, None, HEAD_BYTES).await.map_err(
            |error| match error {
                DetectError::Store(error) => reading(error),
                DetectError::Input(error) => error.problem(&key),
            },
        )?;
        let data = format.offset_of(0).unwrap_or_default();
        Ok(StoredResult { store, key, bytes, data })
    }

    /// Its key in the store, under which it lies as a .npy file.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The bytes from `start` to `end`, piece by piece.
    pub fn pieces(
        &self,
        start: u64,
        end: u64,
    ) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + 'static + use<> {
        reading::stream(self.store.clone(), self.key.clone(), start..end)
    }

    /// The numbers, some at a time.
    pub fn numbers(
        &self,
    ) -> impl Stream<Item = Result<Vec<f64>, StoreError>> + Send + 'static + use<> {
        self.pieces(self.data, self.bytes).map_ok(|piece| {
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
            OutputFormat::Csv => self
                .numbers()
                .map_ok(|numbers| {
                    let mut text = Vec::new();
                    OutputFormat::Csv.put(0, &numbers, &mut text);
                    Bytes::from(text)
                })
                .boxed(),
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
