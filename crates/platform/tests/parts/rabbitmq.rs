//! The queue in RabbitMQ passes the conformance suite, and loses nothing during
//! outages of the broker.

use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use platform::queue::Depths;
use platform::queue::amqp::{AmqpQueue, AmqpServerEnd, AmqpSettings, AmqpWorkerEnd};
use platform::queue::conformance::{assignment, report};
use platform::{QueueError, ServerEnd, WorkerEnd};
use protocol::task::{Control, ReportBody};
use testbed::{Disturbance, Proxy, RabbitMq};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// One installation on a broker.
struct Installation {
    settings: AmqpSettings,
}

impl Installation {
    fn new(broker: &RabbitMq, prefix: &str) -> Installation {
        let mut settings = AmqpSettings::new(&broker.url()).expect("a url");
        settings.prefix = prefix.to_owned();
        // On a busy machine a test may pause for longer than a worker should.
        settings.idle_timeout = Duration::from_secs(5);
        Installation { settings }
    }

    async fn server(&self) -> AmqpServerEnd {
        AmqpServerEnd::connect(self.settings.clone()).await.expect("the server's end")
    }

    async fn worker(&self) -> AmqpWorkerEnd {
        AmqpWorkerEnd::connect(self.settings.clone()).await.expect("a worker's end")
    }
}

/// All but one of the tests share a broker, in installations of their own;
/// starting one takes longer than most of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_in_rabbitmq() {
    let mut broker = RabbitMq::start().await;
    let installation = Installation::new(&broker, "conformance");
    platform::queue::conformance::run(&AmqpQueue::new(installation.settings)).await;
    what_cannot_be_decoded_is_put_aside(&broker).await;
    what_was_delivered_too_often_is_put_aside(&broker).await;
    a_deleted_queue_is_declared_again(&broker).await;
    a_silent_connection_is_given_up(&broker).await;
    a_connection_may_be_cut_at_any_byte_of_its_opening(&broker).await;
    cut_connections_hold_nobody_up(&broker).await;
    installations_do_not_mix(&broker).await;
    a_wrong_password_is_an_error_and_not_printed(&broker).await;
    a_leader_is_found_again_that_was_looked_for_on_a_dead_node(&broker).await;
    for queue in ["assignments", "reports"] {
        a_stuck_queue_is_noticed_and_replaced(&broker, queue).await;
    }
    nothing_is_lost_when_the_broker(&mut broker, Ending::Stopped).await;
    nothing_is_lost_when_the_broker(&mut broker, Ending::Killed).await;
    a_wiped_broker_is_noticed(&mut broker).await;
    a_broker_that_is_away_is_waited_for(&mut broker).await;
}

async fn what_cannot_be_decoded_is_put_aside(broker: &RabbitMq) {
    let installation = Installation::new(broker, "poison");
    let (server, worker) = (installation.server().await, installation.worker().await);
    let raw = raw_channel(broker).await;
    let mut from_the_future = assignment(1);
    from_the_future.version += 1;
    let from_the_future = serde_json::to_vec(&from_the_future).expect("JSON");
    for body in [b"no JSON".as_slice(), b"{}", &from_the_future] {
        raw_publish(&raw, "poison.assignments", body).await;
    }
    raw_publish(&raw, "poison.reports", b"no report").await;
    server.publish(&[assignment(2)]).await.expect("publish");
    worker.report(&[report(3)]).await.expect("report");
    let delivery = soon(worker.next_delivery()).await.expect("delivery");
    assert_eq!(delivery.assignments, [assignment(2)]);
    delivery.ack().await.expect("ack");
    let delivery = soon(server.next_reports()).await.expect("report");
    assert_eq!(delivery.reports, [report(3)]);
    delivery.ack().await.expect("ack");
    until_depths(&server, Depths { dead_letters: 4, ..Depths::default() }).await;
    let letter = raw
        .basic_get("poison.dead-letters".into(), BasicGetOptions { no_ack: true })
        .await
        .expect("get")
        .expect("a dead letter");
    assert_eq!(letter.delivery.data, b"no JSON");
}

async fn what_was_delivered_too_often_is_put_aside(broker: &RabbitMq) {
    let mut installation = Installation::new(broker, "often");
    installation.settings.deliveries_max = 3;
    let (server, worker) = (installation.server().await, installation.worker().await);
    server.publish(&[assignment(1)]).await.expect("publish");
    // Once, and three times more.
    for _ in 0..4 {
        drop(soon(worker.next_delivery()).await.expect("delivery"));
    }
    until_depths(&server, Depths { dead_letters: 1, ..Depths::default() }).await;
}

async fn a_deleted_queue_is_declared_again(broker: &RabbitMq) {
    let mut installation = Installation::new(broker, "deleted");
    installation.settings.renew = Duration::from_secs(1);
    let (server, worker) = (installation.server().await, installation.worker().await);
    let raw = raw_channel(broker).await;
    let deleted = async {
        let options = QueueDeclareOptions::durable().passive();
        let queue =
            || raw.queue_declare("deleted.assignments".into(), options, FieldTable::default());
        while queue().await.expect("the queue").consumer_count() == 0 {
            sleep(Duration::from_millis(10)).await;
        }
        raw.queue_delete("deleted.assignments".into(), QueueDeleteOptions::default())
            .await
            .expect("deleting");
        // The broker returns what the server publishes, and may say nothing to the worker.
        server.publish(&[assignment(1)]).await.expect("publish");
    };
    let (delivery, ()) = futures::join!(soon(worker.next_delivery()), deleted);
    let delivery = delivery.expect("delivery");
    assert_eq!(delivery.assignments, [assignment(1)]);
    delivery.ack().await.expect("ack");
}

/// A broker that has not yet learnt which node leads a queue refuses what is published into
/// it, and a channel on which it did so once refuses everything until that node is back.
async fn a_leader_is_found_again_that_was_looked_for_on_a_dead_node(broker: &RabbitMq) {
    let installation = Installation::new(broker, "moved");
    let (server, worker) = (installation.server().await, installation.worker().await);
    broker.misplace_leader("moved.reports", true).await;
    let misplaced = async {
        // A queue is probed once it is consumed.
        let error = loop {
            match server.probe().await {
                Ok(_) => sleep(Duration::from_millis(10)).await,
                Err(error) => break error,
            }
        };
        let said = format!("{error:?}");
        assert!(said.contains("of reports takes no messages"), "{said}");
        broker.misplace_leader("moved.reports", false).await;
    };
    let reports = [report(1)];
    let (reported, taken, ()) =
        soon(async { futures::join!(worker.report(&reports), server.next_reports(), misplaced) })
            .await;
    reported.expect("report");
    let taken = taken.expect("a delivery");
    assert_eq!(taken.reports, reports);
    taken.ack().await.expect("ack");
    soon(async {
        while server.probe().await.is_err() {
            sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    broker.misplace_leader("moved.assignments", true).await;
    let assignments = [assignment(1)];
    let (published, ()) = soon(async {
        futures::join!(
            server.publish(&assignments),
            broker.misplace_leader("moved.assignments", false)
        )
    })
    .await;
    published.expect("publish");
    let delivery = soon(worker.next_delivery()).await.expect("delivery");
    assert_eq!(delivery.assignments, assignments);
    delivery.ack().await.expect("ack");
}

/// The queue is declared without an error and counts no messages: only a probe tells.
async fn a_stuck_queue_is_noticed_and_replaced(broker: &RabbitMq, queue: &str) {
    let prefix = format!("stuck-{queue}");
    let installation = Installation::new(broker, &prefix);
    let (server, worker) = (installation.server().await, installation.worker().await);
    passes_messages(&server, &worker, 1).await;
    assert_eq!(server.probe().await.expect("a probe").losses, 0);
    broker.suspend_queue(&format!("{prefix}.{queue}")).await;
    let found = server.probe().await;
    let Err(QueueError::Stuck { queue: named, .. }) = found else {
        panic!("a stuck queue passes: {found:?}");
    };
    assert_eq!(named, format!("{prefix}.{queue}"));
    assert_eq!(server.depths().await.expect("depths"), Depths::default());
    server.renew().await.expect("a new queue");
    assert_eq!(losses_once_probed(&server).await, 1);
    passes_messages(&server, &worker, 2).await;
    // Who comes later finds the new queues too.
    passes_messages(&server, &installation.worker().await, 3).await;
    let raw = raw_channel(broker).await;
    let next = format!("{prefix}.{queue}.1");
    let options = QueueDeclareOptions::durable().passive();
    raw.queue_declare(next.into(), options, FieldTable::default()).await.expect("the new queue");
    for earlier in ["assignments", "reports"] {
        let name = format!("{prefix}.{earlier}");
        let deleted = async {
            while raw_channel(broker)
                .await
                .queue_declare(name.clone().into(), options, FieldTable::default())
                .await
                .is_ok()
            {
                sleep(Duration::from_millis(100)).await;
            }
        };
        soon(deleted).await;
    }
    drop(server);
    let server = installation.server().await;
    passes_messages(&server, &worker, 4).await;
}

/// Sends an assignment and a report, each identified by a number, and takes them.
async fn passes_messages(server: &AmqpServerEnd, worker: &AmqpWorkerEnd, number: u32) {
    server.publish(&[assignment(number)]).await.expect("publish");
    let delivery = soon(worker.next_delivery()).await.expect("delivery");
    assert_eq!(delivery.assignments, [assignment(number)]);
    worker.report(&[report(u64::from(number))]).await.expect("report");
    delivery.ack().await.expect("ack");
    let delivery = soon(server.next_reports()).await.expect("report");
    assert_eq!(delivery.reports, [report(u64::from(number))]);
    delivery.ack().await.expect("ack");
}

async fn a_wiped_broker_is_noticed(broker: &mut RabbitMq) {
    let installation = Installation::new(broker, "wiped");
    let (server, worker) = (installation.server().await, installation.worker().await);
    passes_messages(&server, &worker, 1).await;
    server.publish(&[assignment(2)]).await.expect("publish");
    broker.stop().await;
    broker.wipe();
    broker.start_again().await;
    assert_eq!(losses_once_probed(&server).await, 1);
    passes_messages(&server, &worker, 3).await;
}

/// How often the queue has lost its messages, once a probe passes on a new connection.
async fn losses_once_probed(server: &AmqpServerEnd) -> u64 {
    let probing = async {
        loop {
            if let Ok(probed) = server.probe().await {
                return probed.losses;
            }
        }
    };
    soon(probing).await
}

async fn a_silent_connection_is_given_up(broker: &RabbitMq) {
    let proxy = Proxy::start(broker.port()).await;
    let direct = Installation::new(broker, "silent");
    let url = format!("{}?heartbeat=1", RabbitMq::url_at(proxy.port()));
    let mut settings = AmqpSettings::new(&url).expect("a url");
    settings.prefix = direct.settings.prefix.clone();
    let (server, worker) =
        (direct.server().await, AmqpWorkerEnd::connect(settings).await.expect("a worker's end"));
    let before = proxy.connections();
    proxy.disturb(Disturbance::Silence);
    server.publish(&[assignment(1)]).await.expect("publish");
    let heard_again = async {
        // Another connection is opened before this one is closed.
        while proxy.connections() == before {
            sleep(Duration::from_millis(10)).await;
        }
        proxy.disturb(Disturbance::None);
    };
    let (delivery, ()) = futures::join!(soon(worker.next_delivery()), soon(heard_again));
    delivery.expect("delivery").ack().await.expect("ack");
    // Control messages are received again too, from some moment on.
    let heard = async {
        loop {
            server.control(&Control::RollCall).await.expect("control");
            let word = timeout(Duration::from_millis(200), worker.next_control()).await;
            if let Ok(word) = word {
                return word;
            }
        }
    };
    assert_eq!(soon(heard).await.expect("control"), Control::RollCall);
    assert!(proxy.disturbed() > 0);
}

/// Whatever waits for the broker when a connection is cut goes on with the next one.
async fn cut_connections_hold_nobody_up(broker: &RabbitMq) {
    const CUTS: usize = 40;
    let proxy = Proxy::start(broker.port()).await;
    let mut settings = AmqpSettings::new(&RabbitMq::url_at(proxy.port())).expect("a url");
    settings.prefix = "cut".to_owned();
    let installation = Installation { settings };
    let (server, worker) = (installation.server().await, installation.worker().await);
    let reporting = async {
        for number in 0.. {
            worker.report(&[report(number)]).await.expect("report");
        }
    };
    let working = async {
        loop {
            let delivery = soon(worker.next_delivery()).await.expect("delivery");
            // An error says that it comes again.
            let _ = soon(delivery.ack()).await;
        }
    };
    let assigning = async {
        for number in 0.. {
            server.publish(&[assignment(number)]).await.expect("publish");
        }
    };
    let (received, mut receiving) = watch::channel(0_u64);
    let taking = async {
        loop {
            let delivery = soon(server.next_reports()).await.expect("report");
            let _ = soon(delivery.ack()).await;
            received.send_modify(|received| *received += 1);
        }
    };
    let cutting = async {
        for _ in 0..CUTS {
            // In the midst of the traffic.
            for _ in 0..20 {
                soon(receiving.changed()).await.expect("reports go on");
            }
            proxy.disturb(Disturbance::None);
        }
    };
    tokio::select! {
        () = cutting => {}
        () = reporting => {}
        () = working => {}
        () = assigning => {}
        () = taking => {}
    }
    assert!(proxy.disturbed() >= CUTS as u64, "{} connections were cut", proxy.disturbed());
}

/// A connection that is cut while it is being opened is opened again soon.
async fn a_connection_may_be_cut_at_any_byte_of_its_opening(broker: &RabbitMq) {
    let direct = Installation::new(broker, "opening");
    let _server = direct.server().await;
    let proxy = Proxy::start(broker.port()).await;
    let mut settings = AmqpSettings::new(&RabbitMq::url_at(proxy.port())).expect("a url");
    settings.prefix = direct.settings.prefix.clone();
    for after in (1..2_000).step_by(100) {
        let before = proxy.disturbed();
        proxy.disturb(Disturbance::Cut { after });
        let connecting = tokio::spawn(AmqpWorkerEnd::connect(settings.clone()));
        while proxy.disturbed() == before {
            sleep(Duration::from_millis(5)).await;
        }
        proxy.disturb(Disturbance::None);
        let again = Instant::now();
        soon(connecting).await.expect("no panic").expect("a worker's end");
        let waited = again.elapsed();
        assert!(waited < Duration::from_secs(8), "cut after {after} bytes: {waited:?}");
    }
}

async fn installations_do_not_mix(broker: &RabbitMq) {
    let (one, other) = (Installation::new(broker, "one"), Installation::new(broker, "other"));
    let (server, their_server) = (one.server().await, other.server().await);
    let worker = other.worker().await;
    server.publish(&[assignment(1)]).await.expect("publish");
    server.control(&Control::RollCall).await.expect("control");
    until_depths(&server, Depths { assignments: 1, ..Depths::default() }).await;
    their_server.publish(&[assignment(2)]).await.expect("publish");
    let delivery = soon(worker.next_delivery()).await.expect("delivery");
    assert_eq!(delivery.assignments, [assignment(2)]);
    delivery.ack().await.expect("ack");
    server.purge().await.expect("purge");
    until_depths(&server, Depths::default()).await;
}

async fn a_wrong_password_is_an_error_and_not_printed(broker: &RabbitMq) {
    let url = format!("amqp://guest:hunter2@127.0.0.1:{}", broker.port());
    let refused = AmqpServerEnd::connect(AmqpSettings::new(&url).expect("a url")).await;
    let error = refused.err().expect("a wrong password");
    assert!(matches!(error, QueueError::Refused { .. }), "{error:?}");
    let printed = format!("{error} {error:?}");
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Stopped,
    Killed,
}

/// A server publishes, workers report and acknowledge, and in the middle of it
/// the broker has an outage. Everything is done at least once, and
/// nothing is left.
///
/// It is killed only after it was stopped once: RabbitMQ 3.10 records which
/// quorum queues there are three minutes after they were declared or when it
/// stops, whichever is first. One that is killed before that has all messages
/// and never elects the queue's leader.
async fn nothing_is_lost_when_the_broker(broker: &mut RabbitMq, ending: Ending) {
    const TASKS: u32 = 600;
    let installation = Installation::new(broker, "restarts");
    let server = Arc::new(installation.server().await);
    let done = Arc::new(watch::Sender::new(BTreeSet::new()));
    let publishing = {
        let server = server.clone();
        tokio::spawn(async move {
            stream::iter(0..TASKS)
                .map(|node| {
                    let server = server.clone();
                    async move { server.publish(&[assignment(node)]).await }
                })
                .buffer_unordered(8)
                .try_collect::<Vec<()>>()
                .await
        })
    };
    let mut workers = JoinSet::new();
    for _ in 0..2 {
        let worker = installation.worker().await;
        workers.spawn(async move {
            loop {
                let delivery = worker.next_delivery().await.expect("delivery");
                let node = delivery.assignments[0].attempt.task.node;
                worker.report(&[report(u64::from(node))]).await.expect("report");
                // If this fails, the broker delivers it again.
                let _ = delivery.ack().await;
            }
        });
    }
    let taking = {
        let (server, done) = (server.clone(), done.clone());
        tokio::spawn(async move {
            while done.borrow().len() < TASKS as usize {
                let delivery = server.next_reports().await.expect("report");
                let ReportBody::Alive { resident_bytes } = delivery.reports[0].body else {
                    panic!("nobody reports that");
                };
                if delivery.ack().await.is_ok() {
                    done.send_if_modified(|done| done.insert(resident_bytes));
                }
            }
        })
    };
    let mut progress = done.subscribe();
    soon(progress.wait_for(|done| done.len() >= 100)).await.expect("progress");
    match ending {
        Ending::Stopped => broker.stop().await,
        Ending::Killed => broker.kill(),
    }
    let done_before = done.borrow().len();
    assert!(done_before < TASKS as usize, "the broker went too late to prove anything");
    broker.start_again().await;
    soon(taking).await.expect("all reports");
    soon(publishing).await.expect("the publisher").expect("publish");
    assert!(done.borrow().iter().copied().eq(0..u64::from(TASKS)));
    // Redelivered assignments are done again, until nothing is left.
    let rest = async {
        loop {
            let delivery = server.next_reports().await.expect("report");
            let _ = delivery.ack().await;
        }
    };
    tokio::select! {
        () = rest => {}
        () = until_depths(&server, Depths::default()) => {}
    }
    workers.abort_all();
}

/// Operations give up; ends that connect wait, the server's with everything else going on.
async fn a_broker_that_is_away_is_waited_for(broker: &mut RabbitMq) {
    let mut installation = Installation::new(broker, "absent");
    installation.settings.patience = Duration::from_secs(1);
    broker.stop().await;
    let settings = installation.settings.clone();
    let connecting = tokio::spawn(async { AmqpWorkerEnd::connect(settings).await });
    let server = soon(AmqpServerEnd::connect(installation.settings.clone())).await;
    let server = server.expect("the server's end");
    let error = server.publish(&[assignment(1)]).await.expect_err("there is no broker");
    assert!(matches!(error, QueueError::Unavailable { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("guest"), "{error:?}");
    assert!(!connecting.is_finished(), "it waits for longer than an operation");
    broker.start_again().await;
    let worker = soon(connecting).await.expect("no panic").expect("a worker's end");
    soon(async {
        while server.publish(&[assignment(2)]).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let delivery = soon(worker.next_delivery()).await.expect("delivery");
    assert_eq!(delivery.assignments, [assignment(2)]);
    delivery.ack().await.expect("ack");
}

/// A broker may requeue a delivery of a worker that has not acknowledged it within
/// its timeout. The worker's end must keep working.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_outlives_the_brokers_delivery_timeout() {
    let broker = RabbitMq::start_with("consumer_timeout = 2000").await;
    let installation = Installation::new(&broker, "timeout");
    let (server, slow, other) =
        (installation.server().await, installation.worker().await, installation.worker().await);
    server.publish(&[assignment(1)]).await.expect("publish");
    let held = soon(slow.next_delivery()).await.expect("delivery");
    let again = soon(other.next_delivery()).await.expect("delivery");
    assert!(again.redelivered);
    assert_eq!(again.assignments, held.assignments);
    again.ack().await.expect("ack");
    let late = held.ack().await;
    assert!(matches!(late, Err(QueueError::Unavailable { .. })), "{late:?}");
    slow.report(&[report(1)]).await.expect("report");
    server.publish(&[assignment(2)]).await.expect("publish");
    soon(slow.next_delivery()).await.expect("delivery").ack().await.expect("ack");
}

#[track_caller]
fn soon<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    let place = Location::caller();
    async move {
        let in_time = timeout(Duration::from_secs(60), future).await;
        in_time.unwrap_or_else(|_| panic!("what should have come long ago: {place}"))
    }
}

/// Waits until the broker reports this number of messages, which it does with a delay.
async fn until_depths(server: &AmqpServerEnd, expected: Depths) {
    let reached = async {
        while server.depths().await.expect("depths") != expected {
            sleep(Duration::from_millis(50)).await;
        }
    };
    if timeout(Duration::from_secs(60), reached).await.is_err() {
        panic!("{:?} instead of {expected:?}", server.depths().await);
    }
}

async fn raw_channel(broker: &RabbitMq) -> lapin::Channel {
    let properties = lapin::ConnectionProperties::default();
    let connection = lapin::Connection::connect(&broker.url(), properties).await.expect("connect");
    connection.create_channel().await.expect("a channel")
}

async fn raw_publish(channel: &lapin::Channel, queue: &str, body: &[u8]) {
    channel
        .basic_publish(
            "".into(),
            queue.into(),
            BasicPublishOptions::default(),
            body,
            lapin::BasicProperties::default(),
        )
        .await
        .expect("publish");
}
