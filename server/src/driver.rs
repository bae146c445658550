//! The shell around the scheduler: owns it, gives it events, carries out its
//! commands.

mod depths;
mod effects;
mod job;
mod observing;
mod reports;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use platform::{Description, InputStores, ObjectStore, ServerEnd};
use program::clock;
use protocol::detail::TaskPage;
use protocol::job::Counted;
use protocol::result::ResultSummary;
use protocol::task::Control;
use protocol::worker::PoolSnapshot;
use protocol::worker::QueueSnapshot;
use protocol::{JobId, JobSnapshot, Phase, Problem, Timestamp};
use scheduler::{Command, Event, JobTerms, Scheduler};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::effects::{Effects, RESULTS_AT_ONCE};
use self::job::Job;
use crate::board::Board;
use crate::planning::Planner;
use crate::pool::{Observed, WorkerPool};
use crate::records::{PlanRecord, RequestRecord};

pub use self::depths::pump as pump_depths;
pub use self::observing::pump as pump_observed;
pub use self::reports::pump as pump_reports;

/// How many facts may wait for the driver; whoever brings one more waits.
pub const FACTS_CAPACITY: usize = 4096;
/// How many facts are taken in before anything else gets a turn.
const FACTS_AT_ONCE: usize = 256;
/// How often what has changed is published: as often as an eye notices …
const PUBLISH_EVERY: Duration = Duration::from_millis(100);
/// … but while a job is young, often enough that also a short one is seen to move.
const PUBLISH_YOUNG_EVERY: Duration = Duration::from_millis(15);
/// How long a job is young, in milliseconds.
const YOUNG_MS: u64 = 1000;
/// The details of so many jobs that are over are kept in memory.
const DETAILED_JOBS: usize = 32;

/// What the driver works with.
pub struct Parts {
    /// The server's end of the queue.
    pub queue: Arc<dyn ServerEnd>,
    /// The program's own store.
    pub store: Arc<dyn ObjectStore>,
    /// Where inputs may lie.
    pub inputs: InputStores,
    /// Where the queue's own pages are, if it has some.
    pub queue_management_url: Option<String>,
    /// What keeps the workers.
    pub pool: Arc<dyn WorkerPool>,
    /// What lays out trees.
    pub planner: Planner,
    /// How often an attempt tells how far it is.
    pub heartbeat_ms: u64,
    /// Whether partial sums stay after their job is done.
    pub keep_partial_sums: bool,
}

/// Something that has happened, for the driver to take in.
pub enum Fact {
    /// What the scheduler wants to know.
    Event(Event),
    /// A job was submitted; its request is in the store.
    Submitted {
        /// Which.
        job: JobId,
        /// What was asked for.
        record: Box<RequestRecord>,
        /// Told once the job can be seen on the board.
        seen: oneshot::Sender<()>,
    },
    /// An earlier life's job goes on.
    Restored {
        /// Which.
        job: JobId,
        /// What was asked for.
        record: Box<RequestRecord>,
        /// How it is computed.
        plan: Box<PlanRecord>,
        /// The tasks that are complete.
        completed: Vec<protocol::TaskId>,
    },
    /// Somebody wants to know that all facts before this one are on the board.
    Settle {
        /// Told once they are.
        seen: oneshot::Sender<()>,
    },
    /// More test data is there.
    Generated {
        /// Whose.
        job: JobId,
        /// How much.
        counted: Counted,
    },
    /// A job's plan is in the store.
    Planned {
        /// Which.
        job: JobId,
        /// How it is computed.
        record: Box<PlanRecord>,
    },
    /// A job's result is in the store.
    Finished {
        /// Which.
        job: JobId,
        /// What it looks like.
        summary: Box<ResultSummary>,
    },
    /// A job's report is in the store.
    Recorded {
        /// How the job ended.
        snapshot: Box<JobSnapshot>,
    },
    /// The pool could not do what it was asked to.
    PoolTroubled {
        /// What is the matter, in words; `None` once it is over.
        notice: Option<String>,
    },
    /// Another number of messages waits in the queue.
    QueueSeen {
        /// What waits.
        queue: QueueSnapshot,
    },
    /// The pool sees its workers otherwise than before.
    PoolObserved {
        /// What it sees.
        observed: Observed,
    },
    /// Somebody wants to see tasks of a job.
    TasksAsked {
        /// Which.
        job: JobId,
        /// Of which level.
        level: u8,
        /// From which on.
        start: u64,
        /// How many at most.
        limit: usize,
        /// Where to answer: `None` if nothing is known of the job, or the level.
        answer: oneshot::Sender<Option<TaskPage>>,
    },
}

/// The shell around the scheduler.
pub struct Driver {
    scheduler: Scheduler,
    jobs: BTreeMap<JobId, Job>,
    effects: Effects,
    board: Board,
    /// Jobs that are over, oldest first, whose details are still in memory.
    over: std::collections::VecDeque<JobId>,
    notice: Option<String>,
    queue: Option<QueueSnapshot>,
    observed: Observed,
    /// Whether more is new of the pool than the scheduler knows.
    pool_changed: bool,
}

impl Driver {
    /// A driver of a new scheduler; effects answer through `facts`.
    #[must_use]
    pub fn new(
        scheduler: Scheduler,
        parts: Arc<Parts>,
        board: Board,
        facts: mpsc::Sender<Fact>,
    ) -> Driver {
        Driver {
            scheduler,
            jobs: BTreeMap::new(),
            effects: Effects {
                parts,
                facts,
                tasks: TaskTracker::new(),
                writing: Arc::new(Semaphore::new(RESULTS_AT_ONCE)),
            },
            board,
            over: std::collections::VecDeque::new(),
            notice: None,
            queue: None,
            observed: Observed::default(),
            pool_changed: true,
        }
    }

    /// Takes in facts until told to stop.
    pub async fn run(mut self, mut facts: mpsc::Receiver<Fact>, stop: CancellationToken) {
        let mut published = Instant::now();
        loop {
            let deadline = self.scheduler.next_deadline();
            let publish_at = published + self.publish_every();
            tokio::select! {
                () = stop.cancelled() => break,
                fact = facts.recv() => {
                    let Some(fact) = fact else { break };
                    self.take(fact);
                    for _ in 1..FACTS_AT_ONCE {
                        let Ok(fact) = facts.try_recv() else { break };
                        self.take(fact);
                    }
                }
                () = until(deadline) => self.event(Event::TimePassed),
                () = sleep_until(publish_at) => {
                    self.publish();
                    published = Instant::now();
                }
            }
        }
        self.effects.tasks.close();
    }

    fn take(&mut self, fact: Fact) {
        match fact {
            Fact::Event(event) => self.event(event),
            Fact::Submitted { job, record, seen } => {
                let terms = terms(&record);
                self.jobs.insert(job, Job::new(*record));
                self.event(Event::JobSubmitted { job, terms });
                self.publish();
                // Whoever waited may have given up.
                let _ = seen.send(());
            }
            Fact::Restored { job, record, plan, completed } => {
                let terms = terms(&record);
                let tree = plan.plan.clone();
                let columns = tree.columns;
                let mut known = Job::new(*record);
                known.set_plan(*plan);
                self.jobs.insert(job, known);
                self.event(Event::JobRestored { job, terms, plan: tree, columns, completed });
            }
            Fact::Settle { seen } => {
                self.publish();
                // Whoever waited may have given up.
                let _ = seen.send(());
            }
            Fact::Generated { job, counted } => {
                if let Some(known) = self.jobs.get_mut(&job) {
                    known.generated = Some(counted);
                }
            }
            Fact::Planned { job, record } => {
                let plan = record.plan.clone();
                if let Some(known) = self.jobs.get_mut(&job) {
                    known.set_plan(*record);
                }
                self.event(Event::JobPlanned { job, plan });
            }
            Fact::Finished { job, summary } => {
                if let Some(known) = self.jobs.get_mut(&job) {
                    known.result = Some(*summary);
                }
                self.event(Event::ResultWritten { job });
            }
            Fact::Recorded { snapshot } => self.forget(*snapshot),
            Fact::PoolTroubled { notice } => {
                self.pool_changed |= self.notice != notice;
                self.notice = notice;
            }
            Fact::QueueSeen { queue } => {
                self.queue = Some(queue);
                self.pool_changed = true;
            }
            Fact::PoolObserved { observed } => {
                self.observed = observed;
                self.pool_changed = true;
            }
            Fact::TasksAsked { job, level, start, limit, answer } => {
                // Whoever asked may have given up.
                let _ = answer.send(self.scheduler.tasks(job, level, start, limit));
            }
        }
    }

    fn event(&mut self, event: Event) {
        let now = clock::now();
        tracing::trace!(?event, "event");
        for command in self.scheduler.handle(now, event) {
            tracing::trace!(?command, "command");
            self.perform(command);
        }
    }

    /// Sets an effect going. What comes of it comes back as a fact.
    fn perform(&mut self, command: Command) {
        match command {
            Command::PlanJob { job } => match self.jobs.get_mut(&job) {
                Some(known) => known.planning = Some(self.effects.plan(job, &known.record)),
                None => tracing::error!(job_id = %job, "a job to plan that is not known"),
            },
            Command::PublishAttempt { attempt, .. } => {
                let heartbeat_ms = self.effects.parts.heartbeat_ms;
                let known = self.jobs.get(&attempt.job);
                match known.and_then(|job| job.assignment(&command, heartbeat_ms)) {
                    Some(assignment) => self.effects.publish(assignment),
                    None => tracing::error!(%attempt, "attempt at a task that has no plan"),
                }
            }
            Command::StopAttempt { attempt, reason } => {
                self.effects.control(Control::StopAttempt { attempt, reason });
            }
            Command::WriteResult { job, columns } => {
                let view = self.scheduler.job(job);
                let total = self.jobs.get(&job).zip(view);
                match total.and_then(|(known, view)| known.total(job, columns, &view)) {
                    Some(total) => self.effects.write_result(total),
                    None => tracing::error!(job_id = %job, "a result to write without a plan"),
                }
            }
            Command::EndJob { job, phase, problem } => self.end(job, phase, problem),
            Command::ScaleWorkers { desired } => self.effects.scale(desired),
            Command::DrainWorker { worker } => self.effects.drain(worker),
        }
    }

    /// A job is over: its report goes into the store, and is seen once it is there.
    fn end(&mut self, job: JobId, phase: Phase, problem: Option<Problem>) {
        self.effects.control(Control::StopJob { job });
        let Some(mut snapshot) = self.snapshot(job) else {
            // Without a report in the store the next start begins it anew.
            tracing::error!(job_id = %job, phase = phase.word(), "a job ended that is not known");
            return;
        };
        snapshot.phase = phase;
        snapshot.error = problem;
        snapshot.timings.ended_at.get_or_insert_with(clock::now);
        snapshot.bytes_per_sec = 0.0;
        snapshot.remaining_ms = None;
        let planning = self.jobs.get_mut(&job).and_then(|known| known.planning.take());
        self.effects.record(snapshot, planning);
    }

    /// A job's report is in the store: from now on the board speaks for it.
    fn forget(&mut self, snapshot: JobSnapshot) {
        let job = snapshot.id;
        self.jobs.remove(&job);
        self.board.publish(vec![snapshot], None);
        self.over.push_back(job);
        if self.over.len() > DETAILED_JOBS
            && let Some(job) = self.over.pop_front()
        {
            self.event(Event::JobForgotten { job });
        }
    }

    /// How long to wait from one publication to the next.
    fn publish_every(&self) -> Duration {
        let youngest = self.jobs.last_key_value();
        let now = clock::now();
        match youngest {
            Some((_, job)) if now.millis_since(job.record.submitted_at) < YOUNG_MS => {
                PUBLISH_YOUNG_EVERY
            }
            _ => PUBLISH_EVERY,
        }
    }

    /// Publishes what has changed.
    fn publish(&mut self) {
        let changes = self.scheduler.take_changes();
        let generating =
            self.jobs.iter_mut().filter_map(|(id, job)| job.take_generated_change().then_some(*id));
        let mut changed = changes.jobs;
        changed.extend(generating);
        let jobs: Vec<JobSnapshot> = changed
            .into_iter()
            .filter_map(|job| self.snapshot(job))
            // Shown as over only once the report is in the store.
            .filter(|snapshot| !snapshot.phase.is_over())
            .collect();
        let pool = (changes.pool || self.pool_changed).then(|| self.pool());
        self.pool_changed = false;
        if !jobs.is_empty() || pool.is_some() {
            self.board.publish(jobs, pool);
        }
    }

    fn snapshot(&self, job: JobId) -> Option<JobSnapshot> {
        Some(self.jobs.get(&job)?.snapshot(self.scheduler.job(job)?))
    }

    fn pool(&self) -> PoolSnapshot {
        let view = self.scheduler.pool();
        let Description { name: kind, location } = self.effects.parts.pool.description();
        PoolSnapshot {
            kind,
            location,
            desired: view.desired,
            by_hand: view.by_hand,
            ready: view.ready,
            busy: view.busy,
            min_workers: view.min_workers,
            max_workers: view.max_workers,
            backlog: view.backlog,
            queue: self.queue.clone(),
            workers: self.observed.complete(view.workers),
            notice: self.notice.clone().or_else(|| self.observed.notice.clone()).or_else(|| {
                let silent = self.queue.as_ref().is_some_and(|queue| queue.silent);
                silent.then(|| SILENT_QUEUE.to_owned())
            }),
        }
    }
}

/// What people are told while the queue does not answer.
const SILENT_QUEUE: &str = "the queue does not answer: workers are given nothing to do until it \
    does, and then jobs go on";

fn terms(record: &RequestRecord) -> JobTerms {
    JobTerms { workers: record.workers, speculation: record.request.speculation }
}

/// Waits until a point in time; for ever if there is none.
async fn until(deadline: Option<Timestamp>) {
    match deadline {
        Some(deadline) => {
            sleep(Duration::from_millis(deadline.millis_since(clock::now()))).await;
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
