//! The same messages through the same broker, and nothing else: publish, consume, report,
//! acknowledge, each one by one, with quorum queues and confirmations.

use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt, TryStreamExt};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};
use platform::queue::conformance::{assignment, report};
use testbed::RabbitMq;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Outcome;

const ASSIGNMENTS: &str = "bare.assignments";
const REPORTS: &str = "bare.reports";
/// How many assignments are published and not confirmed yet, at least.
const PUBLISHING_AT_ONCE: usize = 64;
const CONNECTING_AT_ONCE: usize = 8;
const PREFETCH: u16 = 512;
const PATIENCE: Duration = Duration::from_secs(120);

/// Tasks a second with so many workers, each with a connection of its own: one message for a
/// task, and one for its report.
///
/// # Errors
///
/// If the broker does not answer.
pub(crate) async fn tasks_per_sec(broker: &RabbitMq, workers: usize, tasks: u64) -> Outcome<f64> {
    let connection = connect(broker).await?;
    let publishing = confirming(&connection).await?;
    for queue in [ASSIGNMENTS, REPORTS] {
        declare(&publishing, queue).await?;
    }
    let mut running = JoinSet::new();
    let ends: Vec<End> = stream::iter(0..workers)
        .map(|_| End::connect(broker))
        .buffer_unordered(CONNECTING_AT_ONCE)
        .try_collect()
        .await?;
    for end in ends {
        running.spawn(end.work());
    }
    let mut reports = consume(&connection, REPORTS, PREFETCH).await?;
    let body = serde_json::to_vec(&assignment(1))?;
    let begun = Instant::now();
    let publish = stream::iter(0..tasks)
        .map(Ok)
        .try_for_each_concurrent(workers.max(PUBLISHING_AT_ONCE), |_| {
            publish(&publishing, ASSIGNMENTS, &body)
        });
    let take = async {
        for _ in 0..tasks {
            let delivery = reports.next().await.ok_or("the queue is gone")??;
            delivery.acker.ack(BasicAckOptions::default()).await?;
        }
        Ok(())
    };
    timeout(PATIENCE, async { futures::try_join!(publish, take) }).await??;
    let took = begun.elapsed();
    running.shutdown().await;
    connection.close(200, "done".into()).await?;
    Ok(tasks as f64 / took.as_secs_f64())
}

/// One worker.
struct End {
    /// Kept open.
    _connection: Connection,
    publishing: Channel,
    assignments: Consumer,
}

impl End {
    async fn connect(broker: &RabbitMq) -> Outcome<End> {
        let connection = connect(broker).await?;
        let publishing = confirming(&connection).await?;
        let assignments = consume(&connection, ASSIGNMENTS, 1).await?;
        Ok(End { _connection: connection, publishing, assignments })
    }

    async fn work(mut self) {
        // Numbers always encode.
        let body = serde_json::to_vec(&report(1)).unwrap_or_default();
        while let Some(Ok(delivery)) = self.assignments.next().await {
            let reported = publish(&self.publishing, REPORTS, &body).await;
            let acknowledged = delivery.acker.ack(BasicAckOptions::default()).await;
            if reported.is_err() || acknowledged.is_err() {
                return;
            }
        }
    }
}

async fn connect(broker: &RabbitMq) -> Outcome<Connection> {
    let url = format!("{}?frame_max=8192", broker.url());
    Ok(Connection::connect(&url, ConnectionProperties::default()).await?)
}

async fn confirming(connection: &Connection) -> Outcome<Channel> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

async fn declare(channel: &Channel, queue: &str) -> Outcome<()> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), arguments).await?;
    Ok(())
}

async fn consume(connection: &Connection, queue: &str, prefetch: u16) -> Outcome<Consumer> {
    let channel = connection.create_channel().await?;
    channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let tag = ShortString::default();
    Ok(channel.basic_consume(queue.into(), tag, options, FieldTable::default()).await?)
}

async fn publish(channel: &Channel, queue: &str, body: &[u8]) -> Outcome<()> {
    const PERSISTENT: u8 = 2;
    channel
        .basic_publish(
            ShortString::default(),
            queue.into(),
            BasicPublishOptions { mandatory: true, immediate: false },
            body,
            BasicProperties::default().with_delivery_mode(PERSISTENT),
        )
        .await?
        .await?;
    Ok(())
}
