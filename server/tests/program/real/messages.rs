//! Messages that are duplicated, lost or malformed.

use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use platform::faults::{FaultRates, Faults, FaultyServerEnd, FaultyWorkerEnd};
use platform::store::local::LocalStore;
use platform::{InputStores, ObjectStore};
use protocol::{JobRequest, Phase, WorkerId};
use serde_json::json;
use server::arguments::{Arguments, Command};
use server::engine::Engine;
use server::parts;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use traces::Traces;
use worker::Worker;
use worker::metrics::WorkerMetrics;

use super::installation::{Installation, embedded_bits};
use crate::client::PATIENCE;
use crate::exact;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_may_come_twice_and_answers_may_get_lost() {
    let installation = Installation::shared().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let (queue, prefix) = (installation.queue(), installation.name());
    let arguments = Arguments::parse_from([
        "distributed-average",
        "serve",
        "--store",
        path,
        "--queue",
        queue,
        "--queue-prefix",
        prefix,
        "--pool",
        "external",
    ]);
    let Command::Serve(arguments) = arguments.command else { panic!("serve is serve") };
    let rates = FaultRates { duplicate_every: 1, lose_answer_every: 5, ..FaultRates::default() };
    let (at_server, at_workers) = (Arc::new(Faults::at(rates)), Arc::new(Faults::at(rates)));
    let store = arguments.store.open().await.expect("a store");
    let mut parts =
        parts::for_serving(&arguments, store.clone(), Traces::default()).await.expect("parts");
    parts.queue = Arc::new(FaultyServerEnd::new(parts.queue, at_server.clone()));
    let engine = Engine::start(parts, parts::settings(&arguments, 2), 2).await.expect("an engine");
    let leave = CancellationToken::new();
    for name in ["a", "b"] {
        let queue = arguments.queue.open(prefix);
        let end = queue.connect_worker(name).await.expect("a worker's end");
        let store: Arc<dyn ObjectStore> = Arc::new(LocalStore::open(path).expect("a store"));
        let worker = Worker {
            id: WorkerId::from(name.to_owned()),
            node: None,
            queue: Box::new(FaultyWorkerEnd::new(end, at_workers.clone())),
            inputs: InputStores::new(store.clone()),
            store,
            settings: worker::Settings::default(),
            metrics: WorkerMetrics::default(),
            traces: Traces::default(),
        };
        tokio::spawn(worker::run(worker, leave.clone()));
    }
    let inputs = json!({"generate": {"files": 30, "count": 2_000, "format": "csv"}});
    let request: JobRequest =
        serde_json::from_value(json!({"inputs": inputs, "fan_in": 3})).expect("a request");
    let request = request.validate().expect("a valid request");
    let job = engine.submit(request, None).await.expect("a job");
    let ended = async {
        loop {
            let snapshot = engine.job(job).await.expect("the job");
            if snapshot.phase.is_over() {
                return snapshot;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let ended = timeout(PATIENCE, ended).await.expect("an end");
    assert_eq!(ended.phase, Phase::Done, "{:?}", ended.error);
    for faults in [at_server, at_workers] {
        let counts = faults.counts();
        println!("{counts:?}");
        assert!(counts.duplicated > 20 && counts.answers_lost > 5, "{counts:?}");
    }
    let key = server::keys::mean(job);
    let bytes = platform::store::read_all(&*store, &key).await.expect("a result");
    assert_eq!(exact::bits(&exact::parse_npy(&bytes)), embedded_bits(&inputs).await);
    leave.cancel();
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisoned_message_is_put_aside_and_seen() {
    let installation = Installation::shared().await;
    let server = installation.server(&["--pool", "external", "--workers", "1"]).await;
    let _worker = installation.worker("a", &[]);
    server.ready(1).await;
    let connection = Connection::connect(installation.queue(), ConnectionProperties::default());
    let channel = connection.await.expect("a connection").create_channel().await.expect("one");
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
    for queue in ["assignments", "reports"] {
        let name = format!("{}.{queue}", installation.name());
        let published = channel.basic_publish(
            "".into(),
            name.into(),
            BasicPublishOptions::default(),
            b"{\"version\": \"poison\"}",
            BasicProperties::default(),
        );
        published.await.expect("published").await.expect("confirmed");
    }
    let inputs = json!({"generate": {"files": 5, "count": 100, "format": "csv"}});
    let job = server.submit(&json!({"inputs": inputs})).await;
    assert_eq!(server.follow(&job).await["phase"], "done");
    assert_eq!(server.bits(&job).await, embedded_bits(&inputs).await);
    let seen = async {
        while server.get_json("/api/workers").await["queue"]["dead_letters"] != 2 {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, seen).await.expect("both are put aside and seen");
    server.stop().await;
}
