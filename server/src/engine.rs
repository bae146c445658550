//! The parts put together: a driver, a pool, a queue, a store.

mod browsing;
mod history;
mod inspecting;
mod outages;
mod pace;
mod restoring;
mod resuming;
mod supervision;
mod viewing;

use std::sync::Arc;
use std::time::Duration;

use app::lately::Lately;
use moka::future::Cache;
use platform::ServerEnd;
use platform::problems::internal;
use platform::{InputStores, ObjectStore};
use program::clock;
use protocol::detail::{InputPage, TaskPage};
use protocol::files::ObjectContent;
use protocol::problem::ProblemKind;
use protocol::request::{Generate, WORKERS};
use protocol::task::InputObject;
use protocol::timeline::Timeline;
use protocol::{Caller, Inputs, JobId, Phase, Preview, Problem, Role, Timestamp, ValidRequest};
use scheduler::{Event, Scheduler, Settings};
use tokio::sync::{Mutex, Semaphore, SemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::outages::unavailable;
use self::outages::unconfirmed;
use self::pace::Pace;
use self::supervision::Supervision;
use crate::access::shares::{Share, Shares};
use crate::board::Board;
use crate::driver::{
    Driver, DriverMessage, MESSAGES_CAPACITY, Parts, Pulse, empty_queue, forward_observed,
    forward_queue_watch, forward_reports, forward_store_watch,
};
use crate::finishing::partly;
use crate::garbage_collection::Sweeper;
use crate::generated_quota::{GeneratedQuota, Reservation};
use crate::idempotency::{Claim, Claimed, Keys, Mark};
use crate::journal::Deletion;
use crate::limits::check_free_space;
use crate::metrics::Metrics;
use crate::records::{self, RequestRecord};
use crate::retention::Retention;
use crate::timeline::Span;
use crate::uploads::Uploads;
use crate::user_quota::UserQuota;
use crate::webhooks::Courier;

pub use self::browsing::{check_readable, check_users};

/// How many jobs are loaded at the same time.
const RECORDS_AT_ONCE: usize = 16;
/// How many objects may be listed at the same time for requests that are not submitted.
const PREVIEWED_OBJECTS: u32 = 1_000_000;
/// How many of them count for a prefix, whose objects are not known before.
const PREVIEWED_OF_PREFIX: u32 = PREVIEWED_OBJECTS / 4;

/// How long an answer about what workers have done lately is given to others.
const LATELY_FOR: Duration = Duration::from_secs(1);
/// How many pages of input objects are kept that were looked into: they are rendered again
/// while their jobs run.
const LOOKED_INTO_PAGES: u64 = 64;

/// How long it is waited for what is in the objects of a page: nobody waits for a slow store
/// to see their names.
const LOOKING_TIME_MAX: Duration = Duration::from_secs(3);

/// The job, when it was last resumed, and the index of the first object.
type PageOfInputs = (JobId, Option<Timestamp>, u64);

/// A page of input objects, with what is in each of them where that can be told.
pub type LookedInto = (InputPage, Vec<Option<ObjectContent>>);

/// For how long such a page is kept: the versions that a job reads do not change, but an
/// object that could not be looked into is tried again.
struct LookedIntoFor;

impl moka::Expiry<PageOfInputs, LookedInto> for LookedIntoFor {
    fn expire_after_create(
        &self,
        _: &PageOfInputs,
        (_, contents): &LookedInto,
        _: std::time::Instant,
    ) -> Option<Duration> {
        let is_whole = contents.iter().all(Option::is_some);
        Some(Duration::from_secs(if is_whole { 600 } else { 10 }))
    }
}

/// A day in milliseconds.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Everything behind the command line and the HTTP server.
pub struct Engine {
    messages: mpsc::Sender<DriverMessage>,
    board: Board,
    shares: Arc<Shares>,
    parts: Arc<Parts>,
    default_workers: u32,
    max_workers: u32,
    /// A place for each job that waits to run.
    queue: Arc<Semaphore>,
    /// The objects that are listed for requests that are not submitted.
    previewed: Semaphore,
    /// The keys that jobs were submitted with.
    keys: Keys,
    users: UserQuota,
    uploads: Uploads,
    /// What the workers have done lately, and when that was asked.
    lately: Mutex<Option<(Instant, Arc<Lately>)>>,
    /// What all jobs have read lately.
    pace: Pace,
    /// What was read of the final segments of running jobs.
    partly_known: Mutex<partly::Known>,
    /// The pages of input objects that were looked into lately.
    looked_into: Cache<PageOfInputs, LookedInto>,
    /// Held while objects are looked into for a page.
    looking: Semaphore,
    /// The latest comparisons of results.
    compared: viewing::Compared,
    retention: Retention,
    /// Held while it is decided whether an ended job is resumed, deleted, or loses its
    /// partial sums.
    endings: Arc<Mutex<()>>,
    tasks: TaskTracker,
    pulse: Pulse,
    supervision: Supervision,
    stop: CancellationToken,
}

impl Engine {
    /// Puts the parts together, restores the jobs in the store, and starts.
    ///
    /// `default_workers` is W of jobs that do not say.
    ///
    /// # Errors
    ///
    /// If the store does not answer, or the queue refuses the server.
    pub async fn start(
        parts: Parts,
        settings: Settings,
        default_workers: u32,
    ) -> Result<Engine, Problem> {
        let parts = Arc::new(parts);
        let limits = parts.limits;
        let board = Board::new(clock::now().as_millis(), limits.jobs_in_memory);
        let (messages, incoming) = mpsc::channel(MESSAGES_CAPACITY);
        let queue = Arc::new(Semaphore::new(limits.queued_jobs));
        let restored = restoring::restore(&parts, &board, &queue).await?;
        let retention = Retention {
            store: parts.store.clone(),
            board: board.clone(),
            generated: GeneratedQuota::new(restored.generated_bytes, limits.generated_bytes),
            keys: restored.keys.clone(),
        };
        let emptied = empty_queue(&*parts.queue).await;
        let is_emptied = emptied.map_err(|error| error.problem("emptying the queue"))?;
        let driver =
            Driver::new(Scheduler::new(settings), parts.clone(), board.clone(), messages.clone());
        let shares = Arc::new(Shares::new(parts.store.clone()));
        let uploads = Uploads::new(parts.store.clone(), limits.upload_bytes, limits.keep_uploads);
        let stop = CancellationToken::new();
        let engine = Engine {
            messages,
            board,
            shares,
            parts,
            default_workers,
            max_workers: settings.max_workers,
            queue,
            lately: Mutex::new(None),
            pace: Pace::default(),
            partly_known: Mutex::default(),
            looked_into: Cache::builder()
                .max_capacity(LOOKED_INTO_PAGES)
                .expire_after(LookedIntoFor)
                .build(),
            looking: Semaphore::new(1),
            compared: viewing::Compared::default(),
            previewed: Semaphore::new(PREVIEWED_OBJECTS as usize),
            keys: restored.keys,
            users: UserQuota::new(limits.jobs_per_user),
            uploads,
            retention,
            endings: Arc::default(),
            tasks: TaskTracker::new(),
            pulse: driver.pulse(),
            supervision: Supervision::new(stop.clone()),
            stop,
        };
        engine.supervise("the driver", driver.run(incoming, engine.stop.clone()));
        let reports = forward_reports(engine.parts.queue.clone(), engine.messages.clone());
        engine.supervise("taking in reports", engine.while_driven(reports));
        let (store, fencing) = (engine.parts.store.clone(), engine.parts.fencing.clone());
        let watch = forward_store_watch(store, fencing, engine.messages.clone());
        engine.supervise("watching the store", engine.while_driven(watch));
        if let Some(observed) = engine.parts.pool.observed() {
            engine.spawn(forward_observed(observed, engine.messages.clone()));
        }
        if let Some(by_hand) = records::workers_by_hand(&*engine.parts.store).await? {
            let by_hand = Some(by_hand.min(engine.max_workers));
            engine.send(DriverMessage::Event(Event::DesiredWorkersSet { by_hand })).await?;
        }
        for message in restored.messages {
            engine.send(message).await?;
        }
        engine.flush().await?;
        // Only now: the reports that it asks for are about jobs that are known.
        let watch = forward_queue_watch(
            engine.parts.queue.clone(),
            is_emptied,
            engine.parts.queue_management_url.clone(),
            engine.messages.clone(),
        );
        engine.supervise("watching the queue", engine.while_driven(watch));
        let keeps_all = engine.parts.keep_partial_sums;
        let sweeper = Sweeper {
            store: engine.parts.store.clone(),
            board: engine.board.clone(),
            keep_resumable: (!keeps_all).then_some(limits.keep_resumable),
            endings: engine.endings.clone(),
        };
        engine.spawn(sweeper.run());
        let courier = Courier {
            webhooks: engine.parts.webhooks.clone(),
            store: engine.parts.store.clone(),
            board: engine.board.clone(),
            metrics: engine.parts.metrics.webhooks.clone(),
        };
        engine.spawn(courier.run());
        engine.spawn(engine.uploads.clone().sweep());
        engine.spawn(engine.pace.clone().run(engine.parts.metrics.jobs.clone()));
        if let Some(keep) = limits.keep_jobs {
            engine.spawn(engine.retention.clone().run(keep));
        }
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

    /// The uploads that can be resumed.
    #[must_use]
    pub fn uploads(&self) -> &Uploads {
        &self.uploads
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

    /// What is counted for Prometheus.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.parts.metrics
    }

    /// Submits a job. Once this has returned, the job is in the store and on the
    /// board. `submitted_by` is the name of who submits it, where callers have names.
    ///
    /// # Errors
    ///
    /// If the job exceeds a limit, there are never so many workers, too many jobs wait or the
    /// user has too many, the store has no room for its test data or does not answer, or the
    /// server is stopping.
    pub async fn submit(
        &self,
        request: ValidRequest,
        submitted_by: Option<String>,
    ) -> Result<JobId, Problem> {
        self.submit_claimed(request, submitted_by, None).await
    }

    /// Submits a job as [`Engine::submit`] does, unless the same caller has submitted the
    /// same request with the same key: then returns that job, and `true`.
    ///
    /// # Errors
    ///
    /// As [`Engine::submit`], and if the key was used for another request, or is being
    /// used at this moment.
    pub async fn submit_once(
        &self,
        request: ValidRequest,
        submitted_by: Option<String>,
        key: &str,
    ) -> Result<(JobId, bool), Problem> {
        let encoded = serde_json::to_vec(&*request);
        let encoded = encoded.map_err(|error| internal("reading a request", &error))?;
        let mark = Mark::new(submitted_by.as_deref(), key, &encoded);
        let claimed = loop {
            match self.keys.claim(mark, clock::now())? {
                Claim::First(claimed) => break claimed,
                Claim::Earlier(job) => match self.job(job).await {
                    Ok(_) => return Ok((job, true)),
                    Err(problem) if problem.kind == ProblemKind::NotFound => self.keys.forget(job),
                    Err(problem) => return Err(problem),
                },
            }
        };
        Ok((self.submit_claimed(request, submitted_by, Some(claimed)).await?, false))
    }

    async fn submit_claimed(
        &self,
        request: ValidRequest,
        submitted_by: Option<String>,
        claimed: Option<Claimed>,
    ) -> Result<JobId, Problem> {
        let limits = self.parts.limits;
        limits.job.check_request(&request)?;
        self.parts.webhooks.check(&request)?;
        self.parts.outputs.check(&request)?;
        let workers = self.workers_of(&request)?;
        let place = self.queue.clone().try_acquire_owned();
        let place = place.map_err(|_| limits.too_many_queued())?;
        let data = match request.inputs {
            Inputs::Generate(data) => Some(data),
            _ => None,
        };
        let submitted_at = clock::now();
        let job = JobId::from_parts(submitted_at, rand::random());
        let entering = self.users.enter(&self.board, job, submitted_by.as_deref())?;
        // Before anything is waited for: few parsed lists are in memory at the same time.
        let caller_span = traces::request::current();
        let span = self.parts.traces.begun(caller_span);
        let record =
            RequestRecord { request, workers, submitted_at, submitted_by, span, caller_span };
        let (record, summary) = record.split()?;
        let generated = match data {
            Some(data) => Some(self.reserve(data).await?),
            None => None,
        };
        let (parts, messages) = (self.parts.clone(), self.messages.clone());
        let submitting = async move {
            let _entering = entering;
            let generated_bytes = generated.as_ref().map_or(0, Reservation::bytes);
            let mark = claimed.as_ref().map(Claimed::mark);
            records::store_request(&*parts.store, job, record, generated_bytes, mark).await?;
            if let Some(claimed) = claimed {
                claimed.used_for(job);
            }
            if let Some(generated) = generated {
                generated.keep();
            }
            let request = Box::new(summary);
            let (published, is_published) = oneshot::channel();
            let place = Some(place);
            let submitted =
                DriverMessage::Submitted { job, request, place, is_new: true, published };
            messages.send(submitted).await.map_err(|_| stopping())?;
            is_published.await.map_err(|_| stopping())?;
            Ok(job)
        };
        // In a task of its own: a client that leaves does not end it between the store
        // and the driver.
        let stop = self.stop.clone();
        let submitted = self.tasks.spawn(async move { stop.run_until_cancelled(submitting).await });
        tokio::select! {
            biased;
            submitted = submitted => {
                submitted.ok().flatten().unwrap_or_else(|| Err(stopping()))
            }
            problem = self.store_missed() => Err(unconfirmed(problem)),
        }
    }

    /// W of a request: the default if it does not say.
    ///
    /// # Errors
    ///
    /// If there can never be so many workers: the job would be planned for them.
    fn workers_of(&self, request: &ValidRequest) -> Result<u32, Problem> {
        let most = self.workers_max();
        let Some(workers) = request.workers else {
            return Ok(self.default_workers.min(most));
        };
        if workers > most {
            let detail = format!("W is {workers}, and there are at most {most} workers");
            return Err(Problem::new(ProblemKind::LimitExceeded, detail)
                .field(WORKERS.field.name)
                .remedy(format!(
                    "request at most {most}, or start the server with a larger --max-workers"
                )));
        }
        Ok(workers)
    }

    /// The most workers that a job can have. More may be there than `--max-workers` says
    /// where the server does not start them.
    #[must_use]
    pub fn workers_max(&self) -> u32 {
        self.max_workers.max(self.board.pool().ready).max(1)
    }

    /// Reserves the size of the test data of a job.
    async fn reserve(&self, data: Generate) -> Result<Reservation, Problem> {
        let bytes = data.bytes();
        let space = check_free_space(&*self.parts.store, "the test data", bytes).await;
        space.map_err(|problem| problem.field("inputs.generate"))?;
        self.retention.generated.reserve(bytes)
    }

    /// Plans a request without computing it. Nothing is written, and no test data
    /// is generated.
    ///
    /// # Errors
    ///
    /// If the inputs are missing, cannot be read or do not fit together, or there are never so
    /// many workers.
    pub async fn preview(&self, request: &ValidRequest) -> Result<Preview, Problem> {
        self.parts.limits.job.check_request(request)?;
        self.parts.webhooks.check(request)?;
        self.parts.outputs.check(request)?;
        let workers = self.workers_of(request)?;
        let _permit = self.pass_preview(&request.inputs).await?;
        let (plan, inputs) = self.parts.planner.preview(request, workers).await?;
        Ok(Preview { workers, inputs, plan })
    }

    /// Waits until few enough objects are listed for previews. A list does not wait:
    /// it is in memory already.
    async fn pass_preview(&self, inputs: &Inputs) -> Result<SemaphorePermit<'_>, Problem> {
        let objects = match inputs {
            Inputs::Objects(list) => u32::try_from(list.len()).unwrap_or(u32::MAX),
            Inputs::Prefix(_) | Inputs::Manifest(_) => {
                let passed = self.previewed.acquire_many(PREVIEWED_OF_PREFIX).await;
                return passed.map_err(|_| stopping());
            }
            Inputs::Generate(_) | Inputs::Shortened(_) => 0,
        };
        self.previewed.try_acquire_many(objects.min(PREVIEWED_OBJECTS)).map_err(|_| {
            let detail = "too many long lists of objects are being planned";
            Problem::new(ProblemKind::TooManyRequests, detail)
                .remedy("try again later, or submit the job without planning it before")
        })
    }

    /// Submits the request of a job again, as a new job.
    ///
    /// # Errors
    ///
    /// If there is no such job, and as [`Engine::submit`].
    pub async fn rerun(&self, job: JobId, submitted_by: Option<String>) -> Result<JobId, Problem> {
        let record = records::request(&*self.parts.store, job).await?;
        self.submit(record.request, submitted_by).await
    }

    /// Makes the link that shows a job to anybody who has it; the same one if there is
    /// one already.
    ///
    /// # Errors
    ///
    /// If there is no such job, or the store does not answer.
    pub async fn share(&self, job: JobId, shared_by: Option<String>) -> Result<Share, Problem> {
        self.job(job).await?;
        self.shares.share(job, shared_by).await
    }

    /// Withdraws the link to a job.
    ///
    /// # Errors
    ///
    /// If there is no such job, or the store does not answer.
    pub async fn withdraw(&self, job: JobId) -> Result<(), Problem> {
        self.job(job).await?;
        self.shares.withdraw(job).await
    }

    /// Cancels a job. Once this has returned, the store says so, and no server
    /// continues the job.
    ///
    /// # Errors
    ///
    /// If there is no such job, it is over, or the store does not answer.
    pub async fn cancel(&self, job: JobId) -> Result<(), Problem> {
        let snapshot = self.job(job).await?;
        if snapshot.phase.is_over() {
            let detail = format!("the job is already {}", snapshot.phase.word());
            return Err(Problem::new(ProblemKind::Conflict, detail)
                .remedy("there is nothing to cancel; delete the job to free its space"));
        }
        records::store_cancellation(&*self.parts.store, job).await?;
        self.send(DriverMessage::Event(Event::CancelRequested { job })).await
    }

    /// Deletes a job with all its objects, for a caller.
    ///
    /// # Errors
    ///
    /// If there is no such job, the caller may not delete it, it is not over, or the store
    /// does not answer.
    pub async fn delete(&self, job: JobId, by: &Caller) -> Result<(), Problem> {
        let _turn = self.endings.lock().await;
        let snapshot = self.job(job).await?;
        let owner = snapshot.submitted_by.as_deref();
        if !by.may_delete(owner) {
            return Err(not_the_owner(owner, by));
        }
        if !snapshot.phase.is_over() {
            let detail = format!("the job is still {}", snapshot.phase.word());
            return Err(Problem::new(ProblemKind::Conflict, detail)
                .remedy("cancel the job first, then delete it"));
        }
        self.retention.delete(job, Deletion::Requested).await
    }

    /// Sets the number of workers by hand; `None` lets it follow from the jobs. Once this
    /// has returned, the store and the board say so.
    ///
    /// # Errors
    ///
    /// If it is above `--max-workers`, or the store does not answer.
    pub async fn set_desired_workers(&self, by_hand: Option<u32>) -> Result<(), Problem> {
        if let Some(desired) = by_hand
            && desired > self.max_workers
        {
            let detail = format!("at most {} workers are allowed, not {desired}", self.max_workers);
            return Err(Problem::new(ProblemKind::LimitExceeded, detail)
                .field("desired")
                .remedy("request fewer, or start the server with a larger --max-workers"));
        }
        records::store_workers_by_hand(&*self.parts.store, by_hand).await?;
        self.send(DriverMessage::Event(Event::DesiredWorkersSet { by_hand })).await?;
        self.flush().await
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
        self.job(job).await?;
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

    /// The attempts of a job over time: those of a span, or of the whole job without one. At
    /// most `attempts_listed` are listed one by one. Of a job that is in the store only, the
    /// answer is what was stored, of the whole job.
    ///
    /// # Errors
    ///
    /// If there is no such job, its attempts were not recorded, or the store does not
    /// answer.
    pub async fn timeline(
        &self,
        job: JobId,
        span: Option<Span>,
        attempts_listed: usize,
    ) -> Result<Timeline, Problem> {
        self.job(job).await?;
        let (reply, replied) = oneshot::channel();
        self.send(DriverMessage::TimelineRequested { job, span, attempts_listed, reply }).await?;
        if let Some(timeline) = replied.await.map_err(|_| stopping())? {
            return Ok(*timeline);
        }
        records::timeline(&*self.parts.store, job).await?.ok_or_else(|| {
            Problem::new(ProblemKind::NotFound, "the attempts of the job were not recorded")
                .remedy("run the job again; earlier versions of the program did not record them")
        })
    }

    /// What the workers have done in the last two minutes, for all jobs.
    ///
    /// # Errors
    ///
    /// If the server is stopping.
    pub async fn lately(&self) -> Result<Arc<Lately>, Problem> {
        // All pages share one answer a second.
        let mut latest = self.lately.lock().await;
        if let Some((at, lately)) = &*latest
            && at.elapsed() < LATELY_FOR
        {
            return Ok(lately.clone());
        }
        let (reply, replied) = oneshot::channel();
        self.send(DriverMessage::LatelyRequested { reply }).await?;
        let mut lately = *replied.await.map_err(|_| stopping())?;
        self.count_jobs(&mut lately);
        lately.bytes_per_sec = self.pace.bytes_per_sec();
        let lately = Arc::new(lately);
        *latest = Some((Instant::now(), lately.clone()));
        Ok(lately)
    }

    /// Counts the jobs that are not over, and those that have ended in the last day.
    fn count_jobs(&self, lately: &mut Lately) {
        let since = Timestamp::from_millis(lately.end.as_millis().saturating_sub(DAY_MS));
        self.board.visit(&mut |job| {
            let is_lately = job.timings.ended_at.is_some_and(|ended_at| ended_at >= since);
            lately.running += u64::from(!job.phase.is_over());
            lately.done += u64::from(is_lately && job.phase == Phase::Done);
            lately.failed += u64::from(is_lately && job.phase == Phase::Failed);
        });
    }

    /// A page of the input objects of a job, from the one at index `start`.
    ///
    /// # Errors
    ///
    /// If there is no such job, it is not planned, or the store does not answer.
    pub async fn input_page(
        &self,
        job: JobId,
        start: u64,
        limit: usize,
    ) -> Result<InputPage, Problem> {
        self.job(job).await?;
        let (objects, total) = self.input_objects(job, start, limit).await?;
        Ok(records::input_page(objects, start, total))
    }

    /// The same, with what is in each of them; `None` where it cannot be told now.
    ///
    /// # Errors
    ///
    /// As [`Engine::input_page`].
    pub async fn inputs_looked_into(
        &self,
        job: JobId,
        start: u64,
        limit: usize,
    ) -> Result<LookedInto, Problem> {
        let snapshot = self.job(job).await?;
        let looking = async {
            let (objects, total) = self.input_objects(job, start, limit).await?;
            let deadline = Instant::now() + LOOKING_TIME_MAX;
            // Headers take memory: one page after the other.
            let contents = match timeout_at(deadline, self.looking.acquire()).await {
                Ok(_permit) => {
                    let options = snapshot.request.read_options();
                    self.parts.planner.contents(&objects, &options, deadline).await
                }
                Err(_) => vec![None; objects.len()],
            };
            Ok((records::input_page(objects, start, total), contents))
        };
        // A job that is resumed reads other versions.
        let key = (job, snapshot.resumes.last().copied(), start);
        let found = self.looked_into.try_get_with(key, looking).await;
        found.map_err(|problem: Arc<Problem>| Problem::clone(&problem))
    }

    async fn input_objects(
        &self,
        job: JobId,
        start: u64,
        limit: usize,
    ) -> Result<(Vec<InputObject>, u64), Problem> {
        // The whole list is parsed.
        let permit = self.previewed.acquire_many(PREVIEWED_OF_PREFIX).await;
        let _permit = permit.map_err(|_| stopping())?;
        let found = records::input_objects(&*self.parts.store, job, start, limit).await?;
        found.ok_or_else(|| {
            Problem::new(ProblemKind::NotFound, "the input objects of the job are not listed")
                .remedy("wait until it is planned; a job that failed before has no list")
        })
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

    /// Waits until a task has ended by itself without which no job goes on, and says
    /// which.
    pub async fn failed(&self) -> Problem {
        self.supervision.failed().await
    }

    /// How long the driver has stood still.
    #[must_use]
    pub fn silent_for(&self) -> Duration {
        self.pulse.silent_for()
    }

    /// Runs a task until it is done or the engine stops.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(self.until_stopped(work));
    }

    fn until_stopped(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let stop = self.stop.clone();
        async move {
            stop.run_until_cancelled(work).await;
        }
    }

    /// The same for what ends with the driver, which then is the one that has failed.
    fn while_driven(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let messages = self.messages.clone();
        self.until_stopped(async move {
            work.await;
            if messages.is_closed() {
                std::future::pending::<()>().await;
            }
        })
    }

    /// Runs a task that must not end before the engine stops.
    fn supervise(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let task = self.tasks.spawn(work);
        self.tasks.spawn(self.supervision.clone().watch(name, task));
    }

    /// Waits until everything that was sent to the driver before is on the board.
    async fn flush(&self) -> Result<(), Problem> {
        let (published, is_published) = oneshot::channel();
        self.send(DriverMessage::Flush { published }).await?;
        is_published.await.map_err(|_| stopping())
    }

    async fn send(&self, message: DriverMessage) -> Result<(), Problem> {
        self.messages.send(message).await.map_err(|_| stopping())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // An engine that was started halfway ends too.
        self.stop.cancel();
    }
}

/// The driver has ended.
/// The refusal to delete a job of somebody else.
fn not_the_owner(owner: Option<&str>, by: &Caller) -> Problem {
    let owner = owner.unwrap_or("somebody without a name");
    let name = by.name.as_deref().unwrap_or("the caller");
    let role = by.role.map_or("no role", Role::word);
    let detail = format!(
        "the job was submitted by {owner}; deleting it needs the role admin, and {name} has the \
         role {role}"
    );
    Problem::new(ProblemKind::Forbidden, detail)
        .remedy(format!("ask {owner}, or somebody with the role admin, to delete it"))
}

fn stopping() -> Problem {
    Problem::new(ProblemKind::Unavailable, "the server is stopping")
        .remedy("try again once the server has restarted")
}
