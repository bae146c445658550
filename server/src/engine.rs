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

use crate::board::Board;
use crate::cleaning;
use crate::driver::{
    Driver, FACTS_CAPACITY, Fact, Parts, pump_depths, pump_observed, pump_reports,
};
use crate::records::{self, Remembered, RequestRecord};

/// How many jobs' records are read at the same time when the server starts.
const RECORDS_AT_ONCE: usize = 16;

/// A running program: everything behind the command line and the HTTP server.
pub struct Engine {
    facts: mpsc::Sender<Fact>,
    board: Board,
    parts: Arc<Parts>,
    default_workers: u32,
    max_workers: u32,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Engine {
    /// Puts the parts together, takes up what an earlier life of the server
    /// had left in the store, and begins to work.
    pub async fn start(
        parts: Parts,
        settings: Settings,
        default_workers: u32,
    ) -> Result<Engine, Problem> {
        let parts = Arc::new(parts);
        let board = Board::new(clock::now().as_millis());
        let (facts, incoming) = mpsc::channel(FACTS_CAPACITY);
        let restored = restore(&*parts.store, &board).await?;
        parts.queue.purge().await.map_err(|error| error.problem("emptying the queue"))?;
        let driver =
            Driver::new(Scheduler::new(settings), parts.clone(), board.clone(), facts.clone());
        let engine = Engine {
            facts,
            board,
            parts,
            default_workers,
            max_workers: settings.max_workers,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        engine.tasks.spawn(driver.run(incoming, engine.stop.clone()));
        engine.keep_doing(pump_reports(engine.parts.queue.clone(), engine.facts.clone()));
        engine.keep_doing(pump_depths(
            engine.parts.queue.clone(),
            engine.parts.queue_management_url.clone(),
            engine.facts.clone(),
        ));
        if let Some(observed) = engine.parts.pool.observed() {
            engine.keep_doing(pump_observed(observed, engine.facts.clone()));
        }
        for fact in restored {
            engine.tell(fact).await?;
        }
        let (seen, are_seen) = oneshot::channel();
        engine.tell(Fact::Settle { seen }).await?;
        are_seen.await.map_err(|_| ending())?;
        engine.keep_doing(cleaning::finish(engine.parts.store.clone(), engine.board.clone()));
        engine
            .parts
            .queue
            .control(&Control::RollCall)
            .await
            .map_err(|error| error.problem("calling the workers"))?;
        Ok(engine)
    }

    /// What is known from outside.
    #[must_use]
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// The program's own store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.parts.store
    }

    /// Where inputs may lie.
    #[must_use]
    pub fn inputs(&self) -> &InputStores {
        &self.parts.inputs
    }

    /// The server's end of the queue.
    #[must_use]
    pub fn queue(&self) -> &Arc<dyn ServerEnd> {
        &self.parts.queue
    }

    /// Takes a job on. Once this has returned the job is in the store and on
    /// the board.
    pub async fn submit(&self, request: ValidRequest) -> Result<JobId, Problem> {
        let submitted_at = clock::now();
        let job = JobId::from_parts(submitted_at, rand::random());
        let workers = request.workers.unwrap_or(self.default_workers);
        if workers > self.max_workers {
            tracing::info!(job_id = %job, workers, max_workers = self.max_workers,
                "asks for more workers than are kept");
        }
        let record = RequestRecord { request, workers, submitted_at };
        records::remember_request(&*self.parts.store, job, &record).await?;
        let (seen, is_seen) = oneshot::channel();
        self.tell(Fact::Submitted { job, record: Box::new(record), seen }).await?;
        is_seen.await.map_err(|_| ending())?;
        Ok(job)
    }

    /// How a request would be computed; nothing is written, and test data is
    /// not generated.
    pub async fn preview(&self, request: &ValidRequest) -> Result<Preview, Problem> {
        let workers = request.workers.unwrap_or(self.default_workers);
        let (plan, inputs) = self.parts.planner.preview(request, workers).await?;
        Ok(Preview { workers, inputs, plan })
    }

    /// Submits the request of a job again, as a new job.
    pub async fn rerun(&self, job: JobId) -> Result<JobId, Problem> {
        let request = self.job(job)?.request.clone();
        self.submit(request.validate()?).await
    }

    /// Cancels a job that is not over.
    pub async fn cancel(&self, job: JobId) -> Result<(), Problem> {
        let snapshot = self.job(job)?;
        if snapshot.phase.is_over() {
            let detail = format!("the job is {} already", snapshot.phase.word());
            return Err(Problem::new(ProblemKind::Conflict, detail)
                .remedy("nothing is left to cancel; delete it to free its space"));
        }
        self.tell(Fact::Event(Event::CancelRequested { job })).await
    }

    /// Deletes a job that is over and all that belongs to it.
    pub async fn delete(&self, job: JobId) -> Result<(), Problem> {
        let snapshot = self.job(job)?;
        if !snapshot.phase.is_over() {
            let detail = format!("the job is still {}", snapshot.phase.word());
            return Err(
                Problem::new(ProblemKind::Conflict, detail).remedy("cancel it first, then delete")
            );
        }
        records::forget(&*self.parts.store, job).await?;
        self.board.delete(job);
        Ok(())
    }

    /// Asks for a number of workers by hand; `None` lets it follow from the jobs.
    pub async fn set_desired_workers(&self, by_hand: Option<u32>) -> Result<(), Problem> {
        if let Some(desired) = by_hand
            && desired > self.max_workers
        {
            let detail =
                format!("{desired} workers are more than the {} allowed", self.max_workers);
            return Err(Problem::new(ProblemKind::InvalidRequest, detail)
                .field("desired")
                .remedy("ask for fewer, or start the server with a larger --max-workers"));
        }
        self.tell(Fact::Event(Event::DesiredWorkersSet { by_hand })).await
    }

    /// A page of the tasks of one level of a job.
    pub async fn tasks(
        &self,
        job: JobId,
        level: u8,
        start: u64,
        limit: usize,
    ) -> Result<TaskPage, Problem> {
        self.job(job)?;
        let (answer, answered) = oneshot::channel();
        self.tell(Fact::TasksAsked { job, level, start, limit, answer }).await?;
        answered.await.map_err(|_| ending())?.ok_or_else(|| {
            Problem::new(ProblemKind::NotFound, format!("no tasks of level {level} are known"))
                .field("level")
                .remedy(
                    "details are kept for jobs that are planned, and of the latest that are over",
                )
        })
    }

    /// One job.
    pub fn job(&self, job: JobId) -> Result<Arc<JobSnapshot>, Problem> {
        self.board.job(job).ok_or_else(|| Problem::no_such_job(&job.to_string()))
    }

    /// Stops the workers, then everything else. What they were at is handed
    /// back; jobs go on when the server is started again.
    pub async fn stop(&self) {
        self.parts.pool.stop().await;
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Does something beside the driver, until it is done or the engine stops.
    fn keep_doing(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move { stop.run_until_cancelled(work).await });
    }

    async fn tell(&self, fact: Fact) -> Result<(), Problem> {
        self.facts.send(fact).await.map_err(|_| ending())
    }
}

/// Reads what the store remembers: jobs that are over go to the board, the
/// others to the driver.
async fn restore(store: &dyn ObjectStore, board: &Board) -> Result<Vec<Fact>, Problem> {
    let jobs = records::jobs(store).await?;
    let recalled = jobs
        .into_iter()
        .map(|job| async move { records::recall(store, job).await.map(|found| (job, found)) });
    let recalled: Vec<_> = stream::iter(recalled).buffered(RECORDS_AT_ONCE).try_collect().await?;
    let mut facts = Vec::new();
    for (job, found) in recalled {
        match found {
            Some(Remembered::Over(snapshot)) => board.publish(vec![*snapshot], None),
            Some(Remembered::Planned(record, plan)) => {
                let completed = records::completed_tasks(store, job, &plan.plan).await?;
                facts.push(Fact::Restored { job, record, plan, completed });
            }
            Some(Remembered::Submitted(record)) => {
                let (seen, _) = oneshot::channel();
                facts.push(Fact::Submitted { job, record, seen });
            }
            // It was being submitted, or deleted, when the server ended.
            None => records::forget(store, job).await?,
        }
    }
    Ok(facts)
}

/// The driver is gone.
fn ending() -> Problem {
    Problem::new(ProblemKind::Unavailable, "the server is stopping")
        .remedy("try again once it has been started again")
}
