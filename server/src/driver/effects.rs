//! Performs the scheduler's commands, in tasks beside the driver.

use std::sync::Arc;

use platform::problems::with_sources;
use platform::retry::UNTIL_DONE_PAUSE;
use protocol::task::{Assignment, Control};
use protocol::{JobId, JobSnapshot, Phase, Problem, WorkerId};
use scheduler::Event;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{DriverMessage, Parts};
use crate::finishing::{Total, write_result};
use crate::garbage_collection;
use crate::records::{self, RequestRecord};

/// Starts effects. Each sends its outcome to the driver as a message.
pub(super) struct Effects {
    pub(super) parts: Arc<Parts>,
    pub(super) messages: mpsc::Sender<DriverMessage>,
    pub(super) tasks: TaskTracker,
    /// Limits how many results are written at the same time: each takes memory.
    pub(super) writing: Arc<Semaphore>,
}

/// How many results are written at the same time.
pub(super) const RESULTS_AT_ONCE: usize = 2;

/// A job that is being planned.
pub(super) struct Planning {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Planning {
    /// Stops the planning, and waits until nothing more is written.
    async fn end(self) {
        self.stop.cancel();
        // An error says that the task panicked, and so has ended.
        let _ = self.task.await;
    }
}

impl Effects {
    /// Lists the job's objects, lays out its sum tree and stores the plan.
    pub(super) fn plan(&self, job: JobId, record: &RequestRecord) -> Planning {
        let (parts, messages, record) = (self.parts.clone(), self.messages.clone(), record.clone());
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = self.tasks.spawn(async move {
            let generated = |counted| {
                // A count that finds the channel full is outdated by the next one.
                let _ = messages.try_send(DriverMessage::Generated { job, counted });
            };
            let RequestRecord { request, workers, .. } = &record;
            let planned = parts.planner.plan(job, request, *workers, generated, &stopped).await;
            if stopped.is_cancelled() {
                return;
            }
            let stored = match planned {
                Ok(plan) => records::store_plan(&*parts.store, job, &plan).await.map(|()| plan),
                Err(problem) => Err(problem),
            };
            let message = match stored {
                Ok(plan) => DriverMessage::Planned { job, record: Box::new(plan) },
                Err(problem) => broken(job, problem),
            };
            send(&messages, message).await;
        });
        Planning { stop, task }
    }

    /// Publishes an assignment, retried until the queue accepts it.
    pub(super) fn publish(&self, assignment: Assignment) {
        let parts = self.parts.clone();
        self.tasks.spawn(async move {
            while let Err(error) = parts.queue.publish(&assignment).await {
                let attempt = assignment.attempt;
                tracing::warn!(%attempt, error = with_sources(&error), "assignment not published yet");
                sleep(UNTIL_DONE_PAUSE).await;
            }
        });
    }

    /// Sends a control message to all workers, once: a message that is lost is
    /// made up for by the leases of attempts and workers.
    pub(super) fn control(&self, control: Control) {
        let parts = self.parts.clone();
        self.tasks.spawn(async move {
            if let Err(error) = parts.queue.control(&control).await {
                tracing::warn!(?control, error = with_sources(&error), "control message not sent");
            }
        });
    }

    /// Divides the total and stores the result.
    pub(super) fn write_result(&self, total: Total) {
        let (parts, messages, job) = (self.parts.clone(), self.messages.clone(), total.job);
        let writing = self.writing.clone();
        self.tasks.spawn(async move {
            // An error would say that the semaphore was closed; it never is.
            let _permit = writing.acquire().await;
            let message = match write_result(&parts.store, total).await {
                Ok(summary) => DriverMessage::Finished { job, summary: Box::new(summary) },
                Err(problem) => broken(job, problem),
            };
            send(&messages, message).await;
        });
    }

    /// Stores the report of a job that is over, then collects its garbage. Storing
    /// is retried until it succeeds: without a report, the next start of the
    /// server would resume the job.
    pub(super) fn record(&self, snapshot: JobSnapshot, planning: Option<Planning>) {
        let (parts, messages) = (self.parts.clone(), self.messages.clone());
        self.tasks.spawn(async move {
            if let Some(planning) = planning {
                planning.end().await;
            }
            let job_id = snapshot.id;
            let collects = snapshot.phase != Phase::Failed && !parts.keep_partial_sums;
            if collects && let Err(error) = garbage_collection::mark(&*parts.store, job_id).await {
                tracing::warn!(%job_id, error = with_sources(&error), "job not marked for garbage collection");
            }
            while let Err(problem) = records::store_report(&*parts.store, &snapshot).await {
                tracing::error!(%job_id, %problem, "report not stored yet");
                sleep(UNTIL_DONE_PAUSE).await;
            }
            send(&messages, DriverMessage::Recorded { snapshot: Box::new(snapshot) }).await;
            if collects {
                garbage_collection::collect(&*parts.store, job_id).await;
            }
        });
    }

    /// Sets the number of workers that the pool keeps.
    pub(super) fn scale(&self, desired: u32) {
        self.call_pool(move |parts| async move { parts.pool.ensure(desired).await });
    }

    /// Drains an idle worker.
    pub(super) fn drain(&self, worker: WorkerId) {
        self.control(Control::Drain { worker: worker.clone() });
        self.call_pool(move |parts| async move { parts.pool.drained(&worker).await });
    }

    /// Calls the pool; an error is shown on the dashboard.
    fn call_pool<F>(&self, call: impl FnOnce(Arc<Parts>) -> F + Send + 'static)
    where
        F: Future<Output = anyhow::Result<()>> + Send,
    {
        let (parts, messages) = (self.parts.clone(), self.messages.clone());
        self.tasks.spawn(async move {
            let notice = call(parts).await.err().map(|error| {
                tracing::warn!(%error, "worker pool failed");
                format!("{error:#}")
            });
            send(&messages, DriverMessage::PoolAnswered { notice }).await;
        });
    }
}

fn broken(job: JobId, problem: Problem) -> DriverMessage {
    DriverMessage::Event(Event::JobBroken { job, problem })
}

/// Sends a message to the driver, unless it has ended.
async fn send(messages: &mpsc::Sender<DriverMessage>, message: DriverMessage) {
    // Without a driver the server is stopping; its next start reads the store.
    let _ = messages.send(message).await;
}
