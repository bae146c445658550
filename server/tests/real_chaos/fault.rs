//! The faults, each with the proof that it has happened.

mod messages;
mod objects;
mod outage;

use std::time::Duration;

use clap::ValueEnum;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use testbed::{Disturbance, Process, freeze, thaw};
use tokio::time::sleep;

use self::objects::Harm;
use self::outage::{another_leads, clock_set, disturbed, frozen, full_broker, full_store, leader};
use crate::jobs::Jobs;
use crate::world::{NotHappened, SERVERS, WORKERS, World};

/// How long the store may say that what is there is not: an input that is gone is looked
/// for again after three seconds.
const ABSENT_MAX: Duration = Duration::from_secs(2);

/// Defines the faults, and lists them all.
macro_rules! faults {
    ($($fault:ident),* $(,)?) => {
        /// A fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
        #[value(rename_all = "verbatim")]
        pub(crate) enum Fault { $($fault),* }

        /// Every fault.
        pub(crate) const ALL: &[Fault] = &[$(Fault::$fault),*];
    };
}

faults!(
    WorkerKilled,
    WorkerStopped,
    WorkerFrozen,
    WorkerClockSet,
    ServerKilled,
    ServerStopped,
    ServerFrozen,
    ServerClockSet,
    LeaderKilled,
    LeaderFrozen,
    StandbyKilled,
    BrokerStopped,
    BrokerKilled,
    BrokerFrozen,
    BrokerDiskFull,
    BrokerWiped,
    QueueStuck,
    QueueRefused,
    QueueSilent,
    QueueCut,
    QueueSlow,
    QueueThrottled,
    MessagesGarbage,
    MessagesShuffled,
    StoreStopped,
    StoreKilled,
    StoreFrozen,
    StoreDiskFull,
    StoreBusy,
    StoreDenies,
    StoreAbsent,
    StoreSlow,
    StoreThrottled,
    StoreSilent,
    StoreCut,
    SegmentDamaged,
    SegmentCut,
    SegmentGone,
    RecordDamaged,
    RecordCut,
    RecordGone,
    InputOverwritten,
);

/// These faults in random order, again and again.
pub(crate) fn shuffled(
    faults: Vec<Fault>,
    random: &mut StdRng,
) -> impl Iterator<Item = Fault> + use<> {
    let mut random = StdRng::seed_from_u64(random.random());
    std::iter::repeat_with(move || {
        let mut round = faults.clone();
        round.shuffle(&mut random);
        round
    })
    .flatten()
}

impl Fault {
    /// Lets the fault happen and end. What it has stopped runs again afterwards.
    pub(crate) async fn happen(
        self,
        world: &mut World,
        jobs: &mut Jobs,
        random: &mut StdRng,
    ) -> Result<(), NotHappened> {
        let some = Duration::from_millis(random.random_range(500..5_000));
        let worker = random.random_range(0..WORKERS.len());
        let server = random.random_range(0..SERVERS);
        match self {
            Fault::WorkerKilled => {
                drop(world.workers[worker].take());
                world.start_worker(worker);
            }
            Fault::WorkerStopped => {
                if let Some(worker) = world.workers[worker].take() {
                    worker.stop().await;
                }
                world.start_worker(worker);
            }
            Fault::WorkerFrozen => {
                let id = world.workers[worker].as_ref().map(Process::id);
                // Now and then for longer than a lease.
                let long = random.random_bool(0.3).then_some(Duration::from_secs(17));
                frozen(id, long.unwrap_or(some)).await?;
            }
            Fault::WorkerClockSet => {
                clock_set(&world.worker_clocks[worker], random, some).await?;
            }
            Fault::ServerKilled => {
                drop(world.servers[server].take());
                sleep(some / 4).await;
                world.start_server(server);
            }
            Fault::ServerStopped => {
                if let Some(server) = world.servers[server].take() {
                    server.stop().await;
                }
                world.start_server(server);
            }
            Fault::ServerFrozen => {
                frozen(world.servers[server].as_ref().map(Process::id), some).await?;
            }
            Fault::ServerClockSet => {
                clock_set(&world.server_clocks[server], random, some).await?;
            }
            Fault::LeaderKilled => {
                let leader = leader(world).await?;
                drop(world.servers[leader].take());
                another_leads(world, leader).await;
                world.start_server(leader);
            }
            Fault::LeaderFrozen => {
                let leader = leader(world).await?;
                let id = world.servers[leader].as_ref().map(Process::id);
                let id = id.ok_or(NotHappened("there was no process"))?;
                freeze(id);
                another_leads(world, leader).await;
                thaw(id);
            }
            Fault::StandbyKilled => {
                let standby = (leader(world).await? + 1) % SERVERS;
                drop(world.servers[standby].take());
                world.start_server(standby);
            }
            Fault::BrokerStopped => {
                world.broker.stop().await;
                world.broker.start_again().await;
            }
            Fault::BrokerKilled => {
                world.broker.kill();
                sleep(some / 4).await;
                world.broker.start_again().await;
            }
            Fault::BrokerFrozen => {
                world.broker.freeze();
                sleep(some).await;
                world.broker.thaw();
            }
            Fault::BrokerDiskFull => full_broker(world, some).await?,
            Fault::BrokerWiped => {
                world.broker.kill();
                world.broker.wipe();
                world.broker.start_again().await;
            }
            Fault::QueueStuck => return queue_stuck(world, random).await,
            Fault::MessagesGarbage => return messages::garbage(world, random).await,
            Fault::MessagesShuffled => return messages::shuffled(world, random).await,
            Fault::QueueCut => {
                // Cut once, and connect again at once.
                let before = world.to_broker.disturbed();
                world.to_broker.disturb(Disturbance::None);
                for _ in 0..50 {
                    if world.to_broker.disturbed() > before {
                        return Ok(());
                    }
                    sleep(Duration::from_millis(20)).await;
                }
                return Err(NotHappened("nobody was connected"));
            }
            Fault::QueueRefused | Fault::QueueSilent | Fault::QueueSlow | Fault::QueueThrottled => {
                disturbed(&world.to_broker, self.disturbance(random), some).await?;
            }
            Fault::StoreStopped => {
                world.store.stop().await;
                sleep(some).await;
                world.store.start_again().await;
            }
            Fault::StoreKilled => {
                world.store.kill();
                sleep(some).await;
                world.store.start_again().await;
            }
            Fault::StoreFrozen => {
                world.store.freeze();
                sleep(some).await;
                world.store.thaw();
            }
            Fault::StoreDiskFull => full_store(world, some).await?,
            Fault::StoreAbsent => {
                disturbed(&world.to_store, Disturbance::Answer(404), some.min(ABSENT_MAX)).await?;
            }
            Fault::StoreBusy
            | Fault::StoreDenies
            | Fault::StoreSlow
            | Fault::StoreThrottled
            | Fault::StoreSilent
            | Fault::StoreCut => {
                disturbed(&world.to_store, self.disturbance(random), some).await?;
            }
            Fault::SegmentDamaged | Fault::SegmentCut | Fault::SegmentGone => {
                return objects::segment(self.harm(), world, random).await;
            }
            Fault::RecordDamaged | Fault::RecordCut | Fault::RecordGone => {
                objects::record(self.harm(), world, jobs, random).await?;
                // Who leads next reads it.
                let leader = leader(world).await?;
                drop(world.servers[leader].take());
                world.start_server(leader);
            }
            Fault::InputOverwritten => return jobs.overwrite_some(world, random).await,
        }
        Ok(())
    }

    /// What happens to connections.
    fn disturbance(self, random: &mut StdRng) -> Disturbance {
        let by = Duration::from_millis(random.random_range(50..400));
        match self {
            Fault::StoreBusy => Disturbance::Answer(503),
            Fault::StoreDenies => Disturbance::Answer(403),
            Fault::QueueSilent | Fault::StoreSilent => Disturbance::Silence,
            Fault::QueueSlow => Disturbance::Slow { every: 1, by },
            Fault::StoreSlow => Disturbance::Slow { every: 2, by },
            Fault::QueueThrottled => Disturbance::Throttle { bytes_per_sec: 4_000 },
            Fault::StoreThrottled => Disturbance::Throttle { bytes_per_sec: 40_000 },
            Fault::StoreCut => Disturbance::Cut { after: random.random_range(1..5_000) },
            _ => Disturbance::Refuse,
        }
    }

    /// What happens to what is stored.
    fn harm(self) -> Harm {
        match self {
            Fault::SegmentGone | Fault::RecordGone => Harm::Gone,
            Fault::SegmentCut | Fault::RecordCut => Harm::Cut,
            _ => Harm::Damaged,
        }
    }
}

/// Suspends a queue inside the broker, until the server has noticed.
async fn queue_stuck(world: &World, random: &mut StdRng) -> Result<(), NotHappened> {
    let queue = messages::some_queue(world, random).await?;
    let suspend = format!("sys:suspend(whereis('%2F_{queue}')).");
    if world.broker.eval(&suspend).await.as_deref() != Some("ok") {
        return Err(NotHappened("the queue was gone"));
    }
    for _ in 0..300 {
        if !world.is_ready().await {
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
    Err(NotHappened("the server has not noticed"))
}
