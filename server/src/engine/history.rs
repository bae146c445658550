//! Jobs that are not in memory any more, read from their records.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use protocol::live::JobPage;
use protocol::{JobId, JobSnapshot, Problem};

use super::{Engine, RECORDS_AT_ONCE};
use crate::board::without_result;
use crate::records::{self, StoredJob, index};

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
                | StoredJob::Cancelled(report) => *report,
                StoredJob::Planned(request, ..) | StoredJob::Submitted(request) => {
                    request.snapshot(job)
                }
            })
        }))
    }
}
