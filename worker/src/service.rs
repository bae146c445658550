//! The main loop of a worker.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use platform::problems::with_sources;
use platform::queue::Delivery;
use platform::retry::QUEUE_PAUSE;
use platform::{InputStores, ObjectStore, QueueError, WorkerEnd};
use program::clock::now;
use protocol::task::{Control, Fault, Joined, Report, ReportBody, StopReason};
use protocol::{AttemptId, WorkerId};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::attempt::{self, Attempt, Ended, Lasting};
use crate::meter::{self, Meter};
use crate::metrics::WorkerMetrics;
use crate::settings::Settings;

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
}

/// Runs a worker until `leave` is cancelled or the server drains it. A worker that
/// is told to leave finishes its segment and hands its task back.
///
/// # Errors
///
/// If the queue is closed or refuses the worker.
pub async fn run(worker: Worker, leave: CancellationToken) -> Result<(), QueueError> {
    let reason = worker.work(&leave).await?;
    let report = worker.report(ReportBody::Left { reason: reason.to_owned() });
    timeout(LEAVE_REPORT_TIME_MAX, report).await.unwrap_or(Ok(()))
}

/// The outcome of a delivery, and what the worker does afterwards.
struct Execution {
    body: ReportBody,
    afterwards: Afterwards,
}

/// What the server has told a worker to do once its attempt has ended.
#[derive(Clone, Copy, Debug, Default)]
struct Afterwards {
    /// To leave.
    drained: bool,
    /// To accept no delivery for this long.
    rest: Duration,
}

impl Worker {
    /// Processes deliveries until the worker leaves; returns why it leaves.
    async fn work(&self, leave: &CancellationToken) -> Result<&'static str, QueueError> {
        self.report(self.joined()).await?;
        let lasting = Lasting::new(&self.settings);
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
                            let told = self.process(delivery, &lasting, leave).await?;
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

    /// Executes a delivery, reports its outcome, and only then acknowledges it.
    /// Returns what the worker was told meanwhile.
    async fn process(
        &self,
        delivery: Delivery,
        lasting: &Lasting,
        leave: &CancellationToken,
    ) -> Result<Afterwards, QueueError> {
        let begun = Instant::now();
        let Execution { body, mut afterwards } = self.execute(&delivery, lasting, leave).await?;
        self.metrics.ended(&body, begun.elapsed());
        if matches!(&body, ReportBody::Failed { failure, .. } if failure.fault == Fault::Worker) {
            afterwards.rest = afterwards.rest.max(REST_AFTER_OWN_FAULT);
        }
        self.report(body).await?;
        // If this fails it is delivered again, and its segments are found.
        self.if_available(delivery.ack().await)?;
        Ok(afterwards)
    }

    async fn execute(
        &self,
        delivery: &Delivery,
        lasting: &Lasting,
        leave: &CancellationToken,
    ) -> Result<Execution, QueueError> {
        let assignment = &delivery.assignment;
        let id = assignment.attempt;
        let meter = Arc::new(Meter::default());
        let stopped = |reason, afterwards| Execution {
            body: ReportBody::Stopped { attempt: id, reason, progress: meter.progress() },
            afterwards,
        };
        let wrong_node = assignment.not_on_node.is_some() && assignment.not_on_node == self.node;
        if wrong_node || assignment.not_on.as_ref() == Some(&self.id) {
            return Ok(stopped(StopReason::NotHere, Afterwards::default()));
        }
        let leaving = leave.child_token();
        // The attempt runs while reports wait for the queue, also the first one.
        let mut attempt = attempt::spawn(Attempt {
            assignment: assignment.clone(),
            redelivered: delivery.redelivered,
            store: self.store.clone(),
            inputs: self.inputs.clone(),
            settings: self.settings.clone(),
            lasting: lasting.clone(),
            meter: meter.clone(),
            leaving: leaving.clone(),
        });
        self.report(ReportBody::Started { attempt: id }).await?;
        let mut heartbeat = interval(Duration::from_millis(assignment.heartbeat_ms.max(1)));
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.reset();
        let mut told = Afterwards::default();
        loop {
            tokio::select! {
                ended = &mut attempt => {
                    let body = final_report(id, ended, &meter);
                    return Ok(Execution { body, afterwards: told });
                }
                _ = heartbeat.tick() => {
                    let progress = meter.progress();
                    self.report(ReportBody::Progressed { attempt: id, progress }).await?;
                }
                control = self.queue.next_control() => match control? {
                    Control::StopAttempt { attempt, reason } if attempt == id => {
                        return Ok(stopped(reason, told));
                    }
                    Control::StopJob { job } if job == id.job => {
                        return Ok(stopped(StopReason::JobOver, told));
                    }
                    Control::Drain { worker } if worker == self.id => told.drained = true,
                    Control::Rest { worker, rest_ms } if worker == self.id => {
                        told.rest = Duration::from_millis(rest_ms);
                    }
                    Control::RollCall => {
                        self.report(self.joined()).await?;
                        self.report(ReportBody::Started { attempt: id }).await?;
                    }
                    // For other workers or attempts.
                    Control::Drain { .. }
                    | Control::Rest { .. }
                    | Control::StopAttempt { .. }
                    | Control::StopJob { .. } => {}
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
        })
    }

    /// Sends a report to the server, retried while the queue does not answer.
    async fn report(&self, body: ReportBody) -> Result<(), QueueError> {
        let report =
            Report { version: protocol::VERSION, worker: self.id.clone(), at: now(), body };
        while self.if_available(self.queue.report(&report).await)?.is_none() {
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
