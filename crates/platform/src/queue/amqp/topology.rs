//! The exchanges and queues. They are declared only here.
//!
//! With the default prefix:
//!
//! | name | kind | contents |
//! | --- | --- | --- |
//! | `distributed-average.assignments` | durable quorum queue | assignments that no worker has taken |
//! | `distributed-average.reports` | durable quorum queue | reports that the server has not taken |
//! | `distributed-average.dead-letters` | durable quorum queue | messages that could not be decoded or were delivered too often, for an operator |
//! | `distributed-average.reporting` | durable direct exchange | none: reports pass through it into their queue |
//! | `distributed-average.control` | durable fan-out exchange | none: control messages pass through it |
//! | (named by the broker) | exclusive queue of a worker's end | control messages that the worker has not taken; deleted with the worker's connection |
//!
//! Messages are JSON. Assignments are published through the default exchange, reports
//! through their own, both persistent, mandatory and confirmed. Control messages are
//! transient.
//!
//! Declarations are idempotent, so the server's end declares everything after each
//! connect. A worker's end declares what is not there, if its user may. A broker
//! without quorum queues (other than RabbitMQ, or RabbitMQ before 3.8) gets classic
//! durable queues, which do not count deliveries.
//!
//! # Permissions
//!
//! Who may publish through the default exchange may publish into every queue. That is
//! why reports have an exchange: a worker's user needs, with `P` for the prefix,
//!
//! | permission | of | for |
//! | --- | --- | --- |
//! | configure | `amq\.gen-.*` | its queue of control messages |
//! | write | `amq\.gen-.*`, `P\.reporting` | binding that queue, sending reports |
//! | read | `amq\.gen-.*`, `P\.control`, `P\.assignments` | control messages, assignments |
//!
//! and the server's user everything of `P\..*`, and write of `amq\.default`.
//!
//! Limits of the queues' lengths are policies of the broker: arguments of a queue that
//! exists cannot be changed.

use lapin::options::{
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection, ExchangeKind};

use super::failure::{Classify, ConnectError};
use super::settings::AmqpSettings;

/// The longest prefix: names in AMQP have at most 255 bytes, prefix included.
const PREFIX_BYTES_MAX: usize = 200;

/// How many control messages may wait at the broker for a worker that does not take them.
const CONTROL_MESSAGES_MAX: i64 = 10_000;
/// The key by which [`Topology::reporting`] routes to [`Topology::reports`].
const REPORTS_KEY: &str = "reports";

/// Which end declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Server,
    Worker,
}

/// The names of the exchanges and queues of one installation.
#[derive(Clone, Debug)]
pub(super) struct Topology {
    end: End,
    pub(super) assignments: ShortString,
    pub(super) reports: ShortString,
    pub(super) dead_letters: ShortString,
    pub(super) reporting: ShortString,
    pub(super) control: ShortString,
    deliveries_max: u32,
    attempt_time_max_ms: i64,
}

impl Topology {
    pub(super) fn new(settings: &AmqpSettings, end: End) -> Result<Topology, ConnectError> {
        if settings.prefix.len() > PREFIX_BYTES_MAX {
            return Err(ConnectError::Refused(
                "the prefix of the names of queues is too long".into(),
            ));
        }
        let name = |what: &str| ShortString::from(format!("{}.{what}", settings.prefix));
        Ok(Topology {
            end,
            assignments: name("assignments"),
            reports: name("reports"),
            dead_letters: name("dead-letters"),
            reporting: name("reporting"),
            control: name("control"),
            deliveries_max: settings.deliveries_max,
            attempt_time_max_ms: i64::try_from(settings.attempt_time_max.as_millis())
                .unwrap_or(i64::MAX),
        })
    }

    /// Declares everything that outlives a connection.
    pub(super) async fn declare(&self, connection: &Connection) -> Result<(), ConnectError> {
        if self.end == End::Server {
            return self.declare_all(connection).await;
        }
        if self.is_there(connection).await? {
            return Ok(());
        }
        match self.declare_all(connection).await {
            Err(ConnectError::Refused(_)) if connection.status().connected() => {
                let reason = "the server has not declared its queues yet, and the broker does \
                              not allow it to this user";
                Err(ConnectError::Absent(reason.into()))
            }
            declared => declared,
        }
    }

    async fn declare_all(&self, connection: &Connection) -> Result<(), ConnectError> {
        let quorum = self.declare_queues(connection, true).await;
        if let Err(refused) = quorum {
            // A refusal closes the channel, so the next try opens another.
            let kind = refused.kind();
            if !kind.is_refusal() || kind.is_forbidden() || !connection.status().connected() {
                return Err(refused.into());
            }
            tracing::warn!(reason = %refused, "broker without quorum queues, using classic ones");
            self.declare_queues(connection, false)
                .await
                .map_err(|_| ConnectError::from(refused))?;
        }
        let channel = connection.create_channel().await?;
        for (name, kind) in self.exchanges() {
            let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
            channel.exchange_declare(name.clone(), kind, options, FieldTable::default()).await?;
        }
        channel
            .queue_bind(
                self.reports.clone(),
                self.reporting.clone(),
                REPORTS_KEY.into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await?;
        close(&channel).await;
        Ok(())
    }

    fn exchanges(&self) -> [(&ShortString, ExchangeKind); 2] {
        [(&self.control, ExchangeKind::Fanout), (&self.reporting, ExchangeKind::Direct)]
    }

    /// Whether all is there that a worker uses. To ask needs no permission.
    async fn is_there(&self, connection: &Connection) -> lapin::Result<bool> {
        let channel = connection.create_channel().await?;
        let look = async {
            for queue in [&self.assignments, &self.reports] {
                let options = QueueDeclareOptions::durable().passive();
                channel.queue_declare(queue.clone(), options, FieldTable::default()).await?;
            }
            for (name, kind) in self.exchanges() {
                let options =
                    ExchangeDeclareOptions { passive: true, durable: true, ..Default::default() };
                channel
                    .exchange_declare(name.clone(), kind, options, FieldTable::default())
                    .await?;
            }
            Ok::<(), lapin::Error>(())
        };
        match look.await {
            Ok(()) => {
                close(&channel).await;
                Ok(true)
            }
            // This answer closes the channel.
            Err(error) if error.kind().is_absence() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The exchange and the routing key of reports.
    pub(super) fn report_route(&self) -> (ShortString, ShortString) {
        (self.reporting.clone(), REPORTS_KEY.into())
    }

    async fn declare_queues(&self, connection: &Connection, quorum: bool) -> lapin::Result<()> {
        let channel = connection.create_channel().await?;
        let declare = |name: &ShortString, arguments: FieldTable| {
            channel.queue_declare(name.clone(), QueueDeclareOptions::durable(), arguments)
        };
        declare(&self.dead_letters, arguments(quorum)).await?;
        for name in [&self.assignments, &self.reports] {
            let mut arguments = arguments(quorum);
            let mut set = |key: &str, value| {
                arguments.insert(key.into(), value);
            };
            set("x-dead-letter-exchange", AMQPValue::LongString("".into()));
            let dead_letters = self.dead_letters.as_str().into();
            set("x-dead-letter-routing-key", AMQPValue::LongString(dead_letters));
            set("x-consumer-timeout", AMQPValue::LongLongInt(self.attempt_time_max_ms));
            if quorum {
                let deliveries_max = i64::from(self.deliveries_max);
                set("x-delivery-limit", AMQPValue::LongLongInt(deliveries_max));
            }
            declare(name, arguments).await?;
        }
        close(&channel).await;
        Ok(())
    }

    /// Declares an exclusive queue that receives control messages from now on. It is
    /// new each time, so its length can be limited here; the oldest messages are dropped.
    pub(super) async fn declare_control_queue(
        &self,
        channel: &Channel,
    ) -> lapin::Result<ShortString> {
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(CONTROL_MESSAGES_MAX));
        let queue = channel
            .queue_declare(
                ShortString::default(),
                QueueDeclareOptions::exclusive().auto_delete(),
                arguments,
            )
            .await?;
        channel
            .queue_bind(
                queue.name().clone(),
                self.control.clone(),
                ShortString::default(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await?;
        Ok(queue.name().clone())
    }

    /// The number of messages in each of `queues`.
    pub(super) async fn depths<const N: usize>(
        &self,
        connection: &Connection,
        queues: [&ShortString; N],
    ) -> lapin::Result<[u64; N]> {
        let channel = connection.create_channel().await?;
        let mut depths = [0; N];
        for (depth, name) in depths.iter_mut().zip(queues) {
            let options = QueueDeclareOptions::durable().passive();
            let queue = channel.queue_declare(name.clone(), options, FieldTable::default()).await?;
            *depth = u64::from(queue.message_count());
        }
        close(&channel).await;
        Ok(depths)
    }

    /// Deletes all assignments that no worker has taken.
    pub(super) async fn purge_assignments(&self, connection: &Connection) -> lapin::Result<()> {
        let channel = connection.create_channel().await?;
        channel.queue_purge(self.assignments.clone(), QueuePurgeOptions::default()).await?;
        close(&channel).await;
        Ok(())
    }
}

fn arguments(quorum: bool) -> FieldTable {
    let mut arguments = FieldTable::default();
    let kind = if quorum { "quorum" } else { "classic" };
    arguments.insert("x-queue-type".into(), AMQPValue::LongString(kind.into()));
    arguments
}

/// Closes a channel that is no longer needed. If that fails, the connection is
/// broken, which its session notices.
async fn close(channel: &Channel) {
    let _ = channel.close(200, "done".into()).await;
}
