//! The embedded queue and the local store pass the conformance suites.

use std::sync::Arc;
use std::time::Duration;

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

/// Whoever opens a pipe as a file waits for its other end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipes_and_devices_are_no_objects() {
    let folder = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status();
    assert!(made.unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("zeros")).unwrap();
    std::fs::write(folder.path().join("file"), "1,2").unwrap();
    let store = LocalStore::read_only(folder.path());
    let listed: Vec<_> = store.list("").try_collect().await.unwrap();
    assert_eq!(listed.iter().map(|object| object.key.as_str()).collect::<Vec<_>>(), ["file"]);
    for key in ["pipe", "zeros"] {
        let read = store.read(key, 0, 10, Vec::new());
        let read = tokio::time::timeout(Duration::from_secs(30), read).await.expect("no waiting");
        assert!(matches!(read, Err(StoreError::NotFound { .. })), "{key}: {read:?}");
        let mut reader = store.reader(key, None).expect("files are read directly");
        let read = tokio::task::spawn_blocking(move || reader.read_at(0, &mut [0; 10]));
        let read = tokio::time::timeout(Duration::from_secs(30), read).await.expect("no waiting");
        assert!(matches!(read.unwrap(), Err(StoreError::NotFound { .. })), "{key}");
    }
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

#[tokio::test]
async fn objects_do_not_lie_below_one_another() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(folder.path()).unwrap();
    store.put("a/b", "x".into()).await.unwrap();
    for key in ["a", "a/b/c", "a/b/c/d"] {
        let refused = store.put(key, "y".into()).await;
        assert!(matches!(refused, Err(StoreError::Obstructed { .. })), "{key}: {refused:?}");
        let refused = store.upload(key).await.err();
        assert!(matches!(refused, Some(StoreError::Obstructed { .. })), "{key}: {refused:?}");
        let missing = store.head(key).await;
        assert!(matches!(missing, Err(StoreError::NotFound { .. })), "{key}: {missing:?}");
    }
    // What is in the way may come during an upload.
    let mut upload = store.upload("c").await.unwrap();
    upload.write("y".into()).await.unwrap();
    store.put("c/d", "x".into()).await.unwrap();
    let refused = upload.finish().await;
    assert!(matches!(refused, Err(StoreError::Obstructed { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_key_that_is_no_file_name_is_invalid() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(folder.path()).unwrap();
    let whole = vec!["a".repeat(200); 50].join("/");
    for key in ["a".repeat(256), format!("b/{}", "ü".repeat(128)), whole] {
        let refused = store.put(&key, "x".into()).await;
        assert!(matches!(refused, Err(StoreError::InvalidKey { .. })), "{refused:?}");
        let refused = store.head(&key).await;
        assert!(matches!(refused, Err(StoreError::InvalidKey { .. })), "{refused:?}");
    }
    store.put(&"a".repeat(255), "x".into()).await.unwrap();
}

#[tokio::test]
async fn errors_do_not_tell_where_the_store_lies() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(folder.path()).unwrap();
    // The store's own folder cannot be used.
    let unfinished = folder.path().join(".unfinished");
    std::fs::remove_dir(&unfinished).unwrap();
    for is_there in [false, true] {
        if is_there {
            std::fs::write(&unfinished, "").unwrap();
        }
        let error = store.put("a", "x".into()).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
        let problem = error.problem("storing the object").to_string();
        assert!(!problem.contains(&*folder.path().to_string_lossy()), "{problem}");
        assert!(problem.contains("os error"), "{problem}");
    }
}

#[tokio::test]
async fn a_link_to_a_folder_that_it_lies_in_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let store = LocalStore::open(root).unwrap();
    for key in ["a/b", "c"] {
        store.put(key, "x".into()).await.unwrap();
    }
    // With two of them, the paths through them double with each level.
    for (link, to) in [("one", "."), ("two", "."), ("a/up", ".."), ("self", "self")] {
        std::os::unix::fs::symlink(to, root.join(link)).unwrap();
    }
    // Somebody's data, linked into place, is listed as often as it is linked.
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("d"), "x").unwrap();
    for link in ["data", "again"] {
        std::os::unix::fs::symlink(data.path(), root.join(link)).unwrap();
    }
    for (prefix, expected) in [
        ("", &["a/b", "again/d", "c", "data/d"][..]),
        ("a/", &["a/b", "a/up/again/d", "a/up/c", "a/up/data/d"]),
        ("one/c", &["one/c"]),
    ] {
        let listed = async {
            let objects: Vec<_> = store.list(prefix).try_collect().await.unwrap();
            objects.into_iter().map(|object| object.key).collect::<Vec<_>>()
        };
        let listed = tokio::time::timeout(Duration::from_secs(60), listed).await.expect("an end");
        assert_eq!(listed, expected, "{prefix}");
    }
}
