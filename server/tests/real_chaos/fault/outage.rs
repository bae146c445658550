//! Faults that take some time: disturbed connections, frozen processes, full disks and
//! clocks that are set.

use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;
use testbed::{Clock, Disturbance, Proxy, freeze, thaw};
use tokio::time::sleep;

use crate::world::{NotHappened, World};

/// Another server leads within ten seconds; the rest is for a machine that is busy.
const TAKEN_OVER_MAX: Duration = Duration::from_secs(30);
/// How long it may take until a fault shows.
const SHOWN_MAX: Duration = Duration::from_secs(10);
/// How long a write takes at most, if it succeeds.
const WRITE_MAX: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(100);

/// By how many seconds clocks are set: within what signatures of requests bear, and beyond.
const CLOCK_SECS: [i64; 6] = [20, -20, 300, -300, 3_600, -3_600];

pub(super) async fn leader(world: &World) -> Result<usize, NotHappened> {
    world.leader().await.ok_or(NotHappened("nobody led"))
}

/// Waits until another server leads than the one that has died or does not answer.
pub(super) async fn another_leads(world: &mut World, before: usize) {
    let begun = Instant::now();
    while begun.elapsed() < TAKEN_OVER_MAX {
        if world.leader().await.is_some_and(|leader| leader != before) {
            println!("another server led after {:.1} s", begun.elapsed().as_secs_f64());
            return;
        }
        sleep(PAUSE).await;
    }
    world.violations.push("no other server has taken over".to_owned());
}

/// Freezes a process for some time.
pub(super) async fn frozen(id: Option<u32>, time: Duration) -> Result<(), NotHappened> {
    let id = id.ok_or(NotHappened("there was no process"))?;
    freeze(id);
    sleep(time).await;
    thaw(id);
    Ok(())
}

/// Disturbs connections for some time, and then until at least one was disturbed.
pub(super) async fn disturbed(
    proxy: &Proxy,
    disturbance: Disturbance,
    time: Duration,
) -> Result<(), NotHappened> {
    let before = proxy.disturbed();
    proxy.disturb(disturbance);
    sleep(time).await;
    let happened = shown(async || proxy.disturbed() > before).await;
    proxy.disturb(Disturbance::None);
    happened
}

/// The broker finds its disk full, and takes no messages.
pub(super) async fn full_broker(world: &World, time: Duration) -> Result<(), NotHappened> {
    let was_full = world.broker.fill_disk(true).await;
    sleep(time).await;
    let is_free = world.broker.fill_disk(false).await;
    (was_full && is_free).then_some(()).ok_or(NotHappened("the broker raised no alarm"))
}

/// The store finds its disk full: no write succeeds. It is started again once there is
/// room: the logs of its metadata take no more entries after a write has failed.
pub(super) async fn full_store(world: &mut World, time: Duration) -> Result<(), NotHappened> {
    world.store.fill_disk();
    let url = world.object_url("probe");
    let http = world.http.clone();
    let happened = shown(async || {
        // It may also try again for longer than anybody waits.
        let written = http.put(&url).body(vec![1; 1 << 12]).timeout(WRITE_MAX).send().await;
        !written.is_ok_and(|answer| answer.status().is_success())
    })
    .await;
    sleep(time).await;
    world.store.stop().await;
    world.store.start_again().await;
    happened
}

/// Sets a clock for some time.
pub(super) async fn clock_set(
    clock: &Clock,
    random: &mut StdRng,
    time: Duration,
) -> Result<(), NotHappened> {
    let secs = CLOCK_SECS[random.random_range(0..CLOCK_SECS.len())];
    clock.set(secs);
    sleep(time).await;
    let happened = shown(async || clock.seen() == Some(secs)).await;
    clock.set(0);
    happened
}

/// Waits until a fault shows.
async fn shown(is_so: impl AsyncFn() -> bool) -> Result<(), NotHappened> {
    let begun = Instant::now();
    while begun.elapsed() < SHOWN_MAX {
        if is_so().await {
            return Ok(());
        }
        sleep(PAUSE).await;
    }
    Err(NotHappened("it did not show"))
}
