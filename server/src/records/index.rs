//! The index: an object for each job, so that jobs are listed without reading them.
//!
//! The entry of a job is empty until its report is in the store. Then it holds how and
//! when the job ended, so that a listing, which tells sizes, tells which jobs are over.
//! Earlier versions left all entries empty: such a job is read once, and its entry
//! completed.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, future};
use platform::problems::internal;
use platform::store::read_all;
use platform::{ObjectStore, StoreError};
use protocol::{JobId, JobSnapshot, Phase, Problem, Timestamp};
use serde::{Deserialize, Serialize};

use crate::idempotency::{KEYS_MAX, Mark};
use crate::keys;

/// The lengths of the parts of ids by which [`latest`] narrows its listings. Ids begin
/// with their time: these parts stand for 18 minutes, 9 hours, 12 days and a year.
const NARROWED: [usize; 5] = [6, 5, 4, 3, 0];

/// What is listed of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listed {
    /// The entry of a job, and whether it says that the job is over.
    Job { job: JobId, is_over: bool },
    /// The mark that a job has generated test data.
    Generated { job: JobId, bytes: u64 },
    /// The mark of the key that a job was submitted with.
    Keyed { job: JobId, mark: Mark },
    /// The mark that the job is being deleted.
    Deleted { job: JobId },
}

/// The content of the entry of a job that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// Done, failed or cancelled.
    pub phase: Phase,
    /// When it ended, by the server's clock.
    pub ended_at: Timestamp,
    /// Whether its partial sums were deleted: those that are there were written late.
    /// Earlier versions did not tell.
    #[serde(default)]
    pub is_collected: bool,
}

/// What a server that starts has to know of the jobs in the store.
#[derive(Debug, Default)]
pub struct Survey {
    /// The jobs to be read, oldest first: those that may not be over, and the newest of
    /// those that are.
    pub jobs: BTreeSet<JobId>,
    /// Those of `jobs` whose entry says that they are over.
    pub over: BTreeSet<JobId>,
    /// Those of `jobs` whose deletion was interrupted.
    pub deleted: BTreeSet<JobId>,
    /// The newest job that need not be read; `None` if all are.
    pub left_out: Option<JobId>,
    /// The size of the generated test data of all jobs, in bytes.
    pub generated_bytes: u64,
    /// The keys that jobs were submitted with, at most [`KEYS_MAX`], oldest job first.
    pub keyed: VecDeque<(JobId, Mark)>,
}

/// Writes the entry of a new job, which has `generated_bytes` of test data and was
/// submitted with a key, or without.
pub(super) async fn add(
    store: &dyn ObjectStore,
    job: JobId,
    generated_bytes: u64,
    mark: Option<Mark>,
) -> Result<(), StoreError> {
    store.put(&keys::index(job), Bytes::new()).await?;
    if generated_bytes > 0 {
        store.put(&keys::generated(job, generated_bytes), Bytes::new()).await?;
    }
    if let Some(mark) = mark {
        store.put(&keys::keyed(job, mark), Bytes::new()).await?;
    }
    Ok(())
}

/// Completes the entry of a job whose report is in the store, and whose partial sums are
/// deleted if it `is_collected`.
///
/// # Errors
///
/// If the store does not answer. The next start of the server then reads the report.
pub async fn complete(
    store: &dyn ObjectStore,
    job: &JobSnapshot,
    is_collected: bool,
) -> Result<(), Problem> {
    let doing = "completing the job's entry in the index";
    let ended_at = job.timings.ended_at.unwrap_or(job.timings.submitted_at);
    let ending = Ending { phase: job.phase, ended_at, is_collected };
    let bytes = serde_json::to_vec(&ending).map_err(|error| internal(doing, &error))?;
    let put = store.put(&keys::index(job.id), Bytes::from(bytes)).await;
    put.map_err(|error| error.problem(doing))
}

/// Says in the entry of a job that is over that its partial sums are deleted.
///
/// # Errors
///
/// If the store does not answer.
pub async fn collected(store: &dyn ObjectStore, job: JobId, ending: Ending) -> Result<(), Problem> {
    let doing = "completing the job's entry in the index";
    let ending = Ending { is_collected: true, ..ending };
    let bytes = serde_json::to_vec(&ending).map_err(|error| internal(doing, &error))?;
    let put = store.put(&keys::index(job), Bytes::from(bytes)).await;
    put.map_err(|error| error.problem(doing))
}

/// Empties the entry of a job that is deleted or resumed: a server that starts looks at it.
pub(super) async fn reopen(store: &dyn ObjectStore, job: JobId) -> Result<(), StoreError> {
    store.put(&keys::index(job), Bytes::new()).await
}

/// Marks a job as one that is being deleted.
pub(super) async fn mark_deleted(store: &dyn ObjectStore, job: JobId) -> Result<(), StoreError> {
    store.put(&keys::deleted(job), Bytes::new()).await
}

/// Deletes the entry of a job with its marks. Returns the size of its generated test data in bytes.
pub(super) async fn remove(store: &dyn ObjectStore, job: JobId) -> Result<u64, StoreError> {
    let mut marks = listing(store, &keys::marks(job));
    let mut bytes = 0;
    while let Some(listed) = marks.try_next().await? {
        match listed {
            Listed::Generated { bytes: more, .. } => {
                bytes += more;
                store.delete(&keys::generated(job, more)).await?;
            }
            Listed::Keyed { mark, .. } => store.delete(&keys::keyed(job, mark)).await?,
            Listed::Job { .. } | Listed::Deleted { .. } => {}
        }
    }
    drop(marks);
    store.delete(&keys::deleted(job)).await?;
    store.delete(&keys::index(job)).await?;
    Ok(bytes)
}

/// Lists the whole index. `newest` is how many of the jobs that are over are to be read.
/// Memory does not depend on the number of jobs that are over.
///
/// # Errors
///
/// If the store does not answer.
pub async fn survey(store: &dyn ObjectStore, newest: usize) -> Result<Survey, Problem> {
    let mut survey = Survey::default();
    let mut over = VecDeque::new();
    let mut last = None;
    let mut entries = listing(store, keys::INDEX);
    while let Some(listed) = entries.try_next().await.map_err(not_listed)? {
        match listed {
            Listed::Job { job, is_over } => {
                last = Some(job);
                if is_over {
                    over.push_back(job);
                } else {
                    survey.jobs.insert(job);
                }
                if over.len() > newest {
                    survey.left_out = over.pop_front();
                }
            }
            // A mark without an entry is left from a job that an earlier version deleted.
            Listed::Generated { job, bytes } if last == Some(job) => {
                survey.generated_bytes = survey.generated_bytes.saturating_add(bytes);
            }
            Listed::Keyed { job, mark } if last == Some(job) => {
                survey.keyed.push_back((job, mark));
                if survey.keyed.len() > KEYS_MAX {
                    survey.keyed.pop_front();
                }
            }
            Listed::Deleted { job } if last == Some(job) => {
                survey.deleted.insert(job);
            }
            Listed::Generated { .. } | Listed::Keyed { .. } | Listed::Deleted { .. } => {}
        }
    }
    survey.over = over.into_iter().collect();
    survey.jobs.extend(&survey.over);
    survey.jobs.extend(&survey.deleted);
    Ok(survey)
}

/// The ids of the latest jobs up to `newest` that are older than `cursor`, newest first
/// and at most `count`.
///
/// # Errors
///
/// If the store does not answer.
pub async fn latest(
    store: &dyn ObjectStore,
    newest: JobId,
    cursor: Option<JobId>,
    count: usize,
) -> Result<Vec<JobId>, Problem> {
    let start = cursor.map_or(newest, |cursor| cursor.min(newest)).to_string();
    let mut found = VecDeque::new();
    for length in NARROWED {
        found.clear();
        let prefix = format!("{}{}", keys::INDEX, &start[..length]);
        let mut entries = listing(store, &prefix);
        while let Some(listed) = entries.try_next().await.map_err(not_listed)? {
            let Listed::Job { job, .. } = listed else { continue };
            if job > newest || cursor.is_some_and(|cursor| job >= cursor) {
                break;
            }
            found.push_back(job);
            if found.len() > count {
                found.pop_front();
            }
        }
        if found.len() >= count {
            break;
        }
    }
    Ok(found.into_iter().rev().collect())
}

/// The jobs that are over and were submitted before `then`, oldest first.
pub fn over_before(
    store: &dyn ObjectStore,
    then: Timestamp,
) -> impl Stream<Item = Result<JobId, Problem>> + Send + '_ {
    let older = move |listed: &Listed| match listed {
        Listed::Job { job, .. }
        | Listed::Generated { job, .. }
        | Listed::Keyed { job, .. }
        | Listed::Deleted { job } => job.submitted_at() < then,
    };
    listing(store, keys::INDEX)
        .try_take_while(move |listed| future::ready(Ok(older(listed))))
        .try_filter_map(|listed| {
            future::ready(Ok(match listed {
                Listed::Job { job, is_over: true } => Some(job),
                Listed::Job { .. }
                | Listed::Generated { .. }
                | Listed::Keyed { .. }
                | Listed::Deleted { .. } => None,
            }))
        })
        .map_err(not_listed)
}

/// The time at which a job ended, by its entry; `None` if the entry does not tell.
///
/// # Errors
///
/// If the store does not answer.
pub async fn ended_at(store: &dyn ObjectStore, job: JobId) -> Result<Option<Timestamp>, Problem> {
    Ok(ending(store, job).await?.map(|ending| ending.ended_at))
}

/// How a job ended, by its entry; `None` if the entry does not tell.
///
/// # Errors
///
/// If the store does not answer.
pub async fn ending(store: &dyn ObjectStore, job: JobId) -> Result<Option<Ending>, Problem> {
    match read_all(store, &keys::index(job)).await {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.own_problem("reading the index of jobs")),
    }
}

fn listing<'a>(
    store: &'a dyn ObjectStore,
    prefix: &str,
) -> impl Stream<Item = Result<Listed, StoreError>> + Send + Unpin + 'a {
    store
        .list(prefix)
        .try_filter_map(|object| future::ready(Ok(parse(&object.key, object.bytes))))
        .boxed()
}

/// Keys that are neither are ignored: a newer version may have written them.
fn parse(key: &str, bytes: u64) -> Option<Listed> {
    let name = key.strip_prefix(keys::INDEX)?;
    if let Some((job, size)) = name.split_once(keys::GENERATED) {
        return Some(Listed::Generated { job: job.parse().ok()?, bytes: size.parse().ok()? });
    }
    if let Some((job, mark)) = name.split_once(keys::KEYED) {
        return Some(Listed::Keyed { job: job.parse().ok()?, mark: mark.parse().ok()? });
    }
    if let Some(job) = name.strip_suffix(keys::DELETED) {
        return Some(Listed::Deleted { job: job.parse().ok()? });
    }
    Some(Listed::Job { job: name.parse().ok()?, is_over: bytes > 0 })
}

fn not_listed(error: StoreError) -> Problem {
    error.own_problem("listing the jobs")
}

#[cfg(test)]
mod tests {
    use platform::backends;
    use protocol::{Inputs, JobRequest};

    use super::*;

    fn id(hours: u64) -> JobId {
        JobId::from_parts(Timestamp::from_millis(1_700_000_000_000 + hours * 3_600_000), 0)
    }

    fn ended(job: JobId) -> JobSnapshot {
        let request = JobRequest::new(Inputs::Prefix("a".to_owned()));
        let mut snapshot = JobSnapshot::submitted(job, request, 1, job.submitted_at());
        snapshot.phase = Phase::Done;
        snapshot.timings.ended_at = Some(job.submitted_at().plus_millis(5));
        snapshot
    }

    #[tokio::test]
    async fn a_survey_reads_jobs_that_may_not_be_over_and_the_newest_others() {
        let folder = tempfile::tempdir().unwrap();
        let store = backends::folder(folder.path()).open().await.unwrap();
        for hour in 0..10 {
            add(&*store, id(hour), if hour == 2 { 70 } else { 0 }, None).await.unwrap();
            if hour != 1 {
                complete(&*store, &ended(id(hour)), true).await.unwrap();
            }
        }
        let found = survey(&*store, 3).await.unwrap();
        assert_eq!(found.jobs, BTreeSet::from([id(1), id(7), id(8), id(9)]));
        assert_eq!(found.over, BTreeSet::from([id(7), id(8), id(9)]));
        assert_eq!((found.left_out, found.generated_bytes), (Some(id(6)), 70));
        assert_eq!(remove(&*store, id(2)).await.unwrap(), 70);
        let found = survey(&*store, 100).await.unwrap();
        assert_eq!((found.jobs.len(), found.generated_bytes, found.left_out), (9, 0, None));
        assert_eq!(ended_at(&*store, id(3)).await, Ok(Some(id(3).submitted_at().plus_millis(5))));
        assert_eq!(ended_at(&*store, id(1)).await, Ok(None));
    }

    #[tokio::test]
    async fn the_latest_jobs_are_found_however_far_apart_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let store = backends::folder(folder.path()).open().await.unwrap();
        // Minutes, days and years apart.
        let hours = [0, 1, 2, 30, 31, 500, 20_000, 20_001, 20_002];
        for hour in hours {
            add(&*store, id(hour), 9, None).await.unwrap();
        }
        let all: Vec<JobId> = hours.iter().rev().map(|hour| id(*hour)).collect();
        for count in 1..=hours.len() + 1 {
            let found = latest(&*store, id(20_002), None, count).await.unwrap();
            assert_eq!(found, all[..count.min(all.len())], "{count}");
        }
        let found = latest(&*store, id(20_001), Some(id(500)), 2).await.unwrap();
        assert_eq!(found, [id(31), id(30)]);
        assert_eq!(latest(&*store, id(2), Some(id(500)), 9).await.unwrap(), [id(2), id(1), id(0)]);
    }

    #[tokio::test]
    async fn old_jobs_that_are_over_are_listed_by_age() {
        let folder = tempfile::tempdir().unwrap();
        let store = backends::folder(folder.path()).open().await.unwrap();
        for hour in 0..5 {
            add(&*store, id(hour), 9, None).await.unwrap();
            if hour != 1 {
                complete(&*store, &ended(id(hour)), true).await.unwrap();
            }
        }
        let then = id(3).submitted_at();
        let old: Vec<JobId> = over_before(&*store, then).try_collect().await.unwrap();
        assert_eq!(old, [id(0), id(2)]);
    }
}
