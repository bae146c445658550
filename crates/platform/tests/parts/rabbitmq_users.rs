//! The users of RabbitMQ in `definitions.json`, which the deployments use: a worker's
//! user can do what a worker must, and nothing else; and the limits of the queues.

use std::path::PathBuf;
use std::time::Duration;

use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions,
    QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, ExchangeKind};
use platform::queue::Depths;
use platform::queue::amqp::{AmqpServerEnd, AmqpSettings, AmqpWorkerEnd};
use platform::queue::conformance::{assignment, report};
use platform::{QueueError, ServerEnd, WorkerEnd};
use protocol::task::Control;
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::RabbitMq;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(60);
/// A length of queues at which a test reaches their limit.
const FEW: u64 = 20;

/// A broker with the users of a file of definitions.
struct Users {
    broker: RabbitMq,
    definitions: Value,
    _folder: TempDir,
}

impl Users {
    /// The deployments' users, after `change`.
    async fn start(change: impl FnOnce(&mut Value)) -> Users {
        let text = std::fs::read_to_string("../../k8s/overlays/local/definitions.json")
            .expect("the definitions");
        let mut definitions: Value = serde_json::from_str(&text).expect("JSON");
        change(&mut definitions);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let changed: PathBuf = folder.path().join("definitions.json");
        std::fs::write(&changed, definitions.to_string()).expect("written");
        let broker =
            RabbitMq::start_with(&format!("load_definitions = {}", changed.display())).await;
        Users { broker, definitions, _folder: folder }
    }

    fn url(&self, user: &str) -> String {
        let users = self.definitions["users"].as_array().expect("users");
        let found = users.iter().find(|it| it["name"] == user).expect("a user");
        let password = found["password"].as_str().expect("a password");
        format!("amqp://{user}:{password}@127.0.0.1:{}/%2f", self.broker.port())
    }

    fn settings(&self, user: &str) -> AmqpSettings {
        AmqpSettings::new(&self.url(user)).expect("a URL")
    }

    async fn server(&self) -> AmqpServerEnd {
        AmqpServerEnd::connect(self.settings("server")).await.expect("the server's end")
    }

    /// A channel of a client that uses a worker's password for something else.
    async fn intruder(&self) -> Channel {
        let properties = lapin::ConnectionProperties::default();
        let connection = lapin::Connection::connect(&self.url("worker"), properties).await;
        let channel = connection.expect("connected").create_channel().await.expect("a channel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        channel
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workers_user_can_work_and_nothing_else() {
    let users = Users::start(|_| ()).await;
    let mut settings = users.settings("worker");
    settings.patience = Duration::from_secs(1);
    let mut connecting = tokio::spawn(AmqpWorkerEnd::connect(settings));
    let waited = timeout(Duration::from_secs(3), &mut connecting).await;
    assert!(waited.is_err(), "it waits for the server that declares the queues");
    let server = users.server().await;
    let worker = soon(connecting).await.expect("no panic").expect("a worker's end");
    it_works(&server, &worker).await;
    it_may_do_nothing_else(&users).await;
    // Nothing of that has left a trace.
    it_works(&server, &worker).await;
    let empty = async {
        while server.depths().await.expect("depths") != Depths::default() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    soon(empty).await;
}

async fn it_works(server: &AmqpServerEnd, worker: &AmqpWorkerEnd) {
    server.publish(&[assignment(1)]).await.expect("publish");
    let delivery = soon(worker.next_delivery()).await.expect("delivery");
    assert_eq!(delivery.assignments, [assignment(1)]);
    worker.report(&[report(2)]).await.expect("report");
    delivery.ack().await.expect("ack");
    let delivery = soon(server.next_reports()).await.expect("report");
    assert_eq!(delivery.reports, [report(2)]);
    delivery.ack().await.expect("ack");
    server.control(&Control::RollCall).await.expect("control");
    assert_eq!(soon(worker.next_control()).await.expect("control"), Control::RollCall);
}

/// Each try is refused, which closes its channel.
async fn it_may_do_nothing_else(users: &Users) {
    let own = |name: &str| format!("distributed-average.{name}");
    let none = FieldTable::default;
    for queue in ["assignments", "reports", "dead-letters"] {
        let published = publish(&users.intruder().await, "", &own(queue)).await;
        refused(published, &format!("publishing into {queue}"));
        let deleted = users.intruder().await;
        let deleted = deleted.queue_delete(own(queue).into(), QueueDeleteOptions::default()).await;
        refused(deleted, &format!("deleting {queue}"));
        let bound = users.intruder().await;
        let (queue_name, control) = (own(queue).into(), own("control").into());
        let bound =
            bound.queue_bind(queue_name, control, "".into(), QueueBindOptions::default(), none());
        refused(bound.await, &format!("binding {queue}"));
    }
    for queue in ["reports", "dead-letters"] {
        let purged = users.intruder().await;
        let purged = purged.queue_purge(own(queue).into(), QueuePurgeOptions::default()).await;
        refused(purged, &format!("purging {queue}"));
        let got = users.intruder().await;
        let got = got.basic_get(own(queue).into(), BasicGetOptions::default()).await;
        refused(got, &format!("reading {queue}"));
        let consumed = users.intruder().await;
        let consumed = consumed
            .basic_consume(own(queue).into(), "".into(), BasicConsumeOptions::default(), none())
            .await;
        refused(consumed, &format!("consuming {queue}"));
    }
    let told = publish(&users.intruder().await, &own("control"), "").await;
    refused(told, "sending control messages");
    for exchange in ["control", "reporting"] {
        let deleted = users.intruder().await;
        let options = ExchangeDeleteOptions::default();
        let deleted = deleted.exchange_delete(own(exchange).into(), options).await;
        refused(deleted, &format!("deleting the exchange {exchange}"));
    }
    for name in ["other".to_owned(), own("other")] {
        let declared = users.intruder().await;
        let options = QueueDeclareOptions::durable();
        let declared = declared.queue_declare(name.clone().into(), options, none()).await;
        refused(declared, &format!("declaring the queue {name}"));
        let declared = users.intruder().await;
        let options = ExchangeDeclareOptions::default();
        let declared =
            declared.exchange_declare(name.clone().into(), ExchangeKind::Fanout, options, none());
        refused(declared.await, &format!("declaring the exchange {name}"));
    }
}

async fn publish(channel: &Channel, exchange: &str, key: &str) -> lapin::Result<Confirmation> {
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    channel.basic_publish(exchange.into(), key.into(), options, b"{}", properties).await?.await
}

#[track_caller]
fn refused<T>(outcome: lapin::Result<T>, what: &str) {
    let error = outcome.err().unwrap_or_else(|| panic!("{what} is allowed"));
    let said = format!("{error:?}");
    assert!(said.contains("ACCESSREFUSED") || said.contains("ACCESS_REFUSED"), "{what}: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_queues_refuse_messages_until_there_is_room() {
    let users = Users::start(|definitions| {
        let policies = definitions["policies"].as_array_mut().expect("policies");
        for policy in policies {
            policy["definition"]["max-length"] = json!(FEW);
        }
    })
    .await;
    let server = users.server().await;
    let mut settings = users.settings("worker");
    settings.patience = Duration::from_secs(3);
    let worker = AmqpWorkerEnd::connect(settings).await.expect("a worker's end");
    // Nobody takes any. The broker refuses soon after the limit.
    let mut accepted = 0;
    let error = loop {
        match worker.report(&[report(accepted)]).await {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
        assert!(accepted < 10 * FEW, "there is no limit");
    };
    assert!(matches!(error, QueueError::Unavailable { .. }), "{error:?}");
    assert!(accepted >= FEW, "{accepted} of {FEW}");
    // None of those that were accepted is lost, and one that waits is sent.
    let last = [report(accepted)];
    let waiting = worker.report(&last);
    let taking = async {
        let mut taken = std::collections::BTreeSet::new();
        while taken.len() <= usize::try_from(accepted).expect("few") {
            let delivery = server.next_reports().await.expect("report");
            let protocol::task::ReportBody::Alive { resident_bytes } = delivery.reports[0].body
            else {
                panic!("nobody reports that");
            };
            taken.insert(resident_bytes);
            delivery.ack().await.expect("ack");
        }
        taken
    };
    let (waited, taken) = futures::join!(waiting, soon(taking));
    waited.expect("report");
    assert!(taken.into_iter().eq(0..=accepted));
    dead_letters_do_not_pile_up(&users, &server).await;
}

async fn dead_letters_do_not_pile_up(users: &Users, server: &AmqpServerEnd) {
    let properties = lapin::ConnectionProperties::default();
    let connection = lapin::Connection::connect(&users.url("server"), properties).await;
    let channel = connection.expect("connected").create_channel().await.expect("a channel");
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
    for _ in 0..3 * FEW {
        publish(&channel, "", "distributed-average.dead-letters").await.expect("published");
    }
    let limited = async {
        while server.depths().await.expect("depths").dead_letters != FEW {
            sleep(Duration::from_millis(50)).await;
        }
    };
    soon(limited).await;
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("what should have come long ago")
}
