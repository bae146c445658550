//! A queue in RabbitMQ.
//!
//! In reading order: [`settings`], `topology` (what is declared on the
//! broker), `connection` (comes back by itself), `intake` (from the broker to
//! who waits), `message` (JSON).

mod connection;
mod intake;
mod message;
pub mod settings;
mod topology;

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use lapin::options::BasicConsumeOptions;
use lapin::types::{FieldTable, ShortString};
use protocol::task::{Assignment, Control, Report};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::sleep;

use self::connection::{Link, Outgoing, Session, Sessions};
use self::intake::{AmqpReceipt, Intake, Taking};
use self::message::{Message, decode, encode};
pub use self::settings::AmqpSettings;
use super::{Delivery, Depths, QueueError, ReportDelivery, ServerEnd, WorkerEnd};

/// How many reports the broker sends ahead of the server's taking them in.
const REPORTS_PREFETCH: u16 = 512;
/// How many words to all workers may wait for a slow worker.
const CONTROL_CAPACITY: usize = 1024;
/// How long to wait before hearing is tried again.
const HEARING_PAUSE: Duration = Duration::from_millis(50);

/// The server's end of a queue in RabbitMQ. There should be one at a time:
/// several would share the reports among them.
pub struct AmqpServerEnd {
    reports: Intake<Report>,
    link: Link,
}

impl AmqpServerEnd {
    /// Connects and declares what is needed. Afterwards the connection comes
    /// back by itself whenever it is lost.
    ///
    /// # Errors
    ///
    /// [`QueueError::Refused`] at once, [`QueueError::Unavailable`] when the
    /// settings' patience is at its end.
    pub async fn connect(settings: AmqpSettings) -> Result<AmqpServerEnd, QueueError> {
        let link = Link::connect(settings).await?;
        let taking = Taking::Many { prefetch: REPORTS_PREFETCH };
        let reports = Intake::new(&link, link.topology.reports.clone(), taking);
        Ok(AmqpServerEnd { reports, link })
    }
}

#[async_trait]
impl ServerEnd for AmqpServerEnd {
    async fn publish(&self, assignment: &Assignment) -> Result<(), QueueError> {
        self.link.publish(&into_queue(&self.link.topology.assignments, assignment)).await
    }

    async fn next_report(&self) -> Result<ReportDelivery, QueueError> {
        let (arrived, turn) = self.reports.next().await?;
        let (report, receipt) = AmqpReceipt::new(arrived, turn);
        Ok(ReportDelivery::new(report, Box::new(receipt)))
    }

    async fn control(&self, control: &Control) -> Result<(), QueueError> {
        let message = Outgoing {
            exchange: self.link.topology.control.clone(),
            routing_key: ShortString::default(),
            body: encode(control),
            durable: false,
        };
        self.link.publish(&message).await
    }

    async fn depths(&self) -> Result<Depths, QueueError> {
        let topology = &*self.link.topology;
        let [assignments, reports, dead_letters] = self
            .link
            .persist(|session| async move {
                let queues = [&topology.assignments, &topology.reports, &topology.dead_letters];
                topology.depths(&session.connection, queues).await.map(Some)
            })
            .await?;
        Ok(Depths { assignments, reports, dead_letters })
    }

    async fn purge(&self) -> Result<(), QueueError> {
        let topology = &*self.link.topology;
        self.link
            .persist(|session| async move {
                topology.purge_assignments(&session.connection).await.map(Some)
            })
            .await
    }
}

/// One worker's end of a queue in RabbitMQ.
pub struct AmqpWorkerEnd {
    assignments: Intake<Assignment>,
    control: Mutex<mpsc::Receiver<Control>>,
    link: Link,
}

impl AmqpWorkerEnd {
    /// Connects, declares what is needed and begins to hear the server's words.
    /// Afterwards the connection comes back by itself whenever it is lost.
    ///
    /// # Errors
    ///
    /// [`QueueError::Refused`] at once, [`QueueError::Unavailable`] when the
    /// settings' patience is at its end.
    pub async fn connect(settings: AmqpSettings) -> Result<AmqpWorkerEnd, QueueError> {
        let taking = Taking::One { hold: settings.hold };
        let link = Link::connect(settings).await?;
        let assignments = Intake::new(&link, link.topology.assignments.clone(), taking);
        let (tx, rx) = mpsc::channel(CONTROL_CAPACITY);
        let (heard, hears) = oneshot::channel();
        let hearing = Hearing { topology: link.topology.clone(), tx };
        let (closing, sessions) = (link.closing(), link.sessions());
        tokio::spawn(async move {
            tokio::select! {
                () = hearing.run(sessions, heard) => {}
                () = closing.cancelled() => {}
            }
        });
        hears.await.map_err(|_| QueueError::Closed)?;
        Ok(AmqpWorkerEnd { assignments, control: Mutex::new(rx), link })
    }
}

#[async_trait]
impl WorkerEnd for AmqpWorkerEnd {
    async fn next_delivery(&self) -> Result<Delivery, QueueError> {
        let (arrived, turn) = self.assignments.next().await?;
        let redelivered = arrived.redelivered;
        let (assignment, receipt) = AmqpReceipt::new(arrived, turn);
        Ok(Delivery::new(assignment, redelivered, Box::new(receipt)))
    }

    async fn report(&self, report: &Report) -> Result<(), QueueError> {
        self.link.publish(&into_queue(&self.link.topology.reports, report)).await
    }

    async fn next_control(&self) -> Result<Control, QueueError> {
        self.control.lock().await.recv().await.ok_or(QueueError::Closed)
    }
}

fn into_queue(queue: &ShortString, message: &impl Message) -> Outgoing {
    Outgoing {
        exchange: ShortString::default(),
        routing_key: queue.clone(),
        body: encode(message),
        durable: true,
    }
}

/// The task that hears the server's words to all workers.
struct Hearing {
    topology: std::sync::Arc<topology::Topology>,
    tx: mpsc::Sender<Control>,
}

impl Hearing {
    async fn run(self, mut sessions: Sessions, heard: oneshot::Sender<()>) {
        let mut heard = Some(heard);
        while let Ok(session) = sessions.next().await {
            if let Err(error) = self.hear(&session, &mut heard).await {
                tracing::debug!(%error, "hearing the server ended");
            }
            session.lost.cancel();
            sleep(HEARING_PAUSE).await;
        }
    }

    async fn hear(
        &self,
        session: &Session,
        heard: &mut Option<oneshot::Sender<()>>,
    ) -> lapin::Result<()> {
        let channel = session.connection.create_channel().await?;
        let queue = self.topology.hear_control(&channel).await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let mut consumer = channel
            .basic_consume(queue, ShortString::default(), options, FieldTable::default())
            .await?;
        if let Some(heard) = heard.take() {
            let _ = heard.send(());
        }
        loop {
            let delivery = tokio::select! {
                delivery = consumer.next() => delivery,
                () = session.lost.cancelled() => return Ok(()),
            };
            let Some(delivery) = delivery.transpose()? else {
                return Ok(());
            };
            match decode::<Control>(&delivery.data) {
                Ok(control) => {
                    if self.tx.try_send(control).is_err() {
                        tracing::warn!("a worker missed words of the server");
                    }
                }
                Err(reason) => tracing::debug!(%reason, "the server said something unknown"),
            }
        }
    }
}
