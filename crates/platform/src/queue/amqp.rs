//! A queue in RabbitMQ.
//!
//! In reading order: [`settings`], `failure` (classifies the broker's errors),
//! `topology` (declares exchanges and queues), `connection` (reconnects by itself),
//! `intake` (consumes a queue), `probe` (whether the queues take and give messages),
//! `message` (encodes JSON).

mod connection;
mod failure;
mod intake;
mod message;
mod probe;
pub mod settings;
mod topology;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use lapin::options::BasicConsumeOptions;
use lapin::types::{FieldTable, ShortString};
use protocol::task::{Assignment, Control, Report};
use serde::Serialize;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};

use self::connection::{ANSWER_TIME_MAX, Link, Outgoing, Route, Session, Sessions, Source};
use self::intake::{AmqpReceipt, Intake, Mode};
use self::message::{Batch, ControlReader, decode_replaced, encode, encode_replaced};
pub use self::settings::AmqpSettings;
use self::topology::{End, Topology};
use super::place::{QueueKind, QueuePlace};
use super::{Delivery, Depths, Probed, Queue, QueueError, ReportDelivery, ServerEnd, WorkerEnd};
use crate::Description;
use crate::place::InvalidPlace;

/// Queues in RabbitMQ.
pub(crate) const KIND: QueueKind = QueueKind { form: "amqp://...", is_shared: true, parse };
/// The schemes of their places; the second one is TLS.
const SCHEMES: [&str; 2] = ["amqp://", "amqps://"];

/// How many unacknowledged reports the broker may send to the server.
const REPORTS_PREFETCH: u16 = 512;
/// How names of queues begin that the broker has chosen.
const NAMED_BY_BROKER: &str = "amq.gen-";
/// How many control messages may wait for a slow worker.
const CONTROL_CAPACITY: usize = 1024;
/// The pause before the next try to listen for control messages.
const LISTEN_PAUSE: Duration = Duration::from_millis(50);

fn parse(text: &str) -> Option<Result<QueuePlace, InvalidPlace>> {
    if !SCHEMES.iter().any(|scheme| text.starts_with(scheme)) {
        return None;
    }
    let settings = match AmqpSettings::new(text) {
        Ok(settings) => settings,
        Err(error) => {
            let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            return Some(Err(InvalidPlace::new(text, reason)));
        }
    };
    let description = settings.description();
    let make = move |installation: &str| -> Arc<dyn Queue> {
        let prefix = installation.to_owned();
        Arc::new(AmqpQueue::new(AmqpSettings { prefix, ..settings.clone() }))
    };
    Some(Ok(QueuePlace::new(text, description, make)))
}

/// A queue in RabbitMQ. Every end has a connection of its own.
pub struct AmqpQueue {
    settings: AmqpSettings,
}

impl AmqpQueue {
    /// The queue of these settings, without connecting to it.
    #[must_use]
    pub fn new(settings: AmqpSettings) -> AmqpQueue {
        AmqpQueue { settings }
    }

    fn settings_of(&self, name: &str) -> AmqpSettings {
        AmqpSettings { connection_name: name.to_owned(), ..self.settings.clone() }
    }
}

#[async_trait]
impl Queue for AmqpQueue {
    async fn connect_server(&self) -> Result<Arc<dyn ServerEnd>, QueueError> {
        Ok(Arc::new(AmqpServerEnd::connect(self.settings_of("server")).await?))
    }

    async fn connect_worker(&self, name: &str) -> Result<Box<dyn WorkerEnd>, QueueError> {
        Ok(Box::new(AmqpWorkerEnd::connect(self.settings_of(name)).await?))
    }
}

/// The server's end of a queue in RabbitMQ. There should be only one at a time:
/// several would share the reports among them.
pub struct AmqpServerEnd {
    description: Description,
    reports: Intake<Batch<Vec<Report>>>,
    link: Link,
}

impl AmqpServerEnd {
    /// Connects, and declares exchanges and queues. Afterwards it reconnects by
    /// itself whenever the connection is lost. If the broker does not answer within a few
    /// seconds, it is connected to once it does.
    ///
    /// # Errors
    ///
    /// [`QueueError::Refused`] if the broker refuses the connection.
    pub async fn connect(settings: AmqpSettings) -> Result<AmqpServerEnd, QueueError> {
        let description = settings.description();
        let link = Link::connect(settings, End::Server).await?;
        let mode = Mode::Many { prefetch: REPORTS_PREFETCH };
        let reports = Intake::new(&link, Source::Reports, mode);
        Ok(AmqpServerEnd { description, reports, link })
    }
}

#[async_trait]
impl ServerEnd for AmqpServerEnd {
    fn description(&self) -> Description {
        self.description.clone()
    }

    async fn publish(&self, assignments: &[Assignment]) -> Result<(), QueueError> {
        self.link.publish(&durable(Route::Assignments, &Batch::of(assignments))).await
    }

    async fn next_reports(&self) -> Result<ReportDelivery, QueueError> {
        let (arrived, turn) = self.reports.next().await?;
        let (reports, receipt) = AmqpReceipt::new(arrived, turn);
        Ok(ReportDelivery::new(reports.items, Box::new(receipt)))
    }

    async fn control(&self, control: &Control) -> Result<(), QueueError> {
        self.link.publish(&transient(encode(control))).await
    }

    async fn control_one(&self, control: &Control, address: &str) -> Result<(), QueueError> {
        let message = transient(encode(control));
        // Workers say what their address is, and it must not be any other queue.
        if address.starts_with(NAMED_BY_BROKER) {
            let message = Outgoing { to: Some(address.into()), ..transient(encode(control)) };
            if self.link.publish_to(&message).await? {
                return Ok(());
            }
        }
        self.link.publish(&message).await
    }

    async fn depths(&self) -> Result<Depths, QueueError> {
        let topology = &*self.link.topology;
        let [assignments, reports, dead_letters] = self
            .link
            .persist(|session| async move {
                let generation = &session.generation;
                let queues = [&generation.assignments, &generation.reports, &topology.dead_letters];
                topology.depths(&session.connection, queues).await.map(Some)
            })
            .await?;
        Ok(Depths { assignments, reports, dead_letters })
    }

    async fn purge(&self) -> Result<(), QueueError> {
        let topology = &*self.link.topology;
        self.link
            .persist(|session| async move {
                let queue = &session.generation.assignments;
                topology.purge(&session.connection, queue).await.map(Some)
            })
            .await
    }

    async fn probe(&self) -> Result<Probed, QueueError> {
        self.probe_queues().await
    }

    async fn renew(&self) -> Result<(), QueueError> {
        let topology = &*self.link.topology;
        let (session, number) = self
            .link
            .persist(|session| async move {
                let next = topology.generation(session.generation.number.saturating_add(1));
                topology.declare_all(&session.connection, &next).await?;
                Ok(Some((session, next.number)))
            })
            .await?;
        self.link.losses.fetch_add(1, Ordering::SeqCst);
        session.lost.cancel();
        // On the next session: where a queue takes nothing, the last one confirms nothing any
        // more. A worker's end that misses it notices by itself, but later.
        let replaced = transient(encode_replaced(number));
        if !matches!(timeout(ANSWER_TIME_MAX, self.link.publish(&replaced)).await, Ok(Ok(()))) {
            tracing::warn!("workers were not told that the queues have been replaced");
        }
        Ok(())
    }
}

/// One worker's end of a queue in RabbitMQ.
pub struct AmqpWorkerEnd {
    assignments: Intake<Batch<Vec<Assignment>>>,
    control: Mutex<mpsc::Receiver<Control>>,
    /// The queue that control messages arrive in.
    address: watch::Receiver<Option<String>>,
    link: Link,
}

impl AmqpWorkerEnd {
    /// Connects once the broker answers and a server has declared exchanges and queues, and
    /// listens for control messages.
    /// Afterwards it reconnects by itself whenever the connection is lost.
    ///
    /// # Errors
    ///
    /// [`QueueError::Refused`] if the broker refuses the connection.
    pub async fn connect(settings: AmqpSettings) -> Result<AmqpWorkerEnd, QueueError> {
        let mode = Mode::One { idle_timeout: settings.idle_timeout };
        let link = Link::connect(settings, End::Worker).await?;
        let assignments = Intake::new(&link, Source::Assignments, mode);
        let (tx, rx) = mpsc::channel(CONTROL_CAPACITY);
        let (listening, is_listening) = oneshot::channel();
        let reader = ControlReader::default();
        let (queue, address) = watch::channel(None);
        let listener = ControlListener { topology: link.topology.clone(), reader, tx, queue };
        let (closing, sessions) = (link.closing(), link.sessions());
        tokio::spawn(async move {
            tokio::select! {
                () = listener.run(sessions, listening) => {}
                () = closing.cancelled() => {}
            }
        });
        is_listening.await.map_err(|_| QueueError::Closed)?;
        Ok(AmqpWorkerEnd { assignments, control: Mutex::new(rx), address, link })
    }
}

#[async_trait]
impl WorkerEnd for AmqpWorkerEnd {
    fn system(&self) -> &'static str {
        "rabbitmq"
    }

    async fn next_delivery(&self) -> Result<Delivery, QueueError> {
        let (arrived, turn) = self.assignments.next().await?;
        let redelivered = arrived.redelivered;
        let (assignments, receipt) = AmqpReceipt::new(arrived, turn);
        Ok(Delivery::new(assignments.items, redelivered, Box::new(receipt)))
    }

    async fn report(&self, reports: &[Report]) -> Result<(), QueueError> {
        self.link.publish(&durable(Route::Reports, &Batch::of(reports))).await
    }

    async fn next_control(&self) -> Result<Control, QueueError> {
        self.control.lock().await.recv().await.ok_or(QueueError::Closed)
    }

    fn address(&self) -> Option<String> {
        self.address.borrow().clone()
    }
}

/// A message that outlives the broker.
fn durable(route: Route, message: &impl Serialize) -> Outgoing {
    Outgoing::new(route, encode(message), true)
}

/// A message to all workers that are connected.
fn transient(body: Vec<u8>) -> Outgoing {
    Outgoing::new(Route::Control, body, false)
}

/// The task that listens for control messages.
struct ControlListener {
    topology: Arc<Topology>,
    reader: ControlReader,
    tx: mpsc::Sender<Control>,
    /// Shows the queue that messages arrive in.
    queue: watch::Sender<Option<String>>,
}

impl ControlListener {
    async fn run(self, mut sessions: Sessions, listening: oneshot::Sender<()>) {
        let mut listening = Some(listening);
        while let Ok(session) = sessions.next().await {
            // Nothing that waits for the broker may outlive its connection.
            let listened = tokio::select! {
                listened = self.listen(&session, &mut listening) => listened,
                () = session.lost.cancelled() => Ok(()),
            };
            if let Err(error) = listened {
                tracing::debug!(%error, "control listener ended");
            }
            session.lost.cancel();
            sleep(LISTEN_PAUSE).await;
        }
    }

    async fn listen(
        &self,
        session: &Session,
        listening: &mut Option<oneshot::Sender<()>>,
    ) -> lapin::Result<()> {
        let channel = session.connection.create_channel().await?;
        let queue = self.topology.declare_control_queue(&channel).await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let mut consumer = channel
            .basic_consume(queue.clone(), ShortString::default(), options, FieldTable::default())
            .await?;
        self.queue.send_replace(Some(queue.to_string()));
        if let Some(listening) = listening.take() {
            let _ = listening.send(());
        }
        loop {
            let Some(delivery) = consumer.next().await.transpose()? else {
                return Ok(());
            };
            if let Some(generation) = decode_replaced(&delivery.data) {
                if generation > session.generation.number {
                    return Ok(());
                }
                continue;
            }
            if let Some(control) = self.reader.read(&delivery.data)
                && self.tx.try_send(control).is_err()
            {
                tracing::warn!("a worker missed control messages");
            }
        }
    }
}
