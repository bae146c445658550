//! The parts put together: a driver, a pool, a queue, a store.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use platform::ServerEnd;
use platform::{InputStores, ObjectStore};
use program::clock;
use protocol::detail::TaskPage;
use protocol::problem::ProblemKind;
use protocol::task::Control;
use protocol::{JobId, JobSnapshot, Preview, Problem, ValidRequest};
use scheduler::{Event, Scheduler, Settings};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::shares::{Share, Shares};
use crate::board::Board;
use crate::driver::{
    Driver, DriverMessage, MESSAGES_CAPACITY, Parts, forward_depths, forward_observed,
    forward_reports,
};
use crate::garbage_collection;
use crate::records::{self, RequestRecord, StoredJob};

/// How many jobs are loaded at the same time when the server starts.
const RECORDS_AT_ONCE: usize = 16;

/// Everything behind the command line and the HTTP server.
pub struct Engine {
    messages: mpsc::Sender<DriverMessage>,
    board: Board,
    shares: Arc<Shares>,
    parts: Arc<Parts>,
    default_workers: u32,
    max_workers: u32,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Engine {
    /// Puts the parts together, restores the jobs in the store, and starts.
    ///
    /// `default_workers` is W of jobs that do not say.
    ///
    /// # Errors
    ///
    /// If the store or the queue does not answer.
    pub async fn start(
        parts: Parts,
        settings: Settings,
        default_workers: u32,
    ) -> Result<Engine, Problem> {
        let parts = Arc::new(parts);
        let board = Board::new(clock::now().as_millis());
        let (messages, incoming) = mpsc::channel(MESSAGES_CAPACITY);
        let restored = restore(&*parts.store, &board).await?;
        parts.queue.purge().await.map_err(|error| error.problem("emptying the queue"))?;
        let driver =
            Driver::new(Scheduler::new(settings), parts.clone(), board.clone(), messages.clone());
        let shares = Arc::new(Shares::new(parts.store.clone()));
        let engine = Engine {
            messages,
            board,
            shares,
            parts,
            default_workers,
            max_workers: settings.max_workers,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        engine.tasks.spawn(driver.run(incoming, engine.stop.clone()));
        engine.spawn(forward_reports(engine.parts.queue.clone(), engine.messages.clone()));
        engine.spawn(forward_depths(
            engine.parts.queue.clone(),
            engine.parts.queue_management_url.clone(),
            engine.messages.clone(),
        ));
        if let Some(observed) = engine.parts.pool.observed() {
            engine.spawn(forward_observed(observed, engine.messages.clone()));
        }
        for message in restored {
            engine.send(message).await?;
        }
        let (published, is_published) = oneshot::channel();
        engine.send(DriverMessage::Flush { published }).await?;
        is_published.await.map_err(|_| stopping())?;
        engine.spawn(garbage_collection::resume(engine.parts.store.clone(), engine.board.clone()));
        engine
            .parts
            .queue
            .control(&Control::RollCall)
            .await
            .map_err(|error| error.problem("sending the roll call"))?;
        Ok(engine)
    }

    /// The published snapshots.
    #[must_use]
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// The program's own store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.parts.store
    }

    /// The links that show single jobs to anybody.
    #[must_use]
    pub fn shares(&self) -> &Arc<Shares> {
        &self.shares
    }

    /// The stores that inputs may lie in.
    #[must_use]
    pub fn inputs(&self) -> &InputStores {
        &self.parts.inputs
    }

    /// The server's end of the queue.
    #[must_use]
    pub fn queue(&self) -> &Arc<dyn ServerEnd> {
        &self.parts.queue
    }

    /// Submits a job. Once this has returned, the job is in the store and on the
    /// board. `submitted_by` is the name of who submits it, where callers have names.
    ///
    /// # Errors
    ///
    /// If the store does not answer, or the server is stopping.
    pub async fn submit(
        &self,
        request: ValidRequest,
        submitted_by: Option<String>,
    ) -> Result<JobId, Problem> {
        let submitted_at = clock::now();
        let job = JobId::from_parts(submitted_at, rand::random());
        let workers = request.workers.unwrap_or(self.default_workers);
        if workers > self.max_workers {
            tracing::info!(job_id = %job, workers, max_workers = self.max_workers,
                "job requests more workers than --max-workers");
        }
        let record = RequestRecord { request, workers, submitted_at, submitted_by };
        records::store_request(&*self.parts.store, job, &record).await?;
        let (published, is_published) = oneshot::channel();
        self.send(DriverMessage::Submitted { job, record: Box::new(record), published }).await?;
        is_published.await.map_err(|_| stopping())?;
        Ok(job)
    }

    /// Plans a request without computing it. Nothing is written, and no test data
    /// is generated.
    ///
    /// # Errors
    ///
    /// If the inputs are missing, cannot be read or do not fit together.
    pub async fn preview(&self, request: &ValidRequest) -> Result<Preview, Problem> {
        let workers = request.workers.unwrap_or(self.default_workers);
        let (plan, inputs) = self.parts.planner.preview(request, workers).await?;
        Ok(Preview { workers, inputs, plan })
    }

    /// Submits the request of a job again, as a new job.
    ///
    /// # Errors
    ///
    /// If there is no such job, and as [`Engine::submit`].
    pub async fn rerun(&self, job: JobId, submitted_by: Option<String>) -> Result<JobId, Problem> {
        let request = self.job(job)?.request.clone();
        self.submit(request.validate()?, submitted_by).await
    }

    /// Makes the link that shows a job to anybody who has it; the same one if there is
    /// one already.
    ///
    /// # Errors
    ///
    /// If there is no such job, or the store does not answer.
    pub async fn share(&self, job: JobId, shared_by: Option<String>) -> Result<Share, Problem> {
        self.job(job)?;
        self.shares.share(job, shared_by).await
    }

    /// Withdraws the link to a job.
    ///
    /// # Errors
    ///
    /// If there is no such job, or the store does not answer.
    pub async fn withdraw(&self, job: JobId) -> Result<(), Problem> {
        self.job(job)?;
        self.shares.withdraw(job).await
    }

    /// Cancels a job.
    ///
    /// # Errors
    ///
    /// If there is no such job, or it is over.
    pub async fn cancel(&self, job: JobId) -> Result<(), Problem> {
        let snapshot = self.job(job)?;
        if snapshot.phase.is_over() {
            let detail = format!("the job is already {}", snapshot.phase.word());
            return Err(Problem::new(ProblemKind::Conflict, detail)
                .remedy("there is nothing to cancel; delete the job to free its space"));
        }
        self.send(DriverMessage::Event(Event::CancelRequested { job })).await
    }

    /// Deletes a job with all its objects.
    ///
    /// # Errors
    ///
    /// If there is no such job, it is not over, or the store does not answer.
    pub async fn delete(&self, job: JobId) -> Result<(), Problem> {
        let snapshot = self.job(job)?;
        if !snapshot.phase.is_over() {
            let detail = format!("the job is still {}", snapshot.phase.word());
            return Err(Problem::new(ProblemKind::Conflict, detail)
                .remedy("cancel the job first, then delete it"));
        }
        records::delete(&*self.parts.store, job).await?;
        self.board.delete(job);
        Ok(())
    }

    /// Sets the number of workers by hand; `None` lets it follow from the jobs.
    ///
    /// # Errors
    ///
    /// If it is above `--max-workers`.
    pub async fn set_desired_workers(&self, by_hand: Option<u32>) -> Result<(), Problem> {
        if let Some(desired) = by_hand
            && desired > self.max_workers
        {
            let detail = format!("at most {} workers are allowed, not {desired}", self.max_workers);
            return Err(Problem::new(ProblemKind::InvalidRequest, detail)
                .field("desired")
                .remedy("request fewer, or start the server with a larger --max-workers"));
        }
        self.send(DriverMessage::Event(Event::DesiredWorkersSet { by_hand })).await
    }

    /// A page of the tasks of one level of a job, from the task at index `start`.
    ///
    /// # Errors
    ///
    /// If there is no such job or level, or its tasks are not in memory any more.
    pub async fn tasks(
        &self,
        job: JobId,
        level: u8,
        start: u64,
        limit: usize,
    ) -> Result<TaskPage, Problem> {
        self.job(job)?;
        let (reply, replied) = oneshot::channel();
        self.send(DriverMessage::TasksRequested { job, level, start, limit, reply }).await?;
        replied.await.map_err(|_| stopping())?.ok_or_else(|| {
            Problem::new(ProblemKind::NotFound, format!("the job has no tasks of level {level}"))
                .field("level")
                .remedy(
                    "tasks are listed once a job is planned, and of the latest jobs that are over",
                )
        })
    }

    /// The snapshot of a job.
    ///
    /// # Errors
    ///
    /// If there is no such job.
    pub fn job(&self, job: JobId) -> Result<Arc<JobSnapshot>, Problem> {
        self.board.job(job).ok_or_else(|| Problem::no_such_job(&job.to_string()))
    }

    /// Stops the workers that cannot outlive the server, and waits for them. They hand
    /// their tasks back. Everything else goes on, so that requests can be answered
    /// meanwhile.
    pub async fn drain(&self) {
        self.parts.pool.stop().await;
    }

    /// Stops the workers, then everything else. Jobs continue when the server is
    /// started again.
    pub async fn stop(&self) {
        self.drain().await;
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Runs a task until it is done or the engine stops.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move { stop.run_until_cancelled(work).await });
    }

    async fn send(&self, message: DriverMessage) -> Result<(), Problem> {
        self.messages.send(message).await.map_err(|_| stopping())
    }
}

/// Loads all jobs: those that are over go to the board, the others become
/// messages to the driver.
async fn restore(store: &dyn ObjectStore, board: &Board) -> Result<Vec<DriverMessage>, Problem> {
    let jobs = records::list_jobs(store).await?;
    let loaded = jobs
        .into_iter()
        .map(|job| async move { records::load(store, job).await.map(|found| (job, found)) });
    let loaded: Vec<_> = stream::iter(loaded).buffered(RECORDS_AT_ONCE).try_collect().await?;
    let mut messages = Vec::new();
    for (job, found) in loaded {
        match found {
            Some(StoredJob::Over(snapshot)) => board.publish(vec![*snapshot], None),
            Some(StoredJob::Planned(record, plan)) => {
                let completed = records::completed_tasks(store, job, &plan.plan).await?;
                messages.push(DriverMessage::Restored { job, record, plan, completed });
            }
            Some(StoredJob::Submitted(record)) => {
                let (published, _) = oneshot::channel();
                messages.push(DriverMessage::Submitted { job, record, published });
            }
            // Its submission or deletion was interrupted when the server ended.
            None => records::delete(store, job).await?,
        }
    }
    Ok(messages)
}

/// The driver has ended.
fn stopping() -> Problem {
    Problem::new(ProblemKind::Unavailable, "the server is stopping")
        .remedy("try again once the server has restarted")
}
