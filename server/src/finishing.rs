//! Divides the total by F and stores it as the result.

mod summary;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use platform::problems::internal;
use platform::store::{ObjectReader, Upload, read_all};
use platform::{ObjectStore, StoreError};
use protocol::problem::ProblemKind;
use protocol::request::Statistic;
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
/// that is divided its encoding, unless that is a file, and its numbers; and the
/// numbers that are written meanwhile.
#[must_use]
pub fn memory_bytes(plan: &Plan, statistics: &[Statistic], are_files: bool) -> u64 {
    let columns = plan.columns.unwrap_or(plan.segment_columns).min(plan.segment_columns);
    let sum_bytes = if are_files { 0 } else { PartialSum::column_bytes(statistics).0 as u64 };
    let number_bytes = 8 * (1 + statistics.len() as u64);
    let at_once = SEGMENTS_AT_ONCE as u64;
    columns.saturating_mul(at_once * sum_bytes + (at_once + 1) * number_bytes + 8)
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
    let spare = Spare::default();
    let divided = segments.map(|segment| {
        let start = segment * total.plan.segment_columns;
        let columns = (total.columns - start).min(total.plan.segment_columns);
        divide(store, segment_key(&prefix, segment), columns, &total.statistics, spare.take())
    });
    let mut divided = stream::iter(divided).buffered(SEGMENTS_AT_ONCE);
    let mut piece = Vec::new();
    while let Some(numbers) = divided.try_next().await? {
        if let Some(mean) = numbers.first() {
            summary.add(mean);
        }
        for (upload, numbers) in uploads.iter_mut().zip(&numbers) {
            piece.clear();
            OutputFormat::Npy.put(0, numbers, &mut piece);
            let bytes = Bytes::from(piece);
            upload.write(bytes.clone()).await.map_err(writing)?;
            // The same memory again, if nobody else holds it.
            piece = if bytes.is_unique() { bytes.into() } else { Vec::new() };
        }
        spare.give(numbers);
    }
    finish(uploads).await.map_err(writing)?;
    Ok(summary.finish())
}

/// The mean and the statistics of some columns, in this order.
type Numbers = Vec<Vec<f64>>;

/// Reads one segment and divides it; `numbers` is memory to use again.
async fn divide(
    store: &Arc<dyn ObjectStore>,
    key: String,
    columns: u64,
    statistics: &[Statistic],
    numbers: Numbers,
) -> Result<Numbers, Problem> {
    let reading = |error: StoreError| error.problem("reading the total");
    let encoded = match store.reader(&key) {
        Some(file) => Encoded::File(file),
        None => Encoded::Whole(read_all(&**store, &key).await.map_err(reading)?),
    };
    let statistics = statistics.to_vec();
    let work = move || divide_encoded(encoded, &key, columns, &statistics, numbers);
    spawn_blocking(work).await.map_err(|error| internal("dividing the total", &error))?
}

/// A segment as it lies in the store.
enum Encoded {
    /// Read where it is used.
    File(Box<dyn ObjectReader>),
    Whole(Vec<u8>),
}

/// Divides a segment, piece by piece.
fn divide_encoded(
    encoded: Encoded,
    key: &str,
    columns: u64,
    statistics: &[Statistic],
    mut numbers: Numbers,
) -> Result<Numbers, Problem> {
    let damaged = |error| internal(&format!("reading {key}"), &error);
    let columns = usize::try_from(columns).unwrap_or(usize::MAX);
    numbers.resize(1 + statistics.len(), Vec::new());
    for numbers in &mut numbers {
        numbers.clear();
        numbers.reserve_exact(columns);
    }
    let mut put = |sum: &PartialSum| {
        let (mean, others) = numbers.split_at_mut(1);
        mean.iter_mut().for_each(|mean| sum.put_mean(mean));
        for (numbers, &statistic) in others.iter_mut().zip(statistics) {
            numbers.extend(sum.statistic(statistic).into_iter().flatten());
        }
    };
    let mut sum = PartialSum::new(0, statistics);
    let mut reader = PartialSumReader::new();
    match encoded {
        Encoded::Whole(bytes) => {
            reader.push_pieces(&bytes, true, columns, &mut sum, &mut put).map_err(damaged)?;
        }
        Encoded::File(mut file) => {
            let mut range = vec![0; RANGE_BYTES];
            let mut offset = 0;
            let mut is_last = false;
            while !is_last {
                let filled = file
                    .read_at(offset, &mut range)
                    .map_err(|error| error.problem("reading the total"))?;
                offset += filled as u64;
                is_last = filled < range.len();
                reader
                    .push_pieces(&range[..filled], is_last, columns, &mut sum, &mut put)
                    .map_err(damaged)?;
            }
        }
    }
    if numbers.iter().any(|numbers| numbers.len() != columns) {
        return Err(Problem::new(ProblemKind::Internal, format!("{key} lacks a statistic")));
    }
    Ok(numbers)
}

/// Memory that numbers were in, for others.
#[derive(Default)]
struct Spare {
    numbers: Mutex<Vec<Numbers>>,
}

impl Spare {
    fn take(&self) -> Numbers {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give(&self, numbers: Numbers) {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner).push(numbers);
    }
}

/// The mean appears last, so that where it is the others are too.
async fn finish(uploads: Vec<Box<dyn Upload>>) -> Result<(), StoreError> {
    for upload in uploads.into_iter().rev() {
        upload.finish().await?;
    }
    Ok(())
}
