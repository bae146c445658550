//! Messages on their way from a queue of the broker to who waits for them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use lapin::Acker;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions, BasicRejectOptions,
};
use lapin::types::{FieldTable, ShortString};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};

use super::connection::{Link, Session, Sessions};
use super::message::{Message, decode};
use crate::QueueError;
use crate::queue::Receipt;

/// How long to wait before a consumer that could not be started is started again.
const RESTART_PAUSE: Duration = Duration::from_millis(50);

/// How messages are taken.
#[derive(Clone, Copy)]
pub(super) enum Taking {
    /// As many at a time as the broker sends ahead.
    Many {
        /// How many it sends ahead.
        prefetch: u16,
    },
    /// One at a time: the next only once the last is settled. While nobody
    /// waits the broker is soon told to give messages to others.
    One {
        /// How soon.
        hold: Duration,
    },
}

/// Takes messages of one queue from session after session.
///
/// It begins with the first wait and not before, so that an end which never
/// waits never takes.
pub(super) struct Intake<T> {
    arrived: Arc<Mutex<mpsc::Receiver<Arrived<T>>>>,
    /// Has a permit while a turn may begin.
    turns: Arc<Semaphore>,
    /// Whether anybody waits, or has what must be settled first.
    busy: watch::Sender<bool>,
    taking: Taking,
}

/// A decoded message that has to be settled.
pub(super) struct Arrived<T> {
    pub(super) message: T,
    pub(super) redelivered: bool,
    acker: Acker,
}

impl<T: Message> Intake<T> {
    pub(super) fn new(link: &Link, queue: ShortString, taking: Taking) -> Intake<T> {
        let prefetch = match taking {
            Taking::Many { prefetch } => prefetch,
            Taking::One { .. } => 1,
        };
        let (tx, rx) = mpsc::channel(usize::from(prefetch));
        let arrived = Arc::new(Mutex::new(rx));
        let (busy, is_busy) = watch::channel(false);
        let pump = Pump { queue, taking, prefetch, tx, arrived: arrived.clone(), is_busy };
        let (closing, sessions) = (link.closing(), link.sessions());
        tokio::spawn(async move {
            tokio::select! {
                () = pump.run(sessions) => {}
                () = closing.cancelled() => {}
            }
        });
        let turns = match taking {
            Taking::Many { .. } => Semaphore::MAX_PERMITS,
            Taking::One { .. } => 1,
        };
        Intake { arrived, turns: Arc::new(Semaphore::new(turns)), busy, taking }
    }

    /// Waits for the next message. Dropped before it returns it has taken nothing.
    pub(super) async fn next(&self) -> Result<(Arrived<T>, Turn), QueueError> {
        let permit = self.turns.clone().acquire_owned().await.map_err(|_| QueueError::Closed)?;
        self.busy.send_replace(true);
        let idle_after = matches!(self.taking, Taking::One { .. }).then(|| self.busy.clone());
        let turn = Turn { idle_after, _permit: permit };
        loop {
            let next = self.arrived.lock().await.recv().await;
            let arrived = next.ok_or(QueueError::Closed)?;
            // What came by a connection that is lost will be delivered again.
            if arrived.acker.usable() {
                return Ok((arrived, turn));
            }
        }
    }
}

/// The right to have one message; over when dropped.
pub(super) struct Turn {
    idle_after: Option<watch::Sender<bool>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Before the permit goes, so that the next turn's `true` comes after.
        if let Some(busy) = &self.idle_after {
            busy.send_replace(false);
        }
    }
}

/// What settles a message with the broker; dropped, it hands the message back.
pub(super) struct AmqpReceipt {
    acker: Acker,
    _turn: Turn,
}

impl AmqpReceipt {
    pub(super) fn new<T>(arrived: Arrived<T>, turn: Turn) -> (T, AmqpReceipt) {
        (arrived.message, AmqpReceipt { acker: arrived.acker, _turn: turn })
    }
}

#[async_trait]
impl Receipt for AmqpReceipt {
    async fn ack(self: Box<Self>) -> Result<(), QueueError> {
        settled(self.acker.ack(BasicAckOptions::default()).await)
    }

    async fn hand_back(self: Box<Self>) -> Result<(), QueueError> {
        settled(self.acker.nack(BasicNackOptions { requeue: true, multiple: false }).await)
    }
}

impl Drop for AmqpReceipt {
    fn drop(&mut self) {
        if self.acker.usable()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let acker = self.acker.clone();
            runtime.spawn(async move {
                acker.nack(BasicNackOptions { requeue: true, multiple: false }).await
            });
        }
    }
}

fn settled(outcome: lapin::Result<bool>) -> Result<(), QueueError> {
    let source = match outcome {
        Ok(true) => return Ok(()),
        Ok(false) => "the connection that it came by is lost".into(),
        Err(error) => error.into(),
    };
    Err(QueueError::Unavailable { source })
}

/// The task behind an [`Intake`].
struct Pump<T> {
    queue: ShortString,
    taking: Taking,
    prefetch: u16,
    tx: mpsc::Sender<Arrived<T>>,
    arrived: Arc<Mutex<mpsc::Receiver<Arrived<T>>>>,
    is_busy: watch::Receiver<bool>,
}

impl<T: Message> Pump<T> {
    async fn run(mut self, mut sessions: Sessions) {
        loop {
            if self.is_busy.wait_for(|busy| *busy).await.is_err() {
                return;
            }
            let Ok(session) = sessions.next().await else {
                return;
            };
            if let Err(error) = self.consume(&session).await {
                tracing::debug!(queue = self.queue.as_str(), %error, "a consumer ended");
                session.lost.cancel();
                sleep(RESTART_PAUSE).await;
            }
        }
    }

    /// Takes messages until the session is lost, or nobody has waited for a while.
    async fn consume(&mut self, session: &Session) -> lapin::Result<()> {
        let channel = session.connection.create_channel().await?;
        channel.basic_qos(self.prefetch, BasicQosOptions::default()).await?;
        let mut consumer = channel
            .basic_consume(
                self.queue.clone(),
                ShortString::default(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await?;
        loop {
            let (taking, mut is_busy) = (self.taking, self.is_busy.clone());
            let delivery = tokio::select! {
                delivery = consumer.next() => delivery,
                () = session.lost.cancelled() => return Ok(()),
                () = idle(taking, &mut is_busy) => {
                    // Held, nobody can begin to wait and take what is about to go back.
                    let mut arrived = self.arrived.lock().await;
                    if *self.is_busy.borrow() {
                        continue;
                    }
                    while arrived.try_recv().is_ok() {}
                    // All that the channel had sent ahead goes back into the queue.
                    return channel.close(200, "idle".into()).await;
                }
            };
            match delivery {
                Some(Ok(delivery)) => self.take(delivery).await?,
                Some(Err(error)) => return Err(error),
                None => {
                    // The broker cancelled the consumer: the queue is gone or has moved.
                    session.lost.cancel();
                    return Ok(());
                }
            }
        }
    }

    async fn take(&self, delivery: Delivery) -> lapin::Result<()> {
        let Delivery { data, redelivered, acker, .. } = delivery;
        match decode(&data) {
            Ok(message) => {
                // There is room for all that the broker sends ahead, but for what
                // was left here by a lost connection and is skipped by its reader.
                let arrived = Arrived { message, redelivered, acker };
                let _ = self.tx.send(arrived).await;
            }
            Err(reason) => {
                tracing::error!(queue = self.queue.as_str(), %reason, "put aside as a dead letter");
                acker.reject(BasicRejectOptions { requeue: false }).await?;
            }
        }
        Ok(())
    }
}

/// Waits until nobody has waited for as long as a message is held.
async fn idle(taking: Taking, is_busy: &mut watch::Receiver<bool>) {
    let Taking::One { hold } = taking else {
        return std::future::pending().await;
    };
    loop {
        if is_busy.wait_for(|busy| !*busy).await.is_err() {
            return std::future::pending().await;
        }
        if timeout(hold, is_busy.wait_for(|busy| *busy)).await.is_err() {
            return;
        }
    }
}
