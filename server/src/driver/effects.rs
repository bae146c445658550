//! Carries out what the scheduler asks for, beside the driver.

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

use super::{Fact, Parts};
use crate::cleaning;
use crate::finishing::{Total, write_result};
use crate::records::{self, RequestRecord};

/// Sets effects going; each answers with a fact.
pub(super) struct Effects {
    pub(super) parts: Arc<Parts>,
    pub(super) facts: mpsc::Sender<Fact>,
    pub(super) tasks: TaskTracker,
    /// What results are written by: each takes memory.
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
    /// Stops it, and waits until it writes nothing more.
    async fn end(self) {
        self.stop.cancel();
        // If it panicked it has ended too.
        let _ = self.task.await;
    }
}

impl Effects {
    /// Finds the job's objects and lays out its tree.
    pub(super) fn plan(&self, job: JobId, record: &RequestRecord) -> Planning {
        let (parts, facts, record) = (self.parts.clone(), self.facts.clone(), record.clone());
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = self.tasks.spawn(async move {
            let generated = |counted| {
                // A count that finds no room is made up for by the next one.
                let _ = facts.try_send(Fact::Generated { job, counted });
            };
            let RequestRecord { request, workers, .. } = &record;
            let planned = parts.planner.plan(job, request, *workers, generated, &stopped).await;
            if stopped.is_cancelled() {
                return;
            }
            let remembered = match planned {
                Ok(plan) => records::remember_plan(&*parts.store, job, &plan).await.map(|()| plan),
                Err(problem) => Err(problem),
            };
            let fact = match remembered {
                Ok(plan) => Fact::Planned { job, record: Box::new(plan) },
                Err(problem) => broken(job, problem),
            };
            tell(&facts, fact).await;
        });
        Planning { stop, task }
    }

    /// Puts an attempt into the queue, as soon as the queue takes it.
    pub(super) fn publish(&self, assignment: Assignment) {
        let parts = self.parts.clone();
        self.tasks.spawn(async move {
            while let Err(error) = parts.queue.publish(&assignment).await {
                let attempt = assignment.attempt;
                tracing::warn!(%attempt, error = with_sources(&error), "not published yet");
                sleep(UNTIL_DONE_PAUSE).await;
            }
        });
    }

    /// Tells all workers something; not again if it fails, as leases see to it
    /// that nobody waits for ever.
    pub(super) fn control(&self, control: Control) {
        let parts = self.parts.clone();
        self.tasks.spawn(async move {
            if let Err(error) = parts.queue.control(&control).await {
                tracing::warn!(?control, error = with_sources(&error), "not told to the workers");
            }
        });
    }

    /// Divides the total and stores the result.
    pub(super) fn write_result(&self, total: Total) {
        let (parts, facts, job) = (self.parts.clone(), self.facts.clone(), total.job);
        let writing = self.writing.clone();
        self.tasks.spawn(async move {
            // An error would say that the semaphore was closed; it never is.
            let _permit = writing.acquire().await;
            let fact = match write_result(&parts.store, total).await {
                Ok(summary) => Fact::Finished { job, summary: Box::new(summary) },
                Err(problem) => broken(job, problem),
            };
            tell(&facts, fact).await;
        });
    }

    /// Keeps the report of a job that is over, then cleans up. The report must
    /// get into the store: without it, a restarted server would begin anew.
    pub(super) fn record(&self, snapshot: JobSnapshot, planning: Option<Planning>) {
        let (parts, facts) = (self.parts.clone(), self.facts.clone());
        self.tasks.spawn(async move {
            if let Some(planning) = planning {
                planning.end().await;
            }
            let job_id = snapshot.id;
            let cleans = snapshot.phase != Phase::Failed && !parts.keep_partial_sums;
            if cleans && let Err(error) = cleaning::mark(&*parts.store, job_id).await {
                tracing::warn!(%job_id, error = with_sources(&error), "not marked for cleaning");
            }
            while let Err(problem) = records::remember_report(&*parts.store, &snapshot).await {
                tracing::error!(%job_id, %problem, "report not stored yet");
                sleep(UNTIL_DONE_PAUSE).await;
            }
            tell(&facts, Fact::Recorded { snapshot: Box::new(snapshot) }).await;
            if cleans {
                cleaning::clean(&*parts.store, job_id).await;
            }
        });
    }

    /// Sees to it that there are so many workers.
    pub(super) fn scale(&self, desired: u32) {
        self.ask_pool(move |parts| async move { parts.pool.ensure(desired).await });
    }

    /// Tells an idle worker to go.
    pub(super) fn drain(&self, worker: WorkerId) {
        self.control(Control::Drain { worker: worker.clone() });
        self.ask_pool(move |parts| async move { parts.pool.drained(&worker).await });
    }

    /// Asks something of the pool; says so on the dashboard if it cannot.
    fn ask_pool<F>(&self, ask: impl FnOnce(Arc<Parts>) -> F + Send + 'static)
    where
        F: Future<Output = anyhow::Result<()>> + Send,
    {
        let (parts, facts) = (self.parts.clone(), self.facts.clone());
        self.tasks.spawn(async move {
            let notice = ask(parts).await.err().map(|error| {
                tracing::warn!(%error, "the pool does not do what it should");
                format!("{error:#}")
            });
            tell(&facts, Fact::PoolTroubled { notice }).await;
        });
    }
}

fn broken(job: JobId, problem: Problem) -> Fact {
    Fact::Event(Event::JobBroken { job, problem })
}

/// Brings a fact to the driver, if there still is one.
async fn tell(facts: &mpsc::Sender<Fact>, fact: Fact) {
    // Without a driver the server is ending, and the store knows enough.
    let _ = facts.send(fact).await;
}
