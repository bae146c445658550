//! Small random runs with faults, each determined by its seed.

use protocol::Phase;
use protocol::request::{FanIn, Priority, Speculation, SpeculationPolicy};

use super::faults::{Faults, Fired};
use super::random::Random;
use super::sim_event::SimEvent;
use super::terms::{Load, Terms, Truth};
use super::worker::Speed;
use super::world::World;
use crate::Settings;
use crate::event::JobTerms;
use crate::plan::{Costs, PlanInputs, PlanLimits};

/// Runs the world of a seed to its end. Checks every invariant after every event,
/// and the phase of every job at the end. Returns the number of injected faults.
///
/// # Errors
/// A description of the first violation, with the seed.
pub fn run(seed: u64) -> Result<Fired, String> {
    let mut world = world(seed);
    run_world(&mut world).map_err(|broken| format!("{}SEED={seed}: {broken}", world.recent()))?;
    Ok(world.fired)
}

fn run_world(world: &mut World) -> Result<(), String> {
    world.run()?;
    let fired = world.fired;
    let terms = &world.terms;
    let may_fail_often = terms.failures_per_task_max >= terms.settings.attempts_max;
    let is_failure_allowed = fired.fatal_failure + fired.lengths_differ > 0 || may_fail_often;
    for (job, phase) in &world.ended {
        let killer = world.scheduler.job(*job).and_then(|job| job.killer);
        let expected = match (phase, killer) {
            (Phase::Done, _) => true,
            (Phase::Cancelled, _) => fired.job_cancelled > 0,
            (Phase::Failed, Some(task)) => {
                let (_, deaths) = world.injected.get(&(*job, task)).copied().unwrap_or_default();
                deaths >= terms.settings.deaths_max
            }
            (Phase::Failed, None) => is_failure_allowed,
            _ => false,
        };
        if !expected {
            let error = world.scheduler.job(*job).and_then(|job| job.error);
            return Err(format!("job {job} ended as {phase:?}: {error:?}"));
        }
    }
    // Long enough for every lease to expire and every late message to arrive.
    let lease_us = world.terms.settings.lease_ms * 1_000;
    world.run_for(10 * lease_us + 60_000_000)?;
    world.check_quiescent()
}

/// The share of the worlds in which attempts share messages.
const BUNDLING: f64 = 0.5;

/// Builds the world of a seed.
fn world(seed: u64) -> World {
    let mut random = Random::new(seed);
    let managed_pool = random.bernoulli(0.5);
    // In the other worlds every good job must be completed, with the limits of production.
    let may_fail = random.bernoulli(0.1);
    let may_kill = random.bernoulli(0.2);
    let settings = Settings {
        min_workers: 0,
        max_workers: u32::try_from(random.between(1, 12)).unwrap_or(1),
        idle_ms: random.between(100, 5_000),
        lease_ms: 10_000,
        attempts_max: if may_fail { 2 } else { Settings::DEFAULT.attempts_max },
        worker_failures_max: 3,
        retry_delay_ms: random.between(0, 500),
        look_ahead_ms: random.between(0, 20),
        // Such worlds put tasks of seconds together.
        bundle_ms: if random.bernoulli(BUNDLING) { random.between(0, 60_000) } else { 25 },
        external_pool: !managed_pool,
        running_jobs_max: u32::try_from(random.between(1, 3)).unwrap_or(1),
        ..Settings::DEFAULT
    };
    let heartbeat_us = random.between(200_000, 3_000_000);
    let terms = Terms {
        settings,
        rule: None,
        message_us: random.between(50, 5_000),
        jitter_us: random.fraction() * 20_000.0,
        broker_us: random.between(0, 1_000),
        server_us: random.between(0, 1_000),
        heartbeat_us,
        idle_heartbeat_us: heartbeat_us,
        start_us: (1_000, 500_000),
        start_speed: (0.5, 1.5),
        faults: faults(&mut random),
        faults_max: 25,
        failures_per_task_max: if may_fail { u32::MAX } else { settings.attempts_max - 1 },
        deaths_per_task_max: if may_kill { u32::MAX } else { settings.deaths_max - 1 },
        checked: true,
        managed_pool,
    };
    let faults = terms.faults;
    let mut speeds = Vec::new();
    if !managed_pool {
        let slow_node = random.bernoulli(0.3);
        for worker in 0..random.between(1, 10) {
            let node = ["a", "b", "c"][usize::try_from(worker % 3).unwrap_or(0)];
            let mut speed = Speed::steady((random.normal() * 0.5).exp());
            if slow_node && node == "b" || random.bernoulli(0.1) {
                speed.first /= 8.0;
            }
            if random.bernoulli(0.1) {
                speed.then = Some((random.between(0, 20_000_000), speed.first / 10.0));
            }
            speeds.push((speed, node));
        }
    }
    let loads: Vec<Load> = (0..random.between(1, 3)).map(|_| load(&mut random)).collect();
    let misestimated = loads.iter().filter(|load| load.columns != load.inputs.columns_estimate);
    let misestimated = misestimated.count() as u64;

    let mut world = World::new(terms, random.next_u64(), &speeds, loads);
    world.fired.columns_misestimated += misestimated;
    for job in world.jobs.values_mut() {
        job.checks = true;
    }
    for worker in 0..world.workers.len() {
        // The first worker is healthy, so that the jobs can finish.
        world.workers[worker].black_hole = worker > 0 && random.bernoulli(faults.black_hole);
    }
    for job in world.job_ids() {
        if random.bernoulli(faults.job_cancelled) {
            let at = random.between(1, 60_000_000);
            world.schedule(at, SimEvent::JobCancelled(job));
        }
    }
    if random.bernoulli(faults.server_restarts) {
        for _ in 0..random.between(1, 2) {
            let at = random.between(1, 40_000_000);
            world.schedule(at, SimEvent::ServerRestarted);
        }
    }
    schedule_outages(&mut world, &mut random);
    if managed_pool && random.bernoulli(faults.manual_scaling) {
        let at = random.between(1, 30_000_000);
        let by_hand = u32::try_from(random.between(1, 8)).ok();
        world.schedule(at, SimEvent::DesiredWorkersSet(by_hand));
        world.schedule(at + 10_000_000, SimEvent::DesiredWorkersSet(None));
    }
    world
}

/// Schedules outages of the broker, of the store and of a node.
fn schedule_outages(world: &mut World, random: &mut Random) {
    const LONGEST_US: u64 = 90_000_000;
    let faults = world.terms.faults;
    if random.bernoulli(faults.broker_away) {
        let is_wiped = random.bernoulli(faults.broker_wiped);
        let us = random.between(100_000, LONGEST_US);
        world.schedule(random.between(1, 40_000_000), SimEvent::BrokerLeft(us, is_wiped));
    }
    if random.bernoulli(faults.store_away) {
        let us = random.between(100_000, LONGEST_US);
        world.schedule(random.between(1, 40_000_000), SimEvent::StoreLeft(us));
    }
    if random.bernoulli(faults.node_lost) {
        let node = if random.bernoulli(0.5) { "a" } else { "b" };
        world.schedule(random.between(1, 40_000_000), SimEvent::NodeLost(node));
    }
}

/// Each fault is enabled in half of the worlds, with a random probability.
fn faults(random: &mut Random) -> Faults {
    let mut probability = |most: f64| {
        if random.bernoulli(0.5) { most * random.fraction() } else { 0.0 }
    };
    Faults {
        duplicate_report: probability(0.3),
        late_report: probability(0.2),
        duplicate_delivery: probability(0.1),
        control_lost: probability(0.5),
        worker_crashes: probability(0.2),
        redelivery: probability(1.0),
        worker_evicted: probability(0.2),
        worker_stalls: probability(0.05),
        worker_restarts: probability(1.0),
        attempt_fails: probability(0.2),
        black_hole: probability(0.3),
        fatal_failure: probability(0.005),
        lengths_differ: probability(0.005),
        job_cancelled: probability(0.3),
        server_restarts: probability(0.6),
        broker_away: probability(0.8),
        broker_wiped: probability(1.0),
        store_away: probability(0.8),
        node_lost: probability(0.8),
        manual_scaling: probability(1.0),
        columns_misestimated: probability(1.0),
        carried: BUNDLING,
    }
}

fn load(random: &mut Random) -> Load {
    let objects = random.between(1, 60);
    let columns = random.between(1, 300_000);
    let is_text = random.bernoulli(0.5);
    let estimate = if is_text && random.bernoulli(0.5) {
        columns * random.between(30, 300) / 100 + 1
    } else {
        columns
    };
    let fan_in = if random.bernoulli(0.3) {
        FanIn::Auto
    } else {
        FanIn::Fixed(u32::try_from(random.between(2, 9)).unwrap_or(2))
    };
    let policy =
        if random.bernoulli(0.8) { SpeculationPolicy::Resume } else { SpeculationPolicy::Original };
    // Slow enough that a task takes seconds.
    let costs = Costs {
        request_secs: 0.001,
        task_secs: 0.001,
        read_bytes_per_sec: 1e5 * (1.0 + 100.0 * random.fraction()),
        write_bytes_per_sec: 1e7,
        ..Costs::REAL
    };
    Load {
        inputs: PlanInputs {
            objects,
            bytes: objects * columns * 8,
            columns: (!is_text).then_some(columns),
            columns_estimate: estimate,
            seekable: !is_text,
            ..PlanInputs::default()
        },
        columns,
        fan_in,
        terms: JobTerms {
            workers: u32::try_from(random.between(1, 8)).unwrap_or(1),
            priority: [Priority::Low, Priority::Normal, Priority::High]
                [usize::try_from(random.between(0, 2)).unwrap_or(0)],
            speculation: Speculation {
                enabled: random.bernoulli(0.9),
                policy,
                share: 0.1 + 0.9 * random.fraction(),
                ..Speculation::default()
            },
        },
        limits: PlanLimits {
            segment_columns: 1 << random.between(13, 18),
            ..PlanLimits::default()
        },
        costs,
        truth: Truth { costs, variation: 0.5 * random.fraction() },
        at_us: random.between(0, 5_000_000),
    }
}
