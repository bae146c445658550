//! The store lease on a real S3 server: who cannot renew it writes nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use platform::store::read_all;
use platform::store::s3::{S3Access, S3Location, S3Store};
use platform::{ObjectStore, StoreError};
use serde_json::{Value, json};
use server::keys;
use server::store_lease::{Candidate, Look, POLL_INTERVAL, Reached, StoreLease};
use testbed::{Disturbance, Proxy, SeaweedFs};
use tokio::time::{sleep, timeout};

use crate::client::PATIENCE;

/// Longer than a lease is valid.
const BEYOND_VALIDITY: Duration = Duration::from_secs(6);

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

    /// Acquires the lease as soon as it is free.
    async fn acquire(&self) -> StoreLease {
        let mut candidate = Candidate::new(self.store.clone());
        let acquiring = async {
            loop {
                match candidate.look().await.expect("the store answers") {
                    Look::Acquired(lease) => return lease,
                    Look::Held(_) => sleep(POLL_INTERVAL).await,
                }
            }
        };
        timeout(PATIENCE, acquiring).await.expect("in time")
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
    a_renewal_of_a_holder_that_has_ended_is_not_waited_for(&server).await;
}

async fn only_one_of_several_takes_it(server: &SeaweedFs) {
    let first = Seen::new(server, "several").await;
    first.acquire().await.release().await;
    assert_eq!(first.epoch().await, 1);
    // It was released, so all try at the same moment.
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(Seen::new(server, "several").await);
    }
    let mut rivals: Vec<_> = seen.iter().map(|seen| Candidate::new(seen.store.clone())).collect();
    let looks = futures::future::join_all(rivals.iter_mut().map(Candidate::look)).await;
    let looks = looks.into_iter().map(|look| look.expect("the store answers"));
    let mut leases = looks.filter_map(|look| match look {
        Look::Acquired(lease) => Some(lease),
        Look::Held(_) => None,
    });
    let lease = leases.next().expect("somebody takes it");
    assert!(leases.next().is_none(), "two have it");
    assert_eq!(first.epoch().await, 2);
    // The others learn how to reach it, once it says so, and that it has gone.
    let mut other = rivals.pop().expect("a rival");
    let reached = Reached { url: "http://192.0.2.1:3000".to_owned(), certificate: None };
    lease.announce(reached.clone());
    let found = async {
        loop {
            match other.look().await.expect("the store answers") {
                Look::Held(Some(leader)) => return leader,
                Look::Held(None) => sleep(POLL_INTERVAL).await,
                Look::Acquired(_) => panic!("it is held"),
            }
        }
    };
    let found = timeout(PATIENCE, found).await.expect("in time");
    assert_eq!((found.reached, found.epoch), (reached, 2));
    assert_eq!(found.key, lease.key());
    lease.release().await;
    let began = Instant::now();
    first.acquire().await.release().await;
    assert!(began.elapsed() < Duration::from_secs(5), "a released lease is not waited for");
    assert_eq!(first.epoch().await, 3);
}

async fn an_outage_costs_time_only(server: &SeaweedFs) {
    let seen = Seen::new(server, "outage").await;
    let mut lease = seen.acquire().await;
    let store = lease.fencing().store(seen.store.clone());
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
    let mut lease = old.acquire().await;
    let store = lease.fencing().store(old.store.clone());
    store.put("record", Bytes::from("old")).await.expect("written");
    old.proxy.disturb(Disturbance::Silence);
    let began = Instant::now();
    // It begins while the lease is still valid, and is stuck.
    let stuck = tokio::spawn({
        let store = store.clone();
        async move { store.put("record", Bytes::from("stuck")).await }
    });
    // Another process would not know that this one lives; here its file says so.
    let taken = new.acquire().await;
    assert!(began.elapsed() >= Duration::from_secs(5), "{:?}", began.elapsed());
    let written = taken.fencing().store(new.store.clone());
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

/// The last renewal of a killed server may arrive while another server takes its lease.
async fn a_renewal_of_a_holder_that_has_ended_is_not_waited_for(server: &SeaweedFs) {
    let seen = Seen::new(server, "late-renewals").await;
    let number: u64 = 0x1a7e_0000 | u64::from(std::process::id());
    let ended = std::env::temp_dir().join(format!("distributed-average-server-{number:016x}"));
    std::fs::write(&ended, "").expect("a file that nobody locks");
    let renew = async |renewals: u64| {
        let holder = json!({
            "host": "here", "process": 1, "server": number, "renewals": renewals, "epoch": 7,
        });
        let written = seen.store.put(keys::SERVER, Bytes::from(holder.to_string())).await;
        written.expect("written");
    };
    renew(0).await;
    let renewing = async {
        for renewals in 1..=20 {
            renew(renewals).await;
        }
        Instant::now()
    };
    // The renewals stop once the lease is another's, which they would not notice.
    let (lease, ended_at) = {
        let acquiring = seen.acquire();
        tokio::pin!(acquiring, renewing);
        tokio::select! {
            lease = &mut acquiring => (lease, Instant::now()),
            ended_at = &mut renewing => (acquiring.await, ended_at),
        }
    };
    let waited = ended_at.elapsed();
    assert!(waited < Duration::from_secs(3), "it waited for a server that has ended: {waited:?}");
    assert_eq!(lease.epoch(), 8);
    assert!(!ended.exists(), "killed servers leave nothing behind for long");
    lease.release().await;
}

async fn what_is_no_lease_is_replaced(server: &SeaweedFs) {
    let seen = Seen::new(server, "nonsense").await;
    for nonsense in ["", "{\"host\": 7}"] {
        seen.store.put(keys::SERVER, Bytes::from(nonsense)).await.expect("written");
        let lease = seen.acquire().await;
        assert_eq!(seen.epoch().await, 1);
        lease.release().await;
    }
}
