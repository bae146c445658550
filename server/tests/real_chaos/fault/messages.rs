//! Faults of messages: garbage, and messages that come late, twice and in another order.

use std::time::{Duration, Instant};

use futures::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use tokio::time::{sleep, timeout};

use crate::world::{NAME, NotHappened, World};

/// How many messages are held back at most.
const HELD_MAX: u16 = 30;
/// How long messages are held back: shorter than a probe may take.
const HOLD: Duration = Duration::from_secs(3);
/// How long there may be no message.
const ARRIVAL_MAX: Duration = Duration::from_secs(15);
/// How many messages of garbage are sent.
const GARBAGE: u64 = 5;

/// The queue of the last generation.
pub(super) async fn newest(world: &World, queue: &str) -> Option<String> {
    let prefix = format!("%2F_{NAME}.{queue}");
    let names = format!(
        "[list_to_binary(N) || N <- [atom_to_list(P) || P <- registered()], \
         lists:prefix(\"{prefix}\", N)]."
    );
    let listed = world.broker.eval(&names).await?;
    let names = listed.split('"').filter_map(|name| name.strip_prefix("%2F_"));
    // `reports.10` comes after `reports.9`.
    names.max_by_key(|name| (name.len(), *name)).map(str::to_owned)
}

/// Assignments or reports, by chance.
pub(super) async fn some_queue(world: &World, random: &mut StdRng) -> Result<String, NotHappened> {
    let queue = ["assignments", "reports"][random.random_range(0..2_usize)];
    newest(world, queue).await.ok_or(NotHappened("there was no such queue"))
}

/// Publishes what is no message, and waits until it is put aside.
pub(super) async fn garbage(world: &World, random: &mut StdRng) -> Result<(), NotHappened> {
    let before = world.dead_letters().await;
    let queue = some_queue(world, random).await?;
    let published = async {
        let (connection, channel) = connected(world).await?;
        for _ in 0..GARBAGE {
            let length = random.random_range(0..200_usize);
            let bytes: Vec<u8> = (0..length).map(|_| random.random()).collect();
            publish(&channel, &queue, &bytes, BasicProperties::default()).await?;
        }
        connection.close(200, "done".into()).await
    };
    if published.await.is_err() {
        return Err(NotHappened("the broker did not take it"));
    }
    for _ in 0..300 {
        if world.dead_letters().await >= before + GARBAGE {
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
    Err(NotHappened("it was not put aside"))
}

/// Takes messages before those for whom they are, and sends each twice later, in another
/// order.
pub(super) async fn shuffled(world: &World, random: &mut StdRng) -> Result<(), NotHappened> {
    let queue = some_queue(world, random).await?;
    let done = async {
        let (connection, channel) = connected(world).await?;
        channel.basic_qos(HELD_MAX, BasicQosOptions::default()).await?;
        let mut first = FieldTable::default();
        first.insert("x-priority".into(), AMQPValue::LongInt(10));
        let options = BasicConsumeOptions::default();
        let mut consumer =
            channel.basic_consume(queue.as_str().into(), "chaos".into(), options, first).await?;
        let mut held: Vec<Delivery> = Vec::new();
        let mut end = Instant::now() + ARRIVAL_MAX;
        while let Some(rest) = end.checked_duration_since(Instant::now()) {
            let Ok(Some(delivery)) = timeout(rest, consumer.next()).await else { break };
            if held.is_empty() {
                end = Instant::now() + HOLD;
            }
            held.push(delivery?);
        }
        let mut order: Vec<&Delivery> = held.iter().chain(&held).collect();
        order.shuffle(random);
        for message in order {
            publish(&channel, &queue, &message.data, message.properties.clone()).await?;
        }
        for message in &held {
            message.ack(BasicAckOptions::default()).await?;
        }
        connection.close(200, "done".into()).await?;
        Ok::<usize, lapin::Error>(held.len())
    };
    match done.await {
        Ok(0) => Err(NotHappened("there was no message")),
        Ok(_) => Ok(()),
        Err(_) => Err(NotHappened("the broker was away")),
    }
}

/// A connection to the broker, and a channel that confirms.
async fn connected(world: &World) -> lapin::Result<(Connection, Channel)> {
    let connection =
        Connection::connect(&world.broker.url(), ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok((connection, channel))
}

/// Publishes a message, and waits until the broker has it.
async fn publish(
    channel: &Channel,
    queue: &str,
    bytes: &[u8],
    properties: BasicProperties,
) -> lapin::Result<()> {
    let options = BasicPublishOptions::default();
    let confirmed = channel.basic_publish("".into(), queue.into(), options, bytes, properties);
    confirmed.await?.await.map(drop)
}
