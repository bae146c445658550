//! The store lease on a real S3 server: who cannot renew it writes nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use platform::store::read_all;
use platform::store::s3::{S3Access, S3Location, S3Store};
use platform::{ObjectStore, StoreError, StorePlace};
use serde_json::Value;
use server::keys;
use server::store_lease::StoreLease;
use testbed::{Disturbance, Proxy, SeaweedFs};
use tokio::time::timeout;

use crate::client::PATIENCE;

/// Longer than a lease is valid, and shorter than it takes to expire for others.
const BEYOND_VALIDITY: Duration = Duration::from_secs(8);

/// A store as one server sees it, through a proxy of its own.
struct Seen {
    proxy: Proxy,
    store: Arc<dyn ObjectStore>,
}

impl Seen {
    async fn new(server: &SeaweedFs, prefix: &str) -> Seen {
        let proxy = Proxy::start(server.port()).await;
        let (key, secret) = server.credentials();
        let mut access = S3Access {
            endpoint: Some(proxy.endpoint()),
            credentials: Some((key.to_owned(), secret.to_owned())),
            ..S3Access::default()
        };
        access.tuning.retry_time_max = PATIENCE;
        let location: S3Location =
            format!("s3://{}/{prefix}", server.bucket()).parse().expect("a location");
        let store = Arc::new(S3Store::open_as(&location, access).await);
        Seen { proxy, store }
    }

    async fn acquire(&self) -> anyhow::Result<StoreLease> {
        let place: StorePlace = "s3://testbed/lease".parse().expect("a place");
        timeout(PATIENCE, StoreLease::acquire(&place, self.store.clone())).await.expect("in time")
    }

    async fn epoch(&self) -> u64 {
        let bytes = read_all(&*self.store, keys::SERVER).await.expect("a lease");
        let holder: Value = serde_json::from_slice(&bytes).expect("JSON");
        holder["epoch"].as_u64().expect("an epoch")
    }
}

async fn content(store: &dyn ObjectStore) -> Vec<u8> {
    read_all(store, "record").await.expect("a record")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lease_is_held_by_one_server_however_it_is_disturbed() {
    let server = SeaweedFs::start().await;
    only_one_of_several_takes_it(&server).await;
    an_outage_costs_time_only(&server).await;
    whoever_lost_it_writes_nothing_more(&server).await;
    what_is_no_lease_is_replaced(&server).await;
}

async fn only_one_of_several_takes_it(server: &SeaweedFs) {
    let first = Seen::new(server, "several").await;
    first.acquire().await.expect("a lease").release().await;
    assert_eq!(first.epoch().await, 1);
    // It was released, so all try at the same moment.
    let mut rivals = Vec::new();
    for _ in 0..6 {
        rivals.push(Seen::new(server, "several").await);
    }
    let acquired = futures::future::join_all(rivals.iter().map(Seen::acquire)).await;
    let said: Vec<String> =
        acquired.iter().filter_map(|it| it.as_ref().err()).map(ToString::to_string).collect();
    assert_eq!(said.len(), 5, "{said:?}");
    assert!(said.iter().all(|it| it.contains("another server uses the store")), "{said:?}");
    assert_eq!(first.epoch().await, 2);
    for lease in acquired.into_iter().flatten() {
        lease.release().await;
    }
    let began = Instant::now();
    first.acquire().await.expect("a lease").release().await;
    assert!(began.elapsed() < Duration::from_secs(9), "a released lease is not waited for");
    assert_eq!(first.epoch().await, 3);
}

async fn an_outage_costs_time_only(server: &SeaweedFs) {
    let seen = Seen::new(server, "outage").await;
    let mut lease = seen.acquire().await.expect("a lease");
    let store = lease.fenced(seen.store.clone());
    store.put("record", Bytes::from("before")).await.expect("written");
    seen.proxy.disturb(Disturbance::Silence);
    let mut lost = Box::pin(lease.lost());
    assert!(timeout(BEYOND_VALIDITY, &mut lost).await.is_err(), "nobody has taken it");
    assert!(seen.proxy.disturbed() > 0);
    // Begins while the lease is not valid.
    let writing = tokio::spawn({
        let store = store.clone();
        async move { store.put("record", Bytes::from("after")).await }
    });
    seen.proxy.disturb(Disturbance::None);
    timeout(PATIENCE, writing).await.expect("in time").expect("no panic").expect("written");
    assert_eq!(content(&*store).await, b"after");
    drop(lost);
    lease.release().await;
    assert_eq!(seen.epoch().await, 1, "it was the same lease all along");
}

async fn whoever_lost_it_writes_nothing_more(server: &SeaweedFs) {
    let (old, new) = (Seen::new(server, "lost").await, Seen::new(server, "lost").await);
    let mut lease = old.acquire().await.expect("a lease");
    let store = lease.fenced(old.store.clone());
    store.put("record", Bytes::from("old")).await.expect("written");
    old.proxy.disturb(Disturbance::Silence);
    let began = Instant::now();
    // It begins while the lease is still valid, and is stuck.
    let stuck = tokio::spawn({
        let store = store.clone();
        async move { store.put("record", Bytes::from("stuck")).await }
    });
    // Another process would not know that this one lives; here its file says so.
    let taken = new.acquire().await.expect("it has expired");
    assert!(began.elapsed() >= Duration::from_secs(9), "{:?}", began.elapsed());
    let written = taken.fenced(new.store.clone());
    written.put("record", Bytes::from("new")).await.expect("written");
    old.proxy.disturb(Disturbance::None);
    let why = timeout(PATIENCE, lease.lost()).await.expect("in time").to_string();
    assert!(why.contains("has taken over the store"), "{why}");
    let stuck = timeout(PATIENCE, stuck).await.expect("in time").expect("no panic");
    assert!(matches!(stuck, Err(StoreError::Unavailable { .. })), "{stuck:?}");
    let late = store.put("record", Bytes::from("late")).await;
    assert!(matches!(late, Err(StoreError::Unavailable { .. })), "{late:?}");
    assert_eq!(content(&*new.store).await, b"new");
    assert_eq!(new.epoch().await, 2);
    taken.release().await;
}

async fn what_is_no_lease_is_replaced(server: &SeaweedFs) {
    let seen = Seen::new(server, "nonsense").await;
    for nonsense in ["", "{\"host\": 7}"] {
        seen.store.put(keys::SERVER, Bytes::from(nonsense)).await.expect("written");
        let lease = seen.acquire().await.expect("a lease");
        assert_eq!(seen.epoch().await, 1);
        lease.release().await;
    }
}
