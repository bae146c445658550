//! The embedded queue and the local store keep their traits' guarantees.

use std::sync::Arc;

use async_trait::async_trait;
use platform::queue::conformance::Subject;
use platform::queue::embedded::EmbeddedQueue;
use platform::store::local::LocalStore;
use platform::{ObjectStore, ServerEnd, StoreError, WorkerEnd};

struct Embedded(EmbeddedQueue);

#[async_trait]
impl Subject for Embedded {
    async fn server_end(&self) -> Arc<dyn ServerEnd> {
        Arc::new(self.0.clone())
    }

    async fn worker_end(&self) -> Box<dyn WorkerEnd> {
        Box::new(self.0.worker_end())
    }
}

#[tokio::test]
async fn the_embedded_queue_conforms() {
    platform::queue::conformance::run(&Embedded(EmbeddedQueue::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_local_store_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(LocalStore::open(folder.path()).unwrap());
    platform::store::conformance::run(store, "suite/").await;
}

#[tokio::test]
async fn a_read_only_store_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "1,2").unwrap();
    let store = LocalStore::read_only(folder.path());
    assert_eq!(store.head("a").await.unwrap().bytes, 3);
    assert!(matches!(store.put("b", "x".into()).await, Err(StoreError::Denied { .. })));
    assert!(matches!(store.delete("a").await, Err(StoreError::Denied { .. })));
}
