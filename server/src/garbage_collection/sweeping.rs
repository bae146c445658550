//! Deletes partial sums that workers wrote after their job's were deleted.
//!
//! A worker that was told to stop, or that the server takes for lost, may still write the
//! segment that it has in hand: seconds later as a rule, but a frozen one whenever it goes
//! on. So jobs that ended a short time ago are looked at again and again, and all others
//! now and then, a few at a time: the cost does not depend on the number of jobs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use platform::problems::with_sources;
use platform::{ObjectMeta, ObjectStore};
use program::clock;
use protocol::{JobId, JobSnapshot, Phase, Problem, Timestamp};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::{collect_marked, collect_marked_job, mark, remove_leftovers};
use crate::board::Board;
use crate::keys;
use crate::records::index;

/// The times after the end of a job at which its partial sums are deleted again, in
/// milliseconds.
const FOLLOW_UPS_MS: [u64; 5] = [0, 30_000, 120_000, 600_000, LATE_MS];
/// The time after the end of a job in which partial sums are likely to be written late, in
/// milliseconds.
pub const LATE_MS: u64 = 3_600_000;
/// The interval at which jobs are looked at that ended a short time ago.
const INTERVAL: Duration = Duration::from_secs(5);
/// The interval at which some of all jobs are looked at …
const ROUND_INTERVAL: Duration = Duration::from_mins(5);
/// … and how many. A look lists at most one object of a job, and reads its entry in the
/// index.
const ROUND_JOBS: usize = 50;
/// The interval at which unfinished objects are removed.
const LEFTOVERS_INTERVAL: Duration = Duration::from_hours(24);

/// Deletes what is left of jobs that are over.
pub struct Sweeper {
    /// The program's own store.
    pub store: Arc<dyn ObjectStore>,
    /// The jobs in memory.
    pub board: Board,
    /// How long the partial sums of failed and cancelled jobs are kept; `None` for ever.
    pub keep_resumable: Option<Duration>,
    /// Held while it is decided whether a job is resumed or loses its partial sums.
    pub endings: Arc<Mutex<()>>,
}

impl Sweeper {
    /// Finishes what an earlier run of the server left, then sweeps until it is dropped.
    pub async fn run(self) {
        let started = clock::now();
        let mut swept = None;
        let mut round_at = Instant::now();
        let mut leftovers_at = Instant::now();
        let mut cursor = None;
        let mut marks = BTreeMap::new();
        collect_marked(&self.store, &self.board).await;
        loop {
            if Instant::now() >= leftovers_at {
                remove_leftovers(&*self.store).await;
                leftovers_at = Instant::now() + LEFTOVERS_INTERVAL;
            }
            let now = clock::now();
            self.follow_up(started, swept, now).await;
            swept = Some(now);
            if Instant::now() >= round_at {
                cursor = self.round(cursor).await.unwrap_or_else(|problem| {
                    tracing::warn!(%problem, "late partial sums not looked for");
                    cursor
                });
                self.collect_old_marks(&mut marks, Duration::from_millis(LATE_MS)).await;
                round_at = Instant::now() + ROUND_INTERVAL;
            }
            sleep(INTERVAL).await;
        }
    }

    /// Deletes the partial sums of jobs that are due since `swept`.
    async fn follow_up(&self, started: Timestamp, swept: Option<Timestamp>, now: Timestamp) {
        for job in self.board.over() {
            if self.has_expired(&job, swept, now)
                && let Err(problem) = self.expire(job.id, now).await
            {
                tracing::debug!(job_id = %job.id, %problem, "partial sums not deleted yet");
            }
            if is_due(ended_at(&job), started, swept, now)
                && let Err(problem) = self.sweep(job.id).await
            {
                tracing::debug!(job_id = %job.id, %problem, "late partial sums not looked for");
            }
        }
    }

    /// Collects the garbage that has been marked for `age`: of jobs that were deleted, and of
    /// others whose collection failed. `marks` says since when each mark is known.
    async fn collect_old_marks(&self, marks: &mut BTreeMap<JobId, Instant>, age: Duration) {
        let listed: Vec<ObjectMeta> = match self.store.list(keys::GARBAGE).try_collect().await {
            Ok(listed) => listed,
            Err(error) => {
                tracing::debug!(error = with_sources(&error), "marks of garbage not listed");
                return;
            }
        };
        let now = Instant::now();
        let jobs = listed.iter().filter_map(|mark| mark.key[keys::GARBAGE.len()..].parse().ok());
        let jobs: BTreeSet<JobId> = jobs.collect();
        marks.retain(|job, _| jobs.contains(job));
        for job in jobs {
            let since = *marks.entry(job).or_insert(now);
            let is_over = self.board.job(job).is_none_or(|job| job.phase.is_over());
            if is_over && now.duration_since(since) >= age {
                collect_marked_job(&*self.store, job).await;
            }
        }
    }

    /// Looks at the next of all jobs, from after `cursor` to older ones; returns the last
    /// one, or `None` at the end.
    async fn round(&self, cursor: Option<JobId>) -> Result<Option<JobId>, Problem> {
        let newest = JobId::from_parts(clock::now(), u128::MAX);
        let jobs = index::latest(&*self.store, newest, cursor, ROUND_JOBS).await?;
        for job in &jobs {
            self.sweep(*job).await?;
            self.expire(*job, clock::now()).await?;
        }
        Ok(jobs.last().copied().filter(|_| jobs.len() == ROUND_JOBS))
    }

    /// Whether the time to resume a job has ended since `swept`.
    fn has_expired(&self, job: &JobSnapshot, swept: Option<Timestamp>, now: Timestamp) -> bool {
        let is_resumable = matches!(job.phase, Phase::Failed | Phase::Cancelled);
        is_resumable
            && self.expires_at(ended_at(job)).is_some_and(|expires_at| {
                expires_at <= now && swept.is_none_or(|swept| expires_at > swept)
            })
    }

    /// When the partial sums are deleted of a job that ended at `ended_at`.
    fn expires_at(&self, ended_at: Timestamp) -> Option<Timestamp> {
        let keep = self.keep_resumable?;
        Some(ended_at.plus_millis(u64::try_from(keep.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Deletes the partial sums of a failed or cancelled job that can no longer be resumed
    /// where it stood.
    async fn expire(&self, job_id: JobId, now: Timestamp) -> Result<(), Problem> {
        let turn = self.endings.lock().await;
        let Some(ending) = index::ending(&*self.store, job_id).await? else {
            return Ok(());
        };
        let is_resumable = matches!(ending.phase, Phase::Failed | Phase::Cancelled);
        let expires_at = self.expires_at(ending.ended_at);
        if ending.is_collected || !is_resumable || expires_at.is_none_or(|at| at > now) {
            return Ok(());
        }
        // While it is marked, nobody resumes it.
        let marked = mark(&*self.store, job_id).await;
        marked.map_err(|error| error.own_problem("marking garbage"))?;
        drop(turn);
        let deleted = self.store.delete_prefix(&keys::sums(job_id)).await;
        deleted.map_err(|error| error.own_problem("deleting partial sums"))?;
        index::collected(&*self.store, job_id, ending).await?;
        collect_marked_job(&*self.store, job_id).await;
        Ok(())
    }

    /// Deletes the partial sums of a job that were written after its others were deleted.
    async fn sweep(&self, job_id: JobId) -> Result<(), Problem> {
        let ending = index::ending(&*self.store, job_id).await?;
        if !ending.is_some_and(|ending| ending.is_collected) {
            return Ok(());
        }
        let first = self.store.list(&keys::sums(job_id)).try_next().await;
        if first.map_err(|error| error.own_problem("listing partial sums"))?.is_some() {
            tracing::info!(%job_id, "partial sums that were written late are deleted");
            collect_marked_job(&*self.store, job_id).await;
        }
        Ok(())
    }
}

fn ended_at(job: &JobSnapshot) -> Timestamp {
    job.timings.ended_at.unwrap_or(job.timings.submitted_at)
}

/// Whether a job that ended at `ended_at` is to be looked at now, after all were looked at
/// until `swept`. Workers of an earlier run of the server, which `started`, may have been
/// told nothing: their jobs count as ended when it started.
fn is_due(
    ended_at: Timestamp,
    started: Timestamp,
    swept: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    let [.., last] = FOLLOW_UPS_MS;
    if started.millis_since(ended_at) > last {
        return false;
    }
    let from = ended_at.max(started);
    FOLLOW_UPS_MS
        .iter()
        .map(|after_ms| from.plus_millis(*after_ms))
        .any(|due| due <= now && swept.is_none_or(|swept| due > swept))
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use platform::backends;
    use protocol::{Inputs, JobRequest};

    use super::*;
    use crate::generated_quota::GeneratedQuota;
    use crate::idempotency::Keys;
    use crate::journal::Deletion;
    use crate::retention::Retention;
    use crate::{garbage_collection, records};

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + ms)
    }

    #[test]
    fn jobs_are_looked_at_again_for_an_hour() {
        let (started, ended) = (at(0), at(1_000_000));
        let mut swept = None;
        let mut looks = Vec::new();
        for ms in (0..6_000_000).step_by(5_000) {
            if is_due(ended, started, swept, at(ms)) {
                looks.push(ms - 1_000_000);
            }
            swept = Some(at(ms));
        }
        assert_eq!(looks, FOLLOW_UPS_MS);
        // Before the server started.
        assert!(is_due(at(0), at(3_600_000), None, at(3_600_000)));
        assert!(is_due(at(0), at(3_600_000), Some(at(3_629_999)), at(3_630_000)));
        assert!(!is_due(at(0), at(3_600_001), None, at(3_600_001)));
    }

    async fn over(store: &dyn ObjectStore, hours: u64, phase: Phase) -> JobSnapshot {
        let job = JobId::from_parts(at(hours * 3_600_000), 1);
        let request = JobRequest::new(Inputs::Prefix("a".to_owned()));
        let mut snapshot = JobSnapshot::submitted(job, request, 1, job.submitted_at());
        snapshot.phase = phase;
        snapshot.timings.ended_at = Some(job.submitted_at());
        records::store_request(store, job, "{}".into(), 0, None).await.unwrap();
        index::complete(store, &snapshot, phase != Phase::Failed).await.unwrap();
        let late = format!("{}7", keys::node(job, 0, 3));
        store.put(&late, "late".into()).await.unwrap();
        snapshot
    }

    fn sweeper(store: &Arc<dyn ObjectStore>, board: &Board, keep: Option<Duration>) -> Sweeper {
        let (store, board) = (store.clone(), board.clone());
        Sweeper { store, board, keep_resumable: keep, endings: Arc::default() }
    }

    async fn sums(store: &dyn ObjectStore, job: &JobSnapshot) -> usize {
        store.list(&keys::sums(job.id)).count().await
    }

    #[tokio::test]
    async fn late_segments_of_recent_jobs_and_of_all_others_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let store = backends::scratch(folder.path()).open().await.unwrap();
        let board = Board::new(0, 10);
        let sweeper = sweeper(&store, &board, None);
        let recent = over(&*store, 10, Phase::Done).await;
        let failed = over(&*store, 11, Phase::Failed).await;
        board.publish(vec![recent.clone(), failed.clone()], None);
        let now = recent.timings.ended_at.unwrap();
        sweeper.follow_up(now, None, now).await;
        assert_eq!((sums(&*store, &recent).await, sums(&*store, &failed).await), (0, 1));
        // Older jobs, of which the board knows nothing.
        let mut old = Vec::new();
        for hours in 0..ROUND_JOBS as u64 + 9 {
            let phase = if hours % 2 == 0 { Phase::Done } else { Phase::Cancelled };
            if hours != 11 {
                old.push(over(&*store, hours, phase).await);
            }
        }
        let cursor = sweeper.round(None).await.unwrap();
        assert_eq!(cursor, Some(JobId::from_parts(at(9 * 3_600_000), 1)));
        let mut left = 0;
        for job in &old {
            left += sums(&*store, job).await;
        }
        assert_eq!(left, 9, "a round is bounded");
        assert_eq!(sweeper.round(cursor).await.unwrap(), None);
        for job in &old {
            assert_eq!(sums(&*store, job).await, 0, "{}", job.id);
        }
        assert_eq!(sums(&*store, &failed).await, 1, "its partial sums were kept");
    }

    #[tokio::test]
    async fn partial_sums_of_failed_jobs_are_deleted_once_nobody_has_resumed_them_in_time() {
        const KEEP: Duration = Duration::from_secs(600);
        let folder = tempfile::tempdir().unwrap();
        let store = backends::scratch(folder.path()).open().await.unwrap();
        let board = Board::new(0, 10);
        let failed = over(&*store, 10, Phase::Failed).await;
        let resumed = over(&*store, 10, Phase::Failed).await;
        let resumed = JobSnapshot { id: JobId::from_parts(at(36_000_000), 2), ..resumed };
        records::store_request(&*store, resumed.id, "{}".into(), 0, None).await.unwrap();
        index::complete(&*store, &resumed, false).await.unwrap();
        store.put(&format!("{}7", keys::node(resumed.id, 0, 3)), "7".into()).await.unwrap();
        board.publish(vec![failed.clone(), resumed.clone()], None);
        let ended = failed.timings.ended_at.unwrap();
        let kept = sweeper(&store, &board, None);
        let sweeper = sweeper(&store, &board, Some(KEEP));
        let later = |secs: u64| ended.plus_millis(secs * 1000);
        sweeper.follow_up(ended, None, later(599)).await;
        assert_eq!(sums(&*store, &failed).await, 1);
        kept.follow_up(ended, None, later(9_999)).await;
        assert_eq!(sums(&*store, &failed).await, 1, "all partial sums are kept");
        records::begin_resume(&*store, resumed.id).await.unwrap();
        sweeper.follow_up(ended, Some(later(599)), later(600)).await;
        assert_eq!((sums(&*store, &failed).await, sums(&*store, &resumed).await), (0, 1));
        assert!(!garbage_collection::is_marked(&*store, failed.id).await.unwrap());
        assert!(index::ending(&*store, failed.id).await.unwrap().unwrap().is_collected);
        // Of older jobs, of which the board knows nothing.
        let old = over(&*store, 1, Phase::Failed).await;
        sweeper.round(None).await.unwrap();
        assert_eq!((sums(&*store, &old).await, sums(&*store, &resumed).await), (0, 1));
    }

    #[tokio::test]
    async fn segments_of_deleted_jobs_are_deleted_once_nobody_writes_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let store = backends::scratch(folder.path()).open().await.unwrap();
        let board = Board::new(0, 10);
        let generated = GeneratedQuota::new(0, 0);
        let keys = Keys::default();
        let retention = Retention { store: store.clone(), board: board.clone(), generated, keys };
        let mut deleted = over(&*store, 1, Phase::Cancelled).await;
        deleted.timings.ended_at = Some(clock::now());
        index::complete(&*store, &deleted, true).await.unwrap();
        retention.delete(deleted.id, Deletion::Requested).await.unwrap();
        let old = over(&*store, 2, Phase::Done).await;
        retention.delete(old.id, Deletion::Old).await.unwrap();
        assert!(!garbage_collection::is_marked(&*store, old.id).await.unwrap(), "long ago");
        let late = format!("{}7", keys::node(deleted.id, 0, 3));
        store.put(&late, "late".into()).await.unwrap();
        let sweeper = sweeper(&store, &board, None);
        let mut marks = BTreeMap::new();
        sweeper.collect_old_marks(&mut marks, Duration::from_secs(60)).await;
        assert_eq!(sums(&*store, &deleted).await, 1, "a worker may still write");
        sweeper.collect_old_marks(&mut marks, Duration::ZERO).await;
        assert_eq!(store.list("").count().await, 0, "nothing is left");
        sweeper.collect_old_marks(&mut marks, Duration::ZERO).await;
        assert!(marks.is_empty());
    }
}
