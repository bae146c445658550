//! Divides the total by F and stores it as the result.

mod summary;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use platform::problems::internal;
use platform::store::{ObjectReader, Upload, read_all};
use platform::{ObjectStore, StoreError};
use protocol::job::Statistic;
use protocol::result::ResultSummary;
use protocol::task::segment_key;
use protocol::{JobId, Plan, Problem};
use summation::output::OutputFormat;
use summation::{PartialSum, PartialSumReader};
use tokio::task::spawn_blocking;

use self::summary::Summary;
use crate::keys;

/// So many segments of the total are divided at the same time.
const SEGMENTS_AT_ONCE: usize = 2;

/// How much of a file is read at a time: it stays in the processor's cache.
const RANGE_BYTES: usize = 256 << 10;

/// What a result is made from.
#[derive(Clone, Debug)]
pub struct Total {
    /// Which job's.
    pub job: JobId,
    /// The sum tree, whose root holds the total.
    pub plan: Plan,
    /// C.
    pub columns: u64,
    /// The shape of the inputs, if they had one.
    pub shape: Option<Vec<u64>>,
    /// Whether the columns run along the first index of the shape.
    pub fortran_order: bool,
    /// What was computed beside the mean.
    pub statistics: Vec<Statistic>,
}

/// The most memory that writing the result takes, in bytes: of each segment
/// that is divided its encoding and its sum, and then the numbers.
#[must_use]
pub fn memory_bytes(plan: &Plan, statistics: &[Statistic]) -> u64 {
    let columns = plan.columns.unwrap_or(plan.segment_columns).min(plan.segment_columns);
    let sum_bytes = PartialSum::column_bytes(statistics).0 as u64;
    let number_bytes = 8 * (1 + statistics.len() as u64);
    columns.saturating_mul(SEGMENTS_AT_ONCE as u64 * (2 * sum_bytes + number_bytes))
}

/// Writes the result, segment by segment; says what it looks like.
pub async fn write_result(
    store: &Arc<dyn ObjectStore>,
    total: Total,
) -> Result<ResultSummary, Problem> {
    let writing = |error: StoreError| error.problem("writing the result");
    let mut uploads = vec![store.upload(&keys::mean(total.job)).await.map_err(writing)?];
    for statistic in &total.statistics {
        let key = keys::statistic(total.job, *statistic);
        uploads.push(store.upload(&key).await.map_err(writing)?);
    }
    let shape = total.shape.clone().unwrap_or_else(|| vec![total.columns]);
    let header = Bytes::from(OutputFormat::Npy.head(&shape, total.fortran_order));
    for upload in &mut uploads {
        upload.write(header.clone()).await.map_err(writing)?;
    }
    let mut summary = Summary::new(&total);
    let prefix = keys::node(total.job, total.plan.root_level(), 0);
    let segments = 0..total.columns.div_ceil(total.plan.segment_columns);
    let kept = Kept::new(&total.statistics);
    let divided = segments.map(|segment| {
        let start = segment * total.plan.segment_columns;
        let columns = (total.columns - start).min(total.plan.segment_columns);
        divide(store, segment_key(&prefix, segment), columns, &total.statistics, &kept)
    });
    let mut divided = stream::iter(divided).buffered(SEGMENTS_AT_ONCE);
    let mut piece = Vec::new();
    while let Some(numbers) = divided.try_next().await? {
        if let Some(mean) = numbers.first() {
            summary.add(mean);
        }
        for (upload, numbers) in uploads.iter_mut().zip(numbers) {
            piece.clear();
            OutputFormat::Npy.put(0, &numbers, &mut piece);
            let bytes = Bytes::from(piece);
            upload.write(bytes.clone()).await.map_err(writing)?;
            // The same memory again, if nobody else holds it.
            piece = if bytes.is_unique() { bytes.into() } else { Vec::new() };
        }
    }
    finish(uploads).await.map_err(writing)?;
    Ok(summary.finish())
}

/// Reads one segment and divides it.
async fn divide(
    store: &Arc<dyn ObjectStore>,
    key: String,
    columns: u64,
    statistics: &[Statistic],
    kept: &Kept,
) -> Result<Vec<Vec<f64>>, Problem> {
    let reading = |error: StoreError| error.problem("reading the total");
    let encoded = match store.reader(&key) {
        Some(file) => Encoded::File(file),
        None => Encoded::Whole(read_all(&**store, &key).await.map_err(reading)?),
    };
    let (statistics, mut sum) = (statistics.to_vec(), kept.take());
    let work = move || {
        sum.reset(usize::try_from(columns).unwrap_or(usize::MAX));
        let numbers = add_encoded(encoded, &key, &mut sum).map(|()| {
            let others = statistics.iter().map(|statistic| sum.statistic(*statistic));
            std::iter::once(sum.mean()).chain(others).collect()
        });
        (sum, numbers)
    };
    let (sum, numbers) =
        spawn_blocking(work).await.map_err(|error| internal("dividing the total", &error))?;
    kept.give(sum);
    numbers
}

/// A segment as it lies in the store.
enum Encoded {
    /// Read where it is used.
    File(Box<dyn ObjectReader>),
    Whole(Vec<u8>),
}

/// Adds a segment to a sum.
fn add_encoded(encoded: Encoded, key: &str, sum: &mut PartialSum) -> Result<(), Problem> {
    let damaged = |error| internal(&format!("reading {key}"), &error);
    let mut reader = PartialSumReader::new();
    let mut file = match encoded {
        Encoded::File(file) => file,
        Encoded::Whole(bytes) => return reader.push(&bytes, true, sum).map_err(damaged),
    };
    let mut range = vec![0; RANGE_BYTES];
    let mut offset = 0;
    loop {
        let filled =
            file.read_at(offset, &mut range).map_err(|error| error.problem("reading the total"))?;
        offset += filled as u64;
        let is_last = filled < range.len();
        reader.push(&range[..filled], is_last, sum).map_err(damaged)?;
        if is_last {
            return Ok(());
        }
    }
}

/// Sums whose memory is used again for the next segment.
struct Kept {
    spare: Mutex<Vec<PartialSum>>,
    statistics: Vec<Statistic>,
}

impl Kept {
    fn new(statistics: &[Statistic]) -> Kept {
        Kept { spare: Mutex::default(), statistics: statistics.to_vec() }
    }

    fn take(&self) -> PartialSum {
        let kept = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| PartialSum::new(0, &self.statistics))
    }

    fn give(&self, sum: PartialSum) {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(sum);
    }
}

/// The mean appears last, so that where it is the others are too.
async fn finish(uploads: Vec<Box<dyn Upload>>) -> Result<(), StoreError> {
    for upload in uploads.into_iter().rev() {
        upload.finish().await?;
    }
    Ok(())
}
