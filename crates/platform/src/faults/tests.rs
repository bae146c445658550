use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;

use super::*;
use crate::queue::conformance::{assignment, report};
use crate::queue::embedded::EmbeddedQueue;
use crate::store::local::LocalStore;
use crate::{ObjectStore, QueueError, ServerEnd, StoreError, WorkerEnd};

#[tokio::test]
async fn without_faults_a_store_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let inner = Arc::new(LocalStore::open(folder.path()).unwrap());
    let faults = Arc::new(Faults::default());
    let store = Arc::new(FaultyStore::new(inner, faults.clone()));
    crate::store::conformance::run(store, "suite/").await;
    assert_eq!(faults.counts(), FaultCounts::default());
}

#[tokio::test]
async fn a_call_that_fails_does_nothing_and_a_lost_answer_does_all() {
    let folder = tempfile::tempdir().unwrap();
    let inner = Arc::new(LocalStore::open(folder.path()).unwrap());
    let faults = Arc::new(Faults::at(FaultRates { fail_every: 2, ..FaultRates::default() }));
    let store = FaultyStore::new(inner.clone(), faults.clone());
    store.put("first", Bytes::new()).await.unwrap();
    let failed = store.put("second", Bytes::new()).await;
    assert!(matches!(failed, Err(StoreError::Unavailable { .. })), "{failed:?}");
    assert!(inner.head("second").await.is_err());
    faults.set(FaultRates { lose_answer_every: 1, ..FaultRates::default() });
    let unanswered = store.put("third", Bytes::new()).await;
    assert!(matches!(unanswered, Err(StoreError::Unavailable { .. })), "{unanswered:?}");
    assert!(inner.head("third").await.is_ok());
    faults.set(FaultRates { fail_every: 1, ..FaultRates::default() });
    assert!(store.list("").try_collect::<Vec<_>>().await.is_err());
    let expected = FaultCounts { failed: 2, answers_lost: 1, ..FaultCounts::default() };
    assert_eq!(faults.counts(), expected);
}

#[tokio::test]
async fn an_upload_that_failed_once_never_appears() {
    let folder = tempfile::tempdir().unwrap();
    let inner = Arc::new(LocalStore::open(folder.path()).unwrap());
    let faults = Arc::new(Faults::at(FaultRates { fail_every: 3, ..FaultRates::default() }));
    let store = FaultyStore::new(inner.clone(), faults.clone());
    let mut upload = store.upload("object").await.unwrap();
    upload.write(Bytes::from_static(b"one")).await.unwrap();
    assert!(upload.write(Bytes::from_static(b"two")).await.is_err());
    assert!(upload.finish().await.is_err());
    assert!(inner.head("object").await.is_err());
    assert_eq!(faults.counts().failed, 1);
}

#[tokio::test]
async fn slowness_takes_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let inner = Arc::new(LocalStore::open(folder.path()).unwrap());
    let slow_by = Duration::from_millis(50);
    let rates = FaultRates { slow_every: 2, slow_by, ..FaultRates::default() };
    let faults = Arc::new(Faults::at(rates));
    let store = FaultyStore::new(inner, faults.clone());
    let began = std::time::Instant::now();
    for _ in 0..4 {
        assert!(store.head("absent").await.is_err());
    }
    assert!(began.elapsed() >= 2 * slow_by);
    assert_eq!(faults.counts().slowed, 2);
}

#[tokio::test]
async fn messages_are_sent_twice() {
    let queue = EmbeddedQueue::new();
    let rates = FaultRates { duplicate_every: 1, ..FaultRates::default() };
    let faults = Arc::new(Faults::at(rates));
    let server = FaultyServerEnd::new(Arc::new(queue.clone()), faults.clone());
    let worker = FaultyWorkerEnd::new(Box::new(queue.worker_end()), faults.clone());
    server.publish(&[assignment(1)]).await.unwrap();
    worker.report(&[report(1)]).await.unwrap();
    let depths = server.depths().await.unwrap();
    assert_eq!((depths.assignments, depths.reports), (2, 2));
    for _ in 0..2 {
        let delivery = worker.next_delivery().await.unwrap();
        assert_eq!(delivery.assignments, [assignment(1)]);
        delivery.ack().await.unwrap();
    }
    assert_eq!(faults.counts().duplicated, 2);
    faults.set(FaultRates { fail_every: 1, ..FaultRates::default() });
    let failed = worker.report(&[report(2)]).await;
    assert!(matches!(failed, Err(QueueError::Unavailable { .. })), "{failed:?}");
}
