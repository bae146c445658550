//! Consumes messages of a queue of the broker.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions, BasicRejectOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{Acker, Channel, Consumer};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::connection::{ANSWER_TIME_MAX, Link, Session, Sessions, Source};
use super::message::{Message, PROBE, decode};
use crate::QueueError;
use crate::queue::Receipt;

/// The pause before the next try to start a consumer.
const RESTART_PAUSE: Duration = Duration::from_millis(50);

/// How many messages are consumed at a time.
#[derive(Clone, Copy)]
pub(super) enum Mode {
    /// Many messages at a time.
    Many {
        /// How many unacknowledged messages the broker may send.
        prefetch: u16,
    },
    /// One message at a time: the next only once the last is acknowledged. While
    /// the receiver does not wait, messages go to other consumers.
    One {
        /// How long the receiver may not wait before its consumer is closed.
        idle_timeout: Duration,
    },
}

/// The state of the receiver of an [`Intake`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// It does not wait for a message.
    None,
    /// It waits for a message, or takes one after the other.
    Waiting,
    /// It processes the one message that it may have at a time.
    Holding,
}

/// Receives the messages of one queue, across reconnects.
///
/// It starts to consume with the first call of [`Intake::next`], so an end that
/// never waits takes no message.
pub(super) struct Intake<T> {
    arrived: Arc<Mutex<mpsc::Receiver<Arrived<T>>>>,
    /// Has a permit while a turn may begin.
    turns: Arc<Semaphore>,
    need: watch::Sender<Need>,
    /// How many messages the queue has given, probes included.
    given: watch::Receiver<u64>,
    waiting: mpsc::WeakSender<Arrived<T>>,
    mode: Mode,
}

/// A decoded message that is not acknowledged yet.
pub(super) struct Arrived<T> {
    pub(super) message: T,
    pub(super) redelivered: bool,
    acker: Acker,
    /// Cancelled once the session of the message is unusable.
    lost: CancellationToken,
}

impl<T: Message> Intake<T> {
    pub(super) fn new(link: &Link, source: Source, mode: Mode) -> Intake<T> {
        let prefetch = match mode {
            Mode::Many { prefetch } => prefetch,
            Mode::One { .. } => 1,
        };
        let (tx, rx) = mpsc::channel(usize::from(prefetch));
        let arrived = Arc::new(Mutex::new(rx));
        let (need, needs) = watch::channel(Need::None);
        let (counting, given) = watch::channel(0);
        let waiting = tx.downgrade();
        let forwarder = Forwarder {
            source,
            mode,
            prefetch,
            renew: link.renew,
            tx,
            arrived: arrived.clone(),
            need: needs,
            given: counting,
        };
        let (closing, sessions) = (link.closing(), link.sessions());
        tokio::spawn(async move {
            tokio::select! {
                () = forwarder.run(sessions) => {}
                () = closing.cancelled() => {}
            }
        });
        let turns = match mode {
            Mode::Many { .. } => Semaphore::MAX_PERMITS,
            Mode::One { .. } => 1,
        };
        Intake { arrived, turns: Arc::new(Semaphore::new(turns)), need, given, waiting, mode }
    }

    /// Whether messages are consumed, or will be as soon as there is a session.
    pub(super) fn is_consuming(&self) -> bool {
        *self.need.borrow() != Need::None
    }

    /// How many messages the queue has given so far, probes included.
    pub(super) fn given(&self) -> watch::Receiver<u64> {
        self.given.clone()
    }

    /// Whether messages that the queue has given are not taken yet by the receiver.
    pub(super) fn has_waiting(&self) -> bool {
        let sender = self.waiting.upgrade();
        sender.is_some_and(|sender| sender.capacity() < sender.max_capacity())
    }

    /// Waits for the next message. Cancel safe: a future that is dropped before it
    /// returns has taken no message.
    pub(super) async fn next(&self) -> Result<(Arrived<T>, Turn), QueueError> {
        let permit = self.turns.clone().acquire_owned().await.map_err(|_| QueueError::Closed)?;
        self.need.send_replace(Need::Waiting);
        let need = matches!(self.mode, Mode::One { .. }).then(|| self.need.clone());
        let turn = Turn { need, _permit: permit };
        loop {
            let next = self.arrived.lock().await.recv().await;
            let arrived = next.ok_or(QueueError::Closed)?;
            // A message of a lost connection will be delivered again.
            if arrived.acker.usable() {
                if let Some(need) = &turn.need {
                    need.send_replace(Need::Holding);
                }
                return Ok((arrived, turn));
            }
        }
    }
}

/// The permit to have one message, until dropped.
pub(super) struct Turn {
    /// Set in [`Mode::One`].
    need: Option<watch::Sender<Need>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Before the permit is released, so that the next turn sets its need after.
        if let Some(need) = &self.need {
            need.send_replace(Need::None);
        }
    }
}

/// Acknowledges a message with the broker; dropped, it returns the message.
pub(super) struct AmqpReceipt {
    acker: Acker,
    lost: CancellationToken,
    _turn: Turn,
}

impl AmqpReceipt {
    pub(super) fn new<T>(arrived: Arrived<T>, turn: Turn) -> (T, AmqpReceipt) {
        let Arrived { message, acker, lost, .. } = arrived;
        (message, AmqpReceipt { acker, lost, _turn: turn })
    }
}

#[async_trait]
impl Receipt for AmqpReceipt {
    async fn ack(self: Box<Self>) -> Result<(), QueueError> {
        // On a connection that is being lost, the client may never say that it was sent.
        let acked = tokio::select! {
            acked = self.acker.ack(BasicAckOptions::default()) => acked,
            () = self.lost.cancelled() => Ok(false),
        };
        let source = match acked {
            Ok(true) => return Ok(()),
            Ok(false) => "the connection of the message is lost".into(),
            Err(error) => error.into(),
        };
        Err(QueueError::Unavailable { source })
    }
}

impl Drop for AmqpReceipt {
    fn drop(&mut self) {
        if self.acker.usable()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (acker, lost) = (self.acker.clone(), self.lost.clone());
            runtime.spawn(async move {
                let back = acker.nack(BasicNackOptions { requeue: true, multiple: false });
                // A message of a lost connection returns by itself.
                tokio::select! {
                    _ = back => {}
                    () = lost.cancelled() => {}
                }
            });
        }
    }
}

/// Why a consumer ended.
enum Ended {
    /// It received nothing for so long that a new one replaces it.
    Quiet,
    /// The receiver has not waited for [`Mode::One`]'s `idle_timeout`.
    Idle,
    /// Its session was lost.
    Lost,
}

/// The task behind an [`Intake`]: forwards messages from a consumer to the receiver.
struct Forwarder<T> {
    source: Source,
    mode: Mode,
    prefetch: u16,
    /// The time without a message after which a consumer is replaced. RabbitMQ 3.10
    /// does not notify the consumers of a quorum queue that is deleted, and a
    /// channel that has used it gets nothing from a new queue of the same name.
    renew: Duration,
    tx: mpsc::Sender<Arrived<T>>,
    arrived: Arc<Mutex<mpsc::Receiver<Arrived<T>>>>,
    need: watch::Receiver<Need>,
    /// Counts the messages that the queue has given.
    given: watch::Sender<u64>,
}

impl<T: Message> Forwarder<T> {
    async fn run(mut self, mut sessions: Sessions) {
        loop {
            if self.need.wait_for(|need| *need != Need::None).await.is_err() {
                return;
            }
            let Ok(session) = sessions.next().await else {
                return;
            };
            // Nothing that waits for the broker may outlive its connection.
            let consumed = tokio::select! {
                biased;
                consumed = self.consume(&session) => consumed,
                () = session.lost.cancelled() => continue,
            };
            if let Err(error) = consumed {
                tracing::debug!(source = ?self.source, %error, "a consumer ended");
                session.lost.cancel();
                sleep(RESTART_PAUSE).await;
            }
        }
    }

    /// Consumes messages, on one channel after the other, until the session is lost
    /// or the receiver is idle.
    async fn consume(&mut self, session: &Session) -> lapin::Result<()> {
        loop {
            let begun = timeout(ANSWER_TIME_MAX, self.begin(session)).await;
            let Ok(begun) = begun else {
                tracing::warn!(source = ?self.source, "the broker does not answer");
                session.lost.cancel();
                return Ok(());
            };
            let (channel, consumer) = begun?;
            let ended = self.forward(session, consumer).await?;
            if matches!(ended, Ended::Lost) {
                session.lost.cancel();
                return Ok(());
            }
            // Prefetched messages return to the queue when the channel closes.
            channel.close(200, "done".into()).await?;
            if matches!(ended, Ended::Idle) {
                return Ok(());
            }
            // The message that says so may have been lost.
            if session.is_outdated().await? {
                session.lost.cancel();
                return Ok(());
            }
        }
    }

    async fn begin(&self, session: &Session) -> lapin::Result<(Channel, Consumer)> {
        let channel = session.connection.create_channel().await?;
        channel.basic_qos(self.prefetch, BasicQosOptions::default()).await?;
        let consumer = channel
            .basic_consume(
                session.queue(self.source).clone(),
                ShortString::default(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await?;
        Ok((channel, consumer))
    }

    /// Forwards the messages of one consumer until it ends.
    async fn forward(&mut self, session: &Session, mut consumer: Consumer) -> lapin::Result<Ended> {
        let mut idle = Box::pin(idle(self.mode, self.need.clone()));
        loop {
            tokio::select! {
                // A message that has arrived comes first, however late this runs.
                biased;
                delivery = consumer.next() => match delivery {
                    Some(delivery) => self.receive(session, delivery?).await?,
                    // The broker cancelled it: the queue is gone or has moved.
                    None => return Ok(Ended::Lost),
                },
                () = &mut idle => {
                    // While this holds the lock, the receiver cannot take what is
                    // about to return to the queue. If the receiver holds it, it has
                    // just begun to wait.
                    if let Ok(mut arrived) = self.arrived.try_lock()
                        && *self.need.borrow() == Need::None
                    {
                        while arrived.try_recv().is_ok() {}
                        return Ok(Ended::Idle);
                    }
                    idle.set(self::idle(self.mode, self.need.clone()));
                }
                () = sleep(self.renew) => if *self.need.borrow() == Need::Waiting {
                    return Ok(Ended::Quiet);
                }
            }
        }
    }

    async fn receive(&self, session: &Session, delivery: Delivery) -> lapin::Result<()> {
        let Delivery { data, redelivered, acker, properties, .. } = delivery;
        self.given.send_modify(|given| *given += 1);
        if properties.kind().as_ref().is_some_and(|kind| kind.as_str() == PROBE) {
            acker.ack(BasicAckOptions::default()).await?;
            return Ok(());
        }
        match decode(&data) {
            Ok(message) => {
                // The channel has room for all prefetched messages, except those of
                // a lost connection, which the receiver skips.
                let lost = session.lost.clone();
                let arrived = Arrived { message, redelivered, acker, lost };
                let _ = self.tx.send(arrived).await;
            }
            Err(reason) => {
                tracing::error!(source = ?self.source, %reason, "message rejected as a dead letter");
                acker.reject(BasicRejectOptions { requeue: false }).await?;
            }
        }
        Ok(())
    }
}

/// Waits until the receiver has not waited for its idle timeout.
async fn idle(mode: Mode, mut needs: watch::Receiver<Need>) {
    let Mode::One { idle_timeout } = mode else {
        return std::future::pending().await;
    };
    loop {
        if needs.wait_for(|need| *need == Need::None).await.is_err() {
            return std::future::pending().await;
        }
        if timeout(idle_timeout, needs.wait_for(|need| *need != Need::None)).await.is_err() {
            return;
        }
    }
}
