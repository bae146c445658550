//! The embedded queue and the local store pass the conformance suites.

use std::sync::Arc;

use futures::TryStreamExt;
use platform::queue::embedded::EmbeddedQueue;
use platform::store::local::LocalStore;
use platform::{ObjectStore, StoreError};

#[tokio::test]
async fn the_embedded_queue_conforms() {
    platform::queue::conformance::run(&EmbeddedQueue::new()).await;
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

#[tokio::test]
async fn what_the_store_keeps_for_itself_is_no_object() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(folder.path()).unwrap();
    let _lock = store.lock().unwrap().expect("a directory can be locked");
    for key in [".server.lock", ".server.lock/a", ".unfinished", ".unfinished/a"] {
        let refused = store.put(key, "x".into()).await;
        assert!(matches!(refused, Err(StoreError::InvalidKey { .. })), "{key}: {refused:?}");
    }
    store.put("a/.server.lock", "x".into()).await.unwrap();
    let listed: Vec<_> = store.list("").try_collect().await.unwrap();
    let keys: Vec<_> = listed.into_iter().map(|object| object.key).collect();
    assert_eq!(keys, ["a/.server.lock"]);
}
