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
//! | `distributed-average.generation.N` | durable fan-out exchange | none: says that the queues have been replaced N times |
//! | (named by the broker) | exclusive queue of a worker's end | control messages that the worker has not taken; deleted with the worker's connection |
//!
//! Messages are JSON. Assignments are published through the default exchange, reports
//! through their own, both persistent, mandatory and confirmed. Control messages are
//! transient; those for one worker go into its queue through the default exchange.
//!
//! Declarations are idempotent, so the server's end declares everything after each
//! connect. A worker's end declares nothing that outlives it: so the server notices
//! when the broker has lost the queues. A broker without quorum queues (other than
//! RabbitMQ, or RabbitMQ before 3.8) gets classic durable queues, which do not count
//! deliveries.
//!
//! # Generations
//!
//! A quorum queue can be there and neither take nor give a message, for example
//! because its log was lost while its broker was killed. It cannot be repaired, and
//! often cannot be deleted. So the server replaces assignments and reports by queues
//! of the next *generation*, `assignments.N` and `reports.N`, and only then declares
//! the exchange `generation.N`. Each end looks for these exchanges when it connects,
//! and uses the queues of the last one. Reports are routed by their exchange, so
//! nothing that a worker sends depends on the generation.
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
//! | read | `amq\.gen-.*`, `P\.control`, `P\.assignments(\.[0-9]+)?` | control messages, assignments |
//!
//! and the server's user everything of `P\..*`, and write of `amq\.default`.
//!
//! Limits of the queues' lengths are policies of the broker: arguments of a queue that
//! exists cannot be changed.

use lapin::options::{
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
    QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection, ExchangeKind};

use super::failure::{Classify, ConnectError};
use super::settings::AmqpSettings;

/// The longest prefix: names in AMQP have at most 255 bytes, prefix included.
const PREFIX_BYTES_MAX: usize = 200;

/// How many control messages may wait at the broker for a worker that does not take them.
const CONTROL_MESSAGES_MAX: i64 = 10_000;
/// The key by which [`Topology::reporting`] routes to the queue of reports.
const REPORTS_KEY: &str = "reports";

/// Which end declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Server,
    Worker,
}

/// The queues of one generation.
#[derive(Clone, Debug)]
pub(super) struct Generation {
    /// How many times the queues have been replaced.
    pub(super) number: u32,
    pub(super) assignments: ShortString,
    pub(super) reports: ShortString,
}

/// The queues that an end has found or declared.
pub(super) struct Declared {
    pub(super) generation: Generation,
    /// Whether one of them was not there, so that its messages are lost.
    pub(super) was_lost: bool,
}

/// The names of the exchanges and queues of one installation.
#[derive(Clone, Debug)]
pub(super) struct Topology {
    prefix: String,
    end: End,
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
            prefix: settings.prefix.clone(),
            end,
            dead_letters: name("dead-letters"),
            reporting: name("reporting"),
            control: name("control"),
            deliveries_max: settings.deliveries_max,
            attempt_time_max_ms: i64::try_from(settings.attempt_time_max.as_millis())
                .unwrap_or(i64::MAX),
        })
    }

    /// The end that declares.
    pub(super) fn end(&self) -> End {
        self.end
    }

    /// The names of the queues of a generation. The first one is 0.
    pub(super) fn generation(&self, number: u32) -> Generation {
        let name = |what: &str| match number {
            0 => ShortString::from(format!("{}.{what}", self.prefix)),
            number => ShortString::from(format!("{}.{what}.{number}", self.prefix)),
        };
        Generation { number, assignments: name("assignments"), reports: name("reports") }
    }

    /// The exchange that says that a generation is complete.
    fn marker(&self, number: u32) -> ShortString {
        format!("{}.generation.{number}", self.prefix).into()
    }

    /// Finds the queues of the last generation. The server's end declares everything
    /// that outlives a connection.
    pub(super) async fn declare(&self, connection: &Connection) -> Result<Declared, ConnectError> {
        let mut number = 0;
        while self.is_replaced(connection, number).await? {
            number += 1;
        }
        let generation = self.generation(number);
        let is_there = self.is_there(connection, &generation).await?;
        match self.end {
            End::Server => self.declare_all(connection, &generation).await?,
            End::Worker if is_there => {}
            End::Worker => {
                let reason = "the server has not declared its queues yet";
                return Err(ConnectError::Absent(reason.into()));
            }
        }
        Ok(Declared { generation, was_lost: !is_there })
    }

    /// Whether the queues of a generation have been replaced. To ask needs no permission.
    pub(super) async fn is_replaced(
        &self,
        connection: &Connection,
        number: u32,
    ) -> lapin::Result<bool> {
        let channel = connection.create_channel().await?;
        let options = ExchangeDeclareOptions { passive: true, durable: true, ..Default::default() };
        let marker = self.marker(number.saturating_add(1));
        let kind = ExchangeKind::Fanout;
        present(
            &channel,
            channel.exchange_declare(marker, kind, options, FieldTable::default()).await,
        )
        .await
    }

    /// Declares exchanges and the queues of a generation. Reports no longer reach those
    /// of earlier ones.
    pub(super) async fn declare_all(
        &self,
        connection: &Connection,
        generation: &Generation,
    ) -> lapin::Result<()> {
        let quorum = self.declare_queues(connection, generation, true).await;
        if let Err(refused) = quorum {
            // A refusal closes the channel, so the next try opens another.
            let kind = refused.kind();
            if !kind.is_refusal() || kind.is_forbidden() || !connection.status().connected() {
                return Err(refused);
            }
            tracing::warn!(reason = %refused, "broker without quorum queues, using classic ones");
            self.declare_queues(connection, generation, false).await.map_err(|_| refused)?;
        }
        let channel = connection.create_channel().await?;
        let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
        for (name, kind) in self.exchanges() {
            channel.exchange_declare(name.clone(), kind, options, FieldTable::default()).await?;
        }
        channel
            .queue_bind(
                generation.reports.clone(),
                self.reporting.clone(),
                REPORTS_KEY.into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await?;
        for number in 0..generation.number {
            self.unbind_reports(connection, number).await?;
        }
        for number in 1..=generation.number {
            let (marker, kind) = (self.marker(number), ExchangeKind::Fanout);
            channel.exchange_declare(marker, kind, options, FieldTable::default()).await?;
        }
        close(&channel).await;
        Ok(())
    }

    /// A message counts as sent only once all queues that it is routed to have it, so none
    /// may be routed to a queue that takes none.
    async fn unbind_reports(&self, connection: &Connection, number: u32) -> lapin::Result<()> {
        let channel = connection.create_channel().await?;
        let unbound = channel.queue_unbind(
            self.generation(number).reports,
            self.reporting.clone(),
            REPORTS_KEY.into(),
            FieldTable::default(),
        );
        present(&channel, unbound.await).await.map(|_| ())
    }

    /// Deletes the queues of the generations before `number`.
    pub(super) async fn delete_before(
        &self,
        connection: &Connection,
        number: u32,
    ) -> lapin::Result<()> {
        for earlier in 0..number {
            let Generation { assignments, reports, .. } = self.generation(earlier);
            for queue in [assignments, reports] {
                let channel = connection.create_channel().await?;
                let deleted = channel.queue_delete(queue, QueueDeleteOptions::default()).await;
                present(&channel, deleted).await?;
            }
        }
        Ok(())
    }

    fn exchanges(&self) -> [(&ShortString, ExchangeKind); 2] {
        [(&self.control, ExchangeKind::Fanout), (&self.reporting, ExchangeKind::Direct)]
    }

    /// Whether the queues of a generation and all exchanges are there. To ask needs no
    /// permission.
    async fn is_there(
        &self,
        connection: &Connection,
        generation: &Generation,
    ) -> lapin::Result<bool> {
        let channel = connection.create_channel().await?;
        let look = async {
            for queue in [&generation.assignments, &generation.reports] {
                let options = QueueDeclareOptions::durable().passive();
                channel.queue_declare(queue.clone(), options, FieldTable::default()).await?;
            }
            self.look_for_exchanges(&channel).await
        };
        present(&channel, look.await).await
    }

    /// Asks the broker for something that does not depend on a queue. An error says that
    /// the broker does not answer.
    pub(super) async fn ask(&self, connection: &Connection) -> lapin::Result<()> {
        let channel = connection.create_channel().await?;
        present(&channel, self.look_for_exchanges(&channel).await).await.map(|_| ())
    }

    async fn look_for_exchanges(&self, channel: &Channel) -> lapin::Result<()> {
        for (name, kind) in self.exchanges() {
            let options =
                ExchangeDeclareOptions { passive: true, durable: true, ..Default::default() };
            channel.exchange_declare(name.clone(), kind, options, FieldTable::default()).await?;
        }
        Ok(())
    }

    /// The exchange and the routing key of reports.
    pub(super) fn report_route(&self) -> (ShortString, ShortString) {
        (self.reporting.clone(), REPORTS_KEY.into())
    }

    async fn declare_queues(
        &self,
        connection: &Connection,
        generation: &Generation,
        quorum: bool,
    ) -> lapin::Result<()> {
        let channel = connection.create_channel().await?;
        let declare = |name: &ShortString, arguments: FieldTable| {
            channel.queue_declare(name.clone(), QueueDeclareOptions::durable(), arguments)
        };
        declare(&self.dead_letters, arguments(quorum)).await?;
        for name in [&generation.assignments, &generation.reports] {
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

    /// Deletes all messages of a queue that are not delivered.
    pub(super) async fn purge(
        &self,
        connection: &Connection,
        queue: &ShortString,
    ) -> lapin::Result<()> {
        let channel = connection.create_channel().await?;
        channel.queue_purge(queue.clone(), QueuePurgeOptions::default()).await?;
        close(&channel).await;
        Ok(())
    }
}

/// Whether what a request names is there. That it is not has closed the channel.
async fn present<T>(channel: &Channel, answer: lapin::Result<T>) -> lapin::Result<bool> {
    match answer {
        Ok(_) => {
            close(channel).await;
            Ok(true)
        }
        Err(error) if error.kind().is_absence() => Ok(false),
        Err(error) => Err(error),
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
pub(super) async fn close(channel: &Channel) {
    let _ = channel.close(200, "done".into()).await;
}
