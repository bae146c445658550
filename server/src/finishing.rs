//! Divides the total by F and stores it as the result.

mod stored;
mod summary;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::{StreamExt, TryFutureExt, TryStreamExt, stream};
use platform::problems::{internal, with_sources};
use platform::{ObjectStore, StoreError};
use protocol::problem::ProblemKind;
use protocol::request::{Choice, Missing, Statistic};
use protocol::result::{ResultSummary, StatisticSummary};
use protocol::task::segment_key;
use protocol::{JobId, Plan, Problem};
use reading::{Buffers, ReadError, StoredSum};
use summation::output::{OutputFormat, npy_header};
use summation::{Order, PartialSum};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use self::stored::StoredArray;
use self::summary::Summary;
use crate::keys;
use crate::results::MEAN;
use crate::results::checksums::ResultChecksums;

/// So many segments of the total are divided at the same time.
const SEGMENTS_AT_ONCE: usize = 2;

/// How much of a segment is asked of the store at a time; of a file it is less.
const RANGE_BYTES: usize = 4 << 20;

/// What a result is made from.
#[derive(Clone, Debug)]
pub struct Total {
    /// Which job's.
    pub job: JobId,
    /// The sum tree, whose root holds the total.
    pub plan: Plan,
    /// The prefix of the segments of the root.
    pub root: String,
    /// C.
    pub columns: u64,
    /// The shape of the inputs, if they had one.
    pub shape: Option<Vec<u64>>,
    /// The order in which the columns are counted.
    pub order: Order,
    /// What was computed beside the mean.
    pub statistics: Vec<Statistic>,
    /// What happened to missing values.
    pub missing: Missing,
}

/// The most memory that writing the result takes, in bytes, if the segments are
/// files: the numbers of each segment that is divided, and those that are
/// written meanwhile. If they are not, each also takes two ranges.
#[must_use]
pub fn memory_bytes(plan: &Plan, statistics: &[Statistic]) -> u64 {
    let columns = plan.columns.unwrap_or(plan.segment_columns).min(plan.segment_columns);
    let number_bytes = 8 * (1 + statistics.len() as u64);
    columns.saturating_mul((SEGMENTS_AT_ONCE as u64 + 1) * number_bytes + 8)
}

/// Why a result was not written.
#[derive(Debug)]
pub enum Unfinished {
    /// An error that fails the job.
    Problem(Problem),
    /// A segment of the total is damaged and was deleted, or is gone.
    Damaged {
        /// The index of the segment.
        segment: u64,
    },
}

impl From<Problem> for Unfinished {
    fn from(problem: Problem) -> Unfinished {
        Unfinished::Problem(problem)
    }
}

/// Writes the result, segment by segment; says what it looks like. Once `stop` is
/// cancelled, it ends with an error before the next segment, and no result appears.
///
/// # Errors
///
/// [`Unfinished::Damaged`] if a segment of the total must be computed again.
pub async fn write_result(
    store: &Arc<dyn ObjectStore>,
    total: Total,
    stop: &CancellationToken,
) -> Result<ResultSummary, Unfinished> {
    let writing = |error: StoreError| error.problem("writing the result");
    let statistics = total.statistics.iter();
    let statistics = statistics.map(|it| (it.word(), keys::statistic(total.job, *it)));
    let mut arrays = Vec::new();
    for (name, key) in std::iter::once((MEAN, keys::mean(total.job))).chain(statistics) {
        let upload = store.upload(&key).await.map_err(writing)?;
        let summary = if arrays.is_empty() { Summary::new(&total) } else { Summary::plain(&total) };
        arrays.push(StoredArray::new(name, upload, summary));
    }
    let shape = total.shape.clone().unwrap_or_else(|| vec![total.columns]);
    let header = Bytes::from(npy_header(&shape, total.order));
    for array in &mut arrays {
        array.write(header.clone()).await?;
    }
    let prefix = &total.root;
    let segments = 0..total.columns.div_ceil(total.plan.segment_columns);
    let spare = Spare::default();
    let buffers = Arc::new(Buffers::new(2 * SEGMENTS_AT_ONCE));
    let divided = segments.map(|segment| {
        let start = segment * total.plan.segment_columns;
        let columns = (total.columns - start).min(total.plan.segment_columns);
        let key = segment_key(prefix, segment);
        let sum = StoredSum::open(store, key, RANGE_BYTES, &buffers);
        let divided = divide(sum, columns, &total, spare.take());
        divided.map_err(move |error| (segment, error))
    });
    let mut divided = stream::iter(divided).buffered(SEGMENTS_AT_ONCE);
    let mut piece = Vec::new();
    loop {
        let numbers = match divided.try_next().await {
            Ok(Some(numbers)) => numbers,
            Ok(None) => break,
            Err((_, Undivided::Problem(problem))) => return Err(problem.into()),
            Err((segment, Undivided::Sum(error))) => {
                return Err(unreadable(&**store, segment, &error).await);
            }
        };
        check_stop(stop)?;
        for (array, numbers) in arrays.iter_mut().zip(&numbers) {
            array.summary.add(numbers);
            piece.clear();
            OutputFormat::Npy.put(0, numbers, &mut piece);
            let bytes = Bytes::from(piece);
            array.write(bytes.clone()).await?;
            // The same memory again, if nobody else holds it.
            piece = if bytes.is_unique() { bytes.into() } else { Vec::new() };
        }
        spare.give(numbers);
    }
    check_stop(stop)?;
    let mut checksums = ResultChecksums::default();
    for array in &mut arrays {
        array.add_checksums(&mut checksums);
    }
    checksums.store(&**store, total.job).await?;
    Ok(finish(arrays).await?)
}

fn check_stop(stop: &CancellationToken) -> Result<(), Problem> {
    match stop.is_cancelled() {
        true => Err(Problem::new(ProblemKind::Conflict, "the job was cancelled")),
        false => Ok(()),
    }
}

/// Why a segment was not divided.
enum Undivided {
    /// It could not be read.
    Sum(ReadError),
    Problem(Problem),
}

impl From<ReadError> for Undivided {
    fn from(error: ReadError) -> Undivided {
        Undivided::Sum(error)
    }
}

/// The mean and the statistics of some columns, in this order.
type Numbers = Vec<Vec<f64>>;

/// Reads one segment and divides it, range by range; `numbers` is memory to use
/// again.
async fn divide(
    mut segment: StoredSum,
    columns: u64,
    total: &Total,
    mut numbers: Numbers,
) -> Result<Numbers, Undivided> {
    let columns = usize::try_from(columns).unwrap_or(usize::MAX);
    let statistics = &total.statistics;
    numbers.resize(1 + statistics.len(), Vec::new());
    for numbers in &mut numbers {
        numbers.clear();
        numbers.reserve_exact(columns);
    }
    let mut sum = PartialSum::with_missing(0, statistics, total.missing);
    while !segment.is_over() {
        segment.ready().await?;
        let statistics = statistics.clone();
        let work = move || {
            let put = |sum: &PartialSum| put_quotients(sum, &statistics, &mut numbers);
            let shown = segment.show(columns, &mut sum, put);
            (segment, sum, numbers, shown)
        };
        let shown;
        (segment, sum, numbers, shown) = spawn_blocking(work)
            .await
            .map_err(|error| Undivided::Problem(internal("dividing the total", &error)))?;
        shown?;
    }
    if numbers.iter().any(|numbers| numbers.len() != columns) {
        let problem = Problem::new(ProblemKind::Internal, "the total lacks a statistic");
        return Err(Undivided::Problem(problem));
    }
    Ok(numbers)
}

/// Appends the mean and the statistics of some columns.
fn put_quotients(sum: &PartialSum, statistics: &[Statistic], numbers: &mut Numbers) {
    let (mean, others) = numbers.split_at_mut(1);
    mean.iter_mut().for_each(|mean| sum.put_mean(mean));
    for (numbers, &statistic) in others.iter_mut().zip(statistics) {
        numbers.extend(sum.statistic(statistic).into_iter().flatten());
    }
}

/// A segment of the total that could not be read. A damaged one is deleted, so that it is
/// computed again.
async fn unreadable(store: &dyn ObjectStore, segment: u64, error: &ReadError) -> Unfinished {
    let doing = "reading the total";
    match (error, error.lost()) {
        (_, Some(key)) => {
            let damage = with_sources(error);
            tracing::warn!(key, damage, "total cannot be used: its segment is computed again");
            match store.delete(key).await {
                Ok(()) => Unfinished::Damaged { segment },
                Err(error) => error.problem(doing).into(),
            }
        }
        (ReadError::Store(error), None) => error.problem(doing).into(),
        (error, None) => internal(doing, error).into(),
    }
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
async fn finish(arrays: Vec<StoredArray>) -> Result<ResultSummary, Problem> {
    let mut summaries = Vec::new();
    for array in arrays.into_iter().rev() {
        let (summary, file) = array.finish().await?;
        summaries.push((summary, file));
    }
    let Some((mean, file)) = summaries.pop() else {
        return Ok(ResultSummary::default());
    };
    let summaries = summaries.into_iter().rev().map(|(summary, file)| StatisticSummary {
        first: summary.first,
        plot: summary.plot,
        min: summary.min,
        max: summary.max,
        file,
    });
    Ok(ResultSummary { file: Some(file), summaries: summaries.collect(), ..mean })
}
