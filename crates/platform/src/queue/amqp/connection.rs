//! A connection to the broker that reconnects by itself.

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, Retryable};
use futures::StreamExt;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{LongString, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Event};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::failure::{Classify, ConnectError};
use super::settings::AmqpSettings;
use super::topology::{End, Generation, Topology};
use crate::QueueError;
use crate::retry;

/// How long the server's end waits for its first connection before it begins without.
const FIRST_CONNECTION_MAX: Duration = Duration::from_secs(3);
/// Between two messages about a broker that is waited for.
const WAITING_SAID_EVERY: Duration = Duration::from_mins(1);
/// How long a broker may take to accept a connection and answer the declarations, at the
/// first try: what is lost as a connection breaks is never answered. Each further try takes
/// longer, up to the greatest, for a broker that is slow.
const CONNECT_TIME_MIN: Duration = Duration::from_secs(5);
const CONNECT_TIME_MAX: Duration = Duration::from_secs(15);
/// How long the broker may take to answer on an open connection. A quorum queue
/// without a leader answers nothing, and requests sent to it meanwhile may stay
/// unanswered for ever.
pub(super) const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// How long the broker may take to delete the queues of earlier generations.
const DELETE_TIME_MAX: Duration = Duration::from_mins(1);
/// How long a broker that may be lost may take to answer a close.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(3);
/// The interval at which an unused connection is checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The interval at which a connection is checked that is being opened.
const OPENING_CHECK_INTERVAL: Duration = Duration::from_millis(100);
/// The pause before a message that the broker did not accept is sent again.
const NOT_ACCEPTED_PAUSE: Duration = Duration::from_millis(100);
/// How long after the first message that the broker has refused on a channel it is replaced;
/// twice as long each time that this has not helped, up to the greatest.
const REFUSING_TIME_MIN: Duration = Duration::from_secs(1);
const REFUSING_TIME_MAX: Duration = Duration::from_secs(30);
/// The AMQP reply code of a close without an error.
const CLOSED_ON_PURPOSE: u16 = 200;

/// A connection that is reopened whenever it is lost, until dropped.
///
/// All errors are handled in one way: whoever meets an error gives up the whole
/// [`Session`], and everybody continues with the next one.
pub(super) struct Link {
    sessions: watch::Receiver<Option<Arc<Session>>>,
    patience: Duration,
    pub(super) renew: Duration,
    pub(super) topology: Arc<Topology>,
    /// How many times the queues were found lost or replaced since the first session.
    pub(super) losses: Arc<AtomicU64>,
    closing: CancellationToken,
    _close_on_drop: DropGuard,
}

/// One open connection, and the queues that are used on it.
pub(super) struct Session {
    pub(super) connection: Connection,
    topology: Arc<Topology>,
    pub(super) generation: Generation,
    /// Whether a queue was not there when the session began.
    was_lost: bool,
    publishing: Mutex<Publishing>,
    /// Held by the only one that replaces it.
    replacing: tokio::sync::Mutex<()>,
    /// Why the broker has blocked publishing; `None` if it has not.
    blocked: Mutex<Option<String>>,
    /// Whether the queue of assignments has been looked into on this session.
    pub(super) has_looked: AtomicBool,
    /// Cancelled once the session is unusable.
    pub(super) lost: CancellationToken,
}

/// The channel on which messages are published.
struct Publishing {
    channel: Channel,
    opened_at: Instant,
    /// When the broker first refused a message on it.
    refused_at: Option<Instant>,
    /// How long after that it is replaced.
    refusing_time: Duration,
}

impl Publishing {
    async fn open(connection: &Connection) -> lapin::Result<Publishing> {
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let (opened_at, refusing_time) = (Instant::now(), REFUSING_TIME_MIN);
        Ok(Publishing { channel, opened_at, refused_at: None, refusing_time })
    }

    /// Whether to replace the channel, on which a message was refused now.
    fn is_over(&mut self) -> bool {
        let refused_at = *self.refused_at.get_or_insert_with(Instant::now);
        refused_at.elapsed() >= self.refusing_time
    }

    /// Continues on another channel. What was published on this one is still answered.
    fn replace(&mut self, next: Publishing) {
        let has_helped = self.opened_at.elapsed() > 2 * REFUSING_TIME_MAX;
        let refusing_time = if has_helped { REFUSING_TIME_MIN } else { 2 * self.refusing_time };
        *self = Publishing { refusing_time: refusing_time.min(REFUSING_TIME_MAX), ..next };
    }
}

impl Link {
    /// Connects for the first time; from then on it reconnects by itself. A worker waits for
    /// the broker, and for the server that declares the queues, for as long as it takes. The
    /// server has more to do: soon it begins without a connection, as if that were lost.
    ///
    /// # Errors
    ///
    /// [`QueueError::Refused`] if the broker refuses the first connection.
    pub(super) async fn connect(settings: AmqpSettings, end: End) -> Result<Link, QueueError> {
        let topology = Arc::new(Topology::new(&settings, end)?);
        let mut said: Option<Instant> = None;
        let mut tries = 0;
        let next = || {
            tries += 1;
            open(&settings, &topology, tries)
        };
        let connecting = next
            .retry(retry::CONNECTION)
            .when(|error| matches!(error, ConnectError::Absent(_)))
            .notify(|error, _| {
                let is_new = said.is_none_or(|said| said.elapsed() > WAITING_SAID_EVERY);
                if let (true, ConnectError::Absent(reason)) = (is_new, error) {
                    tracing::warn!(broker = settings.address(), %reason, "waiting for the broker");
                    said = Some(Instant::now());
                }
            });
        let first = match end {
            End::Worker => Some(connecting.await?),
            End::Server => timeout(FIRST_CONNECTION_MAX, connecting).await.ok().transpose()?,
        };
        let first = first.map(Arc::new);
        let (tx, sessions) = watch::channel(first.clone());
        let closing = CancellationToken::new();
        let (patience, renew) = (settings.patience, settings.renew);
        let losses = Arc::new(AtomicU64::new(0));
        let connecting = Connecting {
            settings,
            topology: topology.clone(),
            losses: losses.clone(),
            sessions: tx,
            closing: closing.clone(),
        };
        tokio::spawn(connecting.stay_connected(first));
        Ok(Link {
            sessions,
            patience,
            renew,
            topology,
            losses,
            _close_on_drop: closing.clone().drop_guard(),
            closing,
        })
    }

    /// Cancelled when the link is dropped.
    pub(super) fn closing(&self) -> CancellationToken {
        self.closing.clone()
    }

    /// The sessions one after the other, for tasks that outlive a borrow of the link.
    pub(super) fn sessions(&self) -> Sessions {
        Sessions(self.sessions.clone())
    }

    /// Publishes a message until the broker has confirmed it.
    pub(super) async fn publish(&self, message: &Outgoing) -> Result<(), QueueError> {
        self.persist(|session| async move {
            match session.publish(message).await? {
                Confirmation::Ack(None) => Ok(Some(())),
                Confirmation::Ack(Some(_)) => {
                    // The queue was deleted. The next session declares it again.
                    session.lost.cancel();
                    Ok(None)
                }
                Confirmation::Nack(_) | Confirmation::NotRequested => Ok(None),
            }
        })
        .await
    }

    /// Publishes a message for one queue until the broker has confirmed it; returns whether
    /// that queue is there.
    pub(super) async fn publish_to(&self, message: &Outgoing) -> Result<bool, QueueError> {
        self.persist(|session| async move {
            Ok(match session.publish(message).await? {
                Confirmation::Ack(returned) => Some(returned.is_none()),
                Confirmation::Nack(_) | Confirmation::NotRequested => None,
            })
        })
        .await
    }

    /// Retries `action` on one session after the other until it returns `Some`, or
    /// the patience of the settings is exhausted.
    pub(super) async fn persist<T, F>(
        &self,
        action: impl Fn(Arc<Session>) -> F + Send,
    ) -> Result<T, QueueError>
    where
        T: Send,
        F: Future<Output = lapin::Result<Option<T>>> + Send,
    {
        let deadline = Instant::now() + self.patience;
        let mut sessions = self.sessions();
        let mut reason: Box<dyn Error + Send + Sync> = "there is no connection".into();
        loop {
            let Ok(session) = timeout_at(deadline, sessions.next()).await else {
                return Err(QueueError::Unavailable { source: reason });
            };
            let session = session?;
            let outcome = tokio::select! {
                outcome = timeout(ANSWER_TIME_MAX, action(session.clone())) => outcome,
                () = session.lost.cancelled() => continue,
            };
            match outcome {
                Ok(Ok(Some(done))) => return Ok(done),
                Ok(Ok(None)) => {
                    reason = "the broker did not accept the message".into();
                    if Instant::now() >= deadline {
                        return Err(QueueError::Unavailable { source: reason });
                    }
                    sleep(NOT_ACCEPTED_PAUSE).await;
                }
                Ok(Err(error)) => {
                    session.lost.cancel();
                    if error.kind().is_refusal() {
                        return Err(ConnectError::from(error).into());
                    }
                    reason = Box::new(error);
                }
                Err(_) => {
                    session.lost.cancel();
                    reason = "the broker did not answer in time".into();
                }
            }
        }
    }
}

/// The sessions of a [`Link`], one after the other.
pub(super) struct Sessions(watch::Receiver<Option<Arc<Session>>>);

impl Sessions {
    /// Waits for a session that is not lost.
    pub(super) async fn next(&mut self) -> Result<Arc<Session>, QueueError> {
        let current = self
            .0
            .wait_for(|session| session.as_ref().is_some_and(|it| !it.lost.is_cancelled()))
            .await
            .map_err(|_| QueueError::Closed)?;
        current.clone().ok_or(QueueError::Closed)
    }
}

/// Where a message goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Route {
    Assignments,
    Reports,
    Control,
}

/// A message to be published.
pub(super) struct Outgoing {
    pub(super) route: Route,
    /// The queue that it goes to, if it is not that of this route.
    pub(super) to: Option<ShortString>,
    /// What the body is, if it is not one of the messages of this route.
    pub(super) kind: Option<&'static str>,
    pub(super) body: Vec<u8>,
    /// Whether it must reach a queue and the broker's disk to count as published.
    pub(super) durable: bool,
}

impl Outgoing {
    /// One of the messages of a route.
    pub(super) fn new(route: Route, body: Vec<u8>, durable: bool) -> Outgoing {
        Outgoing { route, to: None, kind: None, body, durable }
    }
}

impl Session {
    /// Publishes a message once, and returns whether the broker has accepted it.
    pub(super) async fn publish(&self, message: &Outgoing) -> lapin::Result<Confirmation> {
        const TRANSIENT: u8 = 1;
        const PERSISTENT: u8 = 2;
        let mode = if message.durable { PERSISTENT } else { TRANSIENT };
        let (exchange, routing_key) = match &message.to {
            Some(queue) => (ShortString::default(), queue.clone()),
            None => self.address(message.route),
        };
        let mandatory = message.durable || message.to.is_some();
        let mut properties = BasicProperties::default()
            .with_delivery_mode(mode)
            .with_content_type("application/json".into());
        if let Some(kind) = message.kind {
            properties = properties.with_type(kind.into());
        }
        let channel = self.publishing().channel.clone();
        let options = BasicPublishOptions { mandatory, immediate: false };
        let published =
            channel.basic_publish(exchange, routing_key, options, &message.body, properties);
        let confirmation = published.await?.await?;
        if confirmation.is_nack() {
            self.refused(&channel).await?;
        }
        Ok(confirmation)
    }

    fn publishing(&self) -> MutexGuard<'_, Publishing> {
        self.publishing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces a channel on which messages are refused again and again. RabbitMQ finds the
    /// leader of a quorum queue when a channel first publishes into it. If it looks on a node
    /// that has just died, it refuses whatever comes through that channel until the node is
    /// back.
    async fn refused(&self, channel: &Channel) -> lapin::Result<()> {
        let is_over = || {
            let mut publishing = self.publishing();
            publishing.channel.id() == channel.id() && publishing.is_over()
        };
        if !is_over() {
            return Ok(());
        }
        let Ok(_replacing) = self.replacing.try_lock() else {
            return Ok(());
        };
        // Another may have replaced it just before.
        if is_over() {
            let next = Publishing::open(&self.connection).await?;
            self.publishing().replace(next);
        }
        Ok(())
    }

    /// The exchange and the routing key of a route.
    fn address(&self, route: Route) -> (ShortString, ShortString) {
        match route {
            // The default exchange routes to the queue of the key's name.
            Route::Assignments => (ShortString::default(), self.generation.assignments.clone()),
            Route::Reports => self.topology.report_route(),
            Route::Control => (self.topology.control.clone(), ShortString::default()),
        }
    }

    /// The queue that messages of a route reach.
    pub(super) fn queue(&self, source: Source) -> &ShortString {
        match source {
            Source::Assignments => &self.generation.assignments,
            Source::Reports => &self.generation.reports,
        }
    }

    /// Whether the server has replaced the queues of this session.
    pub(super) async fn is_outdated(&self) -> lapin::Result<bool> {
        self.topology.is_replaced(&self.connection, self.generation.number).await
    }

    /// Why the broker has blocked publishing; `None` if it has not.
    pub(super) fn blocked(&self) -> Option<String> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_blocked(&self, reason: Option<String>) {
        *self.blocked.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }
}

/// A queue that is consumed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Assignments,
    Reports,
}

/// Opens a session, at the given of several tries.
async fn open(
    settings: &AmqpSettings,
    topology: &Arc<Topology>,
    tries: u32,
) -> Result<Session, ConnectError> {
    let opening = async {
        let connection = connect(settings).await?;
        let preparing = async {
            let declared = topology.declare(&connection).await?;
            Ok((declared, Mutex::new(Publishing::open(&connection).await?)))
        };
        // A channel that is opened while the connection breaks is never answered.
        let (declared, publishing) = tokio::select! {
            prepared = preparing => prepared,
            () = broken(&connection) => {
                Err(ConnectError::Absent("the connection broke while it was opened".into()))
            }
        }?;
        Ok(Session {
            connection,
            topology: topology.clone(),
            generation: declared.generation,
            was_lost: declared.was_lost,
            publishing,
            replacing: tokio::sync::Mutex::new(()),
            blocked: Mutex::new(None),
            has_looked: AtomicBool::new(false),
            lost: CancellationToken::new(),
        })
    };
    timeout(CONNECT_TIME_MIN.saturating_mul(tries).min(CONNECT_TIME_MAX), opening)
        .await
        .unwrap_or_else(|_| Err(ConnectError::Absent("the broker did not answer in time".into())))
}

/// Waits until a connection is no longer open.
async fn broken(connection: &Connection) {
    while connection.status().connected() {
        sleep(OPENING_CHECK_INTERVAL).await;
    }
}

async fn connect(settings: &AmqpSettings) -> lapin::Result<Connection> {
    let name: LongString = settings.connection_name.as_str().into();
    let properties = ConnectionProperties::default().with_connection_name(name);
    Connection::connect_uri(settings.uri.clone(), properties).await
}

/// The task that keeps a [`Link`] connected.
struct Connecting {
    settings: AmqpSettings,
    topology: Arc<Topology>,
    losses: Arc<AtomicU64>,
    sessions: watch::Sender<Option<Arc<Session>>>,
    closing: CancellationToken,
}

impl Connecting {
    async fn stay_connected(self, first: Option<Arc<Session>>) {
        let broker = self.settings.address();
        let mut session = match first {
            Some(session) => session,
            None => {
                let Some(session) = self.reconnect().await else { return };
                tracing::info!(broker, "connected to the broker");
                self.sessions.send_replace(Some(session.clone()));
                session
            }
        };
        loop {
            self.delete_earlier(&session);
            tokio::select! {
                reason = loss(&session) => tracing::warn!(broker, reason, "connection to the broker lost"),
                () = self.closing.cancelled() => {}
            }
            session.lost.cancel();
            self.sessions.send_replace(None);
            // A lost broker does not answer, but the socket is closed in any case. The next
            // session does not wait for that.
            let closed = tokio::spawn(async move {
                let close = session.connection.close(CLOSED_ON_PURPOSE, "bye".into());
                let _ = timeout(CLOSE_TIME_MAX, close).await;
            });
            let Some(next) = self.reconnect().await else {
                // The link is dropped: the broker hears of it before the program ends.
                let _ = closed.await;
                return;
            };
            session = next;
            if session.was_lost {
                tracing::warn!(broker, "the broker has lost the queues; they are declared again");
                self.losses.fetch_add(1, Ordering::SeqCst);
            }
            tracing::info!(broker, "reconnected to the broker");
            self.sessions.send_replace(Some(session.clone()));
        }
    }

    /// Opens the next session; `None` once the link is dropped.
    async fn reconnect(&self) -> Option<Arc<Session>> {
        let broker = self.settings.address();
        let mut pauses = retry::CONNECTION.build();
        let mut tries = 0;
        loop {
            tries += 1;
            if self.closing.is_cancelled() {
                return None;
            }
            match open(&self.settings, &self.topology, tries).await {
                Ok(session) => return Some(Arc::new(session)),
                Err(ConnectError::Absent(reason)) => {
                    tracing::debug!(broker, %reason, "broker not reachable yet");
                }
                Err(ConnectError::Refused(reason)) => {
                    tracing::error!(broker, %reason, "connection refused by the broker");
                }
            }
            // There is always a next pause: the policy has no end.
            tokio::select! {
                () = sleep(pauses.next().unwrap_or_default()) => {}
                () = self.closing.cancelled() => {}
            }
        }
    }

    /// Starts to delete the queues that have been replaced. A broker that fails to delete
    /// one may close the connection, so this has a connection of its own.
    fn delete_earlier(&self, session: &Session) {
        let number = session.generation.number;
        if number == 0 || self.topology.end() != End::Server {
            return;
        }
        let (settings, topology) = (self.settings.clone(), self.topology.clone());
        let closing = self.closing.clone();
        tokio::spawn(async move {
            let deletion = async {
                let connection = connect(&settings).await?;
                topology.delete_before(&connection, number).await?;
                connection.close(CLOSED_ON_PURPOSE, "bye".into()).await
            };
            tokio::select! {
                deleted = timeout(DELETE_TIME_MAX, deletion) => match deleted {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(%error, "replaced queues not deleted yet"),
                    Err(_) => tracing::warn!("replaced queues not deleted yet: no answer"),
                },
                () = closing.cancelled() => {}
            }
        });
    }
}

/// Waits until a session is lost, and returns why.
async fn loss(session: &Session) -> String {
    let mut events = Box::pin(session.connection.events_listener());
    loop {
        tokio::select! {
            () = session.lost.cancelled() => return "an operation on it failed".to_owned(),
            event = events.next() => match event {
                // An error of a channel leaves the connection as it is.
                Some(Event::Error(error)) if !session.connection.status().connected() => {
                    return error.to_string();
                }
                Some(Event::ConnectionBlocked(reason)) => {
                    tracing::warn!(reason, "the broker has blocked publishing");
                    session.set_blocked(Some(reason));
                }
                Some(Event::ConnectionUnblocked) => {
                    tracing::info!("the broker has unblocked publishing");
                    session.set_blocked(None);
                }
                Some(_) => {}
                None => return "it ended".to_owned(),
            },
            () = sleep(CHECK_INTERVAL) => {
                if !session.connection.status().connected() {
                    return "it is closed".to_owned();
                }
            }
        }
    }
}
