//! The life of a worker.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use platform::problems::with_sources;
use platform::queue::Delivery;
use platform::retry::QUEUE_PAUSE;
use platform::{InputStores, ObjectStore, QueueError, WorkerEnd};
use program::clock::now;
use protocol::task::{Control, Joined, Report, ReportBody, StopReason};
use protocol::{AttemptId, WorkerId};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::attempt::{self, Attempt, Ended, Lasting};
use crate::meter::{self, Meter};
use crate::settings::Settings;

/// How long the queue is waited for with a worker's last word. Without it the
/// server finds out when the worker's lease runs out.
const LAST_WORD: Duration = Duration::from_secs(2);

/// A worker: executes one attempt at a time.
pub struct Worker {
    /// Who it is; no other worker may have the name while this one lives.
    pub id: WorkerId,
    /// The machine it runs on, if known.
    pub node: Option<String>,
    /// Its end of the queue.
    pub queue: Box<dyn WorkerEnd>,
    /// Where segments are written.
    pub store: Arc<dyn ObjectStore>,
    /// Where input objects are read.
    pub inputs: InputStores,
    /// How it works.
    pub settings: Settings,
}

/// Works until `leave` is cancelled or the server drains the worker: then it
/// finishes the segment it is at, hands the task back and goes. An error says
/// that the queue is gone for good.
pub async fn run(worker: Worker, leave: CancellationToken) -> Result<(), QueueError> {
    let reason = worker.work(&leave).await?;
    let last_word = worker.report(ReportBody::Left { reason: reason.to_owned() });
    timeout(LAST_WORD, last_word).await.unwrap_or(Ok(()))
}

/// What became of an attempt, and whether the worker was drained meanwhile.
struct Settled {
    body: ReportBody,
    drained: bool,
}

impl Worker {
    /// Takes deliveries until told to go; says why it goes.
    async fn work(&self, leave: &CancellationToken) -> Result<&'static str, QueueError> {
        self.report(self.joined()).await?;
        let lasting = Lasting::new(&self.settings);
        let mut alive = interval(Duration::from_millis(self.settings.alive_ms));
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        alive.reset();
        loop {
            tokio::select! {
                () = leave.cancelled() => return Ok("told to stop"),
                control = self.queue.next_control() => match control? {
                    Control::Drain { worker } if worker == self.id => return Ok("drained"),
                    Control::RollCall => self.report(self.joined()).await?,
                    // Somebody else is to go, and there is no attempt to be stopped.
                    Control::Drain { .. }
                    | Control::StopAttempt { .. }
                    | Control::StopJob { .. } => {}
                },
                delivery = self.queue.next_delivery() => match self.unless_away(delivery)? {
                    Some(delivery) => if self.settle(delivery, &lasting, leave).await? {
                        return Ok("drained");
                    },
                    None => sleep(QUEUE_PAUSE).await,
                },
                _ = alive.tick() => {
                    lasting.free();
                    let resident_bytes = meter::resident_bytes();
                    let alive = self.report(ReportBody::Alive { resident_bytes });
                    leave.run_until_cancelled(alive).await.unwrap_or(Ok(()))?;
                }
            }
        }
    }

    /// Executes a delivery, reports what became of it, and only then
    /// acknowledges it; says whether the worker was drained meanwhile.
    async fn settle(
        &self,
        delivery: Delivery,
        lasting: &Lasting,
        leave: &CancellationToken,
    ) -> Result<bool, QueueError> {
        let Settled { body, drained } = self.execute(&delivery, lasting, leave).await?;
        self.report(body).await?;
        // Not acknowledged, it is delivered again, and its segments are found.
        self.unless_away(delivery.ack().await)?;
        Ok(drained)
    }

    async fn execute(
        &self,
        delivery: &Delivery,
        lasting: &Lasting,
        leave: &CancellationToken,
    ) -> Result<Settled, QueueError> {
        let assignment = &delivery.assignment;
        let id = assignment.attempt;
        let meter = Arc::new(Meter::default());
        let stopped = |reason, drained| Settled {
            body: ReportBody::Stopped { attempt: id, reason, progress: meter.progress() },
            drained,
        };
        let wrong_node = assignment.not_on_node.is_some() && assignment.not_on_node == self.node;
        if wrong_node || assignment.not_on.as_ref() == Some(&self.id) {
            return Ok(stopped(StopReason::NotHere, false));
        }
        let leaving = leave.child_token();
        // It goes on while a report waits for the queue, the first one included.
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
        let mut drained = false;
        loop {
            tokio::select! {
                ended = &mut attempt => {
                    let body = settle_report(id, ended, &meter);
                    return Ok(Settled { body, drained });
                }
                _ = heartbeat.tick() => {
                    let progress = meter.progress();
                    self.report(ReportBody::Progressed { attempt: id, progress }).await?;
                }
                control = self.queue.next_control() => match control? {
                    Control::StopAttempt { attempt, reason } if attempt == id => {
                        return Ok(stopped(reason, drained));
                    }
                    Control::StopJob { job } if job == id.job => {
                        return Ok(stopped(StopReason::JobOver, drained));
                    }
                    Control::Drain { worker } if worker == self.id => drained = true,
                    Control::RollCall => {
                        self.report(self.joined()).await?;
                        self.report(ReportBody::Started { attempt: id }).await?;
                    }
                    // Others are meant.
                    Control::Drain { .. }
                    | Control::StopAttempt { .. }
                    | Control::StopJob { .. } => {}
                },
            }
        }
    }

    fn joined(&self) -> ReportBody {
        ReportBody::Joined(Joined {
            node: self.node.clone(),
            process_id: process_number(),
            resident_bytes: meter::resident_bytes(),
            faults: self.settings.faults.describe(),
        })
    }

    /// Tells the server something, as often as it takes the queue to take it.
    async fn report(&self, body: ReportBody) -> Result<(), QueueError> {
        let report =
            Report { version: protocol::VERSION, worker: self.id.clone(), at: now(), body };
        while self.unless_away(self.queue.report(&report).await)?.is_none() {
            sleep(QUEUE_PAUSE).await;
        }
        Ok(())
    }

    /// What the queue has answered; `None` if it did not, but may later.
    fn unless_away<T>(&self, answer: Result<T, QueueError>) -> Result<Option<T>, QueueError> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error @ QueueError::Unavailable { .. }) => {
                tracing::warn!(worker_id = %self.id, error = with_sources(&error), "no answer");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Another number for each process of one name: in a container the system's
/// number is always the same, so the time of its start goes in too.
fn process_number() -> u32 {
    static NUMBER: OnceLock<u32> = OnceLock::new();
    *NUMBER.get_or_init(|| {
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // 0 means that nothing is known.
        (started.subsec_nanos() ^ std::process::id()).max(1)
    })
}

/// What to report of an attempt that has ended by itself.
fn settle_report(
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
