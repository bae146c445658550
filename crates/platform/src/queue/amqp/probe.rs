//! Probes the queues: whether they take messages and give them.
//!
//! That the broker answers says little: a quorum queue without a leader can be declared,
//! and counts no messages. Reports are probed by a message that must come back.
//! Assignments are for workers, so the server asks for one where there is none: what
//! answers that can also take and give.

use std::error::Error;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lapin::Confirmation;
use lapin::options::{BasicGetOptions, BasicNackOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use tokio::time::timeout;

use super::AmqpServerEnd;
use super::connection::{Outgoing, Route, Session, Source};
use super::failure::{Classify, ConnectError};
use super::message::PROBE;
use super::topology::close;
use crate::QueueError;
use crate::queue::Probed;

/// How long a queue may take to answer a probe. It is shorter than the time after which
/// the broker itself gives up on a queue, and closes the connection.
const PROBE_TIME_MAX: Duration = Duration::from_secs(4);
/// How long a probe waits for a connection.
const SESSION_TIME_MAX: Duration = Duration::from_secs(3);
/// How long the broker may take to answer what does not depend on a queue. A broker that
/// takes longer is away itself, and its queues are not to blame.
const BROKER_TIME_MAX: Duration = Duration::from_secs(2);

/// Why a probe did not pass.
enum Finding {
    /// The queue did not answer, or the broker could not reach it.
    Silent(Box<dyn Error + Send + Sync>),
    /// The queue is not there. The next session declares it.
    Gone(Box<dyn Error + Send + Sync>),
    /// The queue has answered, but with a refusal.
    Refused(QueueError),
}

impl From<lapin::Error> for Finding {
    fn from(error: lapin::Error) -> Finding {
        if error.kind().is_absence() {
            Finding::Gone(Box::new(error))
        } else if error.kind().is_refusal() {
            Finding::Refused(ConnectError::from(error).into())
        } else {
            Finding::Silent(Box::new(error))
        }
    }
}

impl AmqpServerEnd {
    pub(super) async fn probe_queues(&self) -> Result<Probed, QueueError> {
        let mut sessions = self.link.sessions();
        let Ok(session) = timeout(SESSION_TIME_MAX, sessions.next()).await else {
            return Err(QueueError::Unavailable { source: "there is no connection".into() });
        };
        let session = session?;
        if let Some(reason) = session.blocked() {
            let source = format!("the broker has blocked publishing: {reason}");
            return Err(QueueError::Unavailable { source: source.into() });
        }
        let (assignments, reports) = futures::join!(
            timeout(PROBE_TIME_MAX, probe_assignments(&session)),
            timeout(PROBE_TIME_MAX, self.probe_reports(&session)),
        );
        let mut outcomes = [(Source::Assignments, assignments), (Source::Reports, reports)];
        // Messages that this program has not taken yet show that the queue gives them.
        if outcomes[1].1.is_err() && self.reports.has_waiting() {
            outcomes[1].1 = Ok(Ok(()));
        }
        for (probed, outcome) in outcomes {
            let silence = match outcome {
                Ok(Ok(())) => continue,
                Ok(Err(Finding::Refused(error))) => return Err(error),
                Ok(Err(Finding::Gone(source))) => {
                    session.lost.cancel();
                    return Err(QueueError::Unavailable { source });
                }
                Ok(Err(Finding::Silent(source))) => source,
                Err(_) => format!("no answer within {} seconds", PROBE_TIME_MAX.as_secs()).into(),
            };
            let queue = session.queue(probed).as_str().to_owned();
            self.asked_broker().await?;
            return Err(QueueError::Stuck { queue, source: silence });
        }
        Ok(Probed { losses: self.link.losses.load(Ordering::SeqCst) })
    }

    /// Sends a probe through the exchange of reports, and waits until the queue gives it
    /// or another message.
    async fn probe_reports(&self, session: &Session) -> Result<(), Finding> {
        if !self.reports.is_consuming() {
            return Ok(());
        }
        let mut given = self.reports.given();
        let before = *given.borrow();
        let probe =
            Outgoing { kind: Some(PROBE), ..Outgoing::new(Route::Reports, Vec::new(), true) };
        match session.publish(&probe).await? {
            Confirmation::Ack(None) => {}
            Confirmation::Ack(Some(_)) => return Err(Finding::Gone("no queue of reports".into())),
            Confirmation::Nack(_) | Confirmation::NotRequested => {
                let source = "the queue of reports takes no messages: \
                              it is full, or has no leader"
                    .into();
                return Err(Finding::Refused(QueueError::Unavailable { source }));
            }
        }
        // An error says that this end is being dropped.
        let _ = given.wait_for(|given| *given > before).await;
        Ok(())
    }

    /// Waits for an answer of the broker that does not depend on a queue.
    async fn asked_broker(&self) -> Result<(), QueueError> {
        let topology = &*self.link.topology;
        let asked = self
            .link
            .persist(|session| async move { topology.ask(&session.connection).await.map(Some) });
        let Ok(answered) = timeout(BROKER_TIME_MAX, asked).await else {
            return Err(QueueError::Unavailable { source: "the broker does not answer".into() });
        };
        answered
    }
}

/// Asks for an assignment if the queue seems empty, and once on each connection if it
/// does not: what is given is returned, which counts as a delivery.
async fn probe_assignments(session: &Session) -> Result<(), Finding> {
    let queue = session.queue(Source::Assignments);
    let channel = session.connection.create_channel().await?;
    let options = QueueDeclareOptions::durable().passive();
    let state = channel.queue_declare(queue.clone(), options, FieldTable::default()).await?;
    if state.message_count() == 0 || !session.has_looked.swap(true, Ordering::SeqCst) {
        let got = channel.basic_get(queue.clone(), BasicGetOptions { no_ack: false }).await?;
        if let Some(message) = got {
            let back = BasicNackOptions { requeue: true, multiple: false };
            message.delivery.acker.nack(back).await?;
        }
    }
    close(&channel).await;
    Ok(())
}
