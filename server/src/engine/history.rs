//! Jobs that are not in memory any more, read from their records.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use protocol::live::JobPage;
use protocol::{JobId, JobSnapshot, Problem};

use super::{Engine, RECORDS_AT_ONCE};
use crate::board::without_result;
use crate::records::{self, StoredJob, index};

/// How many jobs are looked at for a page of those that match a filter.
const LOOKED_AT: usize = 2_000;
/// How many of them are in memory at the same time.
const LOOKED_AT_ONCE: usize = 100;

impl Engine {
    /// The snapshot of a job, from memory or from its records.
    ///
    /// # Errors
    ///
    /// If there is no such job, or the store does not answer.
    pub async fn job(&self, job: JobId) -> Result<Arc<JobSnapshot>, Problem> {
        let is_evicted = || self.board.evicted().is_some_and(|newest| job <= newest);
        let found = match self.board.job(job) {
            None if is_evicted() => self.stored(job).await?,
            found => found,
        };
        found.ok_or_else(|| Problem::no_such_job(&job.to_string()))
    }

    /// A page of the list of jobs, newest first, from after `cursor`. Jobs that are not
    /// in memory any more are read from the store.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn jobs(&self, cursor: Option<JobId>, limit: usize) -> Result<JobPage, Problem> {
        let JobPage { mut jobs, cursor: next } = self.board.jobs(cursor, limit);
        let Some(evicted) = self.board.evicted().filter(|_| next.is_none()) else {
            return Ok(JobPage { jobs, cursor: next });
        };
        let left = limit.saturating_sub(jobs.len());
        let mut older = index::latest(&*self.parts.store, evicted, cursor, left + 1).await?;
        let has_more = older.len() > left;
        older.truncate(left);
        let last = older.last().copied().or_else(|| jobs.last().map(|job| job.id));
        let shown = older.into_iter().map(|job| async move {
            let found = self.stored(job).await?;
            Ok::<_, Problem>(found.map(|job| without_result(&job)))
        });
        let shown: Vec<_> = stream::iter(shown).buffered(RECORDS_AT_ONCE).try_collect().await?;
        // Jobs that have been deleted since they were listed are left out.
        jobs.extend(shown.into_iter().flatten());
        Ok(JobPage { jobs, cursor: last.filter(|_| has_more) })
    }

    /// A page of the jobs that match, newest first, from after `cursor`. After looking at
    /// [`LOOKED_AT`] jobs the page ends, with a cursor, however many have matched.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn jobs_matching(
        &self,
        matches: &(dyn Fn(&JobSnapshot) -> bool + Send + Sync),
        mut cursor: Option<JobId>,
        limit: usize,
    ) -> Result<JobPage, Problem> {
        let mut found = Vec::new();
        for _ in 0..LOOKED_AT / LOOKED_AT_ONCE {
            let page = self.jobs(cursor, LOOKED_AT_ONCE).await?;
            let last = page.jobs.last().map(|job| job.id);
            for job in page.jobs.into_iter().filter(matches) {
                let id = job.id;
                found.push(job);
                if found.len() == limit {
                    let has_more = page.cursor.is_some() || last != Some(id);
                    return Ok(JobPage { jobs: found, cursor: has_more.then_some(id) });
                }
            }
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(JobPage { jobs: found, cursor })
    }

    /// A job that may be on the board or in the store.
    async fn stored(&self, job: JobId) -> Result<Option<Arc<JobSnapshot>>, Problem> {
        if let Some(found) = self.board.job(job) {
            return Ok(Some(found));
        }
        let found = records::load(&*self.parts.store, job).await?;
        Ok(found.map(|found| {
            Arc::new(match found {
                StoredJob::Over(report)
                | StoredJob::Unreadable(report)
                | StoredJob::Lost(report)
                | StoredJob::Cancelled(report) => *report,
                StoredJob::Planned(request, ..)
                | StoredJob::Resuming(request, _)
                | StoredJob::Submitted(request) => request.snapshot(job),
            })
        }))
    }
}
