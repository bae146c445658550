//! The main loop of a worker.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use platform::problems::with_sources;
use platform::queue::Delivery;
use platform::retry::QUEUE_PAUSE;
use platform::{InputStores, ObjectStore, QueueError, WorkerEnd};
use program::clock::now;
use protocol::task::{
    Assignment, Control, Fault, Joined, Progress, Report, ReportBody, StopReason,
};
use protocol::{AttemptId, WorkerId};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use traces::Traces;

use crate::attempt::{self, Attempt, Ended, Lasting, Substitute};
use crate::meter::{self, Meter};
use crate::metrics::WorkerMetrics;
use crate::outbox::Outbox;
use crate::settings::Settings;
use crate::traced::TracedAttempt;

/// How long a stopping worker tries to report that it leaves. Without the report,
/// the server finds out when the worker's lease expires.
const LEAVE_REPORT_TIME_MAX: Duration = Duration::from_secs(2);
/// How long a worker rests after an error of its own, unless the server tells it to rest
/// longer: time for that message to arrive.
const REST_AFTER_OWN_FAULT: Duration = Duration::from_secs(1);

/// A worker: executes one attempt at a time.
pub struct Worker {
    /// The name of the worker, unique among running workers.
    pub id: WorkerId,
    /// The machine it runs on, if known.
    pub node: Option<String>,
    /// Its end of the queue.
    pub queue: Box<dyn WorkerEnd>,
    /// The store that segments are written into.
    pub store: Arc<dyn ObjectStore>,
    /// The stores that input objects are read from.
    pub inputs: InputStores,
    /// How much it reads at a time, and its injected faults.
    pub settings: Settings,
    /// Counts its attempts.
    pub metrics: WorkerMetrics,
    /// Records its attempts, in the traces of their jobs.
    pub traces: Traces,
}

/// Runs a worker until `leave` is cancelled or the server drains it. A worker that
/// is told to leave finishes its segment and hands its task back.
///
/// # Errors
///
/// If the queue is closed or refuses the worker.
pub async fn run(worker: Worker, leave: CancellationToken) -> Result<(), QueueError> {
    run_with(worker, None, leave).await
}

/// The same with something in place of the work of attempts.
///
/// # Errors
///
/// As [`run`].
pub async fn run_with(
    worker: Worker,
    substitute: Option<Substitute>,
    leave: CancellationToken,
) -> Result<(), QueueError> {
    let lasting = Lasting::new(&worker.settings, substitute);
    let reason = worker.work(&lasting, &leave).await?;
    let report = worker.report(ReportBody::Left { reason: reason.to_owned() });
    timeout(LEAVE_REPORT_TIME_MAX, report).await.unwrap_or(Ok(()))
}

/// What the server has told a worker to do once its attempt has ended.
#[derive(Clone, Copy, Debug, Default)]
struct Afterwards {
    /// To leave.
    drained: bool,
    /// To accept no delivery for this long.
    rest: Duration,
}

/// The execution of a delivery.
struct Turn<'a> {
    /// The attempts that are not begun.
    waiting: VecDeque<&'a Assignment>,
    told: Afterwards,
    outbox: &'a Outbox,
}

impl Turn<'_> {
    /// Drops the attempts that are not begun and match, and reports that they are stopped.
    fn drop_where(
        &mut self,
        is_it: impl Fn(&Assignment) -> bool,
        stopped: impl Fn(&Assignment) -> Report,
    ) {
        let waiting = std::mem::take(&mut self.waiting);
        let (dropped, waiting): (VecDeque<_>, VecDeque<_>) =
            waiting.into_iter().partition(|&it| is_it(it));
        self.waiting = waiting;
        if !dropped.is_empty() {
            self.outbox.add(dropped.into_iter().map(stopped));
        }
    }
}

impl Worker {
    /// Processes deliveries until the worker leaves; returns why it leaves.
    async fn work(
        &self,
        lasting: &Lasting,
        leave: &CancellationToken,
    ) -> Result<&'static str, QueueError> {
        self.report(self.joined()).await?;
        let mut alive = interval(Duration::from_millis(self.settings.alive_ms));
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        alive.reset();
        let mut rests_until = Instant::now();
        loop {
            let rests = Instant::now() < rests_until;
            tokio::select! {
                () = leave.cancelled() => return Ok("told to stop"),
                control = self.queue.next_control() => match control? {
                    Control::Drain { worker } if worker == self.id => return Ok("drained"),
                    Control::Rest { worker, rest_ms } if worker == self.id => {
                        rests_until = after(Duration::from_millis(rest_ms));
                    }
                    Control::RollCall => self.report(self.joined()).await?,
                    // For other workers: this one has no attempt.
                    Control::Drain { .. }
                    | Control::Rest { .. }
                    | Control::StopAttempt { .. }
                    | Control::StopJob { .. } => {}
                },
                () = sleep_until(rests_until), if rests => {}
                delivery = self.queue.next_delivery(), if !rests => {
                    match self.if_available(delivery)? {
                        Some(delivery) => {
                            let told = self.process(delivery, lasting, leave).await?;
                            if told.drained {
                                return Ok("drained");
                            }
                            rests_until = after(told.rest);
                        }
                        None => sleep(QUEUE_PAUSE).await,
                    }
                }
                _ = alive.tick() => {
                    lasting.free();
                    let resident_bytes = meter::resident_bytes();
                    let alive = self.report(ReportBody::Alive { resident_bytes });
                    leave.run_until_cancelled(alive).await.unwrap_or(Ok(()))?;
                }
            }
        }
    }

    /// Executes a delivery, reports the outcomes, and only then acknowledges it. Returns what
    /// the worker was told meanwhile.
    async fn process(
        &self,
        delivery: Delivery,
        lasting: &Lasting,
        leave: &CancellationToken,
    ) -> Result<Afterwards, QueueError> {
        let outbox = Outbox::default();
        let executing = async {
            let told = self.execute_all(&delivery, lasting, leave, &outbox).await;
            outbox.close();
            told
        };
        // Attempts run while reports wait for the queue.
        let (told, ()) = tokio::try_join!(executing, self.send(&outbox))?;
        // If this fails it is delivered again, and its segments are found.
        self.if_available(delivery.ack().await)?;
        Ok(told)
    }

    /// Sends reports until the outbox is closed and empty.
    async fn send(&self, outbox: &Outbox) -> Result<(), QueueError> {
        while let Some(reports) = outbox.next().await {
            self.send_all(&reports).await?;
        }
        Ok(())
    }

    /// Executes the attempts of a delivery one after the other. A worker that is told to
    /// leave or to rest meanwhile hands back those that it has not begun.
    async fn execute_all(
        &self,
        delivery: &Delivery,
        lasting: &Lasting,
        leave: &CancellationToken,
        outbox: &Outbox,
    ) -> Result<Afterwards, QueueError> {
        let mut turn = Turn {
            waiting: delivery.assignments.iter().collect(),
            told: Afterwards::default(),
            outbox,
        };
        let mut ended = None;
        while let Some(assignment) = turn.waiting.pop_front() {
            // With the end of the one before it, so that nobody takes the worker for idle.
            outbox.add(ended.take().into_iter().chain(self.starts(assignment)));
            let begun = Instant::now();
            let system = self.queue.system();
            let traced = TracedAttempt::begin(&self.traces, assignment, &self.id, system);
            let (store, inputs) = match &traced {
                Some(traced) => traced.stores(&self.store, &self.inputs),
                None => (self.store.clone(), self.inputs.clone()),
            };
            let attempt = Attempt {
                assignment: assignment.clone(),
                redelivered: delivery.redelivered,
                store,
                inputs,
                settings: self.settings.clone(),
                lasting: lasting.clone(),
                meter: Arc::default(),
                leaving: leave.child_token(),
            };
            let mut body = self.execute(attempt, &mut turn).await?;
            let took = begun.elapsed();
            if let ReportBody::Completed { outcome, .. } = &mut body {
                outcome.took_ms = u32::try_from(took.as_millis()).ok();
            }
            self.metrics.ended(&body, took);
            if let Some(traced) = traced {
                traced.end(&body);
            }
            let told = &mut turn.told;
            if matches!(&body, ReportBody::Failed { failure, .. } if failure.fault == Fault::Worker)
            {
                told.rest = told.rest.max(REST_AFTER_OWN_FAULT);
            }
            ended = Some(self.report_of(body));
            if told.drained || !told.rest.is_zero() || leave.is_cancelled() {
                break;
            }
        }
        let handed_back = turn.waiting.iter().map(|it| self.stopped(it, StopReason::WorkerLeaves));
        outbox.add(ended.into_iter().chain(handed_back));
        Ok(turn.told)
    }

    /// The report that an attempt starts; `None` if the worker must not run it.
    fn starts(&self, assignment: &Assignment) -> Option<Report> {
        let body = ReportBody::Started { attempt: assignment.attempt };
        (!self.is_elsewhere(assignment)).then(|| self.report_of(body))
    }

    /// Whether an attempt must run on another worker or node.
    fn is_elsewhere(&self, assignment: &Assignment) -> bool {
        let wrong_node = assignment.not_on_node.is_some() && assignment.not_on_node == self.node;
        wrong_node || assignment.not_on.as_ref() == Some(&self.id)
    }

    /// The report of an attempt that was stopped before it began.
    fn stopped(&self, assignment: &Assignment, reason: StopReason) -> Report {
        let (attempt, progress) = (assignment.attempt, Progress::default());
        self.report_of(ReportBody::Stopped { attempt, reason, progress })
    }

    /// Executes one attempt. Returns how it ended.
    async fn execute(
        &self,
        attempt: Attempt,
        turn: &mut Turn<'_>,
    ) -> Result<ReportBody, QueueError> {
        let id = attempt.assignment.attempt;
        let meter = attempt.meter.clone();
        let stopped =
            |reason| ReportBody::Stopped { attempt: id, reason, progress: meter.progress() };
        if self.is_elsewhere(&attempt.assignment) {
            return Ok(stopped(StopReason::NotHere));
        }
        let mut heartbeat = interval(Duration::from_millis(attempt.assignment.heartbeat_ms.max(1)));
        let mut attempt = attempt::spawn(attempt);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.reset();
        loop {
            tokio::select! {
                ended = &mut attempt => return Ok(final_report(id, ended, &meter)),
                _ = heartbeat.tick() => {
                    let body = ReportBody::Progressed { attempt: id, progress: meter.progress() };
                    turn.outbox.add_heartbeat(self.report_of(body));
                }
                control = self.queue.next_control() => match control? {
                    Control::StopAttempt { attempt, reason } if attempt == id => {
                        return Ok(stopped(reason));
                    }
                    Control::StopAttempt { attempt, reason } => {
                        turn.drop_where(|it| it.attempt == attempt, |it| self.stopped(it, reason));
                    }
                    Control::StopJob { job } => {
                        let reason = StopReason::JobOver;
                        turn.drop_where(|it| it.attempt.job == job, |it| self.stopped(it, reason));
                        if job == id.job {
                            return Ok(stopped(reason));
                        }
                    }
                    Control::Drain { worker } if worker == self.id => turn.told.drained = true,
                    Control::Rest { worker, rest_ms } if worker == self.id => {
                        turn.told.rest = Duration::from_millis(rest_ms);
                    }
                    Control::RollCall => {
                        let bodies = [self.joined(), ReportBody::Started { attempt: id }];
                        turn.outbox.add(bodies.map(|body| self.report_of(body)));
                    }
                    // For other workers.
                    Control::Drain { .. } | Control::Rest { .. } => {}
                },
            }
        }
    }

    fn joined(&self) -> ReportBody {
        ReportBody::Joined(Joined {
            node: self.node.clone(),
            incarnation: incarnation(),
            resident_bytes: meter::resident_bytes(),
            faults: self.settings.faults.describe(),
            address: self.queue.address(),
        })
    }

    /// A report of this worker, at this moment.
    fn report_of(&self, body: ReportBody) -> Report {
        Report { version: protocol::VERSION, worker: self.id.clone(), at: now(), body }
    }

    /// Sends a report to the server.
    async fn report(&self, body: ReportBody) -> Result<(), QueueError> {
        self.send_all(&[self.report_of(body)]).await
    }

    /// Sends reports to the server in one message, retried while the queue does not answer.
    async fn send_all(&self, reports: &[Report]) -> Result<(), QueueError> {
        while self.if_available(self.queue.report(reports).await)?.is_none() {
            sleep(QUEUE_PAUSE).await;
        }
        Ok(())
    }

    /// Turns [`QueueError::Unavailable`] into `None`: the queue may answer later.
    fn if_available<T>(&self, answer: Result<T, QueueError>) -> Result<Option<T>, QueueError> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error @ QueueError::Unavailable { .. }) => {
                self.metrics.queue_failed();
                tracing::warn!(worker_id = %self.id, error = with_sources(&error), "queue does not answer");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// The point in time after a pause. A pause that is too long to be added is none.
fn after(pause: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(pause).unwrap_or(now)
}

/// Distinguishes successive processes of one name. The process id alone does not:
/// in a container it is always the same, so the time of the start goes in too.
fn incarnation() -> u32 {
    static INCARNATION: OnceLock<u32> = OnceLock::new();
    *INCARNATION.get_or_init(|| {
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // 0 means unknown.
        (started.subsec_nanos() ^ std::process::id()).max(1)
    })
}

/// The report of an attempt that has ended by itself.
fn final_report(
    attempt: AttemptId,
    ended: Result<Result<protocol::task::Outcome, Ended>, tokio::task::JoinError>,
    meter: &Meter,
) -> ReportBody {
    let progress = meter.progress();
    match ended {
        Ok(Ok(outcome)) => ReportBody::Completed { attempt, outcome },
        Ok(Err(Ended::Failed(failure))) => ReportBody::Failed { attempt, failure, progress },
        Ok(Err(Ended::Stopped(reason))) => ReportBody::Stopped { attempt, reason, progress },
        Err(panicked) => ReportBody::Failed {
            attempt,
            failure: crate::failure::internal("executing the attempt", &panicked),
            progress,
        },
    }
}

#[cfg(test)]
mod tests;
