//! The shell around the scheduler: owns it, gives it events, performs its
//! commands.

mod checkpoints;
mod earlier;
mod effects;
mod gates;
mod job;
mod late;
mod measuring;
mod message;
mod observing;
mod pulse;
mod queue_watch;
mod reports;
mod showing;
mod spans;
mod store_watch;
mod time;
mod timelines;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use platform::{InputStores, ObjectStore, ServerEnd};
use program::clock;
use protocol::task::Control;
use protocol::timeline::ATTEMPTS_LISTED;
use protocol::worker::QueueSnapshot;
use protocol::{JobId, JobSnapshot, Part, Phase, Problem, WorkerId};
use scheduler::{Command, Event, JobTerms, JobView, Scheduler};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use traces::Traces;

use self::earlier::Earlier;
use self::effects::Effects;
use self::job::Job;
use self::late::Late;
use self::measuring::Measuring;
use self::spans::Spans;
use self::time::Time;
use crate::board::{Board, with_overall};
use crate::journal;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::outputs::Outputs;
use crate::planning::Planner;
use crate::pool::{Observed, WorkerPool};
use crate::records::{self, Checkpoint, Completions, LearnedRecord, RequestSummary};
use crate::store_lease::Fencing;
use crate::webhooks::{Ended, Webhooks};

pub use self::message::DriverMessage;
pub use self::observing::forward as forward_observed;
pub use self::pulse::Pulse;
pub use self::queue_watch::{empty as empty_queue, forward as forward_queue_watch};
pub use self::reports::forward as forward_reports;
pub use self::store_watch::forward as forward_store_watch;

/// How many messages may wait for the driver; senders of more wait.
pub const MESSAGES_CAPACITY: usize = 4096;
/// How many messages are handled before deadlines and publishing get a turn.
const MESSAGES_AT_ONCE: usize = 256;
/// The interval at which changes are published: shorter ones are not noticed …
const PUBLISH_INTERVAL: Duration = Duration::from_millis(100);
/// … except of a young job, which may be over within one of them.
const PUBLISH_INTERVAL_YOUNG: Duration = Duration::from_millis(15);
/// The age up to which a job counts as young.
const YOUNG: Duration = Duration::from_secs(1);
/// How long a server that stops waits until the times and counts of jobs are stored.
const LAST_CHECKPOINTS: Duration = Duration::from_secs(2);
/// How many of the latest jobs that are over keep their tasks in memory.
const DETAILED_JOBS: usize = 32;
/// How many tasks these jobs may have together; each takes about 200 bytes.
const DETAILED_TASKS: u64 = 100_000;

/// The parts of the outside world that the driver works with.
pub struct Parts {
    /// The server's end of the queue.
    pub queue: Arc<dyn ServerEnd>,
    /// The program's own store.
    pub store: Arc<dyn ObjectStore>,
    /// Tells whether the server may write into it.
    pub fencing: Fencing,
    /// The stores that inputs may lie in.
    pub inputs: InputStores,
    /// Where results may also be written.
    pub outputs: Outputs,
    /// The URL of the queue's management pages, if it has some.
    pub queue_management_url: Option<String>,
    /// The worker pool.
    pub pool: Arc<dyn WorkerPool>,
    /// Lists the inputs of a job and lays out its sum tree.
    pub planner: Planner,
    /// The heartbeat interval of attempts while there are few workers, in milliseconds.
    pub heartbeat_ms: u64,
    /// Whether partial sums are kept once their job is over.
    pub keep_partial_sums: bool,
    /// What jobs may take, and how long they are kept.
    pub limits: Limits,
    /// What is counted for Prometheus.
    pub metrics: Metrics,
    /// Who may be told that a job has ended.
    pub webhooks: Arc<Webhooks>,
    /// Records jobs, tasks and what they ask stores and the queue for.
    pub traces: Traces,
}

/// The shell around the scheduler.
pub struct Driver {
    scheduler: Scheduler,
    time: Time,
    pulse: Pulse,
    jobs: BTreeMap<JobId, Job>,
    effects: Effects,
    board: Board,
    /// Jobs that are over, oldest first, whose details are still in memory, and how many
    /// tasks each has.
    over: VecDeque<(JobId, u64)>,
    notice: Option<String>,
    queue: Option<QueueSnapshot>,
    observed: Observed,
    /// The jobs that are over and that workers have only now stopped working at.
    late: Late,
    measuring: Measuring,
    spans: Spans,
    /// The parts that do not answer.
    missed: BTreeSet<Part>,
    /// Whether the pool has changed in what the scheduler does not know of.
    pool_changed: bool,
}

/// What the driver does next.
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
enum Turn {
    Message(DriverMessage),
    Deadline,
    Publish,
}

impl Driver {
    /// A driver without jobs. Effects send their outcomes through `messages`.
    #[must_use]
    pub fn new(
        scheduler: Scheduler,
        parts: Arc<Parts>,
        board: Board,
        messages: mpsc::Sender<DriverMessage>,
    ) -> Driver {
        Driver {
            scheduler,
            time: Time::new(),
            pulse: Pulse::new(),
            jobs: BTreeMap::new(),
            measuring: Measuring::new(parts.metrics.jobs.clone()),
            spans: Spans::new(parts.traces.clone(), &parts.queue.description().name),
            effects: Effects::new(parts, messages),
            board,
            over: VecDeque::new(),
            notice: None,
            queue: None,
            observed: Observed::default(),
            late: Late::default(),
            missed: BTreeSet::new(),
            pool_changed: true,
        }
    }

    /// Shows whether the driver moves, once it runs.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Handles messages until `stop` is cancelled.
    pub async fn run(
        mut self,
        mut messages: mpsc::Receiver<DriverMessage>,
        stop: CancellationToken,
    ) {
        let mut published = Instant::now();
        loop {
            let deadline = self.until_deadline();
            let publish_at = published + self.publish_interval();
            let turn = tokio::select! {
                () = stop.cancelled() => break,
                message = messages.recv() => {
                    let Some(message) = message else { break };
                    Turn::Message(message)
                }
                () = deadline => Turn::Deadline,
                () = sleep_until(publish_at) => Turn::Publish,
            };
            self.pulse.beat();
            if self.time.turn() {
                // Before a lease can expire: reports may be waiting.
                tracing::warn!("the process stood still; leases begin again");
                self.event(Event::ServerResumed);
            }
            match turn {
                Turn::Message(message) => {
                    self.handle(message);
                    for _ in 1..MESSAGES_AT_ONCE {
                        let Ok(message) = messages.try_recv() else { break };
                        self.handle(message);
                    }
                }
                Turn::Deadline => self.event(Event::TimePassed),
                Turn::Publish => {
                    self.publish();
                    published = Instant::now();
                }
            }
        }
        self.write_last_checkpoints().await;
        self.effects.stop.cancel();
    }

    fn handle(&mut self, message: DriverMessage) {
        match message {
            DriverMessage::Event(event) => self.event(event),
            DriverMessage::Reported { events } => self.reported(events),
            DriverMessage::Submitted { job, request, place, is_new, published } => {
                let terms = terms(&request);
                if is_new {
                    self.measuring.submitted();
                    journal::submitted(job, &request);
                } else {
                    self.measuring.taken_up(0);
                    journal::continued(job, 0);
                }
                self.spans.job(job, &request, 0);
                self.jobs.insert(job, Job::new(*request, place));
                self.event(Event::JobSubmitted { job, terms });
                self.publish();
                // The receiver may have stopped waiting.
                let _ = published.send(());
            }
            DriverMessage::Restored { job, request, plan, columns, completed, checkpoint } => {
                let terms = terms(&request);
                let tree = plan.plan.clone();
                let earlier_attempts = plan.earlier_attempts();
                let room = self.effects.gates.room_at_once(&plan);
                self.spans.job(job, &request, plan.resumes.into());
                let mut known = Job::new(*request, None);
                known.set_plan(*plan, room);
                journal::continued(job, completed.len());
                let found = completed.len() as u64;
                known.earlier = Some(Earlier::new(*checkpoint, found, clock::now()));
                known.has_learned = columns.is_some();
                self.jobs.insert(job, known);
                self.event(Event::JobRestored {
                    job,
                    terms,
                    plan: tree,
                    columns,
                    completed,
                    earlier_attempts,
                });
                if let Some(view) = self.scheduler.job(job) {
                    self.measuring.restored(&view);
                }
                // What is left of it may be over before anything else is handled, and jobs
                // that are over are shown only once their report is stored.
                self.publish();
            }
            DriverMessage::Resumed { job, request, place, report, published } => {
                self.over.retain(|(over, _)| *over != job);
                self.event(Event::JobForgotten { job });
                self.measuring.taken_up(0);
                journal::resumed(job);
                let terms = terms(&request);
                let resumes = report.as_ref().map_or(0, |report| report.resumes.len());
                self.spans.job(job, &request, resumes as u64 + 1);
                let mut known = Job::new(*request, place);
                known.is_resumed = true;
                known.earlier = Some(Earlier::resumed(report.as_deref(), clock::now()));
                self.jobs.insert(job, known);
                self.event(Event::JobSubmitted { job, terms });
                self.publish();
                // The receiver may have stopped waiting.
                let _ = published.send(());
            }
            DriverMessage::Flush { published } => {
                self.publish();
                // The receiver may have stopped waiting.
                let _ = published.send(());
            }
            DriverMessage::Generated { job, counted } => {
                if let Some(known) = self.jobs.get_mut(&job) {
                    known.shown.generated = Some(counted);
                }
            }
            DriverMessage::Waiting { job, is_waiting } => {
                if let Some(known) = self.jobs.get_mut(&job) {
                    known.shown.waiting = is_waiting;
                }
            }
            DriverMessage::Held { job, reason } => {
                let since = self.time.shown(self.time.now());
                if let Some(known) = self.jobs.get_mut(&job) {
                    known.shown.hold(since, reason);
                }
            }
            DriverMessage::Planned { job, record, room } => {
                journal::planned(job, &record);
                let plan = record.plan.clone();
                if let Some(known) = self.jobs.get_mut(&job) {
                    known.set_plan(*record, Some(room));
                }
                self.event(Event::JobPlanned { job, plan });
            }
            DriverMessage::Replanned { job, record, room, columns, completed } => {
                let (plan, earlier_attempts) = (record.plan.clone(), record.earlier_attempts());
                if let Some(known) = self.jobs.get_mut(&job) {
                    known.set_plan(*record, Some(room));
                    known.has_learned = columns.is_some();
                }
                self.event(Event::JobResumed { job, plan, columns, completed, earlier_attempts });
                if let Some(view) = self.scheduler.job(job) {
                    self.measuring.resumed(&view);
                }
            }
            DriverMessage::Finished { job, summary } => {
                if let Some(known) = self.jobs.get_mut(&job) {
                    known.result = Some(*summary);
                }
                self.event(Event::ResultWritten { job });
            }
            DriverMessage::Recorded { snapshot } => self.forget(*snapshot),
            DriverMessage::PoolAnswered { notice } => {
                self.pool_changed |= self.notice != notice;
                self.notice = notice;
            }
            DriverMessage::QueueChanged { queue, missed } => {
                self.queue = Some(queue);
                self.pool_changed = true;
                self.watched(Part::Queue, missed);
            }
            DriverMessage::StoreWatched { missed } => {
                self.board.watched_store(missed.clone(), clock::now());
                self.watched(Part::Store, missed);
            }
            DriverMessage::PoolObserved { observed } => {
                self.observed = observed;
                self.pool_changed = true;
            }
            DriverMessage::TimelineRequested { job, span, attempts_listed, reply } => {
                // The receiver may have stopped waiting.
                let _ = reply.send(self.timeline(job, span, attempts_listed).map(Box::new));
            }
            DriverMessage::TotalRequested { job, reply } => {
                // The receiver may have stopped waiting.
                let _ = reply.send(self.running_total(job).map(Box::new));
            }
            DriverMessage::LatelyRequested { reply } => {
                // The receiver may have stopped waiting.
                let _ = reply.send(Box::new(self.lately()));
            }
            DriverMessage::TasksRequested { job, level, start, limit, reply } => {
                // The receiver may have stopped waiting.
                let page = self.scheduler.tasks(job, level, start, limit);
                let _ = reply.send(page.map(|page| self.time.task_page(page)));
            }
        }
    }

    /// Handles what a worker has reported in one message.
    fn reported(&mut self, events: Vec<Event>) {
        for event in &events {
            self.late.note(event, |job| self.jobs.contains_key(&job));
            if let Event::AttemptStarted { attempt, worker } = event
                && let Some(known) = self.jobs.get_mut(&attempt.job)
                && !std::mem::replace(&mut known.has_started, true)
            {
                journal::started(attempt.job, worker);
            }
        }
        self.events(events);
    }

    fn event(&mut self, event: Event) {
        self.events(vec![event]);
    }

    fn events(&mut self, events: Vec<Event>) {
        let (now, at) = (self.time.now(), Instant::now());
        for event in &events {
            tracing::trace!(?event, "event");
            self.measuring.event(event, at);
            self.spans.event(event);
        }
        let heartbeat_ms = self.heartbeat_ms();
        // The assignments of the message that is being put together.
        let mut bundle = Vec::new();
        for command in self.scheduler.handle_all(now, events) {
            tracing::trace!(?command, "command");
            self.measuring.command(&command, at);
            let Command::PublishAttempt { attempt, carried, .. } = command else {
                self.effects.publish(std::mem::take(&mut bundle));
                self.perform(command);
                continue;
            };
            if !carried {
                self.effects.publish(std::mem::take(&mut bundle));
            }
            let span = self.spans.command(&command);
            let known = self.jobs.get(&attempt.job);
            match known.and_then(|job| job.assignment(&command, heartbeat_ms)) {
                Some(assignment) => bundle.push((assignment, span)),
                None => tracing::error!(%attempt, "attempt at a task without a plan"),
            }
        }
        self.effects.publish(bundle);
    }

    /// How often attempts that are published now send heartbeats.
    fn heartbeat_ms(&self) -> u64 {
        self.scheduler.heartbeat_ms(self.effects.parts.heartbeat_ms)
    }

    /// Tells the scheduler whether a part is missed, and the log when that changes.
    fn watched(&mut self, part: Part, missed: Option<String>) {
        let event = match missed {
            Some(reason) => {
                if self.missed.insert(part) {
                    tracing::warn!(part = part.word(), reason, "missed; jobs wait for it");
                }
                Event::PartMissed { part, reason }
            }
            None => {
                if self.missed.remove(&part) {
                    tracing::info!(part = part.word(), "answers again; jobs continue");
                }
                Event::PartReturned { part }
            }
        };
        self.event(event);
    }

    /// Starts the effect of a command. Its outcome comes back as a message.
    fn perform(&mut self, command: Command) {
        match command {
            Command::PlanJob { job } => match self.jobs.get_mut(&job) {
                Some(known) => {
                    let tracing = self.spans.phase(job, Phase::Listing);
                    let planning =
                        self.effects.plan(job, &known.request, known.is_resumed, tracing);
                    known.writing = Some(planning);
                }
                None => tracing::error!(job_id = %job, "plan requested for an unknown job"),
            },
            // Assignments are put together into messages before.
            Command::PublishAttempt { .. } => {}
            Command::StopAttempt { attempt, reason, worker } => {
                self.tell(Control::StopAttempt { attempt, reason }, worker.as_ref());
            }
            Command::WriteResult { job, columns } => self.write_result(job, columns),
            Command::EndJob { job, phase, problem } => self.end(job, phase, problem),
            Command::ScaleWorkers { desired } => self.effects.scale(desired),
            Command::DrainWorker { worker } => {
                self.tell(Control::Drain { worker: worker.clone() }, Some(&worker));
                self.effects.drained(worker);
            }
            Command::ReleaseWorker { worker } => self.effects.released(worker),
            Command::RetainWorker { worker } => self.effects.retained(worker),
            Command::RestWorker { worker, rest_ms } => {
                tracing::warn!(worker_id = %worker, rest_ms, "worker set aside for a time");
                self.tell(Control::Rest { worker: worker.clone(), rest_ms }, Some(&worker));
            }
        }
    }

    /// Sends a control message to a worker, or to all if it has not said where it is.
    fn tell(&self, control: Control, worker: Option<&WorkerId>) {
        let address = worker.and_then(|worker| self.scheduler.address(worker));
        self.effects.control(control, address.map(str::to_owned));
    }

    /// Starts to write the result of a job, unless it has turned out to be too large.
    fn write_result(&mut self, job: JobId, columns: u64) {
        let limits = self.effects.parts.limits.job;
        let snapshot = self.snapshot(job);
        let within_limits = snapshot.as_ref().map_or(Ok(()), |it| limits.check_running(it));
        if let Err(problem) = within_limits {
            self.event(Event::JobBroken { job, problem });
            return;
        }
        let view = self.scheduler.job(job);
        let known = self.jobs.get_mut(&job).zip(view).zip(snapshot);
        let known = known.and_then(|((known, view), snapshot)| {
            Some((known.total(job, columns, &view)?, snapshot, known))
        });
        match known {
            Some((total, snapshot, known)) => {
                let tracing = self.spans.phase(job, Phase::Finishing);
                known.writing = Some(self.effects.write_result(total, snapshot, tracing));
            }
            None => tracing::error!(job_id = %job, "result requested for a job without a plan"),
        }
    }

    /// Ends a job: its report is stored, and shown once it is in the store.
    fn end(&mut self, job: JobId, phase: Phase, problem: Option<Problem>) {
        self.tell(Control::StopJob { job }, None);
        let Some(mut snapshot) = self.snapshot(job) else {
            // Without a report in the store, the next start of the server resumes it.
            tracing::error!(job_id = %job, phase = phase.word(), "an unknown job ended");
            return;
        };
        snapshot.phase = phase;
        snapshot.error = problem.map(|problem| self.with_killer(job, problem));
        snapshot.timings.ended_at.get_or_insert_with(|| self.time.shown(self.time.now()));
        snapshot.outage = None;
        snapshot.bytes_per_sec = 0.0;
        snapshot.remaining_ms = None;
        snapshot.remaining_least_ms = None;
        snapshot.remaining_most_ms = None;
        snapshot.waiting = false;
        let before = self.board.job(job).map_or(0.0, |before| before.overall);
        let snapshot = with_overall(snapshot, before);
        let (mut writing, mut checkpoint, mut learning) = (None, None, None);
        if let Some(known) = self.jobs.get_mut(&job) {
            (writing, checkpoint) = (known.writing.take(), known.checkpoints.take());
            learning = known.learning.take();
            // It may have been learned in the turn in which the job ends.
            if snapshot.plan.is_some()
                && let Some(view) = self.scheduler.job(job)
                && let Some(learned) = known.learned(&view)
            {
                learning = Some(self.effects.store_learned(job, learned));
            }
        }
        let timeline =
            snapshot.plan.is_some().then(|| self.timeline_of(&snapshot, None, ATTEMPTS_LISTED));
        self.effects.record(snapshot, timeline, writing, checkpoint, learning);
    }

    /// Publishes the report of a job, from which on only the board knows the job.
    fn forget(&mut self, snapshot: JobSnapshot) {
        let job = snapshot.id;
        let tasks = Driver::tasks_of(&snapshot);
        self.measuring.ended(&snapshot, self.scheduler.job(job).as_ref());
        self.spans.ended(&snapshot);
        journal::ended(&snapshot);
        self.effects.parts.planner.pace.learn(&snapshot);
        self.jobs.remove(&job);
        let states = self.scheduler.task_states(job).unwrap_or_default();
        let is_untold = snapshot.webhook.is_some();
        let ended = snapshot.timings.ended_at.filter(|_| is_untold).map(|at| Ended { job, at });
        self.board.publish_drawn(vec![(snapshot, states)], None);
        if let Some(ended) = ended {
            self.effects.parts.webhooks.announce(ended);
        }
        self.over.push_back((job, tasks));
        let mut detailed: u64 = self.over.iter().map(|(_, tasks)| tasks).sum();
        while self.over.len() > DETAILED_JOBS || detailed > DETAILED_TASKS {
            let Some((job, tasks)) = self.over.pop_front() else { break };
            detailed -= tasks;
            self.board.forget_tasks(job);
            self.event(Event::JobForgotten { job });
        }
    }

    /// Waits for the scheduler's next deadline; for ever if there is none.
    fn until_deadline(&self) -> impl Future<Output = ()> + use<> {
        let pause = self.scheduler.next_deadline().map(|at| at.millis_since(self.time.now()));
        async move {
            match pause {
                Some(pause_ms) => sleep(Duration::from_millis(pause_ms)).await,
                None => std::future::pending().await,
            }
        }
    }

    /// The interval from one publication to the next.
    fn publish_interval(&self) -> Duration {
        match self.jobs.last_key_value() {
            Some((_, job)) if job.known_since.elapsed() < YOUNG => PUBLISH_INTERVAL_YOUNG,
            _ => PUBLISH_INTERVAL,
        }
    }

    /// Publishes the jobs and the pool that have changed.
    fn publish(&mut self) {
        for job in self.late.quiet() {
            self.effects.sweep(job, self.board.job(job));
        }
        let changes = self.scheduler.take_changes();
        let shown = self.jobs.iter_mut().filter_map(|(id, job)| job.take_change().then_some(*id));
        let mut changed = changes.jobs;
        changed.extend(shown);
        let open = changed.into_iter().filter(|job| self.jobs.contains_key(job));
        let views: Vec<JobView> = open.filter_map(|job| self.scheduler.job(job)).collect();
        for view in &views {
            self.measuring.advanced(view);
        }
        // A job is shown as over only once its report is in the store.
        let jobs = views.into_iter().filter(|view| !view.phase.is_over());
        let jobs: Vec<JobSnapshot> = jobs.filter_map(|view| self.snapshot_of(view)).collect();
        let pool = (changes.pool || self.pool_changed).then(|| self.pool());
        self.pool_changed = false;
        self.write_checkpoints(&jobs);
        let too_large = self.settle(&jobs);
        if !jobs.is_empty() || pool.is_some() {
            let drawn = jobs.into_iter().map(|job| {
                let states = self.scheduler.task_states(job.id).unwrap_or_default();
                (job, states)
            });
            self.board.publish_drawn(drawn.collect(), pool);
        }
        for event in too_large {
            self.event(event);
        }
    }

    /// Frees the places of jobs that have begun to run among those that wait, and has the
    /// free space looked at. Returns the events that fail jobs which exceed a limit.
    fn settle(&mut self, jobs: &[JobSnapshot]) -> Vec<Event> {
        let limits = self.effects.parts.limits.job;
        let mut too_large = Vec::new();
        for job in jobs.iter().filter(|job| !matches!(job.phase, Phase::Listing | Phase::Planning))
        {
            if let Some(known) = self.jobs.get_mut(&job.id) {
                known.place = None;
                if !known.has_learned
                    && let Some(view) = self.scheduler.job(job.id)
                    && let Some(learned) = known.learned(&view)
                {
                    known.learning = Some(self.effects.store_learned(job.id, learned));
                }
                if known.wants_space(job.bytes.written) {
                    self.effects.check_space(job.id, job.bytes.written);
                }
            }
            if let Err(problem) = limits.check_running(job) {
                too_large.push(Event::JobBroken { job: job.id, problem });
            }
        }
        too_large
    }

    /// Starts to write the checkpoints that are due.
    fn write_checkpoints(&mut self, jobs: &[JobSnapshot]) {
        let now = clock::now();
        for job in jobs {
            let Some(known) = self.jobs.get_mut(&job.id) else { continue };
            let Some(checkpoint) = known.checkpoints.due(job, now) else { continue };
            let completions = self.completions(job);
            let writing = self.effects.write_checkpoint(job.id, checkpoint, completions);
            if let Some(known) = self.jobs.get_mut(&job.id) {
                known.checkpoints.written_by(writing);
            }
        }
    }

    /// The journal of a job that has one.
    fn completions(&self, job: &JobSnapshot) -> Option<Completions> {
        let plan = job.plan.as_ref()?;
        if !Completions::are_kept(plan, job.inputs.columns) {
            return None;
        }
        let inputs = &job.inputs;
        let learned = inputs.columns.filter(|_| plan.columns.is_none()).map(|columns| {
            let (shape, format) = (inputs.shape.clone(), inputs.format.clone());
            LearnedRecord { columns, shape, format }
        });
        let levels = self.scheduler.task_states(job.id)?;
        Some(Completions { resumes: self.jobs.get(&job.id)?.resumes(), learned, levels })
    }

    /// Writes the checkpoints of all jobs that continue after a restart.
    async fn write_last_checkpoints(&self) {
        let store = &*self.effects.parts.store;
        let planned = self.jobs.keys().filter_map(|job| self.snapshot(*job));
        let planned = planned.filter(|job| job.plan.is_some() && !job.phase.is_over());
        let checkpoints: Vec<_> =
            planned.map(|job| (job.id, Checkpoint::of(&job), self.completions(&job))).collect();
        let writing = checkpoints.iter().map(|(job, checkpoint, completions)| async move {
            if let Some(completions) = completions
                && let Err(problem) = records::store_completions(store, *job, completions).await
            {
                tracing::warn!(job_id = %job, %problem, "journal not stored");
            }
            if let Err(problem) = records::store_checkpoint(store, *job, checkpoint).await {
                tracing::warn!(job_id = %job, %problem, "checkpoint not stored");
            }
        });
        if timeout(LAST_CHECKPOINTS, join_all(writing)).await.is_err() {
            tracing::warn!("the store takes no checkpoints before the end");
        }
    }
}

fn terms(request: &RequestSummary) -> JobTerms {
    JobTerms {
        workers: request.workers,
        priority: request.request.priority,
        speculation: request.request.speculation,
    }
}

#[cfg(test)]
mod tests;
