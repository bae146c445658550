//! Resumes jobs that have failed or been cancelled.

use protocol::problem::ProblemKind;
use protocol::{JobId, Phase, Problem};
use tokio::sync::oneshot;

use super::{Engine, stopping};
use crate::driver::DriverMessage;
use crate::garbage_collection;
use crate::records;

impl Engine {
    /// Resumes a job that has failed or been cancelled: its inputs are pinned anew, and only
    /// what depends on those that have changed is computed again. Once this has returned,
    /// the store and the board say that the job is not over.
    ///
    /// # Errors
    ///
    /// If there is no such job, it has not failed or been cancelled, its partial sums are
    /// being deleted, too many jobs wait already or its user
    /// has too many, or the store does not answer.
    pub async fn resume(&self, job: JobId) -> Result<(), Problem> {
        let turn = self.endings.clone().lock_owned().await;
        let snapshot = self.job(job).await?;
        if !matches!(snapshot.phase, Phase::Failed | Phase::Cancelled) {
            let detail = format!("the job is {}", snapshot.phase.word());
            return Err(Problem::new(ProblemKind::Conflict, detail)
                .remedy("only a job that has failed or was cancelled can be resumed"));
        }
        let parts = self.parts.clone();
        if garbage_collection::is_marked(&*parts.store, job).await? {
            let detail = "the partial sums of the job are being deleted";
            return Err(Problem::new(ProblemKind::Conflict, detail)
                .remedy("try again in a minute, or run the job again as a new one"));
        }
        let limits = self.parts.limits;
        let place = self.queue.clone().try_acquire_owned();
        let place = Some(place.map_err(|_| limits.too_many_queued())?);
        let entering = self.users.enter(&self.board, job, snapshot.submitted_by.as_deref())?;
        let request = records::request(&*parts.store, job).await?;
        let (request, messages) = (Box::new(request.into()), self.messages.clone());
        let resuming = async move {
            let (_turn, _entering) = (turn, entering);
            records::begin_resume(&*parts.store, job).await?;
            let report = Some(Box::new((*snapshot).clone()));
            let (published, is_published) = oneshot::channel();
            let resumed = DriverMessage::Resumed { job, request, place, report, published };
            messages.send(resumed).await.map_err(|_| stopping())?;
            is_published.await.map_err(|_| stopping())
        };
        // In a task of its own, as when a job is submitted.
        let stop = self.stop.clone();
        let resumed = self.tasks.spawn(async move { stop.run_until_cancelled(resuming).await });
        resumed.await.ok().flatten().unwrap_or_else(|| Err(stopping()))
    }
}
