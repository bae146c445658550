//! Divides the total by F and stores it as the result.

mod array;
mod figures;
pub mod partly;
mod picture;
mod stored;
mod summary;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::{StreamExt, TryFutureExt, TryStreamExt, stream};
use platform::ObjectStore;
use platform::problems::{internal, with_sources};
use platform::store::read_all;
use protocol::problem::ProblemKind;
use protocol::request::{Dtype, Missing, Statistic};
use protocol::result::{ResultSummary, StatisticSummary};
use protocol::task::segment_key;
use protocol::{JobId, Plan, Problem};
use reading::{Buffers, ReadError, StoredSum};
use summation::output::{TypedKind, npy_header};
use summation::{Order, PartialSum};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use self::array::{Array, ArrayPlan, Numbers};
use crate::keys;
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
    /// The format of the inputs in which the result is written too, and the type of its
    /// numbers; `None` if they have no such format.
    pub typed: Option<(TypedKind, Dtype)>,
    /// The type of the numbers of the results as .npy, as NumPy names it, if it is not `f8`.
    pub npy_dtype: Option<String>,
    /// Whether the objects have weights.
    pub weighted: bool,
}

/// The most memory that writing the result takes, in bytes, if the segments are
/// files: the numbers of each segment that is divided, and those that are
/// written meanwhile, twice if the result is also written in the types of the inputs. If they
/// are not, each also takes two ranges.
#[must_use]
pub fn memory_bytes(plan: &Plan, statistics: &[Statistic], is_typed: bool) -> u64 {
    let all = plan.columns.unwrap_or(u64::MAX);
    let columns = all.min(plan.segment_columns);
    let arrays = 1 + statistics.len() as u64;
    let figures = arrays.saturating_mul(figures::memory_bytes(all));
    let number_bytes = 8 * arrays * (1 + u64::from(is_typed));
    let numbers = columns.saturating_mul((SEGMENTS_AT_ONCE as u64 + 1) * number_bytes + 8);
    numbers.saturating_add(figures)
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
    let described = described(&**store, &total).await?;
    let shape = total.shape.clone().unwrap_or_else(|| vec![total.columns]);
    let header = Bytes::from(npy_header(&shape, total.order));
    let mut arrays = Vec::new();
    let statistics = total.statistics.iter().copied().map(Some);
    for statistic in std::iter::once(None).chain(statistics) {
        let array = Array::begin(&**store, &total, statistic, described.as_deref()).await?;
        arrays.push(array);
        if let Some(array) = arrays.last_mut() {
            array.write_header(header.clone()).await?;
        }
    }
    let plans: Vec<_> = arrays.iter().map(Array::plan).collect();
    let prefix = &total.root;
    let segments = 0..total.columns.div_ceil(total.plan.segment_columns);
    let spare = Spare::default();
    let buffers = Arc::new(Buffers::new(SEGMENTS_AT_ONCE));
    let divided = segments.map(|segment| {
        let start = segment * total.plan.segment_columns;
        let columns = (total.columns - start).min(total.plan.segment_columns);
        let key = segment_key(prefix, segment);
        let sum = StoredSum::open(store, key, RANGE_BYTES, &buffers);
        let divided = divide(sum, (start, columns), &total, plans.clone(), spare.take());
        divided.map_err(move |error| (segment, error))
    });
    let mut divided = stream::iter(divided).buffered(SEGMENTS_AT_ONCE);
    let mut piece = Vec::new();
    loop {
        let mut numbers = match divided.try_next().await {
            Ok(Some(numbers)) => numbers,
            Ok(None) => break,
            Err((_, Undivided::Problem(problem))) => return Err(problem.into()),
            Err((segment, Undivided::Sum(error))) => {
                return Err(unreadable(&**store, segment, &error).await);
            }
        };
        check_stop(stop)?;
        for (array, numbers) in arrays.iter_mut().zip(&mut numbers) {
            piece = array.write(numbers, piece).await?;
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

/// Reads the segment with these columns, from the first of them on so many, and divides it,
/// range by range; `numbers` is memory to use again, for each of the `plans`.
async fn divide(
    mut segment: StoredSum,
    (start, columns): (u64, u64),
    total: &Total,
    plans: Vec<ArrayPlan>,
    mut numbers: Vec<Numbers>,
) -> Result<Vec<Numbers>, Undivided> {
    let columns = usize::try_from(columns).unwrap_or(usize::MAX);
    numbers.resize_with(plans.len(), Numbers::default);
    for (numbers, plan) in numbers.iter_mut().zip(&plans) {
        numbers.reset(columns, plan);
    }
    let mut sum = match total.weighted {
        true => PartialSum::with_weights(0, &total.statistics, total.missing),
        false => PartialSum::with_missing(0, &total.statistics, total.missing),
    };
    while !segment.is_over() {
        segment.ready().await?;
        let plans = plans.clone();
        let work = move || {
            let put = |sum: &PartialSum| {
                for (numbers, plan) in numbers.iter_mut().zip(&plans) {
                    numbers.put(start, sum, plan);
                }
            };
            let shown = segment.show(columns, &mut sum, put);
            (segment, sum, numbers, shown)
        };
        let shown;
        (segment, sum, numbers, shown) = spawn_blocking(work)
            .await
            .map_err(|error| Undivided::Problem(internal("dividing the total", &error)))?;
        shown?;
    }
    if numbers.iter().any(|numbers| numbers.columns() != columns) {
        let problem = Problem::new(ProblemKind::Internal, "the total lacks a statistic");
        return Err(Undivided::Problem(problem));
    }
    Ok(numbers)
}

/// What the files in the format of the inputs are written by, if these have such a format.
async fn described(store: &dyn ObjectStore, total: &Total) -> Result<Option<Vec<u8>>, Problem> {
    let (key, doing) = match total.typed {
        None | Some((TypedKind::Npy, _)) => return Ok(None),
        Some((TypedKind::Safetensors, _)) => {
            (keys::tensors(total.job), "reading the names of the tensors")
        }
        Some((TypedKind::Netcdf, _)) => {
            (keys::netcdf(total.job), "reading the coordinates of the inputs")
        }
    };
    read_all(store, &key).await.map(Some).map_err(|error| error.problem(doing))
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
    numbers: Mutex<Vec<Vec<Numbers>>>,
}

impl Spare {
    fn take(&self) -> Vec<Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give(&self, numbers: Vec<Numbers>) {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner).push(numbers);
    }
}

/// The mean appears last, so that where it is the others are too.
async fn finish(arrays: Vec<Array>) -> Result<ResultSummary, Problem> {
    let mut summaries = Vec::new();
    for array in arrays.into_iter().rev() {
        summaries.push(array.finish().await?);
    }
    let Some(mean) = summaries.pop() else {
        return Ok(ResultSummary::default());
    };
    let summaries = summaries.into_iter().rev().map(|summary| StatisticSummary {
        first: summary.first,
        plot: summary.plot,
        min: summary.min,
        max: summary.max,
        file: summary.file.unwrap_or_default(),
        safetensors: summary.safetensors,
        netcdf: summary.netcdf,
        npy: summary.npy,
        figures: summary.figures,
    });
    Ok(ResultSummary { summaries: summaries.collect(), ..mean })
}
