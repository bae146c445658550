//! Messages on their way from a queue of the broker to who waits for them.

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

use super::connection::{ANSWER_TIME_MAX, Link, Session, Sessions};
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

/// What whoever takes from an [`Intake`] is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Something else.
    None,
    /// Waiting for a message, or taking one after the other.
    Waiting,
    /// Working on the one message that may be had at a time.
    Holding,
}

/// Takes messages of one queue from session after session.
///
/// It begins with the first wait and not before, so that an end which never
/// waits never takes.
pub(super) struct Intake<T> {
    arrived: Arc<Mutex<mpsc::Receiver<Arrived<T>>>>,
    /// Has a permit while a turn may begin.
    turns: Arc<Semaphore>,
    need: watch::Sender<Need>,
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
        let (need, needs) = watch::channel(Need::None);
        let renew = link.renew;
        let pump =
            Pump { queue, taking, prefetch, renew, tx, arrived: arrived.clone(), need: needs };
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
        Intake { arrived, turns: Arc::new(Semaphore::new(turns)), need, taking }
    }

    /// Waits for the next message. Dropped before it returns it has taken nothing.
    pub(super) async fn next(&self) -> Result<(Arrived<T>, Turn), QueueError> {
        let permit = self.turns.clone().acquire_owned().await.map_err(|_| QueueError::Closed)?;
        self.need.send_replace(Need::Waiting);
        let need = matches!(self.taking, Taking::One { .. }).then(|| self.need.clone());
        let turn = Turn { need, _permit: permit };
        loop {
            let next = self.arrived.lock().await.recv().await;
            let arrived = next.ok_or(QueueError::Closed)?;
            // What came by a connection that is lost will be delivered again.
            if arrived.acker.usable() {
                if let Some(need) = &turn.need {
                    need.send_replace(Need::Holding);
                }
                return Ok((arrived, turn));
            }
        }
    }
}

/// The right to have one message; over when dropped.
pub(super) struct Turn {
    /// Where there is one turn at a time.
    need: Option<watch::Sender<Need>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Before the permit goes, so that what the next turn needs comes after.
        if let Some(need) = &self.need {
            need.send_replace(Need::None);
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
        let source = match self.acker.ack(BasicAckOptions::default()).await {
            Ok(true) => return Ok(()),
            Ok(false) => "the connection that it came by is lost".into(),
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
            let acker = self.acker.clone();
            runtime.spawn(async move {
                acker.nack(BasicNackOptions { requeue: true, multiple: false }).await
            });
        }
    }
}

/// How a consumer ended.
enum Ended {
    /// It had brought nothing for so long that another takes its place.
    Quiet,
    /// Nobody has waited for a while.
    Idle,
    /// With its session.
    Lost,
}

/// The task behind an [`Intake`].
struct Pump<T> {
    queue: ShortString,
    taking: Taking,
    prefetch: u16,
    /// After how long without a message a consumer is begun anew: RabbitMQ 3.10
    /// says nothing to the consumers of a quorum queue that is deleted, and a
    /// channel that has known it never hears of another of its name.
    renew: Duration,
    tx: mpsc::Sender<Arrived<T>>,
    arrived: Arc<Mutex<mpsc::Receiver<Arrived<T>>>>,
    need: watch::Receiver<Need>,
}

impl<T: Message> Pump<T> {
    async fn run(mut self, mut sessions: Sessions) {
        loop {
            if self.need.wait_for(|need| *need != Need::None).await.is_err() {
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

    /// Takes messages on one channel after the other until the session is lost,
    /// or nobody has waited for a while.
    async fn consume(&mut self, session: &Session) -> lapin::Result<()> {
        loop {
            let begun = timeout(ANSWER_TIME_MAX, self.begin(session)).await;
            let Ok(begun) = begun else {
                tracing::warn!(queue = self.queue.as_str(), "the broker does not answer");
                session.lost.cancel();
                return Ok(());
            };
            let (channel, consumer) = begun?;
            let ended = self.drain(session, consumer).await?;
            if matches!(ended, Ended::Lost) {
                session.lost.cancel();
                return Ok(());
            }
            // What was sent ahead goes back into the queue with the channel.
            channel.close(200, "done".into()).await?;
            if matches!(ended, Ended::Idle) {
                return Ok(());
            }
        }
    }

    async fn begin(&self, session: &Session) -> lapin::Result<(Channel, Consumer)> {
        let channel = session.connection.create_channel().await?;
        channel.basic_qos(self.prefetch, BasicQosOptions::default()).await?;
        let consumer = channel
            .basic_consume(
                self.queue.clone(),
                ShortString::default(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await?;
        Ok((channel, consumer))
    }

    /// Takes what one consumer brings, until it ends.
    async fn drain(&mut self, session: &Session, mut consumer: Consumer) -> lapin::Result<Ended> {
        let mut idle = Box::pin(idle(self.taking, self.need.clone()));
        loop {
            tokio::select! {
                // What has come counts, however late it is looked at.
                biased;
                delivery = consumer.next() => match delivery {
                    Some(delivery) => self.take(delivery?).await?,
                    // The broker cancelled it: the queue is gone or has moved.
                    None => return Ok(Ended::Lost),
                },
                () = session.lost.cancelled() => return Ok(Ended::Lost),
                () = &mut idle => {
                    // Held, nobody can begin to wait and take what is about to go
                    // back; held by another, somebody has just begun to wait.
                    if let Ok(mut arrived) = self.arrived.try_lock()
                        && *self.need.borrow() == Need::None
                    {
                        while arrived.try_recv().is_ok() {}
                        return Ok(Ended::Idle);
                    }
                    idle.set(self::idle(self.taking, self.need.clone()));
                }
                () = sleep(self.renew) => if *self.need.borrow() == Need::Waiting {
                    return Ok(Ended::Quiet);
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
async fn idle(taking: Taking, mut needs: watch::Receiver<Need>) {
    let Taking::One { hold } = taking else {
        return std::future::pending().await;
    };
    loop {
        if needs.wait_for(|need| *need == Need::None).await.is_err() {
            return std::future::pending().await;
        }
        if timeout(hold, needs.wait_for(|need| *need != Need::None)).await.is_err() {
            return;
        }
    }
}
