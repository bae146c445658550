//! The object store in S3 passes the conformance suite, and survives answers
//! that are errors, slow or absent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::TryStreamExt;
use platform::store::read_all;
use platform::store::s3::{S3Access, S3Location, S3Store};
use platform::{ObjectStore, StoreError};
use testbed::{Disturbance, Proxy, SeaweedFs};

fn access(server: &SeaweedFs, endpoint: String) -> S3Access {
    let (key, secret) = server.credentials();
    S3Access {
        endpoint: Some(endpoint),
        credentials: Some((key.to_owned(), secret.to_owned())),
        ..S3Access::default()
    }
}

fn location(server: &SeaweedFs, prefix: &str) -> S3Location {
    format!("s3://{}/{prefix}", server.bucket()).parse().expect("a location")
}

/// A store whose requests go through a proxy.
async fn behind_a_proxy(server: &SeaweedFs, prefix: &str) -> (Proxy, S3Store) {
    let proxy = Proxy::start(server.port()).await;
    let mut access = access(server, proxy.endpoint());
    access.tuning.retry_time_max = Duration::from_secs(20);
    (proxy, S3Store::open_as(&location(server, prefix), access).await)
}

async fn keys(store: &S3Store, prefix: &str) -> Vec<String> {
    let objects: Vec<_> = store.list(prefix).try_collect().await.expect("listing");
    objects.into_iter().map(|object| object.key).collect()
}

/// All tests share one server, in folders of their own; starting one takes
/// longer than all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_in_s3() {
    let mut server = SeaweedFs::start().await;
    it_conforms(&server).await;
    large_objects_come_back_whole(&server).await;
    listings_of_many_pages_are_whole_and_in_order(&server).await;
    leftovers_are_aborted_and_nothing_else(&server).await;
    errors_of_the_store_are_outlasted(&server).await;
    a_slow_answer_is_asked_for_again(&server).await;
    an_answer_that_never_comes_is_asked_for_again(&server).await;
    an_outage_that_does_not_end_is_an_error(&server).await;
    a_missing_permission_is_an_error_without_secrets(&server).await;
    the_store_stops_and_starts(&mut server).await;
}

async fn it_conforms(server: &SeaweedFs) {
    let place = location(server, "conformance");
    let store = S3Store::open_as(&place, access(server, server.endpoint())).await;
    platform::store::conformance::run(Arc::new(store), "suite/").await;
}

async fn large_objects_come_back_whole(server: &SeaweedFs) {
    let place = location(server, "large");
    let store = S3Store::open_as(&place, access(server, server.endpoint())).await;
    // Not a multiple of a part, a range or a piece.
    let bytes: Vec<u8> = (0..(40 << 20) + 12_345_u32).map(|i| (i / 7 % 251) as u8).collect();
    let mut upload = store.upload("object").await.expect("upload");
    for piece in bytes.chunks(1_000_003) {
        upload.write(Bytes::copy_from_slice(piece)).await.expect("write");
    }
    upload.finish().await.expect("finish");
    assert!(read_all(&store, "object").await.expect("read") == bytes, "other bytes came back");
    let middle = store.read("object", 5_000_000, 20_000_000, Vec::new()).await.expect("read");
    assert!(middle == bytes[5_000_000..25_000_000], "other bytes came back from the middle");
    // A length beyond any memory reads to the end.
    let end = store.read("object", 40 << 20, usize::MAX, Vec::new()).await.expect("read");
    assert_eq!(end.len(), 12_345);
}

async fn listings_of_many_pages_are_whole_and_in_order(server: &SeaweedFs) {
    let place = location(server, "pages");
    let store = S3Store::open_as(&place, access(server, server.endpoint())).await;
    let names: Vec<String> = (0..2345).map(|i| format!("many/{:02}/{i:05}", i / 100)).collect();
    futures::future::try_join_all(names.chunks(300).map(async |names| {
        for name in names {
            store.put(name, Bytes::from_static(b"x")).await?;
        }
        Ok::<(), StoreError>(())
    }))
    .await
    .expect("put");
    assert_eq!(keys(&store, "many/").await, names);
    store.delete_prefix("many/").await.expect("delete");
    assert_eq!(keys(&store, "").await, [""; 0]);
}

async fn leftovers_are_aborted_and_nothing_else(server: &SeaweedFs) {
    let place = location(server, "leftovers");
    let store = S3Store::open_as(&place, access(server, server.endpoint())).await;
    let mut upload = store.upload("left/over").await.expect("upload");
    for _ in 0..3 {
        upload.write(Bytes::from(vec![1; 8 << 20])).await.expect("write");
    }
    // As if its process had been killed.
    std::mem::forget(upload);
    assert_eq!(store.remove_leftovers(Duration::from_secs(3600)).await.expect("abort"), 0);
    let place = location(server, "elsewhere");
    let elsewhere = S3Store::open_as(&place, access(server, server.endpoint())).await;
    assert_eq!(elsewhere.remove_leftovers(Duration::ZERO).await.expect("abort"), 0);
    assert_eq!(store.remove_leftovers(Duration::ZERO).await.expect("abort"), 1);
    assert_eq!(store.remove_leftovers(Duration::ZERO).await.expect("abort"), 0);
    assert_eq!(keys(&store, "").await, [""; 0]);
}

async fn errors_of_the_store_are_outlasted(server: &SeaweedFs) {
    let (proxy, store) = behind_a_proxy(server, "errors").await;
    store.put("object", Bytes::from(vec![7; 9 << 20])).await.expect("put");
    for disturbance in [Disturbance::Answer(500), Disturbance::Answer(503), Disturbance::Refuse] {
        let (before, retries) = (proxy.disturbed(), store.counts().retries);
        proxy.disturb(disturbance);
        let disturbed_twice = async {
            while proxy.disturbed() < before + 8 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            proxy.disturb(Disturbance::None);
        };
        let everything = async {
            let put = store.put("other", Bytes::from_static(b"x"));
            let create = store.create("created", Bytes::from_static(b"mine"));
            let read = read_all(&store, "object");
            let list = store.list("").try_collect::<Vec<_>>();
            futures::join!(put, create, read, list)
        };
        let ((), (put, create, read, list)) = futures::join!(disturbed_twice, everything);
        put.expect("put");
        create.expect("create");
        assert!(read.expect("read") == vec![7; 9 << 20], "other bytes came back");
        assert!(!list.expect("list").is_empty());
        assert!(store.counts().retries >= retries + 4, "{disturbance:?}: {:?}", store.counts());
        store.delete("created").await.expect("delete");
    }
}

async fn a_slow_answer_is_asked_for_again(server: &SeaweedFs) {
    let (proxy, store) = behind_a_proxy(server, "slow").await;
    store.put("object", Bytes::from(vec![7; 1 << 20])).await.expect("put");
    // The first connection from now on is slow, the second is not.
    let every = proxy.connections() + 1;
    proxy.disturb(Disturbance::Slow { every, by: Duration::from_secs(30) });
    let began = Instant::now();
    let read = store.read("object", 0, 1 << 20, Vec::new()).await.expect("read");
    assert!(read == vec![7; 1 << 20]);
    assert!(began.elapsed() < Duration::from_secs(15), "it waited for the slow answer");
    let counts = store.counts();
    assert_eq!((counts.hedges, counts.hedges_won), (1, 1), "{counts:?}");
    assert!(proxy.disturbed() > 0);
}

async fn an_answer_that_never_comes_is_asked_for_again(server: &SeaweedFs) {
    let (proxy, store) = behind_a_proxy(server, "silent").await;
    store.put("object", Bytes::from(vec![7; 1 << 20])).await.expect("put");
    proxy.disturb(Disturbance::Silence);
    let read = store.read("object", 0, 1 << 20, Vec::new());
    let heard_again = async {
        while proxy.disturbed() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        proxy.disturb(Disturbance::None);
    };
    let (read, ()) = futures::join!(read, heard_again);
    assert!(read.expect("read") == vec![7; 1 << 20]);
}

async fn an_outage_that_does_not_end_is_an_error(server: &SeaweedFs) {
    let proxy = Proxy::start(server.port()).await;
    let mut access = access(server, proxy.endpoint());
    access.tuning.retry_time_max = Duration::from_millis(500);
    let store = S3Store::open_as(&location(server, "outage"), access).await;
    proxy.disturb(Disturbance::Answer(503));
    let put = store.put("object", Bytes::new()).await;
    assert!(matches!(put, Err(StoreError::Unavailable { .. })), "{put:?}");
    proxy.disturb(Disturbance::Refuse);
    let read = store.read("object", 0, 1, Vec::new()).await;
    assert!(matches!(read, Err(StoreError::Unavailable { .. })), "{read:?}");
    assert!(proxy.disturbed() > 1);
}

async fn a_missing_permission_is_an_error_without_secrets(server: &SeaweedFs) {
    let (key, secret) = server.credentials();
    let wrong_secret = ("TESTBEDACCESSKEY".to_owned(), "wrong-hunter2".to_owned());
    let wrong_key = ("WRONGHUNTER2".to_owned(), secret.to_owned());
    let here = location(server, "denied");
    let nowhere: S3Location = "s3://no-such-bucket/a".parse().expect("a location");
    let right = (key.to_owned(), secret.to_owned());
    for (place, credentials) in [(&here, wrong_secret), (&here, wrong_key), (&nowhere, right)] {
        let secret = credentials.1.clone();
        let mut access = access(server, server.endpoint());
        access.credentials = Some(credentials);
        let store = S3Store::open_as(place, access).await;
        for error in [
            store.put("object", Bytes::new()).await.expect_err("a wrong identity"),
            store.list("").try_collect::<Vec<_>>().await.expect_err("a wrong identity"),
        ] {
            assert!(matches!(error, StoreError::Denied { .. }), "{error:?}");
            let source = std::error::Error::source(&error).expect("what the store said");
            let printed = format!("{error} {error:?} {source} {source:?}");
            assert!(!printed.contains(&secret), "{printed}");
            assert!(!printed.contains("HUNTER2"), "{printed}");
            assert!(!printed.contains("Signature="), "{printed}");
        }
    }
}

async fn the_store_stops_and_starts(server: &mut SeaweedFs) {
    let place = location(server, "restart");
    let store = S3Store::open_as(&place, access(server, server.endpoint())).await;
    store.put("before", Bytes::from_static(b"before")).await.expect("put");
    server.stop().await;
    let counts = store.counts();
    let asked = async {
        let put = store.put("meanwhile", Bytes::from_static(b"meanwhile"));
        let read = read_all(&store, "before");
        futures::join!(put, read)
    };
    let started = async {
        // Only once both have failed at least once.
        while store.counts().retries < counts.retries + 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        server.start_again().await;
    };
    let ((put, read), ()) = futures::join!(asked, started);
    put.expect("put");
    assert_eq!(read.expect("read"), b"before");
    assert_eq!(read_all(&store, "meanwhile").await.expect("read"), b"meanwhile");
}
