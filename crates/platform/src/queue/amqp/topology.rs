//! The exchanges and queues, declared in this one place.
//!
//! With the default prefix:
//!
//! | name | what | holds |
//! | --- | --- | --- |
//! | `distributed-average.assignments` | durable quorum queue | attempts that no worker has taken |
//! | `distributed-average.reports` | durable quorum queue | what workers told while the server was busy or down |
//! | `distributed-average.dead-letters` | durable quorum queue | what could not be decoded or was delivered too often, for a person to look at |
//! | `distributed-average.control` | durable fan-out exchange | nothing: the server's words to all workers pass through it |
//! | (named by the broker) | exclusive queue, one a worker end | words that the worker has not taken yet; goes with the worker |
//!
//! Messages are JSON, published to the queues through the default exchange,
//! persistent, mandatory and confirmed; control messages are transient.
//!
//! Declaring what exists already changes nothing, so everybody declares all of
//! it after every connect. A broker without quorum queues (not RabbitMQ, or one
//! before 3.8) gets classic durable queues, which do not count deliveries.

use lapin::options::{
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection, ExchangeKind};

use super::failure::{Meaning, Trouble};
use super::settings::AmqpSettings;

/// Names in AMQP have at most 255 bytes, and ours go on after the prefix.
const PREFIX_BYTES_MAX: usize = 200;

/// The names of what one installation uses.
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
    pub(super) fn new(settings: &AmqpSettings) -> Result<Topology, Trouble> {
        if settings.prefix.len() > PREFIX_BYTES_MAX {
            return Err(Trouble::Refused("the prefix of the queues' names is too long".into()));
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
    pub(super) async fn declare(&self, connection: &Connection) -> Result<(), Trouble> {
        let quorum = self.declare_queues(connection, true).await;
        if let Err(refused) = quorum {
            // A refusal closes the channel, so this uses another one.
            if !refused.kind().is_refusal() || !connection.status().connected() {
                return Err(refused.into());
            }
            tracing::warn!(reason = %refused, "no quorum queues here, using classic ones");
            self.declare_queues(connection, false).await.map_err(|_| Trouble::from(refused))?;
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

    /// Makes a queue that hears the server's words to all workers from now on.
    pub(super) async fn hear_control(&self, channel: &Channel) -> lapin::Result<ShortString> {
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

    /// How many messages wait in each of `queues`.
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

    /// Empties the queue of assignments of what nobody has taken.
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

/// Closes a channel whose work is done; if that fails the connection is broken
/// and somebody else notices.
async fn close(channel: &Channel) {
    let _ = channel.close(200, "done".into()).await;
}
