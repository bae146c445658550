//! The exchanges and queues. They are declared only here.
//!
//! With the default prefix:
//!
//! | name | kind | contents |
//! | --- | --- | --- |
//! | `distributed-average.assignments` | durable quorum queue | assignments that no worker has taken |
//! | `distributed-average.reports` | durable quorum queue | reports that the server has not taken |
//! | `distributed-average.dead-letters` | durable quorum queue | messages that could not be decoded or were delivered too often, for an operator |
//! | `distributed-average.control` | durable fan-out exchange | none: control messages pass through it |
//! | (named by the broker) | exclusive queue of a worker's end | control messages that the worker has not taken; deleted with the worker's connection |
//!
//! Messages are JSON. Assignments and reports are published through the default
//! exchange, persistent, mandatory and confirmed. Control messages are transient.
//!
//! Declarations are idempotent, so every end declares everything after each
//! connect. A broker without quorum queues (other than RabbitMQ, or RabbitMQ before
//! 3.8) gets classic durable queues, which do not count deliveries.

use lapin::options::{
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection, ExchangeKind};

use super::failure::{Classify, ConnectError};
use super::settings::AmqpSettings;

/// The longest prefix: names in AMQP have at most 255 bytes, prefix included.
const PREFIX_BYTES_MAX: usize = 200;

/// The names of the exchanges and queues of one installation.
#[derive(Clone, Debug)]
pub(super) struct Topology {
    pub(super) assignments: ShortString,
    pub(super) reports: ShortString,
    pub(super) dead_letters: ShortString,
    pub(super) control: ShortString,
    deliveries_max: u32,
    attempt_time_max_ms: i64,
}

impl Topology {
    pub(super) fn new(settings: &AmqpSettings) -> Result<Topology, ConnectError> {
        if settings.prefix.len() > PREFIX_BYTES_MAX {
            return Err(ConnectError::Refused(
                "the prefix of the names of queues is too long".into(),
            ));
        }
        let name = |what: &str| ShortString::from(format!("{}.{what}", settings.prefix));
        Ok(Topology {
            assignments: name("assignments"),
            reports: name("reports"),
            dead_letters: name("dead-letters"),
            control: name("control"),
            deliveries_max: settings.deliveries_max,
            attempt_time_max_ms: i64::try_from(settings.attempt_time_max.as_millis())
                .unwrap_or(i64::MAX),
        })
    }

    /// Declares everything that outlives a connection.
    pub(super) async fn declare(&self, connection: &Connection) -> Result<(), ConnectError> {
        let quorum = self.declare_queues(connection, true).await;
        if let Err(refused) = quorum {
            // A refusal closes the channel, so the next try opens another.
            if !refused.kind().is_refusal() || !connection.status().connected() {
                return Err(refused.into());
            }
            tracing::warn!(reason = %refused, "broker without quorum queues, using classic ones");
            self.declare_queues(connection, false)
                .await
                .map_err(|_| ConnectError::from(refused))?;
        }
        let channel = connection.create_channel().await?;
        channel
            .exchange_declare(
                self.control.clone(),
                ExchangeKind::Fanout,
                ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() },
                FieldTable::default(),
            )
            .await?;
        close(&channel).await;
        Ok(())
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

    /// Declares an exclusive queue that receives control messages from now on.
    pub(super) async fn declare_control_queue(
        &self,
        channel: &Channel,
    ) -> lapin::Result<ShortString> {
        let queue = channel
            .queue_declare(
                ShortString::default(),
                QueueDeclareOptions::exclusive().auto_delete(),
                FieldTable::default(),
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
