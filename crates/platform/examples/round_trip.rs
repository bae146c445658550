//! Latency and throughput of messages through a real broker.
//!
//! `cargo run --release -p platform --example round_trip [amqp://...]` starts a
//! RabbitMQ of its own unless one is given, and prints
//!
//! - for one task at a time: from publishing an assignment to having
//!   acknowledged its report, the worker doing nothing in between;
//! - for many in flight and two workers: tasks a second.

use std::collections::HashMap;
use std::env;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt, TryStreamExt};
use platform::queue::amqp::{AmqpServerEnd, AmqpSettings, AmqpWorkerEnd};
use platform::queue::conformance::{assignment, report};
use platform::{QueueError, ServerEnd, WorkerEnd};
use protocol::task::ReportBody;
use testbed::RabbitMq;

const ONE_BY_ONE: u32 = 2000;
const IN_FLIGHT: usize = 64;
const MANY: u32 = 20_000;
const WORKERS: usize = 2;

#[tokio::main]
async fn main() -> Result<(), QueueError> {
    let (broker, url) = match env::args().nth(1) {
        Some(url) => (None, url),
        None => {
            let broker = RabbitMq::start().await;
            let url = broker.url();
            (Some(broker), url)
        }
    };
    let mut settings = AmqpSettings::new(&url)?;
    settings.prefix = "distributed-average-round-trip".to_owned();
    let server = AmqpServerEnd::connect(settings.clone()).await?;
    server.purge().await?;
    for _ in 0..WORKERS {
        let worker = AmqpWorkerEnd::connect(settings.clone()).await?;
        tokio::spawn(work(worker));
    }

    let mut took = Vec::new();
    for node in 0..ONE_BY_ONE {
        let began = Instant::now();
        server.publish(&[assignment(node)]).await?;
        server.next_reports().await?.ack().await?;
        took.push(began.elapsed());
    }
    println!("one at a time, {ONE_BY_ONE} tasks:  {}", percentiles(took));

    let began = Instant::now();
    let mut took = Vec::new();
    let publishing = stream::iter(ONE_BY_ONE..ONE_BY_ONE + MANY)
        .map(|node| {
            let server = &server;
            async move {
                let began = Instant::now();
                server.publish(&[assignment(node)]).await.map(|()| (u64::from(node), began))
            }
        })
        .buffer_unordered(IN_FLIGHT)
        .try_collect::<HashMap<_, _>>();
    let taking = async {
        let mut taken = Vec::new();
        while taken.len() < MANY as usize {
            let delivery = server.next_reports().await?;
            if let ReportBody::Alive { resident_bytes } = delivery.reports[0].body {
                taken.push((resident_bytes, Instant::now()));
            }
            delivery.ack().await?;
        }
        Ok(taken)
    };
    let (published, taken) = futures::try_join!(publishing, taking)?;
    let total = began.elapsed();
    for (node, at) in taken {
        took.extend(published.get(&node).map(|began| at.duration_since(*began)));
    }
    println!(
        "{IN_FLIGHT} being published, {MANY} tasks, {WORKERS} workers:  {:.0} tasks a second",
        f64::from(MANY) / total.as_secs_f64(),
    );
    println!("  from publishing to report, queueing included:  {}", percentiles(took));
    drop(broker);
    Ok(())
}

/// A worker that does nothing: takes, reports, acknowledges.
async fn work(worker: AmqpWorkerEnd) -> Result<(), QueueError> {
    loop {
        let delivery = worker.next_delivery().await?;
        worker.report(&[report(u64::from(delivery.assignments[0].attempt.task.node))]).await?;
        delivery.ack().await?;
    }
}

fn percentiles(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    let at = |share: usize| took[(took.len() - 1) * share / 100].as_secs_f64() * 1e3;
    format!("p50 {:.2} ms, p99 {:.2} ms", at(50), at(99))
}
